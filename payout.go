package ksher

import (
	"context"
	"fmt"
	"log/slog"
	"slices"
	"time"

	"github.com/ksher-go/ksher/internal/day"
)

// PayoutRequest pays money out of the merchant's balance. What isn't marked as required may
// be left zero. For [Client.Resolve] it needs MchOrderNo, TotalFee and FeeType, not the
// receiver.
type PayoutRequest struct {
	// MchOrderNo is required, unique for the merchant, at most 32 characters. Keep it, with
	// the amount, before you send it: without it a doubtful payout can't be asked for.
	MchOrderNo string `url:"mch_order_no"`
	TotalFee   Amount `url:"total_fee"` // required, at most 2,000,000 THB; whether Ksher's fee comes on top is not documented
	FeeType    string `url:"fee_type"`  // required, "THB"

	// ReceiverType says what ReceiverNo is: "BANK" for an account at a bank, "PROMPTPAY_NATID"
	// for a national ID, "PROMPTPAY_MSISDN" for a telephone number. It is required.
	ReceiverType     string `url:"receiver_type,omitempty"`
	ReceiverNo       Secret `url:"receiver_no,omitempty"`        // required; in which form telephone numbers are is not documented
	ReceiverBankCode string `url:"receiver_bank_code,omitempty"` // the bank, by Ksher's list: required for "BANK"
	ReceiverMobile   Secret `url:"receiver_mobile,omitempty"`    // the receiver's telephone number

	Channel Channel `url:"channel"`           // "payout", which needn't be set
	Version string  `url:"version,omitempty"` // "3.0.0" in Ksher's documentation, which needn't be set

	// Extra is for what Ksher adds. No error and no log of this package repeats the values
	// of its Params.
	Extra `url:"-"`
}

// Format keeps the receiver out of logs.
func (r PayoutRequest) Format(f fmt.State, _ rune) {
	fmt.Fprintf(f, "payout %q of %v %s", clipText(r.MchOrderNo), r.TotalFee, clipText(r.FeeType))
}

// LogValue keeps the receiver out of structured logs.
func (r PayoutRequest) LogValue() slog.Value { return slog.StringValue(fmt.Sprint(r)) }

func (r *PayoutRequest) numbers() (orderNo, refundNo string) { return r.MchOrderNo, "" }

// maxPayout is the largest amount of a payout.
const maxPayout Amount = 2_000_000_00

func (r *PayoutRequest) check(c *checker) {
	c.ownNumber("mch_order_no", r.MchOrderNo)
	if r.TotalFee < 1 || r.TotalFee > maxPayout {
		c.Problem("total_fee", "is %v, and a payout is of 0.01 to %v THB", r.TotalFee, maxPayout)
	}
	if r.FeeType != "THB" {
		c.Problem("fee_type", "is %q, and payouts are in THB", clipText(r.FeeType))
	}
	c.Required("receiver_type", r.ReceiverType)
	c.oneOf("receiver_type", r.ReceiverType, receiverBank, "PROMPTPAY_NATID", "PROMPTPAY_MSISDN")
	c.Required("receiver_no", r.ReceiverNo.Reveal())
	if r.ReceiverType == receiverBank {
		c.Required("receiver_bank_code", r.ReceiverBankCode)
	}
	if day.PayoutsOpenIn(c.now) > 0 {
		c.Problem("time_stamp", "is %s in Thailand, and there are no payouts from 02:30 to 03:00", c.now.In(thailand).Format("15:04"))
	}
}

// receiverBank is the type of a receiver by whose account at a bank it gets the money.
const receiverBank = "BANK"

// PayoutResponse is the answer to [Client.Payout]. Only ReceiverName, MDR and TradeType are
// known; the others follow those of other answers.
type PayoutResponse struct {
	Answer         `json:"-"`
	AppID          string `json:"appid"`            // the merchant's app ID
	MchOrderNo     string `json:"mch_order_no"`     // the merchant's number of the payout
	KsherOrderNo   string `json:"ksher_order_no"`   // Ksher's number of the payout
	ChannelOrderNo string `json:"channel_order_no"` // the channel's number of the payout
	ReceiverName   string `json:"receiver_name"`    // who gets the money: personal data
	MDR            string `json:"mdr"`              // Ksher's fee, a decimal number; its unit is not documented
	TradeType      string `json:"trade_type"`       // "PAYOUT"
	TotalFee       Amount `json:"total_fee"`        // how much is paid out, in cents of THB
	NonceStr       string `json:"nonce_str"`        // random
}

// Format keeps the receiver out of logs.
func (r PayoutResponse) Format(f fmt.State, _ rune) {
	fmt.Fprintf(f, "answer to payout %q", clipText(r.MchOrderNo))
}

// LogValue keeps the receiver out of structured logs.
func (r PayoutResponse) LogValue() slog.Value { return slog.StringValue(fmt.Sprint(r)) }

var payout = declareChange("payout", onMerchant, proof{has: []string{"result", "mch_order_no", "total_fee"}, same: orderTerms}, receiver,
	func(code Code) bool { return slices.Contains(payoutRefusals, code) })

// receiver is whatever a payout says beside its own terms.
var receiver = secrets{params: func(name string) bool {
	return !slices.Contains([]string{"appid", "nonce_str", "time_stamp", "mch_order_no", "total_fee", "fee_type", "channel", "version", "receiver_type"}, name)
}}

// payoutRefusals are the codes that say what is wrong with the request itself, so
// that nothing was paid. Those about the balance or a limit aren't among them: the
// first of two copies may have used that up. Nor are those about an earlier payout
// under the same number: that may be this very one, sent before the program was
// killed, or twice by a proxy.
var payoutRefusals = []Code{
	CodeAppIDNotExist, CodeAppIDMchIDNotMatch, CodeMchIDNotExist, CodeKsherInvalidMchInfo, CodeShopIDError, CodeShopNotExist,
	CodeKsherSignError, CodeSignError, CodeKsherVersionError, CodeNoAuth, CodeRequirePostMethod, CodePostDataEmpty, CodeNotUTF8,
	CodeXMLFormatError, CodeLackParams, CodeParamError, CodeKsherInvalidParam, CodeKsherParamOverlength, CodeKsherErrorOrderNo,
	CodeKsherFeeTypeNotMatch, CodeKsherAmountIsTooSmall,
}

// Payout calls payout: it pays money out of the merchant's balance. Without an error the
// gateway did it or has taken it on; which of the two is not documented.
//
// Ksher makes none from 02:30 to 03:00 Thai time: a [*ValidationError] about time_stamp.
//
// Never send a payout again: nothing documents that Ksher carries out its number only
// once. Unless it is certain that nothing was paid, the error is an [ErrOutcomeUnknown],
// also after [CodeKsherDuplicatedOrderNo] or [CodeNotEnough]: ask [Client.Resolve], and
// see docs/doubt.md. After any other [*Error] or a [*ValidationError] nothing was paid.
func (c *Client) Payout(ctx context.Context, req *PayoutRequest) (*PayoutResponse, error) {
	if req != nil && req.Channel == "" {
		with := *req
		with.Channel = payoutChannel
		req = &with
	}
	return do[PayoutResponse](ctx, c, payout, req)
}

// OrderQueryPayoutRequest asks for a payout.
type OrderQueryPayoutRequest struct {
	MchOrderNo string  `url:"mch_order_no"` // required, the number given to [Client.Payout]
	Channel    Channel `url:"channel"`      // "payout", which needn't be set

	Extra `url:"-"`
}

func (r *OrderQueryPayoutRequest) numbers() (orderNo, refundNo string) { return r.MchOrderNo, "" }

func (r *OrderQueryPayoutRequest) check(c *checker) {
	c.requiredNumber("mch_order_no", r.MchOrderNo)
}

// OrderQueryPayoutResponse is the answer to [Client.OrderQueryPayout]. Its fields are
// not documented: they are those of genuine answers, which have no currency.
type OrderQueryPayoutResponse struct {
	Answer         `json:"-"`
	AppID          string    `json:"appid"`                      // the merchant's app ID
	MchOrderNo     string    `json:"mch_order_no"`               // the merchant's number of the payout
	KsherOrderNo   string    `json:"ksher_order_no"`             // Ksher's number of the payout
	ChannelOrderNo string    `json:"channel_order_no"`           // the channel's number of the payout
	Channel        Channel   `json:"channel"`                    // "payout"
	MDR            string    `json:"mdr"`                        // Ksher's fee, a decimal number; its unit is not documented
	TotalFee       Amount    `json:"total_fee"`                  // how much is paid out, in cents of THB
	RawTotalFee    Amount    `json:"raw_total_fee" wire:"loose"` // what TotalFee was at first, 0 if the gateway gave none
	CashFee        Amount    `json:"cash_fee" wire:"loose"`      // as in an [Order]
	CashFeeType    string    `json:"cash_fee_type"`              // as in an [Order]
	Rate           string    `json:"rate"`                       // as in an [Order]
	TimeEnd        time.Time `json:"time_end"`                   // when it was paid out, as in an [Order]
	Operation      string    `json:"operation"`                  // as in an answer about an order, like the next four
	OperatorID     string    `json:"operator_id"`
	DeviceID       string    `json:"device_id"`
	OpenID         string    `json:"openid"` // may be personal data, like Attach
	Attach         string    `json:"attach"`
	Result         Result    `json:"result"`    // what each means for a payout is not documented: [Client.Resolve] has the safe reading
	NonceStr       string    `json:"nonce_str"` // random
}

// Format keeps the receiver out of logs.
func (r OrderQueryPayoutResponse) Format(f fmt.State, _ rune) {
	fmt.Fprintf(f, "payout %q: %s", clipText(r.MchOrderNo), clipText(string(r.Result)))
}

// LogValue keeps the receiver out of structured logs.
func (r OrderQueryPayoutResponse) LogValue() slog.Value { return slog.StringValue(fmt.Sprint(r)) }

// What the gateway says of a payout may name the receiver, whom the query doesn't
// know.
var orderQueryPayout = declareQuery("order_query_payout", onMerchant, proof{has: []string{"result"}, order: true}, secrets{params: noSecrets.params, said: true})

// OrderQueryPayout calls order_query_payout: it asks where a payout stands. After a doubtful
// payout use [Client.Resolve], which also judges the answer. That the gateway knows no such
// payout doesn't mean that none is made: it may be on its way.
func (c *Client) OrderQueryPayout(ctx context.Context, req *OrderQueryPayoutRequest) (*OrderQueryPayoutResponse, error) {
	if req != nil && req.Channel == "" {
		with := *req
		with.Channel = payoutChannel
		req = &with
	}
	return do[OrderQueryPayoutResponse](ctx, c, orderQueryPayout, req)
}

// GetPayoutBalanceRequest asks for the balance that payouts come from.
type GetPayoutBalanceRequest struct {
	FeeType string `url:"fee_type"` // required, the currency of the balance, an ISO 4217 code

	Extra `url:"-"`
}

func (r *GetPayoutBalanceRequest) numbers() (orderNo, refundNo string) { return "", "" }

func (r *GetPayoutBalanceRequest) check(c *checker) { c.feeType(r.FeeType) }

// GetPayoutBalanceResponse is the answer to [Client.GetPayoutBalance]. Only Balance is
// known; the others follow those of other answers.
type GetPayoutBalanceResponse struct {
	Answer `json:"-"`
	AppID  string `json:"appid"` // the merchant's app ID
	// Balance is what is left to pay out, in cents of the request's FeeType. Only of amounts is it
	// documented that they are in cents: compare it once with the merchant platform.
	Balance  Amount `json:"balance"`
	NonceStr string `json:"nonce_str"` // random
}

// Nothing isn't 0: whoever looks for a payout in the balance would find one.
var getPayoutBalance = declareQuery("get_payout_balance", onMerchant, proof{has: []string{"balance"}, same: []string{"fee_type"}}, noSecrets)

// GetPayoutBalance calls get_payout_balance: it asks how much is left to pay out. A balance
// that isn't a whole number is [ErrBadAnswer]: with a fraction it would not be in cents.
func (c *Client) GetPayoutBalance(ctx context.Context, req *GetPayoutBalanceRequest) (*GetPayoutBalanceResponse, error) {
	return do[GetPayoutBalanceResponse](ctx, c, getPayoutBalance, req)
}
