package reconcile

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/ksher-go/ksher"
)

// Answer is what the gateway said of an order.
type Answer struct {
	Key
	Asked    time.Time     `json:"asked"`
	Unknown  bool          `json:"unknown,omitzero"` // it knows no such order
	Result   ksher.Result  `json:"result,omitzero"`
	Amount   ksher.Amount  `json:"amount,omitzero"` // in cents
	Currency string        `json:"currency,omitzero"`
	Channel  ksher.Channel `json:"channel,omitzero"`
	Paid     time.Time     `json:"paid,omitzero"` // zero if it isn't, or if the gateway doesn't say when
	Refunds  []Refund      `json:"refunds,omitzero"`
	Untold   bool          `json:"untold,omitzero"` // it is paid, and its channel doesn't tell of refunds
}

// Refund is money that was given back.
type Refund struct {
	Amount ksher.Amount `json:"amount"`
	At     time.Time    `json:"at,omitzero"`
}

// Whose says which merchant at which gateway was asked.
type Whose struct {
	AppID       string `json:"app_id"`
	GatewayURL  string `json:"gateway_url"`
	MerchantURL string `json:"merchant_url"`
}

// Journal keeps the answers in a file, so that whoever was broken off can go on.
type Journal struct {
	Answers map[Key]Answer // those of earlier runs
	file    *os.File
}

// ErrOtherMerchant means that a journal has answers about another merchant's orders, or of
// another gateway.
var ErrOtherMerchant = errors.New("the journal is another merchant's, or of another gateway")

// OpenJournal opens the journal in a file, or begins one. What was being written when the
// power went is dropped.
func OpenJournal(path string, whose Whose) (*Journal, error) {
	file, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, err
	}
	j := &Journal{Answers: map[Key]Answer{}, file: file}
	whole, err := j.read(whose)
	if err == nil {
		err = file.Truncate(whole)
	}
	if err == nil {
		_, err = file.Seek(whole, io.SeekStart)
	}
	if err == nil && whole == 0 {
		err = j.write(whose)
	}
	if err != nil {
		file.Close()
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return j, nil
}

// read reads the answers, and returns how many bytes are whole lines.
func (j *Journal) read(whose Whose) (whole int64, err error) {
	lines := bufio.NewReader(j.file)
	for {
		line, err := lines.ReadBytes('\n')
		if errors.Is(err, io.EOF) {
			return whole, nil
		}
		if err != nil {
			return 0, err
		}
		if whole == 0 {
			var header Whose
			if err := strictly(line, &header); err != nil || header != whose {
				return 0, ErrOtherMerchant
			}
		} else {
			var answer Answer
			if err := strictly(line, &answer); err != nil {
				return 0, fmt.Errorf("after %d bytes: %w", whole, err)
			}
			j.Answers[answer.Key] = answer
		}
		whole += int64(len(line))
	}
}

func strictly(line []byte, into any) error {
	decoder := json.NewDecoder(bytes.NewReader(line))
	decoder.DisallowUnknownFields()
	return decoder.Decode(into)
}

func (j *Journal) write(v any) error {
	line, err := json.Marshal(v)
	if err != nil {
		return err
	}
	_, err = j.file.Write(append(line, '\n'))
	return err
}

// Add writes an answer down.
func (j *Journal) Add(a Answer) error { return j.write(a) }

// Close closes the file, which stays.
func (j *Journal) Close() error { return j.file.Close() }
