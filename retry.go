package ksher

import "time"

// WithRetry sets how queries are repeated: how often at most they are sent, the
// first time included, from 1 for no repetition to 10, and how long the first
// pause may be. The default is 3 times and 500 ms. The longest pause doubles each
// time, up to 10 seconds, and each pause is a random part of it. A wait of 0
// leaves the pauses out, as tests want it.
//
// Only queries are repeated, and only if the connection broke, though not over a
// certificate, the HTTP status is 429, or 500 or more, or the gateway's code says that
// it is out of order. All is done within the call's context and [WithTimeout]. In an
// outage a client repeats at most 10 queries at once and one a second after that, so
// that it doesn't make things worse.
//
// A request that pays, pays out, refunds, cancels or closes reaches Ksher once,
// whatever net/http does by itself; see [Client.Resolve]. It goes out a second time,
// over a new connection, only if it is certain that Ksher didn't process it: it wasn't
// written as a whole, or HTTP/2 promises it (RFC 9113, 8.7).
func WithRetry(attempts int, wait time.Duration) Option {
	return func(c *Client) error { return c.sender.Retry.Set(attempts, wait) }
}
