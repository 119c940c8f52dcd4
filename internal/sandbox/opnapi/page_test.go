package opnapi_test

import (
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/ksher-go/ksher/internal/sandbox"
	"github.com/ksher-go/ksher/internal/sandbox/sandboxtest"
	"github.com/ksher-go/ksher/opn"
)

// The page leads back to a shop's app as well as to a web page.
func TestOpnPageLeadsBackToAnApp(t *testing.T) {
	gw := sandbox.New(t, sandbox.WithStrict(false))
	client, err := gw.NewOpnClient()
	require.NoError(t, err)
	charge, err := client.CreateChargeWithSource(t.Context(), &opn.CreateChargeWithSourceRequest{
		Amount: 1500_00, Currency: "thb", ReturnURI: "myshop://orders/1?a=<b>",
	})
	require.NoError(t, err)
	assert.Equal(t, "THB", charge.Currency)
	require.NoError(t, gw.PayOpn(charge.ID))
	resp, err := gw.HTTPClient().Get(charge.AuthorizeURI)
	require.NoError(t, err)
	defer resp.Body.Close()
	page, err := io.ReadAll(resp.Body)
	require.NoError(t, err)
	assert.Contains(t, string(page), `href="myshop://orders/1?a=%3cb%3e"`)
	assert.Contains(t, string(page), `content="4;url=myshop://orders/1?a=`)
}

func TestOpnPage(t *testing.T) {
	for action, want := range map[string]struct {
		status opn.Status
		code   opn.FailureCode
		text   string
	}{
		"successful":        {opn.StatusSuccessful, "", "Paid"},
		"expire":            {opn.StatusExpired, "payment_expired", "The charge is expired: payment_expired"},
		"payment_expired":   {opn.StatusFailed, "payment_expired", "The charge is failed: payment_expired"},
		"payment_rejected":  {opn.StatusFailed, "payment_rejected", "The charge is failed: payment_rejected"},
		"failed_processing": {opn.StatusFailed, "failed_processing", "The charge is failed: failed_processing"},
		"invalid_account":   {opn.StatusFailed, "invalid_account", "The charge is failed: invalid_account"},
		"insufficient_fund": {opn.StatusFailed, "insufficient_fund", "The charge is failed: insufficient_fund"},
		"nonsense":          {opn.StatusPending, "", "How does the payment end?"},
		"":                  {opn.StatusPending, "", "How does the payment end?"},
	} {
		t.Run(action, func(t *testing.T) {
			gw := sandbox.New(t)
			client, charge := opnCharge(t, gw)
			b := sandboxtest.NewBuyer(t, gw, sandboxtest.PhoneAgent)
			b.Open(charge.AuthorizeURI)
			require.Equal(t, 200, b.Status)
			assert.Contains(t, b.Body, "1,500.00 THB")
			assert.Contains(t, b.Body, charge.ID)
			assert.Contains(t, b.Body, `data-left="600"`)
			assert.Contains(t, b.Body, "Simulation")
			assert.Equal(t, "no-store", b.Header.Get("Cache-Control"))
			for _, button := range []string{"successful", "expire", "payment_expired", "payment_rejected", "failed_processing", "invalid_account", "insufficient_fund"} {
				assert.Contains(t, b.Body, `name="action" value="`+button+`"`)
			}
			for _, form := range []string{"pay", "fail"} {
				address, _ := b.Form(form)
				assert.Equal(t, charge.AuthorizeURI, address)
			}
			b.Post(charge.AuthorizeURI, url.Values{"action": {action}})
			require.Equal(t, 200, b.Status)
			assert.Contains(t, b.Body, want.text)
			known, err := client.GetCharge(t.Context(), charge.ID)
			require.NoError(t, err)
			assert.Equal(t, want.status, known.Status)
			assert.Equal(t, want.code, known.FailureCode.V)
			assert.Equal(t, want.status == opn.StatusExpired, known.ExpiredAt.Valid)
			if want.status == opn.StatusPending {
				return
			}
			assert.Contains(t, b.Body, `id="return" href="https://shop.example/orders/1?a=%3cb%3e"`)
			assert.Contains(t, b.Body, `http-equiv="refresh"`)
			assert.NotContains(t, b.Body, "<b>")
			// Nothing more can be done about it.
			b.Post(charge.AuthorizeURI, url.Values{"action": {"successful"}})
			again, err := client.GetCharge(t.Context(), charge.ID)
			require.NoError(t, err)
			assert.Equal(t, known.Raw, again.Raw)
		})
	}
}

func TestOpnPageOfNothing(t *testing.T) {
	gw := sandbox.New(t)
	_, charge := opnCharge(t, gw)
	b := sandboxtest.NewBuyer(t, gw, sandboxtest.PhoneAgent)
	b.Open(gw.OpnURL() + "/payments/pay2_test_x/authorize")
	assert.Equal(t, 404, b.Status)
	b.Open(gw.OpnURL() + "/payments/" + charge.ID + "/authorize")
	assert.Equal(t, 404, b.Status, "the ID alone lets nobody pay")
	b.Post(gw.OpnURL()+"/payments/pay2_test_x/authorize", url.Values{"action": {"successful"}})
	assert.Equal(t, 404, b.Status)

	req, err := http.NewRequest("POST", charge.AuthorizeURI, strings.NewReader("action=successful"))
	require.NoError(t, err)
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	req.Header.Set("Origin", "https://elsewhere.example")
	b.Do(req)
	assert.Equal(t, 403, b.Status)
	assert.Equal(t, opn.StatusPending, gw.OpnCharges()[0].Status)
	gw.Advance(10 * time.Minute)
	b.Open(charge.AuthorizeURI)
	assert.Contains(t, b.Body, "The charge is expired: payment_expired: the buyer did not pay in time.")
}
