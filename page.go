package ksher

import (
	"context"
	"errors"
	"fmt"
)

// GatewayPage gets a buyer a checkout page, also if the answer to [Client.GatewayPay] is
// lost: it asks about the order, sends the same again if Ksher doesn't know it, and otherwise
// cancels the order and creates one under another number.
//
// next is called then: it notes that the lost order stays on the list of open orders, because
// it may still be paid, and returns a number that was never used. The response is that of the
// order which has the page. See docs/doubt.md.
func (c *Client) GatewayPage(ctx context.Context, req *GatewayPayRequest, next func(ctx context.Context, lost OpenOrder) (mchOrderNo string, err error)) (*GatewayPayResponse, error) {
	if next == nil {
		return nil, &ValidationError{Operation: gatewayPay.name, Fields: []FieldError{{"next", "is nil"}}}
	}
	again := false // With the same number.
	for attempt := 1; ; attempt++ {
		page, err := c.GatewayPay(ctx, req)
		// A duplicate of what wasn't sent before is somebody else's order.
		doubt := errors.Is(err, ErrOutcomeUnknown) || again && errors.Is(err, ErrDuplicate)
		if !doubt || attempt == pageAttempts {
			return page, err
		}
		found, failed := c.Resolve(ctx, req)
		switch {
		case failed != nil:
			return nil, fmt.Errorf("%w; asking about it failed: %w", err, failed)
		case found.Verdict == VerdictNotCarriedOut:
			again = true
			continue
		}
		if req, err = c.abandon(ctx, req, next); err != nil {
			return nil, err
		}
		again = false
	}
}

// pageAttempts is how often GatewayPage asks for a page.
const pageAttempts = 4

// abandon cancels an order whose page is lost, and returns a request under the next
// number. That the cancellation fails is no obstacle: the order is watched anyway.
func (c *Client) abandon(ctx context.Context, req *GatewayPayRequest, next func(context.Context, OpenOrder) (string, error)) (*GatewayPayRequest, error) {
	lost := req.OpenOrder()
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
