package check

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
)

func TestNearest(t *testing.T) {
	names := []string{"promptpay", "truemoney", "airpay", "linepay", "alipay", "alipayplus", "card", "ktc_instal", "wechat"}
	for word, want := range map[string]string{
		"true_money": "truemoney", "PromptPay": "promptpay", "promptpay2": "promptpay", "alipay+": "alipay", "AliPayPlus": "alipayplus",
		"lnepay": "linepay", "ktc": "", "kard": "card", "bitcoin": "", "": "", "WeChat Pay": "wechat", "ktc-instal": "ktc_instal", "x": "",
		strings.Repeat("promptpay", 10): "",
	} {
		assert.Equal(t, want, Nearest(word, names), word)
	}
}

func TestChannels(t *testing.T) {
	for value, want := range map[string][]string{
		"": nil, "card": {"card"}, "card,new, wechat,,": {"card", "new", "wechat"}, `{"ktc":[3],"card":[]}`: {"card", "ktc"}, "{}": nil, "{": {"{"},
	} {
		assert.Equal(t, want, Channels(value), value)
	}
}
