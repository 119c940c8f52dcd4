package sandbox

import (
	"net/url"
	"strconv"
	"strings"

	"github.com/ksher-go/ksher"
)

func quickOperations() []operation {
	return []operation{
		{"/KsherPay/quick_pay", []string{"mch_order_no", "total_fee", "fee_type", "auth_code"}, (*Gateway).quickPay},
		{"/KsherPay/order_reverse", nil, (*Gateway).orderReverse},
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

func (g *Gateway) quickPay(p url.Values) (any, ksher.Code) {
	o := &order{Quick: true}
	if refusal := g.charge(p, o); refusal != "" {
		return nil, refusal
	}
	answer := ksher.QuickPayResponse{
		Order: o.query(g.now()), Operation: "QUICK-PAY", OperatorID: p.Get("operator_id"), DeviceID: p.Get("device_id"),
	}
	if answer.NonceStr = p.Get("nonce_str"); o.InProgress {
		answer.Result = ksher.ResultNotSure
	}
	return answer, ""
}

// charge charges a buyer's code for a new order. How it goes is in the package's
// documentation. Which codes refuse a buyer's code isn't documented.
func (g *Gateway) charge(p url.Values, o *order) ksher.Code {
	code, channel := p.Get("auth_code"), ksher.Channel(p.Get("channel"))
	wallet := walletOf(code)
	if channel == "" {
		channel = wallet
	}
	// A code of Alipay may be one of Alipay+.
	if channel == "" || !strings.HasPrefix(string(channel), string(wallet)) {
		return ksher.CodeKsherInvalidParam
	}
	if strings.HasSuffix(code, "02") && g.own(p) == nil {
		return ksher.CodeOrderPaymentError
	}
	o.Channels = []ksher.Channel{channel}
	if refusal := g.create(p, o, ksher.CodeKsherDuplicatedOrderNo); refusal != "" {
		return refusal
	}
	switch { // A new order can be paid, so that none of these fails.
	case strings.HasSuffix(code, "01"):
		o.begin(channel, g.now())
	case strings.HasSuffix(code, "03"):
		o.fail(g.now())
		return ksher.CodeOrderPaymentError
	default:
		g.pay(o, channel)
	}
	return ""
}

// orderReverse undoes an order of quick_pay. What it refuses isn't documented.
func (g *Gateway) orderReverse(p url.Values) (any, ksher.Code) {
	o, code := g.byHostNo(p)
	switch {
	case code != "":
		return nil, code
	case !o.Quick:
		return nil, ksher.CodeCancelError
	}
	switch o.state(g.now()) {
	case Refunded:
		return nil, ksher.CodeOrderAlreadyRefund
	case Paid, RefundedInPart:
		if o.Settled {
			return nil, ksher.CodeKsherRefundExpire
		}
		no := g.nextNo("900", 23)
		o.Refunds = append(o.Refunds, ksher.Refund{
			MchRefundNo: no, KsherRefundNo: no, ChannelRefundNo: g.nextNo("5020", 28),
			MchRefundFee: o.Total - o.refunded(), RefundState: "REFUNDSUCCESS", RefundTime: g.now().In(zone),
		})
		g.refundNos[number{o.AppID, "refund", no}] = true
		o.note(g.now(), "reversed, and the money given back")
		g.touched = append(g.touched, o)
	default:
		if code := g.cancel(o); code != "" {
			return nil, code
		}
	}
	return ksher.OrderReverseResponse{AppID: o.AppID, MchOrderNo: o.MchOrderNo, NonceStr: p.Get("nonce_str")}, ""
}
