package opn

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/google/go-querystring/query"

	"github.com/ksher-go/ksher"
	"github.com/ksher-go/ksher/internal/call"
	"github.com/ksher-go/ksher/internal/fault"
	"github.com/ksher-go/ksher/internal/transport"
)

// CreateChargeRequest asks for a charge from a source.
type CreateChargeRequest struct {
	// Amount is what the buyer has to pay, in satang: required, from [MinAmount] to
	// [MaxAmount], and the same as the source's.
	Amount ksher.Amount `url:"amount"`
	// Currency is "THB", in whatever letters: required.
	Currency string `url:"currency"`
	// ReturnURI is where the buyer comes back to afterwards: required, a page
	// by http or https, or for a shop's app its deep link, such as
	// "myshop://orders/1". Make it an address of the order's own, by which the charge
	// can be recognised.
	ReturnURI string `url:"return_uri"`
	// Source is the ID of the source, "src_…": required.
	Source string `url:"source"`

	ksher.Extra `url:"-"`
}

func (r *CreateChargeRequest) extra() ksher.Extra { return r.Extra }

func (r *CreateChargeRequest) check(c *checker) {
	c.money(r.Amount, r.Currency)
	c.returnURI(r.ReturnURI)
	if !isID("src", r.Source) {
		c.Problem("source", "is not the ID of a source, which begins with src_")
	}
	c.extra(r.Params, "amount", "currency", "return_uri", "source")
}

// CreateChargeWithSourceRequest asks for a source and a charge from it at once.
type CreateChargeWithSourceRequest struct {
	// Amount is what the buyer has to pay, in satang: required, from [MinAmount] to
	// [MaxAmount].
	Amount ksher.Amount
	// Currency is "THB", in whatever letters: required.
	Currency string
	// ReturnURI is where the buyer comes back to afterwards: required, a page
	// by http or https, or for a shop's app its deep link, such as
	// "myshop://orders/1". Make it an address of the order's own, by which the charge
	// can be recognised.
	ReturnURI string
	// PlatformType is the buyer's kind of phone, which may be left out.
	PlatformType PlatformType

	ksher.Extra
}

func (r *CreateChargeWithSourceRequest) extra() ksher.Extra { return r.Extra }

func (r *CreateChargeWithSourceRequest) check(c *checker) {
	c.money(r.Amount, r.Currency)
	c.returnURI(r.ReturnURI)
	c.platform("source[platform_type]", r.PlatformType)
	c.extra(r.Params, "amount", "currency", "return_uri", "source")
}

// chargeWithSource is what goes over the wire for both at once.
type chargeWithSource struct {
	Amount    ksher.Amount `url:"amount"`
	Currency  string       `url:"currency"`
	ReturnURI string       `url:"return_uri"`
	Source    newSource    `url:"source"`
}

type newSource struct {
	Type         string       `url:"type"`
	PlatformType PlatformType `url:"platform_type,omitempty"`
}

// returnURI lets pages and deep links pass. Opn's guide has pages; its SDKs for apps
// demand a deep link or an app link.
func (c *checker) returnURI(address string) {
	const field = "return_uri"
	u, err := url.Parse(address)
	switch {
	case strings.TrimSpace(address) == "":
		c.Problem(field, "is required")
	case !utf8.ValidString(address):
		c.Refuse(field, "is not UTF-8")
	case strings.ContainsFunc(address, notInAddress):
		c.Problem(field, "has a blank or a control character in it")
	case err != nil || u.Scheme == "":
		c.Problem(field, "is not an absolute address, such as https://… or an app's deep link")
	case isWeb(u) && u.Hostname() == "":
		c.Problem(field, "is an http or https address without a host")
	case hostAndPort.MatchString(address):
		c.Problem(field, "begins with a host and a port: has http:// or https:// been left out?")
	case !isWeb(u) && !isApp(u):
		c.Problem(field, "has a scheme that opens no page and no app")
	}
}

// hostAndPort is what net/url takes for a scheme, such as localhost:8080/done.
var hostAndPort = regexp.MustCompile(`^[0-9A-Za-z.-]+:[0-9]{1,5}(/|$)`)

// notInAddress are characters that browsers and apps skip or stop at.
func notInAddress(r rune) bool { return unicode.IsSpace(r) || unicode.IsControl(r) }

// isWeb tells whether an address is one of the web.
func isWeb(u *url.URL) bool { return u.Scheme == "http" || u.Scheme == "https" }

// isApp tells whether an address may be one of an app's own scheme. The schemes that
// browsers and phones keep for themselves run a script, show a file or write a message.
func isApp(u *url.URL) bool {
	switch u.Scheme {
	case "", "http", "https", "javascript", "vbscript", "livescript", "data", "blob", "file", "filesystem", "content", "about",
		"view-source", "jar", "resource", "chrome", "ftp", "ws", "wss", "mailto", "tel", "sms":
		return false
	}
	return true
}

// extra checks parameters beside those of the names that are taken.
func (c *checker) extra(extra map[string]string, taken ...string) {
	seen := map[string]bool{}
	for name, value := range extra {
		folded := strings.ToLower(strings.ToUpper(name))
		base, _, _ := strings.Cut(folded, "[")
		switch {
		case base == "" || strings.ContainsAny(name, "= \t\r\n"):
			c.Refuse("Extra", "has a name that is empty or has a blank or an equals sign in it")
		case slices.Contains(taken, base):
			// Which of two Opn would take isn't known.
			c.Refuse(base, "is in Extra, but set already by the request itself")
		case !utf8.ValidString(name) || !utf8.ValidString(value):
			c.Refuse("Extra", "has text that is not UTF-8")
		case seen[folded]:
			// The answer would not be believed, see readObject.
			c.Refuse("Extra", "has a name twice, if capitals are small letters")
		}
		seen[folded] = true
	}
}

// TransactionFees are the rates by which the fee was reckoned, decimals such as
// "7.0".
type TransactionFees struct {
	// FeeFlat is in baht.
	FeeFlat Null[string] `json:"fee_flat"`
	// FeeRate and VATRate are percentages. That isn't documented; it agrees with
	// the fees of the guide's charge.
	FeeRate Null[string] `json:"fee_rate"`
	VATRate Null[string] `json:"vat_rate"`
}

// PlatformFee is null in every member that Opn's guide shows.
type PlatformFee struct {
	Fixed      json.RawMessage `json:"fixed"`
	Amount     json.RawMessage `json:"amount"`
	Percentage json.RawMessage `json:"percentage"`
}

// Refunds lists the refunds of a charge. Opn makes none of mobile banking, so it
// is empty.
type Refunds struct {
	// Object is "list".
	Object   string            `json:"object"`
	Data     []json.RawMessage `json:"data"`
	Limit    int               `json:"limit"`
	Offset   int               `json:"offset"`
	Total    int               `json:"total"`
	Location string            `json:"location"`
	// Order is "chronological".
	Order string    `json:"order"`
	From  time.Time `json:"from"`
	To    time.Time `json:"to"`
}

// Charge is a payment that was asked for, and what became of it. fmt and slog show its
// ID, status and amount only; JSON has everything, the address by which one can pay
// included.
//
// Members of type [json.RawMessage] have no meaning for K PLUS: Opn's guide shows them
// as null or empty only. They are kept as they came, nil if they didn't.
type Charge struct {
	// Object is "charge".
	Object string `json:"object"`
	// ID is the charge's number, "chrg_…". Keep it with the order.
	ID string `json:"id"`
	// Location is the path of the charge in Opn's API.
	Location string `json:"location"`
	// Amount is what the buyer has to pay, in satang.
	Amount                  ksher.Amount    `json:"amount"`
	AcquirerReferenceNumber json.RawMessage `json:"acquirer_reference_number"`
	// Net is what the merchant gets: Amount without Fee and FeeVAT, in satang.
	Net ksher.Amount `json:"net"`
	// Fee is Opn's fee, in satang.
	Fee ksher.Amount `json:"fee"`
	// FeeVAT is the value-added tax on the fee, in satang.
	FeeVAT ksher.Amount `json:"fee_vat"`
	// Interest and InterestVAT are in satang, 0 for K PLUS.
	Interest    ksher.Amount `json:"interest"`
	InterestVAT ksher.Amount `json:"interest_vat"`
	// FundingAmount is the amount in FundingCurrency, in its cent.
	FundingAmount ksher.Amount `json:"funding_amount"`
	// RefundedAmount is 0: Opn makes no refunds of mobile banking.
	RefundedAmount  ksher.Amount    `json:"refunded_amount"`
	TransactionFees TransactionFees `json:"transaction_fees"`
	PlatformFee     PlatformFee     `json:"platform_fee"`
	// Currency is "THB", in whatever letters.
	Currency        string          `json:"currency"`
	FundingCurrency string          `json:"funding_currency"`
	IP              json.RawMessage `json:"ip"`
	Refunds         *Refunds        `json:"refunds"`
	Link            json.RawMessage `json:"link"`
	Description     json.RawMessage `json:"description"`
	// Metadata is an object with what the merchant attached.
	Metadata json.RawMessage `json:"metadata"`
	Card     json.RawMessage `json:"card"`
	// Source is how the buyer pays, nil if by something else than a source.
	Source      *Source         `json:"source"`
	Schedule    json.RawMessage `json:"schedule"`
	Customer    json.RawMessage `json:"customer"`
	Dispute     json.RawMessage `json:"dispute"`
	Transaction json.RawMessage `json:"transaction"`
	// FailureCode is why it failed, null if it hasn't.
	FailureCode Null[FailureCode] `json:"failure_code"`
	// FailureMessage is the same in Opn's words.
	FailureMessage Null[string] `json:"failure_message"`
	// Status is where the charge stands. [Charge.CheckPaid] looks at it and more.
	Status Status `json:"status"`
	// AuthorizeURI is where to send the buyer while the charge is pending. On a
	// phone it opens K PLUS. It is an https address or one of an app's own scheme,
	// and http only from a local gateway; of a charge that is over, any other is left
	// out. Whoever has it can pay, so don't log it.
	AuthorizeURI string `json:"authorize_uri"`
	// ReturnURI is where the buyer comes back to.
	ReturnURI string `json:"return_uri"`
	// CreatedAt is when the charge was made.
	CreatedAt time.Time `json:"created_at"`
	// PaidAt is when it was paid, null if it wasn't.
	PaidAt Null[time.Time] `json:"paid_at"`
	// ExpiresAt is when it can't be paid any more. The guide says 10 minutes after
	// CreatedAt by default, and shows a charge with 7 days: believe this field.
	ExpiresAt Null[time.Time] `json:"expires_at"`
	// ExpiredAt is when it expired, null if it hasn't.
	ExpiredAt Null[time.Time] `json:"expired_at"`
	// ReversedAt is when it was taken back, null if it wasn't.
	ReversedAt               Null[time.Time] `json:"reversed_at"`
	ZeroInterestInstallments bool            `json:"zero_interest_installments"`
	Branch                   json.RawMessage `json:"branch"`
	Terminal                 json.RawMessage `json:"terminal"`
	Device                   json.RawMessage `json:"device"`
	Authorized               bool            `json:"authorized"`
	Capturable               bool            `json:"capturable"`
	Capture                  bool            `json:"capture"`
	Disputable               bool            `json:"disputable"`
	// Livemode says that real money is paid.
	Livemode            bool            `json:"livemode"`
	Refundable          bool            `json:"refundable"`
	PartiallyRefundable bool            `json:"partially_refundable"`
	Reversed            bool            `json:"reversed"`
	Reversible          bool            `json:"reversible"`
	Voided              bool            `json:"voided"`
	Paid                bool            `json:"paid"`
	Expired             bool            `json:"expired"`
	CanPerformVoid      bool            `json:"can_perform_void"`
	ApprovalCode        json.RawMessage `json:"approval_code"`

	// Raw is the object as it came. Members without a field of their own are found
	// here.
	Raw json.RawMessage `json:"-"`
}

// UnmarshalJSON reads a charge and keeps the text in Raw. It is an error if a member
// can't be read that says which charge it is or whether it is paid. Any other stays
// zero then.
func (c *Charge) UnmarshalJSON(text []byte) error {
	var read Charge
	if err := readMembers(text, &read, "object", "id", "amount", "refunded_amount", "currency", "source",
		"status", "paid", "expired", "reversed", "voided", "livemode", "authorize_uri"); err != nil {
		return err
	}
	*c = read
	c.Raw = bytes.Clone(text)
	return nil
}

// Format keeps the address by which one can pay, and what is known of the buyer, out of
// logs, whatever the verb.
func (c Charge) Format(f fmt.State, _ rune) {
	fmt.Fprintf(f, "opn.Charge(%s, %s, %v %s)", clip(c.ID), clip(string(c.Status)), c.Amount, clip(c.Currency))
}

// LogValue does for slog what Format does for fmt.
func (c Charge) LogValue() slog.Value { return slog.StringValue(fmt.Sprint(c)) }

// CheckPaid returns nil only if the charge is over exactly that amount, in satang, in
// THB, and paid and not taken back, not even in part. Call it before handing anything
// out. That it is the charge of the order is for the caller to know, by its ID.
//
// [ksher.ErrOtherOrder] is another amount or currency, [ksher.ErrNotPaid] one that isn't paid, then
// also with the [FailureCode] if Opn gave one, and [ksher.ErrBadAnswer] one that contradicts
// itself, see [Client.GetCharge]: nobody knows whether it is paid.
func (c *Charge) CheckPaid(amount ksher.Amount) error {
	if c == nil {
		return fmt.Errorf("opn: %w: there is no charge to check", fault.ErrField)
	}
	if c.Amount != amount || !isBaht(c.Currency) {
		return fmt.Errorf("opn: charge %q: %w: it is over %v %q, expected was %v %s",
			clip(c.ID), fault.ErrOtherOrder, c.Amount, clip(c.Currency), amount, currency)
	}
	if err := c.contradiction(); err != nil {
		return fmt.Errorf("opn: charge %q: %w", clip(c.ID), err)
	}
	switch {
	case c.Status == StatusSuccessful && !c.takenBack():
		return nil
	case c.Status == StatusSuccessful:
		return fmt.Errorf("opn: charge %q: %w: its status is successful, but reversed is %v, voided %v, and %v %s is refunded",
			clip(c.ID), fault.ErrNotPaid, c.Reversed, c.Voided, c.RefundedAmount, currency)
	case c.FailureCode.V != "":
		return fmt.Errorf("opn: charge %q: %w: its status is %q: %w", clip(c.ID), fault.ErrNotPaid, clip(string(c.Status)), c.FailureCode.V)
	}
	return fmt.Errorf("opn: charge %q: %w: its status is %q", clip(c.ID), fault.ErrNotPaid, clip(string(c.Status)))
}

// takenBack tells whether a charge was taken back, or a part of it. It doesn't read
// ReversedAt: the time alone may be about a part that was never captured.
func (c *Charge) takenBack() bool {
	return c.Reversed || c.Voided || c.RefundedAmount != 0
}

// contradiction is an error if status, paid and expired of a charge that is over say
// both that it is paid and that it isn't. Goods handed out for such a one may be lost,
// and a buyer who is offered another may pay twice. Nothing else is read: a paid
// charge gathers times and codes that look like other states.
func (c *Charge) contradiction() error {
	var contradicts bool
	switch c.Status {
	case StatusSuccessful:
		contradicts = !c.takenBack() && (!c.Paid || c.Expired)
	case StatusFailed, StatusExpired:
		contradicts = c.Paid
	}
	if !contradicts {
		return nil
	}
	return fmt.Errorf("%w: it contradicts itself: its status is %s, but paid is %v and expired %v", fault.ErrField, c.Status, c.Paid, c.Expired)
}

func clip(s string) string { return transport.Clip(s) }

// CreateCharge calls POST /charges with the secret key: it asks the buyer of a source
// for the money. Keep the charge's ID with the order and, if it is pending, send the
// buyer to its AuthorizeURI. A charge that failed at once is an answer, not an error.
//
// It is never sent twice. After a [ksher.ErrOutcomeUnknown] don't send it again either: see
// docs/kplus.md. A charge that comes back with another amount, currency, source or mode is
// [ksher.ErrOtherOrder], with its ID in the [*Error].
func (c *Client) CreateCharge(ctx context.Context, req *CreateChargeRequest) (*Charge, error) {
	const name = "create charge"
	if err := valid(ctx, c, name, req); err != nil {
		return nil, err
	}
	return c.createCharge(ctx, name, req, req.Extra, req.Amount, req.Source)
}

// CreateChargeWithSource calls POST /charges with the secret key: it makes a
// source and a charge from it at once, for a server that has to do both. The rest
// is as in [Client.CreateCharge].
func (c *Client) CreateChargeWithSource(ctx context.Context, req *CreateChargeWithSourceRequest) (*Charge, error) {
	const name = "create charge with source"
	if err := valid(ctx, c, name, req); err != nil {
		return nil, err
	}
	return c.createCharge(ctx, name, &chargeWithSource{
		req.Amount, req.Currency, req.ReturnURI, newSource{SourceType, req.PlatformType},
	}, req.Extra, req.Amount, "")
}

// formOf makes the parameters of a request.
func formOf(operation string, req any, extra ksher.Extra) (url.Values, error) {
	form, err := query.Values(req)
	if err != nil {
		return nil, &ksher.ValidationError{Operation: operation, Fields: []ksher.FieldError{{Field: "request", Problem: err.Error()}}}
	}
	for name, value := range extra.Params {
		form.Set(name, value)
	}
	return form, nil
}

// createCharge sends what makes a charge of that amount, from that source if it
// was there before.
func (c *Client) createCharge(ctx context.Context, name string, req any, extra ksher.Extra, amount ksher.Amount, sourceID string) (*Charge, error) {
	form, err := formOf(name, req, extra)
	if err != nil {
		return nil, err
	}
	var charge *Charge
	op := newOperation(name, sourceID, call.Change, "/charges", c.keys().secret, form, func(body []byte) (string, error) {
		if charge, err = c.readCharge(body); err != nil {
			return "", err
		}
		return charge.ID, charge.answers(amount, sourceID)
	})
	if err := c.do(ctx, op); err != nil {
		return nil, err
	}
	return charge, nil
}

// answers compares a new charge with what was asked for.
func (c *Charge) answers(amount ksher.Amount, sourceID string) error {
	switch {
	case c.Amount != amount:
		return fmt.Errorf("%w: charge %q is over %v %s, not %v", fault.ErrOtherOrder, c.ID, c.Amount, currency, amount)
	case c.Source == nil:
		return fmt.Errorf("%w: charge %q has no source", fault.ErrOtherOrder, c.ID)
	case sourceID != "" && c.Source.ID != sourceID:
		return fmt.Errorf("%w: charge %q is of source %q", fault.ErrOtherOrder, c.ID, clip(c.Source.ID))
	}
	if err := c.Source.agrees(amount, c.Livemode); err != nil {
		return fmt.Errorf("charge %q: %w", c.ID, err)
	}
	if c.Status == StatusPending && c.AuthorizeURI == "" {
		return fmt.Errorf("%w: charge %q is pending and has no authorize_uri", fault.ErrField, c.ID)
	}
	return nil
}

// readCharge reads a charge of this account's mode that agrees with itself.
func (c *Client) readCharge(body []byte) (*Charge, error) {
	charge := new(Charge)
	if err := readObject(body, "charge", charge); err != nil {
		return nil, err
	}
	switch source := charge.Source; {
	case !isID("chrg", charge.ID):
		return nil, fmt.Errorf("%w: the charge has no ID such as chrg_…", fault.ErrField)
	case charge.Status == "":
		return nil, fmt.Errorf("%w: charge %q has no status", fault.ErrField, charge.ID)
	case charge.Livemode != c.live():
		return nil, fmt.Errorf("%w: charge %q and the keys are not of the same mode, live or test", fault.ErrOtherOrder, charge.ID)
	case source != nil && (source.Amount != charge.Amount || !strings.EqualFold(source.Currency, charge.Currency)):
		return nil, fmt.Errorf("%w: charge %q is over %v %q, and its source over %v %q",
			fault.ErrOtherOrder, charge.ID, charge.Amount, clip(charge.Currency), source.Amount, clip(source.Currency))
	case charge.AuthorizeURI == "" || c.leadsToPaying(charge.AuthorizeURI):
	case charge.Status == StatusPending:
		return nil, fmt.Errorf("%w: charge %q has an authorize_uri to which no buyer can be sent", fault.ErrField, charge.ID)
	default: // What became of it matters more, and nobody has to be sent anywhere.
		charge.AuthorizeURI = ""
	}
	if err := charge.contradiction(); err != nil {
		return nil, fmt.Errorf("charge %q: %w", charge.ID, err)
	}
	return charge, nil
}

// leadsToPaying tells whether a buyer may be sent to an address: a page by https, or
// an app by a scheme of its own. Only a local gateway, which is asked by http itself,
// may have pages by http.
func (c *Client) leadsToPaying(address string) bool {
	u, err := url.Parse(address)
	switch {
	case err != nil || strings.ContainsFunc(address, notInAddress):
		return false
	case isWeb(u):
		return u.Hostname() != "" && (u.Scheme == "https" || strings.HasPrefix(c.baseURL, "http:"))
	}
	return isApp(u)
}

// GetCharge calls GET /charges/{id} with the secret key: it asks where a charge stands,
// as often as [WithRetry] says. Compare the answer with [Charge.CheckPaid].
//
// A charge that Opn doesn't know is [ksher.ErrNotFound], an answer about another one
// [ksher.ErrOtherOrder]. One that contradicts itself is [ksher.ErrBadAnswer]: successful, not taken
// back, and yet not paid or expired; failed or expired, and yet paid. Hand nothing out
// for it, create no other charge, and ask again.
func (c *Client) GetCharge(ctx context.Context, id string) (*Charge, error) {
	const name = "get charge"
	check := c.usable(ctx)
	if !isID("chrg", id) {
		check.Refuse("id", "is not the ID of a charge, which begins with chrg_")
	}
	if err := check.invalid(name); err != nil {
		return nil, err
	}
	var charge *Charge
	err := c.do(ctx, newOperation(name, id, call.Query, "/charges/"+id, c.keys().secret, nil, func(body []byte) (_ string, err error) {
		if charge, err = c.readCharge(body); err != nil {
			return "", err
		}
		if charge.ID != id {
			return "", fmt.Errorf("%w: the answer is about charge %q", fault.ErrOtherOrder, charge.ID)
		}
		return id, nil
	}))
	if err != nil {
		return nil, err
	}
	return charge, nil
}
