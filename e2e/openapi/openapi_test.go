package openapi

import (
	"maps"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/ksher-go/ksher"
	"github.com/ksher-go/ksher/internal/sandbox"
	"github.com/ksher-go/ksher/internal/sandbox/sandboxtest"
	"github.com/ksher-go/ksher/opn"
	"github.com/ksher-go/ksher/vip"
)

// Each operation gives each answer that the file has of it, and no other.
func TestFileIsTrue(t *testing.T) {
	s := newTrial(t)
	s.makeOrders()
	s.refusedByAll()
	s.fullDisk()
	for _, c := range slices.Concat(orderCalls, otherCalls) {
		s.send(c)
	}
	s.tooManyWatch()
	assert.Empty(t, slices.Sorted(maps.Keys(s.missing)), "these answers never came")
}

// makeOrders makes orders of every kind.
func (s *trial) makeOrders() {
	t, ctx := s.t, s.t.Context()
	refusing, accepting := sandboxtest.NewShop(t), sandboxtest.NewShop(t)
	refusing.Answer = "no"
	for _, no := range []string{"open", "begun", "failing", "expiring", "playing", "repriced", "a/b ไ"} {
		_, err := s.gw.Client.GatewayPay(ctx, sandboxtest.GatewayPay(no))
		require.NoError(t, err)
	}
	require.NoError(t, s.gw.Begin("begun", ksher.ChannelCard))
	sandboxtest.PaidOrder(t, s.gw, "paid", refusing.URL)
	sandboxtest.PaidOrder(t, s.gw, "heard", accepting.URL)
	_, err := s.gw.Client.Refund(ctx, &ksher.RefundRequest{Host: ksher.HostGateway, MchOrderNo: "heard", MchRefundNo: "R-1", RefundFee: 1_00})
	require.NoError(t, err)
	_, err = s.gw.Client.NativePay(ctx, sandboxtest.NativePay("native", ksher.ChannelPromptPay))
	require.NoError(t, err)
	_, err = s.gw.Client.Payout(ctx, &ksher.PayoutRequest{
		MchOrderNo: "payout", TotalFee: 2000_00, FeeType: "THB", ReceiverType: "PROMPTPAY_MSISDN", ReceiverNo: ksher.NewSecret("0812345678"),
	})
	require.NoError(t, err)
	status, _ := sandboxtest.Ask(t, s.gw, "GET", "/KsherPay/order_query?appid=mch00000&mch_order_no=native&sign=00", "")
	require.Equal(t, http.StatusOK, status, "it has a hint and a note in the log")

	older, err := s.gw.NewVIPClient()
	require.NoError(t, err)
	_, err = older.Create(ctx, &vip.RedirectRequest{
		MerchantOrderID: "vip", Amount: 150_50, RedirectURL: "https://shop.example/1", RedirectURLFail: "https://shop.example/2",
		Channel: []string{"truemoney"}, ProductName: "Coffee",
	})
	require.NoError(t, err)
	charges, err := s.gw.NewOpnClient()
	require.NoError(t, err)
	_, err = charges.CreateChargeWithSource(ctx, &opn.CreateChargeWithSourceRequest{Amount: 150_50, Currency: "THB", ReturnURI: "https://shop.example/1"})
	require.NoError(t, err)
}

// refusedByAll makes the requests that all operations of a kind refuse.
func (s *trial) refusedByAll() {
	valid := map[string]string{
		"refundOrder": `{"amount": 1}`, "playScenario": `{"name": "lost"}`, "changeAmount": `{"total_fee": 1, "fee_type": "THB"}`,
		"addMerchant": `{"appid": "mch99999"}`, "addFault": `{"operation": "notify", "kind": "late"}`, "advanceClock": `{"seconds": 1}`,
		"addOrders": oneOrder,
	}
	for id, route := range s.routes {
		query := map[string]string{"/events": "of=orders", "/story.json": "no=none", "/story.svg": "no=none"}[route.Path]
		c := call{operation: id, no: "none", query: query, body: valid[id]}
		other := []string{"Host", "sandbox.example"}
		if route.Path == "/healthz" {
			other = []string{"Sec-Fetch-Site", "cross-site", "Sec-Fetch-Mode", "no-cors"}
		}
		s.send(call{id, c.no, query, c.body, 403, false, other})
		body := route.Operation.RequestBody != nil
		if route.Operation.Responses.Status(413) != nil {
			large := 100 << 10
			if id == "addOrders" {
				large = 9 << 20
			}
			s.send(call{id, c.no, query, `{}` + strings.Repeat(" ", large), 413, valid[id] != "", nil})
			s.send(call{id, c.no, query, `{"zap": 1}`, 400, body, nil})
			s.send(call{id, c.no, query, `[]`, 400, body, nil})
		}
		if strings.Contains(route.Path, "{no}") || strings.HasPrefix(route.Path, "/story") {
			if id != "waitForOrder" { // It may come yet.
				s.send(call{id, c.no, query, c.body, 404, false, nil})
			}
			s.send(call{id, "open", query + "&appid=mch1", c.body, 404, false, nil})
		}
	}
}

// fullDisk makes changes that can't be written down, and that therefore don't happen.
func (s *trial) fullDisk() {
	s.store.Full = true
	for _, c := range []call{
		{operation: "payOrder", no: "open"},
		{operation: "beginPayment", no: "open"},
		{operation: "giveUpPayment", no: "begun"},
		{operation: "failPayment", no: "open"},
		{operation: "expireOrder", no: "open"},
		{operation: "refundOrder", no: "paid", body: `{"amount": 1}`},
		{operation: "settleOrder", no: "paid"},
		{operation: "deliverNotification", no: "paid"},
		{operation: "playScenario", no: "open", body: `{"name": "lost"}`},
		{operation: "changeAmount", no: "open", body: `{"total_fee": 1, "fee_type": "THB"}`},
		{operation: "addMerchant", body: `{"appid": "mch12345"}`},
		{operation: "addOrders", body: oneOrder},
		{operation: "advanceClock", body: `{"seconds": 1}`},
		{operation: "reset"},
	} {
		c.status = 500
		s.send(c)
	}
	s.store.Full = false
}

// oneOrder is a file of orders with every member.
const oneOrder = `{"orders": [{
	"mch_order_no": "given", "total_fee": 100, "channel": "card", "channels": ["card", "alipay"], "appid": "mch00000", "host": "gateway",
	"state": "refunded in part", "fee_type": "THB", "created": "1999-12-31T10:00:00+07:00", "paid_at": "1999-12-31T10:01:00+07:00",
	"expires": "1999-12-31T11:00:00+07:00", "settled": true, "params": {"lang": "th"},
	"refunds": [{"mch_refund_no": "R-2", "refund_fee": 1, "refund_time": "1999-12-31T10:02:00+07:00"}]
}]}`

// orderCalls build on each other.
var orderCalls = []call{
	{operation: "listOrders", status: 200},
	{operation: "listOrders", query: "offset=1&limit=2&state=refunded+in+part&channel=truemoney&number=R-1&appid=mch00000", status: 200},
	{operation: "listOrders", query: "limit=-1", status: 400, wrong: true},
	{operation: "listOrders", query: "offset=-1", status: 400, wrong: true},
	{operation: "listOrders", query: "offset=x", status: 400, wrong: true},
	{operation: "listOrders", query: "state=zap", status: 400, wrong: true},
	{operation: "listOrders", query: "appid=mch1", status: 404},
	{operation: "getOrder", no: "a/b ไ", status: 200},
	{operation: "getOrder", no: "payout", query: "secrets=show", status: 200},
	{operation: "payOrder", no: "open", body: `{"channel": "wechat"}`, status: 409},
	{operation: "payOrder", no: "open", body: `{"amount": 1}`, status: 400, wrong: true},
	{operation: "payOrder", no: "open", body: `{"channel": "truemoney"}`, status: 200},
	{operation: "payOrder", no: "native", status: 200},
	{operation: "payOrder", no: "vip", status: 200},
	{operation: "beginPayment", no: "open", status: 409},
	{operation: "giveUpPayment", no: "open", status: 409},
	{operation: "failPayment", no: "open", status: 409},
	{operation: "expireOrder", no: "open", status: 409},
	{operation: "deliverNotification", no: "open", status: 409},
	{operation: "giveUpPayment", no: "begun", status: 200},
	{operation: "beginPayment", no: "begun", body: `{"channel": "card"}`, status: 200},
	{operation: "refundOrder", no: "begun", body: `{"amount": 1}`, status: 409},
	{operation: "settleOrder", no: "begun", status: 409},
	{operation: "failPayment", no: "failing", status: 200},
	{operation: "expireOrder", no: "expiring", status: 200},
	{operation: "refundOrder", no: "paid", body: `{}`, status: 409, wrong: true},
	{operation: "refundOrder", no: "paid", body: `{"amount": -1}`, status: 409, wrong: true},
	{operation: "refundOrder", no: "paid", body: `{"amount": 1.5}`, status: 400, wrong: true},
	{operation: "refundOrder", no: "paid", body: `{"amount": 15050}`, status: 200},
	{operation: "settleOrder", no: "paid", body: `{"amount": 1}`, status: 400},
	{operation: "settleOrder", no: "paid", status: 200},
	{operation: "deliverNotification", no: "paid", status: 502},
	{operation: "deliverNotification", no: "heard", status: 200},
	{operation: "playScenario", no: "playing", body: `{"name": "zap"}`, status: 404, wrong: true},
	{operation: "playScenario", no: "vip", body: `{"name": "lost"}`, status: 409},
	{operation: "playScenario", no: "playing", body: `{"name": "refund-in-doubt"}`, status: 200},
	{operation: "changeAmount", no: "open", body: `{"total_fee": 1, "fee_type": "THB"}`, status: 409},
	{operation: "changeAmount", no: "repriced", body: `{"total_fee": 0, "fee_type": "THB"}`, status: 400, wrong: true},
	{operation: "changeAmount", no: "repriced", body: `{"total_fee": 1, "fee_type": "USD"}`, status: 400, wrong: true},
	{operation: "changeAmount", no: "repriced", body: `{"total_fee": 1, "fee_type": "MYR"}`, status: 200},
	{operation: "addOrders", body: oneOrder, status: 200},
	{operation: "addOrders", body: oneOrder, status: 400},
	{operation: "addOrders", body: `{"orders": [{"mch_order_no": "x", "channel": "card"}]}`, status: 400, wrong: true},
	{operation: "addOrders", body: `{"orders": [{"mch_order_no": "x", "channel": "card", "total_fee": 0}]}`, status: 400, wrong: true},
	{operation: "addOrders", body: `{"orders": [{"mch_order_no": "x", "channel": "card", "total_fee": 1, "host": "vip"}]}`, status: 400, wrong: true},
	{operation: "waitForOrder", no: "heard", body: `{"state": "refunded in part", "notified": true, "seconds": 60}`, status: 200},
	{operation: "waitForOrder", no: "native", body: `{"notified": false}`, status: 200},
	{operation: "waitForOrder", no: "failing", status: 409},
	{operation: "waitForOrder", no: "none", body: `{"seconds": 0.01}`, status: 504},
	{operation: "waitForOrder", no: "heard", body: `{"state": "payed"}`, status: 400, wrong: true},
	{operation: "waitForOrder", no: "heard", body: `{"seconds": 0}`, status: 400, wrong: true},
	{operation: "waitForOrder", no: "heard", body: `{"seconds": 61}`, status: 400, wrong: true},
	{operation: "listOrders", status: 200},
	{operation: "getStory", query: "no=heard", status: 200},
	{operation: "getStory", query: "no=playing", status: 200},
	{operation: "getStoryPicture", query: "no=heard&appid=" + sandbox.AppID, status: 200},
}

var otherCalls = []call{
	{operation: "listScenarios", status: 200},
	{operation: "listMerchants", status: 200},
	{operation: "addMerchant", body: `{"appid": "mch12345", "account": "any", "channels": ["alipay"], "currencies": ["MYR"], "zone": "+08:00"}`, status: 200},
	{operation: "addMerchant", body: `{"appid": "mch12345"}`, status: 409},
	{operation: "addMerchant", body: `{}`, status: 400, wrong: true},
	{operation: "addMerchant", body: `{"appid": "mch2", "account": "zap"}`, status: 400, wrong: true},
	{operation: "addMerchant", body: `{"appid": "mch2", "currencies": ["USD"]}`, status: 400, wrong: true},
	{operation: "addMerchant", body: `{"appid": "mch2", "zone": "7"}`, status: 400, wrong: true},
	{operation: "addMerchant", body: `{"appid": "mch2", "public_key": "zap"}`, status: 400},
	{operation: "listMerchants", status: 200},
	{operation: "getPrivateKey", query: "appid=mch12345", status: 200},
	{operation: "getPrivateKey", query: "appid=mch1", status: 404},
	{operation: "getGatewayKey", status: 200},
	{operation: "getGatewayKey", query: "version=2", status: 200},
	{operation: "getGatewayKey", query: "version=3", status: 404, wrong: true},
	{operation: "addFault", body: `{"operation": "order_refund", "kind": "latency", "delay_seconds": 0.5, "count": 2}`, status: 200},
	{operation: "addFault", body: `{"operation": "order_refund", "kind": "refuse", "code": "KSHER_SYSTEMERROR"}`, status: 200},
	{operation: "addFault", body: `{"operation": "zap", "kind": "latency"}`, status: 400},
	{operation: "addFault", body: `{"operation": "notify", "kind": "zap"}`, status: 400, wrong: true},
	{operation: "addFault", body: `{"operation": "notify"}`, status: 400, wrong: true},
	{operation: "addFault", body: `{"operation": "notify", "kind": "late", "delay_seconds": 1e9}`, status: 400, wrong: true},
	{operation: "listFaults", status: 200},
	{operation: "clearFaults", status: 200},
	{operation: "listRequests", status: 200},
	{operation: "listRequests", query: "offset=1&limit=1&secrets=show", status: 200},
	{operation: "listRequests", query: "limit=x", status: 400, wrong: true},
	{operation: "advanceClock", body: `{"seconds": 0}`, status: 400, wrong: true},
	{operation: "advanceClock", body: `{"seconds": 1e9}`, status: 400, wrong: true},
	{operation: "advanceClock", status: 400, wrong: true},
	{operation: "advanceClock", body: `{"seconds": 0.5}`, status: 200},
	{operation: "getOpenAPI", status: 200},
	{operation: "watchChanges", query: "of=orders", status: 200},
	{operation: "watchChanges", query: "of=zap", status: 404, wrong: true},
	{operation: "watchChanges", status: 404, wrong: true},
	{operation: "getHealth", status: 200},
	{operation: "reset", status: 200},
	{operation: "listOrders", status: 200},
}

// tooManyWatch fills the room for who watches.
func (s *trial) tooManyWatch() {
	for range 100 {
		resp, err := s.gw.HTTPClient().Get(s.gw.URL() + "/events?of=orders")
		require.NoError(s.t, err)
		defer resp.Body.Close()
	}
	s.send(call{operation: "watchChanges", query: "of=orders", status: 503})
	s.send(call{operation: "waitForOrder", no: "none", status: 503})
}

// The members of a file of orders are those that the sandbox names.
func TestOrderFileIsTrue(t *testing.T) {
	s := newTrial(t)
	for schema, file := range map[string]string{"GivenOrder": `{"orders": [{"": 1}]}`, "GivenRefund": `{"orders": [{"refunds": [{"": 1}]}]}`} {
		_, body := sandboxtest.Ask(t, s.gw, "POST", "/control/orders", file)
		_, names, ok := strings.Cut(strings.TrimSuffix(strings.TrimSpace(body), "\"\n}"), "there are ")
		require.True(t, ok, body)
		assert.ElementsMatch(t, strings.Split(names, ", "), slices.Collect(maps.Keys(s.file.Components.Schemas[schema].Value.Properties)))
	}
}
