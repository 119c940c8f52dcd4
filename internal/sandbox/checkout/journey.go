package checkout

import (
	"encoding/json"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/ksher-go/ksher"
	"github.com/ksher-go/ksher/internal/sandbox/core"
)

// A journey is what a buyer goes through in a channel. It is data: a channel is
// of a kind, a kind has ways for each layout of the page, a way is a list of
// steps, and a step a list of fields. The last step pays.

// way is a list of steps from the choice of a channel to the payment.
type way struct {
	name  string
	steps []*step
	// when says whether the buyer is offered it, nil standing for always.
	when func(*scene) bool
}

// step is one page of a way. Its text is in the phrases "title_" and "lead_"
// followed by its text or name.
type step struct {
	name string
	// text names the phrases if several steps share a form.
	text   string
	fields []field
	// extra is the template of what it shows besides its fields.
	extra string
	// outside says that it imitates a page or app of the wallet or bank.
	outside bool
	// submit is the phrase on its button, none for a step that leads nowhere.
	submit string
	// check looks at what was typed, after each field was.
	check func(*scene, *submission)
	// skip says that this buyer doesn't need it.
	skip func(*scene) bool
}

func (s *step) phrase(prefix string) string {
	if s.text != "" {
		return prefix + s.text
	}
	return prefix + s.name
}

// kinds of fields, as the templates know them.
const (
	inputField = "input"
	radioField = "radio"
	checkField = "check"
)

// field is something to fill in. Its label is the phrase "label_" and its name.
type field struct {
	name, kind string
	// mode, auto and max are inputmode, autocomplete and maxlength.
	mode, auto string
	max        int
	// secret hides what is typed.
	secret bool
	// optional says that it may be left empty.
	optional bool
	// keep shows again what was typed, if there is an error elsewhere. It is off
	// for numbers of cards and for secrets.
	keep bool
	// valid is what may be typed once spaces around it are gone, wrong the phrase
	// if it isn't.
	valid *regexp.Regexp
	wrong string
	// options are what can be chosen.
	options func(*scene) []option
	// when says whether the buyer sees it, nil standing for always.
	when func(*scene) bool
}

// option is a choice of a radio field.
type option struct{ Value, Text, Hint string }

var (
	// nameText has no digits, lest a card's number be shown again as a name.
	nameText = regexp.MustCompile(`^[^\x00-\x1f\p{N}]{1,64}$`)
	anyText  = regexp.MustCompile(`^[^\x00-\x1f]{1,64}$`)
	pin      = regexp.MustCompile(`^[0-9]{4,6}$`)
	phone    = regexp.MustCompile(`^\+?[0-9][0-9 -]{7,14}[0-9]$`)
	monthOf  = regexp.MustCompile(`^(0[1-9]|1[0-2]) ?/ ?([0-9]{2})$`)
	cvc      = regexp.MustCompile(`^[0-9]{3,4}$`)
	ticked   = regexp.MustCompile(`^yes$`)
	anyDigit = regexp.MustCompile(`^[0-9 -]{1,30}$`)
)

var (
	cardFields = []field{
		{name: "card_name", kind: inputField, auto: "cc-name", max: 64, keep: true, valid: nameText, wrong: "wrong_name"},
		{name: "card_number", kind: inputField, mode: "numeric", auto: "cc-number", max: 30, valid: anyDigit, wrong: "wrong_card"},
		{name: "card_expiry", kind: inputField, mode: "numeric", auto: "cc-exp", max: 7, valid: monthOf, wrong: "wrong_expiry"},
		{name: "card_cvc", kind: inputField, mode: "numeric", auto: "cc-csc", max: 4, secret: true, valid: cvc, wrong: "wrong_cvc"},
	}
	saveField   = field{name: "save_card", kind: checkField, when: func(s *scene) bool { return s.member() != "" }}
	monthsField = field{name: "months", kind: radioField, wrong: "wrong_choice", options: monthOptions}
	phoneField  = field{name: "mobile", kind: inputField, mode: "tel", auto: "tel", max: 16, keep: true, valid: phone, wrong: "wrong_phone"}
	methodField = field{name: "method", kind: radioField, wrong: "wrong_choice", options: phraseOptions("method", "three", "full")}
	pinField    = field{name: "pin", kind: inputField, mode: "numeric", auto: "off", max: 6, secret: true, valid: pin, wrong: "wrong_pin"}
)

// The steps that the journeys are made of.
var (
	qrStep    = &step{name: "qr", extra: "qr", submit: "i_have_paid"}
	phoneStep = &step{name: "phone", fields: []field{phoneField}, submit: "next"}
	otpStep   = otp(true)

	cardStep  = &step{name: "card", extra: "testcards", submit: "pay", check: checkCard, fields: append(slices.Clone(cardFields), saveField)}
	savedStep = &step{name: "saved", submit: "pay", check: checkSavedCard,
		fields: []field{{name: "card", kind: radioField, wrong: "wrong_choice", options: savedOptions}}}
	instalStep = &step{name: "instal", extra: "testcards", submit: "pay", check: checkInstalment,
		fields: append([]field{monthsField}, cardFields...)}

	loginStep = &step{name: "login", outside: true, submit: "log_in", fields: []field{
		{name: "account", kind: inputField, mode: "email", auto: "username", max: 64, keep: true, valid: anyText, wrong: "wrong_account"}, pinField}}
	walletPhoneStep = outside(phoneStep)
	walletQRStep    = &step{name: "qr", text: "walletqr", outside: true, extra: "qr", submit: "i_have_paid"}
	confirmStep     = &step{name: "confirm", outside: true, extra: "review", submit: "confirm_payment"}
	appStep         = &step{name: "open", extra: "open", submit: "open_app"}
	wechatStep      = &step{name: "wechatonly"}

	couponStep = &step{name: "coupon", outside: true, submit: "next", check: keepChoice("method"), fields: []field{
		{name: "coupon", kind: inputField, auto: "off", max: 32, optional: true, keep: true}, methodField}}
	termsStep = &step{name: "terms", outside: true, submit: "next", check: keepChoice("method"), fields: []field{
		methodField, {name: "accept", kind: checkField, valid: ticked, wrong: "wrong_accept"}}}

	pinStep     = &step{name: "pin", outside: true, submit: "next", fields: []field{pinField}}
	consentStep = &step{name: "consent", outside: true, submit: "authorise", check: rememberConsent, skip: (*scene).consented,
		fields: []field{{name: "agree", kind: checkField, valid: ticked, wrong: "wrong_agree"}}}
	reviewStep = &step{name: "review", outside: true, extra: "review", submit: "confirm_payment"}
)

// otp asks for a one-time code, on a page of the bank or wallet if it is outside.
func otp(outside bool) *step {
	return &step{name: "otp", outside: outside, extra: "otp", submit: "confirm", check: checkOTP,
		fields: []field{{name: "otp", kind: inputField, mode: "numeric", auto: "one-time-code", max: 6}}}
}

// account lets the buyer choose the account to pay from. Banks call their button otherwise.
func account(submit string) *step {
	return &step{name: "account", outside: true, submit: submit, check: keepChoice("bank"), fields: []field{
		{name: "bank", kind: radioField, wrong: "wrong_choice", options: phraseOptions("bank", "savings", "current")}}}
}

// outside is a step on a page of the wallet.
func outside(s *step) *step {
	out := *s
	out.outside = true
	return &out
}

// kind is a group of channels that share a journey.
type kind struct {
	pc, h5 []way
}

func steps(name string, list ...*step) way { return way{name: name, steps: list} }

// storeWays lead to the store that a phone has.
var storeWays = []way{
	store("appstore", func(s *scene) bool { return s.store == appStore }),
	store("googleplay", func(s *scene) bool { return s.store == googlePlay }),
	store("store", func(s *scene) bool { return s.store == "" }),
}

func store(text string, when func(*scene) bool) way {
	return way{name: "store", steps: []*step{{name: "store", text: text, outside: true, extra: "store"}}, when: when}
}

var (
	qrKind     = kind{pc: []way{steps("qr", qrStep)}, h5: []way{steps("qr", qrStep)}}
	appWays    = append([]way{steps("app", appStep, pinStep, confirmStep)}, storeWays...)
	loginWay   = steps("login", loginStep, confirmStep)
	walletKind = kind{pc: []way{loginWay, steps("qr", walletQRStep)}, h5: append([]way{appWays[0], loginWay}, storeWays...)}
	// On a phone there is the app alone.
	linePayKind = kind{pc: walletKind.pc, h5: appWays}
	airPayKind  = kind{pc: []way{steps("qr", walletQRStep)}, h5: appWays}
	weChatKind  = kind{
		pc: []way{steps("qr", qrStep)},
		h5: []way{
			{name: "app", steps: []*step{confirmStep}, when: func(s *scene) bool { return s.inWeChat }},
			{name: "closed", steps: []*step{wechatStep}, when: func(s *scene) bool { return !s.inWeChat }},
		},
	}
	trueMoneyWays = []way{
		{name: "account_qr", steps: []*step{qrStep}, when: func(s *scene) bool { return s.trueMoney() != core.TrueMoneyOTP }},
		{name: "account_otp", steps: []*step{phoneStep, otp(false)}, when: func(s *scene) bool { return s.trueMoney() != core.TrueMoneyQR }},
	}
	trueMoneyKind = kind{pc: trueMoneyWays, h5: trueMoneyWays}
	atomeBrowser  = steps("browser", walletPhoneStep, otpStep, termsStep, confirmStep)
	atomeKind     = kind{
		pc: []way{steps("qr", qrStep), atomeBrowser},
		h5: append([]way{steps("app", appStep, couponStep, confirmStep), atomeBrowser}, storeWays...),
	}
	cardWays = []way{
		{name: "saved", steps: []*step{savedStep, otpStep}, when: func(s *scene) bool { return len(s.savedCards()) > 0 }},
		steps("new", cardStep, otpStep),
	}
	cardKind   = kind{pc: cardWays, h5: cardWays}
	instalKind = kind{pc: []way{steps("new", instalStep, otpStep)}, h5: []way{steps("new", instalStep, otpStep)}}
)

// bank is a bank's app, from the PIN on.
func bank(list ...*step) kind {
	ways := append([]way{steps("app", append([]*step{appStep, pinStep}, list...)...)}, storeWays...)
	return kind{pc: ways, h5: ways}
}

var kinds = map[ksher.Channel]kind{
	ksher.ChannelPromptPay:       qrKind,
	ksher.ChannelSCBQRCard:       qrKind,
	ksher.ChannelWeChat:          weChatKind,
	ksher.ChannelAlipay:          walletKind,
	ksher.ChannelAlipayPlus:      walletKind,
	ksher.ChannelLinePay:         linePayKind,
	ksher.ChannelAirPay:          airPayKind,
	ksher.ChannelTrueMoney:       trueMoneyKind,
	ksher.ChannelAtome:           atomeKind,
	ksher.ChannelSCBEasy:         bank(account("review"), reviewStep),
	ksher.ChannelBBLDeeplink:     bank(account("next"), reviewStep),
	ksher.ChannelBAYBankDeeplink: bank(account("pay_now")),
	ksher.ChannelKPlus:           bank(consentStep, account("next"), reviewStep),
}

// kindOf is the journey of a channel. The names of channels that the guides
// don't describe tell it well enough.
func kindOf(channel ksher.Channel) kind {
	if k, ok := kinds[channel]; ok {
		return k
	}
	name := string(channel)
	switch {
	case strings.HasSuffix(name, "_instal"):
		return instalKind
	case core.InfoOf(channel).Card:
		return cardKind
	case strings.Contains(name, "promptpay"):
		return qrKind
	}
	return walletKind
}

// tabs of the chooser, in their order.
var tabs = []string{"thai", "chinese", "card", "bank"}

// tabOf is the tab that has a channel.
func tabOf(channel ksher.Channel) string {
	name := string(channel)
	info := core.InfoOf(channel)
	switch {
	case info.MobileOnly:
		return "bank"
	case info.Card || channel == ksher.ChannelSCBQRCard || strings.HasSuffix(name, "_instal"):
		return "card"
	case channel == ksher.ChannelWeChat || strings.HasPrefix(name, "alipay"):
		return "chinese"
	}
	return "thai"
}

// ways are those that the buyer is offered in a channel.
func (s *scene) ways(channel ksher.Channel) []way {
	all := kindOf(channel).pc
	if s.h5 {
		all = kindOf(channel).h5
	}
	return slices.DeleteFunc(slices.Clone(all), func(w way) bool { return w.when != nil && !w.when(s) })
}

// trueMoney is how the merchant's account takes TrueMoney, "" for either way.
func (s *scene) trueMoney() string { return s.tx.Terms(s.o.AppID).TrueMoney }

// Stores of apps.
const (
	appStore   = "appstore"
	googlePlay = "googleplay"
)

// storeOf is the store of the phone that a browser runs on, "" for neither.
func storeOf(userAgent string) string {
	switch {
	case strings.Contains(userAgent, "Android"):
		return googlePlay
	case strings.Contains(userAgent, "iPhone"), strings.Contains(userAgent, "iPad"), strings.Contains(userAgent, "Macintosh"):
		return appStore
	}
	return ""
}

// submission is a step that was filled in.
type submission struct {
	form map[string][]string
	// wrong has the phrase of what is wrong with each field.
	wrong map[string]string
	// failed is the phrase of why the payment fails for good.
	failed string
}

// maxField bounds what is read of a field.
const maxField = 128

func (sub *submission) get(name string) string {
	if values := sub.form[name]; len(values) > 0 && len(values[0]) <= maxField {
		return strings.TrimSpace(values[0])
	}
	return ""
}

// submit checks what was filled in at the scene's step.
func (s *scene) submit(form map[string][]string) *submission {
	sub := &submission{form: form, wrong: make(map[string]string)}
	for _, f := range s.step().fields {
		if f.when != nil && !f.when(s) {
			continue
		}
		value := sub.get(f.name)
		chosen := func(o option) bool { return o.Value == value }
		if f.valid != nil && !f.valid.MatchString(value) || f.options != nil && !slices.ContainsFunc(f.options(s), chosen) {
			sub.wrong[f.name] = f.wrong
		}
	}
	if check := s.step().check; check != nil {
		check(s, sub)
	}
	return sub
}

// The code that every simulated bank sends, and how often it may be wrong.
const (
	testOTP = "123456"
	maxOTPs = 3
)

func checkOTP(s *scene, sub *submission) {
	silent := s.card() != nil && s.card().silent
	if sub.get("otp") == testOTP && !silent {
		return
	}
	s.visit.WrongOTPs++
	sub.wrong["otp"] = "wrong_otp"
	if s.visit.WrongOTPs >= maxOTPs {
		sub.failed = "failed_otp"
	}
}

func rememberConsent(s *scene, sub *submission) {
	if len(sub.wrong) == 0 {
		s.memory.Consent = s.consentKey()
	}
}

// keepChoice keeps what was chosen in a field, to show it again for review.
func keepChoice(field string) func(*scene, *submission) {
	return func(s *scene, sub *submission) {
		if sub.wrong[field] == "" {
			s.visit.Picked = field + "_" + sub.get(field)
		}
	}
}

// consentKey is whose consent K PLUS asks for: the member's, else the browser's.
func (s *scene) consentKey() string {
	if m := s.member(); m != "" {
		return "member " + m
	}
	return "browser " + s.browser
}

// consented tells whether K PLUS has had that consent, with any order.
func (s *scene) consented() bool {
	for o := range s.tx.All() {
		if len(o.Page) > 0 && remember(o).Consent == s.consentKey() {
			return true
		}
	}
	return false
}

func phraseOptions(prefix string, names ...string) func(*scene) []option {
	return func(s *scene) []option {
		var all []option
		for _, name := range names {
			all = append(all, option{Value: name, Text: s.say("option_" + prefix + "_" + name)})
		}
		return all
	}
}

// months are the numbers of months that an order offers.
func (s *scene) months() []int {
	var lists map[string][]int
	// What isn't such a list counts as none.
	json.Unmarshal([]byte(s.o.Params.Get("channel_instal_times_list")), &lists)
	months := slices.DeleteFunc(lists[string(s.channel)], func(n int) bool { return n < 2 || n > 120 })
	if len(months) == 0 {
		months = []int{3, 4, 6, 10}
	}
	if s.o.FeeType == "THB" && s.o.Total < core.InfoOf(s.channel).LongInstalMinimum {
		months = slices.DeleteFunc(months, func(n int) bool { return n >= 10 })
	}
	slices.Sort(months)
	months = slices.Compact(months)
	return months[:min(len(months), 12)]
}

func monthOptions(s *scene) []option {
	var all []option
	for _, n := range s.months() {
		// Rounded up: the last month makes up for it.
		monthly := (s.o.Total + ksher.Amount(n) - 1) / ksher.Amount(n)
		all = append(all, option{Value: strconv.Itoa(n), Text: s.say("n_months", n), Hint: s.say("per_month", monthly.Display(""), s.o.FeeType)})
	}
	return all
}

// shopPaysFee says that the merchant bears the fee of the instalments.
func (s *scene) shopPaysFee() bool {
	list := s.o.Params.Get("instal_fee_payer_merchant_channel_list")
	return slices.Contains(strings.Split(list, ","), string(s.channel)) || s.o.Params.Get("instal_fee_payer") == "2"
}
