package sandbox

import (
	"cmp"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/ksher-go/ksher"
)

func accountOperations() []operation {
	return []operation{
		{"/KsherPay/merchant_info", nil, (*Gateway).merchantInfo},
		{"/KsherPay/rate_query", []string{"channel", "fee_type", "date"}, (*Gateway).rateQuery},
		{"/KsherPay/get_settlement_info", []string{"begin_date", "end_date"}, (*Gateway).settlementInfo},
	}
}

// signedParts names the members of data that are signed, by operation. Every
// other operation signs all of them.
var signedParts = map[string][]string{
	"merchant_info":       {"mobile", "mch_id", "account_type", "business_mode", "nonce_str"},
	"get_settlement_info": {"begin_date", "end_date", "nonce_str"},
}

// signedPart is what is signed of an answer of that type, nil for all.
func signedPart(data any) []string {
	switch data.(type) {
	case ksher.MerchantInfoResponse, *ksher.MerchantInfoResponse:
		return signedParts["merchant_info"]
	case ksher.GetSettlementInfoResponse, *ksher.GetSettlementInfoResponse:
		return signedParts["get_settlement_info"]
	}
	return nil
}

// appID is the app ID that a request names. For what is signed in part Ksher
// documents another name, and its SDKs use both.
func (op operation) appID(p url.Values) string {
	if signedParts[op.name()] != nil && p.Has("mch_appid") {
		return p.Get("mch_appid")
	}
	return p.Get("appid")
}

// mchID is a merchant's number.
func mchID(appID string) string { return strings.TrimPrefix(appID, "mch") }

// merchantInfo tells the merchant's account. All of it but the channels, the
// zone and the kind of account is made up.
func (g *Gateway) merchantInfo(p url.Values) (any, ksher.Code) {
	id := cmp.Or(p.Get("mch_appid"), p.Get("appid"))
	mchID := mchID(id)
	opened := time.Date(2020, time.January, 1, 0, 0, 0, 0, zone)
	answer := ksher.MerchantInfoResponse{
		Mobile: "000000000", MchID: mchID, AccountType: "Test", BusinessMode: string(g.account), NonceStr: p.Get("nonce_str"),
		MchAppID: id, MasterMchID: mchID, IsMasterMch: "N", MerchantType: "Test", Contact: "kshertest",
		MchName:    ksher.MchName{MerchantName: "Kshertest Co., Ltd.", MchBriefName: stall},
		RegistTime: opened,

		BusinessAddressCode: "50200", CityNameTH: "เชียงใหม่", CityNameEN: "Chiang Mai", CityNameCN: "清迈",
		CountryInfo: ksher.CountryInfo{CountryName: "Thailand", PhoneCode: "+66"},
		TimeZone:    g.now().In(zone).Format("-07:00"),

		AllowPartialRefund: "Y", AllowRemotePay: "N", HasOpenUseCoupon: "N",
		PriceFeeType: "THB", SettlementFeeType: "THB", WHT: "0",

		BankInfo:     ksher.BankInfo{AccountID: "000-0-00000-0", AccountName: "Kshertest Co., Ltd.", BankName: "Kshertest Bank", SwiftCode: "TESTTHBK"},
		AgencyInfo:   ksher.AgencyInfo{AgencyName: "Kshertest Agency", Mobile: "000000000"},
		BDInfo:       ksher.BDInfo{BDName: "Nobody", Mobile: "000000000"},
		OperatorList: []ksher.Operator{{OperatorID: "1", Operator: "Cashier", MchID: mchID, RuleID: "1", State: "0", AddTime: opened}},
		ExtraInfo:    []byte("{}"),
	}
	for _, c := range ksher.Channels() {
		answer.CountrySupportChannel = append(answer.CountrySupportChannel, c.Channel)
		if c.GatewayPay || g.account != OnlineAccount && c.NativePayOffline || g.account != OfflineAccount && c.NativePayOnline {
			answer.MchSupportChannel = append(answer.MchSupportChannel, ksher.SupportChannel{
				PayChannel: c.Channel, SettlementTimeType: "T+1", SingleOrderLimit: -1, DaySumLimit: -1,
			})
		}
	}
	return answer, ""
}

// rateQuery answers the rate of the gateway's orders, whatever the channel and
// the day.
func (g *Gateway) rateQuery(p url.Values) (any, ksher.Code) {
	return ksher.RateQueryResponse{
		AppID: appID(p), Channel: ksher.Channel(p.Get("channel")), FeeType: p.Get("fee_type"), Date: p.Get("date"),
		Rate: "1.000000", NonceStr: p.Get("nonce_str"),
	}, ""
}

// settlementInfo settles a day's payments less the day's refunds, each channel in
// a row of its own, on the next day (T+1). It takes no commission. What Settle
// has played is transferred on the day of the settlement, and is in a row at
// once.
func (g *Gateway) settlementInfo(p url.Values) (any, ksher.Code) {
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
	}
	rows := make(map[key]*ksher.SettlementRow)
	today := g.now().In(zone).Format(time.DateOnly)
	count := func(o *order, at time.Time, fee ksher.Amount) {
		at = at.In(zone)
		k := key{at.Format(time.DateOnly), o.Channel}
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
	merchant := cmp.Or(p.Get("mch_appid"), p.Get("appid"))
	for _, o := range g.list {
		if channel := ksher.Channel(p.Get("pay_channel")); o.AppID != merchant || o.PaidAt.IsZero() || o.Payout || o.VIP != "" || channel != "" && channel != o.Channel {
			continue
		}
		count(o, o.PaidAt, o.Total)
		for _, r := range o.Refunds {
			count(o, r.RefundTime, -r.MchRefundFee)
		}
	}
	answer := ksher.GetSettlementInfoResponse{BeginDate: begin, EndDate: end, NonceStr: p.Get("nonce_str")}
	for _, row := range rows {
		answer.SettlementData = append(answer.SettlementData, *row)
	}
	slices.SortFunc(answer.SettlementData, func(a, b ksher.SettlementRow) int {
		return cmp.Or(strings.Compare(a.BeginDate, b.BeginDate), strings.Compare(string(a.PayChannel), string(b.PayChannel)))
	})
	return answer, ""
}
