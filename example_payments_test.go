package ksher_test

import (
	"context"
	"crypto"
	"crypto/md5"
	"crypto/rand"
	"crypto/rsa"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"log"
	"log/slog"
	"maps"
	"net/http"
	"net/http/httptest"
	"os"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/ksher-go/ksher"
	"github.com/ksher-go/ksher/kshertest"
)

// The buyer comes back to the shop's page, which proves nothing: ask.
func ExamplePayments_Check() {
	gateway, client := startGateway()
	defer gateway.Close()
	ctx := context.Background()
	payments, err := ksher.NewPayments(client, func(_ context.Context, o *ksher.Order) error {
		fmt.Println("hand out the goods of", o.MchOrderNo)
		return nil
	})
	if err != nil {
		log.Fatal(err)
	}
	req := order("A-1020")
	client.GatewayPay(ctx, req)

	_, err = payments.Check(ctx, req.OpenOrder())
	fmt.Println("not paid yet:", errors.Is(err, ksher.ErrNotPaid))
	gateway.Pay("A-1020", ksher.ChannelTrueMoney)
	paid, err := payments.Check(ctx, req.OpenOrder())
	fmt.Println(paid.Result, err)
	// Output:
	// not paid yet: true
	// hand out the goods of A-1020
	// SUCCESS <nil>
}

// Look for payments that no notification told of, for as long as the program runs.
func ExamplePayments_Run() {
	gateway, client := startGateway()
	defer gateway.Close()
	ctx, stop := context.WithCancel(context.Background()) // In production signal.NotifyContext.
	defer stop()
	req := order("A-1021")
	client.GatewayPay(ctx, req)
	gateway.Pay("A-1021", ksher.ChannelTrueMoney)

	payments, err := ksher.NewPayments(client, func(_ context.Context, o *ksher.Order) error {
		fmt.Println("paid:", o.MchOrderNo, o.TotalFee)
		stop()
		return nil
	})
	if err != nil {
		log.Fatal(err)
	}
	err = payments.Run(ctx, shopOrders{req.OpenOrder()}) // In production: go payments.Run(ctx, db)
	fmt.Println(err)
	// Output:
	// paid: A-1021 150.50
	// context canceled
}

// Hear of what a person has to look at, such as a payment of another amount than the books
// have.
func ExampleWithProblem() {
	gateway, client := startGateway()
	defer gateway.Close()
	ctx := context.Background()
	req := order("A-1022")
	client.GatewayPay(ctx, req)
	gateway.Pay("A-1022", ksher.ChannelTrueMoney)

	payments, err := ksher.NewPayments(client, func(context.Context, *ksher.Order) error { return nil }, ksher.WithProblem(func(_ context.Context, open ksher.OpenOrder, err error) {
		fmt.Println("wake somebody:", open.MchOrderNo, errors.Is(err, ksher.ErrOtherOrder))
	}))
	if err != nil {
		log.Fatal(err)
	}
	open := req.OpenOrder()
	open.TotalFee = 149_00
	sum, err := payments.Pass(ctx, shopOrders{open}, "")
	fmt.Println("paid", sum.Paid, err)
	// Output:
	// wake somebody: A-1022 true
	// paid 0 <nil>
}

// A program for cron keeps in its database when to ask about each order again.
func ExampleNextCheck() {
	created := time.Date(2026, 11, 28, 9, 0, 0, 0, time.UTC)
	for _, age := range []time.Duration{time.Minute, 3 * time.Hour, 48 * time.Hour, 60 * 24 * time.Hour} {
		now := created.Add(age)
		fmt.Println("after", age, "again in", ksher.NextCheck(created, now).Sub(now))
	}
	// Output:
	// after 1m0s again in 1m0s
	// after 3h0m0s again in 10m0s
	// after 48h0m0s again in 1h0m0s
	// after 1440h0m0s again in 24h0m0s
}

// Count what the client does. A span of a trace begins and ends in the same places.
func ExampleWithHook() {
	gateway, _ := startGateway()
	defer gateway.Close()
	client, err := gateway.NewClient(ksher.WithHook(func(ctx context.Context, _ ksher.Attempt) (context.Context, func(ksher.Attempt)) {
		return ctx, func(a ksher.Attempt) { fmt.Println(a.Operation, a.OrderNo, a.Outcome()) }
	}))
	if err != nil {
		log.Fatal(err)
	}
	client.GatewayPay(context.Background(), order("A-1023"))
	client.GatewayOrderQuery(context.Background(), &ksher.GatewayOrderQueryRequest{MchOrderNo: "A-1024"})
	// Output:
	// gateway_pay A-1023 ok
	// gateway_order_query A-1024 refused
}

// Log what a person may have to look at; without a Level, each request. docs/night.md says
// what to do about a line.
func ExampleWithLogger() {
	gateway, _ := startGateway()
	defer gateway.Close()
	logger := slog.New(slog.NewTextHandler(os.Stdout, &slog.HandlerOptions{
		Level: slog.LevelError,
		ReplaceAttr: func(_ []string, a slog.Attr) slog.Attr {
			if a.Key == slog.TimeKey || a.Key == "duration" {
				return slog.Attr{} // Another one in each run.
			}
			return a
		},
	}))
	client, err := gateway.NewClient(ksher.WithLogger(logger))
	if err != nil {
		log.Fatal(err)
	}
	gateway.Inject(kshertest.Fault{Operation: "gateway_pay", Kind: kshertest.FaultHTML502}) // A proxy answers instead.
	client.GatewayPay(context.Background(), order("A-1025"))
	// Output: level=ERROR msg="ksher call" operation=gateway_pay order_no=A-1025 attempt=1 outcome=unknown code="" http_status=502 cause="the HTTP status is not a success" app_id=mch00000
}

// Check a stored answer, whose data stands in it as it came.
func ExampleVerifier_Verify() {
	stored := kshertest.SignedResponse(&ksher.Order{MchOrderNo: "A-1026", TotalFee: 150_50, FeeType: "THB"})
	var answer struct {
		Data json.RawMessage `json:"data"`
		Sign string          `json:"sign"`
	}
	if err := json.Unmarshal(stored, &answer); err != nil {
		log.Fatal(err)
	}
	fmt.Println(kshertest.Verifier().Verify(answer.Data, answer.Sign))
	ksherKeys, err := ksher.NewVerifier(ksher.GatewayPublicKey(ksher.SignV1), ksher.GatewayPublicKey(ksher.SignV2))
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(errors.Is(ksherKeys.Verify(answer.Data, answer.Sign), ksher.ErrSignature)) // It is the local gateway's.
	// Output:
	// <nil>
	// true
}

// Believe another key than Ksher's, such as that of a gateway for tests.
func ExampleParsePublicKey() {
	text, err := os.ReadFile("testdata/keys/rsa2048.pkix.pem")
	if err != nil {
		log.Fatal(err)
	}
	key, err := ksher.ParsePublicKey(text)
	if err != nil {
		log.Fatal(err)
	}
	verifier, err := ksher.NewVerifier(key)
	if err != nil {
		log.Fatal(err)
	}
	client, err := ksher.NewClient(kshertest.AppID, kshertest.PrivateKey(), ksher.WithVerifier(verifier))
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(client, "believes a key of", key.N.BitLen(), "bits")
	// Output: ksher.Client(mch00000) believes a key of 2048 bits
}

// Find the codes after which a person has to do something outside the API.
func ExampleCodes() {
	for _, code := range ksher.Codes() {
		if info, _ := code.Info(); info.Action == ksher.ActionByHand {
			fmt.Printf("%s: %s\n", string(code), info.Meaning)
		}
	}
	// Output:
	// KSHER_REFUND_EXPIRE: the order has been settled and cannot be refunded through the API
	// USER_ACCOUNT_ABNORMALE: the refund failed because of the buyer's account
}

// Keep what a buyer shows out of logs.
func ExampleSecret() {
	code := ksher.NewSecret("287634438256643900")
	fmt.Printf("%v %+v %q\n", code, code, code)
	fmt.Println(len(code.Reveal()))
	// Output:
	// [secret] [secret] "[secret]"
	// 18
}

// Change a merchant's key while requests are sent.
func ExampleRouter_Forget() {
	oldKey, newKey := generateKey(), generateKey()
	host := httptest.NewServer(takingEither(oldKey, newKey))
	defer host.Close()
	done := ksher.NewMemoryDeduper()
	var key atomic.Value // A row of your database.
	key.Store(oldKey)
	router, err := ksher.NewRouter(func(_ context.Context, appID string) (*ksher.Notifications, error) {
		client, err := ksher.NewClient(appID, key.Load().(crypto.Signer), // From ParsePrivateKey.
			ksher.WithMerchantURL(host.URL), ksher.WithVerifier(kshertest.Verifier())) // Both for the example alone.
		if err != nil {
			return nil, err
		}
		payments, err := ksher.NewPayments(client, func(context.Context, *ksher.Order) error { return nil }, ksher.WithDeduper(done))
		if err != nil {
			return nil, err
		}
		return payments.Notifications(func(context.Context, string) (ksher.OpenOrder, error) { return ksher.OpenOrder{}, ksher.ErrNotOurs })
	})
	if err != nil {
		log.Fatal(err)
	}
	var failed atomic.Int32
	send := func(no string) (signedBy string) { // A request takes the merchant from the router, and keeps it no longer.
		merchant, err := router.Get(context.Background(), "mch70001")
		if err != nil {
			failed.Add(1)
			return ""
		}
		answer, err := merchant.Payments().Client().OrderQuery(context.Background(), &ksher.OrderQueryRequest{MchOrderNo: no})
		if err != nil {
			failed.Add(1)
			return ""
		}
		return answer.Attach
	}
	fmt.Println("before:", send("A-1000"))
	var sending sync.WaitGroup
	for n := range 20 {
		sending.Go(func() { send(fmt.Sprint("A-", 1001+n)) })
	}
	key.Store(newKey) // Once Ksher has its public key.
	router.Forget("mch70001")
	fmt.Println("after:", send("A-1021"))
	sending.Wait()
	fmt.Println(failed.Load(), "requests failed")
	// Output:
	// before: signed by the old key
	// after: signed by the new key
	// 0 requests failed
}

func generateKey() *rsa.PrivateKey {
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		log.Fatal(err)
	}
	return key
}

// takingEither is a host that takes the signatures of two keys, as Ksher's does while a key
// is changed, and tells in an order's attachment by which one a request was signed.
func takingEither(oldKey, newKey *rsa.PrivateKey) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		r.ParseForm()
		var text string
		for _, name := range slices.Sorted(maps.Keys(r.PostForm)) {
			if name != "sign" {
				text += name + "=" + r.PostForm.Get(name)
			}
		}
		sign, _ := hex.DecodeString(r.PostForm.Get("sign"))
		digest, order := md5.Sum([]byte(text)), map[string]any{
			"appid": r.PostForm.Get("appid"), "mch_order_no": r.PostForm.Get("mch_order_no"),
			"total_fee": 150_50, "fee_type": "THB", "result": ksher.ResultSuccess,
		}
		switch {
		case rsa.VerifyPKCS1v15(&oldKey.PublicKey, crypto.MD5, digest[:], sign) == nil:
			order["attach"] = "signed by the old key"
		case rsa.VerifyPKCS1v15(&newKey.PublicKey, crypto.MD5, digest[:], sign) == nil:
			order["attach"] = "signed by the new key"
		default:
			w.WriteHeader(http.StatusForbidden)
			return
		}
		w.Write(kshertest.SignedResponse(order))
	}
}
