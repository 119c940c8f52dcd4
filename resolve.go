package ksher

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/ksher-go/ksher/internal/check"
	"github.com/ksher-go/ksher/internal/wire"
)

// Verdict is what became of a request that ended in doubt.
type Verdict string

// Verdicts.
const (
	VerdictCarriedOut Verdict = "carried out" // the gateway did what was asked
	// VerdictNotCarriedOut means that the gateway had not done it when it was asked.
	// The request may still be on its way, unless it is a payout: that has failed.
	VerdictNotCarriedOut Verdict = "not carried out"
	VerdictStillUnknown  Verdict = "still unknown" // the gateway doesn't tell, or not completely
)

// Resolution is what [Client.Resolve] found out.
type Resolution struct {
	Verdict Verdict // what became of the request
	// MayRepeat says that the very same request, with the same numbers, may be sent again
	// now without harm: Ksher carries it out once. After [VerdictCarriedOut] that has no use:
	// a creation ends in [ErrDuplicate], without a page or code. MayRepeat is never true of a
	// payout, and says nothing about a request under new numbers.
	MayRepeat bool
	Order     *Order                    // as the gateway told of it, nil if it didn't
	Refund    *Refund                   // as the gateway told of it, nil if it didn't
	Payout    *OrderQueryPayoutResponse // as the gateway told of it, nil if it didn't
}

// Doubtful is a request whose outcome [Client.Resolve] can find out: each that creates, pays,
// cancels, closes, reverses, refunds or pays out.
type Doubtful interface {
	// resolve asks what became of the request. What it needs has been checked.
	resolve(context.Context, *Client) (*Resolution, error)
	// sought checks the fields by which the outcome is found.
	sought(*checker)
	numbers() (orderNo, refundNo string)
	extra() Extra
}

// Resolve finds out by queries what became of a request that ended in [ErrOutcomeUnknown]. It
// needs the number, the amount and the currency; of a refund the order's and the refund's
// number and the RefundFee; to cancel, close or reverse only an order's number. A row of your
// database is enough for that. [VerdictCarriedOut] and [VerdictNotCarriedOut] are only said
// where the gateway's answer says so completely; see docs/doubt.md.
//
// If the number belongs to an order, refund or payout of another amount or currency, the
// error is [ErrOtherOrder]. After any other error nothing was learned: try again later.
func (c *Client) Resolve(ctx context.Context, req Doubtful) (*Resolution, error) {
	problems := &checker{}
	c.usable(ctx, problems)
	orderNo := ""
	if check.IsNil(req) {
		problems.Refuse("request", "is nil")
	} else {
		problems.Unchecked = req.extra().Unchecked // What was sent with it has to be found.
		req.sought(problems)
		orderNo, _ = req.numbers()
	}
	if len(problems.Fields) > 0 {
		return nil, c.named(problems.invalid("Resolve", orderNo))
	}
	res, err := req.resolve(ctx, c)
	if err != nil {
		return nil, c.named(err)
	}
	_, payout := req.(*PayoutRequest)
	res.MayRepeat = !payout
	return res, nil
}

// resolveCreated asks whether there is an order.
func (c *Client) resolveCreated(ctx context.Context, open OpenOrder) (*Resolution, error) {
	order, err := c.query(ctx, open.MchOrderNo, open.Host)
	if unknownOrder(err) {
		return &Resolution{Verdict: VerdictNotCarriedOut}, nil
	}
	if err != nil {
		return nil, err
	}
	// An unpaid order may come without its amount.
	if order.TotalFee != 0 && order.TotalFee != open.TotalFee || order.FeeType != "" && order.FeeType != open.FeeType {
		return nil, fmt.Errorf("ksher: resolving order %q: %w: the gateway has an order over %v %s under this number, not %v %s",
			open.MchOrderNo, ErrOtherOrder, order.TotalFee, clipText(order.FeeType), open.TotalFee, open.FeeType)
	}
	return &Resolution{Verdict: VerdictCarriedOut, Order: order}, nil
}

// sought checks what an order is found by.
func (o OpenOrder) sought(c *checker) { o.check(c) }

func (r *QuickPayRequest) resolve(ctx context.Context, c *Client) (*Resolution, error) {
	res, err := c.resolveCreated(ctx, r.OpenOrder())
	if err != nil || res.Order == nil {
		return res, err
	}
	// What was asked for is the payment, not the order.
	res.Verdict = VerdictStillUnknown
	switch {
	case res.Order.CheckPaid(r.MchOrderNo, r.TotalFee, r.FeeType) == nil:
		res.Verdict = VerdictCarriedOut
	case res.Order.Result.Final() && !res.Order.Result.Paid():
		res.Verdict = VerdictNotCarriedOut
	}
	return res, nil
}

func (r *CancelOrderRequest) sought(c *checker) { c.requiredNumber("mch_order_no", r.MchOrderNo) }

func (r *CancelOrderRequest) resolve(ctx context.Context, c *Client) (*Resolution, error) {
	order, err := c.query(ctx, r.MchOrderNo, HostGateway)
	if err != nil {
		return nil, err
	}
	return resolveClosed(order), nil
}

func (r *OrderCloseRequest) sought(c *checker) {
	c.oneOrderNo(r.MchOrderNo, r.KsherOrderNo, r.ChannelOrderNo)
}

func (r *OrderCloseRequest) resolve(ctx context.Context, c *Client) (*Resolution, error) {
	order, err := c.merchantOrder(ctx, r.MchOrderNo, r.KsherOrderNo, r.ChannelOrderNo)
	if err != nil {
		return nil, err
	}
	return resolveClosed(order), nil
}

func (r *OrderReverseRequest) sought(c *checker) {
	c.oneOrderNo(r.MchOrderNo, r.KsherOrderNo, r.ChannelOrderNo)
}

func (r *OrderReverseRequest) resolve(ctx context.Context, c *Client) (*Resolution, error) {
	order, err := c.merchantOrder(ctx, r.MchOrderNo, r.KsherOrderNo, r.ChannelOrderNo)
	if err != nil {
		return nil, err
	}
	res := resolveClosed(order)
	if order.Result == ResultRefund {
		res.Verdict = VerdictCarriedOut // It was paid, and the money went back.
	}
	return res, nil
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

// resolveClosed tells what an order says of its cancellation. A result that isn't known,
// or says that Ksher isn't sure, says nothing.
func resolveClosed(o *Order) *Resolution {
	res := &Resolution{Verdict: VerdictStillUnknown, Order: o}
	switch o.Result {
	case ResultClosed:
		res.Verdict = VerdictCarriedOut
	case ResultSuccess, ResultRefund, ResultPayError, ResultNotPay, ResultUserPaying:
		res.Verdict = VerdictNotCarriedOut
	}
	return res
}

func (r *OrderRefundRequest) sought(c *checker) {
	c.oneOrderNo(r.MchOrderNo, r.KsherOrderNo, r.ChannelOrderNo)
	c.ownNumber("mch_refund_no", r.MchRefundNo)
	c.amount("refund_fee", r.RefundFee)
}

func (r *OrderRefundRequest) resolve(ctx context.Context, c *Client) (*Resolution, error) {
	order, err := c.merchantOrder(ctx, r.MchOrderNo, r.KsherOrderNo, r.ChannelOrderNo)
	if err != nil {
		return nil, err
	}
	return c.resolveRefund(ctx, order, &RefundQueryRequest{
		MchOrderNo: r.MchOrderNo, KsherOrderNo: r.KsherOrderNo, ChannelOrderNo: r.ChannelOrderNo, MchRefundNo: r.MchRefundNo,
	}, r.RefundFee, HostMerchant)
}

func (r *RefundRequest) resolve(ctx context.Context, c *Client) (*Resolution, error) {
	order, err := c.query(ctx, r.MchOrderNo, r.Host)
	if err != nil {
		return nil, err
	}
	query := refundQueryOf(order, r.Host)
	query.MchRefundNo = r.MchRefundNo
	return c.resolveRefund(ctx, order, query, r.RefundFee, r.Host)
}

// resolveRefund looks for a refund among those of an order that the host told of.
func (c *Client) resolveRefund(ctx context.Context, order *Order, query *RefundQueryRequest, fee Amount, host Host) (*Resolution, error) {
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
	if host == HostGateway {
		// Who doesn't know the order doesn't know its refunds either.
		_, err := c.merchantOrder(ctx, query.MchOrderNo, query.KsherOrderNo, "")
		if unknownOrder(err) {
			return res, nil
		}
		if err != nil {
			return nil, err
		}
	}
	answer, err := c.RefundQuery(ctx, query)
	switch {
	case unknownOrder(err):
		return res, nil // It isn't said of what there is none, nor is it signed.
	case err != nil:
		return nil, err
	}
	i := slices.IndexFunc(answer.RefundOrders, func(o Refund) bool { return o.MchRefundNo == query.MchRefundNo })
	if i < 0 {
		if answer.complete() {
			res.Verdict = VerdictNotCarriedOut
		}
		return res, nil
	}
	res.Refund = &answer.RefundOrders[i]
	switch {
	case res.Refund.MchRefundFee == 0:
		// A refund without its amount says nothing about this one.
	case res.Refund.MchRefundFee != fee:
		return nil, fmt.Errorf("ksher: resolving refund %q of order %q: %w: under this number %v %s were refunded, not %v",
			query.MchRefundNo, order.MchOrderNo, ErrOtherOrder, res.Refund.MchRefundFee, clipText(answer.FeeType), fee)
	case res.Refund.Succeeded():
		res.Verdict = VerdictCarriedOut
	}
	return res, nil
}

// complete tells whether an answer has all refunds of the order: it lists as many as it
// counts.
func (r *RefundQueryResponse) complete() bool {
	data, err := wire.ParseObject(r.Data)
	if err != nil {
		return false
	}
	list, ok := wire.Find(data, "refund_orders")
	return ok && list.Kind == wire.Array && string(text(data, "refund_count")) == fmt.Sprint(len(r.RefundOrders))
}

func (r *PayoutRequest) sought(c *checker) { c.newOrder(r.MchOrderNo, r.TotalFee, r.FeeType) }

// resolve never says that a payout which the gateway doesn't know was not made: a request
// on its way may arrive later, and pay.
func (r *PayoutRequest) resolve(ctx context.Context, c *Client) (*Resolution, error) {
	answer, err := c.OrderQueryPayout(ctx, &OrderQueryPayoutRequest{MchOrderNo: r.MchOrderNo, Channel: r.Channel})
	res := &Resolution{Verdict: VerdictStillUnknown, Payout: answer}
	switch {
	case unknownOrder(err):
		return res, nil
	case err != nil:
		return nil, err
	}
	data, err := wire.ParseObject(answer.Data)
	feeType := string(text(data, "fee_type")) // Genuine answers have none.
	switch {
	case err != nil:
		return nil, err
	case answer.TotalFee != 0 && answer.TotalFee != r.TotalFee, feeType != "" && feeType != r.FeeType:
		return nil, fmt.Errorf("ksher: resolving payout %q: %w: the gateway has a payout of %v %s under this number, not %v %s",
			r.MchOrderNo, ErrOtherOrder, answer.TotalFee, clipText(feeType), r.TotalFee, r.FeeType)
	case answer.MchOrderNo == "" || answer.TotalFee == 0:
		return res, nil
	}
	switch answer.Result {
	case ResultSuccess:
		res.Verdict = VerdictCarriedOut
	case ResultPayError, ResultClosed:
		res.Verdict = VerdictNotCarriedOut
	}
	return res, nil
}

// unknownOrder tells whether a query was refused because there is no such order
// or refund.
func unknownOrder(err error) bool {
	var failed *Error
	return errors.As(err, &failed) && failed.Err == nil && failed.Code.Is(ErrNotFound)
}
