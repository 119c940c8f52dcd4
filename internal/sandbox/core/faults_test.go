package core_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"math"
	"net/http"
	"net/http/httptest"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/ksher-go/ksher"
	"github.com/ksher-go/ksher/internal/fault"
	"github.com/ksher-go/ksher/internal/sandbox"
	"github.com/ksher-go/ksher/internal/sandbox/sandboxtest"
	"github.com/ksher-go/ksher/internal/testkit"
	"github.com/ksher-go/ksher/opn"
)

// Each fault on a request that creates an order: what the client makes of it,
// and whether the order is there.
// faultTest is a fault of gateway_pay, and what its client learns.
type faultTest struct {
	fault   sandbox.Fault
	want    error
	unknown bool
	created bool
}

func TestFaults(t *testing.T) {
	for _, c := range []faultTest{
		{sandbox.Fault{Kind: sandbox.FaultLatency, Delay: time.Millisecond}, nil, false, true},
		{sandbox.Fault{Kind: sandbox.FaultLatency, Delay: time.Hour}, context.Canceled, true, true},
		{sandbox.Fault{Kind: sandbox.FaultDropBefore}, io.EOF, true, false},
		{sandbox.Fault{Kind: sandbox.FaultDropAfter}, io.EOF, true, true},
		{sandbox.Fault{Kind: sandbox.FaultHTTP500}, fault.ErrHTTPStatus, true, false},
		{sandbox.Fault{Kind: sandbox.FaultHTML502}, fault.ErrHTTPStatus, true, false},
		{sandbox.Fault{Kind: sandbox.FaultEmpty}, fault.ErrEmptyBody, true, true},
		{sandbox.Fault{Kind: sandbox.FaultTruncated}, fault.ErrTruncatedJSON, true, true},
		{sandbox.Fault{Kind: sandbox.FaultEndless}, fault.ErrTooLarge, true, true},
		{sandbox.Fault{Kind: sandbox.FaultBadSignature}, fault.ErrSignatureMismatch, true, true},
		{sandbox.Fault{Kind: sandbox.FaultOtherKey}, fault.ErrSignatureMalformed, true, true},
		{sandbox.Fault{Kind: sandbox.FaultRefuse, Code: ksher.CodeKsherExceedAmountLimit}, ksher.CodeKsherExceedAmountLimit, false, false},
		{sandbox.Fault{Kind: sandbox.FaultRefuse, Code: ksher.CodeSystemError}, ksher.CodeSystemError, true, false},
		{sandbox.Fault{Kind: sandbox.FaultRefuse, Code: "NOT_DOCUMENTED"}, ksher.Code("NOT_DOCUMENTED"), true, false},
	} {
		t.Run(fmt.Sprint(c.fault.Kind, c.fault.Code, c.fault.Delay), c.run)
	}
}

// Only the merchant host says when it answered.
func TestClockSkew(t *testing.T) {
	gw := sandbox.New(t)
	require.NoError(t, gw.Inject(sandbox.Fault{Operation: "native_pay", Kind: sandbox.FaultClockSkew, Delay: time.Hour}))
	resp, err := gw.Client.NativePay(t.Context(), sandboxtest.NativePay("K-1", ksher.ChannelPromptPay))
	require.NoError(t, err)
	assert.WithinDuration(t, gw.Now().Add(time.Hour), resp.Envelope.TimeStamp, time.Second)
}

// cancelOnceThere cancels as soon as the gateway has the order, however slow the machine is.
func cancelOnceThere(ctx context.Context, cancel context.CancelFunc, gw *sandbox.Gateway) {
	defer cancel()
	for ctx.Err() == nil && (len(gw.Orders()) == 0 || len(gw.Requests()) == 0) {
		runtime.Gosched()
	}
}

func (c faultTest) run(t *testing.T) {
	gw := sandbox.New(t, sandbox.WithClientOptions(
		ksher.WithMaxResponseBytes(64<<10),
		// Of V1 alone, so that the other key shows.
		ksher.WithVerifier(verifierV1(t))))
	c.fault.Operation = "gateway_pay"
	require.NoError(t, gw.Inject(c.fault))
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	if c.want == context.Canceled {
		go cancelOnceThere(ctx, cancel, gw)
	}
	_, err := gw.Client.GatewayPay(ctx, sandboxtest.GatewayPay("A-1"))
	if c.want == nil {
		require.NoError(t, err)
	} else {
		assert.ErrorIs(t, err, c.want)
	}
	assert.Equal(t, c.unknown, errors.Is(err, ksher.ErrOutcomeUnknown))
	assert.Empty(t, gw.Faults(), "it happens once")
	_, err = gw.Order("A-1")
	assert.Equal(t, c.created, err == nil)

	last := gw.Requests()[len(gw.Requests())-1]
	assert.Equal(t, "gateway_pay", last.Operation)
	assert.Equal(t, c.fault.Kind, last.Fault)
	assert.Contains(t, last.SignText, "mch_order_no=A-1")
}

func TestFaultsHappenInTurn(t *testing.T) {
	gw := sandbox.New(t, sandbox.WithClientOptions(ksher.WithRetry(1, 0)))
	query := func() error {
		_, err := gw.Client.GatewayOrderQuery(t.Context(), &ksher.GatewayOrderQueryRequest{MchOrderNo: "none"})
		return err
	}
	require.NoError(t, gw.Inject(sandbox.Fault{Operation: "gateway_order_query", Kind: sandbox.FaultEmpty, Count: 2}))
	require.NoError(t, gw.Inject(sandbox.Fault{Operation: "gateway_order_query", Kind: sandbox.FaultHTTP500}))
	require.NoError(t, gw.Inject(sandbox.Fault{Operation: "order_query", Kind: sandbox.FaultHTTP500}))
	assert.ErrorIs(t, query(), fault.ErrEmptyBody)
	assert.ErrorIs(t, query(), fault.ErrEmptyBody)
	assert.ErrorIs(t, query(), fault.ErrHTTPStatus)
	assert.ErrorIs(t, query(), ksher.CodeOrderNotExist)
	assert.Len(t, gw.Faults(), 1, "the one of another operation")
	gw.ClearFaults()
	assert.Empty(t, gw.Faults())
}

func TestBadFaults(t *testing.T) {
	gw := sandbox.New(t)
	for _, f := range []sandbox.Fault{
		{},
		{Operation: "none", Kind: sandbox.FaultEmpty},
		{Operation: "order_query"},
		{Operation: "order_query", Kind: sandbox.FaultDuplicate},
		{Operation: "notify", Kind: sandbox.FaultLatency, Delay: 1},
		{Operation: "order_query", Kind: sandbox.FaultEmpty, Count: -1},
		{Operation: "order_query", Kind: sandbox.FaultRefuse},
		{Operation: "order_query", Kind: sandbox.FaultLatency},
		{Operation: "notify", Kind: sandbox.FaultLate, Delay: -time.Second},
	} {
		assert.Error(t, gw.Inject(f), "%+v", f)
	}
	for range 1000 {
		require.NoError(t, gw.Inject(sandbox.Fault{Operation: "order_query", Kind: sandbox.FaultEmpty}))
	}
	assert.ErrorContains(t, gw.Inject(sandbox.Fault{Operation: "order_query", Kind: sandbox.FaultEmpty}), "1000 faults wait")
}

// Every documented code can be had by asking for it.
func TestEveryCode(t *testing.T) {
	gw := sandbox.New(t)
	require.Len(t, ksher.Codes(), 71)
	for _, code := range ksher.Codes() {
		require.NoError(t, gw.Inject(sandbox.Fault{Operation: "order_refund", Kind: sandbox.FaultRefuse, Code: code}))
		_, err := gw.Client.OrderRefund(t.Context(), &ksher.OrderRefundRequest{
			MchOrderNo: "A-1", MchRefundNo: "R-1", RefundFee: 1, TotalFee: 1, FeeType: "THB"})
		assert.ErrorIs(t, err, code)
	}
}

func TestSchedule(t *testing.T) {
	testkit.Holds(t, testkit.Documented, "notification: one that isn't accepted comes 12 more times, over 29 hours")
	gw, s := sandbox.New(t), sandboxtest.NewShop(t)
	s.Answer = "no"
	start := gw.Now()
	sandboxtest.PaidOrder(t, gw, "A-1", s.URL)
	gw.Advance(48 * time.Hour)

	seen, err := gw.Order("A-1")
	require.NoError(t, err)
	var waited []time.Duration
	last := start
	for i, d := range seen.Deliveries {
		assert.Equal(t, i+1, d.Attempt)
		assert.False(t, d.Accepted)
		assert.Equal(t, "no", d.Answer)
		waited = append(waited, d.At.Sub(last))
		last = d.At
	}
	assert.Equal(t, []time.Duration{0, time.Second, 2 * time.Second, 2 * time.Second, 10 * time.Second, 30 * time.Second, time.Minute,
		10 * time.Minute, time.Hour, 3 * time.Hour, 5 * time.Hour, 8 * time.Hour, 12 * time.Hour}, waited)
	assert.Equal(t, start.Add(48*time.Hour), gw.Now())
	for _, body := range s.Bodies {
		assert.Equal(t, s.Bodies[0], body, "a repetition is the same notification")
	}
}

func TestScheduleEndsWhenAccepted(t *testing.T) {
	gw, s := sandbox.New(t), sandboxtest.NewShop(t)
	s.Answer = "no"
	sandboxtest.PaidOrder(t, gw, "A-1", s.URL)
	gw.Advance(4 * time.Second)
	s.Answer = `{"result":"SUCCESS","msg":"OK"}`
	gw.Advance(48 * time.Hour)
	assert.Len(t, s.Bodies, 4)
	sandbox.AssertNotified(t, gw, "A-1")

	require.NoError(t, gw.Deliver(t.Context(), "A-1"), "once more, as a repetition")
	assert.Len(t, s.Bodies, 5)
}

func TestNoNotificationAfterTwoHours(t *testing.T) {
	testkit.Holds(t, testkit.Documented, "notification: an order is watched for two hours, and a later payment isn't told")
	gw, s := sandbox.New(t), sandboxtest.NewShop(t)
	req := sandboxtest.GatewayPay("A-1")
	req.MchNotifyURL = s.URL
	_, err := gw.Client.GatewayPay(t.Context(), req)
	require.NoError(t, err)
	gw.Advance(2*time.Hour + time.Second)
	require.NoError(t, gw.Pay("A-1", ""))
	gw.Advance(48 * time.Hour)
	assert.Empty(t, s.Bodies)
	assert.ErrorIs(t, gw.Deliver(t.Context(), "A-1"), sandbox.ErrNoNotification)
}

func TestNotificationFaults(t *testing.T) {
	testkit.Holds(t, testkit.Published, "notification: one of Ksher's examples has no time_stamp or version, and an empty cash_fee of a paid order")
	verify := func(body string) error {
		_, err := ksher.ParseNotification([]byte(body), verifierV1(t))
		return err
	}
	for _, c := range []struct {
		kind sandbox.FaultKind
		want error
	}{
		{sandbox.FaultBadSignature, fault.ErrSignatureMismatch},
		{sandbox.FaultOtherKey, fault.ErrSignatureMalformed},
		{sandbox.FaultCorrupt, fault.ErrSignatureMismatch},
		{sandbox.FaultTruncated, fault.ErrTruncatedJSON},
	} {
		t.Run(string(c.kind), func(t *testing.T) {
			gw, s := sandbox.New(t), sandboxtest.NewShop(t)
			require.NoError(t, gw.Inject(sandbox.Fault{Operation: "notify", Kind: c.kind}))
			s.Answer = "no"
			sandboxtest.PaidOrder(t, gw, "A-1", s.URL)
			gw.Advance(time.Second)
			require.Len(t, s.Bodies, 2)
			assert.ErrorIs(t, verify(s.Bodies[0]), c.want)
			assert.NoError(t, verify(s.Bodies[1]), "the repetition is genuine")
		})
	}
	for _, kind := range []sandbox.FaultKind{sandbox.FaultEncoded, sandbox.FaultMinimal} {
		t.Run(string(kind), func(t *testing.T) {
			gw := sandbox.New(t)
			heard := make(chan string, 1)
			payments, err := ksher.NewPayments(gw.Client, func(_ context.Context, o *ksher.Order) error { heard <- o.MchOrderNo; return nil })
			require.NoError(t, err)
			notifications, err := payments.Notifications(func(_ context.Context, no string) (ksher.OpenOrder, error) {
				return sandboxtest.GatewayPay(no).OpenOrder(), nil
			})
			require.NoError(t, err)
			var body string
			shop := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				text, _ := io.ReadAll(r.Body)
				body = string(text)
				r.Body = io.NopCloser(strings.NewReader(body))
				notifications.ServeHTTP(w, r)
			}))
			defer shop.Close()
			require.NoError(t, gw.Inject(sandbox.Fault{Operation: "notify", Kind: kind}))
			sandboxtest.PaidOrder(t, gw, "A-1", shop.URL)
			gw.Advance(0)
			sandbox.AssertNotified(t, gw, "A-1")
			assert.Equal(t, "A-1", <-heard)
			if kind == sandbox.FaultEncoded {
				assert.True(t, strings.HasPrefix(body, "%7B%22"), body)
				return
			}
			var members map[string]any
			require.NoError(t, json.Unmarshal([]byte(body), &members))
			assert.ElementsMatch(t, []string{"code", "msg", "message", "data", "sign"}, slices.Collect(maps.Keys(members)))
			assert.Equal(t, "", members["data"].(map[string]any)["cash_fee"])
		})
	}
	t.Run("duplicate", func(t *testing.T) {
		gw, s := sandbox.New(t), sandboxtest.NewShop(t)
		require.NoError(t, gw.Inject(sandbox.Fault{Operation: "notify", Kind: sandbox.FaultDuplicate}))
		sandboxtest.PaidOrder(t, gw, "A-1", s.URL)
		gw.Advance(48 * time.Hour)
		assert.Len(t, s.Bodies, 2)
	})
	t.Run("late", func(t *testing.T) {
		gw, s := sandbox.New(t), sandboxtest.NewShop(t)
		require.NoError(t, gw.Inject(sandbox.Fault{Operation: "notify", Kind: sandbox.FaultLate, Delay: time.Hour}))
		sandboxtest.PaidOrder(t, gw, "A-1", s.URL)
		gw.Advance(time.Hour - time.Second)
		assert.Empty(t, s.Bodies)
		gw.Advance(time.Second)
		assert.Len(t, s.Bodies, 1)
	})
	t.Run("reorder", func(t *testing.T) {
		gw, s := sandbox.New(t), sandboxtest.NewShop(t)
		require.NoError(t, gw.Inject(sandbox.Fault{Operation: "notify", Kind: sandbox.FaultReorder}))
		sandboxtest.PaidOrder(t, gw, "A-1", s.URL)
		sandboxtest.PaidOrder(t, gw, "A-2", s.URL)
		gw.Advance(time.Minute)
		require.Len(t, s.Bodies, 2)
		assert.Contains(t, s.Bodies[0], `"A-2"`)
		assert.Contains(t, s.Bodies[1], `"A-1"`)
	})
}

// In real time the gateway notifies by itself, repeats by itself, and stops
// when it is closed.
func TestStartNotifiesByItself(t *testing.T) {
	gw, err := sandbox.Start(sandbox.WithSpeed(1000))
	require.NoError(t, err)
	defer gw.Close()
	heard := make(chan string, 10)
	refused := false
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		if !refused {
			refused = true
			w.WriteHeader(http.StatusInternalServerError)
			return
		}
		io.WriteString(w, `{"result":"SUCCESS","msg":"OK"}`)
		heard <- string(body)
	}))
	defer server.Close()
	sandboxtest.PaidOrder(t, gw, "A-1", server.URL)
	assert.True(t, bytes.Contains([]byte(<-heard), []byte(`"A-1"`)))
}

func TestBuyerInTheMiddle(t *testing.T) {
	testkit.Holds(t, testkit.Assumed, "gateway_order_query: an order is USERPAYING while the buyer is at it")
	testkit.Holds(t, testkit.Documented, "order_refund: what is settled is refused with KSHER_REFUND_EXPIRE")
	gw := sandbox.New(t)
	for _, no := range []string{"card", "qr", "gone"} {
		_, err := gw.Client.GatewayPay(t.Context(), sandboxtest.GatewayPay(no))
		require.NoError(t, err)
	}
	cancel := func(no string) error {
		_, err := gw.Client.CancelOrder(t.Context(), &ksher.CancelOrderRequest{MchOrderNo: no})
		return err
	}
	require.NoError(t, gw.Begin("card", ksher.ChannelCard))
	assert.Equal(t, ksher.ResultUserPaying, sandboxtest.GatewayState(t, gw, "card").Result)
	assert.ErrorIs(t, cancel("card"), ksher.CodeCancelError, "it waits for its OTP")
	require.NoError(t, gw.Pay("card", ""))
	assert.Equal(t, ksher.ChannelCard, sandboxtest.GatewayState(t, gw, "card").Channel, "the one that was begun")

	require.NoError(t, gw.Begin("qr", ksher.ChannelPromptPay))
	require.NoError(t, cancel("qr"))
	require.NoError(t, gw.Pay("qr", ksher.ChannelPromptPay))

	require.NoError(t, gw.Begin("gone", ""))
	require.NoError(t, gw.GiveUp("gone"))
	assert.Equal(t, ksher.ResultNotSure, sandboxtest.GatewayState(t, gw, "gone").Result)
	assert.ErrorIs(t, gw.GiveUp("gone"), sandbox.ErrNotPayable)

	assert.Error(t, gw.Settle("gone"))
	require.NoError(t, gw.Settle("card"))
	_, err := gw.Client.Refund(t.Context(), &ksher.RefundRequest{Host: ksher.HostGateway, MchOrderNo: "card", MchRefundNo: "R", RefundFee: 1})
	assert.ErrorIs(t, err, ksher.CodeKsherRefundExpire)
	seen, err := gw.Order("card")
	require.NoError(t, err)
	var steps []string
	for _, e := range seen.History {
		steps = append(steps, e.What)
	}
	assert.Equal(t, []string{"created over 150.50 THB", "the buyer is paying by card", "paid by card", "settled"}, steps)
}

func TestAccounts(t *testing.T) {
	testkit.Holds(t, testkit.Documented, "native_pay: alipay is for offline accounts, truemoney for online ones, and promptpay for both")
	for _, c := range []struct {
		account sandbox.Account
		channel ksher.Channel
		ok      bool
	}{
		{sandbox.AnyAccount, ksher.ChannelAlipay, true},
		{sandbox.OfflineAccount, ksher.ChannelAlipay, true},
		{sandbox.OnlineAccount, ksher.ChannelAlipay, false},
		{sandbox.OfflineAccount, ksher.ChannelTrueMoney, false},
		{sandbox.OnlineAccount, ksher.ChannelTrueMoney, true},
		{sandbox.OnlineAccount, ksher.ChannelPromptPay, true},
	} {
		gw := sandbox.New(t, sandbox.WithMerchant(sandbox.AppID, sandbox.Terms{Account: c.account}))
		_, err := gw.Client.NativePay(t.Context(), sandboxtest.NativePay("K-1", c.channel))
		if c.ok {
			assert.NoError(t, err, "%s %s", c.account, c.channel)
		} else {
			assert.ErrorIs(t, err, ksher.CodeNoAuth, "%s %s", c.account, c.channel)
		}
	}
}

func TestNativeExpiry(t *testing.T) {
	testkit.Holds(t, testkit.Documented, "native_pay: a code lasts 3 hours for alipay, 10 minutes for alipayplus, 2 hours for wechat, a day for truemoney, and for ever for promptpay")
	for channel, after := range map[ksher.Channel]time.Duration{
		ksher.ChannelAlipay:     3 * time.Hour,
		ksher.ChannelAlipayPlus: 10 * time.Minute,
		ksher.ChannelWeChat:     2 * time.Hour,
		ksher.ChannelTrueMoney:  24 * time.Hour,
		ksher.ChannelPromptPay:  0,
	} {
		gw := sandbox.New(t)
		_, err := gw.Client.NativePay(t.Context(), sandboxtest.NativePay("K-1", channel))
		require.NoError(t, err)
		gw.Advance(after - time.Second)
		seen, _ := gw.Order("K-1")
		assert.Equal(t, sandbox.Created, seen.State, string(channel))
		gw.Advance(time.Second)
		if after == 0 {
			gw.Advance(10000 * time.Hour)
			assert.NoError(t, gw.Pay("K-1", ""), "a PromptPay code never expires")
			continue
		}
		seen, _ = gw.Order("K-1")
		assert.Equal(t, sandbox.Expired, seen.State, string(channel))
	}
}

func TestOldOrdersAreForgotten(t *testing.T) {
	gw := sandbox.New(t, sandbox.WithMaxOrders(2))
	for _, no := range []string{"A-1", "A-2", "A-3"} {
		_, err := gw.Client.GatewayPay(t.Context(), sandboxtest.GatewayPay(no))
		require.NoError(t, err)
	}
	_, err := gw.Order("A-1")
	assert.ErrorIs(t, err, sandbox.ErrNoOrder)
	assert.Len(t, gw.Orders(), 2)
}

func TestBadOptions(t *testing.T) {
	for _, opt := range []sandbox.Option{
		sandbox.WithSpeed(-1), sandbox.WithSpeed(math.NaN()), sandbox.WithSpeed(math.Inf(1)), sandbox.WithSpeed(1e300),
		sandbox.WithMaxOrders(0), sandbox.WithAddress("nowhere:at:all"),
		sandbox.WithClientOptions(ksher.WithTimeout(-1)), sandbox.WithPayoutBalance(-1), nil,
	} {
		_, err := sandbox.Start(opt)
		assert.Error(t, err)
	}
}

func TestAssertions(t *testing.T) {
	gw, s := sandbox.New(t), sandboxtest.NewShop(t)
	sandboxtest.PaidOrder(t, gw, "A-1", s.URL)
	failing := &recorder{}
	sandbox.AssertPaid(failing, gw, "none", 1)
	sandbox.AssertPaid(failing, gw, "A-1", 1)
	sandbox.AssertNotified(failing, gw, "A-1")
	sandbox.AssertRefunded(failing, gw, "A-1", 1)
	assert.Len(t, failing.errors, 4)
	assert.Contains(t, failing.errors[1], "150.50")

	gw.Advance(0)
	sandbox.AssertPaid(t, gw, "A-1", 150_50)
	sandbox.AssertNotified(t, gw, "A-1")
	sandbox.AssertRefunded(t, gw, "A-1", 0)

	// A charge at Opn Payments is announced when it is made, too.
	require.NoError(t, gw.SetOpnWebhook(s.URL))
	client, err := gw.NewOpnClient()
	require.NoError(t, err)
	charge, err := client.CreateChargeWithSource(t.Context(), &opn.CreateChargeWithSourceRequest{Amount: 150_50, Currency: "THB", ReturnURI: "https://shop.example"})
	require.NoError(t, err)
	gw.Advance(0)
	sandbox.AssertNotified(failing, gw, charge.ID)
	assert.Len(t, failing.errors, 5)
	require.NoError(t, gw.Pay(charge.ID, ""))
	gw.Advance(0)
	sandbox.AssertPaid(t, gw, charge.ID, 150_50)
	sandbox.AssertNotified(t, gw, charge.ID)
}

type recorder struct{ errors []string }

func (*recorder) Helper()                          {}
func (*recorder) Cleanup(func())                   {}
func (r *recorder) Fatalf(format string, a ...any) { r.Errorf(format, a...) }
func (r *recorder) Errorf(format string, a ...any) {
	r.errors = append(r.errors, fmt.Sprintf(format, a...))
}

// verifierV1 takes the key of [ksher.SignV1] alone.
func verifierV1(t *testing.T) *ksher.Verifier {
	t.Helper()
	v, err := ksher.NewVerifier(sandbox.PublicKey(ksher.SignV1))
	require.NoError(t, err)
	return v
}
