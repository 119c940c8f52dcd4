package kshertest

import (
	"crypto/md5"
	"crypto/rsa"
	"encoding/hex"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/ksher-go/ksher"
	"github.com/ksher-go/ksher/internal/shortrsa"
	"github.com/ksher-go/ksher/internal/wire"
)

// maxRequestBytes is far above what a request with every parameter needs.
const maxRequestBytes = 1 << 20

// operation is one of Ksher's operations as the gateway serves it.
type operation struct {
	path string
	// required are the parameters it can't do without.
	required []string
	// serve carries it out under the gateway's lock. It returns the data of the
	// answer, or a code that refuses.
	serve func(g *Gateway, p url.Values) (data any, refusal ksher.Code)
}

var operations = []operation{
	{"/api/gateway_pay", []string{"mch_order_no", "mch_code", "total_fee", "fee_type", "channel_list", "product_name", "refer_url",
		"mch_redirect_url", "mch_redirect_url_fail"}, (*Gateway).gatewayPay},
	{"/api/gateway_order_query", []string{"mch_order_no"}, (*Gateway).gatewayOrderQuery},
	{"/api/cancel_order", []string{"mch_order_no"}, (*Gateway).cancelOrder},
	{"/KsherPay/native_pay", []string{"mch_order_no", "total_fee", "fee_type", "channel"}, (*Gateway).nativePay},
	{"/KsherPay/order_query", nil, (*Gateway).orderQuery},
	{"/KsherPay/order_close", nil, (*Gateway).orderClose},
	{"/KsherPay/order_refund", []string{"mch_refund_no", "refund_fee", "total_fee", "fee_type"}, (*Gateway).orderRefund},
	{"/KsherPay/refund_query", nil, (*Gateway).refundQuery},
}

func (g *Gateway) handler() http.Handler {
	mux := http.NewServeMux()
	for _, op := range operations {
		mux.HandleFunc(op.path, func(w http.ResponseWriter, r *http.Request) { g.serve(w, r, op) })
	}
	mux.HandleFunc("GET /ua", g.showPage)
	return mux
}

func (g *Gateway) serve(w http.ResponseWriter, r *http.Request, op operation) {
	w.Header().Set("Content-Type", "application/json")
	params, code := readRequest(w, r, op)
	if code != "" {
		w.Write(callFailed(code))
		return
	}
	g.mu.Lock()
	data, code := op.serve(g, params)
	g.mu.Unlock()
	if code != "" {
		data = map[string]any{
			"appid":     AppID,
			"err_code":  string(code),
			"err_msg":   message(code),
			"nonce_str": params.Get("nonce_str"),
			"result":    string(ksher.ResultFail),
		}
	}
	version := ksher.SignV1
	if r.Header.Get("ksher-sign-version") == "V2" {
		version = ksher.SignV2
	}
	w.Write(envelope(data, version))
}

// readRequest returns the parameters of a request that is signed and complete,
// or the code that refuses it.
func readRequest(w http.ResponseWriter, r *http.Request, op operation) (url.Values, ksher.Code) {
	if r.Method != http.MethodPost {
		return nil, ksher.CodeRequirePostMethod
	}
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxRequestBytes))
	if err != nil {
		return nil, ksher.CodeKsherParamOverlength
	}
	params, err := url.ParseQuery(string(body))
	if err != nil {
		return nil, ksher.CodeParamError
	}
	if len(params) == 0 {
		return nil, ksher.CodePostDataEmpty
	}
	for name, values := range params {
		if len(values) != 1 {
			return nil, ksher.CodeParamError
		}
		if !utf8.ValidString(name) || !utf8.ValidString(values[0]) {
			return nil, ksher.CodeNotUTF8
		}
	}
	switch params.Get("appid") {
	case AppID:
	case "":
		return nil, ksher.CodeAppIDNotExist
	default:
		return nil, ksher.CodeKsherInvalidMchInfo
	}
	if !signedByMerchant(params) {
		return nil, ksher.CodeKsherSignError
	}
	for _, name := range append(op.required, "nonce_str", "time_stamp") {
		if params.Get(name) == "" {
			return nil, ksher.CodeLackParams
		}
	}
	for _, name := range []string{"mch_order_no", "mch_refund_no", "nonce_str"} {
		if utf8.RuneCountInString(params.Get(name)) > 32 {
			return nil, ksher.CodeKsherParamOverlength
		}
	}
	return params, ""
}

func signedByMerchant(params url.Values) bool {
	sig, err := hex.DecodeString(params.Get("sign"))
	if err != nil {
		return false
	}
	key, err := shortrsa.NewPublicKey(PrivateKey().Public().(*rsa.PublicKey))
	if err != nil {
		panic(err) // The key is part of this package.
	}
	return key.Verify(md5.Sum(wire.ParamsSignText(wire.SortParams(params))), sig) == nil
}

// callFailed is the answer to a call that wasn't processed: its code isn't 0,
// and it has neither data nor signature. Where such an answer has the name of
// the error isn't documented.
func callFailed(code ksher.Code) []byte {
	return marshal(map[string]any{
		"code":        1,
		"msg":         string(code),
		"message":     message(code),
		"status_code": "",
		"status_msg":  "",
		"lang":        "en",
		"version":     "3.0.0",
		"time_stamp":  timeStamp(),
	})
}

func message(code ksher.Code) string {
	info, _ := code.Info()
	return info.Meaning
}

// amount reads a positive number of cents.
func amount(text string) (ksher.Amount, bool) {
	n, err := strconv.ParseInt(text, 10, 64)
	return ksher.Amount(n), err == nil && n > 0
}

// create keeps a new order, or says why it can't be.
func (g *Gateway) create(p url.Values, o *order, duplicate ksher.Code) ksher.Code {
	total, ok := amount(p.Get("total_fee"))
	switch {
	case !ok:
		return ksher.CodePriceNotExist
	case p.Get("fee_type") != "THB":
		return ksher.CodeKsherFeeTypeNotMatch
	case g.orders[number{"own", p.Get("mch_order_no")}] != nil:
		return duplicate
	}
	o.mchOrderNo, o.total, o.feeType, o.params = p.Get("mch_order_no"), total, p.Get("fee_type"), p
	minutes, err := strconv.Atoi(p.Get("expire_time"))
	if p.Get("expire_time") != "" && (err != nil || minutes < 0) {
		return ksher.CodeKsherInvalidParam
	}
	if minutes > 0 {
		o.expires = g.now().Add(time.Duration(minutes) * time.Minute)
	}
	o.ksherOrderNo = g.nextNo("900", 23)
	if o.gateway {
		o.payMchOrderNo = g.nextNo("", 20)
	}
	g.orders[number{"own", o.mchOrderNo}] = o
	g.orders[number{"uuid", o.uuid}] = o
	g.orders[number{"mch_order_no", o.merchantHostNo()}] = o
	g.orders[number{"ksher_order_no", o.ksherOrderNo}] = o
	return ""
}

func (g *Gateway) gatewayPay(p url.Values) (any, ksher.Code) {
	o := &order{gateway: true, uuid: newUUID()}
	for _, channel := range strings.Split(p.Get("channel_list"), ",") {
		if channel == "" || strings.TrimSpace(channel) != channel {
			return nil, ksher.CodeChannelListError
		}
		o.channels = append(o.channels, ksher.Channel(channel))
	}
	switch member := p.Get("member_id"); {
	case utf8.RuneCountInString(member) > 32:
		return nil, ksher.CodeMemberIDLengthOutOfLimit
	case member != "" && strings.Trim(member, "0123456789") == "":
		return nil, ksher.CodeMemberIDError
	}
	if code := g.create(p, o, ksher.CodeOrderErrot); code != "" {
		return nil, code
	}
	lang := p.Get("lang")
	if lang == "" {
		lang = "en"
	}
	return ksher.GatewayPayResponse{PayContent: g.url + "/ua?" + "order_uuid=" + o.uuid + "&lang=" + url.QueryEscape(lang)}, ""
}

// byOwnNo finds an order of gateway_pay.
func (g *Gateway) byOwnNo(p url.Values) *order {
	if o := g.orders[number{"own", p.Get("mch_order_no")}]; o != nil && o.gateway {
		return o
	}
	return nil
}

// byHostNo finds an order by the first of the three numbers that the merchant
// host knows it by.
func (g *Gateway) byHostNo(p url.Values) (*order, ksher.Code) {
	for _, kind := range []string{"mch_order_no", "ksher_order_no", "channel_order_no"} {
		if no := p.Get(kind); no != "" {
			if o := g.orders[number{kind, no}]; o != nil {
				return o, ""
			}
			return nil, ksher.CodeKsherInvalidOrderNo
		}
	}
	return nil, ksher.CodeKsherErrorOrderNo
}

func (g *Gateway) gatewayOrderQuery(p url.Values) (any, ksher.Code) {
	o := g.byOwnNo(p)
	if o == nil {
		return nil, ksher.CodeOrderNotExist
	}
	answer := ksher.GatewayOrderQueryResponse{Order: o.query(g.now())}
	answer.NonceStr = p.Get("nonce_str")
	return answer, ""
}

// cancel ends an order that nobody has paid.
func (g *Gateway) cancel(o *order) ksher.Code {
	switch o.state(g.now()) {
	case Paid, Refunded:
		return ksher.CodeOrderAlreadyPayOperationCannotBePerformed
	case Cancelled:
		return ksher.CodeOrderAlreadyCancel
	case Expired:
		return ksher.CodeExpiireOrder
	}
	o.cancelled = true
	return ""
}

func (g *Gateway) cancelOrder(p url.Values) (any, ksher.Code) {
	o := g.byOwnNo(p)
	if o == nil {
		return nil, ksher.CodeOrderNotExist
	}
	if code := g.cancel(o); code != "" {
		return nil, code
	}
	return ksher.CancelOrderResponse{AppID: AppID, MchOrderNo: o.mchOrderNo, Result: ksher.ResultSuccess, NonceStr: p.Get("nonce_str")}, ""
}

// nativeExpiry is how long the code of a channel can be paid, for those whose
// time is documented and fixed.
var nativeExpiry = map[ksher.Channel]time.Duration{
	ksher.ChannelAlipay:     3 * time.Hour,
	ksher.ChannelAlipayPlus: 10 * time.Minute,
	ksher.ChannelWeChat:     2 * time.Hour,
	ksher.ChannelTrueMoney:  24 * time.Hour,
}

func (g *Gateway) nativePay(p url.Values) (any, ksher.Code) {
	channel := ksher.Channel(p.Get("channel"))
	if fee, ok := amount(p.Get("total_fee")); ok && fee < 100 {
		return nil, ksher.CodeKsherAmountIsTooSmall
	}
	o := &order{channels: []ksher.Channel{channel}, uuid: newUUID()}
	if code := g.create(p, o, ksher.CodeKsherDuplicatedOrderNo); code != "" {
		return nil, code
	}
	if after, fixed := nativeExpiry[channel]; fixed {
		o.expires = g.now().Add(after)
	} else if channel == ksher.ChannelPromptPay {
		o.expires = time.Time{}
	}
	answer := ksher.NativePayResponse{
		AppID: AppID, MchOrderNo: o.mchOrderNo, KsherOrderNo: o.ksherOrderNo, TradeType: "NATIVE",
		TotalFee: o.total, FeeType: o.feeType, StallsName: stall, DeviceID: p.Get("device_id"),
		Result: ksher.ResultSuccess, NonceStr: p.Get("nonce_str"),
		CodeURL: "kshertest://pay/" + o.uuid,
	}
	if channel == ksher.ChannelPromptPay {
		answer.CodeURL = promptPayCode(o.total, o.ksherOrderNo)
		answer.PaymentCode, answer.PaymentID = answer.CodeURL, o.ksherOrderNo
	}
	var err error
	if answer.ImgDat, err = qrImage(answer.CodeURL, ksher.ImgType(p.Get("img_type"))); err != nil {
		return nil, ksher.CodeKsherSystemError
	}
	return answer, ""
}

func (g *Gateway) orderQuery(p url.Values) (any, ksher.Code) {
	o, code := g.byHostNo(p)
	if code != "" {
		return nil, code
	}
	answer := ksher.OrderQueryResponse{
		Order:       o.query(g.now()),
		Operation:   "ORDER-QUERY",
		OperatorID:  o.params.Get("operator_id"),
		DeviceID:    o.params.Get("device_id"),
		RawTotalFee: o.total,
	}
	answer.MchOrderNo, answer.PayMchOrderNo, answer.NonceStr = o.merchantHostNo(), "", p.Get("nonce_str")
	return answer, ""
}

// closable are the channels that order_close is documented for.
var closable = []ksher.Channel{ksher.ChannelAirPay, ksher.ChannelWeChat, ksher.ChannelAlipay, ksher.ChannelAlipayPlus, "ktbcard"}

func (g *Gateway) orderClose(p url.Values) (any, ksher.Code) {
	o, code := g.byHostNo(p)
	if code != "" {
		return nil, code
	}
	if !o.gateway && !slices.Contains(closable, o.channels[0]) {
		return nil, ksher.CodeCancelError
	}
	if code := g.cancel(o); code != "" {
		return nil, code
	}
	return ksher.OrderCloseResponse{AppID: AppID, MchOrderNo: o.merchantHostNo(), Result: ksher.ResultSuccess, NonceStr: p.Get("nonce_str")}, ""
}

func (g *Gateway) orderRefund(p url.Values) (any, ksher.Code) {
	o, code := g.byHostNo(p)
	if code != "" {
		return nil, code
	}
	total, okTotal := amount(p.Get("total_fee"))
	fee, okFee := amount(p.Get("refund_fee"))
	left := o.total - o.refunded()
	switch {
	case o.paidAt.IsZero():
		return nil, ksher.CodeOrderNotPay
	case o.channel == ksher.ChannelPromptPay:
		return nil, ksher.CodeRefundFailed
	case o.channel == ksher.ChannelCard && p.Get("ksher_order_no") == "":
		return nil, ksher.CodeKsherErrorOrderNo
	case !okTotal || !okFee || total != o.total || p.Get("fee_type") != o.feeType:
		return nil, ksher.CodeKsherInvalidRefundFeeOrType
	case g.refundNos[p.Get("mch_refund_no")]:
		return nil, ksher.CodeKsherDuplicatedRefundOrderNo
	case fee > o.total:
		return nil, ksher.CodeKsherInvalidRefundFee
	case left == 0:
		return nil, ksher.CodeOrderAlreadyRefund
	case fee > left:
		return nil, ksher.CodeKsherInvalidRefundBalance
	case o.channel == ksher.ChannelSCBQRCard && o.paidAt.In(zone).Format(time.DateOnly) != g.now().In(zone).Format(time.DateOnly):
		return nil, ksher.CodeKsherRefundExpire
	}
	refund := ksher.RefundOrder{
		MchRefundNo:     p.Get("mch_refund_no"),
		KsherRefundNo:   g.nextNo("900", 23),
		ChannelRefundNo: g.nextNo("5020", 28),
		MchRefundFee:    fee,
		RefundState:     ksher.RefundSuccess,
		RefundTime:      g.now().In(zone),
	}
	g.refundNos[refund.MchRefundNo] = true
	o.refunds = append(o.refunds, refund)
	return ksher.OrderRefundResponse{
		AppID: AppID, MchOrderNo: o.merchantHostNo(), KsherOrderNo: o.ksherOrderNo, ChannelOrderNo: o.channelOrderNo,
		MchRefundNo: refund.MchRefundNo, KsherRefundNo: refund.KsherRefundNo, ChannelRefundNo: refund.ChannelRefundNo,
		Channel: o.channel, FeeType: o.feeType, TotalFee: o.total, RefundFee: fee, CashRefundFee: fee,
		RefundTime: refund.RefundTime, Result: ksher.ResultSuccess, Attach: p.Get("attach"),
		OperatorID: p.Get("operator_id"), NonceStr: p.Get("nonce_str"),
	}, ""
}

func (g *Gateway) refundQuery(p url.Values) (any, ksher.Code) {
	o, code := g.byHostNo(p)
	if code != "" {
		return nil, code
	}
	if o.channel == ksher.ChannelPromptPay || o.channel == ksher.ChannelAlipay {
		return nil, ksher.CodeNoAuth
	}
	named := slices.ContainsFunc(o.refunds, func(r ksher.RefundOrder) bool {
		return r.MchRefundNo == p.Get("mch_refund_no") || r.KsherRefundNo == p.Get("ksher_refund_no") || r.ChannelRefundNo == p.Get("channel_refund_no")
	})
	if !named {
		return nil, ksher.CodeInvalidOrderNo
	}
	return ksher.RefundQueryResponse{
		AppID: AppID, MchOrderNo: o.merchantHostNo(), KsherOrderNo: o.ksherOrderNo, ChannelOrderNo: o.channelOrderNo,
		FeeType: o.feeType, TotalFee: o.total, CashFee: o.total, CashFeeType: o.feeType,
		RefundCount: len(o.refunds), RefundFee: o.refunded(), RefundOrders: slices.Clone(o.refunds),
		Result: ksher.ResultSuccess, TimeEnd: o.paidAt.In(zone), NonceStr: p.Get("nonce_str"),
	}, ""
}
