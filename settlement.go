package ksher

import (
	"context"
	"time"

	"github.com/ksher-go/ksher/internal/day"
)

// GetSettlementInfoRequest asks for the settlements of some days.
type GetSettlementInfoRequest struct {
	// BeginDate is the first day, as in "2026-01-31": required, at most 50 years from
	// today. Whether it is the day of the payments or of the settlement is not documented.
	BeginDate  string  `url:"begin_date"`
	EndDate    string  `url:"end_date"`              // required, the last day; how many may be asked for at once is not documented
	PayChannel Channel `url:"pay_channel,omitempty"` // leaves out every other channel
	// AppIDName is the name of the parameter that has the app ID: "mch_appid" or "" as
	// documented and in Ksher's Python SDK, or "appid" as in its Node SDK. Which of them
	// the gateway needs is not documented any further.
	AppIDName string `url:"-"`

	Extra `url:"-"`
}

func (r *GetSettlementInfoRequest) numbers() (orderNo, refundNo string) { return "", "" }
func (r *GetSettlementInfoRequest) appIDName() string {
	return accountAppID(appIDOfAccount, r.AppIDName)
}

func (r *GetSettlementInfoRequest) check(c *checker) {
	c.accountAppID(appIDOfAccount, r.AppIDName, r.Extra)
	begins, ends := c.date("begin_date", r.BeginDate), c.date("end_date", r.EndDate)
	if begins && ends && r.BeginDate > r.EndDate {
		c.Problem("end_date", "is %s, before begin_date", r.EndDate)
	}
	if r.PayChannel != "" {
		c.channel("pay_channel", r.PayChannel)
	}
}

// date checks a day and tells whether it is one.
func (c *checker) date(field, value string) bool {
	problem := day.Problem(time.DateOnly, value, c.now)
	if problem != "" {
		c.Problem(field, "%s", problem)
	}
	return problem == ""
}

// SettlementRow is what Ksher settles for one channel. No signature covers it:
// only TLS vouches for it. Compare it with your own orders and with the bank's
// statement.
//
// Amounts are in cents of the merchant's settlement currency, which
// [MerchantInfoResponse] names. They are negative where refunds come to more
// than payments. Days are written as in "2026-01-31", in the merchant's zone,
// and empty where there is none.
type SettlementRow struct {
	// BeginDate is the first day of the payments.
	BeginDate string `json:"begin_date"`
	// EndDate is the last day of the payments.
	EndDate string `json:"end_date"`
	// SettlementDate is the day of the settlement.
	SettlementDate string `json:"settlement_date"`
	// TransferDate is the day on which the money went to the merchant's bank,
	// empty if it hasn't yet.
	TransferDate string `json:"transfer_date"`
	// PayChannel is the channel.
	PayChannel Channel `json:"pay_channel"`
	// SettlementAmount is what the payments less the refunds come to. In a
	// genuine answer it seemed to be what is left after CommissionFee and VAT.
	SettlementAmount Amount `json:"settlement_amount"`
	// TransferAmount is what went to the merchant's bank, 0 if nothing has yet.
	TransferAmount Amount `json:"transfer_amount"`
	// CommissionFee is what Ksher takes.
	CommissionFee Amount `json:"commission_fee"`
	// VAT is the tax on CommissionFee.
	VAT Amount `json:"vat"`
}

// GetSettlementInfoResponse is the answer to [Client.GetSettlementInfo]. No signature covers
// its rows.
type GetSettlementInfoResponse struct {
	Answer    `json:"-"`
	BeginDate string `json:"begin_date"` // signed, the begin_date of the request
	EndDate   string `json:"end_date"`   // signed, the end_date of the request
	NonceStr  string `json:"nonce_str"`  // signed, random
	// SettlementData has the rows, none if nothing is settled. They aren't signed. An
	// answer without this member is an [ErrBadAnswer], because it might be taken for one
	// without rows.
	SettlementData []SettlementRow `json:"settlement_data"`
}

var getSettlementInfo = declareQuery("get_settlement_info", onMerchant, proof{
	has:    []string{"begin_date", "end_date"},
	there:  []string{"settlement_data"},
	signed: []string{"begin_date", "end_date", "nonce_str"},
}, noSecrets)

// GetSettlementInfo calls get_settlement_info: it asks what Ksher has settled, or is going
// to, for some days. The days of the answer are signed, and others than those asked for are
// [ErrOtherOrder]; its rows are covered by no signature, see [SettlementRow].
func (c *Client) GetSettlementInfo(ctx context.Context, req *GetSettlementInfoRequest) (*GetSettlementInfoResponse, error) {
	return do[GetSettlementInfoResponse](ctx, c, getSettlementInfo, req)
}
