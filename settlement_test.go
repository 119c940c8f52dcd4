package ksher_test

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/ksher-go/ksher"
	"github.com/ksher-go/ksher/internal/fault"
	"github.com/ksher-go/ksher/internal/testkit"
	"github.com/ksher-go/ksher/kshertest"
)

func mustURL(tb testing.TB, address string) *url.URL {
	tb.Helper()
	u, err := url.Parse(address)
	require.NoError(tb, err)
	return u
}

func TestGetSettlementInfo(t *testing.T) {
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

func TestGetSettlementInfoIsChecked(t *testing.T) {
	type req = ksher.GetSettlementInfoRequest
	changes := []change[req]{
		{"good", func(*req) {}, nil},
		{"one channel", func(r *req) { r.PayChannel = "brand_new" }, nil},
		{"the SDK's name", func(r *req) { r.AppIDName = "appid" }, nil},
		{"nothing", func(r *req) { *r = req{} }, []string{"begin_date", "end_date"}},
		{"the wrong way round", func(r *req) { r.BeginDate = "2026-11-21" }, []string{"end_date"}},
		{"the wrong way round by a year", func(r *req) { r.EndDate = "2025-12-31" }, []string{"end_date"}},
		{"two channels", func(r *req) { r.PayChannel = "wechat,alipay" }, []string{"pay_channel"}},
		{"another name", func(r *req) { r.AppIDName = "app_id" }, []string{"AppIDName"}},
		{"another app ID beside", func(r *req) { r.Extra = ksher.Extra{Params: map[string]string{"appid": "mch1"}} }, []string{"appid"}},
		{"everything wrong", func(r *req) { *r = req{BeginDate: "x", EndDate: "\xff", PayChannel: " ", AppIDName: "x"} },
			[]string{"AppIDName", "begin_date", "end_date", "pay_channel", "end_date"}},
	}
	for _, date := range []string{
		"", " ", "20261120", "2026-11-2", "2026-1-20", "26-11-20", "2026-02-29", "2026-11-31", "2026-13-01", "2026-11-20 ", "2026-11-20T00:00:00Z",
		"2568-11-01", "2567-02-29", "2126-11-20", "1926-11-20",
		"20/11/2026", "๒๐๒๖-๑๑-๒๐", strings.Repeat("2026-11-20", 10_000),
	} {
		changes = append(changes,
			change[req]{"from " + date[:min(len(date), 12)], func(r *req) { r.BeginDate = date }, []string{"begin_date"}},
			change[req]{"until " + date[:min(len(date), 12)], func(r *req) { r.EndDate = date }, []string{"end_date"}})
	}
	checkRequest(t, "get_settlement_info", testkit.GoodSettlementInfo, func(ctx context.Context, c *ksher.Client, r *req) error {
		_, err := c.GetSettlementInfo(ctx, r)
		return err
	}, changes)
}

// The days are signed, so that an answer to another question doesn't pass.
func TestGetSettlementInfoIsTheAnswerToTheQuestion(t *testing.T) {
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
	merchant.MchSupportChannel[1].SingleOrderLimit = 7
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

// Genuine answers of the account go the whole way, and each of their values
// comes out in the field of its name. They name people, so none of them is here.
func TestGenuineAccountAnswers(t *testing.T) {
	genuine := map[string]func(c *ksher.Client, data map[string]any) (any, error){
		"merchant_info_partial": func(c *ksher.Client, _ map[string]any) (any, error) {
			resp, err := c.MerchantInfo(t.Context(), testkit.GoodMerchantInfo())
			if err != nil {
				return nil, err
			}
			_, err = resp.Location()
			return *resp, err
		},
		"settlement_info_partial": func(c *ksher.Client, data map[string]any) (any, error) {
			resp, err := c.GetSettlementInfo(t.Context(), &ksher.GetSettlementInfoRequest{BeginDate: data["begin_date"].(string), EndDate: data["end_date"].(string)})
			if err != nil {
				return nil, err
			}
			return *resp, nil
		},
	}
	done := 0
	for _, v := range testkit.ReadVectors(t, "../shared/vectors/responses-v1.json") {
		call := genuine[v.Name]
		if call == nil {
			continue
		}
		done++
		t.Run(v.Name, func(t *testing.T) {
			decoder := json.NewDecoder(strings.NewReader(string(v.Data)))
			decoder.UseNumber()
			var data map[string]any
			require.NoError(t, decoder.Decode(&data))
			appID := testkit.AppID
			if own, ok := data["mch_appid"].(string); ok {
				appID = own
			}
			body := fmt.Sprintf(`{"code":0,"data":%s,"sign":%q}`, v.Data, v.Sign)
			resp, err := call(testkit.OfflineClient(t, appID, testkit.Answering(200, body)), data)
			require.NoError(t, err)
			// The names and not the values are in the messages.
			requireSame(t, v.Name, data, reflect.ValueOf(resp))
		})
	}
	require.Equal(t, len(genuine), done)
}

// requireSame compares JSON with the fields of the names in it, and demands that
// each of its values has a field.
func requireSame(t *testing.T, at string, want any, got reflect.Value) {
	t.Helper()
	switch want := want.(type) {
	case map[string]any:
		if got.Type() == reflect.TypeFor[json.RawMessage]() {
			text, err := json.Marshal(want)
			require.NoError(t, err)
			require.True(t, string(text) == string(got.Bytes()), at)
			return
		}
		fields := map[string]reflect.Value{}
		for i := range got.NumField() {
			fields[got.Type().Field(i).Tag.Get("json")] = got.Field(i)
		}
		for name, value := range want {
			require.Contains(t, fields, name, at)
			requireSame(t, at+"."+name, value, fields[name])
		}
	case []any:
		require.Equal(t, len(want), got.Len(), at)
		for i := range want {
			requireSame(t, fmt.Sprintf("%s[%d]", at, i), want[i], got.Index(i))
		}
	default:
		text := fmt.Sprint(got)
		if moment, ok := got.Interface().(time.Time); ok {
			text = moment.Format(time.DateTime)
		} else if got.CanInt() {
			text = fmt.Sprint(got.Int())
		}
		require.True(t, fmt.Sprint(want) == text, "%s differs", at)
	}
}
