// Package sentonce proves that what changes something arrives once, however a stream or
// a connection ends: with every client, over HTTP/2 and HTTP/1.1, with the default
// transport, a merchant's own and one inside another.
package sentonce

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"math/big"
	"net"
	"net/http"
	"os"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/contrib/instrumentation/net/http/otelhttp"
	"golang.org/x/net/http2"

	"github.com/ksher-go/ksher"
	"github.com/ksher-go/ksher/internal/sandbox"
	"github.com/ksher-go/ksher/internal/transport"
	"github.com/ksher-go/ksher/opn"
	"github.com/ksher-go/ksher/vip"
)

var (
	certificate tls.Certificate
	roots       = x509.NewCertPool()
	// quick makes a handshake of the thousands take a fraction of the time.
	quick   = []tls.CurveID{tls.CurveP256}
	gateway *sandbox.Gateway
	shop    *clients // Talks to the gateway itself.

	// What there is to query.
	paidOut, paidVIP, charged string
)

func TestMain(m *testing.M) {
	os.Exit(func() int {
		certificate = selfSigned()
		roots.AddCert(certificate.Leaf)
		def := transport.Shared().TLSClientConfig
		def.RootCAs, def.CurvePreferences = roots, quick
		var err error
		gateway, err = sandbox.Start()
		must(err)
		defer gateway.Close()
		gateway.OpenPayouts()
		shop, err = newClients(gateway.URL(), nil)
		must(err)
		paidOut, paidVIP, charged = number(), vipOrder(), charge()
		must(payout(paidOut)(context.Background(), shop))
		return m.Run()
	}())
}

func must(err error) {
	if err != nil {
		panic(err)
	}
}

func selfSigned() tls.Certificate {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	must(err)
	sheet := &x509.Certificate{
		SerialNumber: big.NewInt(1), IsCA: true, BasicConstraintsValid: true,
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
	}
	der, err := x509.CreateCertificate(rand.Reader, sheet, sheet, &key.PublicKey, key)
	must(err)
	leaf, err := x509.ParseCertificate(der)
	must(err)
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key, Leaf: leaf}
}

// clients are a client of each kind.
type clients struct {
	ksher *ksher.Client
	vip   *vip.Client
	opn   *opn.Client
}

// newClients returns clients that send each query at most 3 times, through the default
// transport if rt is nil.
func newClients(base string, rt http.RoundTripper) (c *clients, err error) {
	c = &clients{}
	k := []ksher.Option{
		ksher.WithGatewayURL(base + "/api"), ksher.WithMerchantURL(base + "/KsherPay"),
		ksher.WithVerifier(sandbox.Verifier()), ksher.WithRetry(3, 0),
	}
	v := []vip.Option{vip.WithRetry(3, 0)}
	o := []opn.Option{opn.WithBaseURL(base + "/opn"), opn.WithRetry(3, 0)}
	if rt != nil {
		client := &http.Client{Transport: rt}
		k, v, o = append(k, ksher.WithHTTPClient(client)), append(v, vip.WithHTTPClient(client)), append(o, opn.WithHTTPClient(client))
	}
	if c.ksher, err = ksher.NewClient(sandbox.AppID, sandbox.PrivateKey(), k...); err != nil {
		return nil, err
	}
	if c.vip, err = vip.NewClient(base, sandbox.VIPToken, v...); err != nil {
		return nil, err
	}
	c.opn, err = opn.NewClient(sandbox.OpnPublicKey, sandbox.OpnSecretKey, o...)
	return c, err
}

// transports are what the clients send through.
var transports = []struct {
	name string
	make func(t *testing.T) http.RoundTripper
}{
	{"default", func(*testing.T) http.RoundTripper { return nil }},
	{"own", func(t *testing.T) http.RoundTripper { return ownTransport(t) }},
	{"wrapped", func(t *testing.T) http.RoundTripper { return otelhttp.NewTransport(ownTransport(t)) }},
}

func ownTransport(t *testing.T) *http.Transport {
	own := &http.Transport{ForceAttemptHTTP2: true, TLSClientConfig: &tls.Config{RootCAs: roots, CurvePreferences: quick}}
	t.Cleanup(own.CloseIdleConnections)
	return own
}

var numbers atomic.Int64

func number() string { return fmt.Sprintf("N%d", numbers.Add(1)) }

// operation is a call of one of the clients. prepare does what has to be there before.
type operation struct {
	name   string
	change bool
	// prepare returns the call, and a query to warm the connection up.
	prepare func(t *testing.T) (call, warm func(context.Context, *clients) error)
}

var operations = []operation{
	{"ksher payout", true, func(t *testing.T) (call, warm func(context.Context, *clients) error) {
		return payout(number()), queryPayout(paidOut)
	}},
	{"ksher query", false, func(t *testing.T) (call, warm func(context.Context, *clients) error) {
		query := queryPayout(paidOut)
		return query, query
	}},
	{"vip refund", true, func(t *testing.T) (call, warm func(context.Context, *clients) error) {
		no := vipOrder()
		return func(ctx context.Context, c *clients) error {
			_, err := c.vip.Refund(ctx, vip.KindRedirect, &vip.RefundRequest{MerchantOrderID: no, RefundOrderID: no + "R", RefundAmount: 100})
			return err
		}, queryVIP(paidVIP)
	}},
	{"vip query", false, func(t *testing.T) (call, warm func(context.Context, *clients) error) {
		query := queryVIP(paidVIP)
		return query, query
	}},
	{"opn charge", true, func(t *testing.T) (call, warm func(context.Context, *clients) error) {
		source, err := shop.opn.CreateSource(t.Context(), &opn.CreateSourceRequest{Amount: 100_00, Currency: "THB"})
		require.NoError(t, err)
		return func(ctx context.Context, c *clients) error {
			_, err := c.opn.CreateCharge(ctx, &opn.CreateChargeRequest{Amount: 100_00, Currency: "THB", Source: source.ID, ReturnURI: "https://shop.example/"})
			return err
		}, queryCharge(charged)
	}},
	{"opn query", false, func(t *testing.T) (call, warm func(context.Context, *clients) error) {
		query := queryCharge(charged)
		return query, query
	}},
}

func payout(no string) func(context.Context, *clients) error {
	return func(ctx context.Context, c *clients) error {
		_, err := c.ksher.Payout(ctx, &ksher.PayoutRequest{
			MchOrderNo: no, TotalFee: 1_00, FeeType: "THB",
			ReceiverType: "PROMPTPAY_MSISDN", ReceiverNo: ksher.NewSecret("0812345678"),
			Extra: ksher.Extra{Unchecked: []string{"time_stamp"}}, // Tests run at any hour.
		})
		return err
	}
}

func queryPayout(no string) func(context.Context, *clients) error {
	return func(ctx context.Context, c *clients) error {
		_, err := c.ksher.OrderQueryPayout(ctx, &ksher.OrderQueryPayoutRequest{MchOrderNo: no})
		return err
	}
}

func vipOrder() string {
	no := number()
	_, err := shop.vip.Create(context.Background(), &vip.RedirectRequest{
		MerchantOrderID: no, Amount: 100, RedirectURL: "https://shop.example/", RedirectURLFail: "https://shop.example/", Channel: []string{"truemoney"},
	})
	must(err)
	must(gateway.Pay(no, ksher.ChannelTrueMoney))
	return no
}

func queryVIP(no string) func(context.Context, *clients) error {
	return func(ctx context.Context, c *clients) error {
		_, err := c.vip.Query(ctx, vip.KindRedirect, &vip.QueryRequest{MerchantOrderID: no})
		return err
	}
}

func charge() string {
	charge, err := shop.opn.CreateChargeWithSource(context.Background(), &opn.CreateChargeWithSourceRequest{Amount: 100_00, Currency: "THB", ReturnURI: "https://shop.example/"})
	must(err)
	return charge.ID
}

func queryCharge(id string) func(context.Context, *clients) error {
	return func(ctx context.Context, c *clients) error {
		_, err := c.opn.GetCharge(ctx, id)
		return err
	}
}

// verdict is what is true of a request after an ending.
type verdict int

const (
	// inDoubt requests may have been processed.
	inDoubt verdict = iota
	// untaken requests weren't, for certain.
	untaken
	// either: whether it was written when the connection ended depends on the moment.
	either
	// answered requests have their answer all the same.
	answered
)

// ending is a way in which a stream or a connection ends.
type ending struct {
	name string
	at   step
	do   func(c *conn, id uint32)
	want verdict
}

var steps = map[step]string{
	beforeSettings: "before the settings", afterSettings: "after the settings", afterHeaders: "after the headers",
	afterRequest: "after the request", afterAnswerHeaders: "after the answer's headers", withinAnswer: "within the answer",
	whenIdle: "when idle",
}

func endings() (all []ending) {
	add := func(name string, want verdict, at step, do func(c *conn, id uint32)) {
		all = append(all, ending{name + " " + steps[at], at, do, want})
	}
	for _, at := range []step{afterHeaders, afterRequest, afterAnswerHeaders, withinAnswer} {
		codes := []http2.ErrCode{http2.ErrCodeNo, http2.ErrCodeProtocol, http2.ErrCodeRefusedStream}
		if at == afterRequest {
			codes = []http2.ErrCode{0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 99}
		}
		for _, code := range codes {
			want := inDoubt
			if code == http2.ErrCodeRefusedStream && at <= afterRequest {
				want = untaken
			}
			add("RST_STREAM "+code.String(), want, at, func(c *conn, id uint32) { c.framer.WriteRSTStream(id, code) })
		}
	}
	for _, code := range []http2.ErrCode{http2.ErrCodeNo, http2.ErrCodeEnhanceYourCalm} {
		goAway := "GOAWAY " + code.String()
		for _, at := range []step{afterHeaders, afterRequest} {
			add(goAway+" with last 0", untaken, at, func(c *conn, _ uint32) { c.leave(0, code) })
			add(goAway+" with the last before", untaken, at, func(c *conn, id uint32) { c.leave(max(id, 2)-2, code) })
			add(goAway+" with this as the last", inDoubt, at, func(c *conn, id uint32) { c.leave(id, code) })
			add(goAway+" with a later one as the last", inDoubt, at, func(c *conn, id uint32) { c.leave(id+2, code) })
			add(goAway+" with the highest as the last", inDoubt, at, func(c *conn, _ uint32) { c.leave(1<<31-1, code) })
			add(goAway+" with first the highest and then 0", untaken, at, func(c *conn, _ uint32) {
				c.framer.WriteGoAway(1<<31-1, code, nil)
				c.leave(0, code)
			})
		}
		add(goAway+" with this as the last", inDoubt, withinAnswer, func(c *conn, id uint32) { c.leave(id, code) })
		add(goAway+" with last 0", inDoubt, withinAnswer, func(c *conn, _ uint32) { c.leave(0, code) })
		add(goAway+" with last 0", untaken, afterSettings, func(c *conn, _ uint32) { c.leave(0, code) })
		add(goAway+" with this as the last", untaken, whenIdle, func(c *conn, id uint32) { c.leave(id, code) })
	}
	add("debug data that claims REFUSED_STREAM", inDoubt, afterRequest, func(c *conn, id uint32) {
		c.framer.WriteGoAway(id, http2.ErrCodeNo, []byte("stream error: stream ID 1; REFUSED_STREAM; received from peer"))
		c.CloseWrite()
	})
	for _, at := range []step{beforeSettings, afterSettings, afterHeaders, afterRequest, afterAnswerHeaders, withinAnswer, whenIdle} {
		want := inDoubt
		if at == beforeSettings || at == afterSettings || at == whenIdle {
			want = either
		}
		add("a close", want, at, func(c *conn, _ uint32) { c.hangUp() })
		add("a reset", want, at, func(c *conn, _ uint32) { c.drop() })
	}
	add("nothing bad", answered, whenIdle, func(*conn, uint32) {})
	return all
}

const always = 1 << 30

// attempts is how often the clients send a query.
const attempts = 3

func TestHTTP2(t *testing.T) {
	for _, tr := range transports {
		for _, op := range operations {
			for _, end := range endings() {
				for _, warm := range []bool{false, true} {
					if end.at < afterHeaders && warm || end.at == whenIdle && !warm {
						continue
					}
					for _, times := range []int64{1, always} {
						if warm && times != 1 {
							continue
						}
						name := fmt.Sprintf("%s/%s/%s/warm %v/times %d", tr.name, op.name, end.name, warm, times)
						t.Run(name, func(t *testing.T) { tryHTTP2(t, tr.make(t), op, end, warm, times) })
					}
				}
			}
		}
	}
}

func tryHTTP2(t *testing.T, rt http.RoundTripper, op operation, end ending, warm bool, times int64) {
	p := newPeer(t, gateway.URL(), end)
	c, err := newClients(p.url(), rt)
	require.NoError(t, err)
	call, query := op.prepare(t)
	if end.at == whenIdle {
		p.left.Store(times)
	}
	if warm {
		require.NoError(t, query(t.Context(), c))
	}
	if end.at != whenIdle {
		p.left.Store(times)
	}
	arrived, carried := p.arrived.Load(), p.carried.Load()

	err = call(t.Context(), c)
	judge(t, op, end.want, times, err, p.arrived.Load()-arrived, p.carried.Load()-carried)
	if op.change && end.want != answered {
		assert.Zero(t, p.again.Load(), "it went out once more over the same connection")
	}
}

// judge compares what came of a call with what is to come of it.
func judge(t *testing.T, op operation, want verdict, times int64, err error, arrived, carried int64) {
	t.Logf("%d arrived, %d carried out: %v", arrived, carried, err)
	doubt := errors.Is(err, ksher.ErrOutcomeUnknown)
	if !op.change {
		assert.False(t, doubt)
		assert.LessOrEqual(t, arrived, int64(attempts))
		assert.Equal(t, times == always && want != answered && want != either, err != nil && want != either, "%v", err)
		return
	}
	assert.LessOrEqual(t, carried, int64(1), "carried out more than once")
	switch want {
	case answered:
		assert.NoError(t, err)
		assert.EqualValues(t, 1, arrived)
	case inDoubt:
		assert.True(t, doubt, "%v", err)
		assert.EqualValues(t, 1, arrived)
	case untaken:
		assert.False(t, doubt, "%v", err)
		assert.LessOrEqual(t, arrived, int64(2))
		if times == 1 {
			assert.NoError(t, err)
			assert.EqualValues(t, 1, carried)
		} else {
			assert.Error(t, err)
			assert.Zero(t, carried)
		}
	case either:
		assert.LessOrEqual(t, arrived, int64(1))
		if err == nil {
			assert.EqualValues(t, 1, carried)
		} else if !doubt {
			assert.Zero(t, carried)
		}
	}
}
