package ksher

import (
	"context"
	"fmt"
	"net/http"
	"time"
)

// Order is what the gateway says about an order, in answers to queries and in notifications.
// What doesn't apply yet is empty or zero.
type Order struct {
	AppID      string `json:"appid"`        // the merchant's app ID
	MchOrderNo string `json:"mch_order_no"` // the merchant's number of the order
	// PayMchOrderNo is, for an order made with [Client.GatewayPay], its number at the
	// merchant host, which [Client.OrderRefund] needs.
	PayMchOrderNo  string    `json:"pay_mch_order_no"`
	KsherOrderNo   string    `json:"ksher_order_no"`        // Ksher's number of the payment
	ChannelOrderNo string    `json:"channel_order_no"`      // the channel's number of the payment
	Channel        Channel   `json:"channel"`               // how the buyer paid, or chose to
	FeeType        string    `json:"fee_type"`              // the currency of TotalFee, an ISO 4217 code such as "THB"
	TotalFee       Amount    `json:"total_fee"`             // what the order costs, in cents of FeeType
	CashFee        Amount    `json:"cash_fee" wire:"loose"` // what the buyer paid, in cents of CashFeeType, 0 if not given or not whole
	CashFeeType    string    `json:"cash_fee_type"`         // the currency of CashFee, such as "CNY"
	Rate           string    `json:"rate"`                  // the exchange rate from FeeType to CashFeeType, such as "0.223410"
	Result         Result    `json:"result"`                // where the order stands
	TimeEnd        time.Time `json:"time_end"`              // when the buyer paid, read in the merchant's zone, zero if not given or not readable
	OpenID         string    `json:"openid"`                // identifies the buyer at the channel: personal data
	Attach         string    `json:"attach"`                // what the merchant attached to the order
	NonceStr       string    `json:"nonce_str"`             // random
}

// CheckPaid returns nil only if this is the order of that number, of exactly that amount in
// that currency, and it is paid. The error is an [ErrOtherOrder] or an [ErrNotPaid] and names
// every difference. Without an order it is an [ErrBadAnswer].
func (o *Order) CheckPaid(mchOrderNo string, totalFee Amount, feeType string) error {
	if o == nil {
		return fmt.Errorf("ksher: order %q: %w: there is no order to check", clipText(mchOrderNo), ErrBadAnswer)
	}
	if o.MchOrderNo != mchOrderNo || o.TotalFee != totalFee || o.FeeType != feeType {
		return fmt.Errorf("ksher: %w: the gateway speaks of order %q over %v %s, expected was order %q over %v %s",
			ErrOtherOrder, clipText(o.MchOrderNo), o.TotalFee, clipText(o.FeeType), clipText(mchOrderNo), totalFee, clipText(feeType))
	}
	if !o.Result.Paid() {
		return fmt.Errorf("ksher: order %q: %w: its result is %q", o.MchOrderNo, ErrNotPaid, clipText(string(o.Result)))
	}
	return nil
}

// usable says what keeps anything from being asked at all.
func (c *Client) usable(ctx context.Context, check *checker) {
	if c == nil || c.key == nil {
		check.Refuse("client", "was not made by NewClient")
	}
	if ctx == nil {
		check.Refuse("context", "is nil")
	}
}

// query asks one host about an order.
func (c *Client) query(ctx context.Context, mchOrderNo string, host Host) (*Order, error) {
	var order *Order
	op := gatewayOrderQuery
	if host == HostMerchant {
		op = orderQuery
		answer, err := c.OrderQuery(ctx, &OrderQueryRequest{MchOrderNo: mchOrderNo})
		if err != nil {
			return nil, err
		}
		order = &answer.Order
	} else {
		answer, err := c.GatewayOrderQuery(ctx, &GatewayOrderQueryRequest{MchOrderNo: mchOrderNo})
		if err != nil {
			return nil, err
		}
		order = &answer.Order
	}
	if err := tellsOf(op, order, mchOrderNo); err != nil {
		return nil, c.named(err)
	}
	return order, nil
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
