package console

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/ksher-go/ksher"
	"github.com/ksher-go/ksher/internal/sandbox/core"
	"github.com/ksher-go/ksher/internal/sandbox/scenario"
	"github.com/ksher-go/ksher/internal/wire"
)

// choice is what an action is told besides the order.
type choice struct {
	// Channel is the buyer's, and Amount, in cents, what is to be given back.
	Channel ksher.Channel `json:"channel"`
	Amount  ksher.Amount  `json:"amount"`
}

// action is something that the dashboard and the control API do to an order.
type action struct {
	name string
	// label is on the button, and done says afterwards what happened.
	label, done string
	// asks is which member of the choice belongs to it: channel, amount, or none.
	asks string
	// offered tells whether the dashboard has a button for it now. Whether it
	// can be done is decided when it is.
	offered func(o *core.Entry, s core.State) bool
	run     func(ctx context.Context, m *core.Merchant, mchOrderNo string, c choice) error
}

var actions = []action{
	{"pay", "Pay", "The buyer has paid.", "channel", canPay,
		func(_ context.Context, m *core.Merchant, no string, c choice) error { return m.Pay(no, c.Channel) }},
	{"begin", "Begin to pay", "The buyer is typing a PIN or an OTP.", "channel", canPay,
		func(_ context.Context, m *core.Merchant, no string, c choice) error { return m.Begin(no, c.Channel) }},
	{"give-up", "Give up", "The buyer went back without paying.", "",
		func(_ *core.Entry, s core.State) bool { return s == core.InProgress },
		func(_ context.Context, m *core.Merchant, no string, _ choice) error { return m.GiveUp(no) }},
	{"fail", "Fail the payment", "The payment failed.", "",
		func(_ *core.Entry, s core.State) bool { return !s.Settled() },
		func(_ context.Context, m *core.Merchant, no string, _ choice) error { return m.Fail(no) }},
	{"expire", "Expire", "The time to pay has ended.", "",
		func(_ *core.Entry, s core.State) bool { return !s.Settled() },
		func(_ context.Context, m *core.Merchant, no string, _ choice) error { return m.Expire(no) }},
	{"refund", "Refund", "The merchant gave money back on the merchant platform. The shop's program wasn't asked.", "amount",
		func(o *core.Entry, s core.State) bool {
			return !o.PaidAt.IsZero() && !o.Payout && !o.Foreign && s != core.Refunded
		},
		func(_ context.Context, m *core.Merchant, no string, c choice) error {
			return m.RefundOnPlatform(no, c.Amount)
		}},
	{"settle", "Settle", "The merchant was paid out.", "",
		func(o *core.Entry, _ core.State) bool { return !o.PaidAt.IsZero() && !o.Settled },
		func(_ context.Context, m *core.Merchant, no string, _ choice) error { return m.Settle(no) }},
	{"deliver", "Send the notification", "An attempt to notify the merchant was made.", "",
		func(o *core.Entry, _ core.State) bool { return o.Notice != nil },
		func(ctx context.Context, m *core.Merchant, no string, _ choice) error { return m.Deliver(ctx, no) }},
}

func canPay(o *core.Entry, s core.State) bool {
	return !s.Settled() || s == core.Cancelled && slices.ContainsFunc(o.Channels, o.Savable)
}

// orderID says which order is meant.
type orderID struct{ appID, mchOrderNo string }

// idIn reads an order's numbers of an address or a form. Without an app ID it is an order of
// the merchant [core.AppID].
func idIn(values url.Values, mchOrderNo string) orderID {
	return orderID{cmp.Or(values.Get("appid"), core.AppID), mchOrderNo}
}

// act carries out an action by its name.
func (c *Console) act(ctx context.Context, name string, id orderID, chosen choice) error {
	i := slices.IndexFunc(actions, func(a action) bool { return a.name == name })
	if i < 0 {
		return noAction(name)
	}
	for member, given := range map[string]bool{"channel": chosen.Channel != "", "amount": chosen.Amount != 0} {
		if given && actions[i].asks != member {
			return &statusError{http.StatusBadRequest, fmt.Sprintf("the action %q takes no %s", name, member)}
		}
	}
	m := c.gw.Known(id.appID)
	if m == nil {
		return noMerchant(id.appID)
	}
	return actions[i].run(ctx, m, id.mchOrderNo, chosen)
}

func noAction(name string) error {
	var names []string
	for _, a := range actions {
		names = append(names, a.name)
	}
	return &statusError{http.StatusNotFound, fmt.Sprintf("there is no action %q; there are %s", name, strings.Join(names, ", "))}
}

// maxSeconds bounds the times in requests: a year is more than any schedule of
// Ksher's.
const maxSeconds = 366 * 24 * 60 * 60

func seconds(s float64) (time.Duration, error) {
	if math.IsNaN(s) || math.Abs(s) > maxSeconds {
		return 0, &statusError{http.StatusBadRequest, fmt.Sprintf("give at most %d seconds", maxSeconds)}
	}
	return time.Duration(s * float64(time.Second)), nil
}

// advanceBy moves the clock forward.
func (c *Console) advanceBy(ctx context.Context, s float64) error {
	d, err := seconds(s)
	if err != nil {
		return err
	}
	if d <= 0 {
		return &statusError{http.StatusBadRequest, "the clock only goes forward: give more than 0 seconds"}
	}
	return c.gw.AdvanceContext(ctx, d)
}

// faultData is a Fault in JSON and in forms.
type faultData struct {
	Operation    string         `json:"operation"`
	Kind         core.FaultKind `json:"kind"`
	Count        int            `json:"count,omitzero"`
	DelaySeconds float64        `json:"delay_seconds,omitzero"`
	Code         ksher.Code     `json:"code,omitzero"`
}

func newFaultData(f core.Fault) faultData {
	return faultData{f.Operation, f.Kind, f.Count, f.Delay.Seconds(), f.Code}
}

// inject is Inject for the dashboard and the control API.
func (c *Console) inject(d faultData) error {
	delay, err := seconds(d.DelaySeconds)
	if err != nil {
		return err
	}
	if err := c.gw.Inject(core.Fault{Operation: d.Operation, Kind: d.Kind, Count: d.Count, Delay: delay, Code: d.Code}); err != nil {
		return &statusError{http.StatusBadRequest, err.Error()}
	}
	return nil
}

func (c *Console) faultDatas() []faultData {
	list := []faultData{}
	for _, f := range c.gw.Faults() {
		list = append(list, newFaultData(f))
	}
	return list
}

// orderData is an order in JSON and on the dashboard.
type orderData struct {
	// API is which other API than that of api.ksher.net made it.
	API            string          `json:"api,omitzero"`
	AppID          string          `json:"appid"`
	MchOrderNo     string          `json:"mch_order_no"`
	PayMchOrderNo  string          `json:"pay_mch_order_no,omitzero"`
	KsherOrderNo   string          `json:"ksher_order_no,omitzero"`
	ChannelOrderNo string          `json:"channel_order_no,omitzero"`
	State          core.State      `json:"state"`
	Result         ksher.Result    `json:"result,omitzero"`
	TotalFee       ksher.Amount    `json:"total_fee"`
	FeeType        string          `json:"fee_type"`
	Refunded       ksher.Amount    `json:"refunded"`
	Channel        ksher.Channel   `json:"channel,omitzero"`
	Channels       []ksher.Channel `json:"channels"`
	Created        time.Time       `json:"created"`
	Expires        time.Time       `json:"expires,omitzero"`
	PaidAt         time.Time       `json:"paid_at,omitzero"`
	Settled        bool            `json:"settled"`
	// PageURL is the checkout page of an order that has one.
	PageURL      string            `json:"page_url,omitzero"`
	Params       map[string]string `json:"params"`
	Refunds      []ksher.Refund    `json:"refunds"`
	Notification *notificationData `json:"notification,omitzero"`
	History      []eventData       `json:"history"`
	// Scenario is the one that the order is in. It isn't in lists.
	Scenario *scenario.Verdict `json:"scenario,omitzero"`

	// Row tells the orders apart on the dashboard.
	Row     int `json:"-"`
	actions []action
	full    map[string]string // Params as they were, if some are masked
	// byGatewayPay says that a gateway_pay made it.
	byGatewayPay bool
}

// params are the parameters as the page shows them.
func (d orderData) params() url.Values {
	values := url.Values{}
	for name, value := range d.Params {
		values.Set(name, value)
	}
	return values
}

// notificationData is the notification of an order.
type notificationData struct {
	URL      string         `json:"url"`
	Body     string         `json:"body"`
	Due      time.Time      `json:"due,omitzero"`
	Attempts []deliveryData `json:"attempts"`
}

type deliveryData struct {
	At       time.Time      `json:"at"`
	Attempt  int            `json:"attempt"`
	Message  string         `json:"message,omitzero"`
	Status   int            `json:"status"`
	Answer   string         `json:"answer"`
	Accepted bool           `json:"accepted"`
	Fault    core.FaultKind `json:"fault,omitzero"`
}

type eventData struct {
	At   time.Time `json:"at"`
	What string    `json:"what"`
}

// describe tells everything about an order, but for how its shop copes with a scenario.
func (c *Console) describe(tx *core.Tx, o *core.Entry) orderData {
	s := o.State(tx.Now())
	d := orderData{
		API: o.API, AppID: o.AppID, MchOrderNo: o.MchOrderNo, PayMchOrderNo: o.PayMchOrderNo, KsherOrderNo: o.KsherOrderNo, ChannelOrderNo: o.ChannelOrderNo,
		State: s, Result: o.Result(tx.Now()), TotalFee: o.Total, FeeType: o.FeeType, Refunded: o.Refunded(),
		Channel: o.Channel, Channels: slices.Clone(o.Channels), Created: o.Created.In(core.Zone), Settled: o.Settled,
		Params: make(map[string]string), Refunds: append([]ksher.Refund{}, o.Refunds...), History: []eventData{},
	}
	if !o.Expires.IsZero() {
		d.Expires = o.Expires.In(core.Zone)
	}
	if !o.PaidAt.IsZero() {
		d.PaidAt = o.PaidAt.In(core.Zone)
	}
	if o.Foreign { // Ksher knows neither.
		d.KsherOrderNo, d.Result = "", ""
	}
	d.PageURL, d.Row, d.byGatewayPay = c.PageURL(tx.URL(), o), o.Serial, o.Gateway && o.API == ""
	for name := range o.Params {
		if name != "sign" {
			d.Params[name] = o.Params.Get(name)
		}
	}
	d.full = mask(d.Params)
	for _, e := range o.History {
		d.History = append(d.History, eventData{e.At.In(core.Zone), e.What})
	}
	if n := o.Notice; n != nil {
		d.Notification = &notificationData{URL: n.Target, Body: string(n.Body), Attempts: []deliveryData{}}
		if !n.Due.IsZero() {
			d.Notification.Due = n.Due.In(core.Zone)
		}
		for _, a := range o.Deliveries {
			d.Notification.Attempts = append(d.Notification.Attempts,
				deliveryData{a.At.In(core.Zone), a.Attempt, a.Message, a.Status, a.Answer, a.Accepted, a.Fault})
		}
	}
	for _, a := range actions {
		if a.offered(o, s) {
			d.actions = append(d.actions, a)
		}
	}
	return d
}

func (c *Console) orderData(r *http.Request, id orderID) (d orderData, err error) {
	c.gw.DoFor(r, func(tx *core.Tx) {
		o := tx.Either(id.appID, id.mchOrderNo)
		if o == nil {
			err = fmt.Errorf("order %q: %w", id.mchOrderNo, core.ErrNoOrder)
			return
		}
		d = c.describe(tx, o)
		d.Scenario = scenario.Judge(tx, o)
	})
	return d, err
}

// requestData is a request as it was received.
type requestData struct {
	No        int               `json:"no"`
	At        time.Time         `json:"at"`
	Operation string            `json:"operation"`
	Params    map[string]string `json:"params"`
	SignText  string            `json:"sign_text"`
	Sign      string            `json:"sign"`
	Code      ksher.Code        `json:"code,omitzero"`
	// Hint says what is wrong with a signature.
	Hint  string         `json:"hint,omitzero"`
	Fault core.FaultKind `json:"fault,omitzero"`
	// Notes say what was accepted against the documentation.
	Notes []string `json:"notes,omitzero"`

	full     map[string]string // Params as they were, if some are masked
	fullText string            // SignText in that case
}

// requestDatas describes the requests, the newest first.
func (c *Console) requestDatas() []requestData {
	list := []requestData{}
	for _, r := range slices.Backward(c.gw.Requests()) {
		list = append(list, c.requestData(r))
	}
	return list
}

func (c *Console) requestData(r core.Request) requestData {
	d := requestData{
		No: r.No, At: r.At.In(core.Zone), Operation: r.Operation, Params: make(map[string]string), SignText: r.SignText,
		Sign: cmp.Or(r.Params.Get("sign"), r.Params.Get("signature")), Code: r.Code, Hint: r.Hint, Fault: r.Fault, Notes: r.Notes,
	}
	for name := range r.Params {
		if name != "sign" {
			d.Params[name] = r.Params.Get(name)
		}
	}
	if d.full = mask(d.Params); d.full != nil {
		d.SignText, d.fullText = maskText(d.SignText, d.full), d.SignText
	}
	return d
}

// statusError is an error with the HTTP status that tells it.
type statusError struct {
	status  int
	message string
}

func (e *statusError) Error() string { return e.message }

// statusOf is the HTTP status of an error.
func statusOf(err error) int {
	var status *statusError
	switch {
	case errors.As(err, &status):
		return status.status
	case errors.Is(err, core.ErrPrice):
		return http.StatusBadRequest
	case errors.Is(err, core.ErrStore):
		return http.StatusInternalServerError
	case errors.Is(err, core.ErrNoOrder):
		return http.StatusNotFound
	case errors.Is(err, core.ErrNotAccepted):
		return http.StatusBadGateway
	}
	return http.StatusConflict
}

// route is an address that programs ask.
type route struct {
	pattern string // as [http.ServeMux] takes it, with the method
	serve   http.HandlerFunc
}

// routes are the control API and the files. openapi.yaml describes each of them.
func (c *Console) routes() []route {
	routes := []route{
		{"GET /control/merchants", serveJSON(c.listMerchants)},
		{"POST /control/merchants", serveJSON(c.addMerchant)},
		{"GET /control/orders", serveJSON(c.orderList)},
		{"POST /control/orders", serveJSON(c.addOrders)},
		{"GET /control/orders/{no}", serveJSON(c.oneOrder)},
		{"GET /control/scenarios", serveJSON(listScenarios)},
		{"POST /control/orders/{no}/scenario", serveJSON(c.playScenario)},
		{"POST /control/orders/{no}/wait", serveJSON(c.waitFor)},
		{"POST /control/orders/{no}/amount", serveJSON(c.reprice)},
		{"GET /control/faults", serveJSON(c.listFaults)},
		{"POST /control/faults", serveJSON(c.addFault)},
		{"DELETE /control/faults", serveJSON(c.clearFaults)},
		{"GET /control/requests", serveJSON(c.requestList)},
		{"POST /control/advance", serveJSON(c.advance)},
		{"POST /control/reset", serveJSON(c.reset)},
		{"GET /control/openapi.yaml", serveOpenAPI},
		{"GET /events", c.serveEvents},
		{"GET /story.svg", c.storyFile("svg", c.writePicture)},
		{"GET /story.json", c.storyFile("json", c.writeArchive)},
		{"GET /setup/merchant.pem", c.servePrivateKey},
		{"GET /setup/gateway.pem", c.servePublicKey},
	}
	for _, a := range actions {
		routes = append(routes, route{"POST /control/orders/{no}/" + a.name, serveJSON(func(r *http.Request) (any, error) {
			return c.actOn(r, a.name)
		})})
	}
	return routes
}

// serveRoutes adds the routes to mux, and what the control API says to other requests.
func (c *Console) serveRoutes(mux *http.ServeMux) {
	allowed := make(map[string][]string)
	for _, r := range c.routes() {
		mux.HandleFunc(r.pattern, r.serve)
		method, path, _ := strings.Cut(r.pattern, " ")
		allowed[path] = append(allowed[path], method)
	}
	for path, methods := range allowed {
		if !strings.HasPrefix(path, "/control/") {
			continue
		}
		slices.Sort(methods)
		mux.HandleFunc(path, func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Allow", strings.Join(methods, ", "))
			answerJSON(w, nil, &statusError{http.StatusMethodNotAllowed, fmt.Sprintf("%s takes %s", r.URL.Path, strings.Join(methods, " or "))})
		})
	}
	mux.HandleFunc("/control/orders/{no}/{action}", serveJSON(func(r *http.Request) (any, error) {
		return nil, noAction(r.PathValue("action"))
	}))
	mux.HandleFunc("/control/", serveJSON(func(r *http.Request) (any, error) {
		return nil, &statusError{http.StatusNotFound, fmt.Sprintf("the control API has no %s; /control/openapi.yaml lists what it has", r.URL.Path)}
	}))
}

// serveJSON serves a call of the control API.
func serveJSON(do func(*http.Request) (any, error)) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		answer, err := do(r)
		answerJSON(w, answer, err)
	}
}

func (c *Console) oneOrder(r *http.Request) (any, error) {
	d, err := c.orderData(r, idIn(r.URL.Query(), r.PathValue("no")))
	if showsSecrets(r) {
		d.reveal()
	}
	return d, err
}

// actOn carries out an action by its name.
func (c *Console) actOn(r *http.Request, name string) (any, error) {
	var body choice
	if err := decode(r, &body); err != nil {
		return nil, err
	}
	id := idIn(r.URL.Query(), r.PathValue("no"))
	if err := c.act(r.Context(), name, id, body); err != nil {
		return nil, err
	}
	return c.orderData(r, id)
}

// faultList is the answer of the calls about faults.
type faultList struct {
	Faults []faultData `json:"faults"`
}

func (c *Console) listFaults(*http.Request) (any, error) { return faultList{c.faultDatas()}, nil }

func (c *Console) addFault(r *http.Request) (any, error) {
	var body faultData
	if err := decode(r, &body); err != nil {
		return nil, err
	}
	if err := c.inject(body); err != nil {
		return nil, err
	}
	return faultList{c.faultDatas()}, nil
}

func (c *Console) clearFaults(*http.Request) (any, error) {
	c.gw.ClearFaults()
	return faultList{c.faultDatas()}, nil
}

// step is by how much the clock goes forward.
type step struct {
	Seconds float64 `json:"seconds"`
}

// clockData is what the clock shows.
type clockData struct {
	Now time.Time `json:"now"`
}

func (c *Console) advance(r *http.Request) (any, error) {
	var body step
	if err := decode(r, &body); err != nil {
		return nil, err
	}
	if err := c.advanceBy(r.Context(), body.Seconds); err != nil {
		return nil, err
	}
	return clockData{c.gw.Now().In(core.Zone)}, nil
}

// price is what an order is to count as made over.
type price struct {
	TotalFee ksher.Amount `json:"total_fee"`
	FeeType  string       `json:"fee_type"`
}

// reprice lets an order count as made over another amount.
func (c *Console) reprice(r *http.Request) (any, error) {
	var body price
	if err := decode(r, &body); err != nil {
		return nil, err
	}
	id := idIn(r.URL.Query(), r.PathValue("no"))
	var err error
	c.gw.Do(func(tx *core.Tx) {
		o := tx.Own(id.appID, id.mchOrderNo)
		if o == nil {
			err = fmt.Errorf("order %q: %w", id.mchOrderNo, core.ErrNoOrder)
			return
		}
		if err = tx.Reprice(o, body.TotalFee, body.FeeType); err == nil {
			err = tx.Save()
		}
	})
	if err != nil {
		return nil, err
	}
	return c.orderData(r, id)
}

// decode reads the JSON object in the body of a request; an empty body is one
// without members.
func decode(r *http.Request, body any) error {
	text, err := readBody(r, core.MaxRequestBytes)
	if err != nil {
		return err
	}
	if text = wire.Trim(text); len(text) == 0 {
		return nil
	}
	d := json.NewDecoder(bytes.NewReader(text))
	d.DisallowUnknownFields()
	if err := d.Decode(body); err != nil {
		return &statusError{http.StatusBadRequest, "the body isn't the JSON object that is expected here: " + strings.TrimPrefix(err.Error(), "json: ")}
	}
	if _, err := d.Token(); err != io.EOF {
		return &statusError{http.StatusBadRequest, "the body has more than one JSON object"}
	}
	return nil
}

// errorData is an error in JSON.
type errorData struct {
	Error string `json:"error"`
}

func answerJSON(w http.ResponseWriter, answer any, err error) {
	w.Header().Set("Content-Type", "application/json")
	if err != nil {
		w.WriteHeader(statusOf(err))
		answer = errorData{err.Error()}
	}
	if l, ok := answer.(list); ok {
		l.write(w)
		return
	}
	e := json.NewEncoder(w)
	e.SetEscapeHTML(false)
	e.SetIndent("", "  ")
	e.Encode(answer)
}
