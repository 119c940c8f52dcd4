package ksher

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"github.com/ksher-go/ksher/internal/day"
	"github.com/ksher-go/ksher/internal/fault"
)

// Names of the parameter that has the app ID.
const (
	appIDOfOrders  = "appid"
	appIDOfAccount = "mch_appid"
)

// accountAppID is the name of the app ID in a request about the account: the
// documented one, unless the caller has chosen the other.
func accountAppID(chosen string) string {
	if chosen == appIDOfOrders {
		return chosen
	}
	return appIDOfAccount
}

// accountAppID checks the choice of a name for the app ID, and that no other app
// ID goes with it under the name that wasn't chosen.
func (c *checker) accountAppID(chosen string, extra Extra) {
	if chosen != "" && chosen != appIDOfAccount && chosen != appIDOfOrders {
		c.Refuse("AppIDName", "is %q, not one of %s, %s", clipText(chosen), appIDOfAccount, appIDOfOrders)
	}
	for name := range extra.Params {
		other := strings.EqualFold(name, appIDOfAccount) || strings.EqualFold(name, appIDOfOrders)
		if other && !strings.EqualFold(name, accountAppID(chosen)) {
			c.Refuse(name, "is in Extra; set AppIDName to send the app ID under this name")
		}
	}
}

// MerchantInfoRequest asks about the merchant's own account.
//
// Source: the parameters of merchant_info in Ksher's API documentation.
type MerchantInfoRequest struct {
	// AppIDName is the name of the parameter that has the app ID: "mch_appid" or
	// "" as documented, or "appid" as Ksher's SDKs have it. Which of them the
	// gateway needs is not documented any further.
	AppIDName string `url:"-"`

	Extra `url:"-"`
}

func (r *MerchantInfoRequest) numbers() (orderNo, refundNo string) { return "", "" }
func (r *MerchantInfoRequest) appIDName() string                   { return accountAppID(r.AppIDName) }
func (r *MerchantInfoRequest) check(c *checker)                    { c.accountAppID(r.AppIDName, r.Extra) }

// MerchantInfoResponse is the answer to [Client.MerchantInfo]. It names people,
// telephone numbers and a bank account, so keep it out of logs.
//
// Only Mobile, MchID, AccountType, BusinessMode and NonceStr are signed. For
// every other field nothing but TLS vouches: don't pay money to the bank account
// that it names.
//
// Source: a genuine answer. What the fields mean is not documented, and taken
// from their names.
type MerchantInfoResponse struct {
	Answer `json:"-"`
	// Mobile is the merchant's telephone number. It is signed.
	Mobile string `json:"mobile"`
	// MchID is the merchant's number, which the app ID has after "mch". It is
	// signed.
	MchID string `json:"mch_id"`
	// AccountType is the state of the account. Its values are not documented. It
	// is signed.
	AccountType string `json:"account_type"`
	// BusinessMode is the kind of account, such as "online". Its values are not
	// documented. It is signed.
	BusinessMode string `json:"business_mode"`
	// NonceStr is random. It is signed.
	NonceStr string `json:"nonce_str"`

	// MchAppID is the merchant's app ID. With another one than the client's the
	// call is an [ErrOtherOrder].
	MchAppID string `json:"mch_appid"`
	// MasterMchID is the number of the merchant that this one belongs to.
	MasterMchID string `json:"master_mch_id"`
	// IsMasterMch is "Y" if other merchants belong to this one, otherwise "N".
	IsMasterMch string `json:"is_master_mch"`
	// MerchantType is the merchant's legal form.
	MerchantType string `json:"merchant_type"`
	// MchName has the merchant's names.
	MchName MchName `json:"mch_name"`
	// Contact is the person to ask for.
	Contact string `json:"contact"`
	// LogoURL is the address of the merchant's logo.
	LogoURL string `json:"logo_url"`
	// RegistTime is when the account was registered, read in the client's zone;
	// zero if not given. Ksher spells it rigist_time.
	RegistTime time.Time `json:"rigist_time"`

	// BusinessAddressCode is the postal code.
	BusinessAddressCode string `json:"business_address_code"`
	// CityNameTH is the city in Thai.
	CityNameTH string `json:"city_name_th"`
	// CityNameEN is the city in English.
	CityNameEN string `json:"city_name_en"`
	// CityNameCN is the city in Chinese.
	CityNameCN string `json:"city_name_cn"`
	// CountryInfo is the country.
	CountryInfo CountryInfo `json:"country_info"`
	// TimeZone is the zone of the times in every answer, such as "+07:00".
	// [MerchantInfoResponse.Location] reads it.
	TimeZone string `json:"time_zone"`

	// MchSupportChannel has the channels of this merchant.
	MchSupportChannel []SupportChannel `json:"mch_support_channel" wire:"loose"`
	// CountrySupportChannel has the channels of the merchant's country.
	CountrySupportChannel []Channel `json:"country_support_channel" wire:"loose"`
	// AllowPartialRefund is "Y" if an order may be refunded in part, otherwise
	// "N".
	AllowPartialRefund string `json:"allow_partial_refund"`
	// AllowRemotePay is "Y" or "N". What it allows is not documented.
	AllowRemotePay string `json:"allow_remote_pay"`
	// HasOpenUseCoupon is "Y" or "N": whether coupons are taken.
	HasOpenUseCoupon string `json:"has_open_use_coupon"`
	// PriceFeeType is the currency of the merchant's prices.
	PriceFeeType string `json:"price_fee_type"`
	// SettlementFeeType is the currency in which Ksher pays the merchant.
	SettlementFeeType string `json:"settlement_fee_type"`
	// WHT is about withholding tax. Its unit is not documented.
	WHT string `json:"wht"`
	// MchNotifyURL is where notifications go if an order doesn't say.
	MchNotifyURL string `json:"mch_notify_url"`

	// BankInfo is the merchant's bank account.
	BankInfo BankInfo `json:"bank_info"`
	// AgencyInfo is the agency that looks after the merchant.
	AgencyInfo AgencyInfo `json:"agency_info"`
	// BDInfo is the person at Ksher who looks after the merchant.
	BDInfo BDInfo `json:"bd_info"`
	// OperatorList has the merchant's cashiers and the like.
	OperatorList []Operator `json:"operator_list" wire:"loose"`
	// ExtraInfo is an object whose members are not documented, as it came.
	ExtraInfo json.RawMessage `json:"extra_info"`
}

// SupportChannel is a channel of the merchant's.
//
// Source: a genuine answer to merchant_info.
type SupportChannel struct {
	// PayChannel is the channel. It isn't always a way to pay: there is one for
	// payouts, too.
	PayChannel Channel `json:"pay_channel"`
	// SettlementTimeType is how many days after a payment Ksher pays the
	// merchant, such as "T+1". Whether these are working days is not documented.
	SettlementTimeType string `json:"settlement_time_type"`
	// SingleOrderLimit is the largest order, -1 for no limit. Whether it counts
	// whole baht or cents is not documented, so don't compute with it; an order
	// above it is refused by the gateway. It is 0 if it couldn't be read.
	SingleOrderLimit int64 `json:"single_order_limit" wire:"loose"`
	// DaySumLimit is how much a day's orders may come to, -1 for no limit, in the
	// unit of SingleOrderLimit. It is 0 if it couldn't be read.
	DaySumLimit int64 `json:"day_sum_limit" wire:"loose"`
}

// MchName has the names of a merchant.
//
// Source: a genuine answer to merchant_info.
type MchName struct {
	// MerchantName is the full name.
	MerchantName string `json:"merchant_name"`
	// MchBriefName is the short name.
	MchBriefName string `json:"mch_brief_name"`
}

// CountryInfo is a country.
//
// Source: a genuine answer to merchant_info.
type CountryInfo struct {
	// CountryName is its name in English.
	CountryName string `json:"country_name"`
	// PhoneCode is the beginning of its telephone numbers, such as "+66".
	PhoneCode string `json:"phone_code"`
}

// BankInfo is a bank account.
//
// Source: a genuine answer to merchant_info.
type BankInfo struct {
	// AccountID is its number.
	AccountID string `json:"account_id"`
	// AccountName is whose it is.
	AccountName string `json:"account_name"`
	// BankName is the bank's name.
	BankName string `json:"bank_name"`
	// SwiftCode is the bank's code (BIC).
	SwiftCode string `json:"swift_code"`
}

// AgencyInfo is the agency that looks after a merchant.
//
// Source: a genuine answer to merchant_info.
type AgencyInfo struct {
	// AgencyName is its name.
	AgencyName string `json:"agency_name"`
	// Mobile is its telephone number.
	Mobile string `json:"mobile"`
}

// BDInfo is the person at Ksher who looks after a merchant.
//
// Source: a genuine answer to merchant_info.
type BDInfo struct {
	// BDName is the name.
	BDName string `json:"bd_name"`
	// Mobile is the telephone number.
	Mobile string `json:"mobile"`
}

// Operator is one of a merchant's cashiers or the like.
//
// Source: a genuine answer to merchant_info.
type Operator struct {
	// OperatorID is the operator's number, for the operator_id of a request.
	OperatorID string `json:"operator_id"`
	// Operator is the operator's name.
	Operator string `json:"operator"`
	// MchID is the merchant's number.
	MchID string `json:"mch_id"`
	// RuleID tells what the operator may do. Its values are not documented.
	RuleID string `json:"rule_id"`
	// State tells whether the operator is active. Its values are not documented.
	State string `json:"state"`
	// AddTime is when the operator was added, read in the client's zone; zero if
	// not given.
	AddTime time.Time `json:"add_time"`
}

// Location is the merchant's zone for [WithLocation], read from TimeZone. It is
// an [ErrBadAnswer] if TimeZone isn't an offset of at most 14 hours such as "+07:00".
// TimeZone isn't signed.
func (r *MerchantInfoResponse) Location() (*time.Location, error) {
	const layout = "-07:00"
	const most = 14 * 60 * 60
	t, err := time.Parse(layout, r.TimeZone)
	_, offset := t.Zone()
	if err != nil || t.Format(layout) != r.TimeZone || offset < -most || offset > most {
		return nil, fmt.Errorf("ksher: merchant_info: %w: time_zone is %q, not an offset such as +07:00", fault.ErrField, clipText(r.TimeZone))
	}
	return time.FixedZone("UTC"+r.TimeZone, offset), nil
}

var merchantInfo = declareQuery("merchant_info", onMerchant, proof{
	has:    []string{"mch_id"},
	signed: []string{"mobile", "mch_id", "account_type", "business_mode", "nonce_str"},
}, noSecrets)

// MerchantInfo calls merchant_info: it asks for the merchant's own account, with
// its channels, its zone and its names. Most of the answer isn't signed; see
// [MerchantInfoResponse].
//
// It changes nothing and may be repeated at will. An answer about another app ID
// is [ErrOtherOrder].
//
// Source: POST merchant_info, Ksher's API documentation and official SDKs.
func (c *Client) MerchantInfo(ctx context.Context, req *MerchantInfoRequest) (*MerchantInfoResponse, error) {
	return do[MerchantInfoResponse](ctx, c, merchantInfo, req)
}

// RateQueryRequest asks for an exchange rate.
//
// Source: Ksher's official SDKs.
type RateQueryRequest struct {
	// Channel is the wallet whose rate it is: required.
	Channel Channel `url:"channel"`
	// FeeType is the currency of the merchant's prices, an ISO 4217 code:
	// required.
	FeeType string `url:"fee_type"`
	// Date is the day: required. Its form is not
	// documented, so it is sent as it is; "20260102" is likely. A day more than 50
	// years from today is refused, such as one with a year of the Thai calendar.
	Date string `url:"date"`

	Extra `url:"-"`
}

func (r *RateQueryRequest) numbers() (orderNo, refundNo string) { return "", "" }

func (r *RateQueryRequest) check(c *checker) {
	c.channel("channel", r.Channel)
	c.feeType(r.FeeType)
	c.Required("date", r.Date)
	for _, layout := range []string{"20060102", time.DateOnly, "2006/01/02"} {
		if problem := day.Far(layout, r.Date, c.now); problem != "" {
			c.Problem("date", "%s", problem)
		}
	}
}

// RateQueryResponse is the answer to [Client.RateQuery]. Its fields are not
// documented: they are assumed to be called as in the request and in an order,
// and left empty if they aren't. Data has the answer as it came.
//
// Source: Ksher's official SDKs, for the names of the request.
type RateQueryResponse struct {
	Answer `json:"-"`
	// AppID is the merchant's app ID.
	AppID string `json:"appid"`
	// Channel is the wallet.
	Channel Channel `json:"channel"`
	// FeeType is the currency of the merchant's prices.
	FeeType string `json:"fee_type"`
	// Date is the day, in whatever form.
	Date string `json:"date"`
	// Rate is the rate as a decimal number, as in "0.223410". In an order it is
	// what the amount in FeeType is multiplied with for the wallet's currency.
	Rate string `json:"rate"`
	// NonceStr is random.
	NonceStr string `json:"nonce_str"`
}

var rateQuery = declareQuery("rate_query", onMerchant, proof{same: []string{"channel"}}, noSecrets)

// RateQuery calls rate_query: it asks for the exchange rate of a wallet whose
// buyers pay in another currency. What was charged is told by the order itself,
// as cash_fee and rate. A rate of another wallet is [ErrOtherOrder].
//
// It changes nothing and may be repeated at will.
//
// Source: POST rate_query, Ksher's official SDKs.
func (c *Client) RateQuery(ctx context.Context, req *RateQueryRequest) (*RateQueryResponse, error) {
	return do[RateQueryResponse](ctx, c, rateQuery, req)
}
