package kshertest_test

import (
	"context"
	"fmt"
	"log"
	"net/http"

	"github.com/jarcoal/httpmock"

	"github.com/ksher-go/ksher"
	"github.com/ksher-go/ksher/kshertest"
)

// coffeeShop is the merchant's own code, which the test is about.
type coffeeShop struct{ client *ksher.Client }

// checkOut returns the address of the page on which the buyer pays.
func (s *coffeeShop) checkOut(ctx context.Context, no string, total ksher.Amount) (string, error) {
	page, err := s.client.GatewayPay(ctx, &ksher.GatewayPayRequest{
		MchOrderNo: no, MchCode: no, TotalFee: total, FeeType: "THB",
		ChannelList: []ksher.Channel{ksher.ChannelPromptPay},
		ProductName: "Two bags of coffee", ReferURL: "https://shop.example/cart",
		MchRedirectURL: "https://shop.example/thanks", MchRedirectURLFail: "https://shop.example/sorry",
	})
	if err != nil {
		return "", err
	}
	return page.PayContent, nil
}

// paid tells whether the order is paid as the shop expects.
func (s *coffeeShop) paid(ctx context.Context, no string, total ksher.Amount) (bool, error) {
	order, err := s.client.GatewayOrderQuery(ctx, &ksher.GatewayOrderQueryRequest{MchOrderNo: no})
	if err != nil {
		return false, err
	}
	return order.CheckPaid(no, total, "THB") == nil, nil
}

// mockPage answers gateway_pay, and shows what was sent.
func mockPage(r *http.Request) (*http.Response, error) {
	if err := r.ParseForm(); err != nil {
		return nil, err
	}
	fmt.Println("asked for", r.PostForm.Get("total_fee"), r.PostForm.Get("fee_type"))
	return httpmock.NewBytesResponse(http.StatusOK, kshertest.SignedResponse(&ksher.GatewayPayResponse{
		PayContent: "https://gateway.ksher.com/ua?order_uuid=1",
	})), nil
}

// A test that mocks HTTP with github.com/jarcoal/httpmock: kshertest signs the answers,
// and the client believes its key in place of Ksher's.
func Example_httpmock() {
	mock := httpmock.NewMockTransport()
	mock.RegisterResponder(http.MethodPost, ksher.DefaultGatewayURL+"/gateway_pay", mockPage)
	mock.RegisterResponder(http.MethodPost, ksher.DefaultGatewayURL+"/gateway_order_query",
		httpmock.NewBytesResponder(http.StatusOK, kshertest.SignedResponse(&ksher.GatewayOrderQueryResponse{
			Order: ksher.Order{MchOrderNo: "A-1001", Result: ksher.ResultSuccess, TotalFee: 150_50, FeeType: "THB"},
		})))
	client, err := ksher.NewClient(kshertest.AppID, kshertest.PrivateKey(),
		ksher.WithVerifier(kshertest.Verifier()), ksher.WithHTTPClient(&http.Client{Transport: mock}))
	if err != nil {
		log.Fatal(err)
	}

	shop, ctx := &coffeeShop{client}, context.Background()
	page, err := shop.checkOut(ctx, "A-1001", 150_50)
	fmt.Println(page, err)
	paid, err := shop.paid(ctx, "A-1001", 150_50)
	fmt.Println("paid:", paid, err)
	fmt.Println(mock.GetTotalCallCount(), "requests")
	// Output:
	// asked for 15050 THB
	// https://gateway.ksher.com/ua?order_uuid=1 <nil>
	// paid: true <nil>
	// 2 requests
}
