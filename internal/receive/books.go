package receive

import (
	"errors"
	"net/http"

	"github.com/ksher-go/ksher/internal/fault"
	"github.com/ksher-go/ksher/internal/once"
)

// Found refuses what the merchant's lookup of a number answered, unless it is an order of
// that number that can be asked about.
func Found[O, A any](g once.Gateway[O, A], no string, order O, err error) *Refusal {
	switch {
	case errors.Is(err, fault.ErrNotOurs):
		// Its row may not be committed yet, so the sender may come again.
		return &Refusal{Status: http.StatusNotFound, Reason: "the merchant has no such order", Err: err}
	case err != nil:
		return &Refusal{Status: http.StatusInternalServerError, Reason: "the merchant's lookup of the order failed", Err: err, Again: true}
	case g.About(order).No != no:
		return &Refusal{Status: http.StatusInternalServerError, Reason: "the merchant's lookup returned another order", Again: true}
	}
	if err := g.Check("notification", order); err != nil {
		return &Refusal{Status: http.StatusInternalServerError, Reason: "the merchant's lookup returned an order that can't be asked about", Err: err, Again: true}
	}
	return nil
}

// Announced turns what [once.Engine.Announce] returned into a refusal. query tells an
// error of the query from one of the Deduper.
func Announced(standing once.Standing, asked bool, err error, query func(error) bool) *Refusal {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, fault.ErrInProgress):
		return &Refusal{Status: http.StatusServiceUnavailable, Reason: "another delivery of it is being handled", Err: err, Again: true}
	case errors.Is(err, once.ErrTooMany):
		return &Refusal{Status: http.StatusServiceUnavailable, Reason: "too many others are being confirmed", Err: err, Again: true}
	case !asked && (query(err) || errors.Is(err, once.ErrTooSoon)):
		return &Refusal{Status: http.StatusServiceUnavailable, Reason: "it could not be confirmed", Err: err, Again: true}
	case !asked:
		return &Refusal{Status: http.StatusInternalServerError, Reason: "whether it is done could not be looked up", Err: err, Again: true}
	case standing == once.Paid, errors.Is(err, once.ErrEnding):
		return &Refusal{Status: http.StatusInternalServerError, Reason: "the merchant's function failed", Err: err, Again: true}
	case standing != once.Other:
		return &Refusal{Status: http.StatusServiceUnavailable, Reason: "the order is not paid", Err: err, Again: standing == once.Open}
	}
	return &Refusal{Status: http.StatusConflict, Reason: "it is not what the merchant expects", Err: err}
}

// Closed accepts what was announced of an order that ended without a payment, for a
// sender that tells of those as well, unless the merchant's function failed.
func Closed(standing once.Standing, refusal *Refusal) *Refusal {
	if standing == once.Ended && refusal != nil && errors.Is(refusal.Err, fault.ErrNotPaid) && !refusal.Again {
		return nil
	}
	return refusal
}
