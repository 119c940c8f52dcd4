package ksher

import (
	"maps"
	"slices"
)

// Code is an error code as Ksher spells it, mistakes included. It is an error
// itself: ask for it by errors.Is(err, ksher.CodeOrderNotExist).
//
// Ksher sends codes that it documents nowhere. Such a code compares like the
// others, and [Code.Info] knows nothing about it.
type Code string

// Error returns the code, followed by its meaning if it is documented, as in
// "ORDER_NOT_EXIST: the order does not exist".
func (c Code) Error() string {
	if info, ok := catalogue[c]; ok {
		return string(c) + ": " + info.Meaning
	}
	return string(c)
}

// Info explains the code. It returns false if Ksher doesn't document it.
func (c Code) Info() (CodeInfo, bool) {
	info, ok := catalogue[c]
	return info, ok
}

// Codes returns all documented codes in alphabetical order.
func Codes() []Code {
	return slices.Sorted(maps.Keys(catalogue))
}

// CodeInfo explains an error code to the engineer who meets it, and says what
// a program can do about it.
type CodeInfo struct {
	Meaning  string // what happened, in a clause without a full stop
	Reason   string // the likely cause, in a sentence
	Solution string // what the merchant's engineer should do
	// Action is the first step of the solution, for a program. Ksher documents no
	// actions: of two possible ones this is the one that can't move money twice.
	Action Action
}

// Action is what a program can do about an error code. The zero Action belongs
// to codes that aren't documented. After a request that moves money it is best
// treated like [ActionQueryOrder].
type Action string

const (
	// ActionQueryOrder means to query the refund, or the order where the channel has
	// no refund query, because the request may have been carried out. Use a new number
	// only if nothing was paid or refunded under the old one.
	ActionQueryOrder     Action = "query-order"
	ActionCorrectRequest Action = "correct-request" // the request or the settings are wrong: sent again as it is, it fails again
	ActionWait           Action = "wait"            // query later, or try again later with the same numbers
	ActionAskBuyer       Action = "ask-buyer"       // have the buyer use another card, for example; query before you create another order
	ActionContactKsher   Action = "contact-ksher"   // only Ksher can help: the merchant's account lacks something
	ActionByHand         Action = "by-hand"         // do it outside the API, such as on the merchant platform
	ActionNone           Action = "none"            // the order or refund has already reached that state
)

// Codes about the merchant's account and the signature.
const (
	CodeAppIDNotExist       Code = "APPID_NOT_EXIST"       // the app ID is missing or unknown
	CodeAppIDMchIDNotMatch  Code = "APPID_MCHID_NOT_MATCH" // the app ID belongs to another merchant
	CodeMchIDNotExist       Code = "MCHID_NOT_EXIST"       // the merchant ID is missing or unknown
	CodeKsherInvalidMchInfo Code = "KSHER_INVALID_MCHINFO" // Ksher finds no merchant for the app ID
	CodeShopIDError         Code = "SHOP_ID_ERROR"         // the merchant's details are not valid; the documentation blames the app ID
	CodeShopNotExist        Code = "SHOP_NOT_EXIST"        // the shop does not exist; the documentation blames the app ID
	CodeNoAuth              Code = "NOAUTH"                // the merchant may not use this operation
	CodeKsherSignError      Code = "KSHER_SIGN_ERROR"      // the request's signature is wrong; [CodeSignError] says the same
	CodeSignError           Code = "SIGNERROR"             // the request's signature is wrong; [CodeKsherSignError] says the same
	CodeKsherVersionError   Code = "KSHER_VERSION_ERROR"   // Ksher doesn't accept the API version of the request
)

// Codes about the form of a request.
const (
	CodeLackParams           Code = "LACK_PARAMS"            // a mandatory parameter is missing
	CodeParamError           Code = "PARAM_ERROR"            // a parameter is wrong
	CodeKsherInvalidParam    Code = "KSHER_INVALID_PARAM"    // a parameter is missing, says the documented text, or not valid, says the name
	CodeKsherParamOverlength Code = "KSHER_PARAM_OVERLENGTH" // a parameter is too long
	CodePostDataEmpty        Code = "POST_DATA_EMPTY"        // the request arrived without parameters
	CodeRequirePostMethod    Code = "REQUIRE_POST_METHOD"    // the request didn't arrive as a POST
	CodeNotUTF8              Code = "NOT_UTF8"               // the request is not in UTF-8
	CodeXMLFormatError       Code = "XML_FORMAT_ERROR"       // Ksher could not read XML parameters; none of the documented operations takes XML
)

// Codes about creating an order.
const (
	CodeKsherDuplicatedOrderNo Code = "KSHER_DUPLICATED_ORDERNO"  // the merchant order number has been used before
	CodeMchOrderError          Code = "MCH_ORDER_ERROR"           // the merchant order number has been used before, which its name doesn't say
	CodeOrderError             Code = "ORDER_ERROT"               // the order number is not unique; Ksher spells it ERROT, for ERROR
	CodeOutTradeNoUsed         Code = "OUT_TRADE_NO_USED"         // the order number (out_trade_no of some wallets) has been used before
	CodeLangRepeatSubmit       Code = "LANG_REPEAT_SUBMIT"        // the order has been submitted before; nothing to do with a language
	CodePriceNotExist          Code = "PRICE_NOT_EXIST"           // the amount is not valid
	CodeKsherAmountIsTooSmall  Code = "KSHER_AMOUNT_IS_TOO_SMALL" // the amount is too small
	CodeKsherExceedAmountLimit Code = "KSHER_EXCEED_AMOUNT_LIMIT" // the amount is above the limit that is set for the merchant
	CodeKsherFeeTypeNotMatch   Code = "KSHER_FEETYPE_NOT_MATCH"   // the currency is not the one the merchant registered
	CodeChannelListError       Code = "CHANNEL_LIST_ERROR"        // none of the channels asked for is open to the merchant
	CodeInstalFeePayerError    Code = "INSTAL_FEE_PAYER_ERROR"    // Ksher could not apply the setting of who pays the instalment fee
)

// Codes about an order that exists, or ought to.
const (
	CodeOrderNotExist              Code = "ORDER_NOT_EXIST"               // the order does not exist
	CodeOrderNotExistR             Code = "ORDERNOTEXISTR"                // the order does not exist; the R at the end is Ksher's
	CodeInvalidOrderNo             Code = "INVALID_ORDER_NO"              // the order number is wrong, or that of an order which failed
	CodeKsherInvalidOrderNo        Code = "KSHER_INVALID_ORDER_NO"        // Ksher finds no order under the number
	CodeKsherErrorOrderNo          Code = "KSHER_ERROR_ORDER_NO"          // the request names no order, says the documented text, or a wrong one, says the name
	CodeUserNotExist               Code = "USER_NOT_EXIST"                // the user does not exist, or the order: it is documented like [CodeOrderNotExist]
	CodeOrderNotPay                Code = "ORDER_NOT_PAY"                 // the order has not been paid
	CodeOrderPaymentError          Code = "ORDER_PAYMENT_ERROR"           // the buyer's payment failed
	CodeOrderAlreadyPaymentSuccess Code = "ORDER_ALREADY_PAYMENT_SUCCESS" // the order has been paid
	// CodeOrderAlreadyPayOperationCannotBePerformed means that the request was refused because the order has been paid.
	CodeOrderAlreadyPayOperationCannotBePerformed Code = "ORDER_ALREADY_PAY_OPERATION_CANNOT_BE_PERFORMED"
	CodeOrderPaid                                 Code = "ORDERPAID"            // closed, says the documented text, and paid, says the name: query the order
	CodeExpireOrder                               Code = "EXPIIRE_ORDER"        // the time for paying the order is over; Ksher spells it EXPIIRE, for EXPIRE
	CodeOrderAlreadyCancel                        Code = "ORDER_ALREADY_CANCEL" // the order has been cancelled
	// CodeOrderAlreadyCancelOperationCannotBePerformed means that the request was refused because the order has been cancelled.
	CodeOrderAlreadyCancelOperationCannotBePerformed Code = "ORDER_ALREADY_CANCEL_OPERATION_CANNOT_BE_PERFORMED"
	CodeCancelError                                  Code = "CANCEL_ERROR"      // the order could not be cancelled, perhaps because it has been paid
	CodeQueryOrderError                              Code = "QUERY_ORDER_ERROR" // the query failed, or the transaction is incomplete: the documented text has two readings
	CodeManyOpen                                     Code = "MANY_OPEN"         // somebody else is paying the same order at this moment
)

// Codes about refunds.
const (
	CodeKsherRefundExpire            Code = "KSHER_REFUND_EXPIRE"              // the order has been settled and can no longer be refunded through the API
	CodeKsherInvalidRefundFee        Code = "KSHER_INVALID_REFUND_FEE"         // the refund is larger than the amount available for it
	CodeKsherInvalidRefundAmount     Code = "KSHER_INVALID_REFUND_AMOUNT"      // a partial refund is not allowed, which its name doesn't say
	CodeKsherInvalidRefundBalance    Code = "KSHER_INVALID_REFUND_BALANCE"     // earlier refunds left less of the order than the refund asks for
	CodeKsherInvalidRefundFeeOrType  Code = "KSHER_INVALID_REFUND_FEE_OR_TYPE" // the amount or the currency of the refund is not valid
	CodeKsherInvalidRefundOrderNo    Code = "KSHER_INVALID_REFUND_ORDER_NO"    // the refund number has been used before; [CodeKsherDuplicatedRefundOrderNo] says the same
	CodeKsherDuplicatedRefundOrderNo Code = "KSHER_DUPLICATED_REFUND_ORDERNO"  // the refund number has been used before; [CodeKsherInvalidRefundOrderNo] says the same
	CodeNotEnough                    Code = "NOTENOUGH"                        // the merchant's unsettled money doesn't cover the refund
	CodeTradeStateError              Code = "TRADE_STATE_ERROR"                // the order's state stands in the way, or a refund's result comes late
	CodeUserAccountAbnormal          Code = "USER_ACCOUNT_ABNORMALE"           // the refund failed because of the buyer's account; Ksher spells it ABNORMALE, for ABNORMAL
	CodeOrderAlreadyRefund           Code = "ORDER_ALREADY_REFUND"             // the order has been refunded
	CodeRefundFailed                 Code = "REFUND_FAILED"                    // the refund failed, without saying why
)

// Codes about the buyer, saved cards and one-time passwords.
const (
	CodeMemberIDError            Code = "MEMBER_ID_ERROR"               // the member ID consists of digits only
	CodeMemberIDLengthOutOfLimit Code = "MEMBER_ID_LENGTH_OUT_OF_LIMIT" // the member ID is longer than 32 characters
	CodeMemberCardNotExist       Code = "MEMBER_CARD_NOT_EXIST"         // the saved card does not exist
	CodeMemberCardError          Code = "MEMBER_CARD_ERROR"             // the card can't be used
	CodeEmptyCardNo              Code = "EMPTY_CARD_NO"                 // the card's details are wrong, says the documented text, or empty, says the name
	CodeSaveCardError            Code = "SAVE_CARD_ERROR"               // the card could not be saved
	CodeDeleteMemberCardError    Code = "DELETE_MEMBER_CARD_ERROR"      // the saved card could not be deleted
	CodeSMSCodeError             Code = "SMS_CODE_ERROR"                // the OTP didn't reach the buyer
	CodeTrueMoneyOTPCodeError    Code = "TRUEMONEY_OPT_CODE_ERROR"      // the buyer typed a wrong TrueMoney OTP; Ksher spells it OPT
)

// Codes about Ksher's own system and the channels behind it.
const (
	CodeSystemError               Code = "SYSTEMERROR"                  // a system timed out; the request may have been carried out
	CodeKsherSystemError          Code = "KSHER_SYSTEMERROR"            // Ksher failed while it handled the request; its documented cure speaks of refunds
	CodeKsherChannelResponseError Code = "KSHER_CHANNEL_RESPONSE_ERROR" // a query failed on its way to the payment channel
	CodeRedisDoesNotExist         Code = "RADIS_DOES_NOT_EXIST"         // Ksher's Redis store lacks what it looked for; Ksher spells it RADIS, for Redis
)

var catalogue = map[Code]CodeInfo{
	// Account and signature.
	CodeAppIDNotExist: {
		Meaning:  "the app ID does not exist",
		Reason:   "The request carried no appid, or one that Ksher does not know.",
		Solution: "Compare the appid with the one on the merchant platform.",
		Action:   ActionCorrectRequest,
	},
	CodeAppIDMchIDNotMatch: {
		Meaning:  "the app ID and the merchant ID do not belong together",
		Reason:   "The appid is that of another merchant than the mchid.",
		Solution: "Take the appid and the mchid from the same merchant account.",
		Action:   ActionCorrectRequest,
	},
	CodeMchIDNotExist: {
		Meaning:  "the merchant ID does not exist",
		Reason:   "The request carried no mchid, or one that Ksher does not know.",
		Solution: "Compare the mchid with the one on the merchant platform.",
		Action:   ActionCorrectRequest,
	},
	CodeKsherInvalidMchInfo: {
		Meaning:  "Ksher finds no merchant for the app ID",
		Reason:   "The appid is not in Ksher's system.",
		Solution: "Compare the appid with the one on the merchant platform. If they are the same, ask Ksher.",
		Action:   ActionCorrectRequest,
	},
	CodeShopIDError: {
		Meaning:  "the merchant's details are not valid",
		Reason:   "The appid does not lead to a valid merchant.",
		Solution: "Compare the appid with the one on the merchant platform.",
		Action:   ActionCorrectRequest,
	},
	CodeShopNotExist: {
		Meaning:  "the shop does not exist",
		Reason:   "The appid does not lead to a shop.",
		Solution: "Compare the appid with the one on the merchant platform.",
		Action:   ActionCorrectRequest,
	},
	CodeNoAuth: {
		Meaning:  "the merchant may not use this operation",
		Reason:   "Ksher has not opened this operation for the account.",
		Solution: "Ask Ksher to open the operation for your account.",
		Action:   ActionContactKsher,
	},
	CodeKsherSignError: {
		Meaning:  "the request's signature is wrong",
		Reason:   "The private key is not the current one of this appid, or the signature was not made over exactly the parameters sent.",
		Solution: "Check that the private key is the latest one downloaded from the merchant platform and that it belongs to this appid. If you build requests yourself, check the signing rules too.",
		Action:   ActionCorrectRequest,
	},
	CodeSignError: {
		Meaning:  "the request's signature is wrong",
		Reason:   "The private key is not the current one of this appid, or the signature was not made in the way Ksher expects.",
		Solution: "Check that the private key is the latest one downloaded from the merchant platform and that it belongs to this appid. If you build requests yourself, check the signing rules too.",
		Action:   ActionCorrectRequest,
	},
	CodeKsherVersionError: {
		Meaning:  "Ksher does not accept this version of the API",
		Reason:   "The request was made for another version than the one Ksher runs.",
		Solution: "Ask Ksher which version is current for your account.",
		Action:   ActionContactKsher,
	},

	// Request.
	CodeLackParams: {
		Meaning:  "a mandatory parameter is missing",
		Reason:   "The request left out at least one parameter that the operation needs.",
		Solution: "Compare the request with the operation's list of mandatory parameters.",
		Action:   ActionCorrectRequest,
	},
	CodeParamError: {
		Meaning:  "a parameter is wrong",
		Reason:   "At least one parameter has a value that Ksher does not accept.",
		Solution: "The error's message may name the parameter; correct it. If you cannot find anything wrong, ask Ksher.",
		Action:   ActionCorrectRequest,
	},
	CodeKsherInvalidParam: {
		Meaning:  "a parameter is missing or not valid",
		Reason:   "At least one parameter was left out, or has a value that Ksher does not accept.",
		Solution: "Check that every mandatory parameter is there and well formed.",
		Action:   ActionCorrectRequest,
	},
	CodeKsherParamOverlength: {
		Meaning:  "a parameter is too long",
		Reason:   "At least one parameter is longer than its documented size.",
		Solution: "Shorten the parameter. Order numbers, for one, have at most 32 characters.",
		Action:   ActionCorrectRequest,
	},
	CodePostDataEmpty: {
		Meaning:  "the request arrived without parameters",
		Reason:   "The body of the HTTP request was empty when it reached Ksher.",
		Solution: "Check that the body is sent as a form. If it is, look for a proxy or a redirect that drops it.",
		Action:   ActionCorrectRequest,
	},
	CodeRequirePostMethod: {
		Meaning:  "the request did not arrive as a POST",
		Reason:   "Ksher takes parameters by POST only.",
		Solution: "Send a POST. If you do, look for a redirect, such as from http to https, that turns it into a GET.",
		Action:   ActionCorrectRequest,
	},
	CodeNotUTF8: {
		Meaning:  "the request is not in UTF-8",
		Reason:   "A parameter holds bytes that are not valid UTF-8.",
		Solution: "Convert your texts to UTF-8 before sending. Look first at product names in Thai.",
		Action:   ActionCorrectRequest,
	},
	CodeXMLFormatError: {
		Meaning:  "the XML parameters cannot be read",
		Reason:   "Ksher expected XML and could not read what it got.",
		Solution: "Check the URL you call, because the documented operations take a form and no XML. If the URL is right, check whether a parameter holds broken XML.",
		Action:   ActionCorrectRequest,
	},

	// Order creation.
	CodeKsherDuplicatedOrderNo: {
		Meaning:  "the merchant order number has been used before",
		Reason:   "An order with this mch_order_no already exists.",
		Solution: "If an earlier attempt ended in doubt, query the order under this number first: it may be paid. Otherwise create the order again under a new mch_order_no.",
		Action:   ActionQueryOrder,
	},
	CodeMchOrderError: {
		Meaning:  "the merchant order number has been used before",
		Reason:   "An order with this mch_order_no already exists.",
		Solution: "If an earlier attempt ended in doubt, query the order under this number first: it may be paid. Otherwise create the order again under a new mch_order_no.",
		Action:   ActionQueryOrder,
	},
	CodeOrderError: {
		Meaning:  "the order number is not unique",
		Reason:   "An order with this number already exists.",
		Solution: "If an earlier attempt ended in doubt, query the order under this number first: it may be paid. Otherwise create the order again under a new mch_order_no.",
		Action:   ActionQueryOrder,
	},
	CodeOutTradeNoUsed: {
		Meaning:  "the order number has been used before",
		Reason:   "The same order was submitted more than once.",
		Solution: "Find out whether your program submits twice. If an earlier attempt ended in doubt, query the order under this number first: it may be paid. Otherwise create the order again under a new mch_order_no.",
		Action:   ActionQueryOrder,
	},
	CodeLangRepeatSubmit: {
		Meaning:  "the order has been submitted before",
		Reason:   "The order was created by an earlier request.",
		Solution: "If an earlier attempt ended in doubt, query the order under this number first: it may be paid. Otherwise create the order again under a new mch_order_no.",
		Action:   ActionQueryOrder,
	},
	CodePriceNotExist: {
		Meaning:  "the amount is not valid",
		Reason:   "The amount is zero, or the order was created before.",
		Solution: "Check that total_fee is a positive integer in the currency's cent. If it is, query the order under this number, because it may already exist.",
		Action:   ActionQueryOrder,
	},
	CodeKsherAmountIsTooSmall: {
		Meaning:  "the amount is too small",
		Reason:   "The amount is below the smallest one that the channel takes.",
		Solution: "Ask for more, or offer another channel. Check too that total_fee is in the currency's cent: 1 THB is 100.",
		Action:   ActionCorrectRequest,
	},
	CodeKsherExceedAmountLimit: {
		Meaning:  "the amount is above the merchant's limit",
		Reason:   "The amount is larger than the limit that is set for the account.",
		Solution: "Check that total_fee is in the currency's cent, and compare it with the limits that merchant_info returns. If the limit is too low for your business, ask Ksher to raise it.",
		Action:   ActionCorrectRequest,
	},
	CodeKsherFeeTypeNotMatch: {
		Meaning:  "the currency is not the one the merchant registered",
		Reason:   "The fee_type of the request differs from the account's.",
		Solution: "Send the fee_type of your account. If you are sure that it is right, ask Ksher.",
		Action:   ActionCorrectRequest,
	},
	CodeChannelListError: {
		Meaning:  "none of the channels asked for is open to the merchant",
		Reason:   "A name in channel_list is wrong, or the merchant has not applied for any wallet or card service.",
		Solution: "Check the spelling of channel_list and compare it with the channels that merchant_info returns. Ask Ksher to open those you miss.",
		Action:   ActionCorrectRequest,
	},
	CodeInstalFeePayerError: {
		Meaning:  "the setting of who pays the instalment fee cannot be applied",
		Reason:   "The parameter that says who bears the fee has a value Ksher does not accept.",
		Solution: "Check instal_fee_payer_merchant_channel_list, or instal_fee_payer if you use the older form.",
		Action:   ActionCorrectRequest,
	},

	// Order state.
	CodeOrderNotExist: {
		Meaning:  "the order does not exist",
		Reason:   "No order was found under the number of the request.",
		Solution: "Check mch_order_no, and that you ask the host that created the order. The refund of a gateway_pay order takes its pay_mch_order_no as mch_order_no.",
		Action:   ActionCorrectRequest,
	},
	CodeOrderNotExistR: {
		Meaning:  "the order does not exist",
		Reason:   "No order was found under the number of the request.",
		Solution: "Check the order number, and that you ask the host that created the order. The refund of a gateway_pay order takes its pay_mch_order_no as mch_order_no.",
		Action:   ActionCorrectRequest,
	},
	CodeInvalidOrderNo: {
		Meaning:  "the order number is not valid",
		Reason:   "The number is not that of an order, or the order it belongs to failed.",
		Solution: "Check that the original order exists and was paid. The refund of a gateway_pay order takes its pay_mch_order_no as mch_order_no.",
		Action:   ActionCorrectRequest,
	},
	CodeKsherInvalidOrderNo: {
		Meaning:  "Ksher finds no order under this number",
		Reason:   "The number is not in Ksher's system.",
		Solution: "Check the order number, and that you ask the host that created the order. The refund of a gateway_pay order takes its pay_mch_order_no as mch_order_no.",
		Action:   ActionCorrectRequest,
	},
	CodeKsherErrorOrderNo: {
		Meaning:  "the request names no order",
		Reason:   "None of the order numbers was sent, or the one sent is empty.",
		Solution: "Send mch_order_no, ksher_order_no or channel_order_no.",
		Action:   ActionCorrectRequest,
	},
	CodeUserNotExist: {
		Meaning:  "the user or the order does not exist",
		Reason:   "The name speaks of a user, but the documented cause is an order that was not found.",
		Solution: "Check mch_order_no first. If it is right and you sent a member_id, check that too.",
		Action:   ActionCorrectRequest,
	},
	CodeOrderNotPay: {
		Meaning:  "the order has not been paid",
		Reason:   "The buyer has not finished the payment.",
		Solution: "Query the order again later, since the buyer can still pay. What needs a paid order, such as a refund, has to wait until then.",
		Action:   ActionWait,
	},
	CodeOrderPaymentError: {
		Meaning:  "the buyer's payment failed",
		Reason:   "The channel did not accept the payment.",
		Solution: "Let the buyer pay again or in another way. Query the order before you create a new one, so that the buyer cannot pay twice.",
		Action:   ActionAskBuyer,
	},
	CodeOrderAlreadyPaymentSuccess: {
		Meaning:  "the order has been paid",
		Reason:   "The payment was completed before this request.",
		Solution: "Do not let the buyer pay this order again; query it if you have not recorded the payment yet. Only another purchase needs a new mch_order_no.",
		Action:   ActionQueryOrder,
	},
	CodeOrderAlreadyPayOperationCannotBePerformed: {
		Meaning:  "the order has been paid, so the operation was refused",
		Reason:   "The operation is for unpaid orders, and the payment came first.",
		Solution: "Query the order and record the payment. If you wanted to cancel it, refund it instead; only another purchase needs a new mch_order_no.",
		Action:   ActionQueryOrder,
	},
	CodeOrderPaid: {
		Meaning:  "the order is closed or has been paid",
		Reason:   "The documented text says closed, while the name says paid.",
		Solution: "Query the order to learn which it is. Create a new order under a new mch_order_no only if it was closed without being paid.",
		Action:   ActionQueryOrder,
	},
	CodeExpireOrder: {
		Meaning:  "the time for paying the order is over",
		Reason:   "The order's expire_time passed before the buyer paid.",
		Solution: "Query the order once more, in case the buyer paid at the last moment. If it is unpaid and still wanted, create it again under a new mch_order_no.",
		Action:   ActionQueryOrder,
	},
	CodeOrderAlreadyCancel: {
		Meaning:  "the order has been cancelled",
		Reason:   "An earlier request cancelled the order.",
		Solution: "If you wanted to cancel it, nothing is left to do, but watch for a buyer who saved the QR code and pays after all. If the buyer still wants to pay, create a new order under a new mch_order_no.",
		Action:   ActionNone,
	},
	CodeOrderAlreadyCancelOperationCannotBePerformed: {
		Meaning:  "the order has been cancelled, so the operation was refused",
		Reason:   "An earlier request cancelled the order.",
		Solution: "Query the order, because a buyer who saved the QR code may have paid after all. If it is unpaid and still wanted, create it again under a new mch_order_no.",
		Action:   ActionQueryOrder,
	},
	CodeCancelError: {
		Meaning:  "the order could not be cancelled",
		Reason:   "The wallet does not support it, or the order has been paid.",
		Solution: "Query the order. If it was paid and you do not want the payment, refund it; if it is unpaid, it can still be paid, so keep watching it.",
		Action:   ActionQueryOrder,
	},
	CodeQueryOrderError: {
		Meaning:  "the query for the order failed",
		Reason:   "A value of the query is wrong, or the transaction is not complete.",
		Solution: "Check the values of the query and send it again. A failed query says nothing about the payment.",
		Action:   ActionCorrectRequest,
	},
	CodeManyOpen: {
		Meaning:  "somebody else is paying this order, it must not be paid twice",
		Reason:   "The payment page of the order is open in more than one place.",
		Solution: "Query the order until it settles, and keep everybody else from paying meanwhile. If this happens often, check whether exclusive payment is turned on.",
		Action:   ActionWait,
	},

	// Refund.
	CodeKsherRefundExpire: {
		Meaning:  "the order has been settled and cannot be refunded through the API",
		Reason:   "Ksher has already paid the money of this order out to the merchant.",
		Solution: "Ask for the refund on Ksher's merchant platform.",
		Action:   ActionByHand,
	},
	CodeKsherInvalidRefundFee: {
		Meaning:  "the refund is larger than the amount available for it",
		Reason:   "The refund_fee is wrong, or part of the order was refunded before.",
		Solution: "Check that refund_fee is in the currency's cent. If an earlier refund ended in doubt, query it before you ask for another amount.",
		Action:   ActionCorrectRequest,
	},
	CodeKsherInvalidRefundAmount: {
		Meaning:  "a partial refund is not allowed",
		Reason:   "The account or the channel refunds whole orders only.",
		Solution: "Refund the whole amount, or settle the difference with the buyer outside Ksher. The field allow_partial_refund of merchant_info tells what your account may do.",
		Action:   ActionCorrectRequest,
	},
	CodeKsherInvalidRefundBalance: {
		Meaning:  "less is left of the order than the refund asks for",
		Reason:   "Earlier refunds used up part or all of the order's amount.",
		Solution: "Query the refunds of the order, because one that ended in doubt may have gone through. Then check refund_fee against what is left.",
		Action:   ActionQueryOrder,
	},
	CodeKsherInvalidRefundFeeOrType: {
		Meaning:  "the amount or the currency of the refund is not valid",
		Reason:   "The refund_fee is not an acceptable amount, or the fee_type is not that of the order.",
		Solution: "Check refund_fee and fee_type against the order.",
		Action:   ActionCorrectRequest,
	},
	CodeKsherInvalidRefundOrderNo: {
		Meaning:  "the refund number has been used before",
		Reason:   "A refund with this mch_refund_no already exists.",
		Solution: "If an earlier attempt ended in doubt, query the refund under this number first: the money may be on its way. Use a new mch_refund_no only for a refund that has not been made.",
		Action:   ActionQueryOrder,
	},
	CodeKsherDuplicatedRefundOrderNo: {
		Meaning:  "the refund number has been used before",
		Reason:   "A refund with this mch_refund_no already exists.",
		Solution: "If an earlier attempt ended in doubt, query the refund under this number first: the money may be on its way. Use a new mch_refund_no only for a refund that has not been made.",
		Action:   ActionQueryOrder,
	},
	CodeNotEnough: {
		Meaning:  "the merchant's unsettled money does not cover the refund",
		Reason:   "Ksher pays refunds from money that it has not settled yet, and there is too little of it.",
		Solution: "Try again with the same mch_refund_no once more payments have come in. If that takes too long, ask Ksher for a credit that covers such refunds.",
		Action:   ActionWait,
	},
	CodeTradeStateError: {
		Meaning:  "the order is not in the right state, a refund may be under way",
		Reason:   "The result of a refund comes late: it can take 20 minutes for a payment from a balance, and 3 working days for a card.",
		Solution: "Query the refund later. Do not ask for it again under a new mch_refund_no meanwhile.",
		Action:   ActionWait,
	},
	CodeUserAccountAbnormal: {
		Meaning:  "the refund failed because of the buyer's account",
		Reason:   "The buyer's account is in an abnormal state, or no longer registered.",
		Solution: "Return the money to the buyer in another way, such as a bank transfer, and record it, so that nobody refunds the order once more.",
		Action:   ActionByHand,
	},
	CodeOrderAlreadyRefund: {
		Meaning:  "the order has been refunded",
		Reason:   "An earlier request, or a person on the merchant platform, refunded it.",
		Solution: "Query the refunds if you do not know of one, and record it. Do not pay the buyer back a second time.",
		Action:   ActionNone,
	},
	CodeRefundFailed: {
		Meaning:  "the refund failed",
		Reason:   "A value of the request is probably wrong; Ksher does not say which.",
		Solution: "Query the refund to be sure that no money moved. Then check the order number, the amounts and the currency, and ask again.",
		Action:   ActionQueryOrder,
	},

	// Buyer, card and OTP.
	CodeMemberIDError: {
		Meaning:  "the member ID must not consist of digits only",
		Reason:   "Ksher refuses a member_id such as 1200 or 00001.",
		Solution: "Put letters into the member_id, as in ABC1234. Use the same form every time, because the saved cards hang on it.",
		Action:   ActionCorrectRequest,
	},
	CodeMemberIDLengthOutOfLimit: {
		Meaning:  "the member ID is longer than 32 characters",
		Reason:   "Ksher takes a member_id of at most 32 characters.",
		Solution: "Shorten the member_id, and keep a letter in it. Use the same form every time, because the saved cards hang on it.",
		Action:   ActionCorrectRequest,
	},
	CodeMemberCardNotExist: {
		Meaning:  "the saved card does not exist",
		Reason:   "The member_id is wrong, or no such card is saved under it.",
		Solution: "Check that the member_id is the one under which the card was saved. If it is, the buyer has to enter the card again.",
		Action:   ActionCorrectRequest,
	},
	CodeMemberCardError: {
		Meaning:  "the card cannot be used",
		Reason:   "The card is not available for this payment.",
		Solution: "Ask the buyer to pay with another card.",
		Action:   ActionAskBuyer,
	},
	CodeEmptyCardNo: {
		Meaning:  "the card's details are wrong",
		Reason:   "The buyer mistyped the card's details or left some out.",
		Solution: "Ask the buyer to enter the card again.",
		Action:   ActionAskBuyer,
	},
	CodeSaveCardError: {
		Meaning:  "the card could not be saved",
		Reason:   "The card channel of the account may not support saved cards.",
		Solution: "Ask Ksher whether your card channel can save cards. This says nothing about the payment, so query the order for that.",
		Action:   ActionContactKsher,
	},
	CodeDeleteMemberCardError: {
		Meaning:  "the saved card could not be deleted",
		Reason:   "Ksher gives no cause; the payment page may be out of date.",
		Solution: "Ask the buyer to load the page again and then to delete the card once more.",
		Action:   ActionAskBuyer,
	},
	CodeSMSCodeError: {
		Meaning:  "the OTP did not reach the buyer",
		Reason:   "The buyer's mobile number may be wrong.",
		Solution: "Ask the buyer to check the mobile number and to request another OTP.",
		Action:   ActionAskBuyer,
	},
	CodeTrueMoneyOTPCodeError: {
		Meaning:  "the TrueMoney OTP is wrong",
		Reason:   "The buyer typed another OTP than the one TrueMoney sent.",
		Solution: "Ask the buyer to type the OTP again.",
		Action:   ActionAskBuyer,
	},

	// Ksher's system.
	CodeSystemError: {
		Meaning:  "a system timed out and the outcome is unknown",
		Reason:   "Ksher or the channel did not answer in time.",
		Solution: "Query the order at once and let its state decide the next step. Do not create or refund again before that.",
		Action:   ActionQueryOrder,
	},
	CodeKsherSystemError: {
		Meaning:  "Ksher failed while it handled the request",
		Reason:   "Something went wrong inside Ksher.",
		Solution: "Send a refund again with the same mch_refund_no, so that it can't refund twice. After any other request that moves money, query the order first.",
		Action:   ActionQueryOrder,
	},
	CodeKsherChannelResponseError: {
		Meaning:  "the query failed at the payment channel",
		Reason:   "The channel did not give Ksher a usable answer.",
		Solution: "Query the order again. Until a query succeeds, the payment's outcome is unknown.",
		Action:   ActionQueryOrder,
	},
	CodeRedisDoesNotExist: {
		Meaning:  "Ksher's Redis store lacks what was looked for",
		Reason:   "The URL that was called or opened may be wrong.",
		Solution: "Check the URL. If it is right and the code stays, tell Ksher, because the fault may be on their side.",
		Action:   ActionCorrectRequest,
	},
}

// Is tells whether the code is one of those that [ErrNotFound] or [ErrDuplicate] stands
// for.
func (c Code) Is(target error) bool {
	switch c {
	case CodeOrderNotExist, CodeOrderNotExistR, CodeInvalidOrderNo, CodeKsherInvalidOrderNo:
		return target == ErrNotFound
	case CodeKsherDuplicatedOrderNo, CodeMchOrderError, CodeOrderError, CodeOutTradeNoUsed,
		CodeKsherInvalidRefundOrderNo, CodeKsherDuplicatedRefundOrderNo:
		return target == ErrDuplicate
	}
	return false
}
