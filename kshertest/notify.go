package kshertest

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
)

// ErrNotAccepted means that the merchant didn't answer a notification with
// {"result":"SUCCESS","msg":"OK"}.
var ErrNotAccepted = errors.New("the merchant did not accept the notification")

// Notification returns the notification of an order as the request that the
// gateway would post to its mch_notify_url or notify_url, with a body that
// shows where the order stands now. The gateway itself only announces payments.
func (g *Gateway) Notification(mchOrderNo string) (*http.Request, error) {
	var req *http.Request
	err := g.withOrder("Notification", mchOrderNo, func(o *order) error {
		kind := "notify_url"
		if o.gateway {
			kind = "mch_notify_url"
		}
		target := o.params.Get(kind)
		if target == "" {
			return fmt.Errorf("it was created without a %s", kind)
		}
		body := envelope(&ksher.GatewayOrderQueryResponse{Order: o.query(g.now())}, ksher.SignV1)
		var err error
		if req, err = http.NewRequest(http.MethodPost, target, bytes.NewReader(body)); err != nil {
			return err
		}
		req.Header.Set("Content-Type", "text/plain;charset=utf-8")
		return nil
	})
	return req, err
}

// Deliver posts the notification of an order to the merchant, once, and waits
// for the answer. Any answer but the one that Ksher documents is
// [ErrNotAccepted].
func (g *Gateway) Deliver(ctx context.Context, mchOrderNo string) error {
	req, err := g.Notification(mchOrderNo)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	resp, err := g.HTTPClient().Do(req.WithContext(ctx))
	if err != nil {
		return fmt.Errorf("kshertest: Deliver: order %q: %w: %w", mchOrderNo, ErrNotAccepted, err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(io.LimitReader(resp.Body, 64<<10))
	var answer struct{ Result, Msg string }
	if err != nil || json.Unmarshal(body, &answer) != nil || resp.StatusCode != http.StatusOK || answer.Result != "SUCCESS" || answer.Msg != "OK" {
		return fmt.Errorf("kshertest: Deliver: order %q: %w: it answered HTTP %d, %.200q", mchOrderNo, ErrNotAccepted, resp.StatusCode, body)
	}
	return nil
}
