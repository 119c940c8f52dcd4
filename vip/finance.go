package vip

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"hash/maphash"
	"iter"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/ksher-go/ksher"
	"github.com/ksher-go/ksher/internal/day"
	"github.com/ksher-go/ksher/internal/fault"
	"github.com/ksher-go/ksher/internal/transport"
	"github.com/ksher-go/ksher/internal/wire"
)

const financePath = "/api/v1/finance/settlements/"

// maxPage is how many orders a page of a report may have.
const maxPage = 50

// maxRows ends a report whose pages don't end. It is a variable only for a test.
var maxRows = 1_000_000

// report makes a call for a report and returns its data. A report without data is
// ErrNoData.
func (c *Client) report(ctx context.Context, name, path string, req request, more ...wire.Param) (data wire.Value, verified bool, err error) {
	op := newOperation(name, http.MethodGet, financePath+path, more, true, func(r *reply) *Error {
		if r.code != CodeSuccess {
			return r.refusal()
		}
		var ok bool
		if data, ok = wire.Find(r.members, "data"); !ok || empty(data) {
			return &Error{Err: fault.ErrNoData}
		}
		verified = r.verified
		return nil
	})
	_, err = c.call(ctx, op, req)
	return data, verified, err
}

// unreadable is the error for data that isn't as documented.
func (c *Client) unreadable(name, format string, args ...any) error {
	err := fmt.Errorf("%w: "+format, append([]any{fault.ErrField}, args...)...)
	return &Error{Operation: name, HTTPStatus: http.StatusOK, Err: c.hide.Shield(err)}
}

// object decodes an object.
func (c *Client) object(v wire.Value, dst any) error {
	members, err := wire.ParseObject(v.Raw)
	if err != nil {
		return fmt.Errorf("%w: %w", fault.ErrField, err)
	}
	return c.decode(members, dst)
}

// ChannelsRequest asks for the channels of a merchant.
type ChannelsRequest struct {
	// MID is the merchant, such as "mch35618", with or without "mch": required. One that
	// the token may not ask about is [CodeUnknown].
	MID string `url:"mid"`

	ksher.Extra `url:"-"`
}

func (r *ChannelsRequest) extra() ksher.Extra                  { return r.Extra }
func (r *ChannelsRequest) numbers() (orderID, refundID string) { return "", "" }
func (r *ChannelsRequest) check(c *checker)                    { c.Required("mid", r.MID) }

// Channels is the answer to [Client.Channels].
type Channels struct {
	// Channels are the names of the channels, such as "wechat".
	Channels []string
	// Data is the data of the answer as it came.
	Data json.RawMessage
	// Verified tells whether the signature proves the data; see [WithStrict]. For
	// data that isn't verified nothing but TLS vouches.
	Verified bool
}

// Channels asks which channels a merchant has. An answer in which they aren't named is an
// [ksher.ErrBadAnswer].
//
// It changes nothing and may be repeated at will.
func (c *Client) Channels(ctx context.Context, req *ChannelsRequest) (*Channels, error) {
	data, verified, err := c.report(ctx, "channels", "channels", req)
	if err != nil {
		return nil, err
	}
	answer := &Channels{Data: bytes.Clone(data.Raw), Verified: verified}
	if answer.Channels, err = c.channelNames(data); err != nil {
		return nil, c.unreadable("channels", "data: %w", err)
	}
	return answer, nil
}

// channelNames reads a list of channels, which an object may have: of names, or of objects
// with one. Only the object around a list of names is what Ksher is known to send.
func (c *Client) channelNames(list wire.Value) (names []string, err error) {
	if list.Kind == wire.Object {
		members, err := wire.ParseObject(list.Raw)
		if err != nil {
			return nil, err
		}
		var found bool
		if list, found = wire.Find(members, "channels"); !found {
			return nil, errors.New("channels is missing")
		}
	}
	switch {
	case empty(list):
		return nil, nil
	case list.Kind == wire.String:
		for name := range strings.SplitSeq(string(list.Text()), ",") {
			if name = strings.TrimSpace(name); name != "" {
				names = append(names, name)
			}
		}
		return names, nil
	}
	elements, err := list.Elements()
	if err != nil {
		return nil, fmt.Errorf("channels: %w", err)
	}
	for _, e := range elements {
		var row struct {
			Channel string `json:"channel"`
		}
		switch e.Kind {
		case wire.String:
			row.Channel = string(e.Text())
		case wire.Object:
			if err := c.object(e, &row); err != nil {
				return nil, err
			}
		}
		if row.Channel != "" {
			names = append(names, row.Channel)
		}
	}
	if len(names) == 0 && len(elements) > 0 {
		return nil, errors.New("no channel of the list has a name")
	}
	return names, nil
}

// TransactionsRequest asks for the transactions of a day.
type TransactionsRequest struct {
	// Date is the day, as in "20210720": required, at most 50 years from today.
	Date string `url:"-"`
	// MID is the merchant, such as "mch35618": required.
	MID string `url:"mid"`
	// Channel leaves out every other channel.
	Channel string `url:"channel,omitempty"`
	// Limit is how many transactions to ask for at once, from 1 to 50, which is also
	// the default.
	Limit int `url:"-"`

	ksher.Extra `url:"-"`
}

func (r *TransactionsRequest) extra() ksher.Extra                  { return r.Extra }
func (r *TransactionsRequest) numbers() (orderID, refundID string) { return "", "" }

func (r *TransactionsRequest) check(c *checker) {
	c.date(r.Date)
	c.Required("mid", r.MID)
	c.limit(r.Limit)
}

func (c *checker) date(value string) {
	if problem := day.Problem("20060102", value, time.Now()); problem != "" {
		c.Problem("date", "%s", problem)
	}
}

func (c *checker) limit(value int) {
	switch {
	case value < 0: // It is reckoned with.
		c.Refuse("limit", "is %d, not between 1 and %d", value, maxPage)
	case value > maxPage:
		c.Problem("limit", "is %d, not between 1 and %d", value, maxPage)
	}
}

// TransactionType is what a [Transaction] is.
type TransactionType string

// Types of a transaction. The list isn't taken for complete: another one stays as it was
// written.
const (
	// TransactionTypePaid is a payment.
	TransactionTypePaid TransactionType = "Paid"
	// TransactionTypePay is a payment, too. What sets the two apart is not documented.
	TransactionTypePay TransactionType = "PAY"
	// TransactionTypeNotPaid is an order that nobody has paid.
	TransactionTypeNotPaid TransactionType = "Notpaid"
	// TransactionTypeInProgress is a payment that isn't decided yet.
	TransactionTypeInProgress TransactionType = "On processes"
	// TransactionTypeRefund is a refund.
	TransactionTypeRefund TransactionType = "refund"
)

// Paid reports whether the transaction is a payment that was made. Count nothing else as
// received: a report may have orders that aren't paid.
func (t TransactionType) Paid() bool {
	return t == TransactionTypePaid || t == TransactionTypePay
}

// Transaction is a row of a report: a payment, a refund, or an order that isn't paid. See
// [TransactionType].
type Transaction struct {
	// Amount is in cents of Currency, as in an [Order]. That the unit is the same, and
	// whether that of a refund is negative, is not documented.
	Amount ksher.Amount `json:"amount"`
	// TransactionTime is when it was, read in the client's zone; zero if that can't
	// be read.
	TransactionTime time.Time `json:"transaction_time"`
	// Type is what it is.
	Type TransactionType `json:"type"`
	// Channel is how the buyer paid.
	Channel string `json:"channel"`
	// DeviceID names the till.
	DeviceID string `json:"device_id"`
	// OperatorID names the cashier.
	OperatorID string `json:"operator_id"`
	// OperatorName is the cashier's name.
	OperatorName string `json:"operator_name"`
	// Currency is an ISO 4217 code.
	Currency string `json:"currency"`
	// OrderID is the merchant's number of the order.
	OrderID string `json:"order_id"`
	// KsherOrderID is Ksher's number of the order.
	KsherOrderID string `json:"ksher_order_id"`

	// Verified tells whether the signature proves the page that it came on; see
	// [WithStrict]. For one that isn't verified nothing but TLS vouches. It isn't
	// part of the answer.
	Verified bool `json:"-"`
}

// Transactions goes through the transactions of a day, asking for a page whenever it needs
// one; after an error there is nothing more. A report that may lack some isn't taken for
// whole: it is [ksher.ErrBadAnswer] if more or fewer come than the gateway has announced,
// or one that is the same to the letter as one of a page before. At most a million are
// read. Read a day when it is over: new transactions may shift the pages.
//
// It changes nothing and may be repeated at will; each page is repeated as [WithRetry]
// says.
func (c *Client) Transactions(ctx context.Context, req *TransactionsRequest) iter.Seq2[*Transaction, error] {
	if req == nil {
		req = &TransactionsRequest{} // Which is refused as well.
	}
	return c.pages(ctx, "transactions", "order/"+req.Date, req, req.Limit)
}

// SettlementOrdersRequest asks for the orders of a settlement.
type SettlementOrdersRequest struct {
	// ReferenceID is the [Settlement]'s, such as "20220317_35618_XXXXXX": required.
	ReferenceID string `url:"reference_id"`
	// Limit is how many orders to ask for at once, from 1 to 50, which is also the
	// default.
	Limit int `url:"-"`

	ksher.Extra `url:"-"`
}

func (r *SettlementOrdersRequest) extra() ksher.Extra                  { return r.Extra }
func (r *SettlementOrdersRequest) numbers() (orderID, refundID string) { return "", "" }

func (r *SettlementOrdersRequest) check(c *checker) {
	c.Required("reference_id", r.ReferenceID)
	c.limit(r.Limit)
}

// SettlementOrders goes through the orders of a settlement, as
// [Client.Transactions] does through those of a day.
func (c *Client) SettlementOrders(ctx context.Context, req *SettlementOrdersRequest) iter.Seq2[*Transaction, error] {
	if req == nil {
		req = &SettlementOrdersRequest{} // Which is refused as well.
	}
	return c.pages(ctx, "settlement orders", "settlement_order", req, req.Limit)
}

// pages goes through the pages of a report. Its end is where the gateway's total
// says, or without one an empty page: a gateway may give less at once than the limit.
func (c *Client) pages(ctx context.Context, name, path string, req request, limit int) iter.Seq2[*Transaction, error] {
	if limit == 0 {
		limit = maxPage
	}
	return func(yield func(*Transaction, error) bool) {
		seen := make(map[uint64]int) // The offset of the page that each row is on.
		hash := maphash.MakeSeed()
		total := -1
		for offset := 0; ; {
			p, err := c.page(ctx, name, path, req, offset, limit)
			if err == nil {
				// A later page may announce more, but not take back what another did.
				total = max(total, p.total)
			}
			switch {
			case err != nil:
			case len(p.rows) == 0 && offset < total, total >= 0 && offset+len(p.rows) > total:
				err = c.unreadable(name, "the gateway announced %d rows and gave %d", total, offset+len(p.rows))
			case offset+len(p.rows) > maxRows:
				err = c.unreadable(name, "there are more than %d rows", maxRows)
			default:
				// Pages that shift or repeat would hide what is missing. Two refunds on one
				// page may well look the same.
				for _, row := range p.raw {
					sum := maphash.Bytes(hash, row.Raw)
					if page, ok := seen[sum]; ok && page != offset {
						err = c.unreadable(name, "the gateway gave the same row on two pages")
					}
					seen[sum] = offset
				}
			}
			if err != nil {
				yield(nil, err)
				return
			}
			for i := range p.rows {
				if !yield(&p.rows[i], nil) {
					return
				}
			}
			offset += len(p.rows)
			if total >= 0 && offset >= total || total < 0 && len(p.rows) == 0 {
				return
			}
		}
	}
}

// page is a page of a report.
type page struct {
	rows []Transaction
	// raw are the rows as they came.
	raw []wire.Value
	// total is how many rows the whole report has, -1 if the gateway didn't say.
	total int
}

func (c *Client) page(ctx context.Context, name, path string, req request, offset, limit int) (*page, error) {
	data, verified, err := c.report(ctx, name, path, req,
		wire.Param{Name: "offset", Value: strconv.Itoa(offset)}, wire.Param{Name: "limit", Value: strconv.Itoa(limit)})
	if err != nil {
		return nil, err
	}
	members, err := wire.ParseObject(data.Raw)
	if err != nil {
		return nil, c.unreadable(name, "data: %w", err)
	}
	p := &page{total: -1}
	if total, ok := wire.Find(members, "total"); ok && !empty(total) {
		if p.total, err = strconv.Atoi(string(total.Text())); err != nil || p.total < 0 {
			return nil, c.unreadable(name, "total is %q, not a number", transport.Clip(string(total.Raw)))
		}
	}
	list, _ := wire.Find(members, "data")
	if p.raw, err = list.Elements(); err != nil && p.total != 0 {
		return nil, c.unreadable(name, "data: there is no list of rows")
	}
	p.rows = make([]Transaction, len(p.raw))
	for i, e := range p.raw {
		if err := c.object(e, &p.rows[i]); err != nil {
			return nil, c.unreadable(name, "row %d: %w", offset+i, err)
		}
		p.rows[i].Verified = verified
	}
	return p, nil
}

// SettlementRequest asks for the settlement of a day.
type SettlementRequest struct {
	// Date is the day, as in "20210720": required, at most 50 years from today.
	Date string `url:"-"`
	// MID is the merchant, such as "mch35618": required.
	MID string `url:"mid"`
	// Channel is the channel, such as "wechat": required.
	Channel string `url:"channel"`

	ksher.Extra `url:"-"`
}

func (r *SettlementRequest) extra() ksher.Extra                  { return r.Extra }
func (r *SettlementRequest) numbers() (orderID, refundID string) { return "", "" }

func (r *SettlementRequest) check(c *checker) {
	c.date(r.Date)
	c.Required("mid", r.MID)
	c.channel("channel", r.Channel)
}

// Settlement is what Ksher settles for a channel. Amounts are in cents of Currency,
// which is assumed; they are negative where refunds come to more than payments. An
// amount that isn't an integer is an [ksher.ErrBadAnswer].
type Settlement struct {
	// ReferenceID names the settlement, for [Client.SettlementOrders].
	ReferenceID string `json:"reference_id"`
	// Start is where the time of the payments begins, as it was written.
	Start string `json:"start"`
	// End is where it ends, as it was written.
	End string `json:"end"`
	// Channel is the channel.
	Channel string `json:"channel"`
	// Count is the number of payments.
	Count int64 `json:"count"`
	// Amount is what the payments come to.
	Amount ksher.Amount `json:"amount"`
	// Fee is what Ksher takes.
	Fee ksher.Amount `json:"fee"`
	// OtherFee is what else is taken.
	OtherFee ksher.Amount `json:"other_fee"`
	// Refund is what the refunds come to.
	Refund ksher.Amount `json:"refund"`
	// RefundFee is the fee of the refunds.
	RefundFee ksher.Amount `json:"refund_fee"`
	// Adjustment is what was corrected.
	Adjustment ksher.Amount `json:"adjustment"`
	// Balance is what was left from before.
	Balance ksher.Amount `json:"balance"`
	// Net is what is left for the merchant.
	Net ksher.Amount `json:"net"`
	// Currency is an ISO 4217 code.
	Currency string `json:"currency"`
	// Transfer is about the payment to the merchant's bank, as it was written: "true" of
	// a boolean, and "" if the gateway wrote false, which also stands for nothing.
	Transfer string `json:"transfer"`
	// TransferAmount is what went to the merchant's bank.
	TransferAmount ksher.Amount `json:"transfer_amount"`
	// Time is when it was settled, read in the client's zone; zero if that can't be
	// read.
	Time time.Time `json:"time"`

	// Verified tells whether the signature proves the settlement; see [WithStrict].
	// For one that isn't verified nothing but TLS vouches. It isn't part of the
	// answer.
	Verified bool `json:"-"`
}

// Settlement asks for the settlement of a day. What a day without one is answered
// with is not documented: [ksher.ErrNotFound] and [ksher.ErrBadAnswer] are likely.
//
// It changes nothing and may be repeated at will.
func (c *Client) Settlement(ctx context.Context, req *SettlementRequest) (*Settlement, error) {
	if req == nil {
		req = &SettlementRequest{} // Which is refused as well.
	}
	data, verified, err := c.report(ctx, "settlement", req.Date, req)
	if err != nil {
		return nil, err
	}
	s := &Settlement{Verified: verified}
	if err := c.object(data, s); err != nil {
		return nil, c.unreadable("settlement", "data: %w", err)
	}
	if s.ReferenceID == "" {
		return nil, c.unreadable("settlement", "reference_id is missing")
	}
	return s, nil
}
