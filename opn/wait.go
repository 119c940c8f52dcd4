package opn

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/ksher-go/ksher"
	"github.com/ksher-go/ksher/internal/fault"
)

const (
	firstPoll = time.Second
	lastPoll  = 10 * time.Second
	// grace is how long Opn may take to call a charge expired after its time, and
	// how far the clocks may differ.
	grace = time.Minute
)

// WaitForCharge asks for a charge until it is known how it ended: at once, after a
// second, and then up to every 10 seconds. It returns the charge as Opn last told of it,
// nil if it never did, and a nil error only if exactly that amount, in satang, is paid.
//
// [ksher.ErrNotPaid] means that it ended otherwise, [ksher.ErrOrderExpired] that it was still pending a
// minute after its ExpiresAt, [ksher.ErrOtherOrder] that it is over another amount, an
// [*Error] without an Err that Opn refused to tell. Answers that can't be read or
// believed don't end the waiting, so give the context a deadline.
//
// Source: not documented as a procedure.
func (c *Client) WaitForCharge(ctx context.Context, id string, amount ksher.Amount) (*Charge, error) {
	stopped := func(why, last error) error {
		if last != nil {
			why = fmt.Errorf("%w; the last query failed: %w", why, last)
		}
		return fmt.Errorf("opn: waiting for charge %q: %w", clip(id), why)
	}
	var known *Charge
	for wait := firstPoll; ; wait = min(wait+wait/2, lastPoll) {
		// Before the query, so that the last one is made after the end.
		over := known != nil && known.ExpiresAt.Valid && known.ExpiresAt.V.Sub(c.sender.Clock.ClockNow()) <= -grace
		charge, err := c.GetCharge(ctx, id)
		if err == nil {
			known = charge
		}
		var failed *Error
		switch {
		case err == nil && (charge.Status.Final() || charge.Amount != amount || !isBaht(charge.Currency)):
			return charge, charge.CheckPaid(amount)
		case err != nil && !errors.As(err, &failed):
			return known, err
		case ctx.Err() != nil:
			return known, stopped(ctx.Err(), err)
		case err != nil && failed.Err == nil && !failed.forLoop().Transient():
			return known, err
		case err == nil && over:
			return known, stopped(fault.ErrOrderExpired, nil)
		}
		if stop := c.sender.Clock.ClockSleep(ctx, wait-wait/5+rand.N(2*wait/5+1)); stop != nil {
			return known, stopped(stop, err)
		}
	}
}
