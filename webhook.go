package ksher

import (
	"bytes"
	"errors"
	"fmt"
	"net/url"
	"time"

	"github.com/ksher-go/ksher/internal/fault"
	"github.com/ksher-go/ksher/internal/transport"
	"github.com/ksher-go/ksher/internal/wire"
)

// maxNotificationBytes is far above the kilobyte of a genuine notification.
const maxNotificationBytes = 64 << 10

// Notification is what Ksher posts to mch_notify_url or notify_url when an order was paid.
// Only successful payments are announced. docs/being-paid.md says how often.
type Notification struct {
	Answer
	Unconfirmed Order // proves nothing until a query of the order says the same
}

// notified is a notification as it is decoded.
type notified struct {
	Answer `json:"-"`
	Order
}

// ParseNotification reads the body of a notification, raw or percent-encoded and at most
// 64 KiB, and checks its signature with the verifier's keys. Times are read in UTC+7.
// [Payments.Notifications] does this and everything that has to follow.
//
// A signature proves little: Ksher's 512-bit V1 key can be factored in hours, anybody who
// saw a notification can send it again, and the signed text can be cut up into another one.
// Query the order before you act. The error is an [ErrSignature] or [ErrBadAnswer].
func ParseNotification(body []byte, v *Verifier) (*Notification, error) {
	n, err := parseNotification(body, v, "", thailand)
	if err != nil {
		return nil, err
	}
	return &Notification{n.Answer, n.Order}, nil
}

// parseNotification reads a notification for that app ID, "" for any.
func parseNotification(body []byte, v *Verifier, appID string, loc *time.Location) (*notified, error) {
	n := &notified{}
	fail := func(e *Error) (*notified, error) {
		e.Operation = "notification"
		return nil, e
	}
	if v == nil {
		return fail(&Error{Err: fmt.Errorf("%w: there is no verifier", ErrSignature)})
	}
	if len(body) > maxNotificationBytes {
		return fail(&Error{Err: transport.TooLarge(maxNotificationBytes)})
	}
	body = wire.Trim(body)
	r := reading{verifier: v, proof: proof{order: true}, same: []wire.Param{{Name: "appid", Value: appID}}, location: loc}
	plain := bytes.Clone(body)
	if len(body) > 0 && body[0] == '%' {
		text, err := url.QueryUnescape(string(body))
		if err != nil {
			return fail(&Error{Err: fmt.Errorf("%w: %w", fault.ErrNotJSON, err)})
		}
		plain = []byte(text)
	}
	failure := r.read(plain, n)
	if failure != nil && errors.Is(failure, fault.ErrSignatureMismatch) && len(body) > 0 && body[0] == '%' && bytes.IndexByte(body, '+') >= 0 {
		// Some encoders leave a plus as it is, others write a blank that way. The
		// signature tells which.
		if text, err := url.PathUnescape(string(body)); err == nil {
			n = &notified{}
			failure = r.read([]byte(text), n)
		}
	}
	if failure != nil {
		return fail(failure)
	}
	return n, nil
}
