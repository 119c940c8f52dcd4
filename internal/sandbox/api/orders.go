package api

import (
	"cmp"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/ksher-go/ksher"
	"github.com/ksher-go/ksher/internal/sandbox/checkout"
	"github.com/ksher-go/ksher/internal/sandbox/core"
	"github.com/ksher-go/ksher/internal/sandbox/promptpay"
)

func orderOperations() []operation {
	return []operation{
		{"/api/gateway_pay", []string{"mch_order_no", "total_fee", "fee_type", "channel_list", "refer_url",
			"mch_redirect_url", "mch_redirect_url_fail"}, (*Server).gatewayPay},
		{"/api/gateway_order_query", []string{"mch_order_no"}, (*Server).gatewayOrderQuery},
		{"/api/cancel_order", []string{"mch_order_no"}, (*Server).cancelOrder},
		{"/KsherPay/native_pay", []string{"mch_order_no", "total_fee", "fee_type", "channel"}, (*Server).nativePay},
		{"/KsherPay/order_query", nil, (*Server).orderQuery},
		{"/KsherPay/order_close", nil, (*Server).orderClose},
		{"/KsherPay/order_refund", []string{"mch_refund_no", "refund_fee", "total_fee", "fee_type"}, (*Server).orderRefund},
		{"/KsherPay/refund_query", nil, (*Server).refundQuery},
	}
}

// Amount reads a positive number of cents.
func Amount(text string) (ksher.Amount, bool) {
	n, err := strconv.ParseInt(text, 10, 64)
	return ksher.Amount(n), err == nil && n > 0
}

// Create keeps a new order as the parameters have it, or says why it can't be. duplicate
// is the code for a number that was used before.
func Create(tx *core.Tx, p url.Values, o *core.Entry, duplicate ksher.Code) ksher.Code {
	total, ok := Amount(p.Get("total_fee"))
	terms := tx.Terms(appID(p))
	switch {
	case !ok:
		return ksher.CodePriceNotExist
	case !terms.Takes(p.Get("fee_type")):
		return ksher.CodeKsherFeeTypeNotMatch
	case !o.Payout && !o.Gateway && slices.ContainsFunc(o.Channels, func(c ksher.Channel) bool { return !terms.Offers(c) }):
		return ksher.CodeNoAuth
	case own(tx, p) != nil:
		return duplicate
	}
	o.AppID, o.MchOrderNo, o.Total, o.FeeType, o.Params = appID(p), p.Get("mch_order_no"), total, p.Get("fee_type"), p
	minutes, err := strconv.Atoi(p.Get("expire_time"))
	if p.Get("expire_time") != "" && (err != nil || minutes < 0) {
		return ksher.CodeKsherInvalidParam
	}
	if minutes > 0 {
		o.Expires = tx.Now().Add(time.Duration(minutes) * time.Minute)
	}
	tx.Add(o)
	return ""
}

func (s *Server) gatewayPay(tx *core.Tx, p url.Values, l *core.Leniency) (any, ksher.Code) {
	o := &core.Entry{Gateway: true, UUID: tx.NewUUID()}
	for _, channel := range strings.Split(p.Get("channel_list"), ",") {
		if channel == "" || strings.TrimSpace(channel) != channel {
			return nil, ksher.CodeChannelListError
		}
		o.Channels = append(o.Channels, ksher.Channel(channel))
	}
	switch member := p.Get("member_id"); {
	case utf8.RuneCountInString(member) > 32:
		return nil, ksher.CodeMemberIDLengthOutOfLimit
	case member != "" && strings.Trim(member, "0123456789") == "":
		return nil, ksher.CodeMemberIDError
	}
	terms := tx.Terms(appID(p))
	o.Channels = slices.DeleteFunc(o.Channels, func(c ksher.Channel) bool { return !terms.Offers(c) })
	if len(o.Channels) == 0 {
		return nil, ksher.CodeChannelListError
	}
	fee, ok := Amount(p.Get("total_fee"))
	if ok && p.Get("fee_type") == "THB" && !slices.ContainsFunc(o.Channels, func(c ksher.Channel) bool { return core.InfoOf(c).GatewayPayMinimum <= fee }) {
		return nil, ksher.CodeKsherAmountIsTooSmall
	}
	if code := Create(tx, p, o, ksher.CodeOrderError); code != "" {
		return nil, code
	}
	lang := p.Get("lang")
	if lang == "" {
		lang = "en"
	}
	return ksher.GatewayPayResponse{PayContent: checkout.URL(tx.URL(), o) + "&lang=" + url.QueryEscape(lang)}, ""
}

// appID is the merchant of a request. One of vip.ksher.net doesn't name any.
func appID(p url.Values) string { return cmp.Or(p.Get("appid"), core.AppID) }

// own finds an order by the number that its merchant gave it.
func own(tx *core.Tx, p url.Values) *core.Entry {
	return tx.Own(appID(p), p.Get("mch_order_no"))
}

// byOwnNo finds an order of gateway_pay.
func byOwnNo(tx *core.Tx, p url.Values) *core.Entry {
	if o := own(tx, p); o != nil && o.Gateway {
		return o
	}
	return nil
}

// hostNos are the parameters by which the merchant host knows an order, what counts most
// first: clients refund by Ksher's number, with a wrong one of their own beside it.
var hostNos = []string{"ksher_order_no", "mch_order_no", "channel_order_no"}

// byHostNo finds an order by the first of its numbers that is given.
func byHostNo(tx *core.Tx, p url.Values, l *core.Leniency) (*core.Entry, ksher.Code) {
	var found *core.Entry
	for _, kind := range hostNos {
		no := p.Get(kind)
		if no == "" {
			continue
		}
		o := tx.AtMerchantHost(appID(p), kind, no)
		if found == nil && o == nil {
			return nil, ksher.CodeKsherInvalidOrderNo
		}
		if found == nil {
			found = o
		}
		if o != found && !l.Accepts("a "+kind+" that isn't the order's", "numbers of one order only") {
			return nil, ksher.CodeKsherInvalidOrderNo
		}
	}
	if found == nil {
		return nil, ksher.CodeKsherErrorOrderNo
	}
	return found, ""
}

func (s *Server) gatewayOrderQuery(tx *core.Tx, p url.Values, l *core.Leniency) (any, ksher.Code) {
	o := byOwnNo(tx, p)
	if o == nil {
		return nil, ksher.CodeOrderNotExist
	}
	answer := ksher.GatewayOrderQueryResponse{Order: o.Query(tx.Now())}
	if !o.PaidAt.IsZero() { // A genuine answer about an order that isn't paid has none.
		answer.NonceStr = p.Get("nonce_str")
	}
	return answer, ""
}

func (s *Server) cancelOrder(tx *core.Tx, p url.Values, l *core.Leniency) (any, ksher.Code) {
	o := byOwnNo(tx, p)
	if o == nil {
		return nil, ksher.CodeOrderNotExist
	}
	if code := tx.Cancel(o); code != "" {
		return nil, code
	}
	return ksher.CancelOrderResponse{AppID: o.AppID, MchOrderNo: o.MchOrderNo, NonceStr: p.Get("nonce_str")}, ""
}

func (s *Server) nativePay(tx *core.Tx, p url.Values, l *core.Leniency) (any, ksher.Code) {
	channel := ksher.Channel(p.Get("channel"))
	info := core.InfoOf(channel)
	if !scannable(tx.Terms(appID(p)).Account, info) {
		return nil, ksher.CodeNoAuth
	}
	o := &core.Entry{Channels: []ksher.Channel{channel}, UUID: tx.NewUUID()}
	if code := Create(tx, p, o, ksher.CodeKsherDuplicatedOrderNo); code != "" {
		return nil, code
	}
	// The guide says that only TrueMoney's time can be set.
	o.Expires = time.Time{}
	expiry := info.NativePayExpiry
	if minutes, err := strconv.Atoi(p.Get("tmn_expire_time")); err == nil && minutes > 0 && channel == ksher.ChannelTrueMoney {
		expiry = time.Duration(minutes) * time.Minute
	}
	if expiry > 0 {
		o.Expires = tx.Now().Add(expiry)
	}
	answer := ksher.NativePayResponse{
		AppID: o.AppID, MchOrderNo: o.MchOrderNo, KsherOrderNo: o.KsherOrderNo, TradeType: "NATIVE",
		TotalFee: o.Total, FeeType: o.FeeType, StallsName: promptpay.Stall, DeviceID: p.Get("device_id"),
		NonceStr: p.Get("nonce_str"),
		CodeURL:  "kshertest://pay/" + o.UUID,
	}
	if channel == ksher.ChannelPromptPay {
		answer.CodeURL = promptpay.Code(o.Total, o.FeeType, o.KsherOrderNo)
		answer.PaymentCode, answer.PaymentID = answer.CodeURL, o.KsherOrderNo
	}
	var err error
	if answer.ImgDat, err = promptpay.Image(answer.CodeURL, p.Get("img_type")); err != nil {
		return nil, ksher.CodeKsherSystemError
	}
	return answer, ""
}

func (s *Server) orderQuery(tx *core.Tx, p url.Values, l *core.Leniency) (any, ksher.Code) {
	o, code := byHostNo(tx, p, l)
	if code != "" {
		return nil, code
	}
	answer := ksher.OrderQueryResponse{
		Order:       o.Query(tx.Now()),
		Operation:   "ORDER-QUERY",
		OperatorID:  o.Params.Get("operator_id"),
		DeviceID:    o.Params.Get("device_id"),
		RawTotalFee: o.Total,
	}
	answer.MchOrderNo, answer.PayMchOrderNo, answer.NonceStr = o.MerchantHostNo(), "", p.Get("nonce_str")
	return answer, ""
}

func (s *Server) orderClose(tx *core.Tx, p url.Values, l *core.Leniency) (any, ksher.Code) {
	o, code := byHostNo(tx, p, l)
	if code != "" {
		return nil, code
	}
	if !o.Gateway && !core.InfoOf(o.Channels[0]).OrderClose {
		return nil, ksher.CodeCancelError
	}
	if code := tx.Cancel(o); code != "" {
		return nil, code
	}
	return ksher.OrderCloseResponse{AppID: o.AppID, MchOrderNo: o.MerchantHostNo(), NonceStr: p.Get("nonce_str")}, ""
}

func (s *Server) orderRefund(tx *core.Tx, p url.Values, l *core.Leniency) (any, ksher.Code) {
	o, code := byHostNo(tx, p, l)
	if code != "" {
		return nil, code
	}
	total, okTotal := Amount(p.Get("total_fee"))
	fee, okFee := Amount(p.Get("refund_fee"))
	switch {
	case o.PaidAt.IsZero():
		return nil, ksher.CodeOrderNotPay
	case o.Channel == ksher.ChannelCard && p.Get("ksher_order_no") == "":
		return nil, ksher.CodeKsherErrorOrderNo
	case !okTotal || !okFee || total != o.Total || p.Get("fee_type") != o.FeeType:
		return nil, ksher.CodeKsherInvalidRefundFeeOrType
	}
	refund, code := tx.Refund(o, p.Get("mch_refund_no"), fee)
	if code != "" {
		return nil, code
	}
	return ksher.OrderRefundResponse{
		AppID: o.AppID, MchOrderNo: o.MerchantHostNo(), KsherOrderNo: o.KsherOrderNo, ChannelOrderNo: o.ChannelOrderNo,
		MchRefundNo: refund.MchRefundNo, KsherRefundNo: refund.KsherRefundNo, ChannelRefundNo: refund.ChannelRefundNo,
		Channel: o.Channel, FeeType: o.FeeType, TotalFee: o.Total, RefundFee: fee, CashRefundFee: fee,
		RefundTime: refund.RefundTime, Attach: p.Get("attach"),
		OperatorID: p.Get("operator_id"), NonceStr: p.Get("nonce_str"),
	}, ""
}

func (s *Server) refundQuery(tx *core.Tx, p url.Values, l *core.Leniency) (any, ksher.Code) {
	o, code := byHostNo(tx, p, l)
	if code != "" {
		return nil, code
	}
	if !o.PaidAt.IsZero() && !core.InfoOf(o.Channel).RefundQuery {
		return nil, ksher.CodeNoAuth
	}
	if p.Get("mch_refund_no")+p.Get("ksher_refund_no")+p.Get("channel_refund_no") == "" {
		l.Note("an order's number alone", "a refund's number, too") // Client.Refunds asks so.
	} else if !slices.ContainsFunc(o.Refunds, func(r ksher.Refund) bool {
		return r.MchRefundNo == p.Get("mch_refund_no") || r.KsherRefundNo == p.Get("ksher_refund_no") || r.ChannelRefundNo == p.Get("channel_refund_no")
	}) {
		return nil, ksher.CodeInvalidOrderNo
	}
	return ksher.RefundQueryResponse{
		AppID: o.AppID, MchOrderNo: o.MerchantHostNo(), KsherOrderNo: o.KsherOrderNo, ChannelOrderNo: o.ChannelOrderNo,
		FeeType: o.FeeType, TotalFee: o.Total, CashFee: o.Total, CashFeeType: o.FeeType,
		// In the only genuine answer refund_fee isn't the sum, but has the count's digits.
		RefundCount: len(o.Refunds), RefundFee: ksher.Amount(len(o.Refunds)), RefundOrders: slices.Clone(o.Refunds),
		TimeEnd: o.PaidAt, NonceStr: p.Get("nonce_str"),
	}, ""
}
