package opn

import (
	"bytes"
	"cmp"
	"context"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"time"

	"github.com/ksher-go/ksher"
	"github.com/ksher-go/ksher/internal/call"
	"github.com/ksher-go/ksher/internal/check"
	"github.com/ksher-go/ksher/internal/fault"
	"github.com/ksher-go/ksher/internal/transport"
	"github.com/ksher-go/ksher/internal/wire"
)

// Client calls Opn's API for one account. Make one with [NewClient] and share it:
// it is safe for concurrent use and keeps connections open.
type Client struct {
	// keys returns the account's. It is a function, of which fmt prints no more than
	// an address: where a Client is in an unexported field, fmt can't call Format,
	// and follows pointers for some verbs.
	keys    func() *keyPair
	sender  *transport.Sender
	baseURL string
	log     *slog.Logger
	// ownLog says that the caller has set log.
	ownLog bool
	hooks  call.Hooks[ksher.Attempt]
	calls  *call.Caller
}

// keyPair is an account's keys, with what takes them out of texts.
type keyPair struct {
	public, secret string
	hide           transport.Hide
}

func newKeyPair(public, secret string) *keyPair {
	var hide []string
	for _, key := range []string{secret, public} {
		hide = append(hide, key, "[key]", base64.RawStdEncoding.EncodeToString([]byte(key+":")), "[key]")
	}
	return &keyPair{public, secret, strings.NewReplacer(hide...).Replace}
}

// escaped is a character of the keys' alphabet, and of others, as JSON may write
// it.
var escaped = regexp.MustCompile(`\\u00[3-7][0-9A-Fa-f]`)

// without is an answer without the keys, which it may have echoed. It is as it came
// if it has none.
func (k *keyPair) without(body []byte) []byte {
	plain := escaped.ReplaceAllFunc(body, func(found []byte) []byte {
		char, _ := hex.DecodeString(string(found[len(found)-2:]))
		return char
	})
	hidden := []byte(k.hide(string(plain)))
	if bytes.Equal(hidden, plain) {
		return body
	}
	return hidden
}

// Option sets up a [Client].
type Option func(*Client) error

// NewClient returns a client for the account with that pair of keys, which Opn's
// dashboard shows: "pkey_test_…" and "skey_test_…" in test mode, where no money
// moves, or "pkey_…" and "skey_…".
//
// The error says which argument or option is wrong, without quoting it: a key
// in the other's place, for example, or keys of two modes. Nothing is sent.
func NewClient(publicKey, secretKey string, opts ...Option) (*Client, error) {
	if err := checkKeys(publicKey, secretKey); err != nil {
		return nil, fmt.Errorf("opn: NewClient: %w", err)
	}
	pair := newKeyPair(publicKey, secretKey)
	c := &Client{
		keys:    func() *keyPair { return pair },
		sender:  transport.NewSender("-opn"),
		baseURL: DefaultBaseURL,
		log:     slog.New(slog.DiscardHandler),
	}
	for _, opt := range opts {
		if opt == nil {
			return nil, errors.New("opn: NewClient: an option is nil")
		}
		if err := opt(c); err != nil {
			return nil, fmt.Errorf("opn: NewClient: %w", c.keys().hide.Shield(err))
		}
	}
	c.calls = &call.Caller{Sender: c.sender, Log: c.log, Message: "opn call", OrderKey: "id", Begin: c.hooks.Begin(c.sender.Clock, "")}
	return c, nil
}

var keyForm = regexp.MustCompile(`^[ps]key_[0-9A-Za-z_]{1,200}$`)

// checkKeys refuses keys that can't be a pair. It doesn't quote them, because one
// may be the secret one of another account.
func checkKeys(publicKey, secretKey string) error {
	switch {
	case strings.HasPrefix(strings.TrimSpace(publicKey), "skey_"):
		return errors.New("the public key is a secret key, which has to stay on the server: has it been exchanged with the public one, pkey_…?")
	case !strings.HasPrefix(publicKey, "pkey_") || !keyForm.MatchString(publicKey):
		return errors.New("the public key is not one such as pkey_test_…, which Opn's dashboard shows")
	case !strings.HasPrefix(secretKey, "skey_") || !keyForm.MatchString(secretKey):
		return errors.New("the secret key is not one such as skey_test_…, which Opn's dashboard shows")
	case isTest(publicKey) != isTest(secretKey):
		return errors.New("of the keys one is for test mode and the other isn't")
	}
	return nil
}

// isTest tells whether a key is one of test mode.
func isTest(key string) bool { return strings.HasPrefix(key[1:], "key_test_") }

// WithHTTPClient sends requests through that client's Transport, each within its
// Timeout if it has one: a proxy, a transport that measures, or a mock, which has to
// be in place before [NewClient]. Its Jar and CheckRedirect don't count, because
// cookies are never kept and redirects never followed.
//
// It is an error if the client's [http.Transport] allows TLS below 1.2 or
// doesn't check certificates. A transport that sends a request again over another
// [http.Transport] connection is stopped. Don't use one that sends copies at the same
// time, or repeats without net/http. One that logs headers logs the secret key.
func WithHTTPClient(client *http.Client) Option {
	return func(c *Client) error { return c.sender.SetHTTPClient(client) }
}

// WithBaseURL sets where requests go, [DefaultBaseURL] by default. It has to be
// https, except on a loopback address.
func WithBaseURL(address string) Option {
	return func(c *Client) (err error) {
		c.baseURL, err = transport.BaseURL("WithBaseURL", address, DefaultBaseURL)
		return err
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

// WithTimeout limits how long a call may take as a whole, repetitions included, 30
// seconds by default. It doesn't limit [Payments.Wait].
func WithTimeout(d time.Duration) Option {
	return func(c *Client) error { return c.sender.SetTimeout(d) }
}

// WithLogger logs each request with its operation, ID, attempt, duration and
// outcome: at level Info if it succeeded (Debug for a query), Warn if it failed or was
// refused, Error if its outcome is unknown; and each event that the handler doesn't
// accept. Keys and what Opn says in words are never logged. The default logs nothing.
func WithLogger(logger *slog.Logger) Option {
	return func(c *Client) error {
		if logger == nil {
			return errors.New("WithLogger: the logger is nil")
		}
		c.log, c.ownLog = logger, true
		return nil
	}
}

// WithRetry sets how [Client.GetCharge] is repeated: how often at most it is sent,
// the first time included, from 1 for no repetition to 10, and how long the first
// pause may be. The default is 3 times and 500 ms. The longest pause doubles each
// time, up to 10 seconds, and each pause is a random part of it. A wait of 0
// leaves the pauses out, as tests want it.
//
// It is repeated if the connection broke, or if the HTTP status is 429, or 500 or
// more. What creates something reaches Opn once, as [ksher.WithRetry] says.
func WithRetry(attempts int, wait time.Duration) Option {
	return func(c *Client) error { return c.sender.Retry.Set(attempts, wait) }
}

// Format keeps the keys out of logs, whatever the verb.
func (c Client) Format(f fmt.State, _ rune) {
	mode := "live"
	if !c.live() {
		mode = "test"
	}
	fmt.Fprintf(f, "opn.Client(%s)", mode)
}

func (c *Client) live() bool { return c.keys != nil && !isTest(c.keys().secret) }

// checker collects what is wrong with a request. No problem quotes a value, because a
// key may have been passed by mistake.
type checker struct {
	check.Problems[ksher.FieldError]
}

// invalid returns an error if there are problems.
func (c *checker) invalid(operation string) error { return c.about(operation, "") }

// about is invalid with the number of what it is about.
func (c *checker) about(operation, no string) error {
	if len(c.Fields) == 0 {
		return nil
	}
	return &ksher.ValidationError{Operation: operation, OrderNo: no, Fields: c.Fields, Limits: c.Limits}
}

// request is implemented by pointers to the request types.
type request[T any] interface {
	*T
	// check collects what Opn's guide rules out.
	check(*checker)
	extra() ksher.Extra
}

// valid refuses a request that isn't to be sent.
func valid[T any, R request[T]](ctx context.Context, c *Client, operation string, req R) error {
	check := c.usable(ctx)
	if req == nil {
		check.Refuse("request", "is nil")
	} else {
		check.Unchecked = req.extra().Unchecked
		req.check(check)
	}
	return check.invalid(operation)
}

// usable says what keeps anything from being sent at all.
func (c *Client) usable(ctx context.Context) *checker {
	check := &checker{}
	if c == nil || c.keys == nil {
		check.Refuse("client", "was not made by NewClient")
	}
	if ctx == nil {
		check.Refuse("context", "is nil")
	}
	return check
}

// operation is what the call path has to know about a call. Make one with
// newOperation, whose arguments leave nothing out.
type operation struct {
	// name is for errors and logs, and id what it is about.
	name, id string
	effect   call.Effect
	path     string
	// key is the one it is made with.
	key string
	// form is the body of what creates something; nil for a query.
	form url.Values
	// accept reads the answer and says what is wrong with it. It returns the ID of
	// what came.
	accept func(body []byte) (id string, err error)
}

func newOperation(name, id string, effect call.Effect, path, key string, form url.Values, accept func(body []byte) (id string, err error)) *operation {
	return &operation{name, id, effect, path, key, form, accept}
}

// do is the way of every operation: it sends the request, reads the answer and hands
// it to accept.
func (c *Client) do(ctx context.Context, op *operation) error {
	return c.calls.Do(ctx, op.effect, call.Attempt{Operation: op.name, Order: op.id}, func() (call.Send, error) {
		return func(ctx context.Context, a *call.Attempt) *call.Failure {
			id, failure := c.exchange(ctx, op)
			if failure != nil {
				failure.ID, failure.Operation = cmp.Or(failure.ID, op.id), op.name
				a.Order = failure.ID
				return failure.forLoop()
			}
			a.Order = id
			return nil
		}, nil
	})
}

// errorAttrs tells what went wrong. What the other side said in words stays out:
// it may name the buyer.
func errorAttrs(err error) []slog.Attr {
	var failure *Error
	if errors.As(err, &failure) {
		return failure.forLoop().Attrs()
	}
	return []slog.Attr{slog.Any("cause", err)}
}

// exchange sends the request and reads the answer.
func (c *Client) exchange(ctx context.Context, op *operation) (id string, failure *Error) {
	header := http.Header{
		"Authorization": {"Basic " + base64.StdEncoding.EncodeToString([]byte(op.key+":"))},
		"Omise-Version": {APIVersion},
		"Accept":        {"application/json"},
	}
	method := http.MethodGet
	if op.form != nil {
		method = http.MethodPost
		header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	answer, sent, err := c.sender.Do(ctx, method, c.baseURL+op.path, header, op.form.Encode())
	if err != nil {
		return "", &Error{HTTPStatus: answer.Status, Err: c.keys().hide.Shield(err), state: call.State{Unknown: sent}}
	}
	// Before anything is cut short, perhaps within a key.
	answer.Body = c.keys().without(answer.Body)
	if answer.Status < 200 || answer.Status > 299 {
		return "", refusal(answer)
	}
	if id, err = op.accept(answer.Body); err != nil {
		failure := &Error{HTTPStatus: answer.Status, Err: c.keys().hide.Shield(err), state: call.State{Unknown: true}}
		if op.effect == call.Change {
			failure.ID = idOfCharge(answer.Body)
		}
		return "", failure
	}
	return id, nil
}

// idOfCharge is the ID in an answer about a charge that isn't believed, "" if there
// is none. It says what may have been made.
func idOfCharge(body []byte) string {
	members, err := wire.ParseObject(body)
	if err != nil || text(members, "object") != "charge" || !isID("chrg", text(members, "id")) {
		return ""
	}
	return text(members, "id")
}

// text is a member that is a text, "" if there is none.
func text(members []wire.Member, name string) string {
	if value, ok := wire.Find(members, name); ok && value.Kind == wire.String {
		return string(value.Text())
	}
	return ""
}

// refusal makes an error of an answer that isn't a success. It is documented that
// a refusal is an error object with a status of 4xx; after anything else the
// request may have been carried out.
func refusal(answer transport.Answer) *Error {
	failure := &Error{HTTPStatus: answer.Status}
	refused := readError(answer.Body, failure)
	if !refused {
		failure.Message = transport.Quote(answer.Body)
	}
	switch {
	case refused && 400 <= answer.Status && answer.Status < 500:
		return failure
	case 300 <= answer.Status && answer.Status < 400:
		failure.Err = fault.ErrRedirect
	default:
		failure.Err = fault.ErrHTTPStatus
	}
	failure.state.Unknown = true
	return failure
}

// readError reads {"object":"error","location":…,"code":…,"message":…}, and tells
// whether it is that.
func readError(body []byte, failure *Error) bool {
	members, err := wire.ParseObject(body)
	if err != nil {
		return false
	}
	said := func(name string) string { return clip(text(members, name)) }
	if said("object") != "error" || said("code") == "" {
		return false
	}
	failure.Code, failure.Message, failure.Location = said("code"), said("message"), said("location")
	return true
}

// readObject reads an answer that has to be an object of Opn's of that kind.
func readObject(body []byte, kind string, dst any) error {
	if len(bytes.TrimSpace(body)) == 0 {
		return fault.ErrEmptyBody
	}
	// It is stricter than encoding/json, which takes the last of two members of
	// one name.
	members, err := wire.ParseObject(body)
	if err != nil {
		return fault.JSON(err)
	}
	if text(members, "object") != kind {
		return fmt.Errorf("%w: its object is not %q", fault.ErrField, kind)
	}
	if err := json.Unmarshal(body, dst); err != nil {
		return fmt.Errorf("%w: %s", fault.ErrField, clip(err.Error())) // It may quote the member, however long.
	}
	return nil
}
