package console_test

import (
	"encoding/json"
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/ksher-go/ksher"
	"github.com/ksher-go/ksher/internal/sandbox"
	"github.com/ksher-go/ksher/internal/sandbox/sandboxtest"
)

// Orders in each state are as if they had come to it, for queries as for the dashboard.
func TestAddOrders(t *testing.T) {
	store := new(sandboxtest.MemoryStore)
	opts := []sandbox.Option{sandbox.WithStore(store), sandbox.WithSpeed(0), sandbox.WithMerchant("mch1", sandbox.Terms{Currencies: []string{"MYR"}})}
	gw, err := sandbox.Start(opts...)
	require.NoError(t, err)
	shop := sandboxtest.NewShop(t)
	file := fmt.Sprintf(`{"orders": [
		{"mch_order_no": "open", "channels": ["truemoney", "promptpay"], "total_fee": 15050, "params": {"lang": "th"}},
		{"mch_order_no": "begun", "state": "in progress", "channel": "card", "total_fee": 100},
		{"mch_order_no": "paid", "state": "paid", "channel": "truemoney", "channels": ["card", "truemoney"], "total_fee": 15050, "fee_type": "THB",
			"created": "1999-12-31T10:00:00+07:00", "paid_at": "1999-12-31T10:01:00+07:00", "params": {"mch_notify_url": %q}},
		{"mch_order_no": "part", "state": "refunded in part", "host": "merchant", "channel": "alipay", "total_fee": 4000, "settled": true,
			"refunds": [{"mch_refund_no": "R-1", "refund_fee": 1000}]},
		{"mch_order_no": "back", "state": "refunded", "channel": "truemoney", "total_fee": 4000, "refunds": [
			{"mch_refund_no": "R-2", "refund_fee": 1000}, {"mch_refund_no": "R-3", "refund_fee": 3000}]},
		{"mch_order_no": "failed", "state": "failed", "channel": "card", "total_fee": 1},
		{"mch_order_no": "late", "state": "expired", "host": "merchant", "channel": "promptpay", "total_fee": 1},
		{"mch_order_no": "gone", "state": "cancelled", "channel": "card", "total_fee": 1},
		{"mch_order_no": "paid", "appid": "mch1", "state": "paid", "channel": "alipay", "total_fee": 1}
	]}`, shop.URL)
	status, body := sandboxtest.Ask(t, gw, "POST", "/control/orders", file)
	require.Equal(t, 200, status, body)
	assert.Contains(t, body, `"added": 9`)

	for no, want := range map[string]sandbox.State{
		"open": sandbox.Created, "begun": sandbox.InProgress, "paid": sandbox.Paid, "part": sandbox.RefundedInPart, "back": sandbox.Refunded,
		"failed": sandbox.Failed, "late": sandbox.Expired, "gone": sandbox.Cancelled,
	} {
		assert.Equal(t, want, sandboxtest.Seen(t, gw, no).State, no)
	}
	paid := sandboxtest.GatewayState(t, gw, "paid")
	assert.True(t, paid.Result.Paid())
	assert.Equal(t, "1999-12-31 10:01:00", paid.TimeEnd.Format("2006-01-02 15:04:05"))
	assert.Len(t, paid.ChannelOrderNo, 28)
	assert.Equal(t, ksher.ResultSuccess, sandboxtest.Query(t, gw, "part").Result)
	refunded := sandboxtest.Seen(t, gw, "part").Refunds
	require.Len(t, refunded, 1)
	assert.Len(t, refunded[0].KsherRefundNo+refunded[0].ChannelRefundNo, 23+28)
	other, err := gw.MerchantOf("mch1")
	require.NoError(t, err)
	malaysian, err := other.Client.GatewayOrderQuery(t.Context(), &ksher.GatewayOrderQueryRequest{MchOrderNo: "paid"})
	require.NoError(t, err)
	assert.Equal(t, "MYR", malaysian.FeeType)

	// The past isn't announced, but can be, and what happens from now on goes as ever.
	gw.Advance(0)
	assert.Empty(t, shop.Bodies)
	status, body = sandboxtest.Ask(t, gw, "POST", "/control/orders/paid/deliver", "")
	assert.Equal(t, 200, status, body)
	assert.Len(t, shop.Bodies, 1)
	require.NoError(t, gw.Pay("open", ksher.ChannelPromptPay))
	_, err = gw.Client.Refund(t.Context(), &ksher.RefundRequest{Host: ksher.HostGateway, MchOrderNo: "paid", MchRefundNo: "R-4", RefundFee: 50})
	require.NoError(t, err)
	assert.Len(t, shop.Bodies, 1)
	gw.Close()

	gw, err = sandbox.Start(opts...)
	require.NoError(t, err)
	defer gw.Close()
	assert.Len(t, gw.Orders(), 9)
}

// A wrong file is refused whole, and the line and the member are named.
func TestAddOrdersRefused(t *testing.T) {
	store := new(sandboxtest.MemoryStore)
	gw, err := sandbox.Start(sandbox.WithStore(store), sandbox.WithSpeed(0), sandbox.WithMaxOrders(3))
	require.NoError(t, err)
	defer gw.Close()
	sandboxtest.PaidOrder(t, gw, "old", "")
	before := sandboxtest.Seen(t, gw, "old")
	const good = `{"mch_order_no": "good", "channel": "card", "total_fee": 1},`
	for members, want := range map[string]string{
		`"chanel": "card"`:                                          "line 4: orders[1].chanel: there is no such member; there are appid, channel, channels,",
		`"total_fee": 1, "total_fee": 1`:                            "line 4: orders[1].total_fee: it is there twice",
		`"total_fee": "1.00"`:                                       "line 4: orders[1].total_fee: a string isn't of the right kind",
		`"total_fee": 1.5`:                                          "line 4: orders[1].total_fee: a number 1.5 isn't of the right kind",
		`"total_fee": 0`:                                            "line 4: orders[1].total_fee: it has to be a positive number of cents",
		`"total_fee": 1 "state": 1`:                                 "line 4: orders[1]: invalid character",
		`"mch_order_no": ""`:                                        "line 4: orders[1].mch_order_no: it has to have 1 to 32 characters",
		`"mch_order_no": "good"`:                                    `line 4: orders[1].mch_order_no: there is an order \"good\" already`,
		`"mch_order_no": "old"`:                                     `line 4: orders[1].mch_order_no: there is an order \"old\" already`,
		`"appid": "mch1"`:                                           `line 4: orders[1].appid: there is no merchant \"mch1\"`,
		`"host": "vip"`:                                             `line 4: orders[1].host: there are \"gateway\" and \"merchant\"`,
		`"fee_type": "MYR"`:                                         "line 4: orders[1].fee_type: the merchant mch00000 has no orders in",
		`"channel": "cheque"`:                                       `line 4: orders[1].channel: the merchant mch00000 has no channel \"cheque\"`,
		`"channel": ""`:                                             `line 4: orders[1].channel: the merchant mch00000 has no channel \"\"`,
		`"channels": ["card"], "channel": "alipay"`:                 `line 4: orders[1].channel: \"alipay\" isn't among the channels`,
		`"channels": ["card", "alipay"], "host": "merchant"`:        "line 4: orders[1].channels: an order at the merchant host has one",
		`"state": "payed"`:                                          `line 4: orders[1].state: there is no state \"payed\"`,
		`"state": "refunded in part"`:                               `line 4: orders[1].state: it is \"refunded in part\", and by the other members the order is \"paid\"`,
		`"state": "created", "paid_at": "2000-01-01T00:00:00Z"`:     `line 4: orders[1].state: it is \"created\", and by the other members the order is \"paid\"`,
		`"created": "yesterday"`:                                    "line 4: orders[1].created: parsing time",
		`"created": "2999-01-01T00:00:00Z"`:                         "line 4: orders[1].created: it is after the gateway's time",
		`"expires": "1999-01-01T00:00:00Z"`:                         "line 4: orders[1].expires: it is before created",
		`"state": "paid", "paid_at": "2999-01-01T00:00:00Z"`:        "line 4: orders[1].paid_at: it has to be between created and",
		`"settled": true`:                                           "line 4: orders[1].settled: the order isn't paid",
		`"params": {"appid": "x"}`:                                  "line 4: orders[1].params: appid follows from",
		`"refunds": [{"mch_refund_no": "R-1", "refund_fee": 1}]`:    "line 4: orders[1].refunds[0].refund_fee: the order isn't paid",
		"\"state\": \"paid\", \"refunds\": [\n{\"refund_fee\": 1}]": "line 5: orders[1].refunds[0].mch_refund_no: it has to have",
		`"state": "paid", "refunds": [{"mch_refund_no": "R-1", "refund_fee": 2}]`: "line 4: orders[1].refunds[0].refund_fee: it has to be a number of cents from 1 to 1",
	} {
		defaults := ""
		for _, member := range []string{`"mch_order_no": "bad"`, `"channel": "card"`, `"total_fee": 1`} {
			if name, _, _ := strings.Cut(member, `":`); !strings.Contains(members, name) {
				defaults += ", " + member
			}
		}
		file := "{\"orders\": [\n" + good + "\n{\n" + members + defaults + "\n}]}"
		status, body := sandboxtest.Ask(t, gw, "POST", "/control/orders", file)
		assert.Equal(t, 400, status, file)
		assert.Contains(t, body, want, file)
	}
	for file, want := range map[string]string{
		"":                   "line 1: unexpected EOF",
		"[]":                 "line 1: there has to be a { here",
		`{"orders": {}}`:     "line 1: orders: there has to be a [ here",
		`{"orders": []} {}`:  "line 1: there is something after the object",
		"{\"orders\": [\n{}": "line 2: orders: unexpected EOF",
		`{"orders": [` + strings.Repeat(good, 3) + strings.TrimSuffix(good, ",") + `]}`: "the file has 4 orders, and the gateway has room for 3",
	} {
		status, body := sandboxtest.Ask(t, gw, "POST", "/control/orders", file)
		assert.Equal(t, 400, status, file)
		assert.Contains(t, body, want, file)
	}
	store.Full = true
	status, body := sandboxtest.Ask(t, gw, "POST", "/control/orders", `{"orders": [`+strings.TrimSuffix(good, ",")+`]}`)
	assert.Equal(t, 500, status, body)
	status, _ = sandboxtest.Ask(t, gw, "POST", "/control/orders", strings.Repeat(" ", 9<<20))
	assert.Equal(t, 413, status)
	assert.Equal(t, []sandbox.Order{before}, gw.Orders(), "nothing was added")

	store.Full = false
	status, body = sandboxtest.Ask(t, gw, "POST", "/control/orders", `{"orders": [`+strings.TrimSuffix(good, ",")+`]}`)
	assert.Equal(t, 200, status, body)
	assert.True(t, json.Valid([]byte(body)))
}

// The file in the documentation is a right one, and its table has the members that there are.
func TestDocumentedOrders(t *testing.T) {
	page, err := os.ReadFile("../../../docs/other-languages.md")
	require.NoError(t, err)
	_, file, _ := strings.Cut(string(page), "```json\n")
	file, _, _ = strings.Cut(file, "```")
	gw := sandbox.New(t)
	status, body := sandboxtest.Ask(t, gw, "POST", "/control/orders", file)
	assert.Equal(t, 200, status, body)

	_, body = sandboxtest.Ask(t, gw, "POST", "/control/orders", `{"orders": [{"": 1}]}`)
	_, members, ok := strings.Cut(strings.TrimSuffix(strings.TrimSpace(body), "\"\n}"), "there are ")
	require.True(t, ok, body)
	for _, member := range strings.Split(members, ", ") {
		assert.Contains(t, string(page), "\n| `"+member+"` |")
	}
}
