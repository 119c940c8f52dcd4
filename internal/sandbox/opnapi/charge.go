package opnapi

import (
	"encoding/json"
	"fmt"
	"html/template"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/ksher-go/ksher"
	"github.com/ksher-go/ksher/internal/sandbox/core"
	"github.com/ksher-go/ksher/opn"
)

// timeToPay is how long a charge can be paid.
//
// Source: Opn's guide to K PLUS, which says so and shows another time.
const timeToPay = 10 * time.Minute

// newID makes a number of Opn's, which comes after those before.
func newID(tx *core.Tx, prefix string) string {
	return fmt.Sprintf("%s_test_%019d", prefix, tx.NextSerial())
}

// find finds a charge by its ID, nil if there is none.
func find(tx *core.Tx, chargeID string) *core.Entry {
	return tx.Foreign(core.AppID, "foreign", chargeID)
}

// moment is a time as Opn writes it.
func moment(t time.Time) time.Time { return t.UTC().Truncate(time.Second) }

// some is a value that isn't null.
func some[T any](v T) opn.Null[T] { return opn.Null[T]{V: v, Valid: true} }

// money reads the amount of a request, or says what is wrong with it.
func (c *call) money() (ksher.Amount, *refusal) {
	n, err := strconv.ParseInt(c.params.Get("amount"), 10, 64)
	amount, currency := ksher.Amount(n), c.params.Get("currency")
	if err != nil || amount < opn.MinAmount || amount > opn.MaxAmount {
		return 0, badRequest("amount has to be an integer from %d to %d", int64(opn.MinAmount), int64(opn.MaxAmount))
	}
	if !strings.EqualFold(currency, "THB") || currency != "THB" && !c.lenient.Accepts("a currency in small letters", "THB") {
		return 0, badRequest("currency has to be THB")
	}
	return amount, nil
}

// returnAddress is an address to which a page may send the buyer back, of the web or of an
// app, "" if it is neither.
func returnAddress(address string) template.URL {
	if web := core.WebAddress(address); web != "" {
		return template.URL(web)
	}
	u, err := url.Parse(address)
	if err != nil || slices.Contains([]string{"", "http", "https", "javascript", "vbscript", "data", "blob", "file", "about"}, u.Scheme) {
		return ""
	}
	return template.URL(address)
}

// newSource makes a source.
func (c *call) newSource(amount ksher.Amount, kind, platform string) (*opn.Source, *refusal) {
	if kind != opn.SourceType {
		return nil, badRequest("type has to be %s here", opn.SourceType)
	}
	if platform != "" && platform != string(opn.PlatformTypeIOS) && platform != string(opn.PlatformTypeAndroid) {
		return nil, badRequest("platform_type has to be IOS or ANDROID")
	}
	id := newID(c.tx, "src")
	return &opn.Source{
		Object: "source", ID: id, Location: "/sources/" + id, Amount: amount, CreatedAt: moment(c.tx.Now()), Currency: "THB",
		Flow: "app_redirect", IP: some("127.0.0.1"), Type: opn.SourceType, ChargeStatus: opn.StatusUnknown,
		PlatformType: opn.Null[opn.PlatformType]{V: opn.PlatformType(platform), Valid: platform != ""},
		Items:        []json.RawMessage{}, Discounts: []json.RawMessage{},
	}, nil
}

func (a *Account) createSource(c *call) (any, *refusal) {
	amount, no := c.money()
	if no != nil {
		return nil, no
	}
	s, no := c.newSource(amount, c.params.Get("type"), c.params.Get("platform_type"))
	if no != nil {
		return nil, no
	}
	c.tx.Add(&core.Entry{
		API: api, Foreign: true, Draft: true, AppID: core.AppID, MchOrderNo: s.ID, Total: amount, FeeType: "THB", Data: core.Marshal(s),
	})
	return s, nil
}

func (a *Account) querySource(c *call) (any, *refusal) {
	s := c.source(c.id)
	if s == nil {
		return nil, notFound("source")
	}
	return s, nil
}

// source is a source by its ID, nil if there is none.
func (c *call) source(id string) *opn.Source {
	for _, kind := range []string{"source", "draft"} { // That of a charge knows more.
		if o := c.tx.Foreign(core.AppID, kind, id); o != nil {
			return sourceOf(o, c.tx.Now())
		}
	}
	return nil
}

// sourceOf is the source that a charge was made from, or that a draft is.
func sourceOf(o *core.Entry, now time.Time) *opn.Source {
	s := new(opn.Source)
	if err := json.Unmarshal(o.Data, s); err != nil {
		panic(err) // It was written by this package.
	}
	s.Raw = nil
	if !o.Draft {
		s.ChargeStatus = statusOf(o, now)
	}
	return s
}

// chosenSource is the source that a charge is to be made from: one that exists, or a new
// one.
func (c *call) chosenSource(amount ksher.Amount) (*opn.Source, *refusal) {
	id := c.params.Get("source")
	if id == "" {
		return c.newSource(amount, c.params.Get("source[type]"), c.params.Get("source[platform_type]"))
	}
	s := c.source(id)
	switch {
	case s == nil:
		return nil, notFound("source")
	case s.Amount != amount:
		return nil, &refusal{http.StatusBadRequest, "invalid_charge", "the amount is not that of the source"}
	case s.ChargeStatus != opn.StatusUnknown:
		return nil, &refusal{http.StatusBadRequest, "invalid_charge", "the source was charged already"}
	}
	return s, nil
}

func (a *Account) createCharge(c *call) (any, *refusal) {
	amount, no := c.money()
	if no != nil {
		return nil, no
	}
	if returnAddress(c.params.Get("return_uri")) == "" {
		return nil, badRequest("return_uri has to be an http or https address, or an app's")
	}
	source, no := c.chosenSource(amount)
	if no != nil {
		return nil, no
	}
	source.ProviderReferences = some(opn.ProviderReferences{ReferenceNumber1: some(c.tx.NewUUID()[:16])})
	c.made = &core.Entry{
		API: api, Foreign: true, AppID: core.AppID, MchOrderNo: newID(c.tx, "chrg"), Source: source.ID, UUID: "pay2_test_" + c.tx.NewUUID(),
		Channels: []ksher.Channel{ksher.ChannelKPlus}, Total: amount, FeeType: "THB", Params: maps.Clone(c.params),
		Expires: moment(c.tx.Now()).Add(timeToPay), Data: core.Marshal(source),
	}
	c.tx.Add(c.made)
	return a.view(c.tx.URL(), c.made, c.tx.Now()), nil
}

func (a *Account) queryCharge(c *call) (any, *refusal) {
	o := find(c.tx, c.id)
	if o == nil {
		return nil, notFound("charge")
	}
	return a.view(c.tx.URL(), o, c.tx.Now()), nil
}

// PageURL is the address at which a charge can be paid at a gateway with the address
// base, "" of any other order.
func PageURL(base string, o *core.Entry) string {
	if o.API != api {
		return ""
	}
	return base + "/opn/payments/" + o.UUID + "/authorize"
}

// statusOf is a charge's status.
func statusOf(o *core.Entry, now time.Time) opn.Status {
	switch s := o.State(now); {
	case !o.PaidAt.IsZero():
		return opn.StatusSuccessful
	case s == core.Failed:
		return opn.StatusFailed
	case s == core.Expired:
		return opn.StatusExpired
	}
	return opn.StatusPending
}

// view is a charge as of now, at a gateway with the address base.
func (a *Account) view(base string, o *core.Entry, now time.Time) opn.Charge {
	created := moment(o.Created)
	c := opn.Charge{
		Object: "charge", ID: o.MchOrderNo, Location: "/charges/" + o.MchOrderNo, Amount: o.Total, FundingAmount: o.Total,
		Currency: o.FeeType, FundingCurrency: o.FeeType,
		// The rates of the charge in Opn's guide.
		Fee: 10_00, FeeVAT: 70, Net: o.Total - 10_70,
		TransactionFees: opn.TransactionFees{FeeFlat: some("10.0"), FeeRate: some("0.0"), VATRate: some("7.0")},
		Refunds: &opn.Refunds{
			Object: "list", Data: []json.RawMessage{}, Limit: defaultLimit, Location: "/charges/" + o.MchOrderNo + "/refunds",
			Order: chronological, From: time.Unix(0, 0).UTC(), To: created,
		},
		Metadata: metadata(o.Params), Source: sourceOf(o, now), Status: statusOf(o, now),
		AuthorizeURI: PageURL(base, o), ReturnURI: o.Params.Get("return_uri"),
		CreatedAt: created, ExpiresAt: some(moment(o.Expires)), Capture: true,
	}
	if text := o.Params.Get("description"); text != "" {
		c.Description = core.Marshal(text)
	}
	switch c.Status {
	case opn.StatusSuccessful:
		c.Paid, c.Authorized, c.PaidAt = true, true, some(moment(o.PaidAt))
	case opn.StatusFailed:
		fail(&c, opn.FailureCode(o.Failure))
	case opn.StatusExpired:
		c.Expired, c.ExpiredAt = true, some(moment(o.Expires))
		fail(&c, opn.FailureCodePaymentExpired)
	}
	return c
}

// fail says why a charge failed. Without a reason of its own it couldn't be processed.
func fail(c *opn.Charge, code opn.FailureCode) {
	if code == "" {
		code = opn.FailureCodeFailedProcessing
	}
	info, _ := code.Info()
	c.FailureCode, c.FailureMessage = some(code), some(info.Meaning)
}

// metadata is what the merchant attached to a charge.
func metadata(params url.Values) json.RawMessage {
	data := map[string]any{}
	for name, values := range params {
		path, ok := strings.CutPrefix(name, "metadata[")
		if !ok {
			continue
		}
		object, keys := data, strings.Split(strings.TrimSuffix(path, "]"), "][")
		for _, key := range keys[:len(keys)-1] {
			inner, _ := object[key].(map[string]any)
			if inner == nil {
				inner = map[string]any{}
				object[key] = inner
			}
			object = inner
		}
		object[keys[len(keys)-1]] = values[0]
	}
	return core.Marshal(data)
}
