package ksher

import (
	"context"
	"errors"
	"fmt"
)

// RefundRequest gives money back, by the number that the merchant knows an order by. For
// [Client.Resolve] it needs MchOrderNo, Host, MchRefundNo and RefundFee.
type RefundRequest struct {
	MchOrderNo string // required, the merchant's number of the order
	Host       Host   // required, where the order was made
	// MchRefundNo is required, at most 32 characters. Ksher carries out each once: keep it
	// with the order before you call, and never use another one for the same refund.
	MchRefundNo string
	RefundFee   Amount // required, in cents of the order's currency, not above what was paid less earlier refunds
	OperatorID  string // the cashier or the like
	Attach      string // returned as it is

	Extra // for the refund, not for the queries around it
}

func (r *RefundRequest) numbers() (orderNo, refundNo string) { return r.MchOrderNo, r.MchRefundNo }

func (r *RefundRequest) sought(c *checker) {
	c.requiredNumber("mch_order_no", r.MchOrderNo)
	c.Required("host", string(r.Host))
	c.oneOf("host", string(r.Host), string(HostGateway), string(HostMerchant))
	c.ownNumber("mch_refund_no", r.MchRefundNo)
	c.amount("refund_fee", r.RefundFee)
}

// refundAttempts is how often Refund sends the same refund. The pauses are those of
// WithRetry.
const refundAttempts = 4

// Refund refunds an order of either host, whole or in part, to a known end: it queries the
// order, sends the refund, and after a doubtful answer asks what became of it, and sends the
// same again if it wasn't carried out. It returns the refund only if Ksher says that it is
// done.
//
// Nothing is sent for an order that isn't paid ([ErrNotPaid]), for more than was paid, or
// if the channel has no refunds (a [*ValidationError]). After an [ErrOutcomeUnknown], call
// it again with the very same request. See docs/doubt.md.
func (c *Client) Refund(ctx context.Context, req *RefundRequest) (*Refund, error) {
	check := &checker{}
	c.usable(ctx, check)
	if req == nil {
		req = &RefundRequest{}
		check.Refuse("request", "is nil")
	} else {
		check.Unchecked = req.Unchecked
		req.sought(check)
	}
	if len(check.Fields) > 0 {
		return nil, c.named(check.invalid(orderRefund.name, req.MchOrderNo))
	}
	order, err := c.query(ctx, req.MchOrderNo, req.Host)
	if err != nil {
		return nil, err
	}
	refund, err := req.of(order)
	if err != nil {
		return nil, c.named(err)
	}
	done, err := c.settleRefund(ctx, req, refund)
	return done, c.named(err)
}

// of makes the refund of an order, or says why it can't be refunded.
func (r *RefundRequest) of(order *Order) (*OrderRefundRequest, error) {
	check := &checker{}
	check.Unchecked = r.Unchecked
	refund := &OrderRefundRequest{
		MchRefundNo: r.MchRefundNo, RefundFee: r.RefundFee, TotalFee: order.TotalFee, FeeType: order.FeeType,
		OperatorID: r.OperatorID, Attach: r.Attach, Extra: r.Extra,
	}
	facts, numbers := order.Channel.facts(), refundQueryOf(order, r.Host)
	refund.MchOrderNo, refund.KsherOrderNo = numbers.MchOrderNo, numbers.KsherOrderNo
	if r.Host == HostGateway && order.PayMchOrderNo != "" && !facts.Card {
		refund.MchOrderNo, refund.KsherOrderNo = order.PayMchOrderNo, ""
	}
	if facts.Card {
		refund.MchOrderNo, refund.KsherOrderNo = "", order.KsherOrderNo
	}
	failed := func(err error) error {
		return &Error{Operation: orderRefund.name, OrderNo: r.MchOrderNo, RefundNo: r.MchRefundNo, Err: fmt.Errorf("nothing was sent: %w", err)}
	}
	switch {
	case order.Result != ResultSuccess && order.Result != ResultRefund:
		return nil, failed(fmt.Errorf("%w: its result is %q", ErrNotPaid, clipText(string(order.Result))))
	case refund.MchOrderNo+refund.KsherOrderNo == "":
		return nil, failed(errors.New("the gateway did not tell the order's number at the merchant host: refund it on the merchant platform"))
	case r.RefundFee > order.TotalFee:
		check.Problem("refund_fee", "is %v, and only %v %s were paid", r.RefundFee, order.TotalFee, clipText(order.FeeType))
	case facts.NoRefunds:
		check.Problem("channel", "is %s, which has no refunds through the API: pay the buyer back in another way, such as a bank transfer", order.Channel)
	}
	if len(check.Fields) > 0 {
		return nil, check.invalid(orderRefund.name, r.MchOrderNo)
	}
	return refund, nil
}

// refundQueryOf names an order at the merchant host.
func refundQueryOf(order *Order, host Host) *RefundQueryRequest {
	switch {
	case host == HostMerchant:
		return &RefundQueryRequest{MchOrderNo: order.MchOrderNo}
	case order.KsherOrderNo != "":
		return &RefundQueryRequest{KsherOrderNo: order.KsherOrderNo}
	}
	return &RefundQueryRequest{MchOrderNo: order.PayMchOrderNo}
}

// settleRefund sends a refund until it is known to be made or refused. Each time it is
// the very same refund, which Ksher carries out once.
func (c *Client) settleRefund(ctx context.Context, req *RefundRequest, refund *OrderRefundRequest) (*Refund, error) {
	doubt := false
	for n := 1; ; n++ {
		answer, err := c.OrderRefund(ctx, refund)
		if err == nil {
			return &Refund{
				MchRefundNo: answer.MchRefundNo, KsherRefundNo: answer.KsherRefundNo, ChannelRefundNo: answer.ChannelRefundNo,
				MchRefundFee: answer.RefundFee, RefundState: refundSuccess, RefundTime: answer.RefundTime,
			}, nil
		}
		err = req.named(err)
		// Who was in doubt before isn't told by a refusal: it may be because of the first.
		doubt = doubt || errors.Is(err, ErrOutcomeUnknown)
		if !doubt && !errors.Is(err, ErrDuplicate) {
			return nil, err
		}
		found, failed := req.resolve(ctx, c)
		switch {
		case failed == nil && found.Verdict == VerdictCarriedOut:
			return found.Refund, nil
		case errors.Is(failed, ErrOtherOrder):
			return nil, failed
		case n == refundAttempts || c.sender.Retry.Pause(ctx, c.sender.Clock, n) != nil:
			return nil, req.unsettled(err, failed)
		}
	}
}

// named gives an error of the refund the order number that the merchant knows.
func (r *RefundRequest) named(err error) error {
	var failed *Error
	var invalid *ValidationError
	switch {
	case errors.As(err, &failed):
		own := *failed
		own.OrderNo = r.MchOrderNo
		return &own
	case errors.As(err, &invalid):
		own := *invalid
		own.OrderNo = r.MchOrderNo
		return &own
	}
	return err
}

// unsettled is the error of a refund that may have been made. why is what sending it
// ended in, and failed what asking did.
func (r *RefundRequest) unsettled(why, failed error) error {
	e := &Error{Operation: orderRefund.name, OrderNo: r.MchOrderNo, RefundNo: r.MchRefundNo, Err: why}
	if said, ok := why.(*Error); ok {
		*e = *said
	}
	switch {
	case failed != nil && e.Err != nil:
		e.Err = fmt.Errorf("%w; asking about it failed: %w", e.Err, failed)
	case failed != nil:
		e.Err = fmt.Errorf("asking about it failed: %w", failed)
	}
	e.state.Unknown = true
	return e
}

// RefundsRequest names an order by the merchant's number.
type RefundsRequest struct {
	MchOrderNo string // required, the merchant's number of the order
	Host       Host   // required, where the order was made
}

// Refunds lists an order's refunds, of either host, by the merchant's number of the order
// alone; none if there are none. Channels without a refund query, such as PromptPay and
// Alipay, are a [*ValidationError].
func (c *Client) Refunds(ctx context.Context, req *RefundsRequest) ([]Refund, error) {
	check := &checker{}
	c.usable(ctx, check)
	if req == nil {
		req = &RefundsRequest{}
		check.Refuse("request", "is nil")
	} else {
		check.requiredNumber("mch_order_no", req.MchOrderNo)
		check.Required("host", string(req.Host))
		check.oneOf("host", string(req.Host), string(HostGateway), string(HostMerchant))
	}
	if len(check.Fields) > 0 {
		return nil, c.named(&ValidationError{Operation: refundQuery.name, OrderNo: req.MchOrderNo, Fields: check.Fields})
	}
	order, err := c.query(ctx, req.MchOrderNo, req.Host)
	if err != nil {
		return nil, err
	}
	query := refundQueryOf(order, req.Host)
	query.Channel = order.Channel
	answer, err := c.RefundQuery(ctx, query)
	switch {
	case unknownOrder(err) && order.Result != ResultRefund:
		return nil, nil // The order is known, as it was found just now.
	case err != nil:
		return nil, err
	}
	return answer.RefundOrders, nil
}
