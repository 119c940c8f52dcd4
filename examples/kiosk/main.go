// Command kiosk shows a QR code and waits until it is paid.
//
// Without an account it starts a gateway of its own and plays the buyer:
//
//	go run ./examples/kiosk
//
// With KSHER_APPID and KSHER_PRIVATE_KEY set it asks Ksher for a real QR code
// of 1 THB, writes it to a file, and stops there.
package main

import (
	"context"
	"crypto/rand"
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
	appID, privateKey := os.Getenv("KSHER_APPID"), os.Getenv("KSHER_PRIVATE_KEY")
	if (appID == "") != (privateKey == "") {
		return errors.New("of KSHER_APPID and KSHER_PRIVATE_KEY only one is set: set both, or none")
	}
	if appID != "" {
		key, err := ksher.ParsePrivateKey([]byte(privateKey))
		if err != nil {
			return err
		}
		client, err := ksher.NewClient(appID, key)
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
	polls := 0
	return waitUntilPaid(ctx, gateway.Client, order, func() error {
		if polls++; polls == 2 {
			fmt.Println("The buyer scans the code and pays.")
			return gateway.Pay(order.MchOrderNo, ksher.ChannelPromptPay)
		}
		return nil
	})
}

// showCode creates an order and puts its QR code where the buyer can see it.
func showCode(ctx context.Context, client *ksher.Client) (*ksher.NativePayRequest, error) {
	order := &ksher.NativePayRequest{
		MchOrderNo: time.Now().Format("20060102150405") + rand.Text()[:10],
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

// waitUntilPaid polls until the order's fate is known. Between two polls the
// program plays the buyer.
func waitUntilPaid(ctx context.Context, client *ksher.Client, order *ksher.NativePayRequest, meanwhile func() error) error {
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	for {
		state, err := client.OrderQuery(ctx, &ksher.OrderQueryRequest{MchOrderNo: order.MchOrderNo})
		switch {
		case err != nil:
			// Whatever goes wrong with a query, the buyer may be paying: ask again.
			fmt.Println(err)
		case !state.Result.Final():
			fmt.Printf("The gateway answers %s.\n", state.Result)
		default:
			fmt.Printf("The gateway answers %s.\n", state.Result)
			if err := state.CheckPaid(order.MchOrderNo, order.TotalFee, order.FeeType); err != nil {
				return err
			}
			fmt.Printf("It is paid: hand out the %s.\n", order.Product)
			return nil
		}
		if err := meanwhile(); err != nil {
			return err
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return fmt.Errorf("order %s was not paid in time, and may still be: keep querying it: %w", order.MchOrderNo, ctx.Err())
		}
	}
}
