package listen

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"time"

	"github.com/ksher-go/ksher"
	"github.com/ksher-go/ksher/internal/once"
	"github.com/ksher-go/ksher/internal/sandbox"
)

// Pauses between two queries of an order, of which each is half as long again as the one
// before, and how long one that Ksher doesn't know is asked about.
const (
	firstPause = time.Second
	lastPause  = 10 * time.Second
	unknownFor = 10 * time.Minute
)

// untilPaid asks about an order until it is paid, and returns Ksher's answer, signature and
// all. The error says why it isn't asked about any more.
func (l *Listener) untilPaid(o *Order) (body []byte, err error) {
	began, before := l.Clock.ClockNow(), Event{}
	for pause := firstPause; ; pause = min(pause*3/2, lastPause) {
		order, body, err := l.look(o)
		if l.ctx.Err() != nil {
			return nil, l.ctx.Err()
		}
		e, err := standing(order, err)
		if e.Host = o.Host; e != before {
			before = e
			l.tell(*o, e)
		}
		switch waited := l.Clock.ClockNow().Sub(began); {
		case err != nil:
			return nil, err
		case e.Kind == Paid:
			return body, nil
		case e.Kind == Unknown && waited >= unknownFor:
			return nil, fmt.Errorf("it hasn't been known to Ksher for %v", unknownFor)
		case waited >= sandbox.Watching:
			return nil, fmt.Errorf("it isn't paid after %v, and a payment after that is not announced by Ksher either", sandbox.Watching)
		}
		if err := l.Clock.ClockSleep(l.ctx, pause); err != nil {
			return nil, err
		}
	}
}

// standing turns the outcome of a query into an event. The error says why there is no sense
// in asking again.
func standing(order *ksher.Order, err error) (Event, error) {
	switch invalid := (*ksher.ValidationError)(nil); {
	case errors.As(err, &invalid):
		return Event{Kind: NotFollowed, Problem: err.Error()}, errors.New("it can't be asked about")
	case errors.Is(err, ksher.ErrNotFound):
		return Event{Kind: Unknown}, nil
	case err != nil:
		return Event{Kind: NotAsked, Problem: err.Error()}, nil
	}
	e := Event{Kind: Unpaid, Result: order.Result, TotalFee: order.TotalFee.String(), FeeType: order.FeeType}
	switch {
	case order.Result.Paid():
		e.Kind = Paid
	case order.Result == ksher.ResultRefund:
		return e, errors.New("it was paid and refunded, and Ksher announces only what is paid")
	}
	return e, nil
}

// look asks about an order, at both hosts if it isn't known which has it.
func (l *Listener) look(o *Order) (order *ksher.Order, body []byte, err error) {
	if o.Host != "" {
		return l.ask(*o)
	}
	for _, host := range []ksher.Host{ksher.HostGateway, ksher.HostMerchant} {
		order, body, err = l.ask(Order{o.MchOrderNo, host})
		if err == nil {
			o.Host = host
		}
		if !errors.Is(err, ksher.ErrNotFound) {
			break
		}
	}
	return order, body, err
}

// ask asks one host about an order. The body is the answer whose signature was checked.
func (l *Listener) ask(o Order) (order *ksher.Order, body []byte, err error) {
	give, err := (*once.Budget)(l.Budget).Take(l.ctx, l.Clock)
	if err != nil {
		return nil, nil, err
	}
	defer give()
	record := &recording{}
	ctx, cancel := context.WithTimeout(context.WithValue(l.ctx, recordKey{}, record), l.Patience)
	defer cancel()
	var data []byte
	if o.Host == ksher.HostGateway {
		answer, err := l.Client.GatewayOrderQuery(ctx, &ksher.GatewayOrderQueryRequest{MchOrderNo: o.MchOrderNo})
		if err != nil {
			return nil, nil, err
		}
		order, data = &answer.Order, answer.Data
	} else {
		answer, err := l.Client.OrderQuery(ctx, &ksher.OrderQueryRequest{MchOrderNo: o.MchOrderNo})
		if err != nil {
			return nil, nil, err
		}
		order, data = &answer.Order, answer.Data
	}
	body = record.body.Bytes()
	return order, body, genuine(o, order, body, data)
}

// genuine makes sure that what is to be posted is about the order, and holds the data whose
// signature the client has checked.
func genuine(o Order, order *ksher.Order, body, data []byte) error {
	if order.MchOrderNo != o.MchOrderNo {
		return fmt.Errorf("%w: the answer is about another order", ksher.ErrOtherOrder)
	}
	var envelope struct{ Data json.RawMessage }
	if json.Unmarshal(body, &envelope) != nil || !bytes.Equal(envelope.Data, data) {
		return fmt.Errorf("%w: the answer was not recorded as it was read; was the client made with a Recorder?", ksher.ErrBadAnswer)
	}
	return nil
}

// Recorder is a transport that keeps the answers to a [Listener]'s queries as they came, which
// the client takes apart.
type Recorder struct{ http.RoundTripper }

type recordKey struct{}

// recording is the last answer to a query.
type recording struct{ body bytes.Buffer }

// RoundTrip keeps what is read of an answer, if a listener asks.
func (r Recorder) RoundTrip(req *http.Request) (*http.Response, error) {
	resp, err := r.RoundTripper.RoundTrip(req)
	record, ok := req.Context().Value(recordKey{}).(*recording)
	if err != nil || !ok {
		return resp, err
	}
	record.body.Reset() // A query may be repeated.
	resp.Body = struct {
		io.Reader
		io.Closer
	}{io.TeeReader(resp.Body, &record.body), resp.Body}
	return resp, nil
}
