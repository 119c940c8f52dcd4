package opn

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"regexp"
	"time"

	"github.com/ksher-go/ksher"
	"github.com/ksher-go/ksher/internal/call"
	"github.com/ksher-go/ksher/internal/fault"
)

// PlatformType is the buyer's kind of phone.
type PlatformType string

// Kinds of phone.
const (
	PlatformTypeIOS     PlatformType = "IOS"     // PlatformTypeIOS is an iPhone or iPad.
	PlatformTypeAndroid PlatformType = "ANDROID" // PlatformTypeAndroid is an Android phone.
)

// CreateSourceRequest asks for a source.
type CreateSourceRequest struct {
	// Amount is what the buyer will have to pay, in satang: required, from
	// [MinAmount] to [MaxAmount].
	Amount ksher.Amount `url:"amount"`
	// Currency is "THB", in whatever letters: required.
	Currency string `url:"currency"`
	// PlatformType is the buyer's kind of phone, which may be left out.
	PlatformType PlatformType `url:"platform_type,omitempty"`

	ksher.Extra `url:"-"`
}

func (r *CreateSourceRequest) extra() ksher.Extra { return r.Extra }

func (r *CreateSourceRequest) check(c *checker) {
	c.money(r.Amount, r.Currency)
	c.platform("platform_type", r.PlatformType)
	c.extra(r.Params, "amount", "currency", "platform_type", "type")
}

func (c *checker) money(amount ksher.Amount, cur string) {
	if amount < MinAmount || amount > MaxAmount {
		c.Problem("amount", "is %d satang, which is not between %d and %d", int64(amount), int64(MinAmount), int64(MaxAmount))
	}
	if !isBaht(cur) {
		c.Problem("currency", "is not %s, the only one there is", currency)
	}
}

func (c *checker) platform(field string, platform PlatformType) {
	if platform != "" && platform != PlatformTypeIOS && platform != PlatformTypeAndroid {
		c.Problem(field, "is neither IOS nor ANDROID")
	}
}

// ProviderReferences are numbers that the bank may use.
type ProviderReferences struct {
	ReferenceNumber1 Null[string] `json:"reference_number_1"`
	ReferenceNumber2 Null[string] `json:"reference_number_2"`
}

// Source is how a buyer is going to pay.
//
// Members of type [json.RawMessage] have no meaning for K PLUS: Opn's guide shows
// them as null only, or as an empty list, and doesn't say what they may be. They
// are kept as they came, nil if they didn't.
type Source struct {
	// Object is "source".
	Object string `json:"object"`
	// ID is the source's number, "src_…".
	ID string `json:"id"`
	// Livemode says that real money is paid.
	Livemode bool `json:"livemode"`
	// Location is the path of the source in Opn's API.
	Location string `json:"location"`
	// Amount is what the buyer has to pay, in satang.
	Amount  ksher.Amount    `json:"amount"`
	Barcode json.RawMessage `json:"barcode"`
	Bank    json.RawMessage `json:"bank"`
	// CreatedAt is when it was made.
	CreatedAt time.Time `json:"created_at"`
	// Currency is "THB".
	Currency string          `json:"currency"`
	Email    json.RawMessage `json:"email"`
	// Flow is "app_redirect": the buyer goes to an app by an address.
	Flow            string          `json:"flow"`
	InstallmentTerm json.RawMessage `json:"installment_term"`
	// IP is the address that created the source, in the buyer's browser the
	// buyer's. It is personal data.
	IP             Null[string]    `json:"ip"`
	AbsorptionType json.RawMessage `json:"absorption_type"`
	Name           json.RawMessage `json:"name"`
	MobileNumber   json.RawMessage `json:"mobile_number"`
	PhoneNumber    json.RawMessage `json:"phone_number"`
	// PlatformType is the buyer's kind of phone, if it was given.
	PlatformType       Null[PlatformType]       `json:"platform_type"`
	ScannableCode      json.RawMessage          `json:"scannable_code"`
	Billing            json.RawMessage          `json:"billing"`
	Shipping           json.RawMessage          `json:"shipping"`
	Items              []json.RawMessage        `json:"items"`
	References         json.RawMessage          `json:"references"`
	ProviderReferences Null[ProviderReferences] `json:"provider_references"`
	StoreID            json.RawMessage          `json:"store_id"`
	StoreName          json.RawMessage          `json:"store_name"`
	TerminalID         json.RawMessage          `json:"terminal_id"`
	// Type is [SourceType].
	Type                     string          `json:"type"`
	ZeroInterestInstallments json.RawMessage `json:"zero_interest_installments"`
	// ChargeStatus is the status of the source's charge, [StatusUnknown] while it
	// has none.
	ChargeStatus  Status            `json:"charge_status"`
	ReceiptAmount json.RawMessage   `json:"receipt_amount"`
	Discounts     []json.RawMessage `json:"discounts"`

	// Raw is the object as it came. Members without a field of their own are found
	// here.
	Raw json.RawMessage `json:"-"`
}

// UnmarshalJSON reads a source and keeps the text in Raw. It is an error if a member
// can't be read that says which source it is. Any other stays zero then.
func (s *Source) UnmarshalJSON(text []byte) error {
	var read Source
	if err := readMembers(text, &read, "object", "id", "livemode", "amount", "currency", "type"); err != nil {
		return err
	}
	*s = read
	s.Raw = bytes.Clone(text)
	return nil
}

// Format keeps what is known of the buyer out of logs, whatever the verb.
func (s Source) Format(f fmt.State, _ rune) {
	fmt.Fprintf(f, "opn.Source(%s, %v %s)", clip(s.ID), s.Amount, clip(s.Currency))
}

// LogValue does for slog what Format does for fmt.
func (s Source) LogValue() slog.Value { return slog.StringValue(fmt.Sprint(s)) }

// idForm is what an ID looks like: it is part of an address, and of an error.
var idForm = regexp.MustCompile(`^(src|chrg)_[0-9A-Za-z_]{1,100}$`)

// isID tells whether an ID is one of that prefix.
func isID(prefix, id string) bool {
	m := idForm.FindStringSubmatch(id)
	return m != nil && m[1] == prefix
}

// CreateSource calls POST /sources with the public key: it says how a buyer is going to
// pay how much. No money hangs on a source: charge it with [Client.CreateCharge], and if
// the answer was lost, create another. An answer of another amount is [ksher.ErrOtherOrder].
//
// Opn means this call for the buyer's browser or app. On a server
// [Client.CreateChargeWithSource] does both at once; the two steps make a lost charge
// easier to recognise, by its source.
func (c *Client) CreateSource(ctx context.Context, req *CreateSourceRequest) (*Source, error) {
	const name = "create source"
	if err := valid(ctx, c, name, req); err != nil {
		return nil, err
	}
	form, err := formOf(name, req, req.Extra)
	if err != nil {
		return nil, err
	}
	form.Set("type", SourceType)
	var source *Source
	err = c.do(ctx, newOperation(name, "", call.Draft, "/sources", c.keys().public, form, func(body []byte) (string, error) {
		source = new(Source)
		if err := readObject(body, "source", source); err != nil {
			return "", err
		}
		return source.ID, source.agrees(req.Amount, c.live())
	}))
	if err != nil {
		return nil, err
	}
	return source, nil
}

// agrees compares a source with what was asked for.
func (s *Source) agrees(amount ksher.Amount, live bool) error {
	switch {
	case !isID("src", s.ID):
		return fmt.Errorf("%w: a source has no ID such as src_…", fault.ErrField)
	case s.Amount != amount || !isBaht(s.Currency):
		return fmt.Errorf("%w: the source is of %v %q, not %v %s", fault.ErrOtherOrder, s.Amount, clip(s.Currency), amount, currency)
	case s.Type != SourceType:
		return fmt.Errorf("%w: the source is of type %q, not %s", fault.ErrOtherOrder, clip(s.Type), SourceType)
	case s.Livemode != live:
		return fmt.Errorf("%w: the source and the keys are not of the same mode, live or test", fault.ErrOtherOrder)
	}
	return nil
}
