package core

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/ksher-go/ksher"
)

// givenOrder is an order in a file.
type givenOrder struct {
	place
	AppID, MchOrderNo, Host  string
	State                    State
	Channel                  ksher.Channel
	Channels                 []ksher.Channel
	TotalFee                 int64
	FeeType                  string
	Created, Expires, PaidAt time.Time
	Settled                  bool
	Params                   map[string]string
	Refunds                  []givenRefund
}

// givenRefund is a refund of an order in a file.
type givenRefund struct {
	place
	MchRefundNo string
	RefundFee   int64
	RefundTime  time.Time
}

// place is where something stands in a file.
type place struct {
	path string
	line int
	// lines has those of its members.
	lines map[string]int
}

// wrong says what is wrong with a member.
func (p place) wrong(member, format string, args ...any) error {
	line, ok := p.lines[member]
	if !ok {
		line = p.line
	}
	return fmt.Errorf("line %d: %s.%s: %s", line, p.path, member, fmt.Sprintf(format, args...))
}

// fileReader reads a file of orders, member by member, so that it can tell the lines.
type fileReader struct {
	text []byte
	*json.Decoder
}

// readOrders reads a file of orders. It keeps as many as there is room for, and counts all.
func readOrders(text []byte, room int) (orders []givenOrder, n int, err error) {
	text = bytes.TrimPrefix(text, []byte("\ufeff"))
	r := &fileReader{text, json.NewDecoder(bytes.NewReader(text))}
	_, err = r.object("", map[string]func(string) error{
		"orders": func(path string) error {
			return r.array(path, func(path string) error {
				o, err := r.order(path)
				if n++; n <= room {
					orders = append(orders, o)
				}
				return err
			})
		},
	})
	if err != nil {
		return nil, 0, err
	}
	if _, err := r.Token(); err != io.EOF {
		return nil, 0, fmt.Errorf("line %d: there is something after the object", r.line())
	}
	return orders, n, nil
}

func (r *fileReader) order(path string) (o givenOrder, err error) {
	o.place, err = r.object(path, map[string]func(string) error{
		"appid": r.value(&o.AppID), "mch_order_no": r.value(&o.MchOrderNo), "host": r.value(&o.Host), "state": r.value(&o.State),
		"channel": r.value(&o.Channel), "channels": r.value(&o.Channels), "total_fee": r.value(&o.TotalFee), "fee_type": r.value(&o.FeeType),
		"created": r.value(&o.Created), "expires": r.value(&o.Expires), "paid_at": r.value(&o.PaidAt),
		"settled": r.value(&o.Settled), "params": r.value(&o.Params),
		"refunds": func(path string) error {
			return r.array(path, func(path string) error {
				var refund givenRefund
				var err error
				refund.place, err = r.object(path, map[string]func(string) error{
					"mch_refund_no": r.value(&refund.MchRefundNo), "refund_fee": r.value(&refund.RefundFee), "refund_time": r.value(&refund.RefundTime),
				})
				if err == nil && (refund.MchRefundNo == "" || utf8.RuneCountInString(refund.MchRefundNo) > 32) {
					// Said at once, so that a file of empty refunds isn't kept.
					err = refund.wrong("mch_refund_no", "it has to have 1 to 32 characters")
				}
				o.Refunds = append(o.Refunds, refund)
				return err
			})
		},
	})
	return o, err
}

// line is the one that has been read last.
func (r *fileReader) line() int { return 1 + bytes.Count(r.text[:r.InputOffset()], []byte("\n")) }

// next reads what has to come next, a delimiter.
func (r *fileReader) next(path string, want json.Delim) error {
	token, err := r.Token()
	if err == nil && token != want {
		err = fmt.Errorf("there has to be a %v here", want)
	}
	if err != nil {
		return r.wrong(path, err)
	}
	return nil
}

// wrong says what is wrong with what was read last.
func (r *fileReader) wrong(path string, err error) error {
	line := r.line()
	syntax, kind := new(json.SyntaxError), new(json.UnmarshalTypeError)
	switch {
	case errors.As(err, &syntax):
		line = 1 + bytes.Count(r.text[:min(int(syntax.Offset), len(r.text))], []byte("\n"))
	case errors.As(err, &kind):
		err = fmt.Errorf("a %s isn't of the right kind", kind.Value)
	case err == io.EOF:
		err = io.ErrUnexpectedEOF
	}
	if path != "" {
		path += ": "
	}
	return fmt.Errorf("line %d: %s%w", line, path, err)
}

// object reads an object, whose members are read by those functions.
func (r *fileReader) object(path string, members map[string]func(path string) error) (p place, err error) {
	if err := r.next(path, '{'); err != nil {
		return p, err
	}
	p = place{path, r.line(), make(map[string]int)}
	for r.More() {
		token, err := r.Token()
		if err != nil {
			return p, r.wrong(path, err)
		}
		name := token.(string) // As nothing else can be a name.
		inside := strings.TrimPrefix(path+"."+name, ".")
		if members[name] == nil {
			return p, r.wrong(inside, fmt.Errorf("there is no such member; there are %s", strings.Join(slices.Sorted(maps.Keys(members)), ", ")))
		}
		if p.lines[name] > 0 {
			return p, r.wrong(inside, errors.New("it is there twice"))
		}
		p.lines[name] = r.line()
		if err := members[name](inside); err != nil {
			return p, err
		}
	}
	return p, r.next(path, '}')
}

// array reads an array.
func (r *fileReader) array(path string, item func(path string) error) error {
	if err := r.next(path, '['); err != nil {
		return err
	}
	for i := 0; r.More(); i++ {
		if err := item(fmt.Sprintf("%s[%d]", path, i)); err != nil {
			return err
		}
	}
	return r.next(path, ']')
}

// value reads a value.
func (r *fileReader) value(into any) func(path string) error {
	return func(path string) error {
		if err := r.Decode(into); err != nil {
			return r.wrong(path, err)
		}
		return nil
	}
}
