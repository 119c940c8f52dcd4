package sandbox

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
	"github.com/ksher-go/ksher/internal/wire"
	"github.com/ksher-go/ksher/vip"
)

// The vip.ksher.net generation. Its orders are the gateway's ordinary ones under
// other names. How requests are read and answers written is in vip_wire.go, its
// notifications in vip_webhook.go, and the reports in vip_finance.go.

// VIPURL is the base URL of the vip.ksher.net generation, without a path. The path
// of each operation begins with /api/v1.
func (g *Gateway) VIPURL() string { return g.url }

// NewVIPClient returns a client for the gateway's merchant at vip.ksher.net. If the gateway
// was made by [New], the client repeats queries without pausing.
func (g *Gateway) NewVIPClient(opts ...vip.Option) (*vip.Client, error) {
	client, base := g.reach()
	standard := []vip.Option{vip.WithHTTPClient(client)}
	if g.speed == 0 {
		standard = append(standard, vip.WithRetry(3, 0))
	}
	return vip.NewClient(base, VIPToken, append(standard, opts...)...)
}

// The APIs that make orders.
const (
	vipRedirect = "redirect"
	vipCScanB   = "cscanb"
	vipBScanC   = "bscanc"
	vipMiniApp  = "miniapp"
	vipApp      = "app"
)

// vipOperation is an operation of that generation as the gateway serves it.
type vipOperation struct {
	name, method, path string
	fields             []vipField
	serve              func(*Gateway, *vipCall) *vipAnswer
}

// vipOperations has them all.
var vipOperations = slices.Concat(vipOrderOperations(), vipReportOperations())

func vipOrderOperations() []*vipOperation {
	var all []*vipOperation
	for _, api := range []struct {
		name   string
		fields []vipField
		make   func(*Gateway, url.Values, *order) ksher.Code
		answer func(*Gateway, *order, *vipOrder)
	}{
		{vipRedirect, []vipField{required(webField("redirect_url")), required(webField("redirect_url_fail")), textField("channel"), textField("product_name")},
			(*Gateway).vipMakePage, nil},
		{vipCScanB, []vipField{required(textField("channel"))}, (*Gateway).vipMakeCode, (*Gateway).vipCode},
		{vipBScanC, []vipField{textField("channel"), required(textField("auth_code")), textField("device_id"), textField("operator_id")},
			(*Gateway).vipMakeCharge, nil},
		{vipMiniApp, []vipField{walletField, required(textField("miniapp_openid")), required(textField("miniapp_appid"))},
			(*Gateway).vipMakeOrder, (*Gateway).vipWallet},
		{vipApp, []vipField{walletField, textField("miniapp_openid"), textField("miniapp_appid")},
			(*Gateway).vipMakeOrder, (*Gateway).vipWallet},
	} {
		path := "/api/v1/" + api.name + "/orders"
		add := func(what, method, path string, serve func(*Gateway, *vipCall) *vipAnswer, fields ...vipField) {
			fields = append(fields, required(scalarField("timestamp")), textField("mid"), oneOf("provider", "th", "ph", "my"))
			all = append(all, &vipOperation{"vip " + api.name + " " + what, method, path, fields, serve})
		}
		create := func(g *Gateway, c *vipCall) *vipAnswer {
			o := &order{VIP: api.name}
			refusal := api.make(g, c.orderParams(), o)
			if refusal != "" {
				return c.refuse(refusal)
			}
			v := g.vipView(o)
			v.outcome("SUCCESS", "")
			if o.InProgress { // By a code at a till.
				v.outcome("PENDING", "The buyer has to type a PIN")
			}
			if api.answer != nil {
				api.answer(g, o, v)
			}
			return &vipAnswer{body: v}
		}
		add("create", http.MethodPost, path, create, append([]vipField{
			required(textField("merchant_order_id")), required(wholeField("amount", wire.Number, 1, 0)), textField("note")}, api.fields...)...)
		path += "/{id}"
		add("query", http.MethodGet, path, ofOrder((*Gateway).vipQuery, api.name))
		refunds := []string{api.name}
		if api.name == vipRedirect { // The documentation has a refund of a mini program there.
			refunds = append(refunds, vipMiniApp)
		}
		add("refund", http.MethodPut, path, ofOrder((*Gateway).vipRefund, refunds...),
			required(textField("refund_order_id")), required(wholeField("refund_amount", wire.Number, 1, 0)))
		add("cancel", http.MethodDelete, path, ofOrder((*Gateway).vipCancel, api.name))
	}
	return all
}

// orderParams are the parameters of a request that makes an order, under their own
// names and those that api.ksher.net has for the same.
func (c *vipCall) orderParams() url.Values {
	p := maps.Clone(c.params)
	p.Del("signature")
	for theirs, own := range map[string]string{
		"merchant_order_id": "mch_order_no", "amount": "total_fee", "redirect_url_fail": "mch_redirect_url_fail",
	} {
		p.Set(own, p.Get(theirs))
	}
	p.Set("fee_type", map[string]string{"": "THB", "th": "THB", "ph": "PHP", "my": "MYR"}[p.Get("provider")])
	return p
}

// vipMakePage makes an order with a checkout page, of every channel unless the
// request names some. That it doesn't have to isn't documented.
func (g *Gateway) vipMakePage(p url.Values, o *order) ksher.Code {
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
	o.UUID = newUUID()
	return g.create(p, o, ksher.CodeKsherDuplicatedOrderNo)
}

// vipMakeOrder makes an order for one channel, which is WeChat Pay unless the request
// names one. That a wallet doesn't have to be named isn't documented.
func (g *Gateway) vipMakeOrder(p url.Values, o *order) ksher.Code {
	channel := cmp.Or(ksher.Channel(p.Get("channel")), ksher.ChannelWeChat)
	o.Channels, o.UUID = []ksher.Channel{channel}, newUUID()
	return g.create(p, o, ksher.CodeKsherDuplicatedOrderNo)
}

// vipMakeCode makes an order with a QR code. How long it can be paid isn't
// documented: as long as one of native_pay.
func (g *Gateway) vipMakeCode(p url.Values, o *order) ksher.Code {
	info := infoOf(ksher.Channel(p.Get("channel")))
	if !info.NativePayOffline && !info.NativePayOnline {
		return ksher.CodeNoAuth
	}
	if code := g.vipMakeOrder(p, o); code != "" {
		return code
	}
	if o.Expires.IsZero() && info.NativePayExpiry > 0 {
		o.Expires = g.now().Add(info.NativePayExpiry)
	}
	return ""
}

func (g *Gateway) vipMakeCharge(p url.Values, o *order) ksher.Code {
	o.Quick = true
	return g.charge(p, o)
}

// vipCode puts a QR code into the answer.
func (g *Gateway) vipCode(o *order, v *vipOrder) {
	text := "kshertest://pay/" + o.UUID
	if o.Channels[0] == ksher.ChannelPromptPay {
		text = promptPayCode(o.Total, o.KsherOrderNo)
	}
	image, _ := qrImage(text, "png") // It can't fail: the text is short.
	v.Reserved1 = vipText(image)
}

// vipWallet puts what the wallet wants into the answer. Which of WeChat Pay's
// parameters is in which member isn't documented beyond the first two.
func (g *Gateway) vipWallet(o *order, v *vipOrder) {
	a := &walletAnswer{g: g, o: o}
	if o.Channels[0] == ksher.ChannelAlipay {
		a.alipay()
		v.Reference = vipText(a.PayContent)
		return
	}
	a.weChat()
	var w ksher.WeChatParams
	json.Unmarshal([]byte(a.WalletParams), &w)
	v.Reference, v.Reserved1 = vipText(w.Package), vipText(w.TimeStamp)
	v.Reserved2, v.Reserved3, v.Reserved4 = vipText(w.NonceStr), vipText(w.SignType), vipText(w.PaySign)
}

// ofOrder serves an operation on an order that one of those APIs has made. That
// others don't know it isn't documented.
func ofOrder(serve func(*Gateway, *vipCall, *order) *vipAnswer, apis ...string) func(*Gateway, *vipCall) *vipAnswer {
	return func(g *Gateway, c *vipCall) *vipAnswer {
		o := g.orders[number{AppID, "own", c.id}]
		if o == nil || !slices.Contains(apis, o.VIP) {
			return problem(http.StatusNotFound, "There is no such order.")
		}
		return serve(g, c, o)
	}
}

func (g *Gateway) vipQuery(_ *vipCall, o *order) *vipAnswer {
	return &vipAnswer{body: g.vipView(o)}
}

func (g *Gateway) vipCancel(c *vipCall, o *order) *vipAnswer {
	if refusal := g.cancel(o); refusal != "" {
		return c.refuse(refusal)
	}
	v := g.vipView(o)
	v.outcome("SUCCESS", "")
	return &vipAnswer{body: v}
}

// vipRefund gives money back. Its answer is about the refund, and so is its status,
// also of a part: what that is isn't documented.
func (g *Gateway) vipRefund(c *vipCall, o *order) *vipAnswer {
	if o.PaidAt.IsZero() {
		return c.refuse(ksher.CodeOrderNotPay)
	}
	fee, _ := amount(c.params.Get("refund_amount"))
	refund, refusal := g.refund(o, c.params.Get("refund_order_id"), fee)
	if refusal != "" {
		return c.refuse(refusal)
	}
	v := g.vipView(o)
	v.outcome("REFUNDED", "")
	v.Status, v.OrderType, v.Amount = "Refunded", "Refund", -fee
	v.ID, v.GatewayOrderID, v.AcquirerOrderID = vipText(refund.KsherRefundNo), vipText(refund.KsherRefundNo), vipText(refund.KsherRefundNo)
	v.ChannelOrderID, v.OrderDate = vipText(refund.ChannelRefundNo), vipTime(refund.RefundTime)
	return &vipAnswer{body: v}
}

// vipOrder is an order as that generation shows it.
type vipOrder struct {
	Acquirer        vipText      `json:"acquirer"`
	AcquirerOrderID vipText      `json:"acquirer_order_id"`
	Amount          ksher.Amount `json:"amount"`
	APIName         vipText      `json:"api_name"`
	Channel         vipText      `json:"channel"`
	ChannelOrderID  vipText      `json:"channel_order_id"`
	Cleared         bool         `json:"cleared"`
	Currency        vipText      `json:"currency"`
	vipOutcome
	ForceClear      bool    `json:"force_clear"`
	GatewayOrderID  vipText `json:"gateway_order_id"`
	ID              vipText `json:"id"`
	Locked          bool    `json:"locked"`
	MerchantOrderID vipText `json:"merchant_order_id"`
	MID             vipText `json:"mid"`
	Note            vipText `json:"note"`
	OrderDate       vipText `json:"order_date"`
	OrderType       vipText `json:"order_type"`
	Reference       vipText `json:"reference"`
	Reserved1       vipText `json:"reserved1"`
	Reserved2       vipText `json:"reserved2"`
	Reserved3       vipText `json:"reserved3"`
	Reserved4       vipText `json:"reserved4"`
	Status          vipText `json:"status"`
}

// vipText is a text, which Ksher writes as "False" if it is empty.
type vipText string

func (t vipText) MarshalJSON() ([]byte, error) { return json.Marshal(cmp.Or(string(t), "False")) }

// vipTime writes a time. Its zone isn't documented.
func vipTime(t time.Time) vipText {
	if t.IsZero() {
		return ""
	}
	return vipText(t.In(zone).Format("2006-01-02 15:04:05.000000"))
}

// vipStatus is an order's status. That a refund in part leaves Paid, and that a
// payment that failed closes the order, isn't documented.
func vipStatus(s State) vipText {
	switch s {
	case Paid, RefundedInPart:
		return "Paid"
	case Refunded:
		return "Refunded"
	case Failed, Cancelled, Expired:
		return "Closed"
	}
	return "Available"
}

// vipView is what a query answers about an order. Its error_code tells of the
// request, as the documentation has it, so that of a closed order is SUCCESS, too.
func (g *Gateway) vipView(o *order) *vipOrder {
	s := o.state(g.now())
	v := &vipOrder{
		Acquirer: "Ksher", Amount: o.Total, APIName: vipText(o.VIP), Channel: vipText(o.Channel), Currency: vipText(o.FeeType),
		Cleared: o.Settled, GatewayOrderID: vipText(o.KsherOrderNo), ID: vipText(strconv.Itoa(o.Serial)),
		MerchantOrderID: vipText(o.MchOrderNo), MID: vipText(cmp.Or(o.Params.Get("mid"), AppID)), Note: vipText(o.Params.Get("note")),
		OrderDate: vipTime(o.Created), OrderType: "Sale", Status: vipStatus(s),
	}
	if v.Channel == "" {
		v.Channel = vipText(o.Params.Get("channel"))
	}
	if !o.PaidAt.IsZero() {
		v.AcquirerOrderID, v.ChannelOrderID = vipText(o.KsherOrderNo), vipText(o.ChannelOrderNo)
	}
	if o.VIP == vipRedirect {
		v.Reference = vipText(g.url + "/ua?order_uuid=" + o.UUID)
	}
	switch v.Status {
	case "Available":
		v.outcome("PENDING", "The order isn't paid")
	case "Refunded":
		v.outcome("REFUNDED", "")
	default:
		v.outcome("SUCCESS", "")
	}
	return v
}

// refuse answers that an order can't be made or changed. Which error_code refuses
// what isn't documented beyond the cause of a code at a till.
func (c *vipCall) refuse(code ksher.Code) *vipAnswer {
	v := &vipOrder{MerchantOrderID: vipText(cmp.Or(c.id, c.params.Get("merchant_order_id"))), OrderType: "Sale"}
	v.outcome("FAIL", fmt.Sprintf("%s (%s at api.ksher.net)", message(code), string(code)))
	if c.params.Has("auth_code") && (code == ksher.CodeOrderPaymentError || code == ksher.CodeKsherInvalidParam) {
		v.Reserved3 = "invalid_payment_code"
	}
	return &vipAnswer{body: v}
}
