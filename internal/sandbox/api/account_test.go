package api_test

import (
	"bytes"
	"cmp"
	"crypto/md5"
	"encoding/hex"
	"encoding/json"
	"io"
	"math/big"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/ksher-go/ksher"
	"github.com/ksher-go/ksher/internal/sandbox"
	"github.com/ksher-go/ksher/internal/sandbox/sandboxtest"
	"github.com/ksher-go/ksher/internal/testkit"
)

var thailand = time.FixedZone("UTC+7", 7*60*60)

// atNine is a gateway whose clock stands at nine in the morning of a coming day,
// so that a test's day doesn't end under its hands.
func atNine(t *testing.T, opts ...sandbox.Option) (gw *sandbox.Gateway, day func(int) string) {
	t.Helper()
	gw = sandbox.New(t, opts...)
	now := gw.Now().In(thailand)
	nine := time.Date(now.Year(), now.Month(), now.Day()+1, 9, 0, 0, 0, thailand)
	gw.Advance(nine.Sub(now))
	return gw, func(n int) string { return nine.AddDate(0, 0, n).Format(time.DateOnly) }
}

func settlements(t *testing.T, gw *sandbox.Gateway, begin, end string, channel ksher.Channel) []ksher.SettlementRow {
	t.Helper()
	resp, err := gw.Client.GetSettlementInfo(t.Context(), &ksher.GetSettlementInfoRequest{BeginDate: begin, EndDate: end, PayChannel: channel})
	require.NoError(t, err)
	return resp.SettlementData
}

func sell(t *testing.T, gw *sandbox.Gateway, no string, channel ksher.Channel) {
	t.Helper()
	_, err := gw.Client.NativePay(t.Context(), sandboxtest.NativePay(no, channel))
	require.NoError(t, err)
	require.NoError(t, gw.Pay(no, ""))
}

func giveBack(t *testing.T, gw *sandbox.Gateway, no string, fee ksher.Amount) {
	t.Helper()
	_, err := gw.Client.OrderRefund(t.Context(), &ksher.OrderRefundRequest{MchOrderNo: no, MchRefundNo: "R-" + no + fee.String(), RefundFee: fee, TotalFee: 40_00, FeeType: "THB"})
	require.NoError(t, err)
}

func TestSettlementInfo(t *testing.T) {
	testkit.Holds(t, testkit.Assumed, "get_settlement_info: a day ends at midnight in the merchant's zone")
	gw, day := atNine(t)
	row := func(n int, channel ksher.Channel, amount ksher.Amount) ksher.SettlementRow {
		return ksher.SettlementRow{BeginDate: day(n), EndDate: day(n), SettlementDate: day(n + 1), PayChannel: channel, SettlementAmount: amount}
	}
	// The first day: two by WeChat Pay, one of them given back in part, one by
	// PromptPay, and one that nobody pays.
	sell(t, gw, "A", ksher.ChannelWeChat)
	sell(t, gw, "B", ksher.ChannelWeChat)
	giveBack(t, gw, "B", 10_00)
	sell(t, gw, "C", ksher.ChannelPromptPay)
	_, err := gw.Client.NativePay(t.Context(), sandboxtest.NativePay("D", ksher.ChannelWeChat))
	require.NoError(t, err)
	require.Empty(t, settlements(t, gw, day(0), day(0), ""), "the day isn't over")

	// The second: one from the checkout page, and the rest of B goes back.
	gw.Advance(24 * time.Hour)
	_, err = gw.Client.GatewayPay(t.Context(), sandboxtest.GatewayPay("E"))
	require.NoError(t, err)
	require.NoError(t, gw.Pay("E", ksher.ChannelCard))
	giveBack(t, gw, "B", 30_00)
	first := []ksher.SettlementRow{row(0, ksher.ChannelPromptPay, 40_00), row(0, ksher.ChannelWeChat, 70_00)}
	require.Equal(t, first, settlements(t, gw, day(0), day(1), ""))

	gw.Advance(14*time.Hour + 59*time.Minute + 59*time.Second)
	require.Equal(t, first, settlements(t, gw, day(0), day(1), ""), "a second before midnight")
	gw.Advance(time.Second)
	second := []ksher.SettlementRow{row(1, ksher.ChannelCard, 150_50), row(1, ksher.ChannelWeChat, -30_00)}
	require.Equal(t, append(first, second...), settlements(t, gw, day(0), day(1), ""))
	require.Equal(t, append(first, second...), settlements(t, gw, "1990-01-01", "2070-12-31", ""))
	require.Equal(t, first, settlements(t, gw, day(0), day(0), ""))
	require.Equal(t, second, settlements(t, gw, day(1), day(9), ""))
	require.Empty(t, settlements(t, gw, day(-9), day(-1), ""))
	require.Equal(t, []ksher.SettlementRow{first[1], second[1]}, settlements(t, gw, day(0), day(1), ksher.ChannelWeChat))
	require.Empty(t, settlements(t, gw, day(0), day(1), ksher.ChannelAlipay))

	// What was settled is transferred.
	require.NoError(t, gw.Settle("A"))
	first[1].TransferDate, first[1].TransferAmount = day(1), 40_00
	require.Equal(t, first, settlements(t, gw, day(0), day(0), ""))

	// Of a day that isn't over only what was settled by hand.
	sell(t, gw, "F", ksher.ChannelWeChat)
	sell(t, gw, "G", ksher.ChannelWeChat)
	require.NoError(t, gw.Settle("F"))
	third := row(2, ksher.ChannelWeChat, 40_00)
	third.TransferDate, third.TransferAmount = day(3), 40_00
	require.Equal(t, []ksher.SettlementRow{third}, settlements(t, gw, day(2), day(2), ""))
	gw.Advance(24 * time.Hour)
	third.SettlementAmount = 80_00
	require.Equal(t, []ksher.SettlementRow{third}, settlements(t, gw, day(2), day(2), ""))
}

// Payouts aren't sales.
func TestSettlementInfoLeavesOutPayouts(t *testing.T) {
	gw, day := atNine(t)
	code := sandboxtest.PostSigned(t, gw, gw.MerchantURL()+"/payout", map[string]string{"mch_order_no": "P-1", "total_fee": "10000", "fee_type": "THB", "channel": "payout", "receiver_type": "PROMPTPAY_NATID", "receiver_no": "1"})
	require.Empty(t, code)
	require.Len(t, gw.Orders(), 1)
	gw.Advance(48 * time.Hour)
	require.Empty(t, settlements(t, gw, day(-9), day(9), ""))
}

func TestSettlementInfoParameters(t *testing.T) {
	good := map[string]string{"mch_appid": sandbox.AppID, "begin_date": "2026-11-20", "end_date": "2026-11-21"}
	gw := sandbox.New(t)
	for _, c := range []struct {
		name, value string
		want        ksher.Code
	}{
		{"pay_channel", "wechat", ""},
		{"pay_channel", "brand_new", ksher.CodeKsherInvalidParam},
		{"begin_date", "2026-11-21", ""},
		{"begin_date", "", ksher.CodeLackParams},
		{"end_date", "", ksher.CodeLackParams},
		{"begin_date", "2026-11-22", ksher.CodeKsherInvalidParam},
		{"begin_date", "20261120", ksher.CodeKsherInvalidParam},
		{"end_date", "2026-11-31", ksher.CodeKsherInvalidParam},
		{"end_date", "tomorrow", ksher.CodeKsherInvalidParam},
	} {
		params := map[string]string{c.name: c.value}
		for name, value := range good {
			if name != c.name {
				params[name] = value
			}
		}
		assert.Equal(t, c.want, sandboxtest.PostSigned(t, gw, gw.MerchantURL()+"/get_settlement_info", params), "%s=%s", c.name, c.value)
	}
}

func TestRateQuery(t *testing.T) {
	gw := sandbox.New(t)
	rate, err := gw.Client.RateQuery(t.Context(), &ksher.RateQueryRequest{Channel: ksher.ChannelWeChat, FeeType: "THB", Date: "20261120"})
	require.NoError(t, err)
	assert.Equal(t, []any{sandbox.AppID, ksher.ChannelWeChat, "THB", "20261120"}, []any{rate.AppID, rate.Channel, rate.FeeType, rate.Date})
	sell(t, gw, "A", ksher.ChannelWeChat)
	assert.Equal(t, sandboxtest.Query(t, gw, "A").Rate, rate.Rate, "orders go by the same")
	for _, name := range []string{"channel", "fee_type", "date"} {
		params := map[string]string{"channel": "wechat", "fee_type": "THB", "date": "x"}
		params[name] = ""
		assert.Equal(t, ksher.CodeLackParams, sandboxtest.PostSigned(t, gw, gw.MerchantURL()+"/rate_query", params), name)
	}
}

// merchantInfo names just the channels by which the gateway takes orders.
func TestMerchantInfo(t *testing.T) {
	for _, account := range []sandbox.Account{sandbox.AnyAccount, sandbox.OfflineAccount, sandbox.OnlineAccount} {
		t.Run(string(account), func(t *testing.T) {
			gw := sandbox.New(t, sandbox.WithMerchant(sandbox.AppID, sandbox.Terms{Account: account}))
			info, err := gw.Client.MerchantInfo(t.Context(), &ksher.MerchantInfoRequest{})
			require.NoError(t, err)
			assert.Equal(t, sandbox.AppID, info.MchAppID)
			assert.Equal(t, strings.TrimPrefix(sandbox.AppID, "mch"), info.MchID)
			assert.Equal(t, string(cmp.Or(account, sandbox.OnlineAccount)), info.BusinessMode)
			assert.Len(t, info.NonceStr, 32)
			assert.Equal(t, "+07:00", info.TimeZone)

			has := map[ksher.Channel]bool{}
			for _, c := range info.Channels() {
				require.False(t, has[c.Channel], c.Channel)
				has[c.Channel] = true
			}
			assert.Equal(t, len(has), strings.Count(string(info.Data), `"pay_channel"`))
			for _, c := range ksher.Channels() {
				page := sandboxtest.GatewayPay("G-"+string(c.Channel), c.Channel)
				page.TotalFee = 10_000_00
				_, atPage := gw.Client.GatewayPay(t.Context(), page)
				_, atKiosk := gw.Client.NativePay(t.Context(), sandboxtest.NativePay("N-"+string(c.Channel), c.Channel))
				assert.Equal(t, atPage == nil || atKiosk == nil, has[c.Channel], c.Channel)
				assert.Contains(t, info.CountrySupportChannel, c.Channel)
			}
		})
	}
}

// Both names of the app ID will do, and only for what is about the account.
func TestAppIDNames(t *testing.T) {
	gw := sandbox.New(t, sandbox.WithStrict(false))
	own, other := sandbox.AppID, "mch99999"
	days := map[string]string{"begin_date": "2026-11-20", "end_date": "2026-11-20", "mch_order_no": "X-1"}
	const none = "none"
	for _, c := range []struct {
		operation       string
		appID, mchAppID string
		want            ksher.Code
	}{
		{"get_settlement_info", own, none, ""},
		{"get_settlement_info", own, own, ""},
		{"get_settlement_info", "", own, ""},
		{"get_settlement_info", "", other, ksher.CodeKsherInvalidMchInfo},
		{"get_settlement_info", own, other, ksher.CodeKsherInvalidMchInfo},
		{"get_settlement_info", other, none, ksher.CodeKsherInvalidMchInfo},
		{"get_settlement_info", "", none, ksher.CodeAppIDNotExist},
		{"merchant_info", "", own, ""},
		{"merchant_info", own, none, ""},
		{"order_query", "", own, ksher.CodeAppIDNotExist},
		{"order_query", own, other, ksher.CodeKsherInvalidOrderNo},
	} {
		params := map[string]string{"appid": c.appID}
		for name, value := range days {
			params[name] = value
		}
		if c.mchAppID != none {
			params["mch_appid"] = c.mchAppID
		}
		assert.Equal(t, c.want, sandboxtest.PostSigned(t, gw, gw.MerchantURL()+"/"+c.operation, params), "%+v", c)
	}
	for _, name := range []string{"", "appid", "mch_appid"} {
		_, err := gw.Client.MerchantInfo(t.Context(), &ksher.MerchantInfoRequest{AppIDName: name})
		require.NoError(t, err)
		_, err = gw.Client.GetSettlementInfo(t.Context(), &ksher.GetSettlementInfoRequest{BeginDate: "2026-11-20", EndDate: "2026-11-20", AppIDName: name})
		require.NoError(t, err)
	}
}

// requirePart checks with the standard library that only this text was signed.
func requirePart(t *testing.T, body []byte, version ksher.SignVersion, text string) {
	t.Helper()
	var answer struct{ Sign string }
	require.NoError(t, json.Unmarshal(body, &answer))
	sign, ok := new(big.Int).SetString(answer.Sign, 16)
	require.True(t, ok)
	key := sandbox.PublicKey(version)
	digest := md5.Sum([]byte(text))
	plain := new(big.Int).Exp(sign, big.NewInt(int64(key.E)), key.N).Text(16)
	require.True(t, strings.HasSuffix(plain, hex.EncodeToString(digest[:])), "not a signature of %q", text)
}

func TestPartialSignatures(t *testing.T) {
	gw := sandbox.New(t)
	for _, version := range []ksher.SignVersion{ksher.SignV1, ksher.SignV2} {
		var body []byte
		client, err := gw.NewClient(ksher.WithSignVersion(version), ksher.WithHTTPClient(&http.Client{Transport: recorded{gw.HTTPClient().Transport, &body}}))
		require.NoError(t, err)
		info, err := client.MerchantInfo(t.Context(), &ksher.MerchantInfoRequest{})
		require.NoError(t, err)
		requirePart(t, body, version, "account_type=Testbusiness_mode=onlinemch_id=00000mobile=000000000nonce_str="+info.NonceStr)
		settled, err := client.GetSettlementInfo(t.Context(), &ksher.GetSettlementInfoRequest{BeginDate: "2026-11-20", EndDate: "2026-11-21"})
		require.NoError(t, err)
		requirePart(t, body, version, "begin_date=2026-11-20end_date=2026-11-21nonce_str="+settled.NonceStr)
	}

	// A refusal is signed as the operation has it, so that the client learns of it.
	for range 3 {
		require.NoError(t, gw.Inject(sandbox.Fault{Operation: "merchant_info", Kind: sandbox.FaultRefuse, Code: ksher.CodeNoAuth}))
	}
	_, err := gw.Client.MerchantInfo(t.Context(), &ksher.MerchantInfoRequest{})
	require.ErrorIs(t, err, ksher.CodeNoAuth)

	info := ksher.MerchantInfoResponse{Mobile: "1", MchID: "2", AccountType: "3", BusinessMode: "4", NonceStr: "5", MasterMchID: "6"}
	const part = "account_type=3business_mode=4mch_id=2mobile=1nonce_str=5"
	requirePart(t, sandbox.SignedResponse(info), ksher.SignV1, part)
	requirePart(t, sandbox.SignedResponse(&info), ksher.SignV1, part)
	settled := ksher.GetSettlementInfoResponse{BeginDate: "b", EndDate: "e", NonceStr: "n", SettlementData: []ksher.SettlementRow{{VAT: 1}}}
	requirePart(t, sandbox.SignedResponse(settled), ksher.SignV1, "begin_date=bend_date=enonce_str=n")
	requirePart(t, sandbox.SignedResponse(&settled), ksher.SignV1, "begin_date=bend_date=enonce_str=n")
	requirePart(t, sandbox.SignedResponse(map[string]string{"mobile": "1", "other": "2"}), ksher.SignV1, "mobile=1other=2")
}

// recorded keeps the last answer.
type recorded struct {
	next http.RoundTripper
	body *[]byte
}

func (r recorded) RoundTrip(req *http.Request) (*http.Response, error) {
	resp, err := r.next.RoundTrip(req)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	*r.body, err = io.ReadAll(resp.Body)
	resp.Body = io.NopCloser(bytes.NewReader(*r.body))
	return resp, err
}
