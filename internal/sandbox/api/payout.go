package api

import (
	"encoding/json"
	"net/url"
	"strings"

	"github.com/ksher-go/ksher"
	"github.com/ksher-go/ksher/internal/sandbox/core"
)

func payoutOperations() []operation {
	return []operation{
		{"/KsherPay/payout", []string{"mch_order_no", "total_fee", "fee_type"}, (*Server).payout},
		{"/KsherPay/order_query_payout", []string{"mch_order_no"}, (*Server).orderQueryPayout},
		{"/KsherPay/get_payout_balance", []string{"fee_type"}, (*Server).getPayoutBalance},
	}
}

// payoutChannel stands where an order has its channels.
const payoutChannel ksher.Channel = "payout"

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
func (s *Server) payout(tx *core.Tx, p url.Values) (any, ksher.Code) {
	if p.Get("channel") != string(payoutChannel) {
		return nil, ksher.CodeParamError
	}
	const common = 8 // Those that serves requires, the channel, and those of every request.
	if len(p) == common {
		return nil, ksher.CodeLackParams
	}
	if total, ok := Amount(p.Get("total_fee")); ok && total > tx.Balance(appID(p)) && own(tx, p) == nil {
		return nil, ksher.CodeNotEnough
	}
	o := &core.Entry{Payout: true, Channels: []ksher.Channel{payoutChannel}}
	if code := Create(tx, p, o, ksher.CodeKsherDuplicatedOrderNo); code != "" {
		return nil, code
	}
	switch { // A new payout can go any way, so that none of these fails.
	case strings.HasSuffix(p.Get("total_fee"), "01"):
		tx.Begin(o, payoutChannel)
	case strings.HasSuffix(p.Get("total_fee"), "03"):
		tx.Fail(o)
		return nil, ksher.CodeOrderPaymentError
	default:
		tx.Pay(o, payoutChannel)
	}
	return payoutAnswer{
		o.AppID, o.MchOrderNo, o.KsherOrderNo, o.ChannelOrderNo, "kshertest-receiver", "0.00", "PAYOUT", o.Total,
		o.Result(tx.Now()), p.Get("nonce_str"),
	}, ""
}

func (s *Server) orderQueryPayout(tx *core.Tx, p url.Values) (any, ksher.Code) {
	if p.Get("channel") != string(payoutChannel) {
		return nil, ksher.CodeLackParams
	}
	o := own(tx, p)
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
		Result: o.Result(tx.Now()), TimeEnd: o.PaidAt, NonceStr: p.Get("nonce_str"),
	}, "0.00"}, ""
}

func (s *Server) getPayoutBalance(tx *core.Tx, p url.Values) (any, ksher.Code) {
	if p.Get("fee_type") != "THB" {
		return nil, ksher.CodeKsherFeeTypeNotMatch
	}
	// Not as a ksher.GetPayoutBalanceResponse, which would leave out a 0.
	return map[string]any{
		"appid": appID(p), "balance": int64(tx.Balance(appID(p))),
		"result": string(ksher.ResultSuccess), "nonce_str": p.Get("nonce_str"),
	}, ""
}
