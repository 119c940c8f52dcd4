package ksher

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/ksher-go/ksher/internal/call"
	"github.com/ksher-go/ksher/internal/transport"
)

// QuickPayRequest charges the code that a buyer shows (B scan C). Every parameter
// of [Client.QuickPay] that isn't marked as required may be left zero.
//
// Source: the Quick Pay page of Ksher's API documentation.
type QuickPayRequest struct {
	// MchOrderNo is the merchant's number of the order: required, unique for the
	// merchant, at most 32 characters.
	MchOrderNo string `url:"mch_order_no"`
	// TotalFee is what the buyer has to pay, in cents of FeeType: required.
	TotalFee Amount `url:"total_fee"`
	// FeeType is the currency, an ISO 4217 code: required.
	FeeType string `url:"fee_type"`
	// AuthCode is what the scanner read from the buyer's phone: required. Whoever
	// has it can charge the buyer, for about a minute, so don't log it.
	AuthCode string `url:"auth_code"`
	// Channel is the buyer's wallet. Without it Ksher finds it out from the code.
	Channel Channel `url:"channel,omitempty"`
	// OperatorID names the cashier or the like.
	OperatorID string `url:"operator_id,omitempty"`

	Extra `url:"-"`
}

// Format keeps the buyer's code out of logs and errors, whatever the verb.
func (r QuickPayRequest) Format(f fmt.State, _ rune) {
	fmt.Fprintf(f, "quick_pay of order %q over %v %s", clipText(r.MchOrderNo), r.TotalFee, clipText(r.FeeType))
}

// LogValue keeps the buyer's code out of structured logs.
func (r QuickPayRequest) LogValue() slog.Value { return slog.StringValue(fmt.Sprint(r)) }

func (r *QuickPayRequest) numbers() (orderNo, refundNo string) { return r.MchOrderNo, "" }

func (r *QuickPayRequest) check(c *checker) {
	c.newOrder(r.MchOrderNo, r.TotalFee, r.FeeType)
	c.required("auth_code", r.AuthCode)
}

func (r *QuickPayRequest) resolve(ctx context.Context, c *Client) (*Resolution, error) {
	res, err := c.resolveCreated(ctx, r.MchOrderNo, HostMerchant, r.TotalFee, r.FeeType)
	if err != nil || res.Order == nil || res.Order.Result.Paid() {
		return res, err
	}
	// What was asked for is the payment, not the order.
	res.Verdict = StillUnknown
	if res.Order.Result.Final() {
		res.Verdict = NotCarriedOut
	}
	return res, nil
}

// QuickPayResponse is the answer to [Client.QuickPay]. Its fields are not
// documented one by one: they follow those of order_query.
//
// Source: the Quick Pay page of Ksher's API documentation.
type QuickPayResponse struct {
	Envelope `json:"-"`
	Order
	// Operation is the name of the operation.
	Operation string `json:"operation"`
	// OperatorID is the operator_id of the request.
	OperatorID string `json:"operator_id"`
	// DeviceID names the till.
	DeviceID string `json:"device_id"`
}

var quickPay = declareChange("quick_pay", onMerchant, proof{has: []string{"result"}, same: orderTerms}, secret("auth_code"),
	func(code Code) bool { return documented(code) && !aboutOrder(code) })

// QuickPay calls quick_pay: it charges the buyer whose code was scanned. Without
// an error the order is paid; an answer about another number, amount or currency is
// [ErrOtherOrder] and an [ErrOutcomeUnknown]. [Client.TakeQuickPay] does the whole procedure
// around it.
//
// If the buyer has to type a PIN first, Ksher answers NOTSURE, which is an
// [*Error] with [ErrOutcomeUnknown] like every answer but yes and a documented
// no: query the order until it settles, and if it doesn't, reverse it. A no such as
// [CodeKsherDuplicatedOrderNo] or [CodeOrderPaid] is one, too, because it may be
// about this very charge, sent twice.
//
// Source: POST quick_pay, the Quick Pay page of Ksher's API documentation.
func (c *Client) QuickPay(ctx context.Context, req *QuickPayRequest) (*QuickPayResponse, error) {
	return do[QuickPayResponse](ctx, c, quickPay, req)
}

// OrderReverseRequest names a doubtful order of [Client.QuickPay] by any one of
// its numbers.
//
// Source: the Order Reverse page of Ksher's API documentation.
type OrderReverseRequest struct {
	// MchOrderNo is the merchant's number, at most 32 characters. Of the three
	// numbers at least one is required.
	MchOrderNo string `url:"mch_order_no,omitempty"`
	// KsherOrderNo is Ksher's number.
	KsherOrderNo string `url:"ksher_order_no,omitempty"`
	// ChannelOrderNo is the channel's number.
	ChannelOrderNo string `url:"channel_order_no,omitempty"`
	// Channel is how the order is paid. It is documented as required, and left
	// out by all of Ksher's SDKs.
	Channel Channel `url:"channel,omitempty"`
	// OperatorID names the cashier or the like.
	OperatorID string `url:"operator_id,omitempty"`

	Extra `url:"-"`
}

func (r *OrderReverseRequest) numbers() (orderNo, refundNo string) {
	return firstNo(r.MchOrderNo, r.KsherOrderNo, r.ChannelOrderNo), ""
}

func (r *OrderReverseRequest) check(c *checker) {
	c.oneOrderNo(r.MchOrderNo, r.KsherOrderNo, r.ChannelOrderNo)
}

func (r *OrderReverseRequest) resolve(ctx context.Context, c *Client) (*Resolution, error) {
	order, err := c.merchantOrder(ctx, r.MchOrderNo, r.KsherOrderNo, r.ChannelOrderNo)
	if err != nil {
		return nil, err
	}
	res := resolveClosed(order)
	if order.Result == ResultRefund {
		res.Verdict = CarriedOut // It was paid, and the money went back.
	}
	return res, nil
}

// OrderReverseResponse is the answer to [Client.OrderReverse]. Which fields its
// data has is not documented: they follow those of order_close.
//
// Source: the Order Reverse page of Ksher's API documentation.
type OrderReverseResponse struct {
	Envelope `json:"-"`
	// AppID is the merchant's app ID.
	AppID string `json:"appid"`
	// MchOrderNo is the merchant's number of the order.
	MchOrderNo string `json:"mch_order_no"`
	// Result is [ResultSuccess]. With anything else the order isn't known to be
	// reversed, and the call is an error.
	Result Result `json:"result"`
	// NonceStr is random.
	NonceStr string `json:"nonce_str"`
}

var orderReverse = declareChange("order_reverse", onMerchant, proof{has: []string{"result"}, same: []string{"mch_order_no"}}, noSecrets, documented)

// OrderReverse calls order_reverse: it undoes a doubtful order of
// [Client.QuickPay], so that the buyer isn't charged, or gets the money back. An
// answer about another mch_order_no is [ErrOtherOrder].
//
// Source: POST order_reverse, the Order Reverse page of Ksher's API
// documentation.
func (c *Client) OrderReverse(ctx context.Context, req *OrderReverseRequest) (*OrderReverseResponse, error) {
	return do[OrderReverseResponse](ctx, c, orderReverse, req)
}

// ErrNeedsPerson means that it can't be found out by program whether a buyer was
// charged: somebody has to look, on the merchant platform and on the buyer's
// phone, before goods or money change hands.
var ErrNeedsPerson = errors.New("a person has to look whether the buyer was charged")

// Times of TakeQuickPay.
const (
	quickPayPatience = time.Minute
	reversePatience  = 30 * time.Second
)

// TakeQuickPay takes a payment at a till as Ksher's documentation has it: it
// charges the code; if that ends in doubt, for example because the buyer has to
// type a PIN, it asks for the order for up to a minute; if it doesn't settle, it
// reverses the order and asks for up to half a minute whether the reversal took.
// It ends in one of
//
//   - nil: the order is paid, this order and that amount;
//   - [ErrNotPaid]: the buyer was not charged, or has the money back;
//   - an [*Error] without [ErrOutcomeUnknown], or a [*ValidationError]: the
//     charge was refused or not sent, for example because the code is too old;
//   - [ErrNeedsPerson], which is an ErrOutcomeUnknown: neither could be made sure
//     of, also if the context ended first, or if Ksher knows no such order to the
//     end, because how long a charge can be on its way isn't documented.
//
// It may be called again for the same order number, also with a newer code: what
// the first call has charged isn't charged again, and counts as paid. If the second
// call is refused, that says nothing about the first: resolve that one.
//
// The options set how the order is asked for. The order is what the gateway told
// last, nil if it told nothing. Don't use it without an error check.
//
// Source: the Quick Pay page of Ksher's API documentation. How long to ask is
// not documented.
func (c *Client) TakeQuickPay(ctx context.Context, req *QuickPayRequest, opts ...WaitOption) (*Order, error) {
	p, err := newPolling(opts)
	if err != nil {
		return nil, err
	}
	p.patient = true
	var known *Order
	charged, err := c.QuickPay(ctx, req)
	switch {
	case err != nil && !errors.Is(err, ErrOutcomeUnknown):
		return nil, err
	case err == nil:
		known = &charged.Order
		if known.CheckPaid(req.MchOrderNo, req.TotalFee, req.FeeType) == nil {
			return known, nil
		}
	}
	open := OpenOrder{MchOrderNo: req.MchOrderNo, Host: HostMerchant, TotalFee: req.TotalFee, FeeType: req.FeeType}
	ask := func(ctx context.Context) error {
		order, err := c.waitFor(ctx, open, p)
		if order != nil {
			known = order
		}
		return err
	}
	needsPerson := func(why error) (*Order, error) {
		return known, &Error{Operation: quickPay.name, OrderNo: req.MchOrderNo, Err: fmt.Errorf("%w: %w", ErrNeedsPerson, why), state: call.State{Unknown: true}}
	}

	charging, cancel := context.WithTimeout(ctx, quickPayPatience)
	defer cancel()
	err = ask(charging)
	switch {
	case err == nil || errors.Is(err, ErrNotPaid):
		return known, err
	case ctx.Err() != nil || errors.Is(err, ErrOtherOrder):
		return needsPerson(err)
	}
	_, reversal := c.OrderReverse(ctx, &OrderReverseRequest{MchOrderNo: req.MchOrderNo, Channel: req.Channel, OperatorID: req.OperatorID})

	reversing, cancel := context.WithTimeout(ctx, reversePatience)
	defer cancel()
	// That it is paid may be what was before the reversal.
	for err = ask(reversing); err == nil && transport.Sleep(reversing, p.most) == nil; {
		if last := ask(reversing); !errors.Is(last, context.DeadlineExceeded) {
			err = last
		}
	}
	switch {
	case errors.Is(err, ErrNotPaid), err == nil && staysPaid(reversal):
		return known, err
	case err == nil:
		err = errors.New("it is paid, although it was to be reversed")
	}
	if reversal != nil {
		err = fmt.Errorf("%w; the reversal failed: %w", err, reversal)
	}
	return needsPerson(err)
}

// aboutOrder tells whether a charge was refused because of what became of the order
// before, so that it may be paid. A connection that repeats a request, such as a
// proxy's, gets that refusal of a charge that was carried out.
func aboutOrder(code Code) bool {
	switch info, _ := code.Info(); info.Action {
	case ActionQueryOrder, ActionNewOrderNo, ActionWait, ActionNone:
		return true
	}
	// The amount isn't 0, so that PRICE_NOT_EXIST has its other documented reason:
	// the order was created before. QUERY_ORDER_ERROR means that the transaction
	// isn't complete, which says nothing about the payment.
	return code == CodePriceNotExist || code == CodeQueryOrderError
}

// staysPaid tells whether a reversal was refused in a way that leaves a paid order
// paid. After another refusal it may be undone all the same: the reversal may have
// been sent twice, or contradict what the query says.
func staysPaid(reversal error) bool {
	var failed *Error
	if !errors.As(reversal, &failed) || failed.state.Unknown {
		return false
	}
	switch failed.Code {
	case "": // Nothing was sent.
		return failed.Err != nil
	case CodeOrderPaid, CodeOrderAlreadyPaymentSuccess, CodeOrderAlreadyPayOperationCannotBePerformed,
		CodeCancelError, CodeKsherRefundExpire, CodeNoAuth:
		return true
	}
	return false
}
