package ksher

import (
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/ksher-go/ksher/internal/check"
)

// maxString is the length of the parameters that are documented as String(32),
// in characters.
const maxString = 32

// checker collects what is wrong with a request, by the names of the wire.
type checker struct {
	check.Problems[FieldError]
	// now is what days are compared with.
	now time.Time
}

// invalid makes an error of the problems.
func (c *checker) invalid(operation, orderNo string) *ValidationError {
	return &ValidationError{Operation: operation, OrderNo: orderNo, Fields: c.Fields, Limits: c.Limits}
}

// ownNumber checks the number of an order or refund that is to be made.
func (c *checker) ownNumber(field, value string) {
	switch {
	case strings.TrimSpace(value) == "":
		c.Refuse(field, "is required")
	case check.Padded(value):
		c.Refuse(field, "has white space at an end, by which it may not be found again")
	}
	c.length(field, value)
	c.keepable(field, value)
}

// maxKept is how many characters of a number a Deduper keeps in its keys.
const maxKept = 128

// keepable refuses a number that can't be remembered.
func (c *checker) keepable(field, value string) {
	if n := utf8.RuneCountInString(value); n > maxKept {
		c.Refuse(field, "has %d characters, and more than %d can't be remembered", n, maxKept)
	}
}

// length checks a parameter that is documented as String(32).
func (c *checker) length(field, value string) {
	if n := utf8.RuneCountInString(value); n > maxString {
		c.Problem(field, "has %d characters, at most %d are allowed", n, maxString)
	}
}

// number checks an order's or refund's number that may be empty. Of one that exists
// already the length is the gateway's concern.
func (c *checker) number(field, value string) {
	if check.Padded(value) && strings.TrimSpace(value) != "" {
		c.Problem(field, "has white space at an end")
	}
	c.keepable(field, value)
}

func (c *checker) requiredNumber(field, value string) {
	c.Required(field, value)
	c.number(field, value)
}

// oneOrderNo checks the three numbers an order can be named by.
func (c *checker) oneOrderNo(mchOrderNo, ksherOrderNo, channelOrderNo string) {
	if strings.TrimSpace(mchOrderNo+ksherOrderNo+channelOrderNo) == "" {
		c.Problem("mch_order_no", "is required, or ksher_order_no, or channel_order_no")
	}
	c.number("mch_order_no", mchOrderNo)
	c.number("ksher_order_no", ksherOrderNo)
	c.number("channel_order_no", channelOrderNo)
}

func (c *checker) amount(field string, value Amount) {
	if value < 1 || value > maxAmount {
		c.Problem(field, "is %d cents, which is not between 1 and %d", int64(value), int64(maxAmount))
	}
}

// newOrder checks what every request that makes an order has.
func (c *checker) newOrder(mchOrderNo string, total Amount, feeType string) {
	c.ownNumber("mch_order_no", mchOrderNo)
	c.amount("total_fee", total)
	c.feeType(feeType)
}

func (c *checker) feeType(value string) {
	if len(value) != 3 || strings.Trim(value, "ABCDEFGHIJKLMNOPQRSTUVWXYZ") != "" {
		c.Problem("fee_type", "is %q, not an ISO 4217 code in capitals such as THB", clipText(value))
	}
}

// httpURL checks an address that may be empty.
func (c *checker) httpURL(field, value string) {
	if value == "" {
		return
	}
	if !check.Web(value) {
		c.Problem(field, "is not an absolute http or https address")
	}
}

func (c *checker) requiredURL(field, value string) {
	c.Required(field, value)
	c.httpURL(field, value)
}

// oneOf checks an enumeration that may be left out.
func (c *checker) oneOf(field, value string, allowed ...string) {
	if value != "" && !slices.Contains(allowed, value) {
		c.Problem(field, "is %q, not one of %s", clipText(value), strings.Join(allowed, ", "))
	}
}

func (c *checker) minutes(field string, value int) {
	if value < 0 {
		c.Problem(field, "is negative")
	}
}

func (c *checker) channel(field string, value Channel) {
	if value == "" || strings.ContainsAny(string(value), ", \t\r\n") {
		c.Problem(field, "has %q, which is empty or has a comma or a blank in it", clipText(string(value)))
	}
}
