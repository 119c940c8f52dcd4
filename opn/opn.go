// Package opn takes payments by K PLUS, the app of KBank, through Opn Payments
// (Omise): for merchants who have a contract with Opn beside Ksher, or instead of
// it. It does this one journey and nothing else of Opn's.
//
//	client, err := opn.NewClient(publicKey, secretKey) // one for the whole program
//	…
//	charge, err := client.CreateChargeWithSource(ctx, &opn.CreateChargeWithSourceRequest{
//		Amount: 1500_00, Currency: "THB", ReturnURI: "https://shop.example/orders/345678/complete",
//	})
//	order := charge.OpenOrder("345678") // keep it, and send the buyer to charge.AuthorizeURI
//	payments, err := opn.NewPayments(client, fulfil)
//	…
//	charge, err = payments.Wait(ctx, order)
//	// err is nil: this charge, this amount, paid, and fulfil has returned nil
//
// That the buyer comes back to return_uri proves nothing. [Payments] tells how it ended:
// by an event, by waiting, or by going over the open orders. It is as [ksher.Payments]
// but for what Opn doesn't have:
//
//   - Events aren't signed, so there is no receiver for a queue that checks them, and
//     nothing in them to show before Opn has confirmed it.
//   - Opn may not repeat an event: let [Payments.Run] find what was missed.
//   - Opn knows a charge by its own ID only. One whose answer was lost is in nobody's
//     books, and its event is refused. Two charges for one order of the shop are two
//     payments.
//   - There is no till and no second host.
//
// # What can go wrong
//
// A [*ksher.ValidationError] means that nothing was sent. An [*Error] without an Err is
// a refusal by Opn. [ksher.ErrNotPaid] means that a charge ended unpaid, and [errors.Is]
// with a [FailureCode] tells why. After a [ksher.ErrOutcomeUnknown] a charge may have been
// made whose ID was lost. Don't send the request again, as a shop may at Ksher: it might
// charge the buyer twice. What to do stands in
// https://github.com/ksher-go/ksher/blob/main/docs/kplus.md.
//
// Errors with the same meaning as in package ksher are the same values.
//
// # Keys
//
// The secret key, "skey_…", creates and reads charges and belongs on the server
// only. No key is in any error or log of this package.
//
// Where each fact comes from: https://github.com/ksher-go/ksher/blob/main/docs/fidelity.md.
package opn

import (
	"bytes"
	"encoding/json"
	"fmt"
	"reflect"
	"slices"
	"strings"

	"github.com/ksher-go/ksher"
)

// DefaultBaseURL is the address of Opn's API.
const DefaultBaseURL = "https://api.omise.co"

// APIVersion is the version of Opn's API that every request asks for in the header
// Omise-Version, so that answers keep the form that this package reads.
const APIVersion = "2017-11-02"

// SourceType is the type of a source for K PLUS, the only one that this package
// makes.
const SourceType = "mobile_banking_kbank"

// Limits of a charge.
const (
	MinAmount ksher.Amount = 20_00      // MinAmount is THB 20.
	MaxAmount ksher.Amount = 150_000_00 // MaxAmount is THB 150,000.
)

// currency is the only one there is.
const currency = "THB"

// isBaht tells whether a currency is THB. Opn takes capitals and small letters.
func isBaht(cur string) bool { return strings.EqualFold(cur, currency) }

// Null is a value that Opn may leave out or set to null, which is something else
// than zero. Of such a one V is the zero value, so that it may be read in any
// case.
type Null[T any] struct {
	// V is the value, zero if there was none.
	V T
	// Valid says that there was one.
	Valid bool
}

// UnmarshalJSON reads null or a value.
func (n *Null[T]) UnmarshalJSON(text []byte) error {
	var read Null[T]
	if read.Valid = !bytes.Equal(text, []byte("null")); read.Valid {
		if err := json.Unmarshal(text, &read.V); err != nil {
			return err
		}
	}
	*n = read
	return nil
}

// MarshalJSON writes null or the value.
func (n Null[T]) MarshalJSON() ([]byte, error) {
	if !n.Valid {
		return []byte("null"), nil
	}
	return json.Marshal(n.V)
}

// readMembers reads an object into the fields of a struct, by their exact names. A
// member that can't be read is an error if it is one of the needed, and else stays zero:
// what nobody decides by must not hide that a charge is paid.
func readMembers(text []byte, dst any, needed ...string) error {
	var members map[string]json.RawMessage
	if err := json.Unmarshal(text, &members); err != nil {
		return err
	}
	object := reflect.ValueOf(dst).Elem()
	for i := range object.NumField() {
		name := object.Type().Field(i).Tag.Get("json")
		member, ok := members[name]
		if !ok {
			continue
		}
		field := object.Field(i)
		err := json.Unmarshal(member, field.Addr().Interface())
		if err != nil && slices.Contains(needed, name) {
			return fmt.Errorf("%s: %w", name, err)
		}
		if err != nil {
			field.SetZero()
		}
	}
	return nil
}
