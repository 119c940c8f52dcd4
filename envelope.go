package ksher

import (
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/ksher-go/ksher/internal/check"
	"github.com/ksher-go/ksher/internal/fault"
	"github.com/ksher-go/ksher/internal/transport"
	"github.com/ksher-go/ksher/internal/wire"
)

// Answer is what every answer and notification has besides its fields.
type Answer struct {
	// Data is the data object, byte for byte as it came and as its signature was checked.
	// Members without a field of their own are found here.
	Data     json.RawMessage
	Envelope Envelope // what Data came in, not signed: for support and logs, not for decisions
}

func (a *Answer) answer() *Answer { return a }

// answer is what a call decodes into: a struct with an embedded Answer.
type answer interface{ answer() *Answer }

// Envelope is what the data of an answer or notification comes in. Nothing in it is
// signed.
type Envelope struct {
	Msg        string    `json:"msg"`         // a short message, usually "ok"
	Message    string    `json:"message"`     // the gateway host's longer message, in the request's language
	StatusCode string    `json:"status_code"` // usually empty; it arrives as a number or as text
	StatusMsg  string    `json:"status_msg"`  // belongs to StatusCode
	Version    string    `json:"version"`     // of the gateway's API, such as "3.0.0"
	Lang       string    `json:"lang"`        // the language of Message
	TimeStamp  time.Time `json:"time_stamp"`  // when the gateway answered, zero if it didn't say
}

// reading is what is demanded of an envelope before it is believed.
type reading struct {
	verifier *Verifier
	proof    proof
	// same has parameters of the request that data has to repeat, as far as it
	// has them.
	same []wire.Param
	// change says that the request was to change something, so that a result
	// other than SUCCESS leaves it open whether it did.
	change   bool
	location *time.Location
	// bits is set by read to the length of the key that signed the data.
	bits int
}

// read takes an envelope apart, checks its signature and everything else that
// makes it believable, and decodes its data. An *Error without a cause is a
// refusal by the gateway in due form.
func (r *reading) read(body []byte, dst answer) *Error {
	if len(wire.Trim(body)) == 0 {
		return &Error{Err: fault.ErrEmptyBody}
	}
	outer, data, err := wire.ParseEnvelope(body)
	if err != nil {
		return &Error{Err: fault.JSON(err), Message: quote(body)}
	}
	code, err := envelopeCode(outer)
	if err != nil {
		return &Error{Err: err}
	}
	got := dst.answer()
	env := &got.Envelope
	if err := wire.Decode(outer, env, r.location); err != nil {
		return &Error{Err: fmt.Errorf("%w: %w", fault.ErrEnvelope, err)}
	}
	value, _ := wire.Find(outer, "data")
	if value.Kind == wire.Object {
		got.Data = value.Raw
	}
	if code != 0 {
		if Result(text(data, "result")) == ResultSuccess {
			return &Error{EnvelopeCode: code, Err: fmt.Errorf("%w: its code says that the call failed, and its result that it did not", fault.ErrEnvelope)}
		}
		return env.refusal(data, code)
	}
	switch {
	case value.Raw == nil || value.Kind == wire.Null:
		return &Error{Err: fault.ErrNoData}
	case value.Kind != wire.Object:
		return &Error{Err: fmt.Errorf("%w: data is %v", fault.ErrEnvelope, value.Kind)}
	}
	if r.bits, err = r.verifier.verify(data, r.proof.signed, string(text(outer, "sign"))); err != nil {
		return &Error{Err: err}
	}
	if err := r.repeated(data); err != nil {
		return &Error{Err: err}
	}
	switch result := Result(text(data, "result")); {
	case result == ResultFail:
		return env.refusal(data, code)
	case (r.change || !r.proof.order) && result != "" && result != ResultSuccess:
		undecided := got.Envelope.refusal(data, code)
		undecided.Err = fmt.Errorf("the gateway did not say that it is done: its result is %q", clipText(string(result)))
		return undecided
	}
	if err := wire.Decode(data, dst, r.location); err != nil {
		return &Error{Err: fmt.Errorf("%w: %w", fault.ErrField, err)}
	}
	if missing := r.proof.missing(data); missing != "" {
		return &Error{Err: fmt.Errorf("%w: %s is missing", fault.ErrField, missing)}
	}
	if name := r.proof.web; name != "" && !check.Web(string(text(data, name))) {
		return &Error{Err: fmt.Errorf("%w: %s is not an absolute http or https address, so no buyer can be sent there", fault.ErrField, name)}
	}
	return nil
}

// repeated tells whether the data is about what was asked.
func (r *reading) repeated(data []wire.Member) error {
	for _, want := range r.same {
		value, ok := wire.Find(data, want.Name)
		if !ok || value.Kind == wire.Null || want.Value == "" {
			continue
		}
		got := string(value.Text())
		if want.Name == "total_fee" {
			if _, err := strconv.ParseInt(got, 10, 64); err != nil {
				continue // It isn't an amount at all, which is told below.
			}
		}
		if got != "" && got != want.Value {
			return fmt.Errorf("%w: %s is %q, not %q", ErrOtherOrder, want.Name, clipText(got), clipText(want.Value))
		}
	}
	return nil
}

// missing names what the data lacks, "" if nothing.
func (p proof) missing(data []wire.Member) string {
	for _, names := range p.has {
		lacks := func(name string) bool {
			value, ok := wire.Find(data, name)
			return !ok || value.Kind == wire.Null || value.Kind == wire.String && len(value.Text()) == 0
		}
		if alternatives := strings.Split(names, "|"); !slices.ContainsFunc(alternatives, func(name string) bool { return !lacks(name) }) {
			return alternatives[0]
		}
	}
	for _, name := range p.there {
		if _, ok := wire.Find(data, name); !ok {
			return name
		}
	}
	return ""
}

func envelopeCode(outer []wire.Member) (int, error) {
	value, ok := wire.Find(outer, "code")
	if !ok {
		return 0, fmt.Errorf("%w: code is missing", fault.ErrEnvelope)
	}
	if value.Kind != wire.Number {
		return 0, fmt.Errorf("%w: code is %v, not a number", fault.ErrEnvelope, value.Kind)
	}
	code, err := strconv.Atoi(string(value.Raw))
	if err != nil {
		return 0, fmt.Errorf("%w: code is %q, not an integer", fault.ErrEnvelope, clipText(string(value.Raw)))
	}
	return code, nil
}

func text(members []wire.Member, name string) []byte {
	value, ok := wire.Find(members, name)
	if !ok || value.Kind != wire.String && value.Kind != wire.Number {
		return nil
	}
	return value.Text()
}

func quote(said []byte) string { return transport.Quote(said) }

// refusal makes an error of an answer that says no. It is documented that
// data.err_code has the code; where there is no data, the code was seen in one
// or another of the envelope's texts.
func (e *Envelope) refusal(data []wire.Member, code int) *Error {
	said := []string{string(text(data, "err_code")), e.StatusCode, e.Msg, e.StatusMsg, e.Message}
	refusal := &Error{Code: Code(quote([]byte(said[0]))), EnvelopeCode: code}
	if i := slices.IndexFunc(said, func(s string) bool { return looksLikeCode(s) }); refusal.Code == "" && i >= 0 {
		refusal.Code = Code(said[i])
	}
	for _, s := range []string{string(text(data, "err_msg")), e.Message, e.StatusMsg, e.Msg} {
		// The envelope of a refusal may still say that all is well.
		if s != "" && s != string(refusal.Code) && !strings.EqualFold(s, "ok") && !strings.EqualFold(s, "success") {
			refusal.Message = quote([]byte(s))
			break
		}
	}
	return refusal
}

// looksLikeCode tells a code from a message such as "ok" or "SUCCESS": it is
// documented, or made of capitals with an underscore.
func looksLikeCode(s string) bool {
	if _, ok := Code(s).Info(); ok {
		return true
	}
	return len(s) <= 64 && strings.Contains(s, "_") && strings.Trim(s, "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_") == ""
}
