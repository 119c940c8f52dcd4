package api

import (
	"encoding/json"
	"net/url"
	"slices"
	"strings"

	"github.com/ksher-go/ksher"
	"github.com/ksher-go/ksher/internal/day"
	"github.com/ksher-go/ksher/internal/sandbox/core"
)

func payoutOperations() []operation {
	return []operation{
		{"/KsherPay/payout", []string{"mch_order_no", "total_fee", "fee_type", "channel", "receiver_type", "receiver_no"}, (*Server).payout},
		{"/KsherPay/order_query_payout", []string{"mch_order_no", "channel"}, (*Server).orderQueryPayout},
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

// maxPayout is the largest amount of a payout.
const maxPayout ksher.Amount = 2_000_000_00

// banks are the three digits of the banks that receivers have their accounts at.
//
// Source: the Bank of Thailand's list of financial institutions. That Ksher's list has
// these digits is assumed.
var banks = strings.Fields(`002 004 006 008 009 011 014 017 018 020 022 023 024 025 026 027 029 030 031 032 033 034 035 039 045 052
	066 067 069 070 071 073 079 080 098`)

// refusesPayout is what is wrong with a payout, "" for nothing. Which codes refuse
// one isn't documented: of the documented codes NOTENOUGH fits a balance best, and
// NOAUTH the hour.
func refusesPayout(tx *core.Tx, p url.Values) ksher.Code {
	total, whole := Amount(p.Get("total_fee"))
	bank := p.Get("receiver_bank_code")
	switch {
	case p.Get("channel") != string(payoutChannel):
		return ksher.CodeParamError
	case !slices.Contains([]string{"BANK", "PROMPTPAY_NATID", "PROMPTPAY_MSISDN"}, p.Get("receiver_type")):
		return ksher.CodeParamError
	case p.Get("fee_type") != "THB":
		return ksher.CodeKsherFeeTypeNotMatch
	case p.Get("receiver_type") == "BANK" && bank == "":
		return ksher.CodeLackParams
	case p.Get("receiver_type") == "BANK" && !slices.Contains(banks, bank):
		return ksher.CodeKsherInvalidParam
	case day.PayoutsOpenIn(tx.Now()) > 0:
		return ksher.CodeNoAuth
	case whole && total > maxPayout:
		return ksher.CodeKsherExceedAmountLimit
	case whole && total > tx.Balance(appID(p)) && own(tx, p) == nil:
		return ksher.CodeNotEnough
	}
	return ""
}

// payout pays out. How it goes is in the package's documentation. That a number
// can't be used again, also not that of an order, isn't documented.
func (s *Server) payout(tx *core.Tx, p url.Values, l *core.Leniency) (any, ksher.Code) {
	if code := refusesPayout(tx, p); code != "" {
		return nil, code
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

func (s *Server) orderQueryPayout(tx *core.Tx, p url.Values, l *core.Leniency) (any, ksher.Code) {
	if p.Get("channel") != string(payoutChannel) {
		return nil, ksher.CodeParamError
	}
	o := own(tx, p)
	if o == nil || !o.Payout {
		return nil, ksher.CodeKsherInvalidOrderNo
	}
	return struct {
		ksher.OrderQueryPayoutResponse
		MDR        json.Number `json:"mdr"`
		OperatorID json.Number `json:"operator_id"`
	}{ksher.OrderQueryPayoutResponse{
		AppID: o.AppID, MchOrderNo: o.MchOrderNo, KsherOrderNo: o.KsherOrderNo, ChannelOrderNo: o.ChannelOrderNo,
		Channel: payoutChannel, TotalFee: o.Total, RawTotalFee: o.Total,
		CashFee: o.Total, CashFeeType: o.FeeType, Rate: "1.000000", Operation: "PAYOUT",
		Result: o.Result(tx.Now()), TimeEnd: o.PaidAt, NonceStr: p.Get("nonce_str"),
	}, "0.00", "0"}, ""
}

func (s *Server) getPayoutBalance(tx *core.Tx, p url.Values, l *core.Leniency) (any, ksher.Code) {
	if p.Get("fee_type") != "THB" {
		return nil, ksher.CodeKsherFeeTypeNotMatch
	}
	// Not as a ksher.GetPayoutBalanceResponse, which would leave out a 0.
	return map[string]any{
		"appid": appID(p), "balance": int64(tx.Balance(appID(p))),
		"result": string(ksher.ResultSuccess), "nonce_str": p.Get("nonce_str"),
	}, ""
}
