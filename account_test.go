package ksher_test

import (
	"net/http"
	"net/url"
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
	"github.com/ksher-go/ksher/kshertest"
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
		MchAppID: "mch12345", MasterMchID: "7", IsMasterMch: "Y",
		RegistTime: time.Date(2025, 12, 31, 23, 59, 58, 0, testkit.Bangkok), TimeZone: "+07:00",
		CountrySupportChannel: []ksher.Channel{ksher.ChannelPromptPay, ksher.ChannelWeChat, "brand_new"},
		AllowPartialRefund:    "Y",
		PriceFeeType:          "THB", SettlementFeeType: "USD", WHT: "3", MchNotifyURL: "https://tea.example/notify",
	}
}

func TestMerchantInfo(t *testing.T) {
	testkit.Holds(t, testkit.Clients, "merchant_info: the app ID goes as appid, although the table of parameters says mch_appid")
	tests := []struct {
		name string
		req  *ksher.MerchantInfoRequest
		want map[string]string
		// appID is where the app ID goes.
		appID string
	}{
		{"minimal", testkit.GoodMerchantInfo(), map[string]string{}, "appid"},
		{"the documented name", &ksher.MerchantInfoRequest{AppIDName: "mch_appid"}, map[string]string{}, "mch_appid"},
		{"the SDKs' name", &ksher.MerchantInfoRequest{AppIDName: "appid"}, map[string]string{}, "appid"},
		{"full", &ksher.MerchantInfoRequest{Extra: ksher.Extra{Params: map[string]string{"new": "1"}}}, map[string]string{"new": "1"}, "appid"},
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
	testkit.Holds(t, testkit.Clients, "rate_query: takes channel, fee_type and date")
	testkit.Holds(t, testkit.Assumed, "rate_query: answers under the names of the request, with rate")
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

// answerTo is the answer to an operation around that data, signed as its part.
func answerTo(t *testing.T, operation, data string) http.Handler {
	t.Helper()
	require.NotNil(t, testkit.Parts[operation])
	return testkit.Answering(200, testkit.SignedAnswer(t, data))
}

// The part that is signed has to be as it was signed. The rest is told by TLS
// alone.
func TestMerchantInfoIsSignedInPart(t *testing.T) {
	testkit.Holds(t, testkit.Genuine, "merchant_info: only mobile, mch_id, account_type, business_mode and nonce_str are signed")
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
	assert.Contains(t, string(resp.Data), `"account_id":"3-2-1"`)

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
			assert.Zero(t, resp.RegistTime)
			assert.Empty(t, resp.Channels())
			assert.Contains(t, string(resp.Data), `"extra_info":`+value)
		})
	}
}

func TestMerchantInfoLocation(t *testing.T) {
	testkit.Holds(t, testkit.Genuine, "merchant_info: time_zone is an offset such as +07:00")
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

func mustURL(tb testing.TB, address string) *url.URL {
	tb.Helper()
	u, err := url.Parse(address)
	require.NoError(tb, err)
	return u
}

func TestGetSettlementInfo(t *testing.T) {
	testkit.Holds(t, testkit.Clients, "get_settlement_info: the app ID goes as mch_appid")
	testkit.Holds(t, testkit.Assumed, "get_settlement_info: amounts are in cents")
	const data = `{"begin_date":"2026-11-01","end_date":"2026-11-20","nonce_str":"n1","settlement_data":[
		{"begin_date":"2026-11-18","commission_fee":150,"end_date":"2026-11-19","pay_channel":"wechat","settlement_amount":"9840",
		"settlement_date":"2026-11-20","transfer_amount":9840,"transfer_date":"2026-11-21","vat":10},
		{"begin_date":"2026-11-20","commission_fee":-15,"end_date":"2026-11-20","pay_channel":"brand_new","settlement_amount":-984,
		"settlement_date":"2026-11-21","transfer_amount":"","transfer_date":"","vat":-1}]}`
	request := func(changes ...func(*ksher.GetSettlementInfoRequest)) *ksher.GetSettlementInfoRequest {
		req := &ksher.GetSettlementInfoRequest{BeginDate: "2026-11-01", EndDate: "2026-11-20"}
		for _, change := range changes {
			change(req)
		}
		return req
	}
	tests := []struct {
		name  string
		req   *ksher.GetSettlementInfoRequest
		want  map[string]string
		appID string
	}{
		{"minimal", request(), map[string]string{"begin_date": "2026-11-01", "end_date": "2026-11-20"}, "mch_appid"},
		{"the SDK's name", request(func(r *ksher.GetSettlementInfoRequest) { r.AppIDName = "appid" }),
			map[string]string{"begin_date": "2026-11-01", "end_date": "2026-11-20"}, "appid"},
		{"full", request(func(r *ksher.GetSettlementInfoRequest) {
			r.PayChannel, r.AppIDName, r.Extra = ksher.ChannelWeChat, "mch_appid", ksher.Extra{Params: map[string]string{"new": "1"}}
		}), map[string]string{"begin_date": "2026-11-01", "end_date": "2026-11-20", "pay_channel": "wechat", "new": "1"}, "mch_appid"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			rec := testkit.Recording(answerTo(t, "get_settlement_info", data))
			client := testkit.OfflineClient(t, testkit.AppID, rec, testkit.TrustTestKey(t))
			resp, err := client.GetSettlementInfo(t.Context(), tt.req)
			require.NoError(t, err)
			assert.Equal(t, "https://api.mch.ksher.net/KsherPay/get_settlement_info", rec.Only(t).URL.String())
			testkit.RequireParameters(t, rec.Only(t), tt.want)
			assert.Equal(t, testkit.AppID, rec.Only(t).PostForm.Get(tt.appID))
			assert.Equal(t, &ksher.GetSettlementInfoResponse{
				Answer: testkit.WantAnswer(data), BeginDate: "2026-11-01", EndDate: "2026-11-20", NonceStr: "n1",
				SettlementData: []ksher.SettlementRow{
					{
						BeginDate: "2026-11-18", EndDate: "2026-11-19", SettlementDate: "2026-11-20", TransferDate: "2026-11-21",
						PayChannel: ksher.ChannelWeChat, SettlementAmount: 98_40, TransferAmount: 98_40, CommissionFee: 1_50, VAT: 10,
					},
					{
						BeginDate: "2026-11-20", EndDate: "2026-11-20", SettlementDate: "2026-11-21",
						PayChannel: "brand_new", SettlementAmount: -9_84, CommissionFee: -15, VAT: -1,
					},
				},
			}, resp)
		})
	}
}

// The days are signed, so that an answer to another question doesn't pass.
func TestGetSettlementInfoIsTheAnswerToTheQuestion(t *testing.T) {
	testkit.Holds(t, testkit.Genuine, "get_settlement_info: the two days and nonce_str are signed, and none of the rows is")
	const row = `{"begin_date":"2026-11-20","pay_channel":"wechat","settlement_amount":100}`
	tests := []struct {
		name, data string
		want       error
		says       string
	}{
		{"right", `{"begin_date":"2026-11-20","end_date":"2026-11-20","settlement_data":[` + row + `]}`, nil, ""},
		{"ours", `{"begin_date":"2026-11-20","end_date":"2026-11-20","mch_appid":"mch12345","settlement_data":[]}`, nil, ""},
		{"without rows", `{"begin_date":"2026-11-20","end_date":"2026-11-20","settlement_data":[]}`, nil, ""},
		{"without rows, written as null", `{"begin_date":"2026-11-20","end_date":"2026-11-20","settlement_data":null}`, nil, ""},
		{"without rows, written as a text", `{"begin_date":"2026-11-20","end_date":"2026-11-20","settlement_data":""}`, nil, ""},
		{"other first day", `{"begin_date":"2026-11-19","end_date":"2026-11-20","settlement_data":[]}`, ksher.ErrOtherOrder, "begin_date"},
		{"a first day in a list", `{"begin_date":["2026-11-20"],"end_date":"2026-11-20","settlement_data":[]}`, ksher.ErrOtherOrder, "begin_date"},
		{"other last day", `{"begin_date":"2026-11-20","end_date":"2026-11-21","settlement_data":[]}`, ksher.ErrOtherOrder, "end_date"},
		{"another merchant", `{"begin_date":"2026-11-20","end_date":"2026-11-20","mch_appid":"mch9","settlement_data":[]}`, ksher.ErrOtherOrder, "mch_appid"},
		{"another merchant, in the other name", `{"begin_date":"2026-11-20","end_date":"2026-11-20","appid":"mch9","settlement_data":[]}`, ksher.ErrOtherOrder, "appid"},
		{"no first day", `{"end_date":"2026-11-20","settlement_data":[]}`, fault.ErrField, "begin_date is missing"},
		{"an empty first day", `{"begin_date":"","end_date":"2026-11-20","settlement_data":[]}`, fault.ErrField, "begin_date is missing"},
		{"no last day", `{"begin_date":"2026-11-20","settlement_data":[]}`, fault.ErrField, "end_date is missing"},
		{"nothing about rows", `{"begin_date":"2026-11-20","end_date":"2026-11-20"}`, fault.ErrField, "settlement_data is missing"},
		{"an object of rows", `{"begin_date":"2026-11-20","end_date":"2026-11-20","settlement_data":{}}`, fault.ErrField, "settlement_data"},
		{"rows in a text", `{"begin_date":"2026-11-20","end_date":"2026-11-20","settlement_data":"[]"}`, fault.ErrField, "settlement_data"},
		{"a row that isn't one", `{"begin_date":"2026-11-20","end_date":"2026-11-20","settlement_data":[` + row + `,null]}`, fault.ErrField, "element 1"},
		{"an amount with a fraction", `{"begin_date":"2026-11-20","end_date":"2026-11-20","settlement_data":[{"settlement_amount":"1.00"}]}`, fault.ErrField, "settlement_amount"},
		{"a fee in words", `{"begin_date":"2026-11-20","end_date":"2026-11-20","settlement_data":[{"commission_fee":"much"}]}`, fault.ErrField, "commission_fee"},
		{"a tax with a fraction", `{"begin_date":"2026-11-20","end_date":"2026-11-20","settlement_data":[{"vat":0.5}]}`, fault.ErrField, "vat"},
		{"a transfer that is a list", `{"begin_date":"2026-11-20","end_date":"2026-11-20","settlement_data":[{"transfer_amount":[]}]}`, fault.ErrField, "transfer_amount"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			for _, name := range []string{"", "mch_appid", "appid"} {
				req := testkit.GoodSettlementInfo()
				req.AppIDName = name
				resp, err := testkit.NewClient(t, answerTo(t, "get_settlement_info", tt.data)).GetSettlementInfo(t.Context(), req)
				if tt.want == nil {
					require.NoError(t, err)
					continue
				}
				require.ErrorIs(t, err, tt.want)
				require.ErrorContains(t, err, tt.says)
				require.NotErrorIs(t, err, ksher.ErrOutcomeUnknown)
				require.Nil(t, resp)
			}
		})
	}
}

// A merchant's mock can say what the local gateway doesn't.
func TestSignedInPartByTheTestPackage(t *testing.T) {
	settled := &ksher.GetSettlementInfoResponse{BeginDate: "2026-11-20", EndDate: "2026-11-20", NonceStr: "n1", SettlementData: []ksher.SettlementRow{
		{BeginDate: "2026-11-20", EndDate: "2026-11-20", SettlementDate: "2026-11-21", PayChannel: ksher.ChannelCard, SettlementAmount: -5, CommissionFee: -1, VAT: 1, TransferAmount: 7, TransferDate: "2026-11-22"},
	}}
	merchant := merchantAnswer()
	merchant.Answer = ksher.Answer{}
	ask := func(t *testing.T, data any, call func(*ksher.Client) error) error {
		client := testkit.NewClient(t, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.Write(kshertest.SignedResponse(data)) }),
			ksher.WithVerifier(kshertest.Verifier()))
		return call(client)
	}
	for name, data := range map[string]any{"value": *settled, "pointer": settled} {
		require.NoError(t, ask(t, data, func(c *ksher.Client) error {
			got, err := c.GetSettlementInfo(t.Context(), testkit.GoodSettlementInfo())
			if err == nil {
				got.Answer = ksher.Answer{}
				require.Equal(t, settled, got)
			}
			return err
		}), name)
	}
	for name, data := range map[string]any{"value": *merchant, "pointer": merchant} {
		require.NoError(t, ask(t, data, func(c *ksher.Client) error {
			got, err := c.MerchantInfo(t.Context(), testkit.GoodMerchantInfo())
			if err == nil {
				got.Answer = ksher.Answer{}
				require.Equal(t, merchant, got)
			}
			return err
		}), name)
	}
}
