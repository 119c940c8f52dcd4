package conformance_test

import (
	"bytes"
	"context"
	"crypto/md5"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"unicode/utf8"

	"github.com/stretchr/testify/require"

	"github.com/ksher-go/ksher"
	"github.com/ksher-go/ksher/internal/sandbox"
	"github.com/ksher-go/ksher/internal/sandbox/sandboxtest"
	"github.com/ksher-go/ksher/internal/shortrsa"
)

// The flaws of shops that don't use this library's handler.
const (
	none         = "none"
	trusting     = "trusts the signature without asking"
	unsigned     = "doesn't check the signature"
	undeduped    = "fulfils again what comes again"
	amountless   = "doesn't compare the amount"
	currencyless = "doesn't compare the currency"
	strangers    = "accepts unknown numbers"
	forgetful    = "says SUCCESS before anything durable has the payment"
	amnesiac     = "notes only in memory what it has done"
	omnivorous   = "takes any body"
	fulfilsEnded = "fulfils cancelled orders"
	resultless   = "takes any answer about an order for a payment"
	givesUp      = "refuses for good if the gateway doesn't answer"
	refusing     = "refuses everything"
	gullible     = "checks and asks nothing"
	single       = "serves one request at a time"
	numerical    = "takes fees as numbers only"
	late         = "refuses what isn't paid, and fulfils it later"
)

// total is what an order costs.
const total = 150_50

// errBody means that a body can't be read as a notification.
var errBody = errors.New("not a notification")

// shop is one whose database survives a kill, unlike its memory.
type shop struct {
	t      *testing.T
	gw     *sandbox.Gateway
	flaw   string
	server *httptest.Server
	native bool // its orders are made by native_pay
	// handle is the handler that is tested.
	handle http.Handler

	serving  sync.Mutex
	mu       sync.Mutex
	made     int
	database map[string]int // how often each order was fulfilled
	memory   map[string]int
	noted    map[string]bool // in memory
	jobs     []string
	queued   [][]byte
	worker   *ksher.Notifications
}

// newShop returns a shop with that flaw, written without this library's handler.
func newShop(t *testing.T, flaw string) *shop {
	t.Helper()
	var opts []sandbox.Option
	if flaw == numerical {
		opts = append(opts, sandbox.WithVariedFees())
	}
	s := &shop{t: t, gw: sandbox.New(t, opts...), flaw: flaw, database: make(map[string]int)}
	s.handle = http.HandlerFunc(s.byHand)
	s.forget()
	s.server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { s.handle.ServeHTTP(w, r) }))
	t.Cleanup(s.server.Close)
	return s
}

// forget is what a kill does to the memory.
func (s *shop) forget() {
	s.memory, s.noted = make(map[string]int), make(map[string]bool)
	if s.flaw == forgetful {
		s.queued = nil
	}
}

func (s *shop) restart(context.Context) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.forget()
	return nil
}

// order creates an order.
func (s *shop) order(ctx context.Context) (string, error) {
	s.mu.Lock()
	s.made++
	no := fmt.Sprintf("A-%03d", s.made)
	s.mu.Unlock()
	if s.native {
		req := sandboxtest.NativePay(no, ksher.ChannelTrueMoney)
		req.NotifyURL, req.TotalFee = s.server.URL, total
		_, err := s.gw.Client.NativePay(ctx, req)
		return no, err
	}
	req := sandboxtest.GatewayPay(no)
	req.MchNotifyURL, req.TotalFee = s.server.URL, total
	_, err := s.gw.Client.GatewayPay(ctx, req)
	return no, err
}

// fulfilled counts, after the jobs that wait have run.
func (s *shop) fulfilled(ctx context.Context, no string) (int, error) {
	s.work(ctx)
	s.mu.Lock()
	defer s.mu.Unlock()
	n := s.database[no] + s.memory[no]
	for _, job := range s.jobs {
		s.database[job]++
	}
	s.jobs = nil
	return n, nil
}

// expects tells the orders of the shop.
func (s *shop) expects(no string) bool {
	var i int
	_, err := fmt.Sscanf(no, "A-%03d", &i)
	s.mu.Lock()
	defer s.mu.Unlock()
	return err == nil && 0 < i && i <= s.made
}

// library lets the shop use this library's handler. It forgets, in a kill, what it has in
// its memory.
func (s *shop) library() {
	payments, err := ksher.NewPayments(s.gw.Client, func(_ context.Context, o *ksher.Order) error {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.database[o.MchOrderNo]++
		return nil
	})
	require.NoError(s.t, err)
	notifications, err := payments.Notifications(func(_ context.Context, no string) (ksher.OpenOrder, error) {
		if !s.expects(no) {
			return ksher.OpenOrder{}, ksher.ErrNotOurs
		}
		s.mu.Lock()
		defer s.mu.Unlock()
		host := ksher.HostGateway
		if s.native {
			host = ksher.HostMerchant
		}
		return ksher.OpenOrder{MchOrderNo: no, Host: host, TotalFee: total, FeeType: "THB", Booked: s.database[no] > 0}, nil
	})
	require.NoError(s.t, err)
	s.handle = notifications
}

// queue lets the shop put notifications into a queue, whose worker runs when somebody looks.
func (s *shop) queue() {
	s.library()
	s.worker = s.handle.(*ksher.Notifications)
	receiver, err := ksher.NewReceiver(sandbox.Verifier(), func(_ context.Context, body []byte) error {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.queued = append(s.queued, body)
		return nil
	})
	require.NoError(s.t, err)
	s.handle = receiver
}

// work does what the queue has, and keeps what is worth another try.
func (s *shop) work(ctx context.Context) {
	s.mu.Lock()
	bodies := s.queued
	s.queued = nil
	s.mu.Unlock()
	for _, body := range bodies {
		if again, err := s.worker.Accept(ctx, body); err != nil && again {
			s.mu.Lock()
			s.queued = append(s.queued, body)
			s.mu.Unlock()
		}
	}
}

// byHand handles a notification.
func (s *shop) byHand(w http.ResponseWriter, r *http.Request) {
	if s.flaw == single {
		s.serving.Lock()
		defer s.serving.Unlock()
	}
	err := s.take(w, r)
	if s.flaw == refusing {
		err = errors.New("it always fails")
	}
	if err != nil {
		w.WriteHeader(http.StatusServiceUnavailable)
		return
	}
	io.WriteString(w, `{"result":"SUCCESS","msg":"OK"}`)
}

func (s *shop) take(w http.ResponseWriter, r *http.Request) error {
	o, err := s.read(w, r)
	switch {
	case errors.Is(err, errBody) && s.flaw == omnivorous:
		return nil
	case err != nil:
		return err
	case !s.expects(o.MchOrderNo) && s.flaw == strangers:
		return nil
	case !s.expects(o.MchOrderNo):
		return errors.New("unknown")
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.done(o.MchOrderNo) {
		return nil
	}
	if s.flaw != trusting && s.flaw != gullible {
		if o, err = s.ask(r.Context(), o.MchOrderNo); err != nil {
			return err
		}
	}
	if !s.paid(o) {
		if s.flaw == late {
			s.jobs = append(s.jobs, o.MchOrderNo)
		}
		return errors.New("not paid, or not as expected")
	}
	s.fulfil(o.MchOrderNo)
	return nil
}

// read reads a notification.
func (s *shop) read(w http.ResponseWriter, r *http.Request) (*ksher.Order, error) {
	if r.Method != http.MethodPost {
		return nil, errBody
	}
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, 64<<10))
	if err != nil {
		return nil, errBody
	}
	if plain, err := url.QueryUnescape(string(body)); err == nil && bytes.HasPrefix(body, []byte("%")) {
		body = []byte(plain)
	}
	var n notification
	if err := json.Unmarshal(body, &n); err != nil || !utf8.Valid(body) {
		return nil, errBody
	}
	if s.flaw != unsigned && s.flaw != gullible && !n.signed() {
		return nil, errors.New("not signed")
	}
	fee, err := ksher.ParseAmount(n.value("total_fee"))
	o := &ksher.Order{
		AppID: n.value("appid"), MchOrderNo: n.value("mch_order_no"), Result: ksher.Result(n.value("result")),
		TotalFee: fee / 100, FeeType: n.value("fee_type"),
	}
	if o.AppID != sandbox.AppID && s.flaw != gullible {
		err = errors.New("another app ID")
	}
	return o, err
}

// notification is one as somebody reads it who follows the documentation and no more.
type notification struct {
	Data map[string]any
	Sign string
}

func (n *notification) value(name string) string {
	if f, ok := n.Data[name].(float64); ok {
		return strconv.FormatFloat(f, 'f', -1, 64)
	}
	text, _ := n.Data[name].(string)
	return text
}

func (n *notification) signed() bool {
	var pairs []string
	for name := range n.Data {
		pairs = append(pairs, name+"="+n.value(name))
	}
	slices.Sort(pairs)
	key, err := shortrsa.NewPublicKey(sandbox.PublicKey(ksher.SignV1))
	sign, hexErr := hex.DecodeString(n.Sign)
	return err == nil && hexErr == nil && key.Verify(md5.Sum([]byte(strings.Join(pairs, ""))), sign) == nil
}

func (s *shop) done(no string) bool {
	switch s.flaw {
	case undeduped:
		return false
	case amnesiac:
		return s.noted[no]
	}
	return s.database[no]+s.memory[no] > 0
}

// ask asks the gateway.
func (s *shop) ask(ctx context.Context, no string) (*ksher.Order, error) {
	answer, err := s.gw.Client.GatewayOrderQuery(ctx, &ksher.GatewayOrderQueryRequest{MchOrderNo: no})
	if err != nil && s.flaw == givesUp {
		s.noted[no] = true
	}
	if s.noted[no] && s.flaw == givesUp {
		return nil, errors.New("given up")
	}
	if err != nil {
		return nil, err
	}
	if s.flaw == numerical && bytes.Contains(answer.Data, []byte(`_fee":"`)) {
		return nil, errors.New("not a number")
	}
	return &answer.Order, nil
}

// paid compares an order with the books.
func (s *shop) paid(o *ksher.Order) bool {
	right := o.Result.Paid() || s.flaw == fulfilsEnded && o.Result == ksher.ResultClosed || s.flaw == resultless
	return right && (o.TotalFee == total || s.flaw == amountless) && (o.FeeType == "THB" || s.flaw == currencyless)
}

func (s *shop) fulfil(no string) {
	if s.flaw == forgetful {
		s.memory[no]++
		return
	}
	s.database[no]++
	s.noted[no] = true
}

func TestMain(m *testing.M) {
	slog.SetDefault(slog.New(slog.DiscardHandler))
	m.Run()
}
