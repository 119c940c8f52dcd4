package ksher

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"time"

	"github.com/ksher-go/ksher/internal/fault"
	"github.com/ksher-go/ksher/internal/transport"
)

// Host is where an order was made, and so where it can be asked about.
//
// Source: Ksher's API documentation, whose operations are on two hosts.
type Host string

// Hosts.
const (
	// HostAny stands for not knowing: both hosts are asked.
	HostAny Host = ""
	// HostGateway has the orders made with [Client.GatewayPay].
	HostGateway Host = "gateway"
	// HostMerchant has the orders made with [Client.NativePay] or [Client.QuickPay].
	HostMerchant Host = "merchant"
)

// OpenOrder is an order whose outcome the merchant doesn't know yet, with what
// the merchant expects of it.
type OpenOrder struct {
	// MchOrderNo is the merchant's number of the order: required, at most 32
	// characters.
	MchOrderNo string
	// Host is where it was made. Saying so spares a query.
	Host Host
	// TotalFee is what it costs, in cents of FeeType: required.
	TotalFee Amount
	// FeeType is its currency, an ISO 4217 code: required.
	FeeType string
	// Expires is when it can't be paid any more, zero for not known.
	Expires time.Time
}

func (o *OpenOrder) check(c *checker) {
	c.requiredNumber("mch_order_no", o.MchOrderNo)
	c.amount("total_fee", o.TotalFee)
	c.feeType(o.FeeType)
	c.oneOf("host", string(o.Host), string(HostGateway), string(HostMerchant))
}

// ErrOrderExpired means that the time for paying an order is over, and that it
// was not paid when the gateway was asked after that. A buyer who paid at the
// last moment may still appear; a [Reconciler] finds out.
var ErrOrderExpired = fault.ErrOrderExpired

// Defaults of how an order is asked about until it is paid.
const (
	defaultFirstPoll = time.Second
	defaultLastPoll  = 10 * time.Second
	maxPoll          = time.Hour
)

// WaitOption sets up [Client.WaitForPayment] and [Client.TakeQuickPay].
type WaitOption func(*polling) error

type polling struct {
	first, most time.Duration
	// patient says that the gateway may still come to know what it refuses to tell.
	patient bool
}

func newPolling(opts []WaitOption) (polling, error) {
	p := polling{first: defaultFirstPoll, most: defaultLastPoll}
	for _, opt := range opts {
		if opt == nil {
			return p, errors.New("ksher: an option for waiting is nil")
		}
		if err := opt(&p); err != nil {
			return p, err
		}
	}
	return p, nil
}

// WithPolling sets how long to wait between queries: at first, and at most,
// between 1 ms and 1 hour. The default is 1 second and 10 seconds. The
// wait grows by half each time, and is up to a fifth shorter or longer than that,
// so that the kiosks of a chain don't ask all at once.
func WithPolling(first, most time.Duration) WaitOption {
	return func(p *polling) error {
		if first < time.Millisecond || most < first || most > maxPoll {
			return fmt.Errorf("ksher: WithPolling: waits from %v to %v are not between 1ms and %v", first, most, maxPoll)
		}
		p.first, p.most = first, most
		return nil
	}
}

// WaitForPayment asks for an order until it is known how it ended: at once, and
// then again and again, less and less often. It returns the order as the gateway
// last told of it, nil if it never did, and
//
//   - nil if the order is paid, this order and that amount;
//   - [ErrNotPaid] if it ended otherwise: its Result is [ResultClosed],
//     [ResultPayError], or [ResultRefund] if it was paid and refunded meanwhile;
//   - [ErrOrderExpired] if it was not paid and Expires has passed;
//   - the context's error if that ended first;
//   - [ErrOtherOrder] if it is paid, but not this amount in this currency;
//   - an [*Error] if the gateway refused to tell, for example because it doesn't
//     know the order, or a [*ValidationError].
//
// Answers that can't be read or believed don't end the waiting. What went wrong
// the last time is part of the error in the end, so ask for the context's error
// first.
//
// Source: not documented as a procedure. The results are those of the query pages
// of Ksher's API documentation.
func (c *Client) WaitForPayment(ctx context.Context, order OpenOrder, opts ...WaitOption) (*Order, error) {
	p, err := newPolling(opts)
	if err != nil {
		return nil, err
	}
	check := &checker{}
	c.usable(ctx, check)
	if order.check(check); len(check.problems) > 0 {
		return nil, check.invalid("WaitForPayment", order.MchOrderNo)
	}
	return c.waitFor(ctx, order, p)
}

func (c *Client) waitFor(ctx context.Context, order OpenOrder, p polling) (*Order, error) {
	stopped := func(why, last error) error {
		if last != nil {
			why = fmt.Errorf("%w; the last query failed: %w", why, last)
		}
		return fmt.Errorf("ksher: waiting for payment of order %q: %w", order.MchOrderNo, why)
	}
	var known *Order
	for wait := p.first; ; wait = min(wait+wait/2, p.most) {
		// Before the query, so that the last one is made after the end.
		over := !order.Expires.IsZero() && !c.now().Before(order.Expires)
		n, err := c.lookUp(ctx, order.MchOrderNo, order.Host)
		if n != nil {
			known = &n.Order
		}
		var failed *Error
		switch {
		case err == nil && known.Result.Paid():
			return known, known.CheckPaid(order.MchOrderNo, order.TotalFee, order.FeeType)
		case err == nil && known.Result.Final():
			return known, stopped(fmt.Errorf("%w: its result is %q", ErrNotPaid, known.Result), nil)
		case ctx.Err() != nil:
			return known, stopped(ctx.Err(), err)
		case err != nil && !(errors.As(err, &failed) && (failed.Err != nil || failed.forLoop().Transient() || p.patient)):
			return known, err
		case over && err == nil:
			return known, stopped(ErrOrderExpired, nil)
		}
		d := wait - wait/5 + rand.N(2*wait/5+1)
		if !order.Expires.IsZero() && !over {
			d = min(d, max(order.Expires.Sub(c.now()), 0))
		}
		if stop := transport.Sleep(ctx, d); stop != nil {
			return known, stopped(stop, err)
		}
	}
}

// usable says what keeps anything from being asked at all.
func (c *Client) usable(ctx context.Context, check *checker) {
	if c == nil || c.key == nil {
		check.refuse("client", "was not made by NewClient")
	}
	if ctx == nil {
		check.refuse("context", "is nil")
	}
}

// lookUp asks hosts about an order, one after the other. An answer that says paid
// counts, or else the first one. HostAny stands for both. That the order is
// unknown is the answer only if each host says so.
func (c *Client) lookUp(ctx context.Context, mchOrderNo string, hosts ...Host) (*Notification, error) {
	if len(hosts) == 1 && hosts[0] == HostAny {
		hosts = []Host{HostGateway, HostMerchant}
	}
	var first *Notification
	var refusal error
	for _, host := range hosts {
		n, err := c.query(ctx, mchOrderNo, host)
		var failed *Error
		switch {
		case err == nil && n.Result.Paid():
			return n, nil
		case err == nil && first == nil:
			first = n
		case err != nil && (refusal == nil || unknownOrder(refusal) && !unknownOrder(err)):
			refusal = err
		}
		if err != nil && !(errors.As(err, &failed) && failed.Err == nil) {
			return nil, err // Nothing was learned, so the next host can't be enough.
		}
	}
	if first != nil {
		return first, nil
	}
	return nil, refusal
}

// query asks one host about an order.
func (c *Client) query(ctx context.Context, mchOrderNo string, host Host) (*Notification, error) {
	n, op := &Notification{}, gatewayOrderQuery
	if host == HostMerchant {
		op = orderQuery
		answer, err := c.OrderQuery(ctx, &OrderQueryRequest{MchOrderNo: mchOrderNo})
		if err != nil {
			return nil, err
		}
		n.Envelope, n.Order = answer.Envelope, answer.Order
	} else {
		answer, err := c.GatewayOrderQuery(ctx, &GatewayOrderQueryRequest{MchOrderNo: mchOrderNo})
		if err != nil {
			return nil, err
		}
		n.Envelope, n.Order = answer.Envelope, answer.Order
	}
	if err := tellsOf(op, &n.Order, mchOrderNo); err != nil {
		return nil, err
	}
	return n, nil
}

// tellsOf makes sure that an answer is about the order it was asked for by the
// merchant's number, if it was.
func tellsOf(op *operation, o *Order, mchOrderNo string) error {
	if mchOrderNo == "" || o.MchOrderNo == mchOrderNo {
		return nil
	}
	return &Error{Operation: op.name, OrderNo: mchOrderNo, HTTPStatus: http.StatusOK,
		Err: fmt.Errorf("%w: the answer tells of order %q", ErrOtherOrder, clipText(o.MchOrderNo))}
}
