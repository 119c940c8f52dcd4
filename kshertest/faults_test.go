package kshertest_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"runtime"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/ksher-go/ksher"
	"github.com/ksher-go/ksher/internal/fault"
	"github.com/ksher-go/ksher/kshertest"
)

// Each fault on a request that creates an order: what the client makes of it,
// and whether the order is there.
func TestFaults(t *testing.T) {
	for _, c := range []struct {
		fault   kshertest.Fault
		want    error
		unknown bool
		created bool
	}{
		{kshertest.Fault{Kind: kshertest.FaultLatency, Delay: time.Millisecond}, nil, false, true},
		{kshertest.Fault{Kind: kshertest.FaultLatency, Delay: time.Hour}, context.Canceled, true, true},
		{kshertest.Fault{Kind: kshertest.FaultDropBefore}, io.EOF, true, false},
		{kshertest.Fault{Kind: kshertest.FaultDropAfter}, io.EOF, true, true},
		{kshertest.Fault{Kind: kshertest.FaultHTTP500}, fault.ErrHTTPStatus, true, false},
		{kshertest.Fault{Kind: kshertest.FaultHTML502}, fault.ErrHTTPStatus, true, false},
		{kshertest.Fault{Kind: kshertest.FaultEmpty}, fault.ErrEmptyBody, true, true},
		{kshertest.Fault{Kind: kshertest.FaultTruncated}, fault.ErrTruncatedJSON, true, true},
		{kshertest.Fault{Kind: kshertest.FaultEndless}, fault.ErrTooLarge, true, true},
		{kshertest.Fault{Kind: kshertest.FaultBadSignature}, fault.ErrSignatureMismatch, true, true},
		{kshertest.Fault{Kind: kshertest.FaultOtherKey}, fault.ErrSignatureMalformed, true, true},
		{kshertest.Fault{Kind: kshertest.FaultRefuse, Code: ksher.CodeKsherExceedAmountLimit}, ksher.CodeKsherExceedAmountLimit, false, false},
		{kshertest.Fault{Kind: kshertest.FaultRefuse, Code: ksher.CodeSystemError}, ksher.CodeSystemError, true, false},
		{kshertest.Fault{Kind: kshertest.FaultRefuse, Code: "NOT_DOCUMENTED"}, ksher.Code("NOT_DOCUMENTED"), true, false},
		{kshertest.Fault{Kind: kshertest.FaultClockSkew, Delay: time.Hour}, nil, false, true},
	} {
		t.Run(fmt.Sprint(c.fault.Kind, c.fault.Code, c.fault.Delay), func(t *testing.T) {
			gw := kshertest.New(t, kshertest.WithClientOptions(
				ksher.WithMaxResponseBytes(64<<10),
				// Of V1 alone, so that the other key shows.
				ksher.WithVerifier(verifierV1(t))))
			c.fault.Operation = "gateway_pay"
			require.NoError(t, gw.Inject(c.fault))
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			if c.want == context.Canceled {
				// As soon as the gateway has it, however slow the machine is.
				go func() {
					defer cancel()
					for ctx.Err() == nil && (len(gw.Orders()) == 0 || len(gw.Requests()) == 0) {
						runtime.Gosched()
					}
				}()
			}
			resp, err := gw.Client.GatewayPay(ctx, gatewayPay("A-1"))
			if c.want == nil {
				require.NoError(t, err)
			} else {
				assert.ErrorIs(t, err, c.want)
			}
			assert.Equal(t, c.unknown, errors.Is(err, ksher.ErrOutcomeUnknown))
			if c.fault.Kind == kshertest.FaultClockSkew {
				assert.WithinDuration(t, gw.Now().Add(time.Hour), resp.Envelope.TimeStamp, time.Second)
			}
			assert.Empty(t, gw.Faults(), "it happens once")
			_, err = gw.Order("A-1")
			assert.Equal(t, c.created, err == nil)

			last := gw.Requests()[len(gw.Requests())-1]
			assert.Equal(t, "gateway_pay", last.Operation)
			assert.Equal(t, c.fault.Kind, last.Fault)
			assert.Contains(t, last.SignText, "mch_order_no=A-1")
		})
	}
}

func TestFaultsHappenInTurn(t *testing.T) {
	gw := kshertest.New(t, kshertest.WithClientOptions(ksher.WithRetry(1, 0)))
	query := func() error {
		_, err := gw.Client.GatewayOrderQuery(t.Context(), &ksher.GatewayOrderQueryRequest{MchOrderNo: "none"})
		return err
	}
	require.NoError(t, gw.Inject(kshertest.Fault{Operation: "gateway_order_query", Kind: kshertest.FaultEmpty, Count: 2}))
	require.NoError(t, gw.Inject(kshertest.Fault{Operation: "gateway_order_query", Kind: kshertest.FaultHTTP500}))
	require.NoError(t, gw.Inject(kshertest.Fault{Operation: "order_query", Kind: kshertest.FaultHTTP500}))
	assert.ErrorIs(t, query(), fault.ErrEmptyBody)
	assert.ErrorIs(t, query(), fault.ErrEmptyBody)
	assert.ErrorIs(t, query(), fault.ErrHTTPStatus)
	assert.ErrorIs(t, query(), ksher.CodeOrderNotExist)
	assert.Len(t, gw.Faults(), 1, "the one of another operation")
	gw.ClearFaults()
	assert.Empty(t, gw.Faults())
}

func TestBadFaults(t *testing.T) {
	gw := kshertest.New(t)
	for _, f := range []kshertest.Fault{
		{},
		{Operation: "none", Kind: kshertest.FaultEmpty},
		{Operation: "order_query"},
		{Operation: "order_query", Kind: kshertest.FaultDuplicate},
		{Operation: "notify", Kind: kshertest.FaultLatency, Delay: 1},
		{Operation: "order_query", Kind: kshertest.FaultEmpty, Count: -1},
		{Operation: "order_query", Kind: kshertest.FaultRefuse},
		{Operation: "order_query", Kind: kshertest.FaultLatency},
		{Operation: "notify", Kind: kshertest.FaultLate, Delay: -time.Second},
	} {
		assert.Error(t, gw.Inject(f), "%+v", f)
	}
	for range 1000 {
		require.NoError(t, gw.Inject(kshertest.Fault{Operation: "order_query", Kind: kshertest.FaultEmpty}))
	}
	assert.ErrorContains(t, gw.Inject(kshertest.Fault{Operation: "order_query", Kind: kshertest.FaultEmpty}), "1000 faults wait")
}

// Every documented code can be had by asking for it.
func TestEveryCode(t *testing.T) {
	gw := kshertest.New(t)
	require.Len(t, ksher.Codes(), 71)
	for _, code := range ksher.Codes() {
		require.NoError(t, gw.Inject(kshertest.Fault{Operation: "order_refund", Kind: kshertest.FaultRefuse, Code: code}))
		_, err := gw.Client.OrderRefund(t.Context(), &ksher.OrderRefundRequest{
			MchOrderNo: "A-1", MchRefundNo: "R-1", RefundFee: 1, TotalFee: 1, FeeType: "THB"})
		assert.ErrorIs(t, err, code)
	}
}

// shop is a merchant that keeps what it was sent and answers as told.
type shop struct {
	*httptest.Server
	bodies []string
	answer string
}

func newShop(t *testing.T) *shop {
	s := &shop{answer: `{"result":"SUCCESS","msg":"OK"}`}
	s.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		assert.NoError(t, err)
		s.bodies = append(s.bodies, string(body))
		io.WriteString(w, s.answer)
	}))
	t.Cleanup(s.Close)
	return s
}

func paidOrder(t *testing.T, gw *kshertest.Gateway, no, target string) {
	t.Helper()
	req := gatewayPay(no)
	req.MchNotifyURL = target
	_, err := gw.Client.GatewayPay(t.Context(), req)
	require.NoError(t, err)
	require.NoError(t, gw.Pay(no, ""))
}

func TestSchedule(t *testing.T) {
	gw, s := kshertest.New(t), newShop(t)
	s.answer = "no"
	start := gw.Now()
	paidOrder(t, gw, "A-1", s.URL)
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
	for _, body := range s.bodies {
		assert.Equal(t, s.bodies[0], body, "a repetition is the same notification")
	}
}

func TestScheduleEndsWhenAccepted(t *testing.T) {
	gw, s := kshertest.New(t), newShop(t)
	s.answer = "no"
	paidOrder(t, gw, "A-1", s.URL)
	gw.Advance(4 * time.Second)
	s.answer = `{"result":"SUCCESS","msg":"OK"}`
	gw.Advance(48 * time.Hour)
	assert.Len(t, s.bodies, 4)
	kshertest.AssertNotified(t, gw, "A-1")

	require.NoError(t, gw.Deliver(t.Context(), "A-1"), "once more, as a repetition")
	assert.Len(t, s.bodies, 5)
}

func TestNoNotificationAfterTwoHours(t *testing.T) {
	gw, s := kshertest.New(t), newShop(t)
	req := gatewayPay("A-1")
	req.MchNotifyURL = s.URL
	_, err := gw.Client.GatewayPay(t.Context(), req)
	require.NoError(t, err)
	gw.Advance(2*time.Hour + time.Second)
	require.NoError(t, gw.Pay("A-1", ""))
	gw.Advance(48 * time.Hour)
	assert.Empty(t, s.bodies)
	assert.ErrorIs(t, gw.Deliver(t.Context(), "A-1"), kshertest.ErrNoNotification)
}

func TestNotificationFaults(t *testing.T) {
	verify := func(body string) error {
		_, err := ksher.ParseNotification([]byte(body), verifierV1(t))
		return err
	}
	for _, c := range []struct {
		kind kshertest.FaultKind
		want error
	}{
		{kshertest.FaultBadSignature, fault.ErrSignatureMismatch},
		{kshertest.FaultOtherKey, fault.ErrSignatureMalformed},
		{kshertest.FaultCorrupt, fault.ErrSignatureMismatch},
		{kshertest.FaultTruncated, fault.ErrTruncatedJSON},
	} {
		t.Run(string(c.kind), func(t *testing.T) {
			gw, s := kshertest.New(t), newShop(t)
			require.NoError(t, gw.Inject(kshertest.Fault{Operation: "notify", Kind: c.kind}))
			s.answer = "no"
			paidOrder(t, gw, "A-1", s.URL)
			gw.Advance(time.Second)
			require.Len(t, s.bodies, 2)
			assert.ErrorIs(t, verify(s.bodies[0]), c.want)
			assert.NoError(t, verify(s.bodies[1]), "the repetition is genuine")
		})
	}
	t.Run("duplicate", func(t *testing.T) {
		gw, s := kshertest.New(t), newShop(t)
		require.NoError(t, gw.Inject(kshertest.Fault{Operation: "notify", Kind: kshertest.FaultDuplicate}))
		paidOrder(t, gw, "A-1", s.URL)
		gw.Advance(48 * time.Hour)
		assert.Len(t, s.bodies, 2)
	})
	t.Run("late", func(t *testing.T) {
		gw, s := kshertest.New(t), newShop(t)
		require.NoError(t, gw.Inject(kshertest.Fault{Operation: "notify", Kind: kshertest.FaultLate, Delay: time.Hour}))
		paidOrder(t, gw, "A-1", s.URL)
		gw.Advance(time.Hour - time.Second)
		assert.Empty(t, s.bodies)
		gw.Advance(time.Second)
		assert.Len(t, s.bodies, 1)
	})
	t.Run("reorder", func(t *testing.T) {
		gw, s := kshertest.New(t), newShop(t)
		require.NoError(t, gw.Inject(kshertest.Fault{Operation: "notify", Kind: kshertest.FaultReorder}))
		paidOrder(t, gw, "A-1", s.URL)
		paidOrder(t, gw, "A-2", s.URL)
		gw.Advance(time.Minute)
		require.Len(t, s.bodies, 2)
		assert.Contains(t, s.bodies[0], `"A-2"`)
		assert.Contains(t, s.bodies[1], `"A-1"`)
	})
}

// In real time the gateway notifies by itself, repeats by itself, and stops
// when it is closed.
func TestStartNotifiesByItself(t *testing.T) {
	gw, err := kshertest.Start(kshertest.WithSpeed(1000))
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
	paidOrder(t, gw, "A-1", server.URL)
	assert.True(t, bytes.Contains([]byte(<-heard), []byte(`"A-1"`)))
}

func TestBuyerInTheMiddle(t *testing.T) {
	gw := kshertest.New(t)
	for _, no := range []string{"card", "qr", "gone"} {
		_, err := gw.Client.GatewayPay(t.Context(), gatewayPay(no))
		require.NoError(t, err)
	}
	cancel := func(no string) error {
		_, err := gw.Client.CancelOrder(t.Context(), &ksher.CancelOrderRequest{MchOrderNo: no})
		return err
	}
	require.NoError(t, gw.Begin("card", ksher.ChannelCard))
	assert.Equal(t, ksher.ResultUserPaying, gatewayState(t, gw, "card").Result)
	assert.ErrorIs(t, cancel("card"), ksher.CodeCancelError, "it waits for its OTP")
	require.NoError(t, gw.Pay("card", ""))
	assert.Equal(t, ksher.ChannelCard, gatewayState(t, gw, "card").Channel, "the one that was begun")

	require.NoError(t, gw.Begin("qr", ksher.ChannelPromptPay))
	require.NoError(t, cancel("qr"))
	require.NoError(t, gw.Pay("qr", ksher.ChannelPromptPay))

	require.NoError(t, gw.Begin("gone", ""))
	require.NoError(t, gw.GiveUp("gone"))
	assert.Equal(t, ksher.ResultNotSure, gatewayState(t, gw, "gone").Result)
	assert.ErrorIs(t, gw.GiveUp("gone"), kshertest.ErrNotPayable)

	assert.Error(t, gw.Settle("gone"))
	require.NoError(t, gw.Settle("card"))
	_, err := gw.Client.RefundGatewayOrder(t.Context(), &ksher.RefundGatewayOrderRequest{MchOrderNo: "card", MchRefundNo: "R", RefundFee: 1})
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
	for _, c := range []struct {
		account kshertest.Account
		channel ksher.Channel
		ok      bool
	}{
		{kshertest.AnyAccount, ksher.ChannelAlipay, true},
		{kshertest.OfflineAccount, ksher.ChannelAlipay, true},
		{kshertest.OnlineAccount, ksher.ChannelAlipay, false},
		{kshertest.OfflineAccount, ksher.ChannelTrueMoney, false},
		{kshertest.OnlineAccount, ksher.ChannelTrueMoney, true},
		{kshertest.OnlineAccount, ksher.ChannelPromptPay, true},
	} {
		gw := kshertest.New(t, kshertest.WithAccount(c.account))
		_, err := gw.Client.NativePay(t.Context(), nativePay("K-1", c.channel))
		if c.ok {
			assert.NoError(t, err, "%s %s", c.account, c.channel)
		} else {
			assert.ErrorIs(t, err, ksher.CodeNoAuth, "%s %s", c.account, c.channel)
		}
	}
}

func TestNativeExpiry(t *testing.T) {
	for channel, after := range map[ksher.Channel]time.Duration{
		ksher.ChannelAlipay:     3 * time.Hour,
		ksher.ChannelAlipayPlus: 10 * time.Minute,
		ksher.ChannelWeChat:     2 * time.Hour,
		ksher.ChannelTrueMoney:  24 * time.Hour,
		ksher.ChannelPromptPay:  0,
	} {
		gw := kshertest.New(t)
		_, err := gw.Client.NativePay(t.Context(), nativePay("K-1", channel))
		require.NoError(t, err)
		gw.Advance(after - time.Second)
		seen, _ := gw.Order("K-1")
		assert.Equal(t, kshertest.Created, seen.State, string(channel))
		gw.Advance(time.Second)
		if after == 0 {
			gw.Advance(10000 * time.Hour)
			assert.NoError(t, gw.Pay("K-1", ""), "a PromptPay code never expires")
			continue
		}
		seen, _ = gw.Order("K-1")
		assert.Equal(t, kshertest.Expired, seen.State, string(channel))
	}
}

func TestOldOrdersAreForgotten(t *testing.T) {
	gw := kshertest.New(t, kshertest.WithMaxOrders(2))
	for _, no := range []string{"A-1", "A-2", "A-3"} {
		_, err := gw.Client.GatewayPay(t.Context(), gatewayPay(no))
		require.NoError(t, err)
	}
	_, err := gw.Order("A-1")
	assert.ErrorIs(t, err, kshertest.ErrNoOrder)
	assert.Len(t, gw.Orders(), 2)
}

func TestBadOptions(t *testing.T) {
	for _, opt := range []kshertest.Option{
		kshertest.WithSpeed(-1), kshertest.WithMaxOrders(0), kshertest.WithAddress("nowhere:at:all"),
		kshertest.WithClientOptions(ksher.WithTimeout(-1)),
	} {
		_, err := kshertest.Start(opt)
		assert.Error(t, err)
	}
}

func TestAssertions(t *testing.T) {
	gw, s := kshertest.New(t), newShop(t)
	paidOrder(t, gw, "A-1", s.URL)
	failing := &recorder{}
	kshertest.AssertPaid(failing, gw, "none", 1)
	kshertest.AssertPaid(failing, gw, "A-1", 1)
	kshertest.AssertNotified(failing, gw, "A-1")
	kshertest.AssertRefunded(failing, gw, "A-1", 1)
	assert.Len(t, failing.errors, 4)
	assert.Contains(t, failing.errors[1], "150.50")

	gw.Advance(0)
	kshertest.AssertPaid(t, gw, "A-1", 150_50)
	kshertest.AssertNotified(t, gw, "A-1")
	kshertest.AssertRefunded(t, gw, "A-1", 0)
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
	v, err := ksher.NewVerifier(kshertest.PublicKey(ksher.SignV1))
	require.NoError(t, err)
	return v
}
