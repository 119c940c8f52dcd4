// Package control speaks to the control API of a running sandbox.
package control

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"time"

	"github.com/ksher-go/ksher"
)

// Client speaks to one sandbox.
type Client struct {
	base string
	http *http.Client
}

// New returns a client for the sandbox at that address, without a slash at its end.
func New(base string) *Client {
	return &Client{base, &http.Client{Transport: &http.Transport{DisableKeepAlives: true}, Timeout: 30 * time.Second}} // Without a proxy from the environment.
}

// Order is an order as the sandbox has it.
type Order struct {
	API            string            `json:"api"`
	AppID          string            `json:"appid"`
	MchOrderNo     string            `json:"mch_order_no"`
	PayMchOrderNo  string            `json:"pay_mch_order_no"`
	KsherOrderNo   string            `json:"ksher_order_no"`
	ChannelOrderNo string            `json:"channel_order_no"`
	State          string            `json:"state"`
	TotalFee       ksher.Amount      `json:"total_fee"`
	FeeType        string            `json:"fee_type"`
	Channel        ksher.Channel     `json:"channel"`
	Channels       []ksher.Channel   `json:"channels"`
	PaidAt         time.Time         `json:"paid_at"`
	Params         map[string]string `json:"params"`
	Notification   *struct {
		URL string    `json:"url"`
		Due time.Time `json:"due"`
		// Attempts are those to deliver it.
		Attempts []struct{} `json:"attempts"`
	} `json:"notification"`
}

// Host is where the order was made.
func (o *Order) Host() ksher.Host {
	if o.PayMchOrderNo != "" {
		return ksher.HostGateway
	}
	return ksher.HostMerchant
}

// NotifyURL is where the shop wants to hear of the order.
func (o *Order) NotifyURL() string {
	if o.Host() == ksher.HostGateway {
		return o.Params["mch_notify_url"]
	}
	return o.Params["notify_url"]
}

// RefusedError says that the sandbox answered, but didn't do it.
type RefusedError struct {
	Status int
	Text   string
}

func (e *RefusedError) Error() string {
	return fmt.Sprintf("the sandbox answered HTTP %d: %s", e.Status, e.Text)
}

// Up returns nil if a sandbox answers.
func (c *Client) Up(ctx context.Context) error {
	return c.do(ctx, http.MethodGet, "/healthz", nil, nil)
}

// Order is an order by the merchant's number.
func (c *Client) Order(ctx context.Context, no string) (*Order, error) {
	return c.order(ctx, http.MethodGet, no, "", nil)
}

// Act does something to an order, such as "pay" or "fail".
func (c *Client) Act(ctx context.Context, no, action string) (*Order, error) {
	return c.order(ctx, http.MethodPost, no, "/"+action, struct{}{})
}

// Reprice lets an order count as made over another amount.
func (c *Client) Reprice(ctx context.Context, no string, total ksher.Amount, feeType string) (*Order, error) {
	return c.order(ctx, http.MethodPost, no, "/amount", map[string]any{"total_fee": total, "fee_type": feeType})
}

func (c *Client) order(ctx context.Context, method, no, action string, body any) (*Order, error) {
	o := &Order{}
	if err := c.do(ctx, method, "/control/orders/"+url.PathEscape(no)+action, body, o); err != nil {
		return nil, err
	}
	return o, nil
}

// Fault is a misbehaviour to come, as docs/sandbox.md has it.
type Fault struct {
	Operation    string  `json:"operation"`
	Kind         string  `json:"kind"`
	Count        int     `json:"count"`
	DelaySeconds float64 `json:"delay_seconds,omitzero"`
}

// Inject makes the sandbox misbehave.
func (c *Client) Inject(ctx context.Context, f Fault) error {
	return c.do(ctx, http.MethodPost, "/control/faults", f, nil)
}

// ClearFaults takes back what was injected, by whomever.
func (c *Client) ClearFaults(ctx context.Context) error {
	return c.do(ctx, http.MethodDelete, "/control/faults", nil, nil)
}

func (c *Client) do(ctx context.Context, method, path string, body, answer any) error {
	var text []byte
	if body != nil {
		var err error
		if text, err = json.Marshal(body); err != nil {
			return err
		}
	}
	req, err := http.NewRequestWithContext(ctx, method, c.base+path, bytes.NewReader(text))
	if err != nil {
		return err
	}
	resp, err := c.http.Do(req)
	if err != nil {
		return fmt.Errorf("the sandbox at %s doesn't answer: %w", c.base, err)
	}
	defer resp.Body.Close()
	said, err := io.ReadAll(io.LimitReader(resp.Body, 4<<20))
	if err != nil {
		return fmt.Errorf("the sandbox at %s: %w", c.base, err)
	}
	if resp.StatusCode != http.StatusOK {
		var failed struct{ Error string }
		if json.Unmarshal(said, &failed) != nil || failed.Error == "" {
			failed.Error = string(said[:min(len(said), 200)])
		}
		return &RefusedError{resp.StatusCode, failed.Error}
	}
	if answer == nil {
		return nil
	}
	return json.Unmarshal(said, answer)
}
