package ksher_test

import (
	"context"
	"encoding/json"
	"net/http"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/ksher-go/ksher"
	"github.com/ksher-go/ksher/internal/fault"
	"github.com/ksher-go/ksher/internal/sandbox"
	"github.com/ksher-go/ksher/internal/testkit"
)

const merchantData = `{"account_type":"Trial","agency_info":{"agency_name":"Far & Near","mobile":"021"},"allow_partial_refund":"Y",
	"allow_remote_pay":"N","bank_info":{"account_id":"1-2-3","account_name":"Tea House","bank_name":"Bank of Tea","swift_code":"TEATTHB1"},
	"bd_info":{"bd_name":"Malee","mobile":"022"},"business_address_code":"83000","business_mode":"offline","city_name_cn":"普吉",
	"city_name_en":"Phuket","city_name_th":"ภูเก็ต","contact":"Somsri","country_info":{"country_name":"Siam","phone_code":"+0"},
	"country_support_channel":["promptpay","wechat","brand_new"],"extra_info":{"a":[1]},"has_open_use_coupon":"N","is_master_mch":"Y",
	"logo_url":"https://tea.example/logo.png","master_mch_id":"7","mch_appid":"mch12345","mch_id":"12345",
	"mch_name":{"mch_brief_name":"Tea","merchant_name":"Tea House"},"mch_notify_url":"https://tea.example/notify",
	"mch_support_channel":[{"day_sum_limit":-1,"pay_channel":"promptpay","settlement_time_type":"T+1","single_order_limit":"50000"},
	{"day_sum_limit":200000,"pay_channel":"payout","settlement_time_type":"T+9","single_order_limit":"1000.50"}],
	"merchant_type":"Person","mobile":"0123","nonce_str":"n1",
	"operator_list":[{"add_time":"2026-01-02 03:04:05","mch_id":"12345","operator":"Lek","operator_id":"8","rule_id":"2","state":"1"}],
	"price_fee_type":"THB","rigist_time":"2025-12-31 23:59:58","settlement_fee_type":"USD","time_zone":"+07:00","wht":3}`

func merchantAnswer() *ksher.MerchantInfoResponse {
	return &ksher.MerchantInfoResponse{
		Answer: testkit.WantAnswer(merchantData),
		Mobile: "0123", MchID: "12345", AccountType: "Trial", BusinessMode: "offline", NonceStr: "n1",
		MchAppID: "mch12345", MasterMchID: "7", IsMasterMch: "Y", MerchantType: "Person",
		MchName: ksher.MchName{MerchantName: "Tea House", MchBriefName: "Tea"}, Contact: "Somsri",
		LogoURL: "https://tea.example/logo.png", RegistTime: time.Date(2025, 12, 31, 23, 59, 58, 0, testkit.Bangkok),
		BusinessAddressCode: "83000", CityNameTH: "ภูเก็ต", CityNameEN: "Phuket", CityNameCN: "普吉",
		CountryInfo: ksher.CountryInfo{CountryName: "Siam", PhoneCode: "+0"}, TimeZone: "+07:00",
		MchSupportChannel: []ksher.SupportChannel{
			{PayChannel: ksher.ChannelPromptPay, SettlementTimeType: "T+1", SingleOrderLimit: 50000, DaySumLimit: -1},
			{PayChannel: "payout", SettlementTimeType: "T+9", DaySumLimit: 200000},
		},
		CountrySupportChannel: []ksher.Channel{ksher.ChannelPromptPay, ksher.ChannelWeChat, "brand_new"},
		AllowPartialRefund:    "Y", AllowRemotePay: "N", HasOpenUseCoupon: "N",
		PriceFeeType: "THB", SettlementFeeType: "USD", WHT: "3", MchNotifyURL: "https://tea.example/notify",
		BankInfo:     ksher.BankInfo{AccountID: "1-2-3", AccountName: "Tea House", BankName: "Bank of Tea", SwiftCode: "TEATTHB1"},
		AgencyInfo:   ksher.AgencyInfo{AgencyName: "Far & Near", Mobile: "021"},
		BDInfo:       ksher.BDInfo{BDName: "Malee", Mobile: "022"},
		OperatorList: []ksher.Operator{{OperatorID: "8", Operator: "Lek", MchID: "12345", RuleID: "2", State: "1", AddTime: time.Date(2026, 1, 2, 3, 4, 5, 0, testkit.Bangkok)}},
		ExtraInfo:    json.RawMessage(`{"a":[1]}`),
	}
}

func TestMerchantInfo(t *testing.T) {
	tests := []struct {
		name string
		req  *ksher.MerchantInfoRequest
		want map[string]string
		// appID is where the app ID goes.
		appID string
	}{
		{"minimal", testkit.GoodMerchantInfo(), map[string]string{}, "mch_appid"},
		{"the documented name", &ksher.MerchantInfoRequest{AppIDName: "mch_appid"}, map[string]string{}, "mch_appid"},
		{"the SDKs' name", &ksher.MerchantInfoRequest{AppIDName: "appid"}, map[string]string{}, "appid"},
		{"full", &ksher.MerchantInfoRequest{Extra: ksher.Extra{Params: map[string]string{"new": "1"}}}, map[string]string{"new": "1"}, "mch_appid"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			rec := testkit.Recording(testkit.Answering(200, testkit.SignedAnswer(t, merchantData)))
			client := testkit.OfflineClient(t, testkit.AppID, rec, testkit.TrustTestKey(t))
			resp, err := client.MerchantInfo(t.Context(), tt.req)
			require.NoError(t, err)
			assert.Equal(t, "https://api.mch.ksher.net/KsherPay/merchant_info", rec.Only(t).URL.String())
			testkit.RequireParameters(t, rec.Only(t), tt.want)
			assert.Equal(t, testkit.AppID, rec.Only(t).PostForm.Get(tt.appID))
			assert.Equal(t, merchantAnswer(), resp)
		})
	}
}

func TestRateQuery(t *testing.T) {
	const data = `{"appid":"mch12345","channel":"wechat","fee_type":"THB","date":20261120,"rate":"0.2071","nonce_str":"n1"}`
	full := testkit.GoodRateQuery()
	full.Extra = ksher.Extra{Params: map[string]string{"new": "1"}}
	for name, tt := range map[string]struct {
		req  *ksher.RateQueryRequest
		want map[string]string
	}{
		"minimal": {testkit.GoodRateQuery(), map[string]string{"channel": "wechat", "fee_type": "THB", "date": "20261120"}},
		"full":    {full, map[string]string{"channel": "wechat", "fee_type": "THB", "date": "20261120", "new": "1"}},
	} {
		t.Run(name, func(t *testing.T) {
			rec := testkit.Recording(testkit.Answering(200, testkit.SignedAnswer(t, data)))
			client := testkit.OfflineClient(t, testkit.AppID, rec, testkit.TrustTestKey(t))
			resp, err := client.RateQuery(t.Context(), tt.req)
			require.NoError(t, err)
			assert.Equal(t, "https://api.mch.ksher.net/KsherPay/rate_query", rec.Only(t).URL.String())
			testkit.RequireParameters(t, rec.Only(t), tt.want)
			assert.Equal(t, &ksher.RateQueryResponse{
				Answer: testkit.WantAnswer(data), AppID: "mch12345", Channel: ksher.ChannelWeChat, FeeType: "THB",
				Date: "20261120", Rate: "0.2071", NonceStr: "n1",
			}, resp)
		})
	}

	another := strings.Replace(data, "wechat", "alipay", 1)
	_, err := testkit.NewClient(t, testkit.Answering(200, testkit.SignedAnswer(t, another))).RateQuery(t.Context(), testkit.GoodRateQuery())
	require.ErrorIs(t, err, ksher.ErrOtherOrder)

	// What it answers isn't documented, so that any signed data will do.
	const other = `{"appid":"mch12345","exchange":{"CNY":0.2071}}`
	resp, err := testkit.NewClient(t, testkit.Answering(200, testkit.SignedAnswer(t, other))).RateQuery(t.Context(), testkit.GoodRateQuery())
	require.NoError(t, err)
	assert.Empty(t, resp.Rate)
	assert.Equal(t, other, string(resp.Data))
}

func TestAccountQueriesAreChecked(t *testing.T) {
	checkRequest(t, "merchant_info", testkit.GoodMerchantInfo, func(ctx context.Context, c *ksher.Client, r *ksher.MerchantInfoRequest) error {
		_, err := c.MerchantInfo(ctx, r)
		return err
	}, []change[ksher.MerchantInfoRequest]{
		{"good", func(*ksher.MerchantInfoRequest) {}, nil},
		{"the documented name", func(r *ksher.MerchantInfoRequest) { r.AppIDName = "mch_appid" }, nil},
		{"the SDKs' name", func(r *ksher.MerchantInfoRequest) { r.AppIDName = "appid" }, nil},
		{"another name", func(r *ksher.MerchantInfoRequest) { r.AppIDName = "app_id" }, []string{"AppIDName"}},
		{"a name of capitals", func(r *ksher.MerchantInfoRequest) { r.AppIDName = "APPID" }, []string{"AppIDName"}},
		{"the signature's name", func(r *ksher.MerchantInfoRequest) { r.AppIDName = "sign" }, []string{"AppIDName"}},
		{"a name that isn't UTF-8", func(r *ksher.MerchantInfoRequest) { r.AppIDName = "\xff" }, []string{"AppIDName"}},
		{"a blank name", func(r *ksher.MerchantInfoRequest) { r.AppIDName = " " }, []string{"AppIDName"}},
		{"another app ID beside", func(r *ksher.MerchantInfoRequest) { r.Extra = ksher.Extra{Params: map[string]string{"appid": "mch1"}} }, []string{"appid"}},
		{"another app ID as well", func(r *ksher.MerchantInfoRequest) {
			r.Extra = ksher.Extra{Params: map[string]string{"mch_appid": "mch1"}}
		}, []string{"mch_appid"}},
		{"another app ID beside the SDKs' name", func(r *ksher.MerchantInfoRequest) {
			r.AppIDName, r.Extra = "appid", ksher.Extra{Params: map[string]string{"mch_appid": "mch1"}}
		}, []string{"mch_appid"}},
	})
	checkRequest(t, "rate_query", testkit.GoodRateQuery, func(ctx context.Context, c *ksher.Client, r *ksher.RateQueryRequest) error {
		_, err := c.RateQuery(ctx, r)
		return err
	}, []change[ksher.RateQueryRequest]{
		{"good", func(*ksher.RateQueryRequest) {}, nil},
		{"a date of another form", func(r *ksher.RateQueryRequest) { r.Date = "2026-11-20" }, nil},
		{"a date of 32 characters", func(r *ksher.RateQueryRequest) { r.Date = testkit.Thai32 }, nil},
		{"a Thai day", func(r *ksher.RateQueryRequest) { r.Date = "25691101" }, []string{"date"}},
		{"a Thai day with hyphens", func(r *ksher.RateQueryRequest) { r.Date = "2568-11-01" }, []string{"date"}},
		{"a Thai day with slashes", func(r *ksher.RateQueryRequest) { r.Date = "2568/11/01" }, []string{"date"}},
		{"nothing", func(r *ksher.RateQueryRequest) { *r = ksher.RateQueryRequest{} }, []string{"channel", "fee_type", "date"}},
		{"no channel", func(r *ksher.RateQueryRequest) { r.Channel = "" }, []string{"channel"}},
		{"two channels", func(r *ksher.RateQueryRequest) { r.Channel = "wechat,alipay" }, []string{"channel"}},
		{"a currency in small letters", func(r *ksher.RateQueryRequest) { r.FeeType = "thb" }, []string{"fee_type"}},
		{"a blank date", func(r *ksher.RateQueryRequest) { r.Date = " \t" }, []string{"date"}},
		{"a long date", func(r *ksher.RateQueryRequest) { r.Date = testkit.Thai33 }, nil},
		{"a date that isn't UTF-8", func(r *ksher.RateQueryRequest) { r.Date = "\xff" }, []string{"date"}},
	})
}

// answerTo is the answer to an operation around that data, signed as its part.
func answerTo(t *testing.T, operation, data string) http.Handler {
	t.Helper()
	require.NotNil(t, testkit.Parts[operation])
	return testkit.Answering(200, testkit.SignedAnswer(t, data))
}

// The part that is signed has to be as it was signed. The rest is told by TLS
// alone.
func TestMerchantInfoIsSignedInPart(t *testing.T) {
	body := testkit.SignedFor(&http.Request{URL: mustURL(t, "/merchant_info")}, testkit.SignedAnswer(t, merchantData))
	ask := func(t *testing.T, body string) (*ksher.MerchantInfoResponse, error) {
		// Not answering, which would sign it anew.
		client := testkit.NewClient(t, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.Write([]byte(body)) }))
		return client.MerchantInfo(t.Context(), testkit.GoodMerchantInfo())
	}
	_, err := ask(t, body)
	require.NoError(t, err)
	_, err = ask(t, testkit.SignedAnswer(t, merchantData))
	require.ErrorIs(t, err, fault.ErrSignatureMismatch, "a signature of everything isn't one of the part")
	for _, signed := range []string{`"mobile":"0123"`, `"mch_appid":"mch12345","mch_id":"12345"`, `"Trial"`, `"offline"`, `"n1"`} {
		require.Contains(t, body, signed)
		changed := strings.Replace(body, signed, strings.NewReplacer("0123", "0124", `:"12345`, `:"12346`, "Trial", "Tried", "off", "on", "n1", "n2").Replace(signed), 1)
		_, err := ask(t, changed)
		require.ErrorIs(t, err, fault.ErrSignatureMismatch, signed)
	}
	resp, err := ask(t, strings.Replace(body, "1-2-3", "3-2-1", 1))
	require.NoError(t, err)
	assert.Equal(t, "3-2-1", resp.BankInfo.AccountID)

	for _, appID := range []string{"mch_appid", "appid"} {
		for _, name := range []string{"mch_appid", "appid"} {
			client := testkit.NewClient(t, answerTo(t, "merchant_info", `{"mch_id":"12345","`+name+`":"mch99999"}`))
			_, err := client.MerchantInfo(t.Context(), &ksher.MerchantInfoRequest{AppIDName: appID})
			require.ErrorIs(t, err, ksher.ErrOtherOrder, "%s is %s's", name, appID)
			require.NotErrorIs(t, err, ksher.ErrOutcomeUnknown)
		}
	}
	_, err = testkit.NewClient(t, answerTo(t, "merchant_info", `{"nonce_str":"n1","mch_appid":"mch12345"}`)).MerchantInfo(t.Context(), testkit.GoodMerchantInfo())
	require.ErrorIs(t, err, fault.ErrField)
	require.ErrorContains(t, err, "mch_id is missing")
}

// Nothing about the form of what isn't money keeps the rest from being told.
func TestMerchantInfoOfOtherForms(t *testing.T) {
	for name, value := range map[string]string{"empty texts": `""`, "null": `null`, "lists": `[]`, "a number": `0`, "a text": `"x"`, "objects": `{}`, "a list of lists": `[[]]`} {
		t.Run(name, func(t *testing.T) {
			data := `{"mch_id":"12345","country_info":` + value
			for _, member := range []string{"agency_info", "bank_info", "bd_info", "mch_name", "extra_info", "mch_support_channel", "operator_list",
				"country_support_channel", "rigist_time", "wht", "time_zone", "contact", "logo_url"} {
				data += `,"` + member + `":` + value
			}
			resp, err := testkit.NewClient(t, answerTo(t, "merchant_info", data+`}`)).MerchantInfo(t.Context(), testkit.GoodMerchantInfo())
			require.NoError(t, err)
			assert.Equal(t, "12345", resp.MchID)
			assert.Zero(t, resp.BankInfo)
			assert.Zero(t, resp.RegistTime)
			assert.Empty(t, resp.MchSupportChannel)
			assert.Empty(t, resp.OperatorList)
			assert.Equal(t, value, string(resp.ExtraInfo))
		})
	}
}

func TestMerchantInfoLocation(t *testing.T) {
	for text, want := range map[string]int{
		"+07:00": 7 * 3600, "+05:45": 5*3600 + 45*60, "-03:30": -(3*3600 + 30*60), "+00:00": 0, "+14:00": 14 * 3600, "-12:00": -12 * 3600,
	} {
		info := ksher.MerchantInfoResponse{TimeZone: text}
		zone, err := info.Location()
		require.NoError(t, err, text)
		at := time.Date(2026, 11, 21, 9, 0, 0, 0, zone)
		_, offset := at.Zone()
		assert.Equal(t, want, offset, text)
		assert.Equal(t, "UTC"+text, zone.String())
		_, err = ksher.NewClient(testkit.AppID, testkit.RSAKey(t, 1024), ksher.WithLocation(zone))
		require.NoError(t, err)
	}
	for _, text := range []string{
		"", "7", "+7", "+7:00", "07:00", "+0700", "+07", "+07:0", "+07:000", "+07:00 ", " +07:00", "+07:60", "+14:01", "-14:01", "+24:00", "-00:00",
		"UTC+7", "Asia/Bangkok", "Z", "+07:00:00", "+๐7:00", "\xff", strings.Repeat("+", 100_000),
	} {
		info := ksher.MerchantInfoResponse{TimeZone: text}
		zone, err := info.Location()
		require.ErrorIs(t, err, fault.ErrField, text)
		require.Nil(t, zone)
		require.Less(t, len(err.Error()), 1000)
	}
}

func FuzzMerchantInfoLocation(f *testing.F) {
	for _, seed := range []string{"+07:00", "-03:30", "", "+7", "+07:60", "-00:00", "+14:01", "Z", "\xff"} {
		f.Add(seed)
	}
	form := regexp.MustCompile(`^[+-](0\d|1[0-3]):[0-5]\d$|^[+-]14:00$`)
	f.Fuzz(func(t *testing.T, text string) {
		info := ksher.MerchantInfoResponse{TimeZone: text}
		zone, err := info.Location()
		require.Equal(t, form.MatchString(text) && text != "-00:00", err == nil, "%q: %v", text, err)
		if err == nil {
			require.Equal(t, text, time.Now().In(zone).Format("-07:00"))
		}
	})
}

// The local gateway tells what it does itself.
func TestMerchantInfoOfTheLocalGateway(t *testing.T) {
	gw := sandbox.New(t)
	info, err := gw.Client.MerchantInfo(t.Context(), testkit.GoodMerchantInfo())
	require.NoError(t, err)
	assert.Equal(t, sandbox.AppID, info.MchAppID)
	zone, err := info.Location()
	require.NoError(t, err)
	_, err = gw.Client.GatewayPay(t.Context(), testkit.GoodGatewayPay())
	require.NoError(t, err)
	require.NoError(t, gw.Pay(testkit.OrderNo, ksher.ChannelWeChat))
	client, err := gw.NewClient(ksher.WithLocation(zone))
	require.NoError(t, err)
	order, err := client.GatewayOrderQuery(t.Context(), &ksher.GatewayOrderQueryRequest{MchOrderNo: testkit.OrderNo})
	require.NoError(t, err)
	assert.True(t, gw.Now().Equal(order.TimeEnd))
}
