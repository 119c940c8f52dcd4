package core

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"time"

	"github.com/ksher-go/ksher"
)

// FaultKind is a way in which the gateway misbehaves.
type FaultKind string

// Faults of an operation.
const (
	// FaultLatency answers after Fault.Delay.
	FaultLatency FaultKind = "latency"
	// FaultDropBefore drops the connection without carrying the request out.
	FaultDropBefore FaultKind = "drop-before"
	// FaultDropAfter carries the request out and drops the connection.
	FaultDropAfter FaultKind = "drop-after"
	// FaultHTTP500 answers with an empty HTTP 500, without carrying the request
	// out.
	FaultHTTP500 FaultKind = "http-500"
	// FaultHTML502 answers with an HTML page and HTTP 502, without carrying the
	// request out.
	FaultHTML502 FaultKind = "html-502"
	// FaultEmpty carries the request out and answers with nothing.
	FaultEmpty FaultKind = "empty"
	// FaultTruncated carries the request out and cuts the answer in half.
	FaultTruncated FaultKind = "truncated"
	// FaultEndless carries the request out and never stops answering.
	FaultEndless FaultKind = "endless"
	// FaultBadSignature carries the request out and signs something else.
	FaultBadSignature FaultKind = "bad-signature"
	// FaultOtherKey carries the request out and signs with the key of the other
	// version.
	FaultOtherKey FaultKind = "other-key"
	// FaultRefuse refuses the request with Fault.Code.
	FaultRefuse FaultKind = "refuse"
	// FaultClockSkew shifts the time_stamp of the answer by Fault.Delay, where it has one.
	FaultClockSkew FaultKind = "clock-skew"
)

// Faults of a notification, whose operation is "notify". FaultBadSignature,
// FaultOtherKey and FaultTruncated apply to it, too.
const (
	// FaultDuplicate delivers a notification twice.
	FaultDuplicate FaultKind = "duplicate"
	// FaultLate delivers a notification Fault.Delay later.
	FaultLate FaultKind = "late"
	// FaultReorder lets the other notifications that are due now go first.
	FaultReorder FaultKind = "reorder"
	// FaultCorrupt changes the amount in a notification, and nothing else. In one
	// that has no amount it changes what it says.
	FaultCorrupt FaultKind = "corrupt"
	// FaultEncoded percent-encodes the body of a notification. It changes nothing in one
	// that has no body.
	FaultEncoded FaultKind = "percent-encoded"
	// FaultMinimal leaves out of a notification what some genuine ones don't have: the
	// envelope's members beside code, msg, message, data and sign, and the values of
	// cash_fee and cash_fee_type. It changes nothing in one without an envelope.
	FaultMinimal FaultKind = "minimal"
)

// Notify is the operation of a fault of notifications.
const Notify = "notify"

// Fault is a misbehaviour to come.
type Fault struct {
	// Operation is the name of the operation it happens to, such as "order_refund", or
	// "notify" for notifications. [Gateway.Operations] has them all.
	Operation string
	Kind      FaultKind
	// Count is how often it happens, 0 standing for once.
	Count int
	// Delay belongs to FaultLatency, FaultLate and FaultClockSkew.
	Delay time.Duration
	// Code belongs to FaultRefuse, as the operation's protocol has codes. It need not be
	// a documented one.
	Code ksher.Code
}

// maxFaults bounds the faults that wait.
const maxFaults = 1000

// OperationFaults are the kinds of faults that an operation can have.
func OperationFaults() []FaultKind {
	return []FaultKind{
		FaultLatency, FaultDropBefore, FaultDropAfter, FaultHTTP500, FaultHTML502, FaultEmpty, FaultTruncated,
		FaultEndless, FaultBadSignature, FaultOtherKey, FaultRefuse, FaultClockSkew,
	}
}

// NotifyFaults are the kinds of faults that a notification can have.
func NotifyFaults() []FaultKind {
	return []FaultKind{FaultDuplicate, FaultLate, FaultReorder, FaultCorrupt, FaultBadSignature, FaultOtherKey, FaultTruncated, FaultEncoded, FaultMinimal}
}

func (f Fault) check(operations []string) error {
	kinds := OperationFaults()
	if f.Operation == Notify {
		kinds = NotifyFaults()
	} else if !slices.Contains(operations, f.Operation) {
		return fmt.Errorf("there is no operation %q", f.Operation)
	}
	switch {
	case !slices.Contains(kinds, f.Kind):
		return fmt.Errorf("%s has no fault %q; it has %v", f.Operation, f.Kind, kinds)
	case f.Count < 0:
		return fmt.Errorf("the count %d is negative", f.Count)
	case f.Kind == FaultRefuse && f.Code == "":
		return fmt.Errorf("the fault %q needs a code", f.Kind)
	case (f.Kind == FaultLatency || f.Kind == FaultLate) && f.Delay <= 0:
		return fmt.Errorf("the fault %q needs a delay", f.Kind)
	}
	return nil
}

// Operations are the names of all operations that faults can happen to, [Notify] the last.
func (g *Gateway) Operations() []string {
	var names []string
	for _, p := range g.protocols {
		names = append(names, p.Operations...)
	}
	return append(names, Notify)
}

// Inject makes the gateway misbehave in the requests or notifications to come.
// Faults of the same operation happen one after the other, in the order they
// were injected, one to a request. A client repeats a query after some of them,
// so that a test which is to see the error injects as many as there are attempts.
// The error says what is wrong with the fault.
func (g *Gateway) Inject(f Fault) error {
	if err := f.check(g.Operations()); err != nil {
		return fmt.Errorf("kshertest: Inject: %w", err)
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.inject(f, nil)
}

// Inject is [Gateway.Inject] for who has the lock.
func (tx *Tx) Inject(f Fault) error { return tx.InjectFor(nil, f) }

// InjectFor is [Tx.Inject] for the requests and notifications of one order alone.
func (tx *Tx) InjectFor(o *Entry, f Fault) error {
	if err := f.check(tx.g.Operations()); err != nil {
		return fmt.Errorf("kshertest: Inject: %w", err)
	}
	return tx.g.inject(f, o)
}

// waitingFault is a fault that hasn't happened yet.
type waitingFault struct {
	Fault
	// order is the one that it waits for, nil for any request.
	order *Entry
}

func (g *Gateway) inject(f Fault, o *Entry) error {
	f.Count = max(f.Count, 1)
	if len(g.faults) == maxFaults {
		return fmt.Errorf("kshertest: Inject: %d faults wait already", maxFaults)
	}
	g.faults = append(g.faults, waitingFault{f, o})
	return nil
}

// Faults returns the faults that haven't happened yet.
func (g *Gateway) Faults() []Fault {
	g.mu.Lock()
	defer g.mu.Unlock()
	var faults []Fault
	for _, f := range g.faults {
		faults = append(faults, f.Fault)
	}
	return faults
}

// ClearFaults takes back the faults that haven't happened yet.
func (g *Gateway) ClearFaults() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.faults = nil
}

// nextFault takes the next fault of an operation, the zero one if there is
// none. One that waits for an order is taken only if concerns says that it is about this
// one. The caller holds g.mu.
func (g *Gateway) nextFault(operation string, concerns func(*Entry) bool) Fault {
	i := slices.IndexFunc(g.faults, func(f waitingFault) bool {
		return f.Operation == operation && (f.order == nil || concerns(f.order))
	})
	if i < 0 {
		return Fault{}
	}
	f := g.faults[i].Fault
	if g.faults[i].Count--; g.faults[i].Count == 0 {
		g.faults = slices.Delete(g.faults, i, i+1)
	}
	return f
}

// Prevents tells the faults that happen before the request is carried out.
func (f Fault) Prevents() bool {
	return f.Kind == FaultDropBefore || f.Kind == FaultHTTP500 || f.Kind == FaultHTML502
}

// Spoil sends an answer as the fault has it.
func (f Fault) Spoil(w http.ResponseWriter, r *http.Request, answer []byte) {
	switch f.Kind {
	case FaultLatency:
		if Wait(r.Context(), f.Delay) != nil {
			return
		}
	case FaultDropBefore, FaultDropAfter:
		panic(http.ErrAbortHandler) // How net/http drops a connection.
	case FaultHTTP500:
		w.WriteHeader(http.StatusInternalServerError)
		return
	case FaultHTML502:
		w.Header().Set("Content-Type", "text/html")
		w.WriteHeader(http.StatusBadGateway)
		answer = []byte("<html><head><title>502 Bad Gateway</title></head><body><center><h1>502 Bad Gateway</h1></center></body></html>")
	case FaultEmpty:
		return
	case FaultTruncated:
		answer = answer[:len(answer)/2]
	case FaultEndless:
		for r.Context().Err() == nil {
			if _, err := w.Write(answer); err != nil {
				return
			}
			http.NewResponseController(w).Flush()
		}
		return
	}
	w.Write(answer)
}

// Wait waits that long, or until ctx ends, and then returns its error.
func Wait(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// OtherDigit is a hex digit that isn't that one, to forge a signature with.
func OtherDigit(digit string) string {
	if digit == "0" {
		return "1"
	}
	return "0"
}
