package ksher

import "context"

// QuickPayRequest charges the code that a buyer shows (B scan C). Every parameter
// of [Client.QuickPay] that isn't marked as required may be left zero.
type QuickPayRequest struct {
	// MchOrderNo is the merchant's number of the order: required, unique for the
	// merchant, at most 32 characters.
	MchOrderNo string `url:"mch_order_no"`
	// TotalFee is what the buyer has to pay, in cents of FeeType: required.
	TotalFee Amount `url:"total_fee"`
	// FeeType is the currency, an ISO 4217 code: required.
	FeeType string `url:"fee_type"`
	// AuthCode is what the scanner read from the buyer's phone: required. Whoever
	// has it can charge the buyer, for about a minute.
	AuthCode Secret `url:"auth_code"`
	// Channel is the buyer's wallet. Without it Ksher finds it out from the code.
	Channel Channel `url:"channel,omitempty"`
	// OperatorID names the cashier or the like.
	OperatorID string `url:"operator_id,omitempty"`

	Extra `url:"-"`
}

// OpenOrder is the order in the merchant's books that the request makes, for
// [Payments]. Set its Created, and its Expires if it has a time to be paid.
func (r *QuickPayRequest) OpenOrder() OpenOrder {
	return newOpenOrder(HostMerchant, r.MchOrderNo, r.TotalFee, r.FeeType)
}

func (r *QuickPayRequest) sought(c *checker) { r.OpenOrder().sought(c) }

func (r *QuickPayRequest) numbers() (orderNo, refundNo string) { return r.MchOrderNo, "" }

func (r *QuickPayRequest) check(c *checker) {
	c.newOrder(r.MchOrderNo, r.TotalFee, r.FeeType)
	c.Required("auth_code", r.AuthCode.Reveal())
}

// QuickPayResponse is the answer to [Client.QuickPay]. Its fields are not
// documented one by one: they follow those of order_query.
type QuickPayResponse struct {
	Answer `json:"-"`
	Order
	// Operation is the name of the operation.
	Operation string `json:"operation"`
	// OperatorID is the operator_id of the request.
	OperatorID string `json:"operator_id"`
	// DeviceID names the till.
	DeviceID string `json:"device_id"`
}

var quickPay = declareChange("quick_pay", onMerchant, proof{has: paidTerms, same: orderTerms}, secret("auth_code"),
	func(code Code) bool { return documented(code) && !aboutOrder(code) })

// QuickPay calls quick_pay: it charges the buyer whose code was scanned. Without
// an error the order is paid; an answer about another number, amount or currency is
// [ErrOtherOrder] and an [ErrOutcomeUnknown]. [Payments.Charge] does the whole procedure
// around it.
//
// If the buyer has to type a PIN first, Ksher answers NOTSURE, which is an
// [*Error] with [ErrOutcomeUnknown] like every answer but yes and a documented
// no: query the order until it settles, and if it doesn't, reverse it. A no such as
// [CodeKsherDuplicatedOrderNo] or [CodeOrderPaid] is one, too, because it may be
// about this very charge, sent twice.
func (c *Client) QuickPay(ctx context.Context, req *QuickPayRequest) (*QuickPayResponse, error) {
	return do[QuickPayResponse](ctx, c, quickPay, req)
}

// OrderReverseRequest names a doubtful order of [Client.QuickPay] by any one of
// its numbers.
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

// OrderReverseResponse is the answer to [Client.OrderReverse]. Which fields its
// data has is not documented: they follow those of order_close.
type OrderReverseResponse struct {
	Answer `json:"-"`
	// AppID is the merchant's app ID.
	AppID string `json:"appid"`
	// MchOrderNo is the merchant's number of the order.
	MchOrderNo string `json:"mch_order_no"`
	// NonceStr is random.
	NonceStr string `json:"nonce_str"`
}

var orderReverse = declareChange("order_reverse", onMerchant, proof{has: []string{"result"}, same: []string{"mch_order_no"}}, noSecrets, documented)

// OrderReverse calls order_reverse: it undoes a doubtful order of
// [Client.QuickPay], so that the buyer isn't charged, or gets the money back. An
// answer about another mch_order_no is [ErrOtherOrder].
func (c *Client) OrderReverse(ctx context.Context, req *OrderReverseRequest) (*OrderReverseResponse, error) {
	return do[OrderReverseResponse](ctx, c, orderReverse, req)
}

// aboutOrder tells whether a charge was refused because of what became of the order
// before, so that it may be paid. A connection that repeats a request, such as a
// proxy's, gets that refusal of a charge that was carried out.
func aboutOrder(code Code) bool {
	switch info, _ := code.Info(); info.Action {
	case ActionQueryOrder, ActionWait, ActionNone:
		return true
	}
	// It means that the transaction isn't complete, which says nothing about the payment.
	return code == CodeQueryOrderError
}
