package ksher

import (
	"context"
	"crypto"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/ksher-go/ksher/internal/call"
	"github.com/ksher-go/ksher/internal/check"
	"github.com/ksher-go/ksher/internal/fault"
	"github.com/ksher-go/ksher/internal/transport"
	"github.com/ksher-go/ksher/internal/wire"
)

// Client calls Ksher's operations for one app ID. Make one with [NewClient] and share it:
// it is safe for concurrent use and keeps connections open.
//
// Queries change nothing and may be repeated at will. An answer about another app ID, order,
// amount or currency than the request's is [ErrOtherOrder], as far as it repeats them; after
// what changes something it is an [ErrOutcomeUnknown] as well.
type Client struct {
	appID string
	// key returns the merchant's. Nothing that prints a struct's fields looks behind a
	// function.
	key         func() crypto.Signer
	sender      *transport.Sender
	gatewayURL  string
	merchantURL string
	plainHTTP   []string
	signVersion SignVersion
	verifier    *Verifier
	ownVerifier bool
	log         *slog.Logger
	ownLog      bool
	location    *time.Location
	warned      *check.Warnings
	hooks       call.Hooks[Attempt]
	calls       *call.Caller
}

// Option sets up a [Client].
type Option func(*Client) error

// NewClient returns a client for the app ID ("mch" and the merchant number, at most 32
// characters) that signs with the key: what [ParsePrivateKey] returned, or any other
// [crypto.Signer] with an RSA key that makes PKCS #1 v1.5 signatures of MD5 digests, such
// as one in an HSM.
//
// The error says which argument or option is wrong, or that the program runs in Go's FIPS
// 140-only mode, which forbids the MD5 that Ksher demands. Nothing is sent.
func NewClient(appID string, key crypto.Signer, opts ...Option) (*Client, error) {
	c := &Client{
		appID:       appID,
		gatewayURL:  DefaultGatewayURL,
		merchantURL: DefaultMerchantURL,
		signVersion: SignV1,
		log:         slog.New(slog.DiscardHandler),
		sender:      transport.NewSender(""),
		location:    thailand,
		warned:      &check.Warnings{},
	}
	if err := c.setUp(key, opts); err != nil {
		return nil, fmt.Errorf("ksher: NewClient: %w", err)
	}
	return c, nil
}

func (c *Client) setUp(key crypto.Signer, opts []Option) error {
	if err := md5Error(); err != nil {
		return err
	}
	if !validAppID(c.appID) {
		return errors.New("the app ID is empty, has blanks in it, is longer than 32 characters or not UTF-8; it looks like mch12345")
	}
	if check.IsNil(key) {
		return errors.New("the private key is nil; ParsePrivateKey makes one from PEM")
	}
	signer, err := usableSigner(key)
	if err != nil {
		return fmt.Errorf("the private key can't be used: %w", err)
	}
	c.key = func() crypto.Signer { return signer }
	for _, opt := range opts {
		if opt == nil {
			return errors.New("an option is nil")
		}
		if err := opt(c); err != nil {
			return err
		}
	}
	if err := c.setHosts(); err != nil {
		return err
	}
	c.log = named(c.log, c.appID)
	if c.verifier == nil {
		c.verifier = publishedVerifier(c.signVersion)
	}
	c.calls = &call.Caller{
		Sender: c.sender, Log: c.log, Message: "ksher call", OrderKey: "order_no", Begin: c.hooks.Begin(c.sender.Clock, c.appID),
	}
	c.logWeakKeys()
	return nil
}

// WithHTTPClient sends requests through that client's Transport, each within its Timeout:
// a proxy, or a mock, which has to be in place before [NewClient]. Cookies are never kept
// and redirects never followed. The default keeps up to 32 idle connections to a host,
// shared by all clients of the program; a Transport of your own has its own limit.
//
// It is an error if its [http.Transport] allows TLS below 1.2 or doesn't check
// certificates; inside another transport this isn't seen. A transport that sends a request
// again over another [http.Transport] connection is stopped. Don't use one that sends
// copies at the same time, or repeats without net/http.
func WithHTTPClient(client *http.Client) Option {
	return func(c *Client) error { return c.sender.SetHTTPClient(client) }
}

// WithGatewayURL sets where gateway_pay, gateway_order_query and cancel_order go, by default
// [DefaultGatewayURL]. It has to be https, except on a loopback address or as
// [WithPlainHTTP] says.
func WithGatewayURL(address string) Option {
	return func(c *Client) error {
		c.gatewayURL = address
		return nil
	}
}

// WithMerchantURL sets where every other operation goes, by default [DefaultMerchantURL].
// It has to be https like that of [WithGatewayURL].
func WithMerchantURL(address string) Option {
	return func(c *Client) error {
		c.merchantURL = address
		return nil
	}
}

// WithPlainHTTP allows http to those hosts, beside loopback addresses: to a local
// gateway in another container. A host is a name or an IP address without a port.
func WithPlainHTTP(hosts ...string) Option {
	return func(c *Client) error {
		for _, host := range hosts {
			if _, _, err := net.SplitHostPort(host); err == nil || host == "" || strings.ContainsAny(host, "/@ ") {
				return fmt.Errorf("WithPlainHTTP: %q is not a host's name without a port", clipText(host))
			}
		}
		c.plainHTTP = append(c.plainHTTP, hosts...)
		return nil
	}
}

// setHosts checks the addresses of the two hosts, and that they aren't the wrong way round.
func (c *Client) setHosts() (err error) {
	if c.gatewayURL, err = transport.BaseURL("WithGatewayURL", c.gatewayURL, DefaultGatewayURL, c.plainHTTP...); err != nil {
		return err
	}
	if c.merchantURL, err = transport.BaseURL("WithMerchantURL", c.merchantURL, DefaultMerchantURL, c.plainHTTP...); err != nil {
		return err
	}
	switch {
	case isAt(c.gatewayURL, "/KsherPay", DefaultMerchantURL):
		return errors.New("WithGatewayURL: the address is the merchant host's, for WithMerchantURL")
	case isAt(c.merchantURL, "/api", DefaultGatewayURL, chinaGatewayURL):
		return errors.New("WithMerchantURL: the address is the gateway host's, for WithGatewayURL")
	}
	return nil
}

// isAt tells whether an address has that path, or the host of one of the others.
func isAt(address, path string, others ...string) bool {
	u, err := url.Parse(address)
	if err != nil {
		return false
	}
	return u.Path == path || slices.ContainsFunc(others, func(other string) bool {
		o, err := url.Parse(other)
		return err == nil && strings.EqualFold(o.Hostname(), u.Hostname())
	})
}

// WithSignVersion asks the gateway to sign its answers with the key of that
// version, [SignV1] by default, and accepts no other.
func WithSignVersion(version SignVersion) Option {
	return func(c *Client) error {
		if version != SignV1 && version != SignV2 {
			return fmt.Errorf("WithSignVersion: there is no version %d", version)
		}
		c.signVersion = version
		return nil
	}
}

// WithVerifier accepts what is signed by the verifier's keys instead of Ksher's published
// ones: for a local gateway, or while Ksher changes its keys.
func WithVerifier(v *Verifier) Option {
	return func(c *Client) error {
		if v == nil {
			return errors.New("WithVerifier: the verifier is nil")
		}
		if len(v.keys) == 0 {
			return errors.New("WithVerifier: the verifier was not made by NewVerifier")
		}
		c.verifier, c.ownVerifier = v, true
		return nil
	}
}

// WithLogger logs each request with its operation, order number, attempt, duration and
// outcome: at level Info if it succeeded (Debug for a query), Warn if it failed or was
// refused, Error if its outcome is unknown. [Payments.Notifications] logs there why it
// refused one. Keys, signatures and what identifies a buyer are never logged. A weak key is
// logged by [NewClient], see [KeyHealth]. The default logs nothing.
func WithLogger(logger *slog.Logger) Option {
	return func(c *Client) error {
		if logger == nil {
			return errors.New("WithLogger: the logger is nil")
		}
		c.log, c.ownLog = logger, true
		return nil
	}
}

// WithTimeout limits how long a call may take as a whole, repetitions of a query included,
// 30 seconds by default. The context may end it earlier.
func WithTimeout(d time.Duration) Option {
	return func(c *Client) error { return c.sender.SetTimeout(d) }
}

// WithMaxResponseBytes limits the size of an answer, 4 MiB by default. A longer one is
// [ErrBadAnswer].
func WithMaxResponseBytes(n int64) Option {
	return func(c *Client) error { return c.sender.SetMaxResponseBytes(n) }
}

// WithLocation sets the merchant's zone, in which Ksher writes times such as
// time_end, UTC+7 by default.
func WithLocation(loc *time.Location) Option {
	return func(c *Client) error {
		if loc == nil {
			return errors.New("WithLocation: the location is nil")
		}
		c.location = loc
		return nil
	}
}

// Format keeps the key out of logs.
func (c Client) Format(f fmt.State, _ rune) {
	fmt.Fprintf(f, "ksher.Client(%s)", c.appID)
}

// operation is what the call path has to know about one of Ksher's operations. Make
// one with declareQuery or declareChange, whose arguments leave nothing out.
type operation struct {
	name string
	// host gives the address before the name.
	host   hostOf
	effect call.Effect
	// proof is what an answer has to say to be believed.
	proof proof
	// secrets says what no error may repeat.
	secrets secrets
	// certain tells the codes after which nothing was carried out.
	certain func(Code) bool
}

// hostOf gives the address of one of the hosts.
type hostOf func(*Client) string

func onGateway(c *Client) string  { return c.gatewayURL }
func onMerchant(c *Client) string { return c.merchantURL }

// proof is what an answer has to say to be believed.
type proof struct {
	// has names members that may not be missing or empty. "a|b" needs one of them.
	has []string
	// web names a member that has to be the address of a page, to which a buyer is sent.
	web string
	// there names members that may be empty, but not missing.
	there []string
	// same names parameters that the answer has to repeat if it has them, beside those
	// that every answer has to.
	same []string
	// local says that the amount may be another one if local_total_fee was sent, which
	// nobody explains.
	local bool
	// signed names the members of data that the gateway signs, nil for all.
	signed []string
	// order says that the result is an order's. Any other has to be SUCCESS, if there
	// is one.
	order bool
}

// secrets says what no error may repeat.
type secrets struct {
	// params tells the parameters of the request that are secret.
	params func(name string) bool
	// said says that the gateway's own words may be secret, whatever was asked.
	said bool
}

// noSecrets is for a request that names nobody.
var noSecrets = secrets{params: func(string) bool { return false }}

// secret is for a request with those parameters that are secret.
func secret(names ...string) secrets {
	return secrets{params: func(name string) bool { return slices.Contains(names, name) }}
}

// declareQuery declares an operation that changes nothing: it may be repeated, and a lost
// answer leaves no doubt.
func declareQuery(name string, host hostOf, proof proof, secrets secrets) *operation {
	return &operation{name, host, call.Query, proof, secrets, documented}
}

// declareChange declares an operation that pays, refunds, cancels, closes or creates. certain
// tells the codes after which nothing was carried out, whichever copy of the request
// they answer.
func declareChange(name string, host hostOf, proof proof, secrets secrets, certain func(Code) bool) *operation {
	return &operation{name, host, call.Change, proof, secrets, certain}
}

// orderTerms are the parameters that say what a buyer or receiver is to pay or get.
var orderTerms = []string{"mch_order_no", "total_fee", "fee_type"}

// paidTerms are what an answer has to say which claims that a buyer was charged.
var paidTerms = []string{"result", "mch_order_no", "total_fee", "fee_type"}

// repeats tells the parameters that the answer has to repeat if it has them. It
// isn't documented under which of its numbers a refund names a gateway order,
// nor is the refund_fee of a refund_query what it seems.
func (op *operation) repeats(name string) bool {
	switch name {
	case "appid", "ksher_order_no", "channel_order_no", "mch_refund_no", "begin_date", "end_date":
		return true
	case "mch_order_no":
		return op.effect == call.Query || slices.Contains(op.proof.same, name)
	case "refund_fee":
		return op.effect != call.Query
	}
	return slices.Contains(op.proof.same, name)
}

// request is implemented by pointers to the request types.
type request interface {
	// check collects what the documentation rules out.
	check(*checker)
	// numbers are the order's and the refund's, for errors and logs; "" for none.
	numbers() (orderNo, refundNo string)
	// appIDName is the name of the parameter that has the app ID.
	appIDName() string
	extra() Extra
}

// Extra is part of every request, for what Ksher does and this package doesn't know.
type Extra struct {
	// Params adds parameters by name: they are sent and signed like the rest. One that
	// the request sets by a field of its own, and those every request carries (appid,
	// nonce_str, time_stamp, sign), can't be set here, nor by their names in capitals.
	Params map[string]string
	// Unchecked names parameters, as on the wire, whose documented limits are not
	// checked: the gateway decides. What can't be sent or asked about afterwards, such
	// as text that isn't UTF-8 or a new order without a number, is refused all the same.
	Unchecked []string
}

func (e Extra) extra() Extra      { return e }
func (e Extra) appIDName() string { return "appid" }

// do is the way of every operation: it checks and signs the request, sends it,
// verifies the answer and returns it typed.
func do[T any, P interface {
	*T
	answer
}](ctx context.Context, c *Client, op *operation, req request) (*T, error) {
	invalid := func(field, problem string) error {
		return &ValidationError{Operation: op.name, Fields: []FieldError{{field, problem}}}
	}
	switch {
	case c == nil || c.key == nil:
		return nil, invalid("client", "was not made by NewClient")
	case ctx == nil:
		return nil, invalid("context", "is nil")
	case check.IsNil(req):
		return nil, invalid("request", "is nil")
	}
	var dst *T
	orderNo, refundNo := req.numbers()
	about := call.Attempt{Operation: op.name, Order: orderNo, Refund: refundNo}
	err := c.calls.Do(ctx, op.effect, about, func() (call.Send, error) {
		params, err := c.params(op, req)
		dst = new(T)
		return func(ctx context.Context, a *call.Attempt) *call.Failure { return c.send(ctx, a, op, params, P(dst)) }, err
	})
	if err != nil {
		return nil, err
	}
	return dst, nil
}

// send makes one request of a call.
func (c *Client) send(ctx context.Context, a *call.Attempt, op *operation, params []wire.Param, dst answer) *call.Failure {
	failure := c.exchange(ctx, op, params, dst)
	if failure == nil {
		return nil
	}
	failure.AppID, failure.Operation, failure.OrderNo, failure.RefundNo = c.appID, a.Operation, a.Order, a.Refund
	op.secrets.leave(failure, params)
	return failure.forLoop()
}

// params checks a request and makes its parameters, all but the signature.
func (c *Client) params(op *operation, req request) ([]wire.Param, error) {
	params, err := wire.StructParams(req)
	check := &checker{now: c.sender.Clock.ClockNow()}
	check.Unchecked = req.extra().Unchecked
	if err != nil {
		check.Refuse("request", "%v", err)
	}
	params = append(params,
		wire.Param{Name: req.appIDName(), Value: c.appID},
		wire.Param{Name: "nonce_str", Value: nonce()},
		wire.Param{Name: "time_stamp", Value: c.sender.Clock.ClockNow().In(c.location).Format("20060102150405")})
	req.check(check)
	params = check.Extra(req.extra().Params, params, "sign", func(string) string { return "" })
	wire.SortParams(params)
	check.UTF8(params)
	if len(check.Fields) > 0 {
		orderNo, _ := req.numbers()
		return nil, c.named(check.invalid(op.name, orderNo))
	}
	c.warnOfChannels(op, params)
	return params, nil
}

// sign appends the signature to the parameters.
func (c *Client) sign(params []wire.Param) ([]wire.Param, error) {
	sign, err := signText(c.key(), wire.ParamsSignText(params))
	return append(params, wire.Param{Name: "sign", Value: sign}), err
}

// nonce returns 32 hexadecimal characters that won't come again.
func nonce() string {
	var b [16]byte
	rand.Read(b[:]) // Never fails: it ends the program rather than return an error.
	var text [2 * len(b)]byte
	hex.Encode(text[:], b[:])
	return string(text[:])
}

// exchange signs and sends the request and reads the answer.
func (c *Client) exchange(ctx context.Context, op *operation, params []wire.Param, dst answer) *Error {
	params, err := c.sign(params)
	if err != nil {
		return &Error{Err: fmt.Errorf("nothing was sent, because the key did not sign: %w", err)}
	}
	answer, sent, err := c.post(ctx, op.host(c)+"/"+op.name, wire.EncodeParams(params))
	if err != nil {
		return unknown(sent, &Error{HTTPStatus: answer.Status, Err: err})
	}
	r := reading{verifier: c.verifier, proof: op.proof, change: op.effect == call.Change, location: c.location}
	r.same = make([]wire.Param, 0, 4)
	local := op.proof.local && slices.ContainsFunc(params, func(p wire.Param) bool { return p.Name == "local_total_fee" })
	for _, p := range params {
		if op.repeats(p.Name) && !(local && (p.Name == "total_fee" || p.Name == "fee_type")) {
			r.same = append(r.same, p)
		}
	}
	if op.proof.signed != nil {
		// It is about the account, whose app ID goes by either name.
		r.same = append(r.same, wire.Param{Name: "appid", Value: c.appID}, wire.Param{Name: "mch_appid", Value: c.appID})
	}
	return op.judge(answer, r.read(answer.Body, dst))
}

// judge tells what a failure means, given the HTTP status of the answer.
func (op *operation) judge(answer transport.Answer, failure *Error) *Error {
	if status := answer.Status; status < 200 || status > 299 {
		refused := failure != nil && failure.Err == nil
		if !refused {
			failure = &Error{Message: quote(answer.Body)}
		}
		switch {
		case refused && failure.Code != "" && 400 <= status && status < 500:
			// A refusal in the gateway's own form is one, whatever the status. Without a
			// code it may be a proxy's JSON.
		case 300 <= status && status < 400:
			failure.Err = fault.ErrRedirect
		default:
			failure.Err = fault.ErrHTTPStatus
		}
		failure.state.Unknown = failure.Err != nil
	} else if failure != nil {
		failure.state.Unknown = failure.Err != nil
	}
	if failure != nil {
		failure.HTTPStatus = answer.Status
		failure.state.Unknown = failure.state.Unknown || !op.certain(failure.Code)
	}
	return failure
}

func unknown(sent bool, e *Error) *Error {
	e.state.Unknown = sent
	return e
}

// post sends a form and reads the bounded answer. With an error, sent tells
// whether anything may have reached the other side.
func (c *Client) post(ctx context.Context, address, form string) (answer transport.Answer, sent bool, err error) {
	header := http.Header{"Content-Type": {"application/x-www-form-urlencoded"}}
	if c.signVersion == SignV2 {
		header.Set(signVersionHeader, "V2")
	}
	return c.sender.Do(ctx, http.MethodPost, address, header, form)
}
