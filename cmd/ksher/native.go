package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/ksher-go/ksher"
	"github.com/ksher-go/ksher/cmd/ksher/internal/halfblock"
	"github.com/ksher-go/ksher/qrcode"
)

// newOrderFlags describe an order to make.
type newOrderFlags struct {
	Amount    amountFlag `required:"" placeholder:"AMOUNT" help:"What it costs, as in 150.50."`
	FeeType   string     `name:"currency" default:"THB" help:"The currency (${default})."`
	OrderNo   string     `name:"order-no" help:"The merchant's number of the order. Without it one is made."`
	NotifyURL string     `name:"notify-url" placeholder:"URL" help:"Where the notification goes."`
}

type nativeCommand struct {
	Channel ksher.Channel `required:"" help:"Whose QR code it is, such as promptpay, truemoney or wechat."`
	newOrderFlags
	QR   string `name:"qr" type:"path" placeholder:"FILE" help:"Write the QR code to this file, whose name ends in .png or .svg."`
	Wait bool   `default:"true" negatable:"" help:"Wait until it is paid; --no-wait doesn't."`
	gatewayFlags
}

// Run makes an order, shows its QR code, and waits until it is paid.
func (n *nativeCommand) Run(ctx context.Context, s *screen) error {
	draw := map[string]func(string) ([]byte, error){"": nil, ".png": qrcode.PNG, ".svg": qrcode.SVG}
	picture, known := draw[filepath.Ext(n.QR)]
	if !known || n.QR != "" && picture == nil {
		return usage("--qr=%s ends neither in .png nor in .svg", n.QR)
	}
	client, err := n.client(s)
	if err != nil {
		return err
	}
	request := &ksher.NativePayRequest{
		MchOrderNo: cmp.Or(n.OrderNo, ksher.NewOrderNo()), TotalFee: ksher.Amount(n.Amount), FeeType: n.FeeType, Channel: n.Channel, NotifyURL: n.NotifyURL,
	}
	fmt.Fprintf(s.Err, "Order %s over %s by %s\n", request.MchOrderNo, request.TotalFee.Display(n.FeeType), n.Channel)
	answer, err := n.create(ctx, client, request)
	if err != nil {
		return err
	}
	if err := n.showCode(s, answer, picture); err != nil {
		return n.lost(answer, err)
	}
	if !n.Wait {
		return nil
	}
	order, err := n.waitFor(ctx, s, client, request.OpenOrder())
	if err != nil {
		return err
	}
	return n.tell(s, orderFields(ksher.HostMerchant, order), "order show", request.MchOrderNo, "--host=merchant")
}

// create makes the order. In doubt it sends the same request once more if there is no such
// order yet, which makes at most one.
func (n *nativeCommand) create(ctx context.Context, client *ksher.Client, request *ksher.NativePayRequest) (*ksher.NativePayResponse, error) {
	answer, err := client.NativePay(ctx, request)
	if !undecided(err) {
		return answer, err
	}
	found, failed := client.Resolve(ctx, request)
	if failed == nil && found.Verdict == ksher.VerdictNotCarriedOut {
		again, failed := client.NativePay(ctx, request)
		if failed == nil {
			return again, nil
		}
	}
	if failed == nil && found.Verdict == ksher.VerdictCarriedOut {
		return nil, unfinished{fmt.Errorf("the order is made, but its QR code was lost with the answer; close it, and make another: %w", err),
			n.again("order close", request.MchOrderNo)}
	}
	return nil, unfinished{err, n.again("order show", request.MchOrderNo, "--host=merchant")}
}

// showCode draws the code on a terminal, prints what it says elsewhere, and writes it to a
// file if one was named.
func (n *nativeCommand) showCode(s *screen, answer *ksher.NativePayResponse, picture func(string) ([]byte, error)) error {
	if picture != nil {
		if answer.CodeURL == "" {
			return errors.New("the gateway gave a picture of the QR code, and not what it says")
		}
		file, err := picture(answer.CodeURL)
		if err == nil {
			err = os.WriteFile(n.QR, file, 0o644)
		}
		if err != nil {
			return err
		}
	}
	switch {
	case n.JSON:
		return s.printJSON(map[string]string{
			"mch_order_no": answer.MchOrderNo, "code_url": answer.CodeURL, "imgdat": answer.ImgDat,
			"total_fee": answer.TotalFee.String(), "fee_type": answer.FeeType, "host": string(ksher.HostMerchant),
		})
	case s.Drawn && answer.CodeURL != "":
		drawing, err := halfblock.Draw(answer.CodeURL, s.Colour)
		if err != nil {
			return err
		}
		_, err = fmt.Fprint(s.Out, drawing)
		return err
	}
	_, err := fmt.Fprintln(s.Out, cmp.Or(answer.CodeURL, answer.ImgDat))
	return err
}

// lost is the error of an order whose code can't be shown.
func (n *nativeCommand) lost(answer *ksher.NativePayResponse, err error) error {
	return unfinished{incomplete{fmt.Errorf("the order is made, but its QR code can't be shown: %w", err)}, n.again("order close", answer.MchOrderNo)}
}
