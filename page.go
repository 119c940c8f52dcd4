package ksher

import (
	"context"
	"errors"
	"fmt"
)

// GatewayPage gets a buyer a checkout page after a [Client.GatewayPay] in doubt, or instead of
// one: it asks about the order, sends the request if Ksher doesn't know it, and otherwise
// cancels the order, whose page is lost, and creates one under another number.
//
// next is called before that: it keeps the lost order on the list of open orders, because it
// may still be paid, writes down a new one, with the same amount, and returns its number,
// which was never used. The request goes out under that number, also as MchCode if that was
// the lost one, and otherwise unchanged: an address in it that names the lost number goes on
// naming it. The response is that of the order which has the page. An order that was paid
// meanwhile is an [ErrDuplicate]. See docs/doubt.md.
func (c *Client) GatewayPage(ctx context.Context, req *GatewayPayRequest, next func(ctx context.Context, lost OpenOrder) (mchOrderNo string, err error)) (*GatewayPayResponse, error) {
	if next == nil {
		return nil, &ValidationError{Operation: gatewayPay.name, Fields: []FieldError{{"next", "is nil"}}}
	}
	sent := true // This number, perhaps. What next gives was never sent, so an order there is another's.
	for attempt := 1; ; attempt++ {
		if sent {
			found, err := c.Resolve(ctx, req)
			switch {
			case err != nil:
				return nil, fmt.Errorf("ksher: gateway_pay: asking whether the order exists: %w", err)
			case found.Verdict != VerdictNotCarriedOut:
				if req, err = c.abandon(ctx, req, found.Order, next); err != nil {
					return nil, err
				}
				sent = false
			}
		}
		page, err := c.GatewayPay(ctx, req)
		doubt := errors.Is(err, ErrOutcomeUnknown) || sent && errors.Is(err, ErrDuplicate)
		if !doubt || attempt == pageAttempts {
			return page, err
		}
		sent = true
	}
}

// pageAttempts is how often GatewayPage asks for a page.
const pageAttempts = 4

// abandon cancels an order whose page is lost, and returns a request under the next
// number. That the cancellation fails is no obstacle: the order is watched anyway.
func (c *Client) abandon(ctx context.Context, req *GatewayPayRequest, found *Order, next func(context.Context, OpenOrder) (string, error)) (*GatewayPayRequest, error) {
	lost := req.OpenOrder()
	if found != nil && (found.Result.Paid() || found.Result == ResultRefund) {
		return nil, fmt.Errorf("ksher: gateway_pay of order %q: %w: it is paid already, its result is %s", clipText(lost.MchOrderNo), ErrDuplicate, found.Result)
	}
	no, err := next(ctx, lost)
	switch {
	case err != nil:
		return nil, fmt.Errorf("ksher: gateway_pay of order %q: its page is lost, and there is no next number: %w", clipText(lost.MchOrderNo), err)
	case no == lost.MchOrderNo:
		return nil, fmt.Errorf("ksher: gateway_pay of order %q: its page is lost, and the next number is the same", clipText(no))
	}
	_, _ = c.CancelOrder(ctx, &CancelOrderRequest{MchOrderNo: lost.MchOrderNo})
	another := *req
	another.MchOrderNo = no
	if req.MchCode == lost.MchOrderNo {
		another.MchCode = no
	}
	return &another, nil
}
