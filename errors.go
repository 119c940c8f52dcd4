package ksher

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/ksher-go/ksher/internal/call"
	"github.com/ksher-go/ksher/internal/fault"
	"github.com/ksher-go/ksher/internal/transport"
)

// ErrOutcomeUnknown marks an error after which a request that pays, refunds, cancels or closes
// may or may not have been carried out: it was sent, and what came back was nothing believable,
// or neither a yes nor a documented no. Don't treat it as failed. [Client.Resolve] finds out
// what became of it; it may still be on its way.
//
// The very same request may be sent again, but not under a new number, and a payout not at all.
// A refusal then, such as [ErrDuplicate], says nothing about the first one. An operation never
// repeats it, nor lets net/http do so: see [WithRetry]. A refund in vip and a charge in opn may
// be carried out twice if sent again: see docs/vip.md and docs/kplus.md.
var ErrOutcomeUnknown = fault.ErrOutcomeUnknown

// What else can be asked for with [errors.Is]. vip and opn return these, too.
var (
	// ErrSignature means that a signature is missing, malformed, or belongs to other data
	// or another key, perhaps because of [SignV2] or a key of your own.
	ErrSignature = fault.ErrSignature
	// ErrBadAnswer means that what came can't be read or believed, such as a redirect, an
	// HTTP error or what isn't JSON. The text says which.
	ErrBadAnswer = fault.ErrBadAnswer
	// ErrOtherOrder means that what came is about another merchant, order, amount or
	// currency than the one asked for or expected.
	ErrOtherOrder = fault.ErrOtherOrder
	ErrNotPaid    = fault.ErrNotPaid // the order isn't paid, as far as its result says
	// ErrOrderExpired means that the order was not paid when the gateway was asked after
	// its time was over. One paid at the last moment may still appear: [Payments.Run].
	ErrOrderExpired = fault.ErrOrderExpired
	ErrNotFound     = fault.ErrNotFound // the gateway has no such order or refund: codes such as [CodeOrderNotExist]
	ErrNotOurs      = fault.ErrNotOurs  // the number isn't in the merchant's books, see [Payments.Notifications]
	// ErrDuplicate means that the number of an order or refund was used before, perhaps by
	// this very request: query it. It stands for codes such as [CodeKsherDuplicatedOrderNo].
	ErrDuplicate = fault.ErrDuplicate
	// ErrNeedsPerson means that a program can't find out whether a buyer was charged: look
	// at the merchant platform and the buyer's phone before goods or money change hands.
	ErrNeedsPerson = fault.ErrNeedsPerson
	// ErrInProgress means that the same payment is being handled at this moment, by
	// another call or another server. Ask again.
	ErrInProgress = fault.ErrInProgress
)

// Error is what every operation returns when it was tried and didn't succeed. Use [errors.As]
// to get at it, and [errors.Is] with a [Code], an Err… variable of this package, or a cause
// such as [context.DeadlineExceeded]. It never has a key or a signature in it.
type Error struct {
	Operation    string // the wire name of what was tried, such as "order_refund"
	AppID        string // that of the client that tried it, "" if there was none
	OrderNo      string // as the caller gave it: the merchant's if there was one, otherwise Ksher's or the channel's
	RefundNo     string // the merchant's number of the refund, if it was about one
	EnvelopeCode int    // the answer's code, 0 if the call was processed or no answer came
	Code         Code   // Ksher's code for the reason, "" if there was none; not always a documented one
	Message      string // the gateway's words, at most 200 characters, in the request's language or in Chinese
	HTTPStatus   int    // the status of the answer, 0 if there was none
	Err          error  // the cause, nil if the gateway refused in due form

	state call.State
}

// Error says what was tried on which order, what came back, and what to do next.
func (e *Error) Error() string {
	var b strings.Builder
	fmt.Fprintf(&b, "ksher: %s", e.Operation)
	if e.OrderNo != "" {
		fmt.Fprintf(&b, " of order %q", clipText(e.OrderNo))
	}
	if e.RefundNo != "" {
		fmt.Fprintf(&b, ", refund %q", clipText(e.RefundNo))
	}
	info, known := e.Code.Info()
	switch {
	case e.Code != "":
		fmt.Fprintf(&b, ": the gateway answered %v", e.Code)
		if e.Message != "" && e.Message != string(e.Code) {
			fmt.Fprintf(&b, " (%q)", e.Message)
		}
	case e.Message != "":
		fmt.Fprintf(&b, ": the gateway answered %q", e.Message)
	case e.Err == nil:
		b.WriteString(": the gateway refused without a reason")
	case e.EnvelopeCode != 0:
		b.WriteString(": the gateway refused")
	}
	if e.Code == "" && e.EnvelopeCode != 0 {
		fmt.Fprintf(&b, " (code %d)", e.EnvelopeCode)
	}
	if e.Err != nil {
		fmt.Fprintf(&b, ": %v", e.Err)
	}
	if e.HTTPStatus != 0 && (e.HTTPStatus < 200 || e.HTTPStatus > 299) {
		fmt.Fprintf(&b, " (HTTP %d)", e.HTTPStatus)
	}
	if e.state.Attempts > 1 {
		fmt.Fprintf(&b, " (the last of %d attempts)", e.state.Attempts)
	}
	b.WriteString(ofAppID(e.AppID))
	// Most solutions take their code for a certain no, and those about orders and
	// refunds are wrong for payouts.
	certain := !e.state.Unknown || !documented(e.Code)
	fits := e.Operation != payout.name && e.Operation != orderQueryPayout.name || slices.Contains(payoutRefusals, e.Code)
	if known && certain && fits {
		b.WriteString(". What to do: " + strings.TrimSuffix(info.Solution, "."))
	}
	if e.state.Unknown {
		resolve := "ask Client.Resolve"
		if e.Operation == payout.name {
			resolve = "pay nothing again, and ask Client.Resolve"
		}
		b.WriteString(". It may have been carried out all the same: " + resolve + " before anything else")
	}
	return b.String()
}

// Unwrap gives the cause, the code, and [ErrOutcomeUnknown] where it applies.
func (e *Error) Unwrap() []error {
	var errs []error
	if e.Err != nil {
		errs = append(errs, e.Err)
	}
	if e.Code != "" {
		errs = append(errs, e.Code)
	}
	if e.state.Unknown {
		errs = append(errs, ErrOutcomeUnknown)
	}
	return errs
}

// FieldError says what is wrong with one parameter.
type FieldError struct {
	Field   string // the parameter's name on the wire, such as "mch_order_no"
	Problem string // a clause that follows the name, such as "is required"
}

// ValidationError means that a request was not sent, because the documentation
// rules it out. Nothing has happened at the gateway. vip and opn return it, too.
type ValidationError struct {
	Operation string       // the wire name, or such as "redirect create" in vip, "create charge" in opn
	OrderNo   string       // the order's number, as the caller gave it, "" for none
	Fields    []FieldError // every problem found, in the order of the documentation
	Limits    []string     // the names in Fields that Extra.Unchecked would let pass

	appID string
}

// Error names the operation, the order and every field, and how to send the request all the
// same, if that can be done.
func (e *ValidationError) Error() string {
	var b strings.Builder
	fmt.Fprintf(&b, "ksher: %s", e.Operation)
	if e.OrderNo != "" {
		fmt.Fprintf(&b, " of order %q", clipText(e.OrderNo))
	}
	b.WriteString(" was not sent")
	for i, f := range e.Fields {
		fmt.Fprintf(&b, "%s %s %s", [2]string{":", ";"}[min(i, 1)], f.Field, f.Problem)
	}
	b.WriteString(ofAppID(e.appID))
	b.WriteString(fault.Unchecked(e.Limits))
	return b.String()
}

// named has the client's app ID in the text of an error, so that a program of many
// merchants knows whose it is.
func (c *Client) named(err error) error {
	var failed *Error
	var invalid *ValidationError
	switch {
	case err == nil || c == nil:
		return err
	case errors.As(err, &failed) && failed.AppID != "", errors.As(err, &invalid) && invalid.appID != "":
		return err
	case err == error(failed):
		own := *failed
		own.AppID = c.appID
		return &own
	case err == error(invalid):
		own := *invalid
		own.appID = c.appID
		return &own
	}
	return fmt.Errorf("%w%s", err, ofAppID(c.appID))
}

func ofAppID(appID string) string {
	if appID == "" {
		return ""
	}
	return " (app ID " + appID + ")"
}

// forLoop shows an error to the loop that makes the calls.
func (e *Error) forLoop() *call.Failure {
	return &call.Failure{
		Err: e, State: &e.state, Refused: e.Err == nil, Cause: e.Err, Code: string(e.Code), Status: e.HTTPStatus,
		// A query that these refuse was not looked at.
		AskAgain: e.Code == CodeSystemError || e.Code == CodeKsherSystemError || e.Code == CodeKsherChannelResponseError,
		WithCause: func(cause error) error {
			other := *e
			other.Err = cause
			return &other
		},
	}
}

// documented tells the codes that are a certain no: not those that are documented with
// the advice to query, to wait or to send the same again, and none that isn't documented.
func documented(code Code) bool {
	switch code {
	case CodeSystemError, CodeKsherSystemError, CodeKsherChannelResponseError, CodeTradeStateError, CodeRefundFailed:
		return false
	}
	_, known := code.Info()
	return known
}

func clipText(s string) string { return transport.Clip(s) }
