package ksher

import (
	"context"
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

// accountAppID is the name of the app ID in a request about the account: the usual one,
// unless the caller has chosen.
func accountAppID(usual, chosen string) string {
	if chosen == appIDOfOrders || chosen == appIDOfAccount {
		return chosen
	}
	return usual
}

// accountAppID checks the choice of a name for the app ID, which is usual unless the
// caller chooses, and that no other app ID goes with it under the name that wasn't chosen.
func (c *checker) accountAppID(usual, chosen string, extra Extra) {
	if chosen != "" && chosen != appIDOfAccount && chosen != appIDOfOrders {
		c.Refuse("AppIDName", "is %q, not one of %s, %s", clipText(chosen), appIDOfAccount, appIDOfOrders)
	}
	for name := range extra.Params {
		other := strings.EqualFold(name, appIDOfAccount) || strings.EqualFold(name, appIDOfOrders)
		if other && !strings.EqualFold(name, accountAppID(usual, chosen)) {
			c.Refuse(name, "is in Extra; set AppIDName to send the app ID under this name")
		}
	}
}

// MerchantInfoRequest asks about the merchant's own account.
type MerchantInfoRequest struct {
	// AppIDName is the name of the parameter that has the app ID: "appid", which is
	// also the default and what Ksher's SDKs send, or "mch_appid", which the table of
	// its documentation has.
	AppIDName string `url:"-"`

	Extra `url:"-"`
}

func (r *MerchantInfoRequest) numbers() (orderNo, refundNo string) { return "", "" }
func (r *MerchantInfoRequest) appIDName() string                   { return accountAppID(appIDOfOrders, r.AppIDName) }
func (r *MerchantInfoRequest) check(c *checker)                    { c.accountAppID(appIDOfOrders, r.AppIDName, r.Extra) }

// MerchantInfoResponse is the answer to [Client.MerchantInfo]. It names people and
// telephone numbers, so keep it out of logs. What the fields mean isn't documented, and
// is taken from their names. Data has more members, such as the names of the merchant,
// its bank account and its cashiers, as they came.
//
// Only Mobile, MchID, AccountType, BusinessMode and NonceStr are signed. For every other
// field nothing but TLS vouches: don't pay money to the bank account that Data names.
type MerchantInfoResponse struct {
	Answer `json:"-"`
	// Mobile is the merchant's telephone number. It is signed.
	Mobile string `json:"mobile"`
	// MchID is the merchant's number, which the app ID has after "mch". It is signed.
	MchID string `json:"mch_id"`
	// AccountType is "Formal" or "Test". It is signed.
	AccountType string `json:"account_type"`
	// BusinessMode is the kind of account, "online" or "offline". It is signed.
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
	// RegistTime is when the account was registered, read in the client's zone;
	// zero if not given. Ksher spells it rigist_time.
	RegistTime time.Time `json:"rigist_time"`
	// TimeZone is the zone of the times in every answer, such as "+07:00".
	// [MerchantInfoResponse.Location] reads it.
	TimeZone string `json:"time_zone"`
	// CountrySupportChannel has the channels of the merchant's country. Those of the
	// merchant are in [MerchantInfoResponse.Channels].
	CountrySupportChannel []Channel `json:"country_support_channel" wire:"loose"`
	// AllowPartialRefund is "Y" if an order may be refunded in part, otherwise "N".
	AllowPartialRefund string `json:"allow_partial_refund"`
	// PriceFeeType is the currency of the merchant's prices.
	PriceFeeType string `json:"price_fee_type"`
	// SettlementFeeType is the currency in which Ksher pays the merchant.
	SettlementFeeType string `json:"settlement_fee_type"`
	// WHT is about withholding tax, a decimal number. Its unit is not documented.
	WHT string `json:"wht"`
	// MchNotifyURL is where notifications go if an order doesn't say.
	MchNotifyURL string `json:"mch_notify_url"`
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
// its channels, its zone and its kind. Most of the answer isn't signed; see
// [MerchantInfoResponse].
//
// It changes nothing and may be repeated at will. An answer about another app ID
// is [ErrOtherOrder].
func (c *Client) MerchantInfo(ctx context.Context, req *MerchantInfoRequest) (*MerchantInfoResponse, error) {
	return do[MerchantInfoResponse](ctx, c, merchantInfo, req)
}

// RateQueryRequest asks for an exchange rate.
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
func (c *Client) RateQuery(ctx context.Context, req *RateQueryRequest) (*RateQueryResponse, error) {
	return do[RateQueryResponse](ctx, c, rateQuery, req)
}
