package opnapi_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/ksher-go/ksher/internal/sandbox"
	"github.com/ksher-go/ksher/internal/sandbox/core"
	"github.com/ksher-go/ksher/internal/sandbox/sandboxtest"
	"github.com/ksher-go/ksher/opn"
)

// What is done by hand to any order is done to a charge, with what Opn says of it then.
func TestOpnByTheControlAPI(t *testing.T) {
	for action, want := range map[string]struct {
		http   int
		state  core.State
		status opn.Status
		code   opn.FailureCode
	}{
		"pay":     {200, core.Paid, opn.StatusSuccessful, ""},
		"fail":    {200, core.Failed, opn.StatusFailed, opn.FailureCodeFailedProcessing},
		"expire":  {200, core.Expired, opn.StatusExpired, opn.FailureCodePaymentExpired},
		"begin":   {200, core.InProgress, opn.StatusPending, ""},
		"give-up": {409, core.Created, opn.StatusPending, ""},
		"settle":  {409, core.Created, opn.StatusPending, ""},
	} {
		t.Run(action, func(t *testing.T) {
			gw := sandbox.New(t)
			client, charge := opnCharge(t, gw)
			path := "/control/orders/" + charge.ID
			_, list := sandboxtest.Ask(t, gw, "GET", "/control/orders", "")
			assert.Contains(t, list, `"mch_order_no": "`+charge.ID+`"`)
			assert.Contains(t, list, `"page_url": "`+charge.AuthorizeURI+`"`)
			assert.Contains(t, list, `"api": "opn"`)
			assert.NotContains(t, list, "ksher_order_no")
			status, body := sandboxtest.Ask(t, gw, "POST", path+"/"+action, "")
			assert.Equal(t, want.http, status, body)
			_, body = sandboxtest.Ask(t, gw, "GET", path, "")
			assert.Contains(t, body, fmt.Sprintf(`"state": %q`, want.state))
			known, err := client.GetCharge(t.Context(), charge.ID)
			require.NoError(t, err)
			assert.Equal(t, want.status, known.Status)
			assert.Equal(t, want.status, known.Source.ChargeStatus)
			assert.Equal(t, want.code, known.FailureCode.V)
			assert.Equal(t, want.state == core.Paid, known.Paid)
		})
	}
}

func TestOpnOnTheDashboard(t *testing.T) {
	gw := sandbox.New(t)
	_, charge := opnCharge(t, gw)
	require.NoError(t, gw.FailOpn(charge.ID, opn.FailureCodeInsufficientFund))
	_, page := sandboxtest.Ask(t, gw, "GET", "/", "")
	assert.Contains(t, page, `href="/order?no=`+charge.ID+`"`)
	status, page := sandboxtest.Ask(t, gw, "GET", "/order?no="+charge.ID, "")
	assert.Equal(t, 200, status)
	for _, text := range []string{"1,500.00 THB", "the payment failed: insufficient_fund", charge.AuthorizeURI, "return_uri"} {
		assert.Contains(t, page, text)
	}
	for _, text := range []string{"A query answers", "ksher_order_no", sandbox.OpnSecretKey} {
		assert.NotContains(t, page, text)
	}
}

// A charge after a restart is what it was before, and so is a source.
func TestOpnSurvivesARestart(t *testing.T) {
	store := new(sandboxtest.MemoryStore)
	start := func() (*sandbox.Gateway, *opn.Client) {
		gw, err := sandbox.Start(sandbox.WithStore(store), sandbox.WithSpeed(0))
		require.NoError(t, err)
		client, err := gw.NewOpnClient()
		require.NoError(t, err)
		return gw, client
	}
	gw, client := start()
	source, err := client.CreateSource(t.Context(), &opn.CreateSourceRequest{Amount: 1500_00, Currency: "THB", PlatformType: opn.PlatformTypeIOS})
	require.NoError(t, err)
	_, expired := opnCharge(t, gw)
	gw.Advance(10 * time.Minute)
	_, paid := opnCharge(t, gw)
	require.NoError(t, gw.PayOpn(paid.ID))
	_, failed := opnCharge(t, gw)
	require.NoError(t, gw.FailOpn(failed.ID, opn.FailureCodeInvalidAccount))
	_, pending := opnCharge(t, gw)
	before := gw.OpnCharges()
	gw.Close()

	gw, client = start()
	defer gw.Close()
	require.Len(t, before, 4)
	after := gw.OpnCharges()
	require.Len(t, after, 4)
	for i := range before {
		was, is := core.Marshal(before[i]), core.Marshal(after[i])
		// The gateway has another port now.
		assert.Equal(t, sameAddress(before[i].AuthorizeURI, string(was)), sameAddress(after[i].AuthorizeURI, string(is)))
	}
	for id, want := range map[string]opn.Status{expired.ID: opn.StatusExpired, paid.ID: opn.StatusSuccessful, failed.ID: opn.StatusFailed, pending.ID: opn.StatusPending} {
		known, err := client.GetCharge(t.Context(), id)
		require.NoError(t, err)
		assert.Equal(t, want, known.Status)
	}
	req := &opn.CreateChargeRequest{Amount: 1500_00, Currency: "THB", Source: source.ID, ReturnURI: "https://shop.example/done"}
	charge, err := client.CreateCharge(t.Context(), req)
	require.NoError(t, err)
	assert.Equal(t, source.CreatedAt, charge.Source.CreatedAt)
	assert.Equal(t, opn.PlatformTypeIOS, charge.Source.PlatformType.V)
	assert.Greater(t, charge.ID, pending.ID)
	_, err = client.CreateCharge(t.Context(), req)
	require.ErrorContains(t, err, "charged already")
	require.NoError(t, gw.PayOpn(pending.ID))
}

// sameAddress puts a fixed host into the address of a page.
func sameAddress(address, text string) string {
	_, path, _ := strings.Cut(strings.TrimPrefix(address, "http://"), "/")
	return strings.ReplaceAll(text, address, "http://gateway/"+path)
}

// What can't be written down didn't happen.
func TestOpnWithAFullDisk(t *testing.T) {
	store := new(sandboxtest.MemoryStore)
	gw := sandbox.New(t, sandbox.WithStore(store))
	_, charge := opnCharge(t, gw)
	store.Full = true
	for path, key := range map[string]string{"/charges": sandbox.OpnSecretKey, "/sources": sandbox.OpnPublicKey} {
		status, body := askOpn(t, gw, "POST", path, key, opnForm("type", opn.SourceType))
		assert.Equal(t, http.StatusInternalServerError, status)
		assert.Contains(t, body, `"code":"internal_error"`)
	}
	require.ErrorIs(t, gw.PayOpn(charge.ID), core.ErrStore)
	b := sandboxtest.NewBuyer(t, gw, sandboxtest.PhoneAgent)
	b.Open(charge.AuthorizeURI)
	status, _ := sandboxtest.Ask(t, gw, "POST", strings.TrimPrefix(charge.AuthorizeURI, gw.URL()), "action=successful", "Content-Type", "application/x-www-form-urlencoded")
	assert.Equal(t, http.StatusInternalServerError, status)
	store.Full = false
	require.Len(t, gw.OpnCharges(), 1)
	assert.Equal(t, opn.StatusPending, gw.OpnCharges()[0].Status)
	require.NoError(t, gw.PayOpn(charge.ID))
}

func TestOpnSource(t *testing.T) {
	gw := sandbox.New(t)
	client, charge := opnCharge(t, gw)
	require.NoError(t, gw.PayOpn(charge.ID))
	source, err := client.CreateSource(t.Context(), &opn.CreateSourceRequest{Amount: 20_00, Currency: "THB", PlatformType: opn.PlatformTypeAndroid})
	require.NoError(t, err)
	chargedLater, err := client.CreateSource(t.Context(), &opn.CreateSourceRequest{Amount: 30_00, Currency: "THB"})
	require.NoError(t, err)
	_, err = client.CreateCharge(t.Context(), &opn.CreateChargeRequest{Amount: 30_00, Currency: "THB", Source: chargedLater.ID, ReturnURI: "https://shop.example"})
	require.NoError(t, err)
	for name, tt := range map[string]struct {
		id, key string
		http    int
		status  opn.Status
	}{
		"not charged":            {source.ID, sandbox.OpnPublicKey, 200, opn.StatusUnknown},
		"charged":                {chargedLater.ID, sandbox.OpnPublicKey, 200, opn.StatusPending},
		"made with a charge":     {charge.Source.ID, sandbox.OpnPublicKey, 200, opn.StatusSuccessful},
		"unknown":                {"src_test_9", sandbox.OpnPublicKey, 404, ""},
		"a charge's ID":          {charge.ID, sandbox.OpnPublicKey, 404, ""},
		"with the secret key":    {source.ID, sandbox.OpnSecretKey, 401, ""},
		"with nobody's key":      {source.ID, "pkey_test_x", 401, ""},
		"a charge's source's ID": {charge.Source.ID + "0", sandbox.OpnPublicKey, 404, ""},
	} {
		t.Run(name, func(t *testing.T) {
			status, body := askOpn(t, gw, "GET", "/sources/"+tt.id, tt.key, nil)
			require.Equal(t, tt.http, status, body)
			if status != 200 {
				assert.Contains(t, body, `"object":"error"`)
				return
			}
			var s opn.Source
			require.NoError(t, json.Unmarshal([]byte(body), &s))
			assert.Equal(t, tt.id, s.ID)
			assert.Equal(t, tt.status, s.ChargeStatus)
		})
	}
	// A source isn't an order, and can't be paid.
	_, list := sandboxtest.Ask(t, gw, "GET", "/control/orders", "")
	assert.NotContains(t, list, `"mch_order_no": "`+source.ID)
	status, _ := sandboxtest.Ask(t, gw, "POST", "/control/orders/"+source.ID+"/pay", "")
	assert.Equal(t, 404, status)
}
