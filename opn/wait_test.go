package opn_test

import (
	"cmp"
	"context"
	"errors"
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/ksher-go/ksher"
	"github.com/ksher-go/ksher/internal/fault"
	"github.com/ksher-go/ksher/internal/sandbox"
	"github.com/ksher-go/ksher/opn"
)

func TestCheckPaid(t *testing.T) {
	good := func() *opn.Charge {
		return &opn.Charge{ID: chargeID, Amount: amount, Currency: "THB", Status: opn.StatusSuccessful, Paid: true}
	}
	require.NoError(t, good().CheckPaid(amount))
	moment := opn.Null[time.Time]{V: time.Date(2026, 11, 21, 10, 3, 0, 0, time.UTC), Valid: true}
	rejected := opn.Null[opn.FailureCode]{V: opn.FailureCodePaymentRejected, Valid: true}
	tests := []struct {
		name   string
		change func(*opn.Charge)
		want   error
	}{
		{"less", func(c *opn.Charge) { c.Amount-- }, ksher.ErrOtherOrder},
		{"more", func(c *opn.Charge) { c.Amount++ }, ksher.ErrOtherOrder},
		{"another currency", func(c *opn.Charge) { c.Currency = "USD" }, ksher.ErrOtherOrder},
		{"no currency", func(c *opn.Charge) { c.Currency = "" }, ksher.ErrOtherOrder},
		{"reversed", func(c *opn.Charge) { c.Reversed = true }, ksher.ErrNotPaid},
		{"reversed and not paid", func(c *opn.Charge) { c.Paid, c.Reversed = false, true }, ksher.ErrNotPaid},
		{"reversed and failed", func(c *opn.Charge) { c.Reversed, c.FailureCode = true, rejected }, ksher.ErrNotPaid},
		{"voided", func(c *opn.Charge) { c.Voided = true }, ksher.ErrNotPaid},
		{"refunded in part", func(c *opn.Charge) { c.RefundedAmount = 1 }, ksher.ErrNotPaid},
		{"status reversed", func(c *opn.Charge) { c.Status, c.Paid = opn.StatusReversed, false }, ksher.ErrNotPaid},
		{"status reversed and once paid", func(c *opn.Charge) { c.Status, c.Reversed, c.PaidAt = opn.StatusReversed, true, moment }, ksher.ErrNotPaid},
		{"status reversed and paid", func(c *opn.Charge) { c.Status = opn.StatusReversed }, ksher.ErrNotPaid},
		{"status failed", func(c *opn.Charge) { c.Status, c.Paid, c.FailureCode = opn.StatusFailed, false, rejected }, opn.FailureCodePaymentRejected},
		{"pending", func(c *opn.Charge) { c.Status = opn.StatusPending }, ksher.ErrNotPaid},
		{"capitals", func(c *opn.Charge) { c.Status = "SUCCESSFUL" }, ksher.ErrNotPaid},
		{"zero", func(c *opn.Charge) { *c = opn.Charge{Amount: amount, Currency: "THB"} }, ksher.ErrNotPaid},
		// Nobody knows whether these are paid.
		{"successful and not paid", func(c *opn.Charge) { c.Paid = false }, fault.ErrField},
		{"successful and expired", func(c *opn.Charge) { c.Expired = true }, fault.ErrField},
		{"failed and paid", func(c *opn.Charge) { c.Status, c.FailureCode = opn.StatusFailed, rejected }, fault.ErrField},
		{"expired and paid", func(c *opn.Charge) { c.Status, c.Expired = opn.StatusExpired, true }, fault.ErrField},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			charge := good()
			tt.change(charge)
			err := charge.CheckPaid(amount)
			require.ErrorIs(t, err, tt.want)
			if tt.want == fault.ErrField {
				require.NotErrorIs(t, err, ksher.ErrNotPaid)
				require.NotErrorIs(t, err, opn.FailureCodePaymentRejected, "which would have the shop offer it again")
			}
		})
	}
}

func TestFailureCodes(t *testing.T) {
	want := map[opn.FailureCode]opn.Action{
		"payment_expired": opn.ActionNewCharge, "payment_rejected": opn.ActionAskBuyer, "failed_processing": opn.ActionNewCharge,
		"invalid_account": opn.ActionOtherWay, "insufficient_fund": opn.ActionAskBuyer,
	}
	require.Len(t, opn.FailureCodes(), len(want))
	for _, code := range opn.FailureCodes() {
		t.Run(string(code), func(t *testing.T) {
			gw, client := gateway(t)
			charge, err := client.CreateChargeWithSource(t.Context(), bothRequest())
			require.NoError(t, err)
			require.NoError(t, gw.FailOpn(charge.ID, code))
			charge, err = waitFor(t.Context(), client, charge.ID, amount)
			require.ErrorIs(t, err, ksher.ErrNotPaid)
			require.ErrorIs(t, err, code)
			var got opn.FailureCode
			require.ErrorAs(t, err, &got)
			info, known := got.Info()
			require.True(t, known)
			assert.Equal(t, want[code], info.Action)
			assert.Contains(t, err.Error(), string(code)+": "+info.Meaning)
			assert.Equal(t, opn.StatusFailed, charge.Status)
			assert.Equal(t, opn.StatusFailed, charge.Source.ChargeStatus)
			assert.Equal(t, code, charge.FailureCode.V)
			assert.False(t, charge.PaidAt.Valid)
		})
	}
	_, known := opn.FailureCode("new_code").Info()
	assert.False(t, known)
	assert.Equal(t, "new code", opn.FailureCode("new\ncode").Error())
}

func TestStatus(t *testing.T) {
	for status, final := range map[opn.Status]bool{
		"pending": false, "successful": true, "failed": true, "expired": true, "reversed": true, "unknown": false, "": false, "new": false,
	} {
		assert.Equal(t, final, status.Final(), status)
	}
}

// reply is what a query is answered with.
type reply struct {
	status int
	body   string // a refusal if it is empty
	change map[string]any
	err    error
}

func TestWait(t *testing.T) {
	pending, expires := reply{}, "2000-01-01T00:10:00Z" // synctest begins on that day.
	with := func(change map[string]any) reply { return reply{change: change} }
	lost := errors.New("connection lost")
	tests := []struct {
		name    string
		replies []reply // The last one stays.
		want    []error
		status  opn.Status
		queries int
		// from and to bound how long it takes.
		from, to time.Duration
		timeout  time.Duration
	}{
		{name: "paid before", replies: []reply{with(paid)}, status: "successful", queries: 1},
		{name: "paid later", replies: []reply{pending, pending, with(paid)}, status: "successful", queries: 3, from: 2 * time.Second, to: 3 * time.Second},
		{name: "an unknown status", replies: []reply{with(map[string]any{"status": "new"}), with(paid)}, status: "successful", queries: 2, to: 2 * time.Second},
		{name: "failed", replies: []reply{pending, with(map[string]any{"status": "failed", "failure_code": "payment_rejected"})},
			want: []error{ksher.ErrNotPaid, opn.FailureCodePaymentRejected}, status: "failed", queries: 2, to: 2 * time.Second},
		{name: "expired", replies: []reply{with(map[string]any{"status": "expired", "failure_code": "payment_expired"})},
			want: []error{ksher.ErrNotPaid, opn.FailureCodePaymentExpired}, status: "expired", queries: 1},
		{name: "expired without a code", replies: []reply{with(map[string]any{"status": "expired"})}, want: []error{ksher.ErrNotPaid}, status: "expired", queries: 1},
		{name: "reversed", replies: []reply{with(map[string]any{"status": "reversed"})}, want: []error{ksher.ErrNotPaid}, status: "reversed", queries: 1},
		{name: "another amount", replies: []reply{with(map[string]any{"amount": 100, "source.amount": 100})}, want: []error{ksher.ErrOtherOrder}, status: "pending", queries: 1},
		{name: "another currency", replies: []reply{with(map[string]any{"currency": "USD", "source.currency": "USD"})}, want: []error{ksher.ErrOtherOrder}, status: "pending", queries: 1},
		{name: "its time is over", replies: []reply{with(map[string]any{"expires_at": expires})},
			want: []error{ksher.ErrOrderExpired}, status: "pending", from: 11 * time.Minute, to: 11*time.Minute + 13*time.Second},
		{name: "paid after its time", replies: []reply{with(map[string]any{"expires_at": "1999-12-31T23:59:30Z"}), with(paid)}, status: "successful", queries: 2, to: 2 * time.Second},
		{name: "outages and rubbish", replies: []reply{{status: 503}, {err: lost}, {change: map[string]any{"status": ""}}, {status: 429}, with(paid)},
			status: "successful", queries: 5, to: 10 * time.Second},
		{name: "successful and not paid yet", replies: []reply{with(map[string]any{"status": "successful"}), with(paid)}, status: "successful", queries: 2, to: 2 * time.Second},
		{name: "successful with a failure code", replies: []reply{with(map[string]any{"status": "successful", "paid": true, "failure_code": "failed_processing"})},
			status: "successful", queries: 1},
		{name: "failed and yet paid", replies: []reply{with(map[string]any{"status": "failed", "paid": true, "failure_code": "payment_rejected"}), with(paid)},
			status: "successful", queries: 2, to: 2 * time.Second},
		{name: "expired and yet paid", replies: []reply{with(map[string]any{"status": "expired", "expired": true, "paid": true}), with(paid)}, status: "successful", queries: 2, to: 2 * time.Second},
		{name: "successful and taken back", replies: []reply{with(map[string]any{"status": "successful", "reversed": true})}, want: []error{ksher.ErrNotPaid}, status: "successful", queries: 1},
		{name: "successful and voided", replies: []reply{with(map[string]any{"status": "successful", "voided": true})}, want: []error{ksher.ErrNotPaid}, status: "successful", queries: 1},
		{name: "successful and refunded", replies: []reply{with(map[string]any{"status": "successful", "refunded_amount": 100})}, want: []error{ksher.ErrNotPaid}, status: "successful", queries: 1},
		{name: "refused", replies: []reply{{status: 404}}, queries: 1},
		{name: "refused for its key", replies: []reply{{status: 403}}, queries: 1},
		{name: "a proxy knows no such page", replies: []reply{{status: 404, body: "<html>Not Found</html>"}, with(paid)}, status: "successful", queries: 2, to: 2 * time.Second},
		{name: "a proxy's own JSON", replies: []reply{{status: 404, body: `{"error":"no route"}`}, with(paid)}, status: "successful", queries: 2, to: 2 * time.Second},
		{name: "the context ends", replies: []reply{pending}, want: []error{context.DeadlineExceeded}, status: "pending", timeout: 5 * time.Second, from: 5 * time.Second, to: 5 * time.Second},
		{name: "no time is said", replies: []reply{with(map[string]any{"expires_at": nil})}, want: []error{context.DeadlineExceeded}, status: "pending",
			timeout: time.Hour, from: time.Hour, to: time.Hour},
		{name: "its time is over in an outage", replies: []reply{with(map[string]any{"expires_at": expires}), {status: 503}}, want: []error{context.DeadlineExceeded, fault.ErrHTTPStatus},
			status: "pending", timeout: time.Hour, from: time.Hour, to: time.Hour},
		{name: "the context ends in an outage", replies: []reply{pending, {err: lost}}, want: []error{context.DeadlineExceeded, lost}, status: "pending",
			timeout: 5 * time.Second, from: 5 * time.Second, to: 5 * time.Second},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				queries := 0
				client := newFakeClient(t, func(*http.Request) (int, string, error) {
					r := tt.replies[min(queries, len(tt.replies)-1)]
					queries++
					switch {
					case r.err != nil:
						return 0, "", r.err
					case r.status != 0:
						return r.status, cmp.Or(r.body, `{"object":"error","code":"x"}`), nil
					}
					return 200, edited(t, "charge.json", r.change), nil
				}, opn.WithRetry(1, 0))
				ctx, cancel := context.WithTimeout(t.Context(), 24*time.Hour)
				defer cancel()
				if tt.timeout > 0 {
					ctx, cancel = context.WithTimeout(t.Context(), tt.timeout)
					defer cancel()
				}
				start := time.Now()
				order := opn.OpenOrder{ChargeID: chargeID, Amount: amount}
				if text, ok := tt.replies[0].change["expires_at"].(string); ok {
					var err error
					order.Expires, err = time.Parse(time.RFC3339, text)
					require.NoError(t, err)
				}
				calls := 0
				p, err := opn.NewPayments(client, func(context.Context, *opn.Charge) error { calls++; return nil })
				require.NoError(t, err)
				charge, err := p.Wait(ctx, order)
				require.Equal(t, err == nil, calls == 1)
				took := time.Since(start)
				for _, want := range tt.want {
					require.ErrorIs(t, err, want)
				}
				if tt.status == "" {
					require.Nil(t, charge)
					var failed *opn.Error
					require.ErrorAs(t, err, &failed)
					assert.Equal(t, "x", failed.Code)
				} else {
					assert.Equal(t, tt.status, charge.Status)
					if tt.want == nil {
						require.NoError(t, err)
					}
				}
				if tt.queries > 0 {
					assert.Equal(t, tt.queries, queries)
				}
				assert.GreaterOrEqual(t, took, tt.from)
				assert.LessOrEqual(t, took, tt.to)
			})
		})
	}
}

func TestRoundTrip(t *testing.T) {
	gw, client := gateway(t)
	source, err := client.CreateSource(t.Context(), sourceRequest())
	require.NoError(t, err)
	assert.Equal(t, opn.StatusUnknown, source.ChargeStatus)
	assert.Equal(t, "app_redirect", source.Flow)
	req := chargeRequest()
	req.Source, req.Extra = source.ID, ksher.Extra{Params: map[string]string{"description": "Tea", "metadata[order_no]": "A-1001"}}
	charge, err := client.CreateCharge(t.Context(), req)
	require.NoError(t, err)
	assert.Equal(t, opn.StatusPending, charge.Status)
	assert.Equal(t, source.ID, charge.Source.ID)
	assert.Equal(t, opn.StatusPending, charge.Source.ChargeStatus)
	assert.Equal(t, opn.Null[opn.PlatformType]{V: opn.PlatformTypeIOS, Valid: true}, charge.Source.PlatformType)
	assert.JSONEq(t, `"Tea"`, string(charge.Description))
	assert.JSONEq(t, `{"order_no":"A-1001"}`, string(charge.Metadata))
	assert.Equal(t, charge.CreatedAt.Add(10*time.Minute), charge.ExpiresAt.V)
	require.ErrorIs(t, charge.CheckPaid(amount), ksher.ErrNotPaid)

	gw.Advance(9 * time.Minute)
	require.NoError(t, gw.PayOpn(charge.ID))
	charge, err = waitFor(t.Context(), client, charge.ID, amount)
	require.NoError(t, err)
	assert.Equal(t, charge.CreatedAt.Add(9*time.Minute), charge.PaidAt.V)
	assert.Equal(t, amount-charge.Fee-charge.FeeVAT, charge.Net)
	assert.ErrorIs(t, gw.PayOpn(charge.ID), sandbox.ErrNotPayable)

	_, err = client.CreateCharge(t.Context(), req)
	var failed *opn.Error
	require.ErrorAs(t, err, &failed, "the source was charged")
	assert.Equal(t, "invalid_charge", failed.Code)
	assert.Equal(t, source.ID, failed.ID)
	require.NotErrorIs(t, err, ksher.ErrOutcomeUnknown)
}

func TestExpiry(t *testing.T) {
	gw, client := gateway(t)
	charge, err := client.CreateChargeWithSource(t.Context(), bothRequest())
	require.NoError(t, err)
	gw.Advance(10*time.Minute - time.Second)
	known, err := client.GetCharge(t.Context(), charge.ID)
	require.NoError(t, err)
	assert.Equal(t, opn.StatusPending, known.Status)
	gw.Advance(time.Second)
	known, err = waitFor(t.Context(), client, charge.ID, amount)
	require.ErrorIs(t, err, ksher.ErrNotPaid)
	require.ErrorIs(t, err, opn.FailureCodePaymentExpired)
	assert.True(t, known.Expired)
	assert.Equal(t, charge.ExpiresAt, known.ExpiredAt)
	require.ErrorIs(t, gw.PayOpn(charge.ID), sandbox.ErrNotPayable)
}

// Opn carries a request out, and the answer is lost.
func TestUnknownOutcome(t *testing.T) {
	for _, kind := range []sandbox.FaultKind{sandbox.FaultDropAfter, sandbox.FaultEmpty, sandbox.FaultTruncated, sandbox.FaultEndless} {
		t.Run(string(kind), func(t *testing.T) {
			gw, client := gateway(t)
			require.NoError(t, gw.Inject(sandbox.Fault{Operation: "opn charges", Kind: kind}))
			source, err := client.CreateSource(t.Context(), sourceRequest())
			require.NoError(t, err)
			req := chargeRequest()
			req.Source = source.ID
			_, err = client.CreateCharge(t.Context(), req)
			require.ErrorIs(t, err, ksher.ErrOutcomeUnknown)
			// It can be recognised by what the merchant knew before.
			charges := gw.OpnCharges()
			require.Len(t, charges, 1)
			assert.Equal(t, source.ID, charges[0].Source.ID)
			assert.Equal(t, returnURI, charges[0].ReturnURI)
		})
	}
	for _, kind := range []sandbox.FaultKind{sandbox.FaultDropBefore, sandbox.FaultHTTP500, sandbox.FaultHTML502} {
		t.Run(string(kind), func(t *testing.T) {
			gw, client := gateway(t)
			require.NoError(t, gw.Inject(sandbox.Fault{Operation: "opn charges", Kind: kind}))
			_, err := client.CreateChargeWithSource(t.Context(), bothRequest())
			require.ErrorIs(t, err, ksher.ErrOutcomeUnknown, "a client can't know")
			assert.Empty(t, gw.OpnCharges())
		})
	}
	t.Run("refused", func(t *testing.T) {
		gw, client := gateway(t)
		require.NoError(t, gw.Inject(sandbox.Fault{Operation: "opn charges", Kind: sandbox.FaultRefuse, Code: "bad_request"}))
		_, err := client.CreateChargeWithSource(t.Context(), bothRequest())
		require.ErrorContains(t, err, "bad_request")
		require.NotErrorIs(t, err, ksher.ErrOutcomeUnknown)
	})
}
