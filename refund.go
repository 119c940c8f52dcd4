package ksher

import (
	"context"
	"time"
)

// OrderRefundRequest refunds a paid order, whole or in part, by at least one of the
// order's numbers. For an order made with [Client.GatewayPay] use [Client.Refund]. For
// [Client.Resolve] it needs an order's number, MchRefundNo and RefundFee.
type OrderRefundRequest struct {
	// MchRefundNo is the merchant's number of the refund: required, at most 32 characters.
	// Each is carried out once, so keep it for as long as the refund is in doubt.
	MchRefundNo    string  `url:"mch_refund_no"`
	RefundFee      Amount  `url:"refund_fee"`                 // required, in cents of FeeType, not above TotalFee less earlier refunds
	TotalFee       Amount  `url:"total_fee"`                  // required, what the order cost, in cents of FeeType
	FeeType        string  `url:"fee_type"`                   // required, the currency of the order, an ISO 4217 code
	MchOrderNo     string  `url:"mch_order_no,omitempty"`     // the order's number at the merchant host, of a GatewayPay its PayMchOrderNo
	KsherOrderNo   string  `url:"ksher_order_no,omitempty"`   // Ksher's number, required for a card payment
	ChannelOrderNo string  `url:"channel_order_no,omitempty"` // the channel's number
	Channel        Channel `url:"channel,omitempty"`          // how the order was paid, such as linepay, atome or card
	OperatorID     string  `url:"operator_id,omitempty"`      // the cashier or the like
	Attach         string  `url:"attach,omitempty"`           // returned as it is
	Version        string  `url:"version,omitempty"`          // the version of the API, its values not documented

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
	case r.Channel != "" && r.Channel.facts().NoRefunds:
		c.Problem("channel", "is %s, which has no refunds through the API: pay the buyer back in another way", r.Channel)
	}
}

// OrderRefundResponse is the answer to [Client.OrderRefund].
type OrderRefundResponse struct {
	Answer          `json:"-"`
	AppID           string    `json:"appid"`                        // the merchant's app ID
	MchOrderNo      string    `json:"mch_order_no"`                 // the order's number at the merchant host
	KsherOrderNo    string    `json:"ksher_order_no"`               // Ksher's number of the order
	ChannelOrderNo  string    `json:"channel_order_no"`             // the channel's number of the order
	MchRefundNo     string    `json:"mch_refund_no"`                // the merchant's number of the refund
	KsherRefundNo   string    `json:"ksher_refund_no"`              // Ksher's number of the refund
	ChannelRefundNo string    `json:"channel_refund_no"`            // the channel's number of the refund
	Channel         Channel   `json:"channel"`                      // how the order was paid
	FeeType         string    `json:"fee_type"`                     // the currency of the order
	TotalFee        Amount    `json:"total_fee"`                    // what the order cost, in cents of FeeType
	RefundFee       Amount    `json:"refund_fee"`                   // what was given back, in cents of FeeType
	CashRefundFee   Amount    `json:"cash_refund_fee" wire:"loose"` // what was given back in the wallet's currency, in cents
	RefundTime      time.Time `json:"refund_time"`                  // read in the merchant's zone, zero if not given
	Attach          string    `json:"attach"`                       // the attach of the request
	DeviceID        string    `json:"device_id"`                    // the device_id of the order
	OperatorID      string    `json:"operator_id"`                  // the operator_id of the request
	NonceStr        string    `json:"nonce_str"`                    // random
}

var orderRefund = declareChange("order_refund", onMerchant, proof{
	has:  []string{"result", "mch_refund_no", "refund_fee"},
	same: []string{"fee_type"},
}, noSecrets, documented)

// OrderRefund calls order_refund: it refunds a paid order, whole or in part; [Client.Refund]
// does the whole procedure around it. docs/channels.md says which channels have refunds. Once
// an order is settled a refund is [CodeKsherRefundExpire].
//
// After an [ErrOutcomeUnknown], ask [Client.Resolve], or send the very same request again:
// Ksher carries out each mch_refund_no once, and answers the second with [ErrDuplicate]. Never
// send it under a new number. Any result but [ResultSuccess] is an [ErrOutcomeUnknown], too.
func (c *Client) OrderRefund(ctx context.Context, req *OrderRefundRequest) (*OrderRefundResponse, error) {
	return do[OrderRefundResponse](ctx, c, orderRefund, req)
}

// RefundQueryRequest asks for an order's refunds. It needs at least one number of the order
// and one of the refund; for all refunds of an order call [Client.Refunds].
type RefundQueryRequest struct {
	MchOrderNo      string  `url:"mch_order_no,omitempty"`      // the order's number at the merchant host, of a GatewayPay its PayMchOrderNo
	KsherOrderNo    string  `url:"ksher_order_no,omitempty"`    // Ksher's number of the order
	ChannelOrderNo  string  `url:"channel_order_no,omitempty"`  // the channel's number of the order
	MchRefundNo     string  `url:"mch_refund_no,omitempty"`     // the merchant's number of the refund, at most 32 characters
	KsherRefundNo   string  `url:"ksher_refund_no,omitempty"`   // Ksher's number of the refund
	ChannelRefundNo string  `url:"channel_refund_no,omitempty"` // the channel's number of the refund
	Channel         Channel `url:"channel,omitempty"`           // how the order was paid; PromptPay, Alipay and Alipay+ are refused
	TotalFee        Amount  `url:"total_fee,omitempty"`         // what the order cost, in cents of FeeType
	RefundFee       Amount  `url:"refund_fee,omitempty"`        // how much was to be given back, in cents of FeeType
	FeeType         string  `url:"fee_type,omitempty"`          // the currency of the order

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

// refundSuccess is the only refund_state that was seen in genuine answers.
const refundSuccess = "REFUNDSUCCESS"

// Refund is one refund of an order.
type Refund struct {
	MchRefundNo     string    `json:"mch_refund_no"`     // the merchant's number of the refund
	KsherRefundNo   string    `json:"ksher_refund_no"`   // Ksher's number of the refund
	ChannelRefundNo string    `json:"channel_refund_no"` // the channel's number of the refund
	MchRefundFee    Amount    `json:"mch_refund_fee"`    // what was given back, in cents of the order's currency
	RefundState     string    `json:"refund_state"`      // where the refund stands, in Ksher's words; see [Refund.Succeeded]
	RefundTime      time.Time `json:"refund_time"`       // read in the merchant's zone, zero if not given
}

// Succeeded tells whether the money was given back.
func (r *Refund) Succeeded() bool { return r.RefundState == refundSuccess }

// RefundQueryResponse is the answer to [Client.RefundQuery].
type RefundQueryResponse struct {
	Answer         `json:"-"`
	AppID          string    `json:"appid"`                     // the merchant's app ID
	MchOrderNo     string    `json:"mch_order_no"`              // the order's number at the merchant host
	KsherOrderNo   string    `json:"ksher_order_no"`            // Ksher's number of the order
	ChannelOrderNo string    `json:"channel_order_no"`          // the channel's number of the order
	FeeType        string    `json:"fee_type"`                  // the currency of the order
	TotalFee       Amount    `json:"total_fee"`                 // what the order cost, in cents of FeeType
	CashFee        Amount    `json:"cash_fee" wire:"loose"`     // what the buyer paid in the wallet's currency, in cents
	CashFeeType    string    `json:"cash_fee_type"`             // the wallet's currency
	RefundCount    int       `json:"refund_count" wire:"loose"` // how many refunds there are
	RefundFee      Amount    `json:"refund_fee" wire:"loose"`   // in a genuine answer not the sum of the refunds: add up RefundOrders instead
	RefundOrders   []Refund  `json:"refund_orders"`             // the refunds of the order
	TimeEnd        time.Time `json:"time_end"`                  // a time of the order, read in the merchant's zone, zero if not given
	NonceStr       string    `json:"nonce_str"`                 // random
}

var refundQuery = declareQuery("refund_query", onMerchant, proof{has: []string{"result"}}, noSecrets)

// RefundQuery calls refund_query: it asks where an order's refunds stand. PromptPay, Alipay
// and Alipay+ don't offer it.
func (c *Client) RefundQuery(ctx context.Context, req *RefundQueryRequest) (*RefundQueryResponse, error) {
	return do[RefundQueryResponse](ctx, c, refundQuery, req)
}
