package core

import (
	"net/url"
	"slices"
	"time"

	"github.com/ksher-go/ksher"
)

// Request is a request as the gateway received it.
type Request struct {
	// At is when, by the gateway's clock.
	At time.Time
	// Operation is its name.
	Operation string
	// Params has the parameters, the signature included.
	Params url.Values
	// SignText is the text that had to be signed.
	SignText string
	// Code is why it was refused, "" if it wasn't.
	Code ksher.Code
	// Fault is the fault that was injected into it.
	Fault FaultKind
}

// maxRequests bounds the log of requests.
const maxRequests = 200

// Requests returns the last 200 requests, the oldest first.
func (g *Gateway) Requests() []Request {
	g.mu.Lock()
	defer g.mu.Unlock()
	return slices.Clone(g.requests)
}
