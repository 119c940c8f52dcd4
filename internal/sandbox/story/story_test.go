package story_test

import (
	"context"
	"encoding/json"
	"encoding/xml"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/ksher-go/ksher"
	"github.com/ksher-go/ksher/internal/sandbox"
	"github.com/ksher-go/ksher/internal/sandbox/core"
	"github.com/ksher-go/ksher/internal/sandbox/sandboxtest"
	"github.com/ksher-go/ksher/internal/sandbox/story"
	"github.com/ksher-go/ksher/opn"
	"github.com/ksher-go/ksher/vip"
)

const scanned = "130000000000000001"

// told is the story of an order as its steps, and its picture and file checked.
func told(t *testing.T, gw *sandbox.Gateway, no string) (story.Story, []string) {
	t.Helper()
	var s story.Story
	gw.Do(func(tx *core.Tx) {
		o := tx.Either(core.AppID, no)
		require.NotNil(t, o)
		s = story.Of(tx, o)
	})
	var steps []string
	for _, step := range s.Steps {
		text := fmt.Sprintf("%s>%s %s", step.From, step.To, step.Label)
		if step.Times > 1 {
			text += fmt.Sprintf(" x%d", step.Times)
		}
		if step.Outcome != "" {
			text += ": " + step.Outcome
		}
		if step.Fault != "" {
			text += " [" + string(step.Fault) + "]"
		}
		steps = append(steps, text)
	}
	for _, alone := range []bool{false, true} {
		wellFormed(t, s.SVG(func(step story.Step) string { return fmt.Sprintf("#step-%d", step.No) }, alone))
	}
	return s, steps
}

func wellFormed(t *testing.T, text string) {
	t.Helper()
	d := xml.NewDecoder(strings.NewReader(text))
	for {
		token, err := d.Token()
		if err == io.EOF {
			return
		}
		require.NoError(t, err, text)
		if e, ok := token.(xml.StartElement); ok {
			require.Contains(t, []string{"svg", "title", "desc", "style", "rect", "line", "text", "a", "path", "circle"}, e.Name.Local)
		}
	}
}

// shopThat answers the first notifications with HTTP 500, and accepts the others.
func shopThat(t *testing.T, refuses int) string {
	shop := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		if refuses--; refuses >= 0 {
			w.WriteHeader(http.StatusInternalServerError)
			return
		}
		fmt.Fprint(w, `{"result":"SUCCESS","msg":"OK"}`)
	}))
	t.Cleanup(shop.Close)
	return shop.URL
}

func create(t *testing.T, gw *sandbox.Gateway, notify string, channels ...ksher.Channel) {
	t.Helper()
	req := sandboxtest.GatewayPay("A-1", channels...)
	req.MchNotifyURL = notify
	_, err := gw.Client.GatewayPay(t.Context(), req)
	require.NoError(t, err)
}

func query(t *testing.T, gw *sandbox.Gateway) {
	gw.Client.GatewayOrderQuery(t.Context(), &ksher.GatewayOrderQueryRequest{MchOrderNo: "A-1"})
}

func TestStories(t *testing.T) {
	const created = "Your shop>Gateway gateway_pay: accepted"
	for name, test := range map[string]struct {
		live    func(*testing.T, *sandbox.Gateway)
		want    []string
		verdict string
		tone    story.Tone
	}{
		"paid": {func(t *testing.T, gw *sandbox.Gateway) {
			create(t, gw, shopThat(t, 0), ksher.ChannelTrueMoney)
			query(t, gw)
			query(t, gw)
			require.NoError(t, gw.Begin("A-1", ""))
			require.NoError(t, gw.Pay("A-1", ""))
			gw.Advance(time.Second)
			query(t, gw)
		}, []string{
			created, "Your shop>Gateway gateway_order_query x2: accepted: NOTSURE", "Buyer>Channel is paying by truemoney", "Buyer>Gateway paid by truemoney",
			"Gateway>Your shop notification, attempt 1: accepted", "Your shop>Gateway gateway_order_query: accepted: SUCCESS",
		}, "Paid, and your shop accepted the notification.", story.Good},
		"refused three times, then accepted": {func(t *testing.T, gw *sandbox.Gateway) {
			create(t, gw, shopThat(t, 3))
			require.NoError(t, gw.Pay("A-1", ""))
			gw.Advance(time.Minute)
		}, []string{
			created, "Buyer>Gateway paid by truemoney",
			"Gateway>Your shop notification, attempt 1: refused: HTTP 500", "Gateway>Your shop notification, attempt 2: refused: HTTP 500",
			"Gateway>Your shop notification, attempt 3: refused: HTTP 500", "Gateway>Your shop notification, attempt 4: accepted",
		}, "accepted the notification at attempt 4", story.Good},
		"refused": {func(t *testing.T, gw *sandbox.Gateway) {
			create(t, gw, shopThat(t, 99))
			require.NoError(t, gw.Pay("A-1", ""))
			gw.Advance(0)
		}, []string{created, "Buyer>Gateway paid by truemoney", "Gateway>Your shop notification, attempt 1: refused: HTTP 500"},
			"your shop hasn't accepted the notification: refused: HTTP 500. The next attempt is due at", story.Bad},
		"no address": {func(t *testing.T, gw *sandbox.Gateway) {
			create(t, gw, "")
			require.NoError(t, gw.Pay("A-1", ""))
		}, []string{created, "Buyer>Gateway paid by truemoney"}, "no address for notifications", story.Bad},
		"fault": {func(t *testing.T, gw *sandbox.Gateway) {
			require.NoError(t, gw.Inject(sandbox.Fault{Operation: "gateway_pay", Kind: sandbox.FaultDropAfter}))
			gw.Client.GatewayPay(t.Context(), sandboxtest.GatewayPay("A-1"))
		}, []string{"Your shop>Gateway gateway_pay: carried out, no answer [drop-after]"}, "nobody has paid. One step has an injected fault.", story.Wait},
		"cancelled, then paid": {func(t *testing.T, gw *sandbox.Gateway) {
			create(t, gw, shopThat(t, 0), ksher.ChannelPromptPay)
			_, err := gw.Client.CancelOrder(t.Context(), &ksher.CancelOrderRequest{MchOrderNo: "A-1"})
			require.NoError(t, err)
			require.NoError(t, gw.Pay("A-1", ""))
			gw.Advance(time.Second)
		}, []string{
			created, "Your shop>Gateway cancel_order: accepted: SUCCESS", "Gateway>Gateway cancelled", "Buyer>Gateway paid by promptpay",
			"Gateway>Your shop notification, attempt 1: accepted",
		}, "Paid after it was cancelled, and your shop accepted", story.Good},
		"wrong signature": {func(t *testing.T, gw *sandbox.Gateway) {
			create(t, gw, "")
			sandboxtest.AskSigned(t, gw, "/api/gateway_order_query", map[string]string{"mch_order_no": "A-1", "sign": "00"})
		}, []string{created, "Your shop>Gateway gateway_order_query: refused: KSHER_SIGN_ERROR"}, "gateway_order_query, was refused: KSHER_SIGN_ERROR", story.Bad},
		"quick_pay in doubt": {func(t *testing.T, gw *sandbox.Gateway) {
			_, err := gw.Client.QuickPay(t.Context(), &ksher.QuickPayRequest{MchOrderNo: "A-1", TotalFee: 100_00, FeeType: "THB", AuthCode: ksher.NewSecret(scanned)})
			require.ErrorIs(t, err, ksher.ErrOutcomeUnknown)
		}, []string{"Your shop>Gateway quick_pay: accepted: NOTSURE", "Buyer>Channel is paying by wechat"}, "the buyer is paying. Ask until it is known.", story.Wait},
		"vip.ksher.net": {func(t *testing.T, gw *sandbox.Gateway) {
			client, err := gw.NewVIPClient()
			require.NoError(t, err)
			_, err = client.Create(t.Context(), &vip.CScanBRequest{MerchantOrderID: "A-1", Amount: 100_00, Channel: "promptpay"})
			require.NoError(t, err)
			require.NoError(t, gw.Pay("A-1", ""))
			sandboxtest.Ask(t, gw, http.MethodGet, "/api/v1/cscanb/orders/A-1?timestamp=20261128120000&signature=00", "")
		}, []string{"Your shop>Gateway vip cscanb create: accepted: Available", "Buyer>Gateway paid by promptpay", "Your shop>Gateway vip cscanb query: refused: HTTP 401"}, "no address for notifications is registered", story.Bad},
	} {
		t.Run(name, func(t *testing.T) {
			gw := sandbox.New(t)
			test.live(t, gw)
			s, steps := told(t, gw, "A-1")
			assert.Equal(t, test.want, steps)
			assert.Contains(t, s.Verdict, test.verdict)
			assert.Equal(t, test.tone, s.Tone)
		})
	}
}

func TestStoryOfCharge(t *testing.T) {
	gw := sandbox.New(t)
	client, err := gw.NewOpnClient()
	require.NoError(t, err)
	charge, err := client.CreateChargeWithSource(t.Context(), &opn.CreateChargeWithSourceRequest{Amount: 100_00, Currency: "THB", ReturnURI: "https://shop.example"})
	require.NoError(t, err)
	require.NoError(t, gw.PayOpn(charge.ID))
	_, steps := told(t, gw, charge.ID)
	assert.Len(t, steps, 2)
	assert.Contains(t, steps[0], "opn charges: accepted: pending")
}

// A report goes to strangers.
func TestNoSecrets(t *testing.T) {
	gw := sandbox.New(t)
	_, err := gw.Client.QuickPay(t.Context(), &ksher.QuickPayRequest{
		MchOrderNo: "A-1", TotalFee: 100_00, FeeType: "THB", AuthCode: ksher.NewSecret(scanned), Attach: "scanned " + scanned,
		NotifyURL: "http://user:hunter2@127.0.0.1:1/hook?token=tok_123456"})
	require.ErrorIs(t, err, ksher.ErrOutcomeUnknown)
	require.NoError(t, gw.Pay("A-1", ""))
	gw.Advance(time.Second)
	require.NoError(t, gw.Inject(sandbox.Fault{Operation: "notify", Kind: sandbox.FaultEncoded}))
	require.NoError(t, gw.Inject(sandbox.Fault{Operation: "notify", Kind: sandbox.FaultTruncated}))
	gw.Advance(time.Minute)
	s, _ := told(t, gw, "A-1")
	text, err := json.Marshal(s.HAR(gw.URL(), "test"))
	require.NoError(t, err)
	require.Contains(t, string(text), "notification, attempt 3")
	picture := s.SVG(func(story.Step) string { return "" }, true)
	for _, secret := range []string{scanned, "hunter2", "tok_123456", "kshertest-buyer", gw.Requests()[0].Params.Get("sign")} {
		require.NotEmpty(t, secret)
		assert.NotContains(t, string(text), secret)
		assert.NotContains(t, picture, secret)
	}
	assert.NotRegexp(t, `sign(\\"|%22)(:|%3A)(\\"|%22)[0-9a-f]`, string(text))
	assert.Contains(t, string(text), "quick_pay")
}

func TestHostileTexts(t *testing.T) {
	gw := sandbox.New(t)
	for _, no := range []string{`"><script>alert(1)</script>`, "]]>&amp;<!--", "\x00\x1b\u202eevil", strings.Repeat("ห", 32)} {
		sandboxtest.AskSigned(t, gw, "/KsherPay/native_pay", map[string]string{
			"mch_order_no": no, "total_fee": "100", "fee_type": "THB", "channel": "promptpay", "product": no})
		var s story.Story
		gw.Do(func(tx *core.Tx) {
			if o := tx.Either(core.AppID, no); o != nil {
				s = story.Of(tx, o)
			}
		})
		if s.Order == "" {
			s = story.Story{Order: no, Verdict: no, Steps: []story.Step{{Kind: story.Request, To: story.Gateway, Label: no, Outcome: no, Fault: core.FaultKind(no)}}}
		}
		wellFormed(t, s.SVG(func(story.Step) string { return "#" + no }, true))
	}
}

// What is kept of an order's requests is bounded, and begins with the one that made it.
func TestBounded(t *testing.T) {
	gw := sandbox.New(t)
	create(t, gw, "")
	for range 300 {
		query(t, gw)
	}
	s, steps := told(t, gw, "A-1")
	assert.Equal(t, []string{"Your shop>Gateway gateway_pay: accepted", "Your shop>Gateway gateway_order_query x59: accepted: NOTSURE"}, steps)
	assert.NotEmpty(t, s.Steps[1].Answer)
	assert.Positive(t, s.Steps[1].Took)
}

// A shop that hangs up before a slow answer hasn't had it.
func TestHungUp(t *testing.T) {
	gw := sandbox.New(t)
	_, err := gw.Client.GatewayPay(t.Context(), sandboxtest.GatewayPay("A-1"))
	require.NoError(t, err)
	require.NoError(t, gw.Inject(sandbox.Fault{Operation: "gateway_order_query", Kind: sandbox.FaultLatency, Delay: time.Hour}))
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	go func() {
		for len(gw.Requests()) < 2 {
			time.Sleep(time.Millisecond)
		}
		cancel()
	}()
	_, err = gw.Client.GatewayOrderQuery(ctx, &ksher.GatewayOrderQueryRequest{MchOrderNo: "A-1"})
	require.ErrorIs(t, err, context.Canceled)
	require.Eventually(t, func() bool {
		s, _ := told(t, gw, "A-1")
		return s.Steps[len(s.Steps)-1].Took > 0
	}, 10*time.Second, time.Millisecond)
	_, steps := told(t, gw, "A-1")
	assert.Equal(t, "Your shop>Gateway gateway_order_query: carried out, but the shop hung up before the answer [latency]", steps[len(steps)-1])
}
