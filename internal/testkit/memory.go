package testkit

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"net/url"
	"path"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/ksher-go/ksher"
	"github.com/ksher-go/ksher/internal/sandbox"
)

// ResolvePayout asks what became of a payout. It may never be repeated.
func ResolvePayout(ctx context.Context, c *ksher.Client, req *ksher.PayoutRequest) (ksher.Verdict, *ksher.OrderQueryPayoutResponse, error) {
	res, err := c.Resolve(ctx, req)
	if err != nil {
		return "", nil, err
	}
	if res.MayRepeat {
		return "may be repeated", nil, nil
	}
	return res.Verdict, res.Payout, nil
}

// Telling is a gateway host that says the same about every order.
func Telling(result ksher.Result, change ...func(*ksher.Order)) *InMemory {
	return &InMemory{Answer: func(r *http.Request, _ string, form url.Values) ([]byte, error) {
		return Tells(result, append(change, WithNumber(form.Get("mch_order_no")))...)(r)
	}}
}

// AnswersOf is both hosts, each operation of which gives its reply.
func AnswersOf(replies map[string]Reply) *InMemory {
	return &InMemory{Answer: func(r *http.Request, op string, _ url.Values) ([]byte, error) {
		if fn := replies[op]; fn != nil {
			return fn(r)
		}
		return []byte(`{"code":1,"msg":"not expected in this test"}`), nil
	}}
}

func NotConnected(*http.Request) ([]byte, error) {
	return nil, &net.OpError{Op: "dial", Err: ErrLine}
}

// InMemory is both of Ksher's hosts without a network, so that it works within
// testing/synctest. It notes what it was asked, and when.
type InMemory struct {
	Answer func(r *http.Request, operation string, form url.Values) ([]byte, error)

	mu    sync.Mutex
	asked []Question
}

type Question struct {
	Operation string
	Form      url.Values
	At        time.Time
}

func (m *InMemory) RoundTrip(r *http.Request) (*http.Response, error) {
	if err := r.ParseForm(); err != nil {
		return nil, err
	}
	r.Body.Close()
	op := path.Base(r.URL.Path)
	m.mu.Lock()
	m.asked = append(m.asked, Question{op, r.PostForm, time.Now()})
	m.mu.Unlock()
	body, err := m.Answer(r, op, r.PostForm)
	if err != nil {
		return nil, err
	}
	return &http.Response{StatusCode: http.StatusOK, Header: http.Header{}, ContentLength: int64(len(body)),
		Body: io.NopCloser(bytes.NewReader(body)), Request: r}, nil
}

// Questions is what was asked by that operation, by any if it is "".
func (m *InMemory) Questions(operation string) []Question {
	m.mu.Lock()
	defer m.mu.Unlock()
	all := slices.Clone(m.asked)
	return slices.DeleteFunc(all, func(q Question) bool { return operation != "" && q.Operation != operation })
}

// Client asks the hosts in memory, each query once.
func (m *InMemory) Client(tb testing.TB, opts ...ksher.Option) *ksher.Client {
	tb.Helper()
	client, err := ksher.NewClient(sandbox.AppID, sandbox.PrivateKey(), append([]ksher.Option{
		ksher.WithHTTPClient(&http.Client{Transport: m}),
		ksher.WithVerifier(sandbox.Verifier()),
		ksher.WithRetry(1, 0),
	}, opts...)...)
	require.NoError(tb, err)
	return client
}

// Reply is an answer of a host, or the way in which it gives none.
type Reply func(*http.Request) ([]byte, error)

// Tells answers with an order, changed by the functions.
func Tells(result ksher.Result, change ...func(*ksher.Order)) Reply {
	o := &ksher.Order{AppID: sandbox.AppID, MchOrderNo: OrderNo, TotalFee: 100_00, FeeType: "THB", Result: result}
	for _, fn := range change {
		fn(o)
	}
	return func(*http.Request) ([]byte, error) { return sandbox.SignedResponse(o), nil }
}

// Denies refuses with a code, in due form.
func Denies(code ksher.Code) Reply {
	return Says(string(sandbox.SignedResponse(map[string]string{"result": "FAIL", "err_code": string(code)})))
}

func Says(body string) Reply {
	return func(*http.Request) ([]byte, error) { return []byte(body), nil }
}

var ErrLine = errors.New("the line is dead")

func Breaks(*http.Request) ([]byte, error) { return nil, ErrLine }

// These change the order of tells.
func WithNumber(no string) func(*ksher.Order) { return func(o *ksher.Order) { o.MchOrderNo = no } }

func WithTotal(total ksher.Amount) func(*ksher.Order) {
	return func(o *ksher.Order) { o.TotalFee = total }
}

func WithCurrency(feeType string) func(*ksher.Order) {
	return func(o *ksher.Order) { o.FeeType = feeType }
}

func WithChannel(ch ksher.Channel) func(*ksher.Order) { return func(o *ksher.Order) { o.Channel = ch } }

func WithKsherNo(no string) func(*ksher.Order) { return func(o *ksher.Order) { o.KsherOrderNo = no } }

func WithMerchantHostNo(no string) func(*ksher.Order) {
	return func(o *ksher.Order) { o.PayMchOrderNo = no }
}
