package conformance

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"sync"

	"github.com/ksher-go/ksher"
	"github.com/ksher-go/ksher/cmd/ksher/internal/control"
	"github.com/ksher-go/ksher/cmd/ksher/internal/notice"
	"github.com/ksher-go/ksher/internal/sandbox"
)

func textForm(body []byte) (string, []byte) { return notice.ContentType, body }
func jsonForm(body []byte) (string, []byte) { return "application/json", body }
func encodedForm(body []byte) (string, []byte) {
	return notice.ContentType, []byte(url.QueryEscape(string(body)))
}

// inForm posts a genuine notification in some form.
func (t *trial) inForm(ctx context.Context, form func([]byte) (contentType string, _ []byte)) (string, error) {
	o, err := t.paid(ctx)
	if err != nil {
		return "", err
	}
	contentType, body := form(claim(o))
	return t.accepts(ctx, contentType, body, o.MchOrderNo)
}

func (t *trial) repeated(ctx context.Context) (seen string, err error) {
	o, err := t.paid(ctx)
	if err != nil {
		return "", err
	}
	body := claim(o)
	for range 3 {
		if seen, err = t.accepts(ctx, notice.ContentType, body, o.MchOrderNo); err != nil || seen != "" {
			break
		}
	}
	return seen, err
}

// copies is how many come at once.
const copies = 20

func (t *trial) atOnce(ctx context.Context) (string, error) {
	o, err := t.paid(ctx)
	if err != nil {
		return "", err
	}
	body := claim(o)
	var posts sync.WaitGroup
	failed := make([]error, copies)
	for i := range copies {
		posts.Go(func() { _, failed[i] = t.Sender.Post(ctx, t.URL, body) })
	}
	posts.Wait()
	if err := errors.Join(failed...); err != nil {
		return "", err
	}
	return t.accepts(ctx, notice.ContentType, body, o.MchOrderNo)
}

func (t *trial) killed(ctx context.Context) (string, error) {
	o, err := t.paid(ctx)
	if err != nil {
		return "", err
	}
	body := claim(o)
	a, err := t.deliver(ctx, notice.ContentType, body)
	if err == nil && !a.Accepted {
		return "", untested{fmt.Sprintf("the shop didn't say SUCCESS; it answered %v", a)}
	}
	if err == nil {
		err = t.Restart(ctx)
	}
	if err == nil {
		err = t.up(ctx, o.MchOrderNo)
	}
	if err != nil {
		return "", err
	}
	seen, err := t.once(ctx, o.MchOrderNo)
	if seen != "" {
		return "after it was killed: " + seen, err
	}
	if err != nil {
		return "", err
	}
	if seen, err = t.accepts(ctx, notice.ContentType, body, o.MchOrderNo); seen != "" {
		seen = "when the notification came again after it was killed: " + seen
	}
	return seen, err
}

// up waits until the shop answers again, and tells what became of an order.
func (t *trial) up(ctx context.Context, no string) error {
	for tries := 0; ; tries++ {
		a, err := t.Sender.Send(ctx, http.MethodGet, t.URL, "", nil)
		if err != nil {
			return err
		}
		err = fmt.Errorf("it gave %v", a)
		if a.Status != 0 {
			_, err = t.Fulfilled(ctx, no)
		}
		if err == nil {
			return nil
		}
		if tries == 100 {
			return fmt.Errorf("the shop didn't work again after --restart-cmd: %w", err)
		}
		if err := t.Sleep(ctx, pauses[0]/10); err != nil {
			return err
		}
	}
}

// badlySigned posts a notification of a payment that is true, so that the signature is all
// that is wrong with it. The shop may learn of the payment by asking on its own.
func (t *trial) badlySigned(ctx context.Context, forge func([]byte) []byte) (string, error) {
	o, err := t.paid(ctx)
	if err != nil {
		return "", err
	}
	return t.refuses(ctx, forge(claim(o)), o.MchOrderNo, 1)
}

func (t *trial) borrowed(ctx context.Context) (string, error) {
	older, err := t.paid(ctx)
	if err != nil {
		return "", err
	}
	o, err := t.order(ctx)
	if err != nil {
		return "", err
	}
	_, sign := opened(claim(older))
	return t.refuses(ctx, under(claim(o), sign), o.MchOrderNo, 0)
}

// claimed claims that an order is paid with which something else has happened.
func (t *trial) claimed(ctx context.Context, happened func(context.Context, *control.Order) error) (string, error) {
	o, err := t.order(ctx)
	if err == nil && happened != nil {
		err = happened(ctx, o)
	}
	if err != nil {
		return "", err
	}
	return t.refuses(ctx, claim(o), o.MchOrderNo, 0)
}

// cancel cancels an order. One that can't be, by its channel, expires: the gateway says CLOSED
// of either.
func (t *trial) cancel(ctx context.Context, o *control.Order) error {
	var err error
	if o.Host() == ksher.HostGateway {
		_, err = t.Client.CancelOrder(ctx, &ksher.CancelOrderRequest{MchOrderNo: o.MchOrderNo})
	} else {
		_, err = t.Client.OrderClose(ctx, &ksher.OrderCloseRequest{MchOrderNo: o.MchOrderNo})
	}
	if errors.As(impossible(err), &untested{}) {
		_, err = t.Sandbox.Act(ctx, o.MchOrderNo, "expire")
	}
	return err
}

// impossible tells an order with which something can't be done, such as a refund by its
// channel, from a sandbox that doesn't work.
func impossible(err error) error {
	var refused *ksher.Error
	var invalid *ksher.ValidationError
	if errors.As(err, &invalid) || errors.As(err, &refused) && refused.Code != "" {
		return untested{"it can't be done to an order of this kind: " + err.Error()}
	}
	return err
}

func (t *trial) fail(ctx context.Context, o *control.Order) error {
	_, err := t.Sandbox.Act(ctx, o.MchOrderNo, "fail")
	return err
}

func (t *trial) refunded(ctx context.Context) (string, error) {
	o, err := t.paid(ctx)
	if err != nil {
		return "", err
	}
	_, err = t.Client.Refund(ctx, &ksher.RefundRequest{MchOrderNo: o.MchOrderNo, Host: o.Host(), MchRefundNo: ksher.NewRefundNo(), RefundFee: o.TotalFee})
	if err := impossible(err); err != nil {
		return "", err
	}
	return t.refuses(ctx, claim(o), o.MchOrderNo, 0)
}

func (t *trial) recut(ctx context.Context) (string, error) {
	o, err := t.order(ctx)
	if err != nil {
		return "", err
	}
	return t.refuses(ctx, recut(saying(o, ksher.ResultSuccess)), o.MchOrderNo, 0)
}

func (t *trial) unpaidAnswer(ctx context.Context) (string, error) {
	o, err := t.order(ctx)
	if err != nil {
		return "", err
	}
	result := ksher.ResultNotSure
	if o.Host() == ksher.HostMerchant {
		result = ksher.ResultNotPay
	}
	return t.refuses(ctx, sandbox.SignedResponse(saying(o, result)), o.MchOrderNo, 0)
}

func (t *trial) twoNumbers(ctx context.Context) (string, error) {
	first, err := t.paid(ctx)
	if err != nil {
		return "", err
	}
	second, err := t.order(ctx)
	if err != nil {
		return "", err
	}
	if seen, err := t.accepts(ctx, notice.ContentType, claim(first), first.MchOrderNo); err != nil || seen != "" {
		return seen, err
	}
	again := saying(first, ksher.ResultSuccess)
	again.MchOrderNo = second.MchOrderNo
	return t.refuses(ctx, sandbox.SignedResponse(again), second.MchOrderNo, 0)
}

func (t *trial) otherApp(ctx context.Context) (string, error) {
	o, err := t.order(ctx)
	if err != nil {
		return "", err
	}
	theirs := saying(o, ksher.ResultSuccess)
	theirs.AppID = stranger
	return t.refuses(ctx, sandbox.SignedResponse(theirs), o.MchOrderNo, 0)
}

// nobodys is a rightly signed notification of an order that nobody has made.
func (t *trial) nobodys() []byte {
	return sandbox.SignedResponse(notice.Filled(ksher.Order{
		AppID: sandbox.AppID, MchOrderNo: ksher.NewOrderNo(), TotalFee: 150_50, FeeType: "THB", Channel: ksher.ChannelTrueMoney, Result: ksher.ResultSuccess,
	}))
}

func (t *trial) unknown(ctx context.Context) (string, error) {
	if t.queued {
		return "", untested{"its queue takes it, and what it does with it later can't be seen"}
	}
	return t.refuses(ctx, t.nobodys(), "", 0)
}

func otherAmount(o *control.Order) (ksher.Amount, string) {
	if o.TotalFee == 1 {
		return 2, o.FeeType
	}
	return o.TotalFee / 2, o.FeeType
}

func otherCurrency(o *control.Order) (ksher.Amount, string) {
	if o.FeeType == "THB" {
		return o.TotalFee, "MYR"
	}
	return o.TotalFee, "THB"
}

// repriced posts the genuine notification of an order that is paid over something else than
// the shop expects.
func (t *trial) repriced(ctx context.Context, other func(*control.Order) (ksher.Amount, string)) (string, error) {
	o, err := t.order(ctx)
	if err != nil {
		return "", err
	}
	total, feeType := other(o)
	if o, err = t.Sandbox.Reprice(ctx, o.MchOrderNo, total, feeType); err != nil {
		return "", err
	}
	if o, err = t.pay(ctx, o); err != nil {
		return "", err
	}
	return t.refuses(ctx, claim(o), o.MchOrderNo, 0)
}

// spoiled posts what isn't a notification any more.
func (t *trial) spoiled(ctx context.Context, spoil func([]byte) (method, contentType string, _ []byte)) (string, error) {
	method, contentType, body := spoil(t.nobodys())
	return t.refusesSent(ctx, method, contentType, body, "", 0)
}

func asForm(body []byte) (method, contentType string, _ []byte) {
	data, sign := opened(body)
	fields := url.Values{"code": {"0"}, "sign": {sign}}
	for _, m := range data {
		fields.Set(string(m.Name), string(m.Value.Text()))
	}
	return http.MethodPost, "application/x-www-form-urlencoded", []byte(fields.Encode())
}

func truncated(body []byte) (method, contentType string, _ []byte) {
	return http.MethodPost, notice.ContentType, body[:len(body)/2]
}

func empty([]byte) (method, contentType string, _ []byte) {
	return http.MethodPost, notice.ContentType, nil
}

func notUTF8(body []byte) (method, contentType string, _ []byte) {
	return http.MethodPost, notice.ContentType, bytes.Replace(body, []byte(`"kshertest-buyer"`), []byte("\"\xff\xfe\xe0\xb8\""), 1)
}

func asGet([]byte) (method, contentType string, _ []byte) { return http.MethodGet, "", nil }

// tooLarge may get no answer: a server that stops reading can cut the connection.
func (t *trial) tooLarge(ctx context.Context) (string, error) {
	a, err := t.Sender.Post(ctx, t.URL, append([]byte(strings.Repeat(" ", 2<<20)), t.nobodys()...))
	if err == nil && a.Accepted {
		return "it said SUCCESS", nil
	}
	return "", err
}

// slowly is how many bodies don't come to their end.
const slowly = 4

func (t *trial) slow(ctx context.Context) (string, error) {
	o, err := t.paid(ctx)
	if err != nil {
		return "", err
	}
	body := claim(o)
	for i := range slowly {
		conn, err := t.Sender.Begin(ctx, t.URL, body[:len(body)/2], len(body))
		if err != nil {
			return fmt.Sprintf("it took %d of %d connections: %v", i, slowly, err), ctx.Err()
		}
		defer conn.Close()
	}
	return t.accepts(ctx, notice.ContentType, body, o.MchOrderNo)
}

// queries are the operations by which a shop asks about an order.
var queries = []string{"gateway_order_query", "order_query"}

func (t *trial) gatewayDown(ctx context.Context) (string, error) {
	o, err := t.paid(ctx)
	if err != nil {
		return "", err
	}
	for _, operation := range queries {
		if err := t.Sandbox.Inject(ctx, control.Fault{Operation: operation, Kind: "http-500", Count: 1000}); err != nil {
			return "", err
		}
	}
	seen, err := t.refuses(ctx, claim(o), o.MchOrderNo, 0)
	// Also after Ctrl-C, so that the sandbox works afterwards.
	if err := errors.Join(err, t.Sandbox.ClearFaults(context.WithoutCancel(ctx))); err != nil {
		return "", err
	}
	if seen != "" {
		return "while the gateway was down: " + seen, nil
	}
	if seen, err = t.accepts(ctx, notice.ContentType, claim(o), o.MchOrderNo); seen != "" {
		seen = "when the gateway was back: " + seen
	}
	return seen, err
}
