package ksher

import (
	"context"
	"errors"
	"fmt"
	"slices"
)

// Verdict is what became of a request that ended in doubt. What to do after each
// stands at [Client.Resolve], and for a payout, where it is something else, at
// [Client.ResolvePayout].
type Verdict string

// Verdicts.
const (
	// VerdictCarriedOut means that the gateway did what was asked.
	VerdictCarriedOut Verdict = "carried out"
	// VerdictNotCarriedOut means that the gateway had not done it when it was asked. The
	// request may still be on its way, unless it is a payout: that has failed.
	VerdictNotCarriedOut Verdict = "not carried out"
	// VerdictStillUnknown means that the gateway doesn't tell.
	VerdictStillUnknown Verdict = "still unknown"
)

// Resolution is what [Client.Resolve] found out.
type Resolution struct {
	// Verdict is what became of the request.
	Verdict Verdict
	// Order is the order as the gateway told of it, nil if it didn't.
	Order *Order
	// Refund is the refund as the gateway told of it, nil if it didn't.
	Refund *RefundOrder
}

// Doubtful is a request whose outcome can be found out afterwards:
// [*GatewayPayRequest], [*NativePayRequest], [*JSAPIPayRequest],
// [*MiniProgramPayRequest], [*AppPayRequest], [*WapPayRequest], [*WebPayRequest],
// [*QuickPayRequest], [*CancelOrderRequest], [*OrderCloseRequest],
// [*OrderReverseRequest], [*OrderRefundRequest] and [*RefundGatewayOrderRequest].
// A payout isn't one, because it may not be sent again: see
// [Client.ResolvePayout].
type Doubtful interface {
	// resolve asks what became of the request. Its check has passed.
	resolve(context.Context, *Client) (*Resolution, error)
	check(*checker)
	numbers() (orderNo, refundNo string)
	extra() Extra
}

// Resolve finds out by queries what became of a request that ended in
// [ErrOutcomeUnknown]. Give it the very same request.
//
// Whatever the verdict, the very same request may be sent again: Ksher makes one
// order of an order number and one refund of a refund number, so nobody is
// charged or refunded twice. Under another number everything would happen again.
// If the one sent again is refused, other than with a code for duplicates, that
// says nothing about the first: resolve it again.
//
//   - An order (gateway_pay, native_pay, and those for wallets) is [VerdictCarriedOut] if
//     the gateway knows it. Its page, code or parameters are lost with the answer:
//     cancel or close it and keep watching it. If the number belongs to an order
//     of another amount or currency, the error is [ErrOtherOrder].
//   - A cancellation (cancel_order, order_close) is VerdictCarriedOut if the order is
//     closed. If it is paid, it was too late: [VerdictNotCarriedOut].
//   - A charge (quick_pay) is VerdictCarriedOut if the order is paid, VerdictNotCarriedOut if
//     it ended otherwise or isn't known, and [VerdictStillUnknown] in between. It can be
//     of another amount like an order. [Payments.Charge] asks by itself.
//   - A reversal (order_reverse) is VerdictCarriedOut if the order is closed or
//     refunded.
//   - A refund is VerdictCarriedOut if the gateway lists it as done. Where the channel
//     has no refund query, or the refund is listed with another state than
//     [RefundStateSuccess], it is VerdictStillUnknown. If the number belongs to a refund of
//     another amount, the error is [ErrOtherOrder].
//
// The other errors are those of the queries, which are repeated as [WithRetry]
// says. Then nothing was learned: try again later.
//
// Source: not documented as a procedure. That numbers are unique is in Ksher's
// API documentation; the states are those of its queries.
func (c *Client) Resolve(ctx context.Context, req Doubtful) (*Resolution, error) {
	check := &checker{}
	c.usable(ctx, check)
	orderNo := ""
	if isNil(req) {
		check.refuse("request", "is nil")
	} else {
		check.unchecked = req.extra().Unchecked
		req.check(check)
		orderNo, _ = req.numbers()
	}
	if len(check.problems) > 0 {
		return nil, check.invalid("Resolve", orderNo)
	}
	return req.resolve(ctx, c)
}

func (r *GatewayPayRequest) resolve(ctx context.Context, c *Client) (*Resolution, error) {
	return c.resolveCreated(ctx, r.MchOrderNo, HostGateway, r.TotalFee, r.FeeType)
}

func (r *NativePayRequest) resolve(ctx context.Context, c *Client) (*Resolution, error) {
	return c.resolveCreated(ctx, r.MchOrderNo, HostMerchant, r.TotalFee, r.FeeType)
}

func (c *Client) resolveCreated(ctx context.Context, mchOrderNo string, host Host, total Amount, feeType string) (*Resolution, error) {
	n, err := c.query(ctx, mchOrderNo, host)
	if unknownOrder(err) {
		return &Resolution{Verdict: VerdictNotCarriedOut}, nil
	}
	if err != nil {
		return nil, err
	}
	// An unpaid order may come without its amount.
	if n.TotalFee != 0 && n.TotalFee != total || n.FeeType != "" && n.FeeType != feeType {
		return nil, fmt.Errorf("ksher: resolving order %q: %w: the gateway has an order over %v %s under this number, not %v %s",
			mchOrderNo, ErrOtherOrder, n.TotalFee, clipText(n.FeeType), total, feeType)
	}
	return &Resolution{Verdict: VerdictCarriedOut, Order: n}, nil
}

func (r *CancelOrderRequest) resolve(ctx context.Context, c *Client) (*Resolution, error) {
	n, err := c.query(ctx, r.MchOrderNo, HostGateway)
	if err != nil {
		return nil, err
	}
	return resolveClosed(n), nil
}

func (r *OrderCloseRequest) resolve(ctx context.Context, c *Client) (*Resolution, error) {
	order, err := c.merchantOrder(ctx, r.MchOrderNo, r.KsherOrderNo, r.ChannelOrderNo)
	if err != nil {
		return nil, err
	}
	return resolveClosed(order), nil
}

// merchantOrder asks the merchant host about an order by any of its numbers.
func (c *Client) merchantOrder(ctx context.Context, mchOrderNo, ksherOrderNo, channelOrderNo string) (*Order, error) {
	answer, err := c.OrderQuery(ctx, &OrderQueryRequest{MchOrderNo: mchOrderNo, KsherOrderNo: ksherOrderNo, ChannelOrderNo: channelOrderNo})
	if err == nil {
		err = tellsOf(orderQuery, &answer.Order, mchOrderNo)
	}
	if err != nil {
		return nil, err
	}
	return &answer.Order, nil
}

func resolveClosed(o *Order) *Resolution {
	res := &Resolution{Verdict: VerdictNotCarriedOut, Order: o}
	if o.Result == ResultClosed {
		res.Verdict = VerdictCarriedOut
	}
	return res
}

func (r *OrderRefundRequest) resolve(ctx context.Context, c *Client) (*Resolution, error) {
	order, err := c.merchantOrder(ctx, r.MchOrderNo, r.KsherOrderNo, r.ChannelOrderNo)
	if err != nil {
		return nil, err
	}
	return c.resolveRefund(ctx, order, &RefundQueryRequest{
		MchOrderNo: r.MchOrderNo, KsherOrderNo: r.KsherOrderNo, ChannelOrderNo: r.ChannelOrderNo, MchRefundNo: r.MchRefundNo,
	}, r.RefundFee)
}

func (r *RefundGatewayOrderRequest) numbers() (orderNo, refundNo string) {
	return r.MchOrderNo, r.MchRefundNo
}

func (r *RefundGatewayOrderRequest) check(c *checker) {
	c.requiredNumber("mch_order_no", r.MchOrderNo)
	c.ownNumber("mch_refund_no", r.MchRefundNo)
	c.amount("refund_fee", r.RefundFee)
}

func (r *RefundGatewayOrderRequest) resolve(ctx context.Context, c *Client) (*Resolution, error) {
	n, err := c.query(ctx, r.MchOrderNo, HostGateway)
	if err != nil {
		return nil, err
	}
	query := &RefundQueryRequest{KsherOrderNo: n.KsherOrderNo, MchRefundNo: r.MchRefundNo}
	if n.KsherOrderNo == "" {
		query.MchOrderNo = n.PayMchOrderNo
	}
	return c.resolveRefund(ctx, n, query, r.RefundFee)
}

// resolveRefund looks for a refund among those of an order.
func (c *Client) resolveRefund(ctx context.Context, order *Order, query *RefundQueryRequest, fee Amount) (*Resolution, error) {
	res := &Resolution{Verdict: VerdictStillUnknown, Order: order}
	switch order.Result {
	case ResultSuccess, ResultRefund:
	case ResultNotPay, ResultUserPaying, ResultClosed, ResultPayError:
		res.Verdict = VerdictNotCarriedOut // What isn't paid isn't refunded.
		return res, nil
	default:
		return res, nil
	}
	if !order.Channel.facts().RefundQuery || query.KsherOrderNo+query.MchOrderNo+query.ChannelOrderNo == "" {
		return res, nil
	}
	answer, err := c.RefundQuery(ctx, query)
	switch {
	case unknownOrder(err):
		// The order is known, as it was found just now.
		res.Verdict = VerdictNotCarriedOut
		return res, nil
	case err != nil:
		return nil, err
	}
	i := slices.IndexFunc(answer.RefundOrders, func(o RefundOrder) bool { return o.MchRefundNo == query.MchRefundNo })
	if i < 0 {
		res.Verdict = VerdictNotCarriedOut
		return res, nil
	}
	res.Refund = &answer.RefundOrders[i]
	if res.Refund.MchRefundFee != fee {
		return nil, fmt.Errorf("ksher: resolving refund %q of order %q: %w: under this number %v %s were refunded, not %v",
			query.MchRefundNo, order.MchOrderNo, ErrOtherOrder, res.Refund.MchRefundFee, clipText(answer.FeeType), fee)
	}
	if res.Refund.RefundState == RefundStateSuccess {
		res.Verdict = VerdictCarriedOut
	}
	return res, nil
}

// unknownOrder tells whether a query was refused because there is no such order
// or refund.
func unknownOrder(err error) bool {
	var failed *Error
	if !errors.As(err, &failed) || failed.Err != nil {
		return false
	}
	switch failed.Code {
	case CodeOrderNotExist, CodeOrderNotExistR, CodeInvalidOrderNo, CodeKsherInvalidOrderNo:
		return true
	}
	return false
}
