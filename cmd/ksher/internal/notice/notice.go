// Package notice makes notifications as Ksher would send them, signed with the local
// gateway's keys, and posts them to a shop.
package notice

import (
	"bytes"
	"cmp"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"
	"unicode"

	"github.com/ksher-go/ksher"
	"github.com/ksher-go/ksher/internal/sandbox"
)

// Filled returns an order as a notification tells of it, with something in place of what is
// empty but always told of a payment.
func Filled(o ksher.Order) *ksher.Order {
	o.AppID = cmp.Or(o.AppID, sandbox.AppID)
	for _, no := range []*string{&o.PayMchOrderNo, &o.KsherOrderNo, &o.ChannelOrderNo, &o.NonceStr} {
		*no = cmp.Or(*no, ksher.NewOrderNo())
	}
	o.CashFee, o.CashFeeType = cmp.Or(o.CashFee, o.TotalFee), cmp.Or(o.CashFeeType, o.FeeType)
	o.Rate, o.OpenID = cmp.Or(o.Rate, "1.000000"), cmp.Or(o.OpenID, "kshertest-buyer")
	if o.TimeEnd.IsZero() {
		o.TimeEnd = time.Now()
	}
	return &o
}

// ContentType is that of a notification.
const ContentType = "text/plain;charset=utf-8"

// Answer is what a shop answered.
type Answer struct {
	// Status is the HTTP status, 0 if there was no answer.
	Status int `json:"status"`
	// Text is the beginning of the answer, or why there was none.
	Text string `json:"text"`
	// Accepted says that Ksher wouldn't send the notification again.
	Accepted bool `json:"accepted"`
}

func (a Answer) String() string {
	if a.Status == 0 {
		return "no answer: " + a.Text
	}
	if strings.ContainsFunc(a.Text, func(r rune) bool { return !unicode.IsPrint(r) }) {
		return fmt.Sprintf("HTTP %d %q", a.Status, a.Text)
	}
	return fmt.Sprintf("HTTP %d %s", a.Status, a.Text)
}

// Sender posts to shops.
type Sender struct {
	// Patience is how long a shop may take to answer.
	Patience time.Duration
	// Follow is told what was sent and what came, also by several at once.
	Follow    func(method string, length int, a Answer)
	transport *http.Transport
}

// NewSender returns one that reaches this machine, private networks and those hosts.
func NewSender(hosts ...string) (*Sender, error) {
	transport, err := sandbox.Nearby(hosts...)
	if err != nil {
		return nil, err
	}
	transport.DisableKeepAlives = true // A shop that was killed in between would break a connection.
	return &Sender{30 * time.Second, func(string, int, Answer) {}, transport}, nil
}

// Post posts a notification.
func (s *Sender) Post(ctx context.Context, target string, body []byte) (Answer, error) {
	return s.Send(ctx, http.MethodPost, target, ContentType, body)
}

// Send sends anything. The error says that the target is no address, or that ctx has ended.
func (s *Sender) Send(ctx context.Context, method, target, contentType string, body []byte) (Answer, error) {
	a, err := s.send(ctx, method, target, contentType, body)
	if err == nil {
		s.Follow(method, len(body), a)
	}
	return a, err
}

func (s *Sender) send(ctx context.Context, method, target, contentType string, body []byte) (Answer, error) {
	limited, cancel := context.WithTimeout(ctx, s.Patience)
	defer cancel()
	req, err := http.NewRequestWithContext(limited, method, target, bytes.NewReader(body))
	if err != nil {
		return Answer{}, err
	}
	if contentType != "" {
		req.Header.Set("Content-Type", contentType)
	}
	resp, err := s.transport.RoundTrip(req)
	if err != nil {
		return Answer{Text: err.Error()}, ctx.Err()
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(io.LimitReader(resp.Body, 64<<10))
	if err != nil {
		return Answer{Text: err.Error()}, ctx.Err()
	}
	return Answer{resp.StatusCode, string(text[:min(len(text), 200)]), resp.StatusCode == http.StatusOK && sandbox.Accepted(text)}, nil
}

// Begin begins to post a body of which only a part comes, and leaves the connection open. A
// shop that takes neither the connection nor the part in s.Patience is given up.
func (s *Sender) Begin(ctx context.Context, target string, part []byte, length int) (io.Closer, error) {
	ctx, cancel := context.WithTimeout(ctx, s.Patience)
	defer cancel()
	u, err := url.Parse(target)
	if err != nil {
		return nil, err
	}
	port := u.Port()
	if port == "" {
		port = map[string]string{"http": "80", "https": "443"}[u.Scheme]
	}
	conn, err := s.transport.DialContext(ctx, "tcp", net.JoinHostPort(u.Hostname(), port))
	if err != nil {
		return nil, err
	}
	if u.Scheme == "https" {
		config := &tls.Config{}
		if c := s.transport.TLSClientConfig; c != nil {
			config = c.Clone()
		}
		config.ServerName, config.NextProtos = u.Hostname(), []string{"http/1.1"}
		conn = tls.Client(conn, config)
	}
	stop := context.AfterFunc(ctx, func() { conn.SetDeadline(time.Now()) })
	defer stop()
	_, err = fmt.Fprintf(conn, "POST %s HTTP/1.1\r\nHost: %s\r\nContent-Type: %s\r\nContent-Length: %d\r\n\r\n%s", u.RequestURI(), u.Host, ContentType, length, part)
	if err != nil {
		return nil, errors.Join(err, conn.Close())
	}
	return conn, nil
}
