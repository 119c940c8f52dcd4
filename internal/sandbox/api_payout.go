package sandbox

import (
	"net/url"
	"strings"
	"time"

	"github.com/ksher-go/ksher"
)

func payoutOperations() []operation {
	return []operation{
		{"/KsherPay/payout", []string{"mch_order_no", "total_fee", "fee_type"}, (*Gateway).payout},
		{"/KsherPay/order_query_payout", []string{"mch_order_no"}, (*Gateway).orderQueryPayout},
		{"/KsherPay/get_payout_balance", []string{"fee_type"}, (*Gateway).getPayoutBalance},
	}
}

// payoutChannel stands where an order has its channels.
const payoutChannel ksher.Channel = "payout"

// WithPayoutBalance sets how much payouts can be made of, before the first of
// them, 100,000 THB by default. Nothing adds to it: the payments of buyers don't.
func WithPayoutBalance(balance ksher.Amount) Option {
	return func(o *options) { o.payoutBalance = balance }
}

// drawn tells the payouts that took their total from the balance. What is on its way has
// left it already.
func (o *order) drawn(now time.Time) bool {
	s := o.state(now)
	return o.Payout && s != Failed && s != Expired
}

// balance is what a merchant has left to pay out. The caller holds g.mu.
func (g *Gateway) balance(appID string) ksher.Amount {
	left := g.payoutBalance - g.paidOut[appID]
	for _, o := range g.list {
		if o.AppID == appID && o.drawn(g.now()) {
			left -= o.Total
		}
	}
	return left
}

// payout pays out. How it goes is in the package's documentation. That a number
// can't be used again, also not that of an order, and which codes refuse a payout,
// isn't documented: of the documented codes NOTENOUGH fits a balance best. What the
// receiver's parameters are isn't documented either, so that any will do.
func (g *Gateway) payout(p url.Values) (any, ksher.Code) {
	if p.Get("channel") != string(payoutChannel) {
		return nil, ksher.CodeParamError
	}
	const common = 8 // Those that serves requires, the channel, and those of every request.
	if len(p) == common {
		return nil, ksher.CodeLackParams
	}
	if total, ok := amount(p.Get("total_fee")); ok && total > g.balance(appID(p)) && g.own(p) == nil {
		return nil, ksher.CodeNotEnough
	}
	o := &order{Payout: true, Channels: []ksher.Channel{payoutChannel}}
	if code := g.create(p, o, ksher.CodeKsherDuplicatedOrderNo); code != "" {
		return nil, code
	}
	switch { // A new payout can go any way, so that none of these fails.
	case strings.HasSuffix(p.Get("total_fee"), "01"):
		o.begin(payoutChannel, g.now())
	case strings.HasSuffix(p.Get("total_fee"), "03"):
		o.fail(g.now())
		return nil, ksher.CodeOrderPaymentError
	default:
		g.pay(o, payoutChannel)
	}
	return g.payoutAnswer(o, p), ""
}

func (g *Gateway) orderQueryPayout(p url.Values) (any, ksher.Code) {
	if p.Get("channel") != string(payoutChannel) {
		return nil, ksher.CodeLackParams
	}
	o := g.own(p)
	if o == nil || !o.Payout {
		return nil, ksher.CodeKsherInvalidOrderNo
	}
	return g.payoutAnswer(o, p), ""
}

// payoutAnswer is what both operations answer about a payout.
func (g *Gateway) payoutAnswer(o *order, p url.Values) ksher.OrderQueryPayoutResponse {
	return ksher.OrderQueryPayoutResponse{
		AppID: o.AppID, MchOrderNo: o.MchOrderNo, KsherOrderNo: o.KsherOrderNo, ChannelOrderNo: o.ChannelOrderNo,
		ReceiverName: "kshertest-receiver", MDR: "0.00", TradeType: "PAYOUT", TotalFee: o.Total, FeeType: o.FeeType,
		Result: o.result(g.now()), NonceStr: p.Get("nonce_str"),
	}
}

func (g *Gateway) getPayoutBalance(p url.Values) (any, ksher.Code) {
	if p.Get("fee_type") != "THB" {
		return nil, ksher.CodeKsherFeeTypeNotMatch
	}
	// Not as a ksher.GetPayoutBalanceResponse, which would leave out a 0.
	return map[string]any{
		"appid": appID(p), "balance": int64(g.balance(appID(p))), "fee_type": "THB",
		"result": string(ksher.ResultSuccess), "nonce_str": p.Get("nonce_str"),
	}, ""
}
