package ksher_test

import (
	"context"
	"fmt"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"strings"

	"github.com/ksher-go/ksher"
)

// Let the buyer's own browser create the order, and so come to the checkout page
// without the shop's server calling Ksher.
func ExampleClient_GatewayPayForm() {
	gateway, client := startGateway()
	defer gateway.Close()

	shop := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		req := order("A-1014") // Kept with the shop's order before anybody sees the form.
		req.Device = ksher.DeviceOf(r)
		form, err := client.GatewayPayForm(req)
		if err != nil {
			log.Print(err)
			http.Error(w, "Please try again later.", http.StatusInternalServerError)
			return
		}
		form.ServeHTTP(w, r)
	}))
	defer shop.Close()

	// The buyer presses "Pay".
	resp, err := http.Post(shop.URL, "", nil)
	if err != nil {
		log.Fatal(err)
	}
	defer resp.Body.Close()
	page, err := io.ReadAll(resp.Body)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println("the page posts to the gateway:", strings.Contains(string(page), gateway.URL()+"/pc"))

	// This program is no browser, so that the gateway hasn't heard of the order yet.
	found, err := client.Resolve(context.Background(), order("A-1014"))
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println("the order was", found.Verdict)
	// Output:
	// the page posts to the gateway: true
	// the order was not carried out
}

func ExampleNewOrderNo() {
	no := ksher.NewOrderNo() // such as 20261121030405678K7QX2MZ4C5DGHTW
	fmt.Println(len(no))
	// Output: 32
}

func ExampleAmount_Display() {
	fmt.Println(ksher.Amount(1234_50).Display("THB"))
	// Output: 1,234.50 THB
}

func ExampleNewRefundNo() {
	no := ksher.NewRefundNo() // Kept with the refund before it is sent.
	fmt.Println(len(no), no[:1])
	// Output: 32 R
}

// Put the page that posts the form wherever the shop's own pages come from.
func ExampleGatewayPayForm_WriteHTML() {
	gateway, client := startGateway()
	defer gateway.Close()

	req := order("A-1015")
	req.Device = ksher.DevicePC
	form, err := client.GatewayPayForm(req)
	if err != nil {
		log.Fatal(err)
	}
	var page strings.Builder
	if err := form.WriteHTML(&page); err != nil {
		log.Fatal(err)
	}
	sign := form.Fields["sign"]
	fmt.Println("the page has the signature:", strings.Contains(page.String(), sign))
	fmt.Println("a log would have it:", strings.Contains(fmt.Sprintf("%+v", form), sign))
	// Output:
	// the page has the signature: true
	// a log would have it: false
}
