package ksher

import (
	"context"
	"time"
)

// OrderRefundRequest refunds a paid order, whole or in part. For an order made
// with [Client.GatewayPay] use [Client.Refund].
type OrderRefundRequest struct {
	// MchRefundNo is the merchant's number of the refund: required, at most 32
	// characters. Each is carried out once, so keep it for as long as the
	// refund is in doubt.
	MchRefundNo string `url:"mch_refund_no"`
	// RefundFee is how much to give back, in cents of FeeType: required, not
	// above TotalFee. The gateway also counts earlier refunds.
	RefundFee Amount `url:"refund_fee"`
	// TotalFee is what the order cost, in cents of FeeType: required.
	TotalFee Amount `url:"total_fee"`
	// FeeType is the currency of the order, an ISO 4217 code: required.
	FeeType string `url:"fee_type"`
	// MchOrderNo is the number under which the merchant host knows the order,
	// at most 32 characters: for one made with GatewayPay its PayMchOrderNo. Of
	// the three order numbers at least one is required.
	MchOrderNo string `url:"mch_order_no,omitempty"`
	// KsherOrderNo is Ksher's number. For a card payment it is required.
	KsherOrderNo string `url:"ksher_order_no,omitempty"`
	// ChannelOrderNo is the channel's number.
	ChannelOrderNo string `url:"channel_order_no,omitempty"`
	// Channel is how the order was paid.
	Channel Channel `url:"channel,omitempty"`
	// OperatorID names the cashier or the like.
	OperatorID string `url:"operator_id,omitempty"`
	// Attach is returned as it is.
	Attach string `url:"attach,omitempty"`
	// Version is the version of the API. Its values are not documented.
	Version string `url:"version,omitempty"`

	Extra `url:"-"`
}

func (r *OrderRefundRequest) numbers() (orderNo, refundNo string) {
	return firstNo(r.MchOrderNo, r.KsherOrderNo, r.ChannelOrderNo), r.MchRefundNo
}

func (r *OrderRefundRequest) check(c *checker) {
	c.ownNumber("mch_refund_no", r.MchRefundNo)
	c.amount("refund_fee", r.RefundFee)
	c.amount("total_fee", r.TotalFee)
	if r.RefundFee > r.TotalFee {
		c.Problem("refund_fee", "is %v, which is more than the total_fee of %v", r.RefundFee, r.TotalFee)
	}
	c.feeType(r.FeeType)
	c.oneOrderNo(r.MchOrderNo, r.KsherOrderNo, r.ChannelOrderNo)
	switch {
	// The guide says so of card, and nothing of instalments on a card.
	case r.Channel == ChannelCard && r.KsherOrderNo == "":
		c.Problem("ksher_order_no", "is required to refund a card payment")
	case r.Channel != "" && r.Channel.facts().Refund == RefundRuleNever:
		c.Problem("channel", "is %s, which has no refunds through the API: pay the buyer back in another way", r.Channel)
	}
}

// OrderRefundResponse is the answer to [Client.OrderRefund].
type OrderRefundResponse struct {
	Answer `json:"-"`
	// AppID is the merchant's app ID.
	AppID string `json:"appid"`
	// MchOrderNo is the order's number at the merchant host.
	MchOrderNo string `json:"mch_order_no"`
	// KsherOrderNo is Ksher's number of the order.
	KsherOrderNo string `json:"ksher_order_no"`
	// ChannelOrderNo is the channel's number of the order.
	ChannelOrderNo string `json:"channel_order_no"`
	// MchRefundNo is the merchant's number of the refund.
	MchRefundNo string `json:"mch_refund_no"`
	// KsherRefundNo is Ksher's number of the refund.
	KsherRefundNo string `json:"ksher_refund_no"`
	// ChannelRefundNo is the channel's number of the refund.
	ChannelRefundNo string `json:"channel_refund_no"`
	// Channel is how the order was paid.
	Channel Channel `json:"channel"`
	// FeeType is the currency of the order.
	FeeType string `json:"fee_type"`
	// TotalFee is what the order cost, in cents of FeeType.
	TotalFee Amount `json:"total_fee"`
	// RefundFee is what was given back, in cents of FeeType.
	RefundFee Amount `json:"refund_fee"`
	// CashRefundFee is what was given back in the wallet's currency, in cents.
	CashRefundFee Amount `json:"cash_refund_fee" wire:"loose"`
	// RefundTime is when, read in the merchant's zone; zero if not given.
	RefundTime time.Time `json:"refund_time"`
	// Attach is the attach of the request.
	Attach string `json:"attach"`
	// DeviceID is the device_id of the order.
	DeviceID string `json:"device_id"`
	// OperatorID is the operator_id of the request.
	OperatorID string `json:"operator_id"`
	// NonceStr is random.
	NonceStr string `json:"nonce_str"`
}

var orderRefund = declareChange("order_refund", onMerchant, proof{
	has:  []string{"result", "mch_refund_no", "refund_fee"},
	same: []string{"fee_type"},
}, noSecrets, documented)

// OrderRefund calls order_refund: it refunds a paid order, whole or in part.
// The guide to native_pay has no refunds for PromptPay, and for scb_qrcard only
// on the same day. Once an order is settled a refund is [CodeKsherRefundExpire].
// An answer with any other result than [ResultSuccess] is an [*Error] with
// [ErrOutcomeUnknown].
//
// After an [ErrOutcomeUnknown], the refund may have been made: find out with
// [Client.Resolve], or send the very same request again, because Ksher
// carries out each mch_refund_no once. Never send it under a new number. If
// the first had been carried out, the second is answered with
// [CodeKsherDuplicatedRefundOrderNo] or [CodeKsherInvalidRefundOrderNo].
func (c *Client) OrderRefund(ctx context.Context, req *OrderRefundRequest) (*OrderRefundResponse, error) {
	return do[OrderRefundResponse](ctx, c, orderRefund, req)
}

// RefundQueryRequest asks for an order's refunds: one number of the order, and one of
// the refund. Without that clients of others get all of them.
type RefundQueryRequest struct {
	// MchOrderNo is the number under which the merchant host knows the order,
	// at most 32 characters: for one made with [Client.GatewayPay] its
	// PayMchOrderNo. Of the three order numbers at least one is required.
	MchOrderNo string `url:"mch_order_no,omitempty"`
	// KsherOrderNo is Ksher's number of the order.
	KsherOrderNo string `url:"ksher_order_no,omitempty"`
	// ChannelOrderNo is the channel's number of the order.
	ChannelOrderNo string `url:"channel_order_no,omitempty"`
	// MchRefundNo is the merchant's number of the refund, at most 32
	// characters.
	MchRefundNo string `url:"mch_refund_no,omitempty"`
	// KsherRefundNo is Ksher's number of the refund.
	KsherRefundNo string `url:"ksher_refund_no,omitempty"`
	// ChannelRefundNo is the channel's number of the refund.
	ChannelRefundNo string `url:"channel_refund_no,omitempty"`
	// Channel is how the order was paid. PromptPay, Alipay and Alipay+ have no
	// refund query.
	Channel Channel `url:"channel,omitempty"`
	// TotalFee is what the order cost, in cents of FeeType.
	TotalFee Amount `url:"total_fee,omitempty"`
	// RefundFee is how much was to be given back, in cents of FeeType.
	RefundFee Amount `url:"refund_fee,omitempty"`
	// FeeType is the currency of the order.
	FeeType string `url:"fee_type,omitempty"`

	Extra `url:"-"`
}

func (r *RefundQueryRequest) numbers() (orderNo, refundNo string) {
	return firstNo(r.MchOrderNo, r.KsherOrderNo, r.ChannelOrderNo), r.MchRefundNo
}

func (r *RefundQueryRequest) check(c *checker) {
	c.oneOrderNo(r.MchOrderNo, r.KsherOrderNo, r.ChannelOrderNo)
	c.number("mch_refund_no", r.MchRefundNo)
	if r.Channel != "" && !r.Channel.facts().RefundQuery {
		c.Problem("channel", "is %s, which has no refund query", r.Channel)
	}
	if r.TotalFee != 0 {
		c.amount("total_fee", r.TotalFee)
	}
	if r.RefundFee != 0 {
		c.amount("refund_fee", r.RefundFee)
	}
	if r.FeeType != "" {
		c.feeType(r.FeeType)
	}
}

// RefundState is where a refund stands. Only [RefundStateSuccess] was seen in
// genuine answers; the other values are not documented.
type RefundState string

// RefundStateSuccess means that the money was given back.
const RefundStateSuccess RefundState = "REFUNDSUCCESS"

// Refund is one refund of an order.
type Refund struct {
	// MchRefundNo is the merchant's number of the refund.
	MchRefundNo string `json:"mch_refund_no"`
	// KsherRefundNo is Ksher's number of the refund.
	KsherRefundNo string `json:"ksher_refund_no"`
	// ChannelRefundNo is the channel's number of the refund.
	ChannelRefundNo string `json:"channel_refund_no"`
	// MchRefundFee is what was given back, in cents of the order's currency.
	MchRefundFee Amount `json:"mch_refund_fee"`
	// RefundState is where the refund stands.
	RefundState RefundState `json:"refund_state"`
	// RefundTime is when, read in the merchant's zone; zero if not given.
	RefundTime time.Time `json:"refund_time"`
}

// RefundQueryResponse is the answer to [Client.RefundQuery].
type RefundQueryResponse struct {
	Answer `json:"-"`
	// AppID is the merchant's app ID.
	AppID string `json:"appid"`
	// MchOrderNo is the order's number at the merchant host.
	MchOrderNo string `json:"mch_order_no"`
	// KsherOrderNo is Ksher's number of the order.
	KsherOrderNo string `json:"ksher_order_no"`
	// ChannelOrderNo is the channel's number of the order.
	ChannelOrderNo string `json:"channel_order_no"`
	// FeeType is the currency of the order.
	FeeType string `json:"fee_type"`
	// TotalFee is what the order cost, in cents of FeeType.
	TotalFee Amount `json:"total_fee"`
	// CashFee is what the buyer paid in the wallet's currency, in cents of
	// CashFeeType.
	CashFee Amount `json:"cash_fee" wire:"loose"`
	// CashFeeType is the wallet's currency.
	CashFeeType string `json:"cash_fee_type"`
	// RefundCount is how many refunds there are.
	RefundCount int `json:"refund_count" wire:"loose"`
	// RefundFee isn't to be relied on: in a genuine answer it was not the sum of
	// the refunds. Add up RefundOrders instead.
	RefundFee Amount `json:"refund_fee" wire:"loose"`
	// RefundOrders has the refunds of the order.
	RefundOrders []Refund `json:"refund_orders"`
	// TimeEnd is a time of the order, read in the merchant's zone; zero if not
	// given.
	TimeEnd time.Time `json:"time_end"`
	// NonceStr is random.
	NonceStr string `json:"nonce_str"`
}

var refundQuery = declareQuery("refund_query", onMerchant, proof{has: []string{"result"}}, noSecrets)

// RefundQuery calls refund_query: it asks where an order's refunds stand.
// PromptPay, Alipay and Alipay+ don't offer it.
//
// It changes nothing and may be repeated at will. An answer about another
// mch_order_no than the one asked for is [ErrOtherOrder].
func (c *Client) RefundQuery(ctx context.Context, req *RefundQueryRequest) (*RefundQueryResponse, error) {
	return do[RefundQueryResponse](ctx, c, refundQuery, req)
}
