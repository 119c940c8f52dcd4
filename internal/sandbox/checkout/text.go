package checkout

import (
	"fmt"
	"regexp"
	"slices"
)

// languages of the page, in the order of its switch.
var languages = []string{"en", "th", "cn"}

// LangOf is a language of the page: English, unless the text is one of the others.
func LangOf(text string) string {
	if lang := string(text); slices.Contains(languages, lang) {
		return lang
	}
	return "en"
}

// translation is a text in each language of the page. All have the same verbs of
// fmt in the same order.
type translation struct{ en, th, cn string }

var verb = regexp.MustCompile(`%[a-z]`)

// phrase is a text of the page in a language. A lower-case letter after a per
// cent sign is always a verb.
func phrase(lang, key string, args ...any) (string, error) {
	t, ok := phrases[key]
	if !ok {
		return "", fmt.Errorf("the page has no text %q", key)
	}
	text := t.en
	switch lang {
	case "th":
		text = t.th
	case "cn":
		text = t.cn
	}
	// A text need not use what it is given.
	args = args[:min(len(args), len(verb.FindAllString(text, -1)))]
	if len(args) == 0 {
		return text, nil
	}
	return fmt.Sprintf(text, args...), nil
}

// phrases has every text of the page.
var phrases = map[string]translation{
	"lead_form":  {"The gateway answers %s: %s", "เกตเวย์ตอบว่า %s: %s", "网关返回 %s：%s"},
	"language":   {"English", "ไทย", "中文"},
	"languages":  {"Language", "ภาษา", "语言"},
	"checkout":   {"Checkout", "ชำระเงิน", "收银台"},
	"skip":       {"Skip to payment", "ข้ามไปยังการชำระเงิน", "跳到付款"},
	"simulation": {"Simulation", "ระบบจำลอง", "模拟环境"},
	"simulation_note": {"This is a local test gateway. No money moves, and no bank or wallet is involved.",
		"นี่คือเกตเวย์ทดสอบในเครื่อง ไม่มีการโอนเงินจริง และไม่มีการติดต่อธนาคารหรือวอลเล็ตใด ๆ",
		"这是本地测试网关，不会发生真实扣款，也不会连接任何银行或钱包。"},
	"outside_note": {"You have left the checkout. This page imitates %s.",
		"คุณออกจากหน้าชำระเงินแล้ว หน้านี้จำลอง %s", "您已离开收银台。本页面模拟 %s。"},
	"outside_bank": {"You have left the checkout. This page imitates that of the bank.",
		"คุณออกจากหน้าชำระเงินแล้ว หน้านี้จำลองหน้าของธนาคาร", "您已离开收银台。本页面模拟银行页面。"},
	"order_summary": {"Order summary", "สรุปคำสั่งซื้อ", "订单摘要"},
	"amount":        {"Amount", "ยอดชำระ", "金额"},
	"product":       {"Product", "สินค้า", "商品"},
	"order_no":      {"Order number", "หมายเลขคำสั่งซื้อ", "订单号"},
	"paid_with":     {"Paid with", "ชำระด้วย", "付款方式"},
	"pay_with":      {"Payment method", "วิธีชำระเงิน", "付款方式"},
	"time_left":     {"Time left to pay", "เวลาที่เหลือ", "剩余付款时间"},
	"secured":       {"Simulated by kshertest", "จำลองโดย kshertest", "由 kshertest 模拟"},

	// The chooser.
	"title_choose":  {"Choose how to pay", "เลือกวิธีชำระเงิน", "选择付款方式"},
	"lead_choose":   {"Select one, then continue.", "เลือกหนึ่งวิธี แล้วดำเนินการต่อ", "请选择一种方式，然后继续。"},
	"continue":      {"Continue", "ดำเนินการต่อ", "继续"},
	"tabs":          {"Kinds of payment", "ประเภทการชำระเงิน", "付款类别"},
	"tab_thai":      {"Thai e-wallets", "วอลเล็ตไทย", "泰国电子钱包"},
	"tab_chinese":   {"Chinese e-wallets", "วอลเล็ตจีน", "中国电子钱包"},
	"tab_card":      {"Card", "บัตร", "银行卡"},
	"tab_card_h5":   {"Credit/debit card", "บัตรเครดิต/เดบิต", "信用卡/借记卡"},
	"tab_bank":      {"Mobile banking", "แอปธนาคาร", "手机银行"},
	"title_nothing": {"No way to pay here", "ไม่มีวิธีชำระเงินที่ใช้ได้", "没有可用的付款方式"},
	"lead_nothing": {"None of the order's payment methods is available for this amount on this device. Mobile banking needs a phone.",
		"ไม่มีวิธีชำระเงินของคำสั่งซื้อนี้ที่ใช้ได้กับยอดเงินหรืออุปกรณ์นี้ แอปธนาคารต้องใช้บนโทรศัพท์มือถือ",
		"此订单的付款方式不适用于该金额或此设备。手机银行需在手机上使用。"},

	"channel_promptpay":        {"PromptPay", "พร้อมเพย์", "PromptPay"},
	"channel_truemoney":        {"TrueMoney", "ทรูมันนี่", "TrueMoney"},
	"channel_airpay":           {"ShopeePay", "ช้อปปี้เพย์", "ShopeePay"},
	"channel_linepay":          {"Rabbit LINE Pay", "แรบบิท ไลน์ เพย์", "Rabbit LINE Pay"},
	"channel_atome":            {"Atome", "อะตอม (Atome)", "Atome"},
	"channel_scb_qrcard":       {"QR credit/debit card", "คิวอาร์บัตรเครดิต/เดบิต", "信用卡/借记卡二维码"},
	"channel_wechat":           {"WeChat Pay", "วีแชทเพย์", "微信支付"},
	"channel_alipay":           {"Alipay", "อาลีเพย์", "支付宝"},
	"channel_alipayplus":       {"Alipay+", "อาลีเพย์พลัส", "Alipay+"},
	"channel_card":             {"Credit or debit card", "บัตรเครดิตหรือเดบิต", "信用卡或借记卡"},
	"channel_ktc_instal":       {"KTC instalments", "ผ่อนชำระ KTC", "KTC 分期付款"},
	"channel_kbank_instal":     {"KBank instalments", "ผ่อนชำระกสิกรไทย", "开泰银行分期付款"},
	"channel_kcc_instal":       {"Krungsri instalments", "ผ่อนชำระกรุงศรี", "大城银行分期付款"},
	"channel_kfc_instal":       {"First Choice instalments", "ผ่อนชำระเฟิร์สช้อยส์", "First Choice 分期付款"},
	"channel_scb_easy":         {"SCB Easy", "เอสซีบี อีซี่", "SCB Easy"},
	"channel_bbl_deeplink":     {"Bualuang mBanking", "บัวหลวง เอ็มแบงก์กิ้ง", "盘谷银行 mBanking"},
	"channel_baybank_deeplink": {"KMA", "กรุงศรี KMA", "大城银行 KMA"},
	"channel_kplus":            {"K PLUS", "เคพลัส (K PLUS)", "K PLUS"},

	// The steps. %s is the channel.
	"title_qr":         {"Scan to pay with %s", "สแกนเพื่อชำระด้วย %s", "扫码支付：%s"},
	"lead_qr":          {"Here you play the buyer: press a button below in place of scanning the code.", "ที่นี่คุณสวมบทผู้ซื้อ กดปุ่มด้านล่างแทนการสแกนโค้ด", "您在此扮演买家：请点击下方按钮代替扫码。"},
	"title_walletqr":   {"Scan with the %s app", "สแกนด้วยแอป %s", "使用 %s 应用扫码"},
	"lead_walletqr":    {"Here you play the buyer: press a button below in place of scanning the code.", "ที่นี่คุณสวมบทผู้ซื้อ กดปุ่มด้านล่างแทนการสแกนโค้ด", "您在此扮演买家：请点击下方按钮代替扫码。"},
	"title_login":      {"Log in to %s", "เข้าสู่ระบบ %s", "登录 %s"},
	"lead_login":       {"Any account and any PIN will do. Don't type a real one.", "ใช้บัญชีและ PIN ใดก็ได้ อย่ากรอกข้อมูลจริง", "可输入任意账号和密码，请勿输入真实信息。"},
	"title_confirm":    {"Confirm your payment", "ยืนยันการชำระเงิน", "确认付款"},
	"lead_confirm":     {"Check the payment with %s.", "ตรวจสอบการชำระเงินด้วย %s", "请核对 %s 的付款信息。"},
	"title_phone":      {"Your mobile number", "หมายเลขโทรศัพท์มือถือ", "您的手机号码"},
	"lead_phone":       {"%s sends a one-time code to it. Here any number will do, and nothing is sent.", "%s จะส่งรหัสใช้ครั้งเดียวไปให้ ที่นี่ใช้หมายเลขใดก็ได้และไม่มีการส่งจริง", "%s 会向该号码发送一次性验证码。此处可输入任意号码，不会真的发送。"},
	"title_otp":        {"Enter the one-time code", "กรอกรหัส OTP", "输入一次性验证码"},
	"lead_otp":         {"The code was sent to the mobile phone you registered.", "รหัสถูกส่งไปยังโทรศัพท์มือถือที่คุณลงทะเบียนไว้", "验证码已发送到您登记的手机。"},
	"title_card":       {"Card details", "ข้อมูลบัตร", "银行卡信息"},
	"lead_card":        {"Only the test cards below are accepted. Never type a real card.", "รับเฉพาะบัตรทดสอบด้านล่างเท่านั้น ห้ามกรอกบัตรจริง", "仅接受下列测试卡，切勿输入真实卡号。"},
	"title_saved":      {"Pay with a saved card", "ชำระด้วยบัตรที่บันทึกไว้", "使用已保存的卡付款"},
	"lead_saved":       {"Choose one of your cards, or use another one.", "เลือกบัตรของคุณ หรือใช้บัตรอื่น", "选择一张您的卡，或使用其他卡。"},
	"title_instal":     {"Pay in instalments", "ผ่อนชำระรายเดือน", "分期付款"},
	"lead_instal":      {"Choose the number of months and fill in your card. Only the test cards below are accepted.", "เลือกจำนวนเดือนและกรอกข้อมูลบัตร รับเฉพาะบัตรทดสอบด้านล่างเท่านั้น", "选择分期月数并填写卡信息。仅接受下列测试卡。"},
	"title_open":       {"Open the %s app", "เปิดแอป %s", "打开 %s 应用"},
	"lead_open":        {"You go on in the app and come back here afterwards.", "ดำเนินการต่อในแอป แล้วกลับมาที่นี่ภายหลัง", "您将在应用中继续，完成后返回此处。"},
	"title_appstore":   {"%s in the App Store", "%s ใน App Store", "App Store 中的 %s"},
	"lead_appstore":    {"Without the app, an iPhone shows the App Store.", "หากไม่มีแอป iPhone จะเปิด App Store", "如果未安装应用，iPhone 会打开 App Store。"},
	"title_googleplay": {"%s on Google Play", "%s ใน Google Play", "Google Play 上的 %s"},
	"lead_googleplay":  {"Without the app, an Android phone shows Google Play.", "หากไม่มีแอป โทรศัพท์แอนดรอยด์จะเปิด Google Play", "如果未安装应用，安卓手机会打开 Google Play。"},
	"title_store":      {"%s in a store of apps", "%s ในร้านค้าแอป", "应用商店中的 %s"},
	"lead_store":       {"Without the app, an iPhone shows the App Store, and an Android phone Google Play.", "หากไม่มีแอป iPhone จะเปิด App Store และโทรศัพท์แอนดรอยด์จะเปิด Google Play", "如果未安装应用，iPhone 会打开 App Store，安卓手机会打开 Google Play。"},
	"title_wechatonly": {"Open this page in WeChat", "เปิดหน้านี้ในวีแชท", "请在微信中打开此页面"},
	"lead_wechatonly":  {"On a phone, WeChat Pay works inside WeChat's own browser only. Copy this page's address into a WeChat chat and open it there.", "บนโทรศัพท์ วีแชทเพย์ใช้ได้เฉพาะในเบราว์เซอร์ของวีแชท คัดลอกที่อยู่ของหน้านี้ไปยังแชทวีแชทแล้วเปิดที่นั่น", "在手机上，微信支付只能在微信内置浏览器中使用。请将本页网址复制到微信聊天中打开。"},
	"title_terms":      {"How would you like to pay?", "คุณต้องการชำระแบบใด", "您想如何付款？"},
	"lead_terms":       {"Choose a plan and accept the terms of %s.", "เลือกแผนการชำระและยอมรับข้อกำหนดของ %s", "选择付款计划并接受 %s 的条款。"},
	"title_coupon":     {"Coupon and plan", "คูปองและแผนการชำระ", "优惠券与付款计划"},
	"lead_coupon":      {"Use a coupon if you have one, and choose how %s is to be paid back.", "ใช้คูปองหากมี และเลือกวิธีชำระคืน %s", "如有优惠券可使用，并选择 %s 的还款方式。"},
	"title_pin":        {"Enter your app PIN", "กรอก PIN ของแอป", "输入应用密码"},
	"lead_pin":         {"Any four to six digits will do. Don't type your real PIN for %s.", "ใช้ตัวเลข 4 ถึง 6 หลักใดก็ได้ อย่ากรอก PIN จริงของ %s", "可输入任意 4 至 6 位数字，请勿输入您的 %s 真实密码。"},
	"title_consent":    {"Authorise Ksher", "อนุญาตให้ Ksher", "授权 Ksher"},
	"lead_consent":     {"The first time you pay through Ksher, %s asks whether it may share your payment details with it.", "เมื่อชำระผ่าน Ksher ครั้งแรก %s จะขออนุญาตแบ่งปันข้อมูลการชำระเงิน", "首次通过 Ksher 付款时，%s 会询问是否可以与其共享您的付款信息。"},
	"title_account":    {"Choose an account", "เลือกบัญชี", "选择账户"},
	"lead_account":     {"The money would come from this account.", "เงินจะถูกหักจากบัญชีนี้", "款项将从该账户扣除。"},
	"title_review":     {"Review and confirm", "ตรวจสอบและยืนยัน", "核对并确认"},
	"lead_review":      {"Check the payment before you confirm it.", "ตรวจสอบการชำระเงินก่อนยืนยัน", "确认前请核对付款信息。"},

	// Ways. %s is the channel.
	"way_qr":          {"Pay by QR code instead", "ชำระด้วยคิวอาร์โค้ดแทน", "改用二维码付款"},
	"way_account_qr":  {"As for a merchant with a QR account", "แบบร้านค้าที่ใช้บัญชีคิวอาร์", "查看二维码账户商家的流程"},
	"way_account_otp": {"As for a merchant with an OTP account", "แบบร้านค้าที่ใช้บัญชี OTP", "查看 OTP 验证码账户商家的流程"},
	"way_login":       {"Log in to %s in the browser instead", "เข้าสู่ระบบ %s ในเบราว์เซอร์แทน", "改在浏览器中登录 %s"},
	"way_browser":     {"Pay in the browser instead", "ชำระในเบราว์เซอร์แทน", "改在浏览器中付款"},
	"way_app":         {"Open the %s app", "เปิดแอป %s", "打开 %s 应用"},
	"way_store":       {"The %s app is not installed", "ไม่ได้ติดตั้งแอป %s", "未安装 %s 应用"},
	"way_new":         {"Use another card", "ใช้บัตรอื่น", "使用其他卡"},
	"way_saved":       {"Use a saved card", "ใช้บัตรที่บันทึกไว้", "使用已保存的卡"},
	"way_closed":      {"Open in WeChat", "เปิดในวีแชท", "在微信中打开"},
	"ways":            {"Other ways", "วิธีอื่น", "其他方式"},

	// Buttons.
	"i_have_paid":     {"I have paid", "ฉันชำระเงินแล้ว", "我已付款"},
	"pay":             {"Pay %s %s", "ชำระ %s %s", "支付 %s %s"},
	"next":            {"Next", "ถัดไป", "下一步"},
	"log_in":          {"Log in", "เข้าสู่ระบบ", "登录"},
	"confirm":         {"Confirm", "ยืนยัน", "确认"},
	"review":          {"Review", "ตรวจสอบ", "核对"},
	"pay_now":         {"Pay now", "ชำระทันที", "立即付款"},
	"confirm_payment": {"Confirm payment", "ยืนยันการชำระเงิน", "确认付款"},
	"open_app":        {"Open the app", "เปิดแอป", "打开应用"},
	"authorise":       {"Authorise", "อนุญาต", "授权"},
	"fail":            {"Let the payment fail", "ให้การชำระเงินล้มเหลว", "让付款失败"},
	"back":            {"Choose another way to pay", "เลือกวิธีชำระเงินอื่น", "选择其他付款方式"},
	"start_again":     {"Start again", "เริ่มใหม่", "重新开始"},
	"abandon":         {"Cancel and return to the shop", "ยกเลิกและกลับไปที่ร้านค้า", "取消并返回商店"},
	"resend":          {"I didn't get a code: send it again", "ไม่ได้รับรหัส: ส่งอีกครั้ง", "没有收到验证码：重新发送"},
	"delete":          {"Delete %s", "ลบ %s", "删除 %s"},
	"return":          {"Return to the shop", "กลับไปที่ร้านค้า", "返回商店"},
	"pay_after_all":   {"Pay after all", "กลับไปชำระเงิน", "继续付款"},
	"save_qr":         {"Save the QR code", "บันทึกคิวอาร์โค้ด", "保存二维码"},
	"qr_alt":          {"QR code for %s, %s %s", "คิวอาร์โค้ดสำหรับ %s จำนวน %s %s", "%s 付款二维码，%s %s"},
	"other_options":   {"Other options", "ตัวเลือกอื่น", "其他选项"},
	"returning":       {"You are taken back to the shop in a few seconds.", "ระบบจะพาคุณกลับไปที่ร้านค้าในไม่กี่วินาที", "几秒钟后将返回商店。"},
	"stay":            {"Stay on this page", "อยู่ในหน้านี้ต่อ", "留在此页面"},
	"store_note":      {"A simulated app store: nothing is installed.", "แอปสโตร์จำลอง ไม่มีการติดตั้งใด ๆ", "模拟应用商店：不会安装任何内容。"},
	"app_note":        {"A real phone would now leave for the app.", "โทรศัพท์จริงจะเปิดแอปในขั้นตอนนี้", "真实手机此时会跳转到应用。"},

	// Fields.
	"label_account":     {"Phone number or email", "หมายเลขโทรศัพท์หรืออีเมล", "手机号或邮箱"},
	"label_bank":        {"Pay from", "ชำระจาก", "付款账户"},
	"label_pin":         {"PIN", "PIN", "密码"},
	"label_mobile":      {"Mobile number", "หมายเลขโทรศัพท์มือถือ", "手机号码"},
	"hint_mobile":       {"For example 081 234 5678", "เช่น 081 234 5678", "例如 081 234 5678"},
	"label_otp":         {"One-time code", "รหัส OTP", "一次性验证码"},
	"label_card_name":   {"Name on card", "ชื่อบนบัตร", "持卡人姓名"},
	"label_card_number": {"Card number", "หมายเลขบัตร", "卡号"},
	"label_card_expiry": {"Expiry date", "วันหมดอายุ", "有效期"},
	"hint_card_expiry":  {"MM/YY", "ดด/ปป (MM/YY)", "月/年 (MM/YY)"},
	"label_card_cvc":    {"Security code", "รหัสความปลอดภัย", "安全码"},
	"hint_card_cvc":     {"CVC, 3 or 4 digits", "CVC 3 หรือ 4 หลัก", "CVC，3 或 4 位数字"},
	"label_save_card":   {"Save this card for my next payment. Only its brand and last four digits are kept.", "บันทึกบัตรนี้สำหรับการชำระเงินครั้งต่อไป เก็บเฉพาะยี่ห้อและเลข 4 ตัวท้าย", "保存此卡供下次付款使用，仅保留卡组织和后四位。"},
	"label_months":      {"Number of months", "จำนวนเดือน", "分期月数"},
	"label_card":        {"Your cards", "บัตรของคุณ", "您的卡"},
	"label_method":      {"Plan", "แผนการชำระ", "付款计划"},
	"label_coupon":      {"Coupon (optional)", "คูปอง (ไม่บังคับ)", "优惠券（选填）"},
	"hint_coupon":       {"Any text will do. It changes no amount here.", "กรอกข้อความใดก็ได้ ยอดเงินที่นี่จะไม่เปลี่ยน", "可输入任意内容，此处不会改变金额。"},
	"label_accept":      {"I accept the terms and conditions.", "ฉันยอมรับข้อกำหนดและเงื่อนไข", "我接受条款和条件。"},
	"label_agree":       {"I agree that my payment details are shared with Ksher.", "ฉันยินยอมให้แบ่งปันข้อมูลการชำระเงินกับ Ksher", "我同意与 Ksher 共享我的付款信息。"},

	"option_method_three": {"Three monthly payments", "ผ่อนชำระสามเดือน", "分三个月付款"},
	"option_method_full":  {"The whole amount now", "ชำระเต็มจำนวนทันที", "立即全额付款"},
	"option_bank_savings": {"Savings account ••• 1234", "บัญชีออมทรัพย์ ••• 1234", "储蓄账户 ••• 1234"},
	"option_bank_current": {"Current account ••• 5678", "บัญชีกระแสรายวัน ••• 5678", "活期账户 ••• 5678"},
	"n_months":            {"%d months", "%d เดือน", "%d 个月"},
	"per_month":           {"%s %s a month", "%s %s ต่อเดือน", "每月 %s %s"},
	"fee_shop":            {"The shop pays the instalment fee: 0% interest for you.", "ร้านค้าเป็นผู้รับภาระค่าธรรมเนียมการผ่อนชำระ: คุณผ่อน 0%", "分期手续费由商家承担：您享受 0 利息。"},
	"fee_buyer":           {"You pay the instalment fee: your bank adds it to each month.", "คุณเป็นผู้รับภาระค่าธรรมเนียมการผ่อนชำระ: ธนาคารจะบวกเพิ่มในแต่ละเดือน", "分期手续费由您承担：银行会计入每月账单。"},

	// Test cards.
	"test_cards":    {"Test cards", "บัตรทดสอบ", "测试卡"},
	"test_note":     {"Use any name, a future expiry date and any CVC.", "ใช้ชื่อใดก็ได้ วันหมดอายุในอนาคต และ CVC ใดก็ได้", "可使用任意姓名、未来的有效期和任意 CVC。"},
	"card_succeeds": {"succeeds after the OTP", "สำเร็จหลังกรอก OTP", "输入验证码后成功"},
	"card_declined": {"is declined", "ถูกปฏิเสธ", "被拒绝"},
	"card_silent":   {"its OTP never arrives", "ไม่ได้รับ OTP", "收不到验证码"},
	"test_otp":      {"Test code: %s. Any other is wrong.", "รหัสทดสอบ: %s รหัสอื่นจะไม่ถูกต้อง", "测试验证码：%s，其他均为错误。"},
	"otp_silent":    {"With this test card, the code never arrives.", "บัตรทดสอบนี้จะไม่ได้รับรหัส", "使用此测试卡将收不到验证码。"},
	"otp_resent":    {"The code was sent again.", "ส่งรหัสอีกครั้งแล้ว", "验证码已重新发送。"},
	"otp_unsent":    {"The code could not be sent. Try again, or choose another way to pay.", "ไม่สามารถส่งรหัสได้ โปรดลองอีกครั้งหรือเลือกวิธีชำระเงินอื่น", "验证码无法发送，请重试或选择其他付款方式。"},

	// Errors.
	"error_summary": {"Please check what you entered", "โปรดตรวจสอบข้อมูลที่กรอก", "请检查您填写的内容"},
	"wrong_name":    {"Enter the name on the card.", "กรอกชื่อบนบัตร", "请输入持卡人姓名。"},
	"wrong_card":    {"The card information is incorrect. Only the listed test cards are accepted.", "ข้อมูลบัตรไม่ถูกต้อง รับเฉพาะบัตรทดสอบในรายการเท่านั้น", "卡信息不正确，仅接受列出的测试卡。"},
	"wrong_expiry":  {"Enter the expiry date as MM/YY.", "กรอกวันหมดอายุเป็น ดด/ปป (MM/YY)", "请按 MM/YY 输入有效期。"},
	"wrong_expired": {"The card has expired.", "บัตรหมดอายุแล้ว", "该卡已过期。"},
	"wrong_cvc":     {"Enter the three or four digits of the security code.", "กรอกรหัสความปลอดภัย 3 หรือ 4 หลัก", "请输入 3 或 4 位安全码。"},
	"wrong_otp":     {"Wrong OTP code. After three wrong codes the payment fails.", "รหัส OTP ไม่ถูกต้อง หากผิดครบสามครั้งการชำระเงินจะล้มเหลว", "验证码错误。连续三次错误后付款将失败。"},
	"wrong_pin":     {"Enter four to six digits.", "กรอกตัวเลข 4 ถึง 6 หลัก", "请输入 4 至 6 位数字。"},
	"wrong_phone":   {"Enter a mobile number.", "กรอกหมายเลขโทรศัพท์มือถือ", "请输入手机号码。"},
	"wrong_account": {"Enter a phone number or an email address.", "กรอกหมายเลขโทรศัพท์หรืออีเมล", "请输入手机号或邮箱。"},
	"wrong_choice":  {"Choose one.", "เลือกหนึ่งรายการ", "请选择一项。"},
	"wrong_accept":  {"Accept the terms to go on.", "โปรดยอมรับข้อกำหนดเพื่อดำเนินการต่อ", "请接受条款后继续。"},
	"wrong_agree":   {"Agree to go on, or choose another way to pay.", "โปรดยินยอมเพื่อดำเนินการต่อ หรือเลือกวิธีชำระเงินอื่น", "请同意后继续，或选择其他付款方式。"},

	// How it ends.
	"title_closed_paid":             {"Payment successful", "ชำระเงินสำเร็จ", "付款成功"},
	"lead_closed_paid":              {"This order is paid.", "คำสั่งซื้อนี้ชำระเงินแล้ว", "此订单已付款。"},
	"title_closed_failed":           {"Payment failed", "การชำระเงินล้มเหลว", "付款失败"},
	"lead_closed_failed":            {"The payment of this order failed. Order again in the shop.", "การชำระเงินของคำสั่งซื้อนี้ล้มเหลว โปรดสั่งซื้ออีกครั้งที่ร้านค้า", "此订单付款失败，请在商店重新下单。"},
	"title_closed_expired":          {"Order expired", "คำสั่งซื้อหมดอายุ", "订单已过期"},
	"lead_closed_expired":           {"The time to pay this order has run out.", "หมดเวลาชำระเงินสำหรับคำสั่งซื้อนี้", "此订单的付款时间已过。"},
	"title_closed_cancelled":        {"Order cancelled", "คำสั่งซื้อถูกยกเลิก", "订单已取消"},
	"lead_closed_cancelled":         {"The shop cancelled this order.", "ร้านค้ายกเลิกคำสั่งซื้อนี้แล้ว", "商店已取消此订单。"},
	"title_closed_refunded":         {"Order refunded", "คืนเงินแล้ว", "订单已退款"},
	"lead_closed_refunded":          {"This order was paid and fully refunded.", "คำสั่งซื้อนี้ชำระแล้วและคืนเงินเต็มจำนวน", "此订单已付款并已全额退款。"},
	"title_closed_refunded_in_part": {"Order partly refunded", "คืนเงินบางส่วนแล้ว", "订单已部分退款"},
	"lead_closed_refunded_in_part":  {"This order was paid and partly refunded.", "คำสั่งซื้อนี้ชำระแล้วและคืนเงินบางส่วน", "此订单已付款并已部分退款。"},
	"failed_asked":                  {"You let this payment fail.", "คุณเลือกให้การชำระเงินนี้ล้มเหลว", "您选择了让此付款失败。"},
	"failed_declined":               {"The bank declined the card.", "ธนาคารปฏิเสธบัตร", "银行拒绝了该卡。"},
	"failed_otp":                    {"The code was wrong three times.", "กรอกรหัสผิดสามครั้ง", "验证码已错误三次。"},
	"title_left":                    {"Payment cancelled", "ยกเลิกการชำระเงินแล้ว", "已取消付款"},
	"lead_left":                     {"You left without paying.", "คุณออกจากหน้านี้โดยไม่ได้ชำระเงิน", "您未付款即离开。"},
	"title_many_open":               {"This order is being paid", "คำสั่งซื้อนี้กำลังถูกชำระ", "此订单正在付款中"},
	"lead_many_open":                {"Somebody is paying this order in another window or on another device. Don't pay twice: wait until that payment has ended, then open this link again. (MANY_OPEN)", "มีผู้กำลังชำระคำสั่งซื้อนี้ในหน้าต่างหรืออุปกรณ์อื่น อย่าชำระซ้ำ โปรดรอจนเสร็จแล้วเปิดลิงก์นี้อีกครั้ง (MANY_OPEN)", "有人正在其他窗口或设备上支付此订单。请勿重复付款，待其结束后再打开此链接。(MANY_OPEN)"},
	"title_missing":                 {"There is no such order", "ไม่พบคำสั่งซื้อ", "订单不存在"},
	"lead_missing":                  {"Check the address, or go back to the shop and order again. A local gateway forgets its orders when it ends.", "โปรดตรวจสอบที่อยู่ หรือกลับไปสั่งซื้อใหม่ที่ร้านค้า เกตเวย์ในเครื่องจะลืมคำสั่งซื้อเมื่อปิดการทำงาน", "请检查网址，或返回商店重新下单。本地网关关闭后不会保留订单。"},
	"title_refused":                 {"This form was refused", "แบบฟอร์มถูกปฏิเสธ", "表单被拒绝"},
	"lead_refused":                  {"It came from another site or couldn't be read. Open the payment link again.", "แบบฟอร์มมาจากเว็บไซต์อื่นหรืออ่านไม่ได้ โปรดเปิดลิงก์ชำระเงินอีกครั้ง", "表单来自其他网站或无法读取，请重新打开付款链接。"},
}
