package api

import (
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/ksher-go/ksher"
	"github.com/ksher-go/ksher/internal/sandbox/core"
)

func quickOperations() []operation {
	return []operation{
		{"/KsherPay/quick_pay", []string{"mch_order_no", "total_fee", "fee_type", "auth_code"}, (*Server).quickPay},
		{"/KsherPay/order_reverse", nil, (*Server).orderReverse},
	}
}

// walletOf tells by a buyer's code which wallet shows it, "" for not known.
//
// Source: the wallets' own documentation of their payment codes.
func walletOf(code string) ksher.Channel {
	if len(code) < 16 || len(code) > 24 || strings.Trim(code, "0123456789") != "" {
		return ""
	}
	switch first, _ := strconv.Atoi(code[:2]); {
	case 10 <= first && first <= 15 && len(code) == 18:
		return ksher.ChannelWeChat
	case 25 <= first && first <= 30:
		return ksher.ChannelAlipay
	}
	return ""
}

// quickChannels are the channels that quick_pay is documented for.
var quickChannels = []ksher.Channel{
	ksher.ChannelWeChat, ksher.ChannelAlipay, ksher.ChannelAlipayPlus, ksher.ChannelTrueMoney, ksher.ChannelAirPay, ksher.ChannelLinePay,
}

func (s *Server) quickPay(tx *core.Tx, p url.Values, l *core.Leniency) (any, ksher.Code) {
	c := ksher.Channel(p.Get("channel"))
	if _, known := c.Info(); known && !slices.Contains(quickChannels, c) {
		return nil, ksher.CodeNoAuth
	}
	o := &core.Entry{Quick: true}
	if refusal := Charge(tx, p, o); refusal != "" {
		return nil, refusal
	}
	if o.InProgress {
		return map[string]string{
			"err_code": "PAYMENT_IN_PROCESS", "err_msg": "the buyer is typing a PIN", "result": string(ksher.ResultNotSure),
			"ksher_order_no": o.KsherOrderNo, "mch_order_no": o.MchOrderNo, "nonce_str": p.Get("nonce_str"),
		}, ""
	}
	answer := ksher.QuickPayResponse{
		Order: o.Query(tx.Now()), Operation: "QUICK-PAY", OperatorID: p.Get("operator_id"), DeviceID: p.Get("device_id"),
	}
	answer.NonceStr = p.Get("nonce_str")
	return answer, ""
}

// Charge charges a buyer's code for a new order. How it goes is in the package's
// documentation. Which codes refuse a buyer's code isn't documented.
func Charge(tx *core.Tx, p url.Values, o *core.Entry) ksher.Code {
	code, channel := p.Get("auth_code"), ksher.Channel(p.Get("channel"))
	wallet := walletOf(code)
	if channel == "" {
		channel = wallet
	}
	// A code of Alipay may be one of Alipay+.
	if channel == "" || !strings.HasPrefix(string(channel), string(wallet)) {
		return ksher.CodeKsherInvalidParam
	}
	if strings.HasSuffix(code, "02") && own(tx, p) == nil {
		return ksher.CodeOrderPaymentError
	}
	o.Channels = []ksher.Channel{channel}
	if refusal := Create(tx, p, o, ksher.CodeKsherDuplicatedOrderNo); refusal != "" {
		return refusal
	}
	switch { // A new order can be paid, so that none of these fails.
	case strings.HasSuffix(code, "01"):
		tx.Begin(o, channel)
	case strings.HasSuffix(code, "03"):
		tx.Fail(o)
		return ksher.CodeOrderPaymentError
	default:
		tx.Pay(o, channel)
	}
	return ""
}

// orderReverse undoes an order of quick_pay. What it refuses isn't documented.
func (s *Server) orderReverse(tx *core.Tx, p url.Values, l *core.Leniency) (any, ksher.Code) {
	o, code := byHostNo(tx, p, l)
	switch {
	case code != "":
		return nil, code
	case !o.Quick:
		return nil, ksher.CodeCancelError
	}
	if code := tx.Reverse(o); code != "" {
		return nil, code
	}
	return ksher.OrderReverseResponse{AppID: o.AppID, MchOrderNo: o.MchOrderNo, NonceStr: p.Get("nonce_str")}, ""
}
