package checkout_test

import (
	"fmt"
	"net/http"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/ksher-go/ksher"
	"github.com/ksher-go/ksher/internal/sandbox"
	"github.com/ksher-go/ksher/internal/sandbox/sandboxtest"
	"github.com/ksher-go/ksher/internal/testkit"
)

func TestCardNumbers(t *testing.T) {
	gw := sandbox.New(t)
	b := sandboxtest.NewBuyer(t, gw, "PC")
	page := sandboxtest.Checkout(t, gw, "A-1", func(r *ksher.GatewayPayRequest) { r.MemberID = "m1" }, ksher.ChannelCard)
	for _, number := range []string{"4111111111111111", "4242424242424241", "378282246310005", "1", "", strings.Repeat("4", 500)} {
		b.Open(page)
		b.Next("card_number", number, "card_cvc", "987", "save_card", "yes")
		assert.Equal(t, http.StatusUnprocessableEntity, b.Status, number)
		assert.Contains(t, b.Body, "card information is incorrect")
		assert.Contains(t, b.Body, `value="A. Buyer"`, "what isn't secret is shown again")
		assert.NotRegexp(t, `\b987\b`, b.Body)
		b.Open(page)
		if len(number) > 1 {
			assert.NotContains(t, b.Body, number)
			assert.NotContains(t, fmt.Sprintf("%+v", sandboxtest.Seen(t, gw, "A-1")), number)
		}
	}
	for field, value := range map[string]string{"card_expiry": "13/40", "card_cvc": "12", "card_name": " "} {
		b.Open(page)
		b.Next(field, value)
		assert.Equal(t, http.StatusUnprocessableEntity, b.Status, field)
		assert.Contains(t, b.Body, `id="`+field+`-error"`)
	}
	b.Open(page)
	b.Next("card_name", "4111111111111111")
	assert.Equal(t, http.StatusUnprocessableEntity, b.Status)
	assert.NotContains(t, b.Body, "4111111111111111", "typed into the wrong field")
	b.Next("card_expiry", "01/20")
	assert.Contains(t, b.Body, "expired")
	assert.Equal(t, sandbox.Created, sandboxtest.Seen(t, gw, "A-1").State)

	b.Next("card_number", "4000-0000-0000-0002")
	assert.Contains(t, b.Body, "declined the card")
	assert.Equal(t, sandbox.Failed, sandboxtest.Seen(t, gw, "A-1").State)
}

func TestOTP(t *testing.T) {
	gw := sandbox.New(t)
	b := sandboxtest.NewBuyer(t, gw, "PC")
	start := func(no, number string) {
		b.Open(sandboxtest.Checkout(t, gw, no, nil, ksher.ChannelCard))
		b.Next("card_number", number)
		require.Equal(t, "otp", b.Step())
	}

	start("RIGHT", "5555555555554444")
	b.Next("otp", "000000")
	assert.Equal(t, http.StatusUnprocessableEntity, b.Status)
	assert.Contains(t, b.Body, "Wrong OTP code")
	b.Leave("resend")
	assert.Contains(t, b.Body, "The code was sent again")
	b.Next("otp", " 123456 ")
	assert.Equal(t, sandbox.Paid, sandboxtest.Seen(t, gw, "RIGHT").State)

	start("WRONG", "5555555555554444")
	for range 3 {
		b.Next("otp", "654321")
	}
	assert.Contains(t, b.Body, "wrong three times")
	assert.Equal(t, sandbox.Failed, sandboxtest.Seen(t, gw, "WRONG").State)

	start("SILENT", "4000000000000119")
	assert.Contains(t, b.Body, "the code never arrives")
	assert.NotContains(t, b.Body, "123456")
	b.Leave("resend")
	assert.Contains(t, b.Body, "could not be sent")
	b.Next()
	assert.Contains(t, b.Body, "Wrong OTP code")
	b.Leave("abandon")
	assert.Equal(t, sandbox.Created, sandboxtest.Seen(t, gw, "SILENT").State)
}

func TestSavedCards(t *testing.T) {
	testkit.Holds(t, testkit.Documented, "page: member_id lets a buyer save cards")
	gw := sandbox.New(t)
	member := func(id string) func(*ksher.GatewayPayRequest) {
		return func(r *ksher.GatewayPayRequest) { r.MemberID = id }
	}
	b := sandboxtest.NewBuyer(t, gw, "PC")
	pay := func(no, id string, pairs ...string) {
		b.Open(sandboxtest.Checkout(t, gw, no, member(id), ksher.ChannelCard) + "&way=new")
		require.Equal(t, "card", b.Step())
		b.Next(pairs...)
		b.Next()
		require.Equal(t, sandbox.Paid, sandboxtest.Seen(t, gw, no).State)
	}
	open := func(no, id string) string {
		b.Open(sandboxtest.Checkout(t, gw, no, member(id), ksher.ChannelCard))
		return b.Step()
	}

	pay("A-1", "m1")
	assert.Equal(t, "card", open("A-2", "m1"), "without consent nothing is saved")
	pay("A-3", "", "save_card", "yes")
	assert.Equal(t, "card", open("A-4", ""), "nor without a member")
	assert.NotContains(t, b.Body, `id="save_card"`)

	pay("A-5", "m1", "save_card", "yes")
	pay("A-6", "m1", "save_card", "yes", "card_number", "5555555555554444")
	pay("A-7", "m1", "save_card", "yes")
	assert.Equal(t, "card", open("A-8", "m2"), "they are the member's alone")
	require.Equal(t, "saved", open("A-9", "m1"))
	assert.Equal(t, 2, strings.Count(b.Body, `type="radio"`), "each once")
	assert.Contains(t, b.Body, "Visa •••• 4242")
	assert.Contains(t, b.Body, "Mastercard •••• 4444")
	assert.Contains(t, b.Body, `id="way-new"`)

	b.Next("card", "of somebody else")
	assert.Equal(t, http.StatusUnprocessableEntity, b.Status)
	b.Next()
	require.Equal(t, "otp", b.Step())
	b.Next()
	assert.Equal(t, sandbox.Paid, sandboxtest.Seen(t, gw, "A-9").State)

	require.Equal(t, "saved", open("A-10", "m1"))
	for range 2 {
		id := regexp.MustCompile(`name="card" value="(\w+)">Delete`).FindStringSubmatch(b.Body)
		require.NotNil(t, id)
		address, values := b.Form("delete-card")
		values.Set("card", id[1])
		b.Post(address, values)
		assert.NotContains(t, b.Body, id[1])
	}
	assert.Equal(t, "card", b.Step(), "none is left")
	for i := range 12 {
		pay(fmt.Sprint("B-", i), fmt.Sprint("n", i), "save_card", "yes")
	}
}

// What the page keeps of its buyers outlives the gateway as the orders do.
func TestBuyersSurviveARestart(t *testing.T) {
	store := new(sandboxtest.MemoryStore)
	gw := sandbox.New(t, sandbox.WithStore(store))
	b := sandboxtest.NewBuyer(t, gw, "PC")
	start := func(no string) string {
		page := sandboxtest.Checkout(t, gw, no, func(r *ksher.GatewayPayRequest) { r.MemberID = "m1" }, ksher.ChannelCard)
		b.Open(page)
		return strings.TrimPrefix(page, gw.URL())
	}
	start("A-1")
	b.Next("save_card", "yes")
	b.Next()
	require.Equal(t, sandbox.Paid, sandboxtest.Seen(t, gw, "A-1").State)
	page := start("A-2")
	b.Next()
	require.Equal(t, "otp", b.Step())
	b.Next("otp", "654321")
	gw.Close()

	gw = sandbox.New(t, sandbox.WithStore(store))
	other := sandboxtest.NewBuyer(t, gw, "PC")
	other.Open(page)
	assert.Equal(t, http.StatusConflict, other.Status, "it is still the first buyer's")
	again := sandboxtest.NewBuyer(t, gw, "PC")
	again.Client.Jar = b.Client.Jar
	again.Open(page)
	require.Equal(t, "otp", again.Step())
	again.Next("otp", "654321")
	assert.Equal(t, sandbox.InProgress, sandboxtest.Seen(t, gw, "A-2").State)
	again.Next("otp", "654321")
	assert.Equal(t, sandbox.Failed, sandboxtest.Seen(t, gw, "A-2").State, "the third wrong code")
	b = again
	start("A-3")
	assert.Equal(t, "saved", b.Step())
}

func TestInstalments(t *testing.T) {
	testkit.Holds(t, testkit.Clients, "page: instal_fee_payer is 1 for the buyer and 2 for the merchant")
	testkit.Holds(t, testkit.Documented, "channel: kcc_instal has 10 months and more from 5,000 THB")
	gw := sandbox.New(t)
	b := sandboxtest.NewBuyer(t, gw, "PC")
	b.Open(sandboxtest.Checkout(t, gw, "A-1", nil, ksher.ChannelKTCInstal))
	for _, text := range []string{`id="months-3"`, `id="months-4"`, `id="months-6"`, `id="months-10"`, "1,500.00 THB a month", "You pay the instalment fee"} {
		assert.Contains(t, b.Body, text)
	}
	b.Next("months", "5")
	assert.Equal(t, http.StatusUnprocessableEntity, b.Status)
	b.Next("months", "4")
	assert.Contains(t, b.Body, "4 months, 1,125.00 THB a month")

	b.Open(sandboxtest.Checkout(t, gw, "A-2", func(r *ksher.GatewayPayRequest) {
		r.ChannelInstalTimesList = ksher.InstalTimes{ksher.ChannelKTCInstal: {7, 5}}
		r.InstalFeePayerMerchantChannelList = []ksher.Channel{ksher.ChannelKTCInstal}
	}, ksher.ChannelKTCInstal))
	assert.Contains(t, b.Body, `id="months-5"`)
	assert.Contains(t, b.Body, "642.86 THB a month", "rounded up")
	assert.NotContains(t, b.Body, `id="months-3"`)
	assert.Contains(t, b.Body, "The shop pays the instalment fee")

	for payer, text := range map[string]string{"1": "You pay the instalment fee", "2": "The shop pays the instalment fee"} {
		b.Open(sandboxtest.Checkout(t, gw, "PAYER-"+payer, func(r *ksher.GatewayPayRequest) { r.InstalFeePayer = payer }, ksher.ChannelKTCInstal))
		assert.Contains(t, b.Body, text)
	}
	for total, long := range map[ksher.Amount]bool{4999_99: false, 5000_00: true} {
		b.Open(sandboxtest.Checkout(t, gw, "KCC-"+total.String(), func(r *ksher.GatewayPayRequest) { r.TotalFee = total }, ksher.ChannelKCCInstal))
		assert.Contains(t, b.Body, `id="months-6"`)
		assert.Equal(t, long, strings.Contains(b.Body, `id="months-10"`), total)
	}
}

func TestMchCodeIsWhatTheBuyerSees(t *testing.T) {
	testkit.Holds(t, testkit.Documented, "page: mch_code is what the buyer sees of the order")
	gw := sandbox.New(t)
	b := sandboxtest.NewBuyer(t, gw, "PC")
	b.Open(sandboxtest.Checkout(t, gw, "A-1", func(r *ksher.GatewayPayRequest) { r.MchCode = "Table 7" }, ksher.ChannelCard))
	assert.Contains(t, b.Body, "Table 7")
	assert.NotContains(t, b.Body, "A-1")
}
