package sandbox

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"math"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/ksher-go/ksher"
	"github.com/ksher-go/ksher/internal/wire"
)

// action is something that the dashboard and the control API do to an order.
type action struct {
	name string
	// label is on the button, and done says afterwards what happened.
	label, done string
	// channel says that the buyer's choice of a channel belongs to it.
	channel bool
	// offered tells whether the dashboard has a button for it now. Whether it
	// can be done is decided when it is.
	offered func(o *order, s State) bool
	run     func(ctx context.Context, g *Gateway, mchOrderNo string, channel ksher.Channel) error
}

var actions = []action{
	{"pay", "Pay", "The buyer has paid.", true, canPay,
		func(_ context.Context, g *Gateway, no string, c ksher.Channel) error { return g.Pay(no, c) }},
	{"begin", "Begin to pay", "The buyer is typing a PIN or an OTP.", true, canPay,
		func(_ context.Context, g *Gateway, no string, c ksher.Channel) error { return g.Begin(no, c) }},
	{"give-up", "Give up", "The buyer went back without paying.", false,
		func(_ *order, s State) bool { return s == InProgress },
		func(_ context.Context, g *Gateway, no string, _ ksher.Channel) error { return g.GiveUp(no) }},
	{"fail", "Fail the payment", "The payment failed.", false,
		func(_ *order, s State) bool { return !s.settled() },
		func(_ context.Context, g *Gateway, no string, _ ksher.Channel) error { return g.Fail(no) }},
	{"expire", "Expire", "The time to pay has ended.", false,
		func(_ *order, s State) bool { return !s.settled() },
		func(_ context.Context, g *Gateway, no string, _ ksher.Channel) error { return g.Expire(no) }},
	{"settle", "Settle", "The merchant was paid out.", false,
		func(o *order, _ State) bool { return !o.PaidAt.IsZero() && !o.Settled },
		func(_ context.Context, g *Gateway, no string, _ ksher.Channel) error { return g.Settle(no) }},
	{"deliver", "Send the notification", "An attempt to notify the merchant was made.", false,
		func(o *order, _ State) bool { return o.Notice != nil },
		func(ctx context.Context, g *Gateway, no string, _ ksher.Channel) error { return g.Deliver(ctx, no) }},
}

func canPay(o *order, s State) bool {
	return !s.settled() || s == Cancelled && slices.ContainsFunc(o.Channels, o.savable)
}

// act carries out an action by its name.
func (g *Gateway) act(ctx context.Context, name, mchOrderNo string, channel ksher.Channel) error {
	i := slices.IndexFunc(actions, func(a action) bool { return a.name == name })
	if i < 0 {
		var names []string
		for _, a := range actions {
			names = append(names, a.name)
		}
		return &statusError{http.StatusNotFound, fmt.Sprintf("there is no action %q; there are %s", name, strings.Join(names, ", "))}
	}
	if channel != "" && !actions[i].channel {
		return &statusError{http.StatusBadRequest, fmt.Sprintf("the action %q takes no channel", name)}
	}
	return actions[i].run(ctx, g, mchOrderNo, channel)
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
func (g *Gateway) advanceBy(ctx context.Context, s float64) error {
	d, err := seconds(s)
	if err != nil {
		return err
	}
	if d <= 0 {
		return &statusError{http.StatusBadRequest, "the clock only goes forward: give more than 0 seconds"}
	}
	return g.advance(ctx, d)
}

// faultData is a Fault in JSON and in forms.
type faultData struct {
	Operation    string     `json:"operation"`
	Kind         FaultKind  `json:"kind"`
	Count        int        `json:"count,omitzero"`
	DelaySeconds float64    `json:"delay_seconds,omitzero"`
	Code         ksher.Code `json:"code,omitzero"`
}

func newFaultData(f Fault) faultData {
	return faultData{f.Operation, f.Kind, f.Count, f.Delay.Seconds(), f.Code}
}

// inject is Inject for the dashboard and the control API.
func (g *Gateway) inject(d faultData) error {
	delay, err := seconds(d.DelaySeconds)
	if err != nil {
		return err
	}
	if err := g.Inject(Fault{d.Operation, d.Kind, d.Count, delay, d.Code}); err != nil {
		return &statusError{http.StatusBadRequest, err.Error()}
	}
	return nil
}

func (g *Gateway) faultDatas() []faultData {
	list := []faultData{}
	for _, f := range g.Faults() {
		list = append(list, newFaultData(f))
	}
	return list
}

// orderData is an order in JSON and on the dashboard.
type orderData struct {
	MchOrderNo     string          `json:"mch_order_no"`
	PayMchOrderNo  string          `json:"pay_mch_order_no,omitzero"`
	KsherOrderNo   string          `json:"ksher_order_no"`
	ChannelOrderNo string          `json:"channel_order_no,omitzero"`
	State          State           `json:"state"`
	Result         ksher.Result    `json:"result"`
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

	actions []action
}

// notificationData is the notification of an order.
type notificationData struct {
	URL      string         `json:"url"`
	Body     string         `json:"body"`
	Due      time.Time      `json:"due,omitzero"`
	Attempts []deliveryData `json:"attempts"`
}

type deliveryData struct {
	At       time.Time `json:"at"`
	Attempt  int       `json:"attempt"`
	Status   int       `json:"status"`
	Answer   string    `json:"answer"`
	Accepted bool      `json:"accepted"`
	Fault    FaultKind `json:"fault,omitzero"`
}

type eventData struct {
	At   time.Time `json:"at"`
	What string    `json:"what"`
}

// describe tells everything about an order. The caller holds g.mu.
func (g *Gateway) describe(o *order) orderData {
	s := o.state(g.now())
	d := orderData{
		MchOrderNo: o.MchOrderNo, PayMchOrderNo: o.PayMchOrderNo, KsherOrderNo: o.KsherOrderNo, ChannelOrderNo: o.ChannelOrderNo,
		State: s, Result: o.result(g.now()), TotalFee: o.Total, FeeType: o.FeeType, Refunded: o.refunded(),
		Channel: o.Channel, Channels: slices.Clone(o.Channels), Created: o.Created.In(zone), Settled: o.Settled,
		Params: make(map[string]string), Refunds: append([]ksher.Refund{}, o.Refunds...), History: []eventData{},
	}
	if !o.Expires.IsZero() {
		d.Expires = o.Expires.In(zone)
	}
	if !o.PaidAt.IsZero() {
		d.PaidAt = o.PaidAt.In(zone)
	}
	if o.Gateway || o.VIP == vipRedirect {
		d.PageURL = g.url + "/ua?order_uuid=" + url.QueryEscape(o.UUID)
	}
	for name := range o.Params {
		if name != "sign" {
			d.Params[name] = o.Params.Get(name)
		}
	}
	for _, e := range o.History {
		d.History = append(d.History, eventData{e.At.In(zone), e.What})
	}
	if n := o.Notice; n != nil {
		d.Notification = &notificationData{URL: n.Target, Body: string(n.Body), Attempts: []deliveryData{}}
		if !n.Due.IsZero() {
			d.Notification.Due = n.Due.In(zone)
		}
		for _, a := range o.Deliveries {
			d.Notification.Attempts = append(d.Notification.Attempts,
				deliveryData{a.At.In(zone), a.Attempt, a.Status, a.Answer, a.Accepted, a.Fault})
		}
	}
	for _, a := range actions {
		if a.offered(o, s) {
			d.actions = append(d.actions, a)
		}
	}
	return d
}

// datas describes some of the orders, the newest first, and tells how many
// there are.
func (g *Gateway) datas(offset, limit int) (list []orderData, total int) {
	g.mu.Lock()
	defer g.mu.Unlock()
	list = []orderData{}
	for i := len(g.list) - 1 - offset; i >= 0 && len(list) < limit; i-- {
		list = append(list, g.describe(g.list[i]))
	}
	return list, len(g.list)
}

func (g *Gateway) orderData(mchOrderNo string) (orderData, error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	o := g.orders[number{AppID, "own", mchOrderNo}]
	if o == nil {
		return orderData{}, fmt.Errorf("order %q: %w", mchOrderNo, ErrNoOrder)
	}
	return g.describe(o), nil
}

// requestData is a request as it was received.
type requestData struct {
	At        time.Time         `json:"at"`
	Operation string            `json:"operation"`
	Params    map[string]string `json:"params"`
	SignText  string            `json:"sign_text"`
	Sign      string            `json:"sign"`
	Code      ksher.Code        `json:"code,omitzero"`
	// Hint says what is wrong with a signature.
	Hint  string    `json:"hint,omitzero"`
	Fault FaultKind `json:"fault,omitzero"`
}

// requestDatas describes the requests, the newest first.
func (g *Gateway) requestDatas() []requestData {
	list := []requestData{}
	for _, r := range slices.Backward(g.Requests()) {
		d := requestData{r.At.In(zone), r.Operation, make(map[string]string), r.SignText, cmp.Or(r.Params.Get("sign"), r.Params.Get("signature")), r.Code, "", r.Fault}
		for name := range r.Params {
			if name != "sign" {
				d.Params[name] = r.Params.Get(name)
			}
		}
		if r.Code == ksher.CodeKsherSignError {
			// A request is refused for its signature only if its merchant is known.
			d.Hint = g.known(cmp.Or(r.Params.Get("mch_appid"), appID(r.Params))).signHint(r.Params)
		} else if r.Code == vipUnauthorized {
			d.Hint = g.vipHint(r)
		}
		list = append(list, d)
	}
	return list
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
	case errors.Is(err, errStore):
		return http.StatusInternalServerError
	case errors.Is(err, ErrNoOrder):
		return http.StatusNotFound
	case errors.Is(err, ErrNotAccepted):
		return http.StatusBadGateway
	}
	return http.StatusConflict
}

// methods has what a path of the control API does, by HTTP method.
type methods map[string]func(*http.Request) (any, error)

func (m methods) serve(w http.ResponseWriter, r *http.Request) {
	answer, err := any(nil), error(nil)
	if serve := m[r.Method]; serve != nil {
		r.Body = http.MaxBytesReader(w, r.Body, maxRequestBytes)
		answer, err = serve(r)
	} else {
		allowed := strings.Join(slices.Sorted(maps.Keys(m)), ", ")
		w.Header().Set("Allow", allowed)
		err = &statusError{http.StatusMethodNotAllowed, fmt.Sprintf("%s takes %s", r.URL.Path, strings.ReplaceAll(allowed, ", ", " or "))}
	}
	answerJSON(w, answer, err)
}

// control is the control API.
func (g *Gateway) control() http.Handler {
	mux := http.NewServeMux()
	route := func(path string, methods methods) { mux.HandleFunc(path, methods.serve) }
	route("/control/orders", methods{"GET": func(*http.Request) (any, error) {
		list, _ := g.datas(0, math.MaxInt)
		return map[string]any{"orders": list}, nil
	}})
	route("/control/orders/{no}", methods{"GET": func(r *http.Request) (any, error) {
		return g.orderData(r.PathValue("no"))
	}})
	route("/control/orders/{no}/{action}", methods{"POST": func(r *http.Request) (any, error) {
		var body struct {
			Channel ksher.Channel `json:"channel"`
		}
		if err := decode(r, &body); err != nil {
			return nil, err
		}
		if err := g.act(r.Context(), r.PathValue("action"), r.PathValue("no"), body.Channel); err != nil {
			return nil, err
		}
		return g.orderData(r.PathValue("no"))
	}})
	faults := func(err error) (any, error) { return map[string]any{"faults": g.faultDatas()}, err }
	route("/control/faults", methods{
		"GET": func(*http.Request) (any, error) { return faults(nil) },
		"POST": func(r *http.Request) (any, error) {
			var body faultData
			err := decode(r, &body)
			if err == nil {
				err = g.inject(body)
			}
			return faults(err)
		},
		"DELETE": func(*http.Request) (any, error) {
			g.ClearFaults()
			return faults(nil)
		},
	})
	route("/control/requests", methods{"GET": func(*http.Request) (any, error) {
		return map[string]any{"requests": g.requestDatas()}, nil
	}})
	route("/control/advance", methods{"POST": func(r *http.Request) (any, error) {
		var body struct {
			Seconds float64 `json:"seconds"`
		}
		err := decode(r, &body)
		if err == nil {
			err = g.advanceBy(r.Context(), body.Seconds)
		}
		return map[string]any{"now": g.Now().In(zone)}, err
	}})
	mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		answerJSON(w, nil, &statusError{http.StatusNotFound, fmt.Sprintf("the control API has no %s; docs/sandbox.md lists what it has", r.URL.Path)})
	})
	return mux
}

// decode reads the JSON object in the body of a request; an empty body is one
// without members.
func decode(r *http.Request, body any) error {
	text, err := io.ReadAll(r.Body)
	if err != nil {
		return &statusError{http.StatusRequestEntityTooLarge, "the body can't be read: " + err.Error()}
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

func answerJSON(w http.ResponseWriter, answer any, err error) {
	w.Header().Set("Content-Type", "application/json")
	if err != nil {
		w.WriteHeader(statusOf(err))
		answer = map[string]any{"error": err.Error()}
	}
	e := json.NewEncoder(w)
	e.SetEscapeHTML(false)
	e.SetIndent("", "  ")
	e.Encode(answer)
}
