package ksher_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/ksher-go/ksher"
)

// The table of the KIOSK guide, and the times below it.
func TestChannelsOfNativePay(t *testing.T) {
	guide := map[ksher.Channel]ksher.ChannelInfo{
		"promptpay":  {NativePayOffline: true, NativePayOnline: true, NativePayExpiry: ksher.NeverExpires, Refund: ksher.RefundRuleNever},
		"alipay":     {NativePayOffline: true, NativePayExpiry: 3 * time.Hour, Refund: ksher.RefundRuleUntilSettled},
		"alipayplus": {NativePayOffline: true, NativePayExpiry: 10 * time.Minute, Refund: ksher.RefundRuleUntilSettled},
		"wechat":     {NativePayOffline: true, NativePayOnline: true, NativePayExpiry: 2 * time.Hour, Refund: ksher.RefundRuleUntilSettled, RefundQuery: true},
		"airpay":     {NativePayOffline: true, Refund: ksher.RefundRuleUntilSettled, RefundQuery: true},
		"scb_qrcard": {NativePayOffline: true, NativePayOnline: true, Refund: ksher.RefundRuleSameDay, RefundQuery: true},
		"truemoney":  {NativePayOnline: true, NativePayExpiry: 24 * time.Hour, NativePayExpirySetBy: "tmn_expire_time", Refund: ksher.RefundRuleUntilSettled, RefundQuery: true},
	}
	closable := []ksher.Channel{"airpay", "wechat", "alipay", "alipayplus"}
	for _, info := range ksher.Channels() {
		want, native := guide[info.Channel]
		got := ksher.ChannelInfo{
			NativePayOffline: info.NativePayOffline, NativePayOnline: info.NativePayOnline, NativePayExpiry: info.NativePayExpiry,
			NativePayExpirySetBy: info.NativePayExpirySetBy,
			Refund:               info.Refund, RefundQuery: info.RefundQuery,
		}
		if native {
			assert.Equal(t, want, got, info.Channel)
			assert.Equal(t, ksher.Amount(1_00), info.NativePayMinimum, info.Channel)
		} else {
			assert.Equal(t, ksher.ChannelInfo{Refund: ksher.RefundRuleUntilSettled, RefundQuery: true}, got, info.Channel)
			assert.Zero(t, info.NativePayMinimum, info.Channel)
		}
		assert.Equal(t, slices.Contains(closable, info.Channel), info.OrderClose, info.Channel)
		assert.True(t, info.GatewayPay, info.Channel)
		assert.NotEmpty(t, info.Name)
		delete(guide, info.Channel)
	}
	assert.Empty(t, guide, "not in the table")
}

func TestChannelInfo(t *testing.T) {
	for _, want := range ksher.Channels() {
		got, known := want.Channel.Info()
		assert.True(t, known)
		assert.Equal(t, want, got)
	}
	ksher.Channels()[0].Name = "changed"
	assert.Equal(t, "PromptPay", ksher.Channels()[0].Name)

	open := ksher.ChannelInfo{
		Channel: "newpay", Name: "newpay", GatewayPay: true, NativePayOffline: true, NativePayOnline: true,
		Refund: ksher.RefundRuleUntilSettled, RefundQuery: true,
	}
	as := func(c ksher.Channel, change func(*ksher.ChannelInfo)) ksher.ChannelInfo {
		info := open
		info.Channel, info.Name = c, string(c)
		change(&info)
		return info
	}
	for _, want := range []ksher.ChannelInfo{
		open,
		as("", func(*ksher.ChannelInfo) {}),
		as("PROMPTPAY", func(*ksher.ChannelInfo) {}),
		as("bbl_ibs", func(*ksher.ChannelInfo) {}),
		as("scb_instal", func(i *ksher.ChannelInfo) { i.Card = true }),
		as("ktccard", func(i *ksher.ChannelInfo) { i.Card = true }),
		as("ktbcard", func(i *ksher.ChannelInfo) { i.Card, i.OrderClose = true, true }),
	} {
		got, known := want.Channel.Info()
		assert.False(t, known, want.Channel)
		assert.Equal(t, want, got)
	}
}

// Whoever reads the documentation of a channel's constant reads the same as a
// program that asks for its facts.
func TestChannelConstantsSayWhatTheTableHas(t *testing.T) {
	file, err := parser.ParseFile(token.NewFileSet(), "channel.go", nil, parser.ParseComments)
	require.NoError(t, err)
	minimum := regexp.MustCompile(`from ([\d,]+) THB`)
	var order []ksher.Channel
	ast.Inspect(file, func(n ast.Node) bool {
		spec, ok := n.(*ast.ValueSpec)
		if !ok || !strings.HasPrefix(spec.Names[0].Name, "Channel") {
			return true
		}
		value, err := strconv.Unquote(spec.Values[0].(*ast.BasicLit).Value)
		require.NoError(t, err)
		order = append(order, ksher.Channel(value))
		info, known := ksher.Channel(value).Info()
		assert.True(t, known, value)
		doc := strings.Join(strings.Fields(spec.Doc.Text()), " ")
		least := ksher.Amount(0)
		if m := minimum.FindStringSubmatch(doc); m != nil {
			least, err = ksher.ParseAmount(strings.ReplaceAll(m[1], ",", ""))
			require.NoError(t, err)
		}
		assert.Equal(t, info.GatewayPayMinimum, least, value)
		assert.Equal(t, info.MobileOnly, strings.Contains(doc, "on phones only"), value)
		assert.Equal(t, info.Refund == ksher.RefundRuleNever, strings.Contains(doc, "no refunds"), value)
		assert.Equal(t, info.Refund == ksher.RefundRuleSameDay, strings.Contains(doc, "same day"), value)
		assert.Equal(t, info.NativePayOffline && !info.NativePayOnline, strings.Contains(doc, "offline accounts"), value)
		assert.Equal(t, info.NativePayOnline && !info.NativePayOffline, strings.Contains(doc, "online accounts"), value)
		return true
	})
	var table []ksher.Channel
	for _, info := range ksher.Channels() {
		table = append(table, info.Channel)
	}
	assert.Equal(t, table, order, "in the same order")
}

func TestMerchantInfoNarrowsTheChannels(t *testing.T) {
	support := func(channels ...ksher.Channel) (list []ksher.SupportChannel) {
		for _, c := range channels {
			list = append(list, ksher.SupportChannel{PayChannel: c})
		}
		return list
	}
	info := func(c ksher.Channel, offline, online bool) ksher.ChannelInfo {
		info, _ := c.Info()
		info.NativePayOffline, info.NativePayOnline = offline, online
		return info
	}
	tests := []struct {
		name   string
		answer ksher.MerchantInfoResponse
		want   []ksher.ChannelInfo
	}{
		{"none", ksher.MerchantInfoResponse{BusinessMode: "online"}, []ksher.ChannelInfo{}},
		{
			"online, in the order of the page",
			ksher.MerchantInfoResponse{BusinessMode: "online", MchSupportChannel: support("card", "payout", "alipay", "wechat", "truemoney", "promptpay")},
			[]ksher.ChannelInfo{
				info("promptpay", false, true), info("truemoney", false, true), info("wechat", false, true), info("alipay", false, false), info("card", false, false),
			},
		},
		{
			"offline",
			ksher.MerchantInfoResponse{BusinessMode: "offline", MchSupportChannel: support("truemoney", "wechat")},
			[]ksher.ChannelInfo{info("truemoney", false, false), info("wechat", true, false)},
		},
		{
			"a mode that isn't known",
			ksher.MerchantInfoResponse{BusinessMode: "both", MchSupportChannel: support("wechat")},
			[]ksher.ChannelInfo{info("wechat", true, true)},
		},
		{
			"channels that the guides don't describe, and repeated ones",
			ksher.MerchantInfoResponse{BusinessMode: "online", MchSupportChannel: support("bbl_ibs", "newpay", "bbl_ibs", "wechat", "wechat", "")},
			[]ksher.ChannelInfo{info("wechat", false, true), info("bbl_ibs", false, true), info("newpay", false, true)},
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			assert.Equal(t, tt.want, tt.answer.Channels())
		})
	}
}
