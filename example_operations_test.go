package ksher_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"strings"
	"time"

	"github.com/ksher-go/ksher"
	"github.com/ksher-go/ksher/kshertest"
)

// Ask once at start which zone the times of the answers are in, and which
// channels the account has.
func ExampleClient_MerchantInfo() {
	gateway, client := startGateway()
	defer gateway.Close()

	info, err := client.MerchantInfo(context.Background(), &ksher.MerchantInfoRequest{})
	if err != nil {
		fmt.Println(err)
		return
	}
	zone, err := info.Location()
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println("times are in", zone) // For WithLocation.
	fmt.Println(len(info.Channels()), "channels")
	// Output:
	// times are in UTC+07:00
	// 18 channels
}

// Offer a kiosk's buyers those channels that this merchant has a QR code for.
func ExampleMerchantInfoResponse_Channels() {
	gateway, client := startGateway()
	defer gateway.Close()

	info, err := client.MerchantInfo(context.Background(), &ksher.MerchantInfoRequest{})
	if err != nil {
		fmt.Println(err)
		return
	}
	for _, c := range info.Channels() {
		if c.NativePayOffline || c.NativePayOnline {
			fmt.Println(c.Name)
		}
	}
	// Output:
	// PromptPay
	// TrueMoney
	// QR credit/debit card
	// WeChat Pay
}

// Ask for a rate to show beside the price.
func ExampleClient_RateQuery() {
	gateway, client := startGateway()
	defer gateway.Close()

	rate, err := client.RateQuery(context.Background(), &ksher.RateQueryRequest{
		Channel: ksher.ChannelWeChat,
		FeeType: "THB",
		Date:    time.Now().Format("20060102"),
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(rate.Rate)
	// Output: 1.000000
}

// Report what was settled of a day, and compare it with the shop's own books: no
// signature covers the rows.
func ExampleClient_GetSettlementInfo() {
	gateway, client := startGateway()
	defer gateway.Close()
	ctx := context.Background()
	sold, err := client.QuickPay(ctx, &ksher.QuickPayRequest{MchOrderNo: "A-1021", TotalFee: 150_50, FeeType: "THB", AuthCode: ksher.NewSecret("287634438256643900")})
	if err != nil {
		fmt.Println(err)
		return
	}
	if err := gateway.Settle("A-1021"); err != nil { // The day is over, and Ksher pays.
		fmt.Println(err)
		return
	}

	day := sold.TimeEnd.Format(time.DateOnly)
	report, err := client.GetSettlementInfo(ctx, &ksher.GetSettlementInfoRequest{BeginDate: day, EndDate: day})
	if err != nil {
		fmt.Println(err)
		return
	}
	for _, row := range report.SettlementData {
		fmt.Println(row.PayChannel, row.SettlementAmount, "of which", row.TransferAmount, "went to the bank")
	}
	// Output: alipay 150.50 of which 150.50 went to the bank
}

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
	req.Device = "PC"
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

func payoutTo(no string, satang ksher.Amount) *ksher.PayoutRequest {
	return &ksher.PayoutRequest{
		MchOrderNo:   no,
		TotalFee:     satang,
		FeeType:      "THB",
		ReceiverType: "PROMPTPAY_MSISDN", ReceiverNo: ksher.NewSecret("0812345678"),
	}
}

// Pay money out, and tell what is certain from what isn't.
func ExampleClient_Payout() {
	gateway, client := startGateway()
	defer gateway.Close()

	_, err := client.Payout(context.Background(), payoutTo("P-1001", 150_00)) // 150.00 THB
	var failed *ksher.Error
	switch {
	case err == nil:
		fmt.Println("paid out")
	case errors.Is(err, ksher.ErrOutcomeUnknown):
		fmt.Println("in doubt: pay nothing again, and call Resolve")
	case errors.As(err, &failed):
		fmt.Println("refused:", failed.Code)
	default:
		fmt.Println("not sent:", err)
	}
	// Output: paid out
}

// Ask where a payout stands that is on its way.
func ExampleClient_OrderQueryPayout() {
	gateway, client := startGateway()
	defer gateway.Close()
	ctx := context.Background()
	client.Payout(ctx, payoutTo("P-1002", 150_01)) // At the local gateway, 01 at the end makes it wait.

	state, err := client.OrderQueryPayout(ctx, &ksher.OrderQueryPayoutRequest{MchOrderNo: "P-1002"})
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(state.Result, state.TotalFee)
	// Output: PENDING 150.01
}

// Ask how much is left to pay out.
func ExampleClient_GetPayoutBalance() {
	gateway, client := startGateway()
	defer gateway.Close()
	ctx := context.Background()
	client.Payout(ctx, payoutTo("P-1003", 150_00))

	req := &ksher.GetPayoutBalanceRequest{FeeType: "THB"}
	answer, err := client.GetPayoutBalance(ctx, req)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(answer.Balance, req.FeeType)
	// Output: 99850.00 THB
}

// Find out what became of a payout whose answer got lost. It is never sent again.
func ExampleClient_Resolve_payout() {
	gateway, client := startGateway()
	defer gateway.Close()
	ctx := context.Background()
	gateway.Inject(kshertest.Fault{Operation: "payout", Kind: kshertest.FaultDropAfter})
	req := payoutTo("P-1004", 150_00)
	_, err := client.Payout(ctx, req)
	fmt.Println("in doubt:", errors.Is(err, ksher.ErrOutcomeUnknown))

	found, err := client.Resolve(ctx, req)
	switch {
	case err != nil:
		fmt.Println("pay nothing, and try again in a few minutes:", err)
	case found.Verdict == ksher.VerdictCarriedOut:
		fmt.Println("it was paid")
	case found.Verdict == ksher.VerdictNotCarriedOut:
		fmt.Println("it has failed: it can be paid under a new number")
	default:
		fmt.Println("pay nothing, and try again in a few minutes")
	}
	// Output:
	// in doubt: true
	// it was paid
}

// Charge the code that a buyer shows at the till, whatever comes in between.
func ExamplePayments_Charge() {
	gateway, client := startGateway()
	defer gateway.Close()
	payments, err := ksher.NewPayments(client, func(_ context.Context, o *ksher.Order) error {
		fmt.Println("book", o.MchOrderNo)
		return nil
	})
	if err != nil {
		log.Fatal(err)
	}

	order, err := payments.Charge(context.Background(), &ksher.QuickPayRequest{
		MchOrderNo: "A-1013",
		TotalFee:   150_50, // 150.50 THB
		FeeType:    "THB",
		AuthCode:   ksher.NewSecret("287634438256643900"), // from the scanner
	})
	var failed *ksher.Error
	switch {
	case err == nil:
		fmt.Println("paid by", order.Channel)
	case errors.Is(err, ksher.ErrNotPaid):
		fmt.Println("not charged, or the money is back: keep the goods")
	case errors.Is(err, ksher.ErrNeedsPerson):
		fmt.Println("call somebody who looks at the merchant platform")
	case errors.As(err, &failed):
		fmt.Println("refused:", failed.Code)
	default:
		fmt.Println("not sent:", err)
	}
	// Output:
	// book A-1013
	// paid by alipay
}

// Charge a code, and leave what comes of a doubt to code of your own.
// [ksher.Payments.Charge] does it for you.
func ExampleClient_QuickPay() {
	gateway, client := startGateway()
	defer gateway.Close()

	req := &ksher.QuickPayRequest{
		MchOrderNo: "A-1014",
		TotalFee:   150_50, // 150.50 THB
		FeeType:    "THB",
		AuthCode:   ksher.NewSecret("287634438256643901"), // The local gateway's buyer has to type a PIN.
	}
	_, err := client.QuickPay(context.Background(), req)
	if errors.Is(err, ksher.ErrOutcomeUnknown) {
		found, err := client.Resolve(context.Background(), req)
		if err != nil {
			log.Fatal(err)
		}
		fmt.Println(found.Verdict, found.Order.Result)
	}
	// Output: still unknown USERPAYING
}

// Undo a charge that stays in doubt, so that the buyer gets the money back.
func ExampleClient_OrderReverse() {
	gateway, client := startGateway()
	defer gateway.Close()
	ctx := context.Background()
	client.QuickPay(ctx, &ksher.QuickPayRequest{MchOrderNo: "A-1015", TotalFee: 150_50, FeeType: "THB", AuthCode: ksher.NewSecret("287634438256643901")})

	if _, err := client.OrderReverse(ctx, &ksher.OrderReverseRequest{MchOrderNo: "A-1015"}); err != nil {
		log.Fatal(err)
	}
	state, err := client.OrderQuery(ctx, &ksher.OrderQueryRequest{MchOrderNo: "A-1015"})
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(state.Result)
	// Output: CLOSED
}

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

// Serve the notifications of many merchants at one address, and send their requests.
func ExampleNewRouter() {
	gateway, _ := startGateway()
	defer gateway.Close()
	done, paid := ksher.NewMemoryDeduper(), make(chan string) // For several servers: sqldedupe.
	router, err := ksher.NewRouter(func(_ context.Context, appID string) (*ksher.Notifications, error) {
		client := gateway.Merchant(appID).Client // NewClient with the key from your database, or ErrNotOurs.
		payments, err := ksher.NewPayments(client, func(_ context.Context, o *ksher.Order) error {
			paid <- fmt.Sprintf("%s is paid %v for %s", o.AppID, o.TotalFee, o.MchOrderNo)
			return nil
		}, ksher.WithDeduper(done))
		if err != nil {
			return nil, err
		}
		return payments.Notifications(func(_ context.Context, mchOrderNo string) (ksher.OpenOrder, error) {
			return order(mchOrderNo).OpenOrder(), nil // From the merchant's books, or ErrNotOurs.
		})
	})
	if err != nil {
		log.Fatal(err)
	}
	// In production: http.Handle("/ksher/notify", router)
	platform := httptest.NewServer(router)
	defer platform.Close()

	for _, appID := range []string{"mch70001", "mch70002"} {
		merchant, err := router.Get(context.Background(), appID)
		if err != nil {
			log.Fatal(err)
		}
		req := order("A-1001") // Each merchant has numbers of its own.
		req.MchNotifyURL = platform.URL
		merchant.Payments().Client().GatewayPay(context.Background(), req)
		gateway.Merchant(appID).Pay("A-1001", ksher.ChannelTrueMoney)
		fmt.Println(<-paid)
	}
	// Output:
	// mch70001 is paid 150.50 for A-1001
	// mch70002 is paid 150.50 for A-1001
}
