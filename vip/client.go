package vip

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/ksher-go/ksher"
	"github.com/ksher-go/ksher/internal/call"
	"github.com/ksher-go/ksher/internal/check"
	"github.com/ksher-go/ksher/internal/fault"
	"github.com/ksher-go/ksher/internal/transport"
	"github.com/ksher-go/ksher/internal/wire"
)

// thailand is the zone of the times that Ksher writes without one, unless
// [WithLocation] says otherwise.
var thailand = time.FixedZone("UTC+7", 7*60*60)

// Client calls the API for one merchant. Make one with [NewClient] and share it: it
// is safe for concurrent use and keeps connections open.
type Client struct {
	baseURL string
	// host names the merchant, with the path, because a proxy may have several.
	host string
	// secure tells whether the base URL has https.
	secure bool
	mac    macFunc
	hide   transport.Hide
	sender *transport.Sender
	log    *slog.Logger
	// ownLog says that the caller has set log.
	ownLog   bool
	location *time.Location
	strict   bool
	warned   *check.Warnings
	hooks    call.Hooks[ksher.Attempt]
	calls    *call.Caller
}

// Option sets up a [Client].
type Option func(*Client) error

// exampleURL is for errors.
const exampleURL = "https://NAME.vip.ksher.net"

// maxHost keeps the keys of a Deduper short.
const maxHost = 128

// NewClient returns a client for the merchant whose host that is, such as
// https://NAME.vip.ksher.net, and who has that API token. The address has to be
// https, except on a loopback address. It may have a path, for a proxy, which isn't
// part of what is signed.
//
// The error says which argument or option is wrong. Nothing is sent.
func NewClient(baseURL, token string, opts ...Option) (*Client, error) {
	c := &Client{
		sender:   transport.NewSender("-vip"),
		log:      slog.New(slog.DiscardHandler),
		location: thailand,
		warned:   &check.Warnings{},
	}
	if err := c.setUp(baseURL, token, opts); err != nil {
		return nil, fmt.Errorf("vip: NewClient: %w", err)
	}
	return c, nil
}

func (c *Client) setUp(baseURL, token string, opts []Option) (err error) {
	if c.baseURL, err = transport.BaseURL("the base URL", baseURL, exampleURL); err != nil {
		return err
	}
	u, err := url.Parse(c.baseURL)
	if err != nil {
		return errors.New("the base URL can't be read")
	}
	c.host, c.secure = strings.ToLower(u.Host)+u.EscapedPath(), u.Scheme == "https"
	if len(c.host) > maxHost {
		return fmt.Errorf("the base URL has a host and path of more than %d characters", maxHost)
	}
	if token == "" || strings.ContainsFunc(token, unicode.IsSpace) || !utf8.ValidString(token) {
		return errors.New("the token is empty, has blanks in it or is not UTF-8")
	}
	c.mac, c.hide = newMAC(token), newHide(token)
	if err := c.mac.usable(); err != nil {
		return err
	}
	for _, opt := range opts {
		if opt == nil {
			return errors.New("an option is nil")
		}
		if err := opt(c); err != nil {
			return err
		}
	}
	c.calls = &call.Caller{Sender: c.sender, Log: c.log, Message: "ksher vip call", OrderKey: "order_id", Begin: c.hooks.Begin(c.sender.Clock, "")}
	return nil
}

// WithHTTPClient sends requests through that client's Transport, each within its Timeout
// if it has one: a proxy, a transport that measures, or a mock, which has to be in place
// before [NewClient]. Its Jar and CheckRedirect don't count: cookies are never kept and
// redirects never followed. The default keeps up to 32 idle connections to a host open,
// shared by all clients of the program.
//
// It is an error if the client's [http.Transport] allows TLS below 1.2 or doesn't check
// certificates; inside another transport this isn't seen. A transport that sends a request
// again over another [http.Transport] connection is stopped. Don't use one that sends
// copies at the same time, or repeats without net/http.
func WithHTTPClient(client *http.Client) Option {
	return func(c *Client) error { return c.sender.SetHTTPClient(client) }
}

// WithLogger logs each request with its operation, order, attempt, duration and
// outcome: at level Info if it succeeded (Debug for a query), Warn if it failed or was
// refused, Error if its outcome is unknown. The token, signatures and what the gateway
// says in words are never logged. The default logs nothing.
func WithLogger(logger *slog.Logger) Option {
	return func(c *Client) error {
		if logger == nil {
			return errors.New("WithLogger: the logger is nil")
		}
		c.log, c.ownLog = logger, true
		return nil
	}
}

// WithHook lets metrics and traces follow what a client does; see [ksher.Hook]. Given
// several times, the first hook is the outermost.
func WithHook(hook ksher.Hook) Option {
	return func(c *Client) error {
		if hook == nil {
			return errors.New("WithHook: the hook is nil")
		}
		c.hooks = append(c.hooks, hook)
		return nil
	}
}

// WithTimeout limits how long a call may take as a whole, repetitions of a query
// included, 30 seconds by default. A context that ends earlier ends the call
// earlier. Of [Client.Transactions] and [Client.SettlementOrders] it limits each
// page.
func WithTimeout(d time.Duration) Option {
	return func(c *Client) error { return c.sender.SetTimeout(d) }
}

// WithMaxResponseBytes limits the size of an answer, 4 MiB by default. A longer one
// is [ksher.ErrBadAnswer].
func WithMaxResponseBytes(n int64) Option {
	return func(c *Client) error { return c.sender.SetMaxResponseBytes(n) }
}

// WithRetry sets how queries are repeated: how often at most they are sent, the first time
// included, from 1 for no repetition to 10, and how long the first pause may be; 3 times
// and 500 ms by default. The longest pause doubles each time, up to 10 seconds, and each
// pause is a random part of it. A wait of 0 leaves the pauses out, as tests want it.
//
// Only [Client.Query] and the reports are repeated, within the call's context and
// [WithTimeout], and only if the connection broke or the HTTP status is 500 or more. In an
// outage a client repeats at most 10 queries at once and one a second after that. What
// changes something reaches Ksher once, as [ksher.WithRetry] says.
func WithRetry(attempts int, wait time.Duration) Option {
	return func(c *Client) error { return c.sender.Retry.Set(attempts, wait) }
}

// WithLocation sets the zone in which Ksher writes times, UTC+7 by default.
func WithLocation(loc *time.Location) Option {
	return func(c *Client) error {
		if loc == nil {
			return errors.New("WithLocation: the location is nil")
		}
		c.location = loc
		return nil
	}
}

// WithStrict makes it an [ksher.ErrSignature] if the signature of a report doesn't prove
// the data in it. Without this option such a report comes marked as not Verified,
// because how Ksher spells nested data for its signature isn't documented. The
// answers about orders, which aren't nested, are always proved.
func WithStrict() Option {
	return func(c *Client) error {
		c.strict = true
		return nil
	}
}

// Format keeps the token out of logs, whatever the verb.
func (c Client) Format(f fmt.State, _ rune) {
	fmt.Fprintf(f, "vip.Client(%s)", c.host)
}

// request is implemented by pointers to the request types.
type request interface {
	// check collects what the documentation rules out.
	check(*checker)
	// numbers are the order's and the refund's, for errors and logs; "" for none.
	numbers() (orderID, refundID string)
	extra() ksher.Extra
}

// operation is what the call path has to know about a call. Make one with
// newOperation, whose arguments leave nothing out.
type operation struct {
	// name is for errors and logs.
	name   string
	method string
	effect call.Effect
	// path is what comes after the base URL, as it is signed: nothing is escaped.
	// The gateway and its other clients are assumed to sign it so, too.
	path string
	// params are parameters besides those of the request.
	params []wire.Param
	// report says that the data of the answer may be nested.
	report bool
	// accept says what is wrong with an answer that is well signed.
	accept func(*reply) *Error
}

// newOperation makes an operation. GET changes nothing, and every other method does.
func newOperation(name, method, path string, params []wire.Param, report bool, accept func(*reply) *Error) *operation {
	effect := call.Change
	if method == http.MethodGet {
		effect = call.Query
	}
	return &operation{name, method, effect, path, params, report, accept}
}

// reply is an answer whose signature was checked.
type reply struct {
	members  []wire.Member
	verified bool
	code     Code
	hide     transport.Hide
}

// said is a text of the answer, fit for an error.
func (r *reply) said(name string) string {
	return r.hide.Quote([]byte(textOf(r.members, name)))
}

// nothing is how the gateway writes an empty field, as text or not.
const nothing = "False"

// empty tells whether a value is as good as none.
func empty(v wire.Value) bool {
	switch v.Kind {
	case wire.String:
		text := string(v.Text())
		return text == "" || text == nothing
	case wire.Bool:
		return string(v.Raw) == "false"
	}
	return v.Kind == wire.Null
}

// decode fills a struct from an object, of the members that aren't empty.
func (c *Client) decode(members []wire.Member, dst any) error {
	kept := make([]wire.Member, 0, len(members))
	for _, m := range members {
		if !empty(m.Value) {
			kept = append(kept, m)
		}
	}
	if err := wire.Decode(kept, dst, c.location); err != nil {
		return fmt.Errorf("%w: %w", fault.ErrField, err)
	}
	return nil
}

// call is the way of every operation: it checks and signs the request, sends it,
// verifies the answer, and returns it.
func (c *Client) call(ctx context.Context, op *operation, req request) (got *reply, err error) {
	if err := c.usable(ctx, op.name, req); err != nil {
		return nil, err
	}
	orderID, refundID := req.numbers()
	about := call.Attempt{Operation: op.name, Order: orderID, Refund: refundID}
	err = c.calls.Do(ctx, op.effect, about, func() (call.Send, error) {
		params, err := c.params(op, req)
		return func(ctx context.Context, a *call.Attempt) *call.Failure {
			var failure *Error
			if got, failure = c.exchange(ctx, op, params); failure == nil {
				return nil
			}
			failure.Operation, failure.MerchantOrderID, failure.RefundOrderID = a.Operation, a.Order, a.Refund
			failure.Err = c.hide.Shield(failure.Err)
			failure.leave(params)
			return failure.forLoop()
		}, err
	})
	if err != nil {
		return nil, err
	}
	return got, nil
}

// usable refuses a call before anything is looked at.
func (c *Client) usable(ctx context.Context, name string, req any) error {
	switch {
	case c == nil || c.mac == nil:
		return notSent(name, "client", "was not made by NewClient")
	case ctx == nil:
		return notSent(name, "context", "is nil")
	case check.IsNil(req):
		return notSent(name, "request", "is nil")
	}
	return nil
}

// params checks a request and makes its parameters, all but the signature.
func (c *Client) params(op *operation, req request) ([]wire.Param, error) {
	invalid := &ksher.ValidationError{Operation: op.name}
	invalid.OrderNo, _ = req.numbers()
	params, err := wire.StructParams(req)
	if err != nil {
		invalid.Fields = []ksher.FieldError{{Field: "request", Problem: err.Error()}}
		return nil, invalid
	}
	params = append(params, op.params...)
	params = append(params, wire.Param{Name: "timestamp", Value: strconv.FormatInt(c.sender.Clock.ClockNow().Unix(), 10)})
	check := &checker{}
	check.Unchecked = req.extra().Unchecked
	req.check(check)
	params = check.Extra(req.extra().Params, params, signatureName, unfit)
	check.UTF8(params)
	if invalid.Fields, invalid.Limits = check.Fields, check.Limits; len(invalid.Fields) > 0 {
		return nil, invalid
	}
	c.warned.OfChannels(c.log, op.name, params, knownChannels())
	return params, nil
}

// knownChannels are those of the guides to api.ksher.net: nobody lists those of this
// generation, and their names are the same where both have them.
var knownChannels = sync.OnceValue(func() (names []string) {
	for _, info := range ksher.Channels() {
		names = append(names, string(info.Channel))
	}
	return names
})

// errorAttrs tells what went wrong. What the other side said in words stays out: it
// may name the buyer.
func errorAttrs(err error) []slog.Attr {
	var failure *Error
	switch {
	case err == nil:
		return nil
	case errors.As(err, &failure):
		return failure.forLoop().Attrs()
	}
	return []slog.Attr{slog.Any("cause", err)}
}

// exchange signs and sends the request and reads the answer.
func (c *Client) exchange(ctx context.Context, op *operation, params []wire.Param) (*reply, *Error) {
	params = c.mac.sign(op.path, params)
	header := http.Header{"Accept": {"application/json"}}
	address, body := c.baseURL+escaped(op.path), ""
	if op.effect == call.Query {
		address += "?" + wire.EncodeParams(params)
	} else {
		header.Set("Content-Type", "application/json")
		body = jsonBody(params)
	}
	answer, sent, err := c.sender.Do(ctx, op.method, address, header, body)
	if err != nil {
		return nil, &Error{HTTPStatus: answer.Status, Err: err, state: call.State{Unknown: sent}}
	}
	got, failure := c.read(op, answer)
	if failure == nil {
		failure = op.accept(got)
	}
	if failure != nil {
		failure.HTTPStatus = answer.Status
		return nil, failure
	}
	return got, nil
}

// escaped is a path as it stands in an address. Only its last part may need it.
func escaped(path string) string {
	i := strings.LastIndexByte(path, '/') + 1
	return path[:i] + url.PathEscape(path[i:])
}

// isAmount tells the parameters that are numbers.
func isAmount(name string) bool { return name == "amount" || name == "refund_amount" }

// jsonBody writes the parameters as a JSON object. Only amounts are numbers.
func jsonBody(params []wire.Param) string {
	object := make(map[string]any, len(params))
	for _, p := range params {
		if isAmount(p.Name) {
			object[p.Name] = json.Number(p.Value)
		} else {
			object[p.Name] = p.Value
		}
	}
	body, _ := json.Marshal(object) // Never fails with texts and the digits of an integer.
	return string(body)
}

// read takes an answer apart and checks its signature. A refusal leaves the outcome
// in doubt unless it is a documented no.
func (c *Client) read(op *operation, answer transport.Answer) (*reply, *Error) {
	if refusal := refusedBy(answer.Status); refusal != nil {
		members, _ := wire.ParseObject(answer.Body)
		inForm := isGateways(answer.Status, members)
		failure := &Error{Err: refusal, Message: c.hide.Quote(answer.Body), state: call.State{Unknown: !inForm}, inForm: inForm}
		switch {
		case answer.Status == http.StatusBadRequest:
			failure.Message, failure.Fields = description(answer.Body, members, c.hide)
		case answer.Status == http.StatusNotFound && !inForm:
			// A proxy that is misrouted for a moment says so of every order, and who
			// believed it would make another.
			failure.Err = fault.ErrHTTPStatus
		}
		return nil, failure
	}
	doubt := func(err error) (*reply, *Error) { return nil, &Error{Err: err, state: call.State{Unknown: true}} }
	switch {
	case 300 <= answer.Status && answer.Status < 400:
		return doubt(fault.ErrRedirect)
	case answer.Status < 200 || answer.Status > 299:
		return nil, &Error{Err: fault.ErrHTTPStatus, Message: c.hide.Quote(answer.Body), state: call.State{Unknown: true}}
	case strings.TrimSpace(string(answer.Body)) == "":
		return doubt(fault.ErrEmptyBody)
	}
	members, err := wire.ParseObject(answer.Body)
	if err != nil {
		return nil, &Error{Err: fault.JSON(err), Message: c.hide.Quote(answer.Body), state: call.State{Unknown: true}}
	}
	got := &reply{members: members, verified: true, hide: c.hide}
	got.code = Code(got.said("error_code"))
	covered, err := c.mac.checkAnswer(op.path, members)
	if err == nil && !covered {
		err = fmt.Errorf("%w: it doesn't cover what is in the nested data", fault.ErrSignatureMismatch)
	}
	if op.report && !c.strict && hasNested(members) && errors.Is(err, fault.ErrSignatureMismatch) {
		got.verified, err = false, nil
	}
	if err == nil && got.code == "" {
		err = fmt.Errorf("%w: error_code is missing", fault.ErrEnvelope)
	}
	if err != nil {
		failure := got.refusal()
		failure.Err, failure.state.Unknown = err, true
		return nil, failure
	}
	return got, nil
}

// refusal makes an error of an answer that says no.
func (r *reply) refusal() *Error {
	failure := &Error{Code: r.code, Message: r.said("error_message")}
	if failure.Message == nothing {
		failure.Message = ""
	}
	return failure
}

// text is a member that is a text or a number, "" for an empty one.
func (r *reply) text(name string) string {
	v, ok := wire.Find(r.members, name)
	if !ok || empty(v) {
		return ""
	}
	return string(v.Text())
}

// doubtful makes an error of an answer that says neither yes nor no.
func (r *reply) doubtful(err error) *Error {
	failure := r.refusal()
	failure.Err, failure.state.Unknown = err, true
	return failure
}

// checker collects what is wrong with a request, by the names of the wire.
type checker struct {
	check.Problems[ksher.FieldError]
}

// about returns an error if there are problems.
func (c *checker) about(operation, id string) error {
	if len(c.Fields) == 0 {
		return nil
	}
	return &ksher.ValidationError{Operation: operation, OrderNo: id, Fields: c.Fields, Limits: c.Limits}
}

// maxOrderID is so that every number fits the key of a [Deduper].
const maxOrderID = 128

// orderID checks the number of an order, which is part of an address. What would
// change the meaning of the address, or be changed on the way, can't be in it.
func (c *checker) orderID(value string) {
	const field = "merchant_order_id"
	if strings.TrimSpace(value) == "" {
		c.Refuse(field, "is required")
	}
	if len(value) > maxOrderID {
		c.Refuse(field, "has %d bytes, at most %d are allowed", len(value), maxOrderID)
	}
	if value == nothing {
		c.Refuse(field, "is %q, which in an answer would mean that there is none", value)
	}
	if !utf8.ValidString(value) || strings.ContainsAny(value, `/\?#%`) || value == "." || value == ".." ||
		strings.ContainsFunc(value, func(r rune) bool { return !unicode.IsPrint(r) }) || strings.TrimSpace(value) != value {
		c.Refuse(field, `has a character that can't be part of an address: one of / \ ? # %%, a blank at an end, one that isn't printable, or only dots`)
	}
}

// maxAmount is the largest integer that every JSON and JavaScript peer on the way
// keeps exactly.
const maxAmount = 1<<53 - 1

func (c *checker) amount(field string, value ksher.Amount) {
	if value < 1 || value > maxAmount {
		c.Problem(field, "is %d cents, which is not between 1 and %d", value, int64(maxAmount))
	}
}

func (c *checker) requiredURL(field, value string) {
	c.Required(field, value)
	if value != "" && !check.Web(value) {
		c.Problem(field, "is not an absolute http or https address")
	}
}

func (c *checker) channel(field, value string) {
	if value == "" || strings.ContainsAny(value, ", \t\r\n") {
		c.Problem(field, "has %q, which is empty or has a comma or a blank in it", transport.Clip(value))
	}
}

// unfit says why a parameter can't be one of the unmodelled, which are all texts.
func unfit(name string) string {
	if isAmount(strings.ToLower(name)) {
		return "which has only texts, and is a number"
	}
	return ""
}
