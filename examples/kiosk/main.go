// Command kiosk shows a QR code and waits until it is paid.
//
// Without an account it starts a gateway of its own and plays the buyer:
//
//	go run ./examples/kiosk
//
// With KSHER_APPID and KSHER_PRIVATE_KEY set it asks Ksher for a real QR code
// of 1 THB, writes it to a file, and stops there. The other variables are those of
// ksher.ClientFromEnv.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/ksher-go/ksher"
	"github.com/ksher-go/ksher/kshertest"
)

const imageFile = "kiosk-qr.png"

func main() {
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
	defer cancel()
	if err := run(ctx); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run(ctx context.Context) error {
	if os.Getenv("KSHER_APPID") != "" {
		client, err := ksher.ClientFromEnv()
		if err != nil {
			return err
		}
		_, err = showCode(ctx, client)
		return err
	}

	gateway, err := kshertest.Start()
	if err != nil {
		return err
	}
	defer gateway.Close()
	fmt.Println("A gateway runs inside this program. No account is needed, and no money moves.")
	order, err := showCode(ctx, gateway.Client)
	if err != nil {
		return err
	}
	go func() {
		time.Sleep(2 * time.Second)
		fmt.Println("The buyer scans the code and pays.")
		if err := gateway.Pay(order.MchOrderNo, ksher.ChannelPromptPay); err != nil {
			fmt.Println(err)
		}
	}()
	return waitUntilPaid(ctx, gateway.Client, order)
}

// showCode creates an order and puts its QR code where the buyer can see it.
func showCode(ctx context.Context, client *ksher.Client) (*ksher.NativePayRequest, error) {
	order := &ksher.NativePayRequest{
		MchOrderNo: ksher.NewOrderNo(),
		TotalFee:   1_00, // 1.00 THB
		FeeType:    "THB",
		Channel:    ksher.ChannelPromptPay,
		Product:    "Coffee",
	}
	code, err := client.NativePay(ctx, order)
	if err != nil {
		return nil, err
	}
	image, mediaType, err := code.Image()
	if err != nil {
		return nil, err
	}
	if err := os.WriteFile(imageFile, image, 0o644); err != nil {
		return nil, err
	}
	fmt.Printf("Order %s over %v %s was created. Its QR code is in %s (%s, %d bytes) and says\n%s\n",
		order.MchOrderNo, order.TotalFee, order.FeeType, imageFile, mediaType, len(image), code.CodeURL)
	return order, nil
}

// waitUntilPaid asks until the order's fate is known.
func waitUntilPaid(ctx context.Context, client *ksher.Client, order *ksher.NativePayRequest) error {
	payments, err := ksher.NewPayments(client, func(_ context.Context, paid *ksher.Order) error {
		// Note it, and no more: a pass over old orders calls this, too, when the buyer is gone.
		fmt.Printf("The gateway answers %s, %v %s.\n", paid.Result, paid.TotalFee, paid.FeeType)
		return nil
	})
	if err != nil {
		return err
	}
	fmt.Println("Waiting for the buyer.")
	_, err = payments.Wait(ctx, order.OpenOrder())
	if errors.Is(err, context.DeadlineExceeded) {
		return fmt.Errorf("it may still be paid, so keep watching it: %w", err)
	}
	if err != nil {
		return err
	}
	fmt.Printf("Hand out the %s.\n", order.Product)
	return nil
}
