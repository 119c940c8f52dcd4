package ksher

import "context"

// QuickPayRequest charges the code that a buyer shows (B scan C). What isn't marked as
// required may be left zero. For [Client.Resolve] it needs MchOrderNo, TotalFee and FeeType,
// not the code.
type QuickPayRequest struct {
	MchOrderNo string `url:"mch_order_no"` // required, unique for the merchant, at most 32 characters
	TotalFee   Amount `url:"total_fee"`    // required, what the buyer has to pay, in cents of FeeType
	FeeType    string `url:"fee_type"`     // required, an ISO 4217 code
	// AuthCode is what the scanner read from the buyer's phone: required. Whoever has it
	// can charge the buyer, for about a minute.
	AuthCode   Secret  `url:"auth_code"`
	Channel    Channel `url:"channel,omitempty"`     // the wallet, else found out from the code: wechat, alipay, alipayplus, truemoney, airpay, linepay
	OperatorID string  `url:"operator_id,omitempty"` // the cashier or the like
	DeviceID   string  `url:"device_id,omitempty"`   // the till
	NotifyURL  string  `url:"notify_url,omitempty"`  // where the notification goes, see [Payments.Notifications]
	Product    string  `url:"product,omitempty"`     // what the buyer pays for, plain text
	Attach     string  `url:"attach,omitempty"`      // returned as it is in queries and notifications

	Extra `url:"-"`
}

// OpenOrder is like [GatewayPayRequest.OpenOrder].
func (r *QuickPayRequest) OpenOrder() OpenOrder {
	return newOpenOrder(HostMerchant, r.MchOrderNo, r.TotalFee, r.FeeType)
}

func (r *QuickPayRequest) sought(c *checker) { r.OpenOrder().sought(c) }

func (r *QuickPayRequest) numbers() (orderNo, refundNo string) { return r.MchOrderNo, "" }

func (r *QuickPayRequest) check(c *checker) {
	c.newOrder(r.MchOrderNo, r.TotalFee, r.FeeType)
	c.Required("auth_code", r.AuthCode.Reveal())
	c.httpURL("notify_url", r.NotifyURL)
}

// QuickPayResponse is the answer to [Client.QuickPay]. Its fields follow those of
// order_query; they are not documented.
type QuickPayResponse struct {
	Answer `json:"-"`
	Order
	Operation  string `json:"operation"`   // the name of the operation
	OperatorID string `json:"operator_id"` // the operator_id of the request
	DeviceID   string `json:"device_id"`   // the device_id of the request
}

var quickPay = declareChange("quick_pay", onMerchant, proof{has: paidTerms, same: orderTerms}, secret("auth_code"),
	func(code Code) bool { return documented(code) && !aboutOrder(code) })

// QuickPay calls quick_pay: it charges the buyer whose code was scanned. Without an error
// the order is paid. [Payments.Charge] does the whole procedure around it.
//
// If the buyer has to type a PIN, Ksher answers NOTSURE, which is an [ErrOutcomeUnknown]
// like every answer but yes and a documented no: query the order until it settles, and if it
// doesn't, reverse it. A no such as [CodeKsherDuplicatedOrderNo] or [CodeOrderPaid] is one,
// too, because it may be about this very charge, sent twice.
func (c *Client) QuickPay(ctx context.Context, req *QuickPayRequest) (*QuickPayResponse, error) {
	return do[QuickPayResponse](ctx, c, quickPay, req)
}

// OrderReverseRequest names a doubtful order of [Client.QuickPay] by at least one of its
// numbers, which is also what [Client.Resolve] needs.
type OrderReverseRequest struct {
	MchOrderNo     string  `url:"mch_order_no,omitempty"`     // the merchant's number, at most 32 characters
	KsherOrderNo   string  `url:"ksher_order_no,omitempty"`   // Ksher's number
	ChannelOrderNo string  `url:"channel_order_no,omitempty"` // the channel's number
	Channel        Channel `url:"channel,omitempty"`          // how the order is paid; documented as required, and left out by Ksher's SDKs
	OperatorID     string  `url:"operator_id,omitempty"`      // the cashier or the like

	Extra `url:"-"`
}

func (r *OrderReverseRequest) numbers() (orderNo, refundNo string) {
	return firstNo(r.MchOrderNo, r.KsherOrderNo, r.ChannelOrderNo), ""
}

func (r *OrderReverseRequest) check(c *checker) {
	c.oneOrderNo(r.MchOrderNo, r.KsherOrderNo, r.ChannelOrderNo)
}

// OrderReverseResponse is the answer to [Client.OrderReverse]. Its fields follow those of
// order_close; they are not documented.
type OrderReverseResponse struct {
	Answer     `json:"-"`
	AppID      string `json:"appid"`        // the merchant's app ID
	MchOrderNo string `json:"mch_order_no"` // the merchant's number of the order
	NonceStr   string `json:"nonce_str"`    // random
}

var orderReverse = declareChange("order_reverse", onMerchant, proof{has: []string{"result"}, same: []string{"mch_order_no"}}, noSecrets, documented)

// OrderReverse calls order_reverse: it undoes a doubtful order of [Client.QuickPay], so that
// the buyer isn't charged, or gets the money back.
func (c *Client) OrderReverse(ctx context.Context, req *OrderReverseRequest) (*OrderReverseResponse, error) {
	return do[OrderReverseResponse](ctx, c, orderReverse, req)
}

// aboutOrder tells whether a charge was refused because of what became of the order
// before, so that it may be paid. A connection that repeats a request, such as a
// proxy's, gets that refusal of a charge that was carried out.
func aboutOrder(code Code) bool {
	switch info, _ := code.Info(); info.Action {
	case ActionQueryOrder, ActionWait, ActionNone:
		return true
	}
	// It means that the transaction isn't complete, which says nothing about the payment.
	return code == CodeQueryOrderError
}
