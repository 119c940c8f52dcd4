package sandbox_test

import (
	"bytes"
	"context"
	"fmt"
	"image/png"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/ksher-go/ksher"
	"github.com/ksher-go/ksher/internal/sandbox"
	"github.com/ksher-go/ksher/internal/sandbox/sandboxtest"
	"github.com/ksher-go/ksher/internal/testkit"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestGatewayOrderFromCreationToRefund(t *testing.T) {
	for _, version := range []ksher.SignVersion{ksher.SignV1, ksher.SignV2} {
		t.Run(fmt.Sprint("V", version), func(t *testing.T) {
			gw := sandbox.New(t, sandbox.WithClientOptions(ksher.WithSignVersion(version)))
			req := sandboxtest.GatewayPay("A-1")
			req.Attach = "table 4 & ชา"
			page, err := gw.Client.GatewayPay(t.Context(), req)
			require.NoError(t, err)

			resp, err := http.Get(page.PayContent)
			require.NoError(t, err)
			text, err := io.ReadAll(resp.Body)
			require.NoError(t, err)
			resp.Body.Close()
			http.DefaultClient.CloseIdleConnections()
			assert.Contains(t, string(text), "simulation")
			assert.Contains(t, string(text), "150.50 THB")

			before := sandboxtest.GatewayState(t, gw, "A-1")
			assert.Equal(t, ksher.ResultNotSure, before.Result)
			assert.Zero(t, before.CashFee)
			assert.True(t, before.TimeEnd.IsZero())
			assert.Contains(t, string(before.Data), `"cash_fee":""`, "as in a genuine answer about an unpaid order")

			require.NoError(t, gw.Pay("A-1", ksher.ChannelCard))
			paid := sandboxtest.GatewayState(t, gw, "A-1")
			require.NoError(t, paid.CheckPaid("A-1", 150_50, "THB"))
			assert.Equal(t, ksher.ChannelCard, paid.Channel)
			assert.Equal(t, "table 4 & ชา", paid.Attach)
			assert.NotEqual(t, paid.MchOrderNo, paid.PayMchOrderNo)
			assert.False(t, paid.TimeEnd.IsZero())

			for i, fee := range []ksher.Amount{50_00, 100_50} {
				refund, err := gw.Client.Refund(t.Context(), &ksher.RefundRequest{
					Host:       ksher.HostGateway,
					MchOrderNo: "A-1", MchRefundNo: fmt.Sprint("R-", i), RefundFee: fee})
				require.NoError(t, err)
				assert.Equal(t, fee, refund.MchRefundFee)
			}
			refunds, err := gw.Client.RefundQuery(t.Context(), &ksher.RefundQueryRequest{KsherOrderNo: paid.KsherOrderNo, MchRefundNo: "R-0"})
			require.NoError(t, err)
			assert.Equal(t, 2, refunds.RefundCount)
			assert.Len(t, refunds.RefundOrders, 2)
			assert.Equal(t, ksher.ResultRefund, sandboxtest.GatewayState(t, gw, "A-1").Result)

			seen, err := gw.Order("A-1")
			require.NoError(t, err)
			assert.Equal(t, sandbox.Refunded, seen.State)
			assert.Equal(t, ksher.Amount(150_50), seen.Refunded)
			assert.NotContains(t, seen.Params, "sign")
		})
	}
}

func TestNativeOrder(t *testing.T) {
	testkit.Holds(t, testkit.Assumed, "order_query: an unpaid order of the merchant host is NOTPAY, while the gateway host says NOTSURE")
	for _, c := range []struct {
		channel ksher.Channel
		format  string
		media   string
	}{
		{ksher.ChannelPromptPay, "", "image/png"},
		{ksher.ChannelWeChat, "svg", "image/svg+xml"},
	} {
		t.Run(string(c.channel), func(t *testing.T) {
			gw := sandbox.New(t)
			req := sandboxtest.NativePay("K-1", c.channel)
			req.ImgType = c.format
			code, err := gw.Client.NativePay(t.Context(), req)
			require.NoError(t, err)
			image, media, err := code.Image()
			require.NoError(t, err)
			assert.Equal(t, c.media, media)
			if c.format == "" {
				_, err := png.Decode(bytes.NewReader(image))
				assert.NoError(t, err)
			}
			query := &ksher.OrderQueryRequest{MchOrderNo: "K-1"}
			state, err := gw.Client.OrderQuery(t.Context(), query)
			require.NoError(t, err)
			assert.Equal(t, ksher.ResultNotPay, state.Result)
			require.NoError(t, gw.Pay("K-1", ""))
			state, err = gw.Client.OrderQuery(t.Context(), query)
			require.NoError(t, err)
			assert.NoError(t, state.CheckPaid("K-1", 40_00, "THB"))
		})
	}
}

func TestRefundInPart(t *testing.T) {
	testkit.Holds(t, testkit.Assumed, "order_refund: an order of either host that is refunded in part stays SUCCESS, and becomes REFUND with the rest")
	gw := sandbox.New(t)
	_, err := gw.Client.GatewayPay(t.Context(), sandboxtest.GatewayPay("A-1"))
	require.NoError(t, err)
	_, err = gw.Client.NativePay(t.Context(), sandboxtest.NativePay("K-1", ksher.ChannelWeChat))
	require.NoError(t, err)
	for no, host := range map[string]ksher.Host{"A-1": ksher.HostGateway, "K-1": ksher.HostMerchant} {
		require.NoError(t, gw.Pay(no, ""))
		result := func() ksher.Result {
			if host == ksher.HostGateway {
				return sandboxtest.GatewayState(t, gw, no).Result
			}
			return sandboxtest.Query(t, gw, no).Result
		}
		order, err := gw.Order(no)
		require.NoError(t, err)
		for refund, want := range []ksher.Result{ksher.ResultSuccess, ksher.ResultRefund} {
			fee := []ksher.Amount{1_00, order.TotalFee - 1_00}[refund]
			_, err := gw.Client.Refund(t.Context(), &ksher.RefundRequest{Host: host, MchOrderNo: no, MchRefundNo: fmt.Sprint("R-", no, refund), RefundFee: fee})
			require.NoError(t, err)
			assert.Equal(t, want, result(), no)
		}
	}
}

func TestTMNExpireTime(t *testing.T) {
	testkit.Holds(t, testkit.Assumed, "native_pay: tmn_expire_time is in minutes")
	gw := sandbox.New(t)
	req := sandboxtest.NativePay("K-1", ksher.ChannelTrueMoney)
	req.TMNExpireTime = 5
	_, err := gw.Client.NativePay(t.Context(), req)
	require.NoError(t, err)
	gw.Advance(5*time.Minute - time.Second)
	assert.Equal(t, ksher.ResultNotPay, sandboxtest.Query(t, gw, "K-1").Result)
	gw.Advance(time.Second)
	assert.Equal(t, ksher.ResultClosed, sandboxtest.Query(t, gw, "K-1").Result)
}

func TestPromptPayCode(t *testing.T) {
	testkit.Holds(t, testkit.Genuine, "native_pay: code_url for PromptPay is an EMVCo text")
	gw := sandbox.New(t)
	code, err := gw.Client.NativePay(t.Context(), sandboxtest.NativePay("K-1", ksher.ChannelPromptPay))
	require.NoError(t, err)
	text := code.CodeURL
	assert.Equal(t, code.CodeURL, code.PaymentCode)
	fields := map[string]string{}
	for rest := text; rest != ""; {
		var size int
		_, err := fmt.Sscanf(rest[2:4], "%02d", &size)
		require.NoError(t, err)
		fields[rest[:2]], rest = rest[4:4+size], rest[4+size:]
	}
	assert.Equal(t, "40.00", fields["54"])
	assert.Equal(t, "764", fields["53"])
	assert.Equal(t, "TH", fields["58"])
	assert.Contains(t, fields["30"], "A000000677010112")
	assert.Contains(t, fields["30"], code.KsherOrderNo)
	assert.Len(t, fields["63"], 4)
}

// refusedRequest is what the gateway refuses, where there are the orders A-1 and K-1.
type refusedRequest struct {
	name string
	act  func(*sandbox.Gateway) error
	want ksher.Code
}

// errorOf drops an answer.
func errorOf(_ any, err error) error { return err }

func TestRefusals(t *testing.T) {
	ctx := t.Context()
	testRefusals(t, []refusedRequest{
		{"order number used before, gateway host", func(g *sandbox.Gateway) error {
			return errorOf(g.Client.GatewayPay(ctx, sandboxtest.GatewayPay("A-1")))
		}, ksher.CodeOrderError},
		{"order number used before, merchant host", func(g *sandbox.Gateway) error {
			return errorOf(g.Client.NativePay(ctx, sandboxtest.NativePay("K-1", ksher.ChannelWeChat)))
		}, ksher.CodeKsherDuplicatedOrderNo},
		{"unknown order, gateway host", func(g *sandbox.Gateway) error {
			return errorOf(g.Client.GatewayOrderQuery(ctx, &ksher.GatewayOrderQueryRequest{MchOrderNo: "none"}))
		}, ksher.CodeOrderNotExist},
		{"unknown order, merchant host", func(g *sandbox.Gateway) error {
			return errorOf(g.Client.OrderQuery(ctx, &ksher.OrderQueryRequest{MchOrderNo: "none"}))
		}, ksher.CodeKsherInvalidOrderNo},
		{"a gateway order by its own number at the merchant host", func(g *sandbox.Gateway) error {
			return errorOf(g.Client.OrderRefund(ctx, &ksher.OrderRefundRequest{MchOrderNo: "A-1", MchRefundNo: "R", RefundFee: 1, TotalFee: 150_50, FeeType: "THB"}))
		}, ksher.CodeKsherInvalidOrderNo},
		{"another currency", func(g *sandbox.Gateway) error {
			req := sandboxtest.GatewayPay("A-2")
			req.FeeType = "MYR"
			return errorOf(g.Client.GatewayPay(ctx, req))
		}, ksher.CodeKsherFeeTypeNotMatch},
		{"cancel twice", func(g *sandbox.Gateway) error {
			if _, err := g.Client.CancelOrder(ctx, &ksher.CancelOrderRequest{MchOrderNo: "A-1"}); err != nil {
				return err
			}
			return errorOf(g.Client.CancelOrder(ctx, &ksher.CancelOrderRequest{MchOrderNo: "A-1"}))
		}, ksher.CodeOrderAlreadyCancel},
		{"cancel a paid order", func(g *sandbox.Gateway) error {
			g.Pay("A-1", "")
			return errorOf(g.Client.CancelOrder(ctx, &ksher.CancelOrderRequest{MchOrderNo: "A-1"}))
		}, ksher.CodeOrderAlreadyPayOperationCannotBePerformed},
		{"cancel a failed order", func(g *sandbox.Gateway) error {
			g.Fail("A-1")
			return errorOf(g.Client.CancelOrder(ctx, &ksher.CancelOrderRequest{MchOrderNo: "A-1"}))
		}, ksher.CodeCancelError},
		{"cancel an expired order", func(g *sandbox.Gateway) error {
			g.Expire("A-1")
			return errorOf(g.Client.CancelOrder(ctx, &ksher.CancelOrderRequest{MchOrderNo: "A-1"}))
		}, ksher.CodeExpireOrder},
		{"close a channel that can't be", func(g *sandbox.Gateway) error {
			if _, err := g.Client.NativePay(ctx, sandboxtest.NativePay("K-2", ksher.ChannelPromptPay)); err != nil {
				return err
			}
			return errorOf(g.Client.OrderClose(ctx, &ksher.OrderCloseRequest{MchOrderNo: "K-2"}))
		}, ksher.CodeCancelError},
		{"another app ID", func(g *sandbox.Gateway) error {
			client, err := ksher.NewClient("mch99999", sandbox.PrivateKey(), ksher.WithGatewayURL(g.GatewayURL()),
				ksher.WithVerifier(sandbox.Verifier()), ksher.WithHTTPClient(g.HTTPClient()))
			if err != nil {
				return err
			}
			return errorOf(client.GatewayPay(ctx, sandboxtest.GatewayPay("A-2")))
		}, ksher.CodeKsherInvalidMchInfo},
	})
}

func TestRefundRefusals(t *testing.T) {
	ctx := t.Context()
	refund := func(no string, fee, total ksher.Amount) *ksher.OrderRefundRequest {
		return &ksher.OrderRefundRequest{MchOrderNo: "K-1", MchRefundNo: no, RefundFee: fee, TotalFee: total, FeeType: "THB"}
	}
	testRefusals(t, []refusedRequest{
		{"refund before payment", func(g *sandbox.Gateway) error {
			return errorOf(g.Client.OrderRefund(ctx, refund("R-1", 1, 40_00)))
		}, ksher.CodeOrderNotPay},
		{"refund of another total", func(g *sandbox.Gateway) error {
			g.Pay("K-1", "")
			return errorOf(g.Client.OrderRefund(ctx, refund("R-1", 1, 41_00)))
		}, ksher.CodeKsherInvalidRefundFeeOrType},
		{"refund number used before", func(g *sandbox.Gateway) error {
			g.Pay("K-1", "")
			if _, err := g.Client.OrderRefund(ctx, refund("R-1", 1_00, 40_00)); err != nil {
				return err
			}
			return errorOf(g.Client.OrderRefund(ctx, refund("R-1", 1_00, 40_00)))
		}, ksher.CodeKsherDuplicatedRefundOrderNo},
		{"refund above what is left", func(g *sandbox.Gateway) error {
			g.Pay("K-1", "")
			if _, err := g.Client.OrderRefund(ctx, refund("R-1", 30_00, 40_00)); err != nil {
				return err
			}
			return errorOf(g.Client.OrderRefund(ctx, refund("R-2", 10_01, 40_00)))
		}, ksher.CodeKsherInvalidRefundBalance},
		{"refund after everything was refunded", func(g *sandbox.Gateway) error {
			g.Pay("K-1", "")
			if _, err := g.Client.OrderRefund(ctx, refund("R-1", 40_00, 40_00)); err != nil {
				return err
			}
			return errorOf(g.Client.OrderRefund(ctx, refund("R-2", 1, 40_00)))
		}, ksher.CodeOrderAlreadyRefund},
		{"query of an unknown refund", func(g *sandbox.Gateway) error {
			return errorOf(g.Client.RefundQuery(ctx, &ksher.RefundQueryRequest{MchOrderNo: "K-1", MchRefundNo: "none"}))
		}, ksher.CodeInvalidOrderNo},
	})
}

func testRefusals(t *testing.T, refused []refusedRequest) {
	for _, c := range refused {
		t.Run(c.name, func(t *testing.T) {
			testkit.Holds(t, testkit.Assumed, "local gateway: refused with "+string(c.want)+": "+c.name)
			gw := sandbox.New(t)
			_, err := gw.Client.GatewayPay(t.Context(), sandboxtest.GatewayPay("A-1"))
			require.NoError(t, err)
			_, err = gw.Client.NativePay(t.Context(), sandboxtest.NativePay("K-1", ksher.ChannelWeChat))
			require.NoError(t, err)
			err = c.act(gw)
			assert.ErrorIs(t, err, c.want)
			assert.NotErrorIs(t, err, ksher.ErrOutcomeUnknown)
		})
	}
}

// What a client of this project never sends.
func TestBadRequests(t *testing.T) {
	testkit.Holds(t, testkit.Assumed, "local gateway: a request that is no signed form of the merchant is refused in the envelope, with the code in msg and without data")
	gw := sandbox.New(t)
	client := gw.HTTPClient()
	for _, c := range []struct{ name, method, body, want string }{
		{"get", http.MethodGet, "", "REQUIRE_POST_METHOD"},
		{"nothing", http.MethodPost, "", "POST_DATA_EMPTY"},
		{"no app ID", http.MethodPost, "a=b", "APPID_NOT_EXIST"},
		{"other app ID", http.MethodPost, "appid=mch1", "KSHER_INVALID_MCHINFO"},
		{"no signature", http.MethodPost, "appid=" + sandbox.AppID, "KSHER_SIGN_ERROR"},
		{"forged", http.MethodPost, "appid=" + sandbox.AppID + "&sign=" + strings.Repeat("0f", 64), "KSHER_SIGN_ERROR"},
		{"twice", http.MethodPost, "appid=" + sandbox.AppID + "&appid=x", "PARAM_ERROR"},
		{"not UTF-8", http.MethodPost, "appid=%ff", "NOT_UTF8"},
		{"not a form", http.MethodPost, "%zz", "PARAM_ERROR"},
		{"too long", http.MethodPost, "a=" + strings.Repeat("x", 65<<10), "KSHER_PARAM_OVERLENGTH"},
	} {
		t.Run(c.name, func(t *testing.T) {
			req, err := http.NewRequest(c.method, gw.MerchantURL()+"/order_query", strings.NewReader(c.body))
			require.NoError(t, err)
			resp, err := client.Do(req)
			require.NoError(t, err)
			defer resp.Body.Close()
			text, err := io.ReadAll(resp.Body)
			require.NoError(t, err)
			assert.Contains(t, string(text), `"code":1`)
			assert.Contains(t, string(text), `"msg":"`+c.want+`"`)
		})
	}
}

func TestTheBuyer(t *testing.T) {
	testkit.Holds(t, testkit.Assumed, "gateway_order_query: a failed order is PAYERROR, and one whose time is over CLOSED")
	testkit.Holds(t, testkit.Documented, "gateway_pay: expire_time is in minutes")
	gw := sandbox.New(t)
	create := func(no string, minutes int) {
		req := sandboxtest.GatewayPay(no)
		req.ExpireTime = minutes
		_, err := gw.Client.GatewayPay(t.Context(), req)
		require.NoError(t, err)
	}
	assert.ErrorIs(t, gw.Pay("none", ""), sandbox.ErrNoOrder)

	create("failed", 0)
	require.NoError(t, gw.Fail("failed"))
	assert.Equal(t, ksher.ResultPayError, sandboxtest.GatewayState(t, gw, "failed").Result)
	assert.ErrorIs(t, gw.Pay("failed", ""), sandbox.ErrNotPayable)

	create("expired", 30)
	gw.Advance(30*time.Minute - time.Second)
	assert.Equal(t, ksher.ResultNotSure, sandboxtest.GatewayState(t, gw, "expired").Result)
	gw.Advance(time.Second)
	assert.Equal(t, ksher.ResultClosed, sandboxtest.GatewayState(t, gw, "expired").Result)
	assert.ErrorIs(t, gw.Pay("expired", ""), sandbox.ErrNotPayable)

	create("paid", 0)
	assert.ErrorIs(t, gw.Pay("paid", ksher.ChannelAlipay), sandbox.ErrNotPayable, "a channel that isn't offered")
	require.NoError(t, gw.Pay("paid", ""))
	assert.ErrorIs(t, gw.Pay("paid", ""), sandbox.ErrNotPayable)

	create("cancelled", 0)
	_, err := gw.Client.CancelOrder(t.Context(), &ksher.CancelOrderRequest{MchOrderNo: "cancelled"})
	require.NoError(t, err)
	assert.ErrorIs(t, gw.Pay("cancelled", ksher.ChannelCard), sandbox.ErrNotPayable)
	require.NoError(t, gw.Pay("cancelled", ksher.ChannelPromptPay), "by the QR code the buyer saved")
	assert.Equal(t, ksher.ResultSuccess, sandboxtest.GatewayState(t, gw, "cancelled").Result)
}

func TestDeliver(t *testing.T) {
	testkit.Holds(t, testkit.Documented, "notification: only payments are told")
	testkit.Holds(t, testkit.Documented, "notification: goes to mch_notify_url of gateway_pay, and to notify_url of the merchant host")
	gw := sandbox.New(t)
	var got []*ksher.Order
	answer := error(nil)
	shop := httptest.NewServer(sandboxtest.Notifications(t, gw, func(_ context.Context, n *ksher.Order) error {
		got = append(got, n)
		return answer
	}))
	defer shop.Close()

	gateway := sandboxtest.GatewayPay("A-1")
	gateway.MchNotifyURL = shop.URL
	_, err := gw.Client.GatewayPay(t.Context(), gateway)
	require.NoError(t, err)
	native := sandboxtest.NativePay("K-1", ksher.ChannelWeChat)
	native.NotifyURL = shop.URL
	_, err = gw.Client.NativePay(t.Context(), native)
	require.NoError(t, err)

	assert.ErrorIs(t, gw.Deliver(t.Context(), "A-1"), sandbox.ErrNoNotification, "it isn't paid")

	for _, no := range []string{"A-1", "K-1"} {
		require.NoError(t, gw.Pay(no, ""))
		require.NoError(t, gw.Deliver(t.Context(), no))
		assert.Equal(t, no, got[len(got)-1].MchOrderNo)
	}
	require.NoError(t, gw.Deliver(t.Context(), "A-1"), "a repetition is accepted")
	assert.Len(t, got, 2, "and handled once")

	answer = assert.AnError
	refused := sandboxtest.GatewayPay("A-3")
	refused.MchNotifyURL = shop.URL
	_, err = gw.Client.GatewayPay(t.Context(), refused)
	require.NoError(t, err)
	require.NoError(t, gw.Pay("A-3", ""))
	assert.ErrorIs(t, gw.Deliver(t.Context(), "A-3"), sandbox.ErrNotAccepted)

	_, err = gw.Client.GatewayPay(t.Context(), sandboxtest.GatewayPay("A-2"))
	require.NoError(t, err)
	require.NoError(t, gw.Pay("A-2", ""))
	assert.ErrorIs(t, gw.Deliver(t.Context(), "A-2"), sandbox.ErrNoNotification, "it was created without an address")
}

func TestSignedWithoutAServer(t *testing.T) {
	order := &ksher.Order{AppID: sandbox.AppID, MchOrderNo: "A-1", TotalFee: 100, FeeType: "THB", Result: ksher.ResultSuccess,
		TimeEnd: time.Date(2026, 11, 21, 3, 4, 5, 0, time.UTC)}
	for name, data := range map[string]any{
		"struct": order,
		"map":    map[string]any{"mch_order_no": "A-1", "total_fee": 100, "fee_type": "THB", "result": "SUCCESS", "time_end": "2026-11-21 10:04:05"},
	} {
		t.Run(name, func(t *testing.T) {
			req := sandbox.SignedNotification("https://shop.example/notify", data)
			body, err := io.ReadAll(req.Body)
			require.NoError(t, err)
			n, err := ksher.ParseNotification(body, sandbox.Verifier())
			require.NoError(t, err)
			assert.NoError(t, n.Unconfirmed.CheckPaid("A-1", 100, "THB"))
			assert.True(t, n.Unconfirmed.TimeEnd.Equal(order.TimeEnd))
		})
	}
	assert.Panics(t, func() { sandbox.SignedResponse("no object") })
	assert.Panics(t, func() { sandbox.SignedNotification("::", order) })
	assert.Nil(t, sandbox.PublicKey(0))
	assert.Equal(t, 512, sandbox.PublicKey(ksher.SignV1).N.BitLen())
	assert.Equal(t, 2048, sandbox.PublicKey(ksher.SignV2).N.BitLen())
}

func TestManyAtOnce(t *testing.T) {
	gw := sandbox.New(t)
	const orders = 50
	var wg sync.WaitGroup
	for i := range orders {
		wg.Go(func() {
			no := fmt.Sprint("A-", i)
			_, err := gw.Client.GatewayPay(t.Context(), sandboxtest.GatewayPay(no))
			assert.NoError(t, err)
			assert.NoError(t, gw.Pay(no, ""))
			state, err := gw.Client.GatewayOrderQuery(t.Context(), &ksher.GatewayOrderQueryRequest{MchOrderNo: no})
			if assert.NoError(t, err) {
				assert.NoError(t, state.CheckPaid(no, 150_50, "THB"))
			}
			// The same number at the same time creates one order.
			_, err = gw.Client.GatewayPay(t.Context(), sandboxtest.GatewayPay("same"))
			if err != nil {
				assert.ErrorIs(t, err, ksher.CodeOrderError)
			}
		})
	}
	wg.Wait()
	_, err := gw.Order("same")
	assert.NoError(t, err)
}

func TestUnknownPage(t *testing.T) {
	gw := sandbox.New(t)
	address, err := url.JoinPath(strings.TrimSuffix(gw.GatewayURL(), "/api"), "ua")
	require.NoError(t, err)
	resp, err := gw.HTTPClient().Get(address + "?order_uuid=none")
	require.NoError(t, err)
	resp.Body.Close()
	assert.Equal(t, http.StatusNotFound, resp.StatusCode)
}
