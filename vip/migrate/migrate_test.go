package migrate_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/ksher-go/ksher"
	"github.com/ksher-go/ksher/internal/sandbox"
	"github.com/ksher-go/ksher/vip"
	"github.com/ksher-go/ksher/vip/migrate"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var shop = migrate.Shop{FeeType: "THB", NotifyURL: "https://shop.example/ksher", ReferURL: "https://shop.example/cart"}

// The least that every function takes.
func redirect() *vip.RedirectRequest {
	return &vip.RedirectRequest{
		MerchantOrderID: "A-1", Amount: 150_50, Channel: []string{"truemoney", "card"}, ProductName: "Coffee",
		RedirectURL: "https://shop.example/thanks", RedirectURLFail: "https://shop.example/sorry",
	}
}

func cscanb() *vip.CScanBRequest {
	return &vip.CScanBRequest{MerchantOrderID: "A-1", Amount: 150_50, Channel: "promptpay"}
}

func bscanc() *vip.BScanCRequest {
	return &vip.BScanCRequest{MerchantOrderID: "A-1", Amount: 150_50, Channel: "alipay", AuthCode: ksher.NewSecret("287634438256643900")}
}

func miniApp() *vip.MiniAppRequest {
	return &vip.MiniAppRequest{MerchantOrderID: "A-1", Amount: 150_50, Channel: "wechat", MiniAppOpenID: "o1", MiniAppAppID: "wx1"}
}

func app() *vip.AppRequest {
	return &vip.AppRequest{MerchantOrderID: "A-1", Amount: 150_50, Channel: "alipay"}
}

func query() *vip.QueryRequest { return &vip.QueryRequest{MerchantOrderID: "A-1"} }

func refund() *vip.RefundRequest {
	return &vip.RefundRequest{MerchantOrderID: "A-1", RefundOrderID: "R-1", RefundAmount: 50_00}
}

func cancel() *vip.CancelRequest { return &vip.CancelRequest{MerchantOrderID: "A-1"} }

// function is one of the package's, with its types forgotten.
type function struct {
	name string
	req  func() any
	move func(any) (any, error)
}

func fn[R, A any](name string, req func() *R, move func(*R) (*A, error)) function {
	return function{name, func() any { return req() }, func(r any) (any, error) {
		got, err := move(r.(*R))
		if got == nil {
			return nil, err
		}
		return got, err
	}}
}

func ofKind[R, A any](kind vip.Kind, move func(vip.Kind, *R) (*A, error)) func(*R) (*A, error) {
	return func(r *R) (*A, error) { return move(kind, r) }
}

func functions() []function {
	return []function{
		fn("GatewayPay", redirect, shop.GatewayPay),
		fn("NativePay", cscanb, shop.NativePay),
		fn("QuickPay", bscanc, shop.QuickPay),
		fn("MiniProgramPay", miniApp, shop.MiniProgramPay),
		fn("AppPay", app, shop.AppPay),
		fn("GatewayOrderQuery", query, ofKind(vip.KindRedirect, migrate.GatewayOrderQuery)),
		fn("OrderQuery", query, ofKind(vip.KindCScanB, migrate.OrderQuery)),
		fn("Refund", refund, ofKind(vip.KindRedirect, migrate.Refund)),
		fn("OrderRefund", refund, func(r *vip.RefundRequest) (*ksher.OrderRefundRequest, error) {
			return shop.OrderRefund(vip.KindMiniApp, r, 150_50)
		}),
		fn("CancelOrder", cancel, ofKind(vip.KindRedirect, migrate.CancelOrder)),
		fn("OrderClose", cancel, ofKind(vip.KindApp, migrate.OrderClose)),
		fn("OrderReverse", cancel, ofKind(vip.KindBScanC, migrate.OrderReverse)),
	}
}

// wireName is a field's name in an error.
func wireName(f reflect.StructField) string {
	name, _, _ := strings.Cut(f.Tag.Get("url"), ",")
	switch {
	case f.Name == "MerchantOrderID":
		return "merchant_order_id"
	case f.Name == "Extra":
		return "something_new"
	}
	return name
}

// Every field of every vip request, also one that will be added some day, is in the
// result or named in an error.
func TestEveryField(t *testing.T) {
	for _, f := range functions() {
		base, err := f.move(f.req())
		require.NoError(t, err, f.name)
		requests := reflect.TypeOf(f.req()).Elem()
		for i := range requests.NumField() {
			field := requests.Field(i)
			t.Run(f.name+"/"+field.Name, func(t *testing.T) {
				req := f.req()
				var mark string
				switch v := reflect.ValueOf(req).Elem().Field(i); v.Interface().(type) {
				case string:
					mark = "https://mark.example"
					v.SetString(mark)
				case ksher.Amount:
					mark = "123456"
					v.SetInt(1234_56)
				case []string:
					mark = `"one","two"`
					v.Set(reflect.ValueOf([]string{"one", "two"}))
				case ksher.Secret:
					v.Set(reflect.ValueOf(ksher.NewSecret("another code")))
					moved, err := f.move(req)
					require.NoError(t, err)
					require.Equal(t, "another code", moved.(*ksher.QuickPayRequest).AuthCode.Reveal())
					return
				case ksher.Extra:
					v.Set(reflect.ValueOf(ksher.Extra{Params: map[string]string{"something_new": "x"}}))
				default:
					require.Fail(t, "a field of a new type")
				}
				got, err := f.move(req)
				if err == nil {
					require.NotEqual(t, base, got, "it got lost")
					text, err := json.Marshal(got) // A request may keep fields out of what fmt prints.
					require.NoError(t, err)
					require.Contains(t, string(text), mark)
					return
				}
				var failed *migrate.Error
				require.ErrorAs(t, err, &failed)
				require.Len(t, failed.Fields, 1)
				require.Equal(t, wireName(field), failed.Fields[0].Field)
				require.Nil(t, got, "there must be nothing to send")
			})
		}
	}
}

// What there is arrives under the right name.
func TestFullRequests(t *testing.T) {
	t.Run("redirect", func(t *testing.T) {
		r := redirect()
		r.Note, r.Provider, r.Lang = "table 5", "th", "th"
		r.Logo, r.ShopName, r.Color, r.Background, r.PaymentColor = "https://shop.example/logo", "Shop", "#111", "https://shop.example/back", "#222"
		got, err := shop.GatewayPay(r)
		require.NoError(t, err)
		require.Equal(t, &ksher.GatewayPayRequest{
			MchOrderNo: "A-1", MchCode: "A-1", TotalFee: 150_50, FeeType: "THB",
			ChannelList: []ksher.Channel{ksher.ChannelTrueMoney, ksher.ChannelCard}, ProductName: "Coffee",
			ReferURL: "https://shop.example/cart", MchNotifyURL: "https://shop.example/ksher",
			MchRedirectURL: "https://shop.example/thanks", MchRedirectURLFail: "https://shop.example/sorry",
			Attach: "table 5", Lang: "th",
			Logo: "https://shop.example/logo", ShopName: "Shop", Color: "#111", Background: "https://shop.example/back", PaymentColor: "#222",
		}, got)
	})
	t.Run("cscanb", func(t *testing.T) {
		r := cscanb()
		r.Note, r.OperatorID = "table 5", "Nok"
		got, err := shop.NativePay(r)
		require.NoError(t, err)
		require.Equal(t, &ksher.NativePayRequest{MchOrderNo: "A-1", TotalFee: 150_50, FeeType: "THB",
			Channel: ksher.ChannelPromptPay, NotifyURL: "https://shop.example/ksher", Attach: "table 5", OperatorID: "Nok"}, got)
	})
	t.Run("bscanc", func(t *testing.T) {
		r := bscanc()
		r.OperatorID, r.DeviceID, r.Note = "Nok", "till 2", "table 5"
		got, err := shop.QuickPay(r)
		require.NoError(t, err)
		require.Equal(t, "287634438256643900", got.AuthCode.Reveal())
		got.AuthCode = ksher.Secret{}
		require.Equal(t, &ksher.QuickPayRequest{MchOrderNo: "A-1", TotalFee: 150_50, FeeType: "THB",
			Channel: ksher.ChannelAlipay, OperatorID: "Nok", DeviceID: "till 2", NotifyURL: "https://shop.example/ksher", Attach: "table 5"}, got)
	})
	t.Run("miniapp", func(t *testing.T) {
		r := miniApp()
		r.Note = "table 5"
		got, err := shop.MiniProgramPay(r)
		require.NoError(t, err)
		require.Equal(t, &ksher.MiniProgramPayRequest{MchOrderNo: "A-1", TotalFee: 150_50, FeeType: "THB",
			Channel: ksher.ChannelWeChat, SubOpenID: "o1", ChannelSubAppID: "wx1", NotifyURL: "https://shop.example/ksher", Attach: "table 5"}, got)
	})
	t.Run("app", func(t *testing.T) {
		r := app()
		r.Note, r.MiniAppOpenID, r.MiniAppAppID = "table 5", "o1", "wx1"
		got, err := shop.AppPay(r)
		require.NoError(t, err)
		require.Equal(t, &ksher.AppPayRequest{MchOrderNo: "A-1", TotalFee: 150_50, FeeType: "THB",
			Channel: ksher.ChannelAlipay, SubOpenID: "o1", ChannelSubAppID: "wx1",
			ReferURL: "https://shop.example/cart", NotifyURL: "https://shop.example/ksher", Attach: "table 5"}, got)
	})
	t.Run("refund", func(t *testing.T) {
		whole, err := migrate.Refund(vip.KindRedirect, refund())
		require.NoError(t, err)
		require.Equal(t, &ksher.RefundRequest{MchOrderNo: "A-1", Host: ksher.HostGateway, MchRefundNo: "R-1", RefundFee: 50_00}, whole)
		other, err := shop.OrderRefund(vip.KindCScanB, refund(), 150_50)
		require.NoError(t, err)
		require.Equal(t, &ksher.OrderRefundRequest{MchOrderNo: "A-1", MchRefundNo: "R-1", RefundFee: 50_00, TotalFee: 150_50, FeeType: "THB"}, other)
	})
}

// The results pass the client's validation and the gateway's.
func TestGatewayTakesIt(t *testing.T) {
	ctx := t.Context()
	for kind, story := range map[vip.Kind]struct {
		create func(*ksher.Client) error
		paid   ksher.Channel
	}{
		vip.KindRedirect: {func(c *ksher.Client) error {
			req, err := shop.GatewayPay(redirect())
			if err == nil {
				_, err = c.GatewayPay(ctx, req)
			}
			return err
		}, ksher.ChannelTrueMoney},
		vip.KindCScanB: {func(c *ksher.Client) error {
			r := cscanb()
			r.Channel = "truemoney" // PromptPay has no refunds.
			req, err := shop.NativePay(r)
			if err == nil {
				_, err = c.NativePay(ctx, req)
			}
			return err
		}, ksher.ChannelTrueMoney},
		vip.KindBScanC: {func(c *ksher.Client) error {
			req, err := shop.QuickPay(bscanc())
			if err == nil {
				_, err = c.QuickPay(ctx, req)
			}
			return err
		}, ""},
		vip.KindMiniApp: {func(c *ksher.Client) error {
			req, err := shop.MiniProgramPay(miniApp())
			if err == nil {
				_, err = c.MiniProgramPay(ctx, req)
			}
			return err
		}, ksher.ChannelWeChat},
		vip.KindApp: {func(c *ksher.Client) error {
			req, err := shop.AppPay(app())
			if err == nil {
				_, err = c.AppPay(ctx, req)
			}
			return err
		}, ksher.ChannelAlipay},
	} {
		t.Run(string(kind), func(t *testing.T) {
			gateway := sandbox.New(t)
			client := gateway.Client
			require.NoError(t, story.create(client))
			if story.paid != "" {
				require.NoError(t, gateway.Pay("A-1", story.paid))
			}
			var order ksher.Order
			if kind == vip.KindRedirect {
				req, err := migrate.GatewayOrderQuery(kind, query())
				require.NoError(t, err)
				answer, err := client.GatewayOrderQuery(ctx, req)
				require.NoError(t, err)
				order = answer.Order
			} else {
				req, err := migrate.OrderQuery(kind, query())
				require.NoError(t, err)
				answer, err := client.OrderQuery(ctx, req)
				require.NoError(t, err)
				order = answer.Order
			}
			require.NoError(t, order.CheckPaid("A-1", 150_50, "THB"))

			if kind == vip.KindRedirect {
				req, err := migrate.Refund(kind, refund())
				require.NoError(t, err)
				_, err = client.Refund(ctx, req)
				require.NoError(t, err)
			} else {
				req, err := shop.OrderRefund(kind, refund(), 150_50)
				require.NoError(t, err)
				_, err = client.OrderRefund(ctx, req)
				require.NoError(t, err)
			}
			at, err := gateway.Order("A-1")
			require.NoError(t, err)
			require.Equal(t, sandbox.RefundedInPart, at.State)
		})
		t.Run(string(kind)+" cancelled", func(t *testing.T) {
			gateway := sandbox.New(t)
			client := gateway.Client
			require.NoError(t, story.create(client))
			want := sandbox.Cancelled
			switch kind {
			case vip.KindRedirect:
				req, err := migrate.CancelOrder(kind, cancel())
				require.NoError(t, err)
				_, err = client.CancelOrder(ctx, req)
				require.NoError(t, err)
			case vip.KindBScanC:
				req, err := migrate.OrderReverse(kind, cancel())
				require.NoError(t, err)
				_, err = client.OrderReverse(ctx, req)
				require.NoError(t, err)
				want = sandbox.Refunded // It had been charged.
			default:
				req, err := migrate.OrderClose(kind, cancel())
				require.NoError(t, err)
				if _, err = client.OrderClose(ctx, req); kind == vip.KindCScanB {
					// Not for TrueMoney: the gateway decides.
					require.Error(t, err)
					return
				}
				require.NoError(t, err)
			}
			at, err := gateway.Order("A-1")
			require.NoError(t, err)
			require.Equal(t, want, at.State)
		})
	}
}

// What only the other side's own checks find is found by the local gateway's client, as
// docs/moving-from-vip.md has it.
func TestClientFindsTheRest(t *testing.T) {
	gw := sandbox.New(t)
	for field, change := range map[string]func(*vip.RedirectRequest, *migrate.Shop){
		"lang":      func(r *vip.RedirectRequest, _ *migrate.Shop) { r.Lang = "xx" },
		"fee_type":  func(_ *vip.RedirectRequest, s *migrate.Shop) { s.FeeType = "thb" },
		"total_fee": func(r *vip.RedirectRequest, _ *migrate.Shop) { r.Amount = 0 },
	} {
		r, s := redirect(), shop
		change(r, &s)
		order, err := s.GatewayPay(r)
		require.NoError(t, err)
		_, err = gw.Client.GatewayPay(t.Context(), order)
		var invalid *ksher.ValidationError
		require.ErrorAs(t, err, &invalid)
		require.Equal(t, field, invalid.Fields[0].Field)
	}
	require.Empty(t, gw.Requests())
}

func TestErrors(t *testing.T) {
	long, thai := strings.Repeat("9", 33), strings.Repeat("ก", 32)
	for _, c := range []struct {
		name string
		move func() (any, error)
		// want has the names in order, and one says what is said of the first.
		want []string
		says string
	}{
		{"everything at once", func() (any, error) {
			return migrate.Shop{}.GatewayPay(&vip.RedirectRequest{MerchantOrderID: long, MID: "mch35618", Provider: "ph",
				Extra: ksher.Extra{Params: map[string]string{"b": "", "a": "1"}}})
		}, []string{"merchant_order_id", "mid", "provider", "a", "b", "fee_type", "mch_notify_url", "refer_url", "channel", "product_name"},
			"has 33 characters, and api.ksher.net takes at most 32"},
		{"nothing", func() (any, error) { return shop.GatewayPay(nil) }, []string{"merchant_order_id", "channel", "product_name"}, "is required"},
		{"nothing scanned", func() (any, error) { return shop.NativePay(nil) }, []string{"merchant_order_id"}, "is required"},
		{"nothing charged", func() (any, error) { return shop.QuickPay(nil) }, []string{"merchant_order_id"}, "is required"},
		{"no mini program", func() (any, error) { return shop.MiniProgramPay(nil) }, []string{"merchant_order_id", "channel"}, "is required"},
		{"no app", func() (any, error) { return shop.AppPay(nil) }, []string{"merchant_order_id", "channel"}, "is required"},
		{"nothing to ask", func() (any, error) { return migrate.OrderQuery(vip.KindApp, nil) }, []string{"merchant_order_id"}, "is required"},
		{"nothing to cancel", func() (any, error) { return migrate.CancelOrder(vip.KindRedirect, nil) }, []string{"merchant_order_id"}, "is required"},
		{"no refund", func() (any, error) { return migrate.Refund(vip.KindRedirect, nil) }, []string{"merchant_order_id", "refund_order_id"}, "is required"},
		{"till", func() (any, error) {
			r := bscanc()
			r.MID, r.Provider = "mch35618", "my"
			return migrate.Shop{}.QuickPay(r)
		}, []string{"mid", "provider", "fee_type"}, "has no counterpart at api.ksher.net"},
		{"empty shop, code", func() (any, error) { return migrate.Shop{}.NativePay(cscanb()) }, []string{"fee_type", "notify_url"}, "is required by api.ksher.net"},
		{"empty shop, mini program", func() (any, error) { return migrate.Shop{}.MiniProgramPay(miniApp()) }, []string{"fee_type", "notify_url"}, ""},
		{"empty shop, Alipay's app", func() (any, error) { return migrate.Shop{}.AppPay(app()) }, []string{"fee_type", "notify_url", "refer_url"}, ""},
		{"empty shop, WeChat's app", func() (any, error) {
			r := app()
			r.Channel = "wechat"
			return migrate.Shop{}.AppPay(r)
		}, []string{"fee_type", "notify_url"}, ""},
		{"empty shop, refund", func() (any, error) { return migrate.Shop{}.OrderRefund(vip.KindApp, refund(), 150_50) }, []string{"fee_type"}, ""},
		{"long refund number", func() (any, error) {
			r := refund()
			r.RefundOrderID = thai + "x"
			return migrate.Refund(vip.KindRedirect, r)
		}, []string{"refund_order_id"}, "has 33 characters"},
		{"page asked for as a code", func() (any, error) { return migrate.OrderQuery(vip.KindRedirect, query()) }, []string{"kind"},
			`is "redirect", and order_query is for [cscanb bscanc miniapp app]: see GatewayOrderQuery`},
		{"code asked for as a page", func() (any, error) { return migrate.GatewayOrderQuery(vip.KindCScanB, query()) }, []string{"kind"}, "see OrderQuery"},
		{"page refunded as a code", func() (any, error) { return shop.OrderRefund(vip.KindRedirect, refund(), 150_50) }, []string{"kind"}, "see Refund"},
		{"code refunded as a page", func() (any, error) { return migrate.Refund(vip.KindBScanC, refund()) }, []string{"kind"}, "see Shop.OrderRefund"},
		{"till closed", func() (any, error) { return migrate.OrderClose(vip.KindBScanC, cancel()) }, []string{"kind"}, "OrderReverse"},
		{"code cancelled as a page", func() (any, error) { return migrate.CancelOrder(vip.KindCScanB, cancel()) }, []string{"kind"}, "OrderClose"},
		{"page reversed", func() (any, error) { return migrate.OrderReverse(vip.KindRedirect, cancel()) }, []string{"kind"}, "CancelOrder"},
		{"unknown kind", func() (any, error) { return migrate.OrderQuery("event", query()) }, []string{"kind"}, `is "event"`},
	} {
		t.Run(c.name, func(t *testing.T) {
			got, err := c.move()
			require.True(t, reflect.ValueOf(got).IsNil(), "there must be nothing to send")
			var failed *migrate.Error
			require.ErrorAs(t, err, &failed)
			var names []string
			for _, f := range failed.Fields {
				names = append(names, f.Field)
				require.Contains(t, err.Error(), f.Field+" "+f.Problem)
			}
			require.Equal(t, c.want, names)
			require.Contains(t, failed.Fields[0].Problem, c.says)
		})
	}

	r := redirect()
	r.MerchantOrderID, r.Provider = thai, "th"
	_, err := shop.GatewayPay(r)
	require.NoError(t, err, "32 characters, whatever their bytes, and Thailand")

	code := bscanc()
	code.Provider = "ph"
	_, err = shop.QuickPay(code)
	require.EqualError(t, err, `migrate: quick_pay of order "A-1": provider has no counterpart at api.ksher.net`)
	require.NotContains(t, fmt.Sprintf("%+v", err), code.AuthCode.Reveal())
}

func TestResult(t *testing.T) {
	known := map[[2]string]ksher.Result{
		{"Available", "SUCCESS"}: ksher.ResultNotPay,
		{"Available", "PENDING"}: ksher.ResultPending,
		{"Paid", "SUCCESS"}:      ksher.ResultSuccess,
		{"Refunded", "SUCCESS"}:  ksher.ResultRefund,
		{"Refunded", "REFUNDED"}: ksher.ResultRefund,
		{"Closed", "SUCCESS"}:    ksher.ResultClosed,
		{"Closed", "FAIL"}:       ksher.ResultPayError,
	}
	for _, status := range []string{"Available", "Paid", "Refunded", "Closed", "", "paid", "PAID", "False", "Settled"} {
		for _, code := range []string{"SUCCESS", "PENDING", "FAIL", "REFUNDED", "UNKNOWN", "", "success", "SOMETHING"} {
			for _, kind := range []string{"Sale", "", "Refund", "Void"} {
				got, err := migrate.Result(&vip.Order{MerchantOrderID: "A-1", Status: vip.Status(status), ErrorCode: vip.Code(code), OrderType: kind})
				want, ok := known[[2]string{status, code}]
				if ok && slices.Contains([]string{"Sale", ""}, kind) {
					require.NoError(t, err)
					require.Equal(t, want, got)
					continue
				}
				var failed *migrate.Error
				require.ErrorAs(t, err, &failed)
				require.Contains(t, err.Error(), `order "A-1"`)
				require.Empty(t, got)
				require.False(t, got.Paid() || got.Final())
			}
		}
	}
	require.Equal(t, 7, len(known))
	_, err := migrate.Result(nil)
	require.Error(t, err)
	_, err = migrate.Result(&vip.Order{MerchantOrderID: strings.Repeat("x", 1<<20), Status: vip.Status(strings.Repeat("y", 1<<20))})
	require.Less(t, len(err.Error()), 2000)
}

// An order lives the same life on both sides, and both are called the same then.
func TestSameLife(t *testing.T) {
	for _, c := range []struct {
		name string
		live func(*sandbox.Gateway, string) error
		want ksher.Result
	}{
		{"nobody paid", func(*sandbox.Gateway, string) error { return nil }, ""},
		{"paid", func(g *sandbox.Gateway, id string) error { return g.Pay(id, ksher.ChannelTrueMoney) }, ksher.ResultSuccess},
		{"expired", (*sandbox.Gateway).Expire, ksher.ResultClosed},
	} {
		t.Run(c.name, func(t *testing.T) {
			gateway := sandbox.New(t)
			old, err := vip.NewClient(gateway.VIPURL(), sandbox.VIPToken, vip.WithHTTPClient(gateway.HTTPClient()), vip.WithStrict())
			require.NoError(t, err)

			before := redirect()
			before.MerchantOrderID = "OLD"
			_, err = old.Create(t.Context(), before)
			require.NoError(t, err)
			require.NoError(t, c.live(gateway, "OLD"))
			told, err := old.Query(t.Context(), vip.KindRedirect, &vip.QueryRequest{MerchantOrderID: "OLD"})
			require.NoError(t, err)
			was, err := migrate.Result(told)
			require.NoError(t, err)

			req, err := shop.GatewayPay(redirect())
			require.NoError(t, err)
			_, err = gateway.Client.GatewayPay(t.Context(), req)
			require.NoError(t, err)
			require.NoError(t, c.live(gateway, "A-1"))
			is, err := gateway.Client.GatewayOrderQuery(t.Context(), &ksher.GatewayOrderQueryRequest{MchOrderNo: "A-1"})
			require.NoError(t, err)

			require.Equal(t, is.Result.Paid(), was.Paid())
			require.Equal(t, is.Result.Final(), was.Final())
			if c.want != "" {
				require.Equal(t, c.want, was)
				require.Equal(t, c.want, is.Result)
			}

			// Neither side knows the other's order.
			_, err = old.Query(t.Context(), vip.KindRedirect, &vip.QueryRequest{MerchantOrderID: "A-1"})
			require.ErrorIs(t, err, ksher.ErrNotFound)
			_, err = gateway.Client.GatewayOrderQuery(t.Context(), &ksher.GatewayOrderQueryRequest{MchOrderNo: "OLD"})
			require.True(t, errors.Is(err, ksher.CodeOrderNotExist), "%v", err)
		})
	}
}

// A charge that failed at a till is over, so a shop stops asking.
func TestResultOfAFailedCharge(t *testing.T) {
	gateway := sandbox.New(t)
	client, err := vip.NewClient(gateway.VIPURL(), sandbox.VIPToken, vip.WithHTTPClient(gateway.HTTPClient()))
	require.NoError(t, err)
	_, err = client.Create(t.Context(), &vip.BScanCRequest{MerchantOrderID: "A-1", Amount: 1_00, Channel: "alipay", AuthCode: ksher.NewSecret("280000000000000003")})
	require.ErrorIs(t, err, vip.CodeFail)
	order, err := client.Query(t.Context(), vip.KindBScanC, &vip.QueryRequest{MerchantOrderID: "A-1"})
	require.NoError(t, err)
	got, err := migrate.Result(order)
	require.NoError(t, err)
	require.Equal(t, ksher.ResultPayError, got)
	require.True(t, got.Final())
	require.False(t, got.Paid())
}

// A mini program of Alipay names neither buyer nor program, on either side.
func TestMiniProgramOfAlipay(t *testing.T) {
	gateway := sandbox.New(t)
	req, err := shop.MiniProgramPay(&vip.MiniAppRequest{MerchantOrderID: "A-1", Amount: 1_00, Channel: "alipay"})
	require.NoError(t, err)
	answer, err := gateway.Client.MiniProgramPay(t.Context(), req)
	require.NoError(t, err)
	_, err = answer.AlipayOrderString()
	require.NoError(t, err)
}
