package api

import (
	"cmp"
	"encoding/json"
	"maps"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/ksher-go/ksher"
	"github.com/ksher-go/ksher/internal/sandbox/core"
	"github.com/ksher-go/ksher/internal/sandbox/promptpay"
)

func accountOperations() []operation {
	return []operation{
		{"/KsherPay/merchant_info", nil, (*Server).merchantInfo},
		{"/KsherPay/rate_query", []string{"channel", "fee_type", "date"}, (*Server).rateQuery},
		{"/KsherPay/get_settlement_info", []string{"begin_date", "end_date"}, (*Server).settlementInfo},
	}
}

// SignedParts names the members of data that are signed, by operation. Every
// other operation signs all of them. Nothing changes it.
var SignedParts = map[string][]string{
	"merchant_info":       {"mobile", "mch_id", "account_type", "business_mode", "nonce_str"},
	"get_settlement_info": {"begin_date", "end_date", "nonce_str"},
}

// signedPart is what is signed of an answer of that type, nil for all.
func signedPart(data any) []string {
	switch data.(type) {
	case ksher.MerchantInfoResponse, *ksher.MerchantInfoResponse:
		return SignedParts["merchant_info"]
	case ksher.GetSettlementInfoResponse, *ksher.GetSettlementInfoResponse:
		return SignedParts["get_settlement_info"]
	}
	return nil
}

// appID is the app ID that a request names. For what is signed in part Ksher
// documents another name, and its SDKs use both.
func (op operation) appID(p url.Values) string {
	if SignedParts[op.name()] != nil && p.Has("mch_appid") {
		return p.Get("mch_appid")
	}
	return p.Get("appid")
}

// merchant is the app ID of whom a request is answered to.
func (op operation) merchant(p url.Values) string { return cmp.Or(op.appID(p), core.AppID) }

// mchID is a merchant's number.
func mchID(appID string) string { return strings.TrimPrefix(appID, "mch") }

// merchantAccount is the whole answer to merchant_info, with what the client leaves in Data.
type merchantAccount struct {
	ksher.MerchantInfoResponse
	MchName             map[string]string   `json:"mch_name"`
	MerchantType        string              `json:"merchant_type"`
	LogoURL             string              `json:"logo_url"`
	Contact             string              `json:"contact"`
	BusinessAddressCode string              `json:"business_address_code"`
	CityNameTH          string              `json:"city_name_th"`
	CityNameEN          string              `json:"city_name_en"`
	CityNameCN          string              `json:"city_name_cn"`
	CountryInfo         map[string]string   `json:"country_info"`
	AllowRemotePay      string              `json:"allow_remote_pay"`
	HasOpenUseCoupon    string              `json:"has_open_use_coupon"`
	MchSupportChannel   []map[string]any    `json:"mch_support_channel"`
	BankInfo            map[string]string   `json:"bank_info"`
	AgencyInfo          map[string]string   `json:"agency_info"`
	BDInfo              map[string]string   `json:"bd_info"`
	OperatorList        []map[string]string `json:"operator_list"`
	ExtraInfo           map[string]string   `json:"extra_info"`
	WHT                 json.Number         `json:"wht"`
}

// merchantInfo tells the merchant's account. All of it but the channels, the
// zone and the kind of account is made up.
func (s *Server) merchantInfo(tx *core.Tx, p url.Values, l *core.Leniency) (any, ksher.Code) {
	id := cmp.Or(p.Get("mch_appid"), p.Get("appid"))
	mchID := mchID(id)
	terms := tx.Terms(id)
	opened := time.Date(2020, time.January, 1, 0, 0, 0, 0, terms.Location())
	answer := merchantAccount{
		MerchantInfoResponse: ksher.MerchantInfoResponse{
			Mobile: "000000000", MchID: mchID, AccountType: "Test", BusinessMode: string(cmp.Or(terms.Account, core.OnlineAccount)), NonceStr: p.Get("nonce_str"),
			MchAppID: id, MasterMchID: mchID, IsMasterMch: "N", RegistTime: opened,
			TimeZone:           opened.Format("-07:00"),
			AllowPartialRefund: "Y", PriceFeeType: terms.Currency(), SettlementFeeType: terms.Currency(),
		},
		MchName:      map[string]string{"merchant_name": "Kshertest Co., Ltd.", "mch_brief_name": promptpay.Stall},
		MerchantType: "Test", Contact: "kshertest", LogoURL: "https://kshertest.example/logo.png",
		BusinessAddressCode: "50200", CityNameTH: "เชียงใหม่", CityNameEN: "Chiang Mai", CityNameCN: "清迈",
		CountryInfo:    map[string]string{"country_name": "Thailand", "phone_code": "+66"},
		AllowRemotePay: "N", HasOpenUseCoupon: "N",
		BankInfo: map[string]string{
			"account_id": "000-0-00000-0", "account_name": "Kshertest Co., Ltd.", "bank_name": "Kshertest Bank", "swift_code": "TESTTHBK",
		},
		AgencyInfo: map[string]string{"agency_name": "Kshertest Agency", "mobile": "000000000"},
		BDInfo:     map[string]string{"bd_name": "Nobody", "mobile": "000000000"},
		OperatorList: []map[string]string{{
			"operator_id": "1", "operator": "Cashier", "mch_id": mchID, "rule_id": "1", "state": "0", "add_time": opened.Format(time.DateTime),
		}},
		ExtraInfo: map[string]string{}, WHT: "0",
	}
	for _, c := range ksher.Channels() {
		answer.CountrySupportChannel = append(answer.CountrySupportChannel, c.Channel)
		if terms.Offers(c.Channel) && (c.GatewayPay || scannable(terms.Account, c)) {
			answer.MchSupportChannel = append(answer.MchSupportChannel, map[string]any{
				"pay_channel": string(c.Channel), "settlement_time_type": "T+1", "single_order_limit": -1, "day_sum_limit": -1,
			})
		}
	}
	return answer, ""
}

// scannable tells whether native_pay has a channel for an account of that kind.
func scannable(a core.Account, c ksher.ChannelInfo) bool {
	return a != core.OnlineAccount && c.NativePayOffline || a != core.OfflineAccount && c.NativePayOnline
}

// rateQuery answers the rate of the merchant's orders, each of which is settled in its own
// currency, whatever the channel and the day.
func (s *Server) rateQuery(tx *core.Tx, p url.Values, l *core.Leniency) (any, ksher.Code) {
	if !tx.Terms(appID(p)).Takes(p.Get("fee_type")) {
		return nil, ksher.CodeKsherFeeTypeNotMatch
	}
	return ksher.RateQueryResponse{
		AppID: appID(p), Channel: ksher.Channel(p.Get("channel")), FeeType: p.Get("fee_type"), Date: p.Get("date"),
		Rate: "1.000000", NonceStr: p.Get("nonce_str"),
	}, ""
}

// settlementAnswer is the answer to get_settlement_info, whose sums are numbers also where
// they are zero.
type settlementAnswer struct {
	ksher.GetSettlementInfoResponse
	SettlementData []settlementRow `json:"settlement_data"`
}

type settlementRow struct {
	ksher.SettlementRow
	SettlementAmount json.Number `json:"settlement_amount"`
	TransferAmount   json.Number `json:"transfer_amount"`
	CommissionFee    json.Number `json:"commission_fee"`
	VAT              json.Number `json:"vat"`
}

func newSettlementRow(r ksher.SettlementRow) settlementRow {
	number := func(a ksher.Amount) json.Number { return json.Number(strconv.FormatInt(int64(a), 10)) }
	return settlementRow{r, number(r.SettlementAmount), number(r.TransferAmount), number(r.CommissionFee), number(r.VAT)}
}

// settlementInfo settles a day's payments less the day's refunds, each channel in
// a row of its own, and so is each currency, on the next day (T+1). It takes no commission. What Settle
// has played is transferred on the day of the settlement, and is in a row at
// once.
func (s *Server) settlementInfo(tx *core.Tx, p url.Values, l *core.Leniency) (any, ksher.Code) {
	begin, end := p.Get("begin_date"), p.Get("end_date")
	for _, date := range []string{begin, end} {
		if _, err := time.Parse(time.DateOnly, date); err != nil {
			return nil, ksher.CodeKsherInvalidParam
		}
	}
	if begin > end {
		return nil, ksher.CodeKsherInvalidParam
	}
	type key struct {
		day     string
		channel ksher.Channel
		feeType string
	}
	merchant := cmp.Or(p.Get("mch_appid"), p.Get("appid"))
	zone := tx.Terms(merchant).Location()
	rows := make(map[key]*ksher.SettlementRow)
	today := tx.Now().In(zone).Format(time.DateOnly)
	count := func(o *core.Entry, at time.Time, fee ksher.Amount) {
		at = at.In(zone)
		k := key{at.Format(time.DateOnly), o.Channel, o.FeeType}
		if k.day < begin || end < k.day || k.day >= today && !o.Settled {
			return
		}
		row := rows[k]
		if row == nil {
			row = &ksher.SettlementRow{BeginDate: k.day, EndDate: k.day, SettlementDate: at.AddDate(0, 0, 1).Format(time.DateOnly), PayChannel: k.channel}
			rows[k] = row
		}
		row.SettlementAmount += fee
		if o.Settled {
			row.TransferDate = row.SettlementDate
			row.TransferAmount += fee
		}
	}
	for o := range tx.All() {
		if channel := ksher.Channel(p.Get("pay_channel")); o.AppID != merchant || o.PaidAt.IsZero() || o.Payout || o.API != "" || channel != "" && channel != o.Channel {
			continue
		}
		count(o, o.PaidAt, o.Total)
		for _, r := range o.Refunds {
			count(o, r.RefundTime, -r.MchRefundFee)
		}
	}
	answer := settlementAnswer{GetSettlementInfoResponse: ksher.GetSettlementInfoResponse{BeginDate: begin, EndDate: end, NonceStr: p.Get("nonce_str")}}
	for _, k := range slices.SortedFunc(maps.Keys(rows), func(a, b key) int {
		return cmp.Or(cmp.Compare(a.day, b.day), cmp.Compare(a.channel, b.channel), cmp.Compare(a.feeType, b.feeType))
	}) {
		answer.SettlementData = append(answer.SettlementData, newSettlementRow(*rows[k]))
	}
	return answer, ""
}
