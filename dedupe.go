package ksher

import (
	"cmp"
	"context"
	"errors"

	"github.com/ksher-go/ksher/internal/once"
)

// ErrInProgress means that the same payment is being handled at this moment, by
// another request or another server. A notification is then answered with an
// error, so that Ksher comes back.
var ErrInProgress = once.ErrInProgress

// Deduper remembers which payments were handled, so that a merchant's function
// runs once for each, though notifications repeat over 29 hours, arrive together,
// and reach several servers.
//
// A client has one in its memory, which serves a single process. For several
// servers, or to remember across restarts, use the packages sqldedupe and
// redisdedupe.
type Deduper interface {
	// Once runs fn, unless it has returned nil for this key before, in which
	// case the answer is nil. While somebody else runs one for the key, the
	// answer is [ErrInProgress], and fn isn't run. If fn returns an error, that
	// is the answer, and the next call runs fn again.
	//
	// The claim of a server that died has to end by itself. fn gets a context
	// derived from ctx; an implementation may put into it what fn needs to do
	// its work in one transaction with the note that it is done.
	//
	// A key is text in UTF-8 of 1 to 300 bytes, without NUL. Upper and lower case
	// count.
	Once(ctx context.Context, key string, fn func(context.Context) error) error
}

// WithDeduper replaces the memory of the payments that were handled, which the
// handler of notifications and the [Reconciler] share. The default lives in the
// memory of this client: it keeps the last 100,000 payments for 48 hours and
// forgets them when the program ends.
func WithDeduper(d Deduper) Option {
	return func(c *Client) error {
		if isNil(d) {
			return errors.New("WithDeduper: the deduper is nil")
		}
		c.deduper = d
		return nil
	}
}

// handleOnce runs the merchant's function for an order, once for each order and
// result.
func (c *Client) handleOnce(ctx context.Context, n *Notification, fn func(context.Context, *Notification) error) error {
	// Neither an app ID nor a result has a blank in it.
	key := c.appID + " " + string(n.Result) + " " + n.MchOrderNo
	var failed error
	err := c.deduper.Once(ctx, key, func(ctx context.Context) error {
		failed = fn(ctx, n)
		return failed
	})
	// A Deduper that keeps the error to itself would have the payment taken for
	// handled.
	return cmp.Or(err, failed)
}
