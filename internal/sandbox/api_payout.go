package sandbox

import (
	"encoding/json"
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

// payoutAnswer is the answer to payout. Of its result the client has no field.
type payoutAnswer struct {
	AppID          string       `json:"appid"`
	MchOrderNo     string       `json:"mch_order_no"`
	KsherOrderNo   string       `json:"ksher_order_no"`
	ChannelOrderNo string       `json:"channel_order_no"`
	ReceiverName   string       `json:"receiver_name"`
	MDR            json.Number  `json:"mdr"`
	TradeType      string       `json:"trade_type"`
	TotalFee       ksher.Amount `json:"total_fee"`
	Result         ksher.Result `json:"result"`
	NonceStr       string       `json:"nonce_str"`
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
	return payoutAnswer{
		o.AppID, o.MchOrderNo, o.KsherOrderNo, o.ChannelOrderNo, "kshertest-receiver", "0.00", "PAYOUT", o.Total,
		o.result(g.now()), p.Get("nonce_str"),
	}, ""
}

func (g *Gateway) orderQueryPayout(p url.Values) (any, ksher.Code) {
	if p.Get("channel") != string(payoutChannel) {
		return nil, ksher.CodeLackParams
	}
	o := g.own(p)
	if o == nil || !o.Payout {
		return nil, ksher.CodeKsherInvalidOrderNo
	}
	return struct {
		ksher.OrderQueryPayoutResponse
		MDR json.Number `json:"mdr"`
	}{ksher.OrderQueryPayoutResponse{
		AppID: o.AppID, MchOrderNo: o.MchOrderNo, KsherOrderNo: o.KsherOrderNo, ChannelOrderNo: o.ChannelOrderNo,
		Channel: payoutChannel, TotalFee: o.Total, RawTotalFee: o.Total, FeeType: o.FeeType,
		CashFee: o.Total, CashFeeType: o.FeeType, Rate: "1.000000", Operation: "PAYOUT", OperatorID: "0",
		Result: o.result(g.now()), TimeEnd: o.PaidAt, NonceStr: p.Get("nonce_str"),
	}, "0.00"}, ""
}

func (g *Gateway) getPayoutBalance(p url.Values) (any, ksher.Code) {
	if p.Get("fee_type") != "THB" {
		return nil, ksher.CodeKsherFeeTypeNotMatch
	}
	// Not as a ksher.GetPayoutBalanceResponse, which would leave out a 0.
	return map[string]any{
		"appid": appID(p), "balance": int64(g.balance(appID(p))),
		"result": string(ksher.ResultSuccess), "nonce_str": p.Get("nonce_str"),
	}, ""
}
