package testkit

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"syscall"
	"time"

	"github.com/ksher-go/ksher"
	"github.com/ksher-go/ksher/internal/fault"
)

// named is every error a caller can ask for by name, so that a test can say
// which of them are meant and that no other is.
var named = []error{
	ksher.ErrSignature, fault.ErrSignatureMissing, fault.ErrSignatureMalformed, fault.ErrSignatureMismatch,
	fault.ErrHTTPStatus, fault.ErrRedirect, fault.ErrEmptyBody, fault.ErrTooLarge, fault.ErrNotJSON,
	fault.ErrTruncatedJSON, fault.ErrEnvelope, fault.ErrNoData, fault.ErrField, ksher.ErrOtherOrder, ksher.ErrNotPaid,
	context.Canceled, context.DeadlineExceeded, io.EOF, io.ErrUnexpectedEOF, syscall.ECONNREFUSED,
}

func NamesOf(err error) []error {
	var found []error
	for _, name := range named {
		if errors.Is(err, name) {
			found = append(found, name)
		}
	}
	return found
}

func Errs(e ...error) []error { return e }

var (
	Missing   = Errs(ksher.ErrSignature, fault.ErrSignatureMissing)
	Malformed = Errs(ksher.ErrSignature, fault.ErrSignatureMalformed)
	Mismatch  = Errs(ksher.ErrSignature, fault.ErrSignatureMismatch)
)

func WithSign(data, sign string) string {
	return fmt.Sprintf(`{"code":0,"msg":"ok","data":%s,"sign":%s}`, data, sign)
}

// Bangkok is the zone that times are read in by default.
var Bangkok = time.FixedZone("UTC+7", 7*3600)

// WantAnswer is the answer that signedAnswer writes, with that data in it.
func WantAnswer(data string) ksher.Answer {
	return ksher.Answer{Data: json.RawMessage(data), Envelope: ksher.Envelope{
		Msg:       "ok",
		Version:   "3.0.0",
		TimeStamp: time.Date(2026, 11, 21, 9, 0, 0, 0, Bangkok),
	}}
}

func FieldsOf(err error) []string {
	var invalid *ksher.ValidationError
	if !errors.As(err, &invalid) {
		return nil
	}
	fields := []string{}
	for _, f := range invalid.Fields {
		fields = append(fields, f.Field)
	}
	return fields
}

var (
	Thai32 = strings.Repeat("ก", 32)
	Thai33 = strings.Repeat("ก", 33)
)
