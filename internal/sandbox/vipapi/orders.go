// Package vipapi is the local gateway's API of the vip.ksher.net generation. Its orders
// are the gateway's ordinary ones under other names. How requests are read is in request.go,
// how answers are written in wire.go; its notifications are in webhook.go, and the reports
// in reports.go.
package vipapi

import (
	"cmp"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/ksher-go/ksher"
	"github.com/ksher-go/ksher/internal/sandbox/api"
	"github.com/ksher-go/ksher/internal/sandbox/checkout"
	"github.com/ksher-go/ksher/internal/sandbox/core"
	"github.com/ksher-go/ksher/internal/sandbox/promptpay"
)

// Server serves the API for the merchant of [Token].
type Server struct {
	gw *core.Gateway
	// webhook is what SetWebhook was given. The gateway's lock guards it.
	webhook string
}

// New returns the API of a gateway, and lets the gateway know of it.
func New(gw *core.Gateway) *Server {
	s := &Server{gw: gw}
	var names []string
	for _, op := range operations {
		names = append(names, op.name)
	}
	gw.Add(core.Protocol{Operations: names, Notifier: notifier{s}})
	return s
}

// HasPage tells the orders of this generation that have a checkout page.
func HasPage(o *core.Entry) bool { return o.API == redirect }

// The APIs that make orders.
const (
	redirect = "redirect"
	cScanB   = "cscanb"
	bScanC   = "bscanc"
	miniApp  = "miniapp"
	app      = "app"
)

// serving carries a call out under the gateway's lock.
type serving func(*Server, *call) *answer

// operation is an operation of that generation as the gateway serves it.
type operation struct {
	name, method, path string
	fields             []field
	serve              serving
}

// operations has them all.
var operations = slices.Concat(orderOperations(), reportOperations())

func orderOperations() []*operation {
	var all []*operation
	for _, a := range []struct {
		name   string
		fields []field
		make   func(*Server, *core.Tx, url.Values, *core.Entry) ksher.Code
		answer func(*Server, *core.Tx, *core.Entry, *order)
	}{
		{redirect, []field{required(webField("redirect_url")), required(webField("redirect_url_fail")), channelField(), textField("product_name")},
			(*Server).makePage, nil},
		{cScanB, []field{required(channelField()), textField("operator_id")}, (*Server).makeCode, (*Server).code},
		{bScanC, []field{channelField(), required(textField("auth_code")), textField("device_id"), textField("operator_id")},
			(*Server).makeCharge, nil},
		{miniApp, []field{walletField, ofWeChat("miniapp_openid"), ofWeChat("miniapp_appid")},
			(*Server).makeOrder, (*Server).wallet},
		{app, []field{walletField, textField("miniapp_openid"), textField("miniapp_appid")},
			(*Server).makeOrder, (*Server).wallet},
	} {
		path := "/api/v1/" + a.name + "/orders"
		add := func(what, method, path string, serve serving, fields ...field) {
			fields = append(fields, required(scalarField("timestamp")), textField("mid"), providerField)
			all = append(all, &operation{"vip " + a.name + " " + what, method, path, fields, serve})
		}
		create := func(s *Server, c *call) *answer {
			o := &core.Entry{API: a.name}
			refusal := a.make(s, c.tx, c.orderParams(), o)
			if refusal != "" {
				return c.refuse(refusal)
			}
			v := s.view(c.tx, o)
			v.outcome("SUCCESS", "")
			if o.InProgress { // By a code at a till.
				v.outcome("PENDING", "")
			}
			if a.answer != nil {
				a.answer(s, c.tx, o, v)
			}
			return &answer{body: v}
		}
		add("create", http.MethodPost, path, create, append([]field{
			required(textField("merchant_order_id")), required(wholeField("amount", 1, 0)), textField("note")}, a.fields...)...)
		path += "/{id}"
		add("query", http.MethodGet, path, ofOrder((*Server).query, a.name))
		refunds := []string{a.name}
		if a.name == redirect { // The documentation has a refund of a mini program there.
			refunds = append(refunds, miniApp)
		}
		add("refund", http.MethodPut, path, ofOrder((*Server).refund, refunds...),
			required(textField("refund_order_id")), required(wholeField("refund_amount", 1, 0)))
		add("cancel", http.MethodDelete, path, ofOrder((*Server).cancel, a.name))
	}
	return all
}

// orderParams are the parameters of a request that makes an order, under their own
// names and those that api.ksher.net has for the same.
func (c *call) orderParams() url.Values {
	p := maps.Clone(c.params)
	p.Del("signature")
	for theirs, own := range map[string]string{
		"merchant_order_id": "mch_order_no", "amount": "total_fee", "redirect_url_fail": "mch_redirect_url_fail",
	} {
		p.Set(own, p.Get(theirs))
	}
	p.Set("fee_type", map[string]string{"": "THB", ksherProvider: "THB", "th": "THB", "ph": "PHP", "my": "MYR"}[p.Get("provider")])
	return p
}

// makePage makes an order with a checkout page, of every channel unless the
// request names some. That it doesn't have to isn't documented.
func (s *Server) makePage(tx *core.Tx, p url.Values, o *core.Entry) ksher.Code {
	if list := p.Get("channel"); list == "" {
		for _, info := range ksher.Channels() {
			o.Channels = append(o.Channels, info.Channel)
		}
	} else {
		for name := range strings.SplitSeq(list, ",") {
			if name == "" || strings.TrimSpace(name) != name {
				return ksher.CodeChannelListError
			}
			o.Channels = append(o.Channels, ksher.Channel(name))
		}
	}
	o.UUID = tx.NewUUID()
	return api.Create(tx, p, o, ksher.CodeKsherDuplicatedOrderNo)
}

// makeOrder makes an order for one channel, which is WeChat Pay unless the request
// names one. That a wallet doesn't have to be named isn't documented.
func (s *Server) makeOrder(tx *core.Tx, p url.Values, o *core.Entry) ksher.Code {
	channel := cmp.Or(ksher.Channel(p.Get("channel")), ksher.ChannelWeChat)
	o.Channels, o.UUID = []ksher.Channel{channel}, tx.NewUUID()
	return api.Create(tx, p, o, ksher.CodeKsherDuplicatedOrderNo)
}

// makeCode makes an order with a QR code. How long it can be paid isn't
// documented: as long as one of native_pay.
func (s *Server) makeCode(tx *core.Tx, p url.Values, o *core.Entry) ksher.Code {
	info := core.InfoOf(ksher.Channel(p.Get("channel")))
	if !info.NativePayOffline && !info.NativePayOnline {
		return ksher.CodeNoAuth
	}
	if code := s.makeOrder(tx, p, o); code != "" {
		return code
	}
	if o.Expires.IsZero() && info.NativePayExpiry > 0 {
		o.Expires = tx.Now().Add(info.NativePayExpiry)
	}
	return ""
}

// makeCharge charges a buyer's code. The order of a bad code is there, too, and has failed.
func (s *Server) makeCharge(tx *core.Tx, p url.Values, o *core.Entry) ksher.Code {
	o.Quick = true
	refusal := api.Charge(tx, p, o)
	if badCode(refusal) && tx.Own(core.AppID, p.Get("mch_order_no")) == nil {
		if refusal := s.makeOrder(tx, p, o); refusal != "" {
			return refusal
		}
		tx.Fail(o)
	}
	return refusal
}

// badCode tells the refusals that are for a buyer's code.
func badCode(refusal ksher.Code) bool {
	return refusal == ksher.CodeOrderPaymentError || refusal == ksher.CodeKsherInvalidParam
}

// code puts a QR code into the answer.
func (s *Server) code(tx *core.Tx, o *core.Entry, v *order) {
	text := "kshertest://pay/" + o.UUID
	if o.Channels[0] == ksher.ChannelPromptPay {
		text = promptpay.Code(o.Total, o.FeeType, o.KsherOrderNo)
	}
	image, _ := promptpay.Image(text, "png") // It can't fail: the text is short.
	v.Reserved1 = wireText(image)
}

// wallet puts what the wallet wants into the answer. Which of WeChat Pay's
// parameters is in which member isn't documented beyond the first two.
func (s *Server) wallet(tx *core.Tx, o *core.Entry, v *order) {
	if o.Channels[0] == ksher.ChannelAlipay {
		v.Reference = wireText(api.AlipayText(tx, o))
		return
	}
	w := api.WeChatParams(tx, o)
	v.Reference, v.Reserved1 = wireText(w.Package), wireText(w.TimeStamp)
	v.Reserved2, v.Reserved3, v.Reserved4 = wireText(w.NonceStr), wireText(w.SignType), wireText(w.PaySign)
}

// ofOrder serves an operation on an order that one of those APIs has made. That
// others don't know it isn't documented.
func ofOrder(serve func(*Server, *call, *core.Entry) *answer, apis ...string) serving {
	return func(s *Server, c *call) *answer {
		o := c.tx.Own(core.AppID, c.id)
		if o == nil || !slices.Contains(apis, o.API) {
			return problem(http.StatusNotFound, "There is no such order.")
		}
		return serve(s, c, o)
	}
}

func (s *Server) query(c *call, o *core.Entry) *answer {
	return &answer{body: s.view(c.tx, o)}
}

func (s *Server) cancel(c *call, o *core.Entry) *answer {
	if refusal := c.tx.Cancel(o); refusal != "" {
		return c.refuse(refusal)
	}
	v := s.view(c.tx, o)
	v.outcome("SUCCESS", "")
	return &answer{body: v}
}

// refund gives money back. Its answer is about the refund, and so is its status,
// also of a part: what that is isn't documented.
func (s *Server) refund(c *call, o *core.Entry) *answer {
	if o.PaidAt.IsZero() {
		return c.refuse(ksher.CodeOrderNotPay)
	}
	fee, _ := api.Amount(c.params.Get("refund_amount"))
	refund, refusal := c.tx.Refund(o, c.params.Get("refund_order_id"), fee)
	if refusal != "" {
		return c.refuse(refusal)
	}
	v := s.view(c.tx, o)
	v.outcome("REFUNDED", "")
	v.Status, v.OrderType, v.Amount = "Refunded", "Refund", -fee
	v.ID, v.GatewayOrderID, v.AcquirerOrderID = wireText(refund.KsherRefundNo), wireText(refund.KsherRefundNo), wireText(refund.KsherRefundNo)
	v.ChannelOrderID, v.OrderDate = wireText(refund.ChannelRefundNo), timeText(refund.RefundTime)
	return &answer{body: v}
}

// order is an order as that generation shows it.
type order struct {
	Acquirer        wireText     `json:"acquirer"`
	AcquirerOrderID wireText     `json:"acquirer_order_id"`
	Amount          ksher.Amount `json:"amount"`
	APIName         wireText     `json:"api_name"`
	Channel         wireText     `json:"channel"`
	ChannelOrderID  wireText     `json:"channel_order_id"`
	Cleared         bool         `json:"cleared"`
	Currency        wireText     `json:"currency"`
	callOutcome
	ForceClear      bool     `json:"force_clear"`
	GatewayOrderID  wireText `json:"gateway_order_id"`
	ID              wireText `json:"id"`
	Locked          bool     `json:"locked"`
	MerchantOrderID wireText `json:"merchant_order_id"`
	MID             wireText `json:"mid"`
	Note            wireText `json:"note"`
	OrderDate       wireText `json:"order_date"`
	OrderType       wireText `json:"order_type"`
	Reference       wireText `json:"reference"`
	Reserved1       wireText `json:"reserved1"`
	Reserved2       wireText `json:"reserved2"`
	Reserved3       wireText `json:"reserved3"`
	Reserved4       wireText `json:"reserved4"`
	Status          wireText `json:"status"`
}

// wireText is a text, which Ksher writes as "False" if it is empty.
type wireText string

func (t wireText) MarshalJSON() ([]byte, error) { return json.Marshal(cmp.Or(string(t), "False")) }

// timeText writes a time. Its zone isn't documented.
func timeText(t time.Time) wireText {
	if t.IsZero() {
		return ""
	}
	return wireText(t.In(core.Zone).Format("2006-01-02 15:04:05.000000"))
}

// statusText is an order's status. That a refund in part leaves Paid, and that a
// payment that failed closes the order, isn't documented.
func statusText(s core.State) wireText {
	switch s {
	case core.Paid, core.RefundedInPart:
		return "Paid"
	case core.Refunded:
		return "Refunded"
	case core.Failed, core.Cancelled, core.Expired:
		return "Closed"
	}
	return "Available"
}

// apiNames are what answers call the APIs. That of app isn't documented.
var apiNames = map[string]wireText{redirect: "Redirect", cScanB: "CscanB", bScanC: "BscanC", miniApp: "miniAPP", app: "app"}

// view is what a query answers about an order. Its error_code tells of the
// request, as the documentation has it, so that of a closed order is SUCCESS, too; but
// not that of a charge that failed.
func (s *Server) view(tx *core.Tx, o *core.Entry) *order {
	state := o.State(tx.Now())
	v := &order{
		Acquirer: "Ksher", Amount: o.Total, APIName: apiNames[o.API], Channel: wireText(o.Channel), Currency: wireText(o.FeeType),
		Cleared: o.Settled, GatewayOrderID: wireText(o.KsherOrderNo), ID: wireText(strconv.Itoa(o.Serial)),
		MerchantOrderID: wireText(o.MchOrderNo), MID: wireText(cmp.Or(o.Params.Get("mid"), core.AppID)), Note: wireText(o.Params.Get("note")),
		OrderDate: timeText(o.Created), OrderType: "Sale", Status: statusText(state),
	}
	if v.Channel == "" {
		v.Channel = wireText(o.Params.Get("channel"))
	}
	if !o.PaidAt.IsZero() {
		v.AcquirerOrderID, v.ChannelOrderID = wireText(o.KsherOrderNo), wireText(o.ChannelOrderNo)
	}
	if o.API == redirect {
		v.Reference = wireText(checkout.URL(tx.URL(), o))
	}
	switch {
	case v.Status == "Available":
		v.outcome("PENDING", "")
	case v.Status == "Refunded":
		v.outcome("REFUNDED", "")
	case o.API == bScanC && state == core.Failed:
		v.outcome("FAIL", "Fail")
	default:
		v.outcome("SUCCESS", "")
	}
	return v
}

// refuse answers that an order can't be made or changed. Which error_code refuses
// what isn't documented beyond the cause of a code at a till.
func (c *call) refuse(code ksher.Code) *answer {
	v := &order{MerchantOrderID: wireText(cmp.Or(c.id, c.params.Get("merchant_order_id"))), OrderType: "Sale"}
	v.outcome("FAIL", fmt.Sprintf("%s (%s at api.ksher.net)", api.Message(code), string(code)))
	if c.params.Has("auth_code") && badCode(code) {
		v.Reserved3 = "invalid_payment_code"
	}
	return &answer{body: v}
}
