package conformance

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"regexp"
	"strings"
	"time"

	"github.com/ksher-go/ksher"
	"github.com/ksher-go/ksher/cmd/ksher/internal/control"
	"github.com/ksher-go/ksher/cmd/ksher/internal/notice"
	"github.com/ksher-go/ksher/internal/sandbox"
)

// trial is one row's go at the shop.
type trial struct {
	*Test
	row int
	// queued says that SUCCESS isn't held against the shop.
	queued bool
}

func join(texts []string) string { return strings.Join(texts, ", ") }

func fulfilled(no string, n int) string {
	if n == 1 {
		return fmt.Sprintf("it fulfilled order %s", no)
	}
	return fmt.Sprintf("it fulfilled order %s %d times", no, n)
}

// order has the shop create an order that nobody has paid.
func (t *trial) order(ctx context.Context) (*control.Order, error) {
	no, err := t.NewOrder(ctx)
	if err != nil {
		return nil, err
	}
	o, err := t.Sandbox.Order(ctx, no)
	if refused := (*control.RefusedError)(nil); errors.As(err, &refused) && refused.Status == http.StatusNotFound {
		return nil, fmt.Errorf("the sandbox has no order %q, which --order-cmd printed: is the shop set up with this sandbox, and does the command print the order's number alone?", no)
	}
	if err == nil && o.API != "" {
		err = fmt.Errorf("order %q was made by another API than api.ksher.net's, whose notifications aren't tested", no)
	}
	return o, err
}

// year is longer than any test.
const year = 365 * 24 * time.Hour

// paid has the shop create an order and the buyer pay it. The sandbox keeps what it has to
// say to itself, so that the shop hears of it from the test alone.
func (t *trial) paid(ctx context.Context) (*control.Order, error) {
	o, err := t.order(ctx)
	if err != nil {
		return nil, err
	}
	return t.pay(ctx, o)
}

func (t *trial) pay(ctx context.Context, o *control.Order) (*control.Order, error) {
	if o.NotifyURL() != "" {
		late := control.Fault{Operation: "notify", Kind: "late", Count: 1, DelaySeconds: year.Seconds()}
		if err := t.Sandbox.Inject(ctx, late); err != nil {
			return nil, err
		}
	}
	o, err := t.Sandbox.Act(ctx, o.MchOrderNo, "pay")
	for err == nil && o.Notification != nil && o.Notification.Due.Sub(o.PaidAt) < year/2 {
		if len(o.Notification.Attempts) > 0 { // Another order's took the fault.
			return nil, untested{"the sandbox told the shop of the order before the test did: leave the sandbox alone, or start one for the test"}
		}
		if err = t.Sleep(ctx, 10*time.Millisecond); err == nil {
			o, err = t.Sandbox.Order(ctx, o.MchOrderNo)
		}
	}
	return o, err
}

// saying is what a notification says of an order with that result.
func saying(o *control.Order, result ksher.Result) *ksher.Order {
	channel := o.Channel
	if channel == "" && len(o.Channels) > 0 {
		channel = o.Channels[0]
	}
	return notice.Filled(ksher.Order{
		AppID: o.AppID, MchOrderNo: o.MchOrderNo, PayMchOrderNo: o.PayMchOrderNo, KsherOrderNo: o.KsherOrderNo, ChannelOrderNo: o.ChannelOrderNo,
		Channel: channel, FeeType: o.FeeType, TotalFee: o.TotalFee, Result: result, TimeEnd: o.PaidAt, Attach: o.Params["attach"],
	})
}

// claim is a rightly signed notification that the order is paid.
func claim(o *control.Order) []byte { return sandbox.SignedResponse(saying(o, ksher.ResultSuccess)) }

// watch remembers how often an order may be fulfilled until the end.
func (t *trial) watch(no string, limit int) {
	for i := range t.watched {
		if w := &t.watched[i]; w.no == no {
			w.limit = max(w.limit, limit)
			return
		}
	}
	t.watched = append(t.watched, watched{t.row, no, limit})
}

// refuses posts what the shop must not accept. It says what the shop did wrong: also if it has
// fulfilled the order more often than that.
func (t *trial) refuses(ctx context.Context, body []byte, no string, limit int) (string, error) {
	return t.refusesSent(ctx, http.MethodPost, notice.ContentType, body, no, limit)
}

func (t *trial) refusesSent(ctx context.Context, method, contentType string, body []byte, no string, limit int) (string, error) {
	a, err := t.Sender.Send(ctx, method, t.URL, contentType, body)
	if err != nil {
		return "", err
	}
	n := 0
	if no != "" && t.Fulfilled != nil {
		t.watch(no, limit)
		if n, err = t.Fulfilled(ctx, no); err != nil {
			return "", err
		}
	}
	switch {
	case n > limit && a.Accepted:
		return "it said SUCCESS, and " + fulfilled(no, n), nil
	case n > limit:
		return fulfilled(no, n), nil
	case a.Accepted && !t.queued:
		return "it said SUCCESS", nil
	case a.Status == 0:
		return "it gave " + a.String(), nil
	}
	return "", nil
}

// pauses are those before the repetitions of a notification that are waited for, as Ksher
// makes them.
var pauses = []time.Duration{time.Second, 2 * time.Second, 2 * time.Second}

// deliver posts what the shop has to accept, again and again as Ksher does.
func (t *trial) deliver(ctx context.Context, contentType string, body []byte) (notice.Answer, error) {
	a, err := t.Sender.Send(ctx, http.MethodPost, t.URL, contentType, body)
	for _, pause := range pauses {
		if err != nil || a.Accepted {
			break
		}
		if err = t.Sleep(ctx, pause); err == nil {
			a, err = t.Sender.Send(ctx, http.MethodPost, t.URL, contentType, body)
		}
	}
	return a, err
}

// accepts delivers what the shop has to accept, and says what the shop did wrong.
func (t *trial) accepts(ctx context.Context, contentType string, body []byte, no string) (string, error) {
	a, err := t.deliver(ctx, contentType, body)
	switch {
	case err != nil: // Also if the time for it is over.
		return "it didn't accept it", err
	case !a.Accepted:
		return fmt.Sprintf("it didn't accept it in %d attempts; the last answer was %v%s", 1+len(pauses), a, t.oddity(ctx, no)), nil
	}
	return t.once(ctx, no)
}

// feeAsText finds an amount that isn't a number.
var feeAsText = regexp.MustCompile(`"(total|cash)_fee": ?"`)

// oddity says what a shop may stumble over in the gateway's answer about an order.
func (t *trial) oddity(ctx context.Context, no string) string {
	o, err := t.Sandbox.Order(ctx, no)
	if err != nil {
		return ""
	}
	var data []byte
	if o.Host() == ksher.HostGateway {
		if answer, err := t.Client.GatewayOrderQuery(ctx, &ksher.GatewayOrderQueryRequest{MchOrderNo: no}); err == nil {
			data = answer.Data
		}
	} else if answer, err := t.Client.OrderQuery(ctx, &ksher.OrderQueryRequest{MchOrderNo: no}); err == nil {
		data = answer.Data
	}
	if feeAsText.Match(data) {
		return "; can it read that the gateway's answer about this order has fees as texts, as genuine answers have now and then?"
	}
	return ""
}

// once waits until the shop has fulfilled an order, and says if it did so never or twice.
func (t *trial) once(ctx context.Context, no string) (string, error) {
	if t.Fulfilled == nil {
		return "", nil
	}
	t.watch(no, 1)
	n, err := t.Fulfilled(ctx, no)
	// A queue's worker tries again when it likes to, so that only the row's end ends that.
	for i := 0; err == nil && n == 0 && (t.Queued || i < len(pauses)); i++ {
		if err = t.Sleep(ctx, pauses[min(i, len(pauses)-1)]); err == nil {
			n, err = t.Fulfilled(ctx, no)
		}
	}
	switch {
	case n == 0: // Also if the time for it is over.
		return fmt.Sprintf("it said SUCCESS, but hasn't fulfilled order %s", no), err
	case err != nil || n == 1:
		return "", err
	}
	return fulfilled(no, n), nil
}
