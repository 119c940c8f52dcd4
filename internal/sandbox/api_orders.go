package sandbox

import (
	"cmp"
	"crypto/md5"
	"encoding/hex"
	"io"
	"net/http"
	"net/url"
	"path"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/ksher-go/ksher"
	"github.com/ksher-go/ksher/internal/wire"
)

// maxRequestBytes is far above what a request with every parameter needs.
const maxRequestBytes = 64 << 10

// operation is one of Ksher's operations as the gateway serves it.
type operation struct {
	path string
	// required are the parameters it can't do without.
	required []string
	// serve carries it out under the gateway's lock. It returns the data of the
	// answer, or a code that refuses.
	serve func(g *Gateway, p url.Values) (data any, refusal ksher.Code)
}

// name is the operation's name, the last part of its path.
func (op operation) name() string { return path.Base(op.path) }

// operations has every operation that the gateway serves. Nothing changes it.
var operations = slices.Concat(orderOperations(), quickOperations(), walletOperations(), accountOperations(), payoutOperations())

func orderOperations() []operation {
	return []operation{
		{"/api/gateway_pay", []string{"mch_order_no", "total_fee", "fee_type", "channel_list", "refer_url",
			"mch_redirect_url", "mch_redirect_url_fail"}, (*Gateway).gatewayPay},
		{"/api/gateway_order_query", []string{"mch_order_no"}, (*Gateway).gatewayOrderQuery},
		{"/api/cancel_order", []string{"mch_order_no"}, (*Gateway).cancelOrder},
		{"/KsherPay/native_pay", []string{"mch_order_no", "total_fee", "fee_type", "channel"}, (*Gateway).nativePay},
		{"/KsherPay/order_query", nil, (*Gateway).orderQuery},
		{"/KsherPay/order_close", nil, (*Gateway).orderClose},
		{"/KsherPay/order_refund", []string{"mch_refund_no", "refund_fee", "total_fee", "fee_type"}, (*Gateway).orderRefund},
		{"/KsherPay/refund_query", nil, (*Gateway).refundQuery},
	}
}

// everyRequest are the parameters that no request can do without.
var everyRequest = []string{"nonce_str", "time_stamp"}

func (g *Gateway) handler() http.Handler {
	mux := http.NewServeMux()
	for _, op := range operations {
		mux.HandleFunc(op.path, func(w http.ResponseWriter, r *http.Request) { g.serve(w, r, op) })
	}
	g.servePages(mux)
	g.serveVIP(mux)
	g.serveOpn(mux)
	mux.Handle("/", g.dashboard())
	return mux
}

// Request is a request as the gateway received it.
type Request struct {
	// At is when, by the gateway's clock.
	At time.Time
	// Operation is its name.
	Operation string
	// Params has the parameters, the signature included.
	Params url.Values
	// SignText is the text that had to be signed.
	SignText string
	// Code is why it was refused, "" if it wasn't.
	Code ksher.Code
	// Fault is the fault that was injected into it.
	Fault FaultKind
}

// maxRequests bounds the log of requests.
const maxRequests = 200

// Requests returns the last 200 requests, the oldest first.
func (g *Gateway) Requests() []Request {
	g.mu.Lock()
	defer g.mu.Unlock()
	return slices.Clone(g.requests)
}

func (g *Gateway) serve(w http.ResponseWriter, r *http.Request, op operation) {
	params, code := g.readRequest(w, r, op)
	version := ksher.SignV1
	if r.Header.Get("ksher-sign-version") == "V2" {
		version = ksher.SignV2
	}
	fault, answer := g.carryOut(op, params, code, version)
	w.Header().Set("Content-Type", "application/json")
	fault.spoil(w, r, answer)
}

// carryOut does what a request asks for, unless code or a fault refuses it, and
// makes the answer.
func (g *Gateway) carryOut(op operation, params url.Values, code ksher.Code, version ksher.SignVersion) (Fault, []byte) {
	g.mu.Lock()
	defer g.mu.Unlock()
	fault := g.nextFault(op.name())
	at := g.now()
	if fault.Kind == FaultClockSkew {
		at = at.Add(fault.Delay)
	}
	var answer []byte
	switch {
	case code != "":
		answer = callFailed(code, at)
	case fault.prevents():
	default:
		var data any
		if code = fault.Code; code == "" {
			data, code = op.serve(g, params)
			err := g.save(g.touched...)
			if g.touched = nil; err != nil {
				code = ksher.CodeKsherSystemError
			}
		}
		if code != "" {
			data = refusal(cmp.Or(op.appID(params), AppID), code, params.Get("nonce_str"))
		}
		answer = fault.forge(partlySigned(data, signedParts[op.name()], fault.version(version), at))
	}
	g.logRequest(Request{
		At: g.now(), Operation: op.name(), Params: params, Code: code, Fault: fault.Kind,
		SignText: string(wire.ParamsSignText(wire.FormParams(params))),
	})
	return fault, answer
}

// logRequest keeps a request for Requests. The caller holds g.mu.
func (g *Gateway) logRequest(r Request) {
	if len(g.requests) == maxRequests {
		g.requests = slices.Delete(g.requests, 0, 1)
	}
	g.requests = append(g.requests, r)
}

// readRequest returns the parameters of a request, as far as they can be read,
// and the code that refuses it if it isn't signed and complete.
func (g *Gateway) readRequest(w http.ResponseWriter, r *http.Request, op operation) (url.Values, ksher.Code) {
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
		return params, ksher.CodePostDataEmpty
	}
	for name, values := range params {
		if len(values) != 1 {
			return params, ksher.CodeParamError
		}
		if !utf8.ValidString(name) || !utf8.ValidString(values[0]) {
			return params, ksher.CodeNotUTF8
		}
	}
	id := op.appID(params)
	if id == "" {
		return params, ksher.CodeAppIDNotExist
	}
	merchant := g.known(id)
	if merchant == nil {
		return params, ksher.CodeKsherInvalidMchInfo
	}
	if !merchant.signed(params) {
		return params, ksher.CodeKsherSignError
	}
	for _, name := range slices.Concat(op.required, everyRequest) {
		if params.Get(name) == "" {
			return params, ksher.CodeLackParams
		}
	}
	for _, name := range []string{"mch_order_no", "mch_refund_no", "nonce_str"} {
		if utf8.RuneCountInString(params.Get(name)) > 32 {
			return params, ksher.CodeKsherParamOverlength
		}
	}
	return params, ""
}

// signed tells whether the merchant has signed the parameters.
func (m *Merchant) signed(params url.Values) bool {
	sig, err := hex.DecodeString(params.Get("sign"))
	if err != nil {
		return false
	}
	return m.verify(md5.Sum(wire.ParamsSignText(wire.FormParams(params))), sig)
}

// callFailed is the answer to a call that wasn't processed: its code isn't 0,
// and it has neither data nor signature. Where such an answer has the name of
// the error isn't documented.
func callFailed(code ksher.Code, at time.Time) []byte {
	return marshal(map[string]any{
		"code":        1,
		"msg":         string(code),
		"message":     message(code),
		"status_code": "",
		"status_msg":  "",
		"lang":        "en",
		"version":     "3.0.0",
		"time_stamp":  timeStamp(at),
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
	case g.own(p) != nil:
		return duplicate
	}
	o.AppID, o.MchOrderNo, o.Total, o.FeeType, o.Params = appID(p), p.Get("mch_order_no"), total, p.Get("fee_type"), p
	minutes, err := strconv.Atoi(p.Get("expire_time"))
	if p.Get("expire_time") != "" && (err != nil || minutes < 0) {
		return ksher.CodeKsherInvalidParam
	}
	if minutes > 0 {
		o.Expires = g.now().Add(time.Duration(minutes) * time.Minute)
	}
	o.KsherOrderNo = g.nextNo("900", 23)
	if o.Gateway {
		o.PayMchOrderNo = g.nextNo("", 20)
	}
	o.Created = g.now()
	o.note(g.now(), "created over %v %s", o.Total, o.FeeType)
	g.add(o)
	return ""
}

func (g *Gateway) gatewayPay(p url.Values) (any, ksher.Code) {
	o := &order{Gateway: true, UUID: newUUID()}
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
	fee, ok := amount(p.Get("total_fee"))
	if ok && !slices.ContainsFunc(o.Channels, func(c ksher.Channel) bool { return infoOf(c).GatewayPayMinimum <= fee }) {
		return nil, ksher.CodeKsherAmountIsTooSmall
	}
	if code := g.create(p, o, ksher.CodeOrderError); code != "" {
		return nil, code
	}
	lang := p.Get("lang")
	if lang == "" {
		lang = "en"
	}
	return ksher.GatewayPayResponse{PayContent: g.url + "/ua?" + "order_uuid=" + o.UUID + "&lang=" + url.QueryEscape(lang)}, ""
}

// appID is the merchant of a request. One of vip.ksher.net doesn't name any.
func appID(p url.Values) string { return cmp.Or(p.Get("appid"), AppID) }

// own finds an order by the number that its merchant gave it.
func (g *Gateway) own(p url.Values) *order {
	return g.orders[number{appID(p), "own", p.Get("mch_order_no")}]
}

// byOwnNo finds an order of gateway_pay.
func (g *Gateway) byOwnNo(p url.Values) *order {
	if o := g.own(p); o != nil && o.Gateway {
		return o
	}
	return nil
}

// byHostNo finds an order by the first of the three numbers that the merchant
// host knows it by.
func (g *Gateway) byHostNo(p url.Values) (*order, ksher.Code) {
	for _, kind := range []string{"mch_order_no", "ksher_order_no", "channel_order_no"} {
		if no := p.Get(kind); no != "" {
			if o := g.orders[number{appID(p), kind, no}]; o != nil {
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
	case Paid, RefundedInPart, Refunded:
		return ksher.CodeOrderAlreadyPayOperationCannotBePerformed
	case Cancelled:
		return ksher.CodeOrderAlreadyCancel
	case Expired:
		return ksher.CodeExpireOrder
	case InProgress:
		if infoOf(o.Channel).Card {
			return ksher.CodeCancelError
		}
	}
	o.Cancelled, o.InProgress = true, false
	o.note(g.now(), "cancelled")
	g.touched = append(g.touched, o)
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
	return ksher.CancelOrderResponse{AppID: o.AppID, MchOrderNo: o.MchOrderNo, NonceStr: p.Get("nonce_str")}, ""
}

func (g *Gateway) nativePay(p url.Values) (any, ksher.Code) {
	channel := ksher.Channel(p.Get("channel"))
	info := infoOf(channel)
	if g.account == OfflineAccount && !info.NativePayOffline || g.account == OnlineAccount && !info.NativePayOnline ||
		!info.NativePayOffline && !info.NativePayOnline {
		return nil, ksher.CodeNoAuth
	}
	o := &order{Channels: []ksher.Channel{channel}, UUID: newUUID()}
	if code := g.create(p, o, ksher.CodeKsherDuplicatedOrderNo); code != "" {
		return nil, code
	}
	// The guide says that only TrueMoney's time can be set.
	o.Expires = time.Time{}
	expiry := info.NativePayExpiry
	if minutes, err := strconv.Atoi(p.Get("tmn_expire_time")); err == nil && minutes > 0 && channel == ksher.ChannelTrueMoney {
		expiry = time.Duration(minutes) * time.Minute
	}
	if expiry > 0 {
		o.Expires = g.now().Add(expiry)
	}
	answer := ksher.NativePayResponse{
		AppID: o.AppID, MchOrderNo: o.MchOrderNo, KsherOrderNo: o.KsherOrderNo, TradeType: "NATIVE",
		TotalFee: o.Total, FeeType: o.FeeType, StallsName: stall, DeviceID: p.Get("device_id"),
		NonceStr: p.Get("nonce_str"),
		CodeURL:  "kshertest://pay/" + o.UUID,
	}
	if channel == ksher.ChannelPromptPay {
		answer.CodeURL = promptPayCode(o.Total, o.KsherOrderNo)
		answer.PaymentCode, answer.PaymentID = answer.CodeURL, o.KsherOrderNo
	}
	var err error
	if answer.ImgDat, err = qrImage(answer.CodeURL, p.Get("img_type")); err != nil {
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
		OperatorID:  o.Params.Get("operator_id"),
		DeviceID:    o.Params.Get("device_id"),
		RawTotalFee: o.Total,
	}
	answer.MchOrderNo, answer.PayMchOrderNo, answer.NonceStr = o.merchantHostNo(), "", p.Get("nonce_str")
	return answer, ""
}

func (g *Gateway) orderClose(p url.Values) (any, ksher.Code) {
	o, code := g.byHostNo(p)
	if code != "" {
		return nil, code
	}
	if !o.Gateway && !infoOf(o.Channels[0]).OrderClose {
		return nil, ksher.CodeCancelError
	}
	if code := g.cancel(o); code != "" {
		return nil, code
	}
	return ksher.OrderCloseResponse{AppID: o.AppID, MchOrderNo: o.merchantHostNo(), NonceStr: p.Get("nonce_str")}, ""
}

// refund gives back a part of a paid order, or says why it can't be.
func (g *Gateway) refund(o *order, no string, fee ksher.Amount) (ksher.Refund, ksher.Code) {
	left := o.Total - o.refunded()
	info := infoOf(o.Channel)
	var code ksher.Code
	switch {
	case g.refundNos[number{o.AppID, "refund", no}]:
		code = ksher.CodeKsherDuplicatedRefundOrderNo
	case fee > o.Total:
		code = ksher.CodeKsherInvalidRefundFee
	case info.NoRefunds:
		code = ksher.CodeNoAuth
	case left == 0:
		code = ksher.CodeOrderAlreadyRefund
	case fee > left:
		code = ksher.CodeKsherInvalidRefundBalance
	case o.Settled:
		code = ksher.CodeKsherRefundExpire
	case info.RefundSameDay && o.PaidAt.In(zone).Format(time.DateOnly) != g.now().In(zone).Format(time.DateOnly):
		code = ksher.CodeKsherRefundExpire
	}
	if code != "" {
		return ksher.Refund{}, code
	}
	refund := ksher.Refund{
		MchRefundNo:     no,
		KsherRefundNo:   g.nextNo("900", 23),
		ChannelRefundNo: g.nextNo("5020", 28),
		MchRefundFee:    fee,
		RefundState:     "REFUNDSUCCESS",
		RefundTime:      g.now().In(zone),
	}
	g.refundNos[number{o.AppID, "refund", no}] = true
	o.Refunds = append(o.Refunds, refund)
	o.note(g.now(), "refunded %v %s under %s", fee, o.FeeType, no)
	g.touched = append(g.touched, o)
	return refund, ""
}

func (g *Gateway) orderRefund(p url.Values) (any, ksher.Code) {
	o, code := g.byHostNo(p)
	if code != "" {
		return nil, code
	}
	total, okTotal := amount(p.Get("total_fee"))
	fee, okFee := amount(p.Get("refund_fee"))
	switch {
	case o.PaidAt.IsZero():
		return nil, ksher.CodeOrderNotPay
	case o.Channel == ksher.ChannelCard && p.Get("ksher_order_no") == "":
		return nil, ksher.CodeKsherErrorOrderNo
	case !okTotal || !okFee || total != o.Total || p.Get("fee_type") != o.FeeType:
		return nil, ksher.CodeKsherInvalidRefundFeeOrType
	}
	refund, code := g.refund(o, p.Get("mch_refund_no"), fee)
	if code != "" {
		return nil, code
	}
	return ksher.OrderRefundResponse{
		AppID: o.AppID, MchOrderNo: o.merchantHostNo(), KsherOrderNo: o.KsherOrderNo, ChannelOrderNo: o.ChannelOrderNo,
		MchRefundNo: refund.MchRefundNo, KsherRefundNo: refund.KsherRefundNo, ChannelRefundNo: refund.ChannelRefundNo,
		Channel: o.Channel, FeeType: o.FeeType, TotalFee: o.Total, RefundFee: fee, CashRefundFee: fee,
		RefundTime: refund.RefundTime, Attach: p.Get("attach"),
		OperatorID: p.Get("operator_id"), NonceStr: p.Get("nonce_str"),
	}, ""
}

func (g *Gateway) refundQuery(p url.Values) (any, ksher.Code) {
	o, code := g.byHostNo(p)
	if code != "" {
		return nil, code
	}
	if !o.PaidAt.IsZero() && !infoOf(o.Channel).RefundQuery {
		return nil, ksher.CodeNoAuth
	}
	// Ksher's own clients also ask by the order's number alone.
	named := p.Get("mch_refund_no")+p.Get("ksher_refund_no")+p.Get("channel_refund_no") == "" || slices.ContainsFunc(o.Refunds, func(r ksher.Refund) bool {
		return r.MchRefundNo == p.Get("mch_refund_no") || r.KsherRefundNo == p.Get("ksher_refund_no") || r.ChannelRefundNo == p.Get("channel_refund_no")
	})
	if !named {
		return nil, ksher.CodeInvalidOrderNo
	}
	return ksher.RefundQueryResponse{
		AppID: o.AppID, MchOrderNo: o.merchantHostNo(), KsherOrderNo: o.KsherOrderNo, ChannelOrderNo: o.ChannelOrderNo,
		FeeType: o.FeeType, TotalFee: o.Total, CashFee: o.Total, CashFeeType: o.FeeType,
		RefundCount: len(o.Refunds), RefundFee: o.refunded(), RefundOrders: slices.Clone(o.Refunds),
		TimeEnd: o.PaidAt.In(zone), NonceStr: p.Get("nonce_str"),
	}, ""
}
