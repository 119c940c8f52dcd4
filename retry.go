package ksher

import "time"

// WithRetry sets how often a query is sent at most, from 1 to 10 times, and the longest
// first pause, which doubles each time, up to 10 seconds; each pause is a random part of
// it. The default is 3 times and 500 ms. A wait of 0 leaves the pauses out, for tests.
//
// A query is repeated if the connection broke, though not over a certificate, if the HTTP
// status is 429 or at least 500, or if the gateway's code says that it is out of order; all
// within [WithTimeout]. In an outage a client repeats at most 10 queries at once and then
// one a second. What pays, pays out, refunds, cancels or closes reaches Ksher once: it goes
// out again only if it is certain that Ksher didn't process it. See docs/doubt.md.
func WithRetry(attempts int, wait time.Duration) Option {
	return func(c *Client) error { return c.sender.Retry.Set(attempts, wait) }
}
