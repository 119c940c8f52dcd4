// Package reconcile holds a shop's list of orders against what the gateway says of each.
package reconcile

import (
	"bufio"
	"bytes"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/ksher-go/ksher"
)

// State is what a shop's own books say of an order.
type State string

// States of a shop.
const (
	StatePaid     State = "paid" // also where the list says nothing
	StateOpen     State = "open"
	StateClosed   State = "closed" // ended without a payment
	StateRefunded State = "refunded"
)

// Key names an order: the two hosts may use the same number.
type Key struct {
	Host   ksher.Host `json:"host"`
	Number string     `json:"number"`
}

// Order is an order on the shop's list.
type Order struct {
	Key
	Amount   ksher.Amount
	Currency string
	State    State
}

// The columns of a list. Others may be there, and aren't read.
var required = []string{"number", "amount", "currency", "host"}

// ReadList reads a shop's list: CSV, with commas or semicolons, below a line that names the
// columns number, amount, currency, host and perhaps state. The error names the line.
func ReadList(from io.Reader) ([]Order, error) {
	buffered := bufio.NewReader(from)
	if mark, _ := buffered.Peek(3); string(mark) == "\xef\xbb\xbf" {
		_, _ = buffered.Discard(3) // It is there.
	}
	rows := csv.NewReader(buffered)
	rows.TrimLeadingSpace = true
	if line, _ := buffered.Peek(4096); bytes.ContainsRune(firstLine(line), ';') && !bytes.ContainsRune(firstLine(line), ',') {
		rows.Comma = ';'
	}
	header, err := rows.Read()
	if errors.Is(err, io.EOF) {
		return nil, errors.New("the list is empty")
	}
	if err != nil {
		return nil, err
	}
	columns, err := readHeader(header)
	if err != nil {
		return nil, err
	}
	var orders []Order
	listed := map[Key]int{}
	for {
		row, err := rows.Read()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return nil, err
		}
		line, _ := rows.FieldPos(0)
		order, err := columns.order(row)
		if err != nil {
			return nil, fmt.Errorf("line %d: %w", line, err)
		}
		if before := listed[order.Key]; before != 0 {
			return nil, fmt.Errorf("line %d: order %.40q at the host %s is in line %d already", line, order.Number, order.Host, before)
		}
		listed[order.Key] = line
		orders = append(orders, order)
	}
	if len(orders) == 0 {
		return nil, errors.New("the list has no orders")
	}
	return orders, nil
}

func firstLine(text []byte) []byte {
	line, _, _ := bytes.Cut(text, []byte("\n"))
	return line
}

// columns tells where each column stands.
type columns map[string]int

func readHeader(header []string) (columns, error) {
	found := columns{}
	for i, name := range header {
		name = strings.ToLower(strings.TrimSpace(name))
		if _, twice := found[name]; twice && name != "" {
			return nil, fmt.Errorf("the first line names the column %q twice", name)
		}
		found[name] = i
	}
	for _, name := range required {
		if _, ok := found[name]; !ok {
			return nil, fmt.Errorf("the first line doesn't name the column %q: it names number, amount, currency, host and perhaps state", name)
		}
	}
	return found, nil
}

func (c columns) order(row []string) (Order, error) {
	value := func(name string) string { return strings.TrimSpace(row[c[name]]) }
	amount, err := ksher.ParseAmount(value("amount"))
	order := Order{
		Key: Key{Host: ksher.Host(strings.ToLower(value("host"))), Number: value("number")}, Amount: amount, Currency: strings.ToUpper(value("currency")), State: StatePaid,
	}
	if _, ok := c["state"]; ok {
		order.State = State(strings.ToLower(value("state")))
	}
	switch {
	case err != nil:
		return order, err
	case order.Number == "":
		return order, errors.New("the number is missing")
	case amount < 1:
		return order, fmt.Errorf("order %.40q costs %v", order.Number, amount)
	case len(order.Currency) != 3:
		return order, fmt.Errorf("order %.40q: the currency is %.20q, not one such as THB", order.Number, order.Currency)
	case order.Host != ksher.HostGateway && order.Host != ksher.HostMerchant:
		return order, fmt.Errorf("order %.40q: the host is %.20q, neither gateway nor merchant", order.Number, order.Host)
	case !slices.Contains([]State{StatePaid, StateOpen, StateClosed, StateRefunded}, order.State):
		return order, fmt.Errorf("order %.40q: the state is %.20q, none of paid, open, closed and refunded", order.Number, order.State)
	}
	return order, nil
}
