package ksher_test

import (
	"context"
	"encoding/json"
	"fmt"
	"log"
	"strings"

	"github.com/ksher-go/ksher"
)

// Let a buyer pay in a mini program: what wx.requestPayment wants goes to it as
// JSON. examples/miniprogram is a whole backend.
func ExampleClient_MiniProgramPay() {
	gateway, client := startGateway()
	defer gateway.Close()

	order, err := client.MiniProgramPay(context.Background(), &ksher.MiniProgramPayRequest{
		MchOrderNo:      "A-1101",
		TotalFee:        150_50, // 150.50 THB
		FeeType:         "THB",
		Channel:         ksher.ChannelWeChat,
		SubOpenID:       "oUpF8uMuAJO_M2pxb1Q9zNjWeS6o", // the buyer, from the mini program's login
		ChannelSubAppID: "wx2421b1c4370ec43b",           // your mini program
	})
	if err != nil {
		log.Fatal(err)
	}
	params, err := order.WeChatParams()
	if err != nil {
		log.Fatal(err)
	}
	text, err := json.Marshal(params)
	if err != nil {
		log.Fatal(err)
	}
	var members map[string]any
	json.Unmarshal(text, &members)
	fmt.Println(len(members), members["appId"], members["signType"])
	// Output: 6 wx2421b1c4370ec43b RSA
}

// Let a buyer pay on a page inside WeChat, be it your own or one of Ksher's.
func ExampleClient_JSAPIPay() {
	gateway, client := startGateway()
	defer gateway.Close()

	order, err := client.JSAPIPay(context.Background(), &ksher.JSAPIPayRequest{
		MchOrderNo:  "A-1102",
		TotalFee:    150_50, // 150.50 THB
		FeeType:     "THB",
		Channel:     ksher.ChannelWeChat,
		RedirectURL: "https://shop.example/thanks",
	})
	if err != nil {
		log.Fatal(err)
	}
	if params, err := order.WeChatParams(); err == nil {
		fmt.Println("getBrandWCPayRequest, signed by", params.SignType)
	} else if _, err := order.PageURL(); err == nil {
		fmt.Println("send the buyer to the page")
	} else {
		log.Fatal(err)
	}
	// Output: getBrandWCPayRequest, signed by RSA
}

// Let a buyer pay from your own app, which hands the order string to Alipay's
// SDK. For WeChat's SDK there is WeChatAppParams.
func ExampleClient_AppPay() {
	gateway, client := startGateway()
	defer gateway.Close()

	order, err := client.AppPay(context.Background(), &ksher.AppPayRequest{
		MchOrderNo: "A-1103",
		TotalFee:   150_50, // 150.50 THB
		FeeType:    "THB",
		Channel:    ksher.ChannelAlipay,
		ReferURL:   "https://shop.example",
	})
	if err != nil {
		log.Fatal(err)
	}
	text, err := order.AlipayOrderString()
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println("for Alipay's SDK:", strings.HasPrefix(text, "app_id="))
	// Output: for Alipay's SDK: true
}

// Send a buyer with a phone to Alipay's page.
func ExampleClient_WapPay() {
	gateway, client := startGateway()
	defer gateway.Close()

	order, err := client.WapPay(context.Background(), &ksher.WapPayRequest{
		MchOrderNo:  "A-1104",
		TotalFee:    150_50, // 150.50 THB
		FeeType:     "THB",
		Channel:     ksher.ChannelAlipay,
		ReferURL:    "https://shop.example/cart",
		RedirectURL: "https://shop.example/thanks",
	})
	if err != nil {
		log.Fatal(err)
	}
	page, err := order.PageURL()
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println("send the buyer to the page:", page != "")
	// Output: send the buyer to the page: true
}

// Send a buyer with a computer to Alipay's page.
func ExampleClient_WebPay() {
	gateway, client := startGateway()
	defer gateway.Close()

	order, err := client.WebPay(context.Background(), &ksher.WebPayRequest{
		MchOrderNo: "A-1105",
		TotalFee:   150_50, // 150.50 THB
		FeeType:    "THB",
		Channel:    ksher.ChannelAlipay,
		ReferURL:   "https://shop.example/cart",
	})
	if err != nil {
		log.Fatal(err)
	}
	page, err := order.PageURL()
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println("send the buyer to the page:", page != "")
	// Output: send the buyer to the page: true
}

// Hand WeChat's SDK in the shop's own app what it wants, as JSON.
func ExampleWalletPayResponse_WeChatAppParams() {
	gateway, client := startGateway()
	defer gateway.Close()

	order, err := client.AppPay(context.Background(), &ksher.AppPayRequest{
		MchOrderNo:      "A-1106",
		TotalFee:        150_50, // 150.50 THB
		FeeType:         "THB",
		Channel:         ksher.ChannelWeChat,
		ChannelSubAppID: "wxb4ba3c02aa476ea1", // your app
	})
	if err != nil {
		log.Fatal(err)
	}
	params, err := order.WeChatAppParams()
	if err != nil {
		log.Fatal(err)
	}
	text, err := json.Marshal(params)
	if err != nil {
		log.Fatal(err)
	}
	var members map[string]string
	json.Unmarshal(text, &members)
	fmt.Println(len(members), members["appid"], members["package"])
	// Output: 7 wxb4ba3c02aa476ea1 Sign=WXPay
}
