package vip_test

import (
	"context"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/ksher-go/ksher"
	"github.com/ksher-go/ksher/internal/fault"
	"github.com/ksher-go/ksher/vip"
)

func TestBadCalls(t *testing.T) {
	client := newClient(t, func(*http.Request) (int, string, error) {
		t.Error("something was sent")
		return 0, "", nil
	})
	var nobody *vip.Client
	var nothing context.Context
	for _, c := range []struct {
		name string
		do   func() error
		want string
	}{
		{"no client", func() error { _, err := nobody.Create(t.Context(), newOrders()[vip.KindCScanB]); return err }, "client was not made by NewClient"},
		{"zero client", func() error {
			_, err := new(vip.Client).Query(t.Context(), vip.KindApp, &vip.QueryRequest{MerchantOrderID: "A-1"})
			return err
		}, "ksher: app query was not sent: client was not made by NewClient"},
		{"no context", func() error { _, err := client.Create(nothing, newOrders()[vip.KindCScanB]); return err }, "context is nil"},
		{"no order", func() error { _, err := client.Create(t.Context(), nil); return err }, "ksher: create was not sent: request is nil"},
		{"nil order", func() error { _, err := client.Create(t.Context(), (*vip.RedirectRequest)(nil)); return err }, "request is nil"},
		{"nil query", func() error { _, err := client.Query(t.Context(), vip.KindApp, nil); return err }, "ksher: app query was not sent: request is nil"},
		{"nil refund", func() error { _, err := client.Refund(t.Context(), vip.KindApp, nil); return err }, "ksher: app refund was not sent: request is nil"},
		{"nil cancellation", func() error { _, err := client.Cancel(t.Context(), vip.KindApp, nil); return err }, "ksher: app cancel was not sent: request is nil"},
		{"no kind", func() error {
			_, err := client.Query(t.Context(), "", &vip.QueryRequest{MerchantOrderID: "A-1"})
			return err
		}, "kind is not one of this package"},
		{"other kind", func() error {
			_, err := client.Query(t.Context(), "../x", &vip.QueryRequest{MerchantOrderID: "A-1"})
			return err
		}, "ksher: ../x query was not sent: kind is not one of this package"},
		{"nil channels", func() error { _, err := client.Channels(t.Context(), nil); return err }, "ksher: channels was not sent: request is nil"},
		{"nil settlement", func() error { _, err := client.Settlement(t.Context(), nil); return err }, "ksher: settlement was not sent: date is"},
		{"nil transactions", func() error { _, err := collect(client.Transactions(t.Context(), nil)); return err }, "ksher: transactions was not sent: date is"},
		{"nil settlement orders", func() error { _, err := collect(client.SettlementOrders(t.Context(), nil)); return err }, "reference_id is required"},
		{"no client for transactions", func() error {
			_, err := collect(nobody.Transactions(t.Context(), nil))
			return err
		}, "client was not made by NewClient"},
	} {
		t.Run(c.name, func(t *testing.T) {
			err := c.do()
			var invalid *ksher.ValidationError
			require.ErrorAs(t, err, &invalid)
			require.ErrorContains(t, err, c.want)
		})
	}
}

func TestBadRequests(t *testing.T) {
	client := newClient(t, func(*http.Request) (int, string, error) {
		t.Error("something was sent")
		return 0, "", nil
	})
	create := func(r vip.CreateRequest) func() error {
		return func() error { _, err := client.Create(t.Context(), r); return err }
	}
	query := func(id string, extra ksher.Extra) func() error {
		return func() error {
			_, err := client.Query(t.Context(), vip.KindApp, &vip.QueryRequest{MerchantOrderID: id, Extra: extra})
			return err
		}
	}
	transactions := func(r vip.TransactionsRequest) func() error {
		return func() error { _, err := collect(client.Transactions(t.Context(), &r)); return err }
	}
	const noAddress = `has a character that can't be part of an address: one of / \ ? # %, a blank at an end, one that isn't printable, or only dots`
	for _, c := range []struct {
		name string
		do   func() error
		want []ksher.FieldError
	}{
		{"empty redirect", create(&vip.RedirectRequest{}), []ksher.FieldError{
			{Field: "merchant_order_id", Problem: "is required"}, {Field: "amount", Problem: "is 0 cents, which is not between 1 and 9007199254740991"},
			{Field: "redirect_url", Problem: "is required"}, {Field: "redirect_url_fail", Problem: "is required"},
		}},
		{"wrong redirect", create(&vip.RedirectRequest{MerchantOrderID: "A-1", Amount: 1 << 53, RedirectURL: "shop.example", RedirectURLFail: "ftp://shop.example", Channel: []string{"a,b", "wechat"}}), []ksher.FieldError{
			{Field: "amount", Problem: "is 9007199254740992 cents, which is not between 1 and 9007199254740991"}, {Field: "redirect_url", Problem: "is not an absolute http or https address"},
			{Field: "redirect_url_fail", Problem: "is not an absolute http or https address"}, {Field: "channel", Problem: `has "a,b", which is empty or has a comma or a blank in it`},
		}},
		{"empty cscanb", create(&vip.CScanBRequest{MerchantOrderID: "A-1", Amount: -1}), []ksher.FieldError{
			{Field: "amount", Problem: "is -1 cents, which is not between 1 and 9007199254740991"}, {Field: "channel", Problem: `has "", which is empty or has a comma or a blank in it`},
		}},
		{"empty bscanc", create(&vip.BScanCRequest{MerchantOrderID: "A-1", Amount: 1, Channel: "x"}), []ksher.FieldError{{Field: "auth_code", Problem: "is required"}}},
		{"empty miniapp", create(&vip.MiniAppRequest{MerchantOrderID: "A-1", Amount: 1, Channel: " "}), []ksher.FieldError{
			{Field: "channel", Problem: `has " ", which is empty or has a comma or a blank in it`}, {Field: "miniapp_openid", Problem: "is required"}, {Field: "miniapp_appid", Problem: "is required"},
		}},
		{"empty app", create(&vip.AppRequest{Channel: "a b"}), []ksher.FieldError{
			{Field: "merchant_order_id", Problem: "is required"}, {Field: "amount", Problem: "is 0 cents, which is not between 1 and 9007199254740991"},
			{Field: "channel", Problem: `has "a b", which is empty or has a comma or a blank in it`},
		}},
		{"not UTF-8", create(&vip.CScanBRequest{MerchantOrderID: "A-1", Amount: 1, Channel: "x", Note: "\xff"}), []ksher.FieldError{{Field: "note", Problem: "is not UTF-8"}}},
		{"no refund", func() error {
			_, err := client.Refund(t.Context(), vip.KindApp, &vip.RefundRequest{MerchantOrderID: "A-1"})
			return err
		}, []ksher.FieldError{
			{Field: "refund_order_id", Problem: "is required"}, {Field: "refund_amount", Problem: "is 0 cents, which is not between 1 and 9007199254740991"},
		}},
		{"cancel", func() error { _, err := client.Cancel(t.Context(), vip.KindApp, &vip.CancelRequest{}); return err }, []ksher.FieldError{{Field: "merchant_order_id", Problem: "is required"}}},
		{"slash", query("a/b", ksher.Extra{}), []ksher.FieldError{{Field: "merchant_order_id", Problem: noAddress}}},
		{"backslash", query(`a\b`, ksher.Extra{}), []ksher.FieldError{{Field: "merchant_order_id", Problem: noAddress}}},
		{"question mark", query("a?b", ksher.Extra{}), []ksher.FieldError{{Field: "merchant_order_id", Problem: noAddress}}},
		{"number sign", query("a#b", ksher.Extra{}), []ksher.FieldError{{Field: "merchant_order_id", Problem: noAddress}}},
		{"per cent", query("a%2Fb", ksher.Extra{}), []ksher.FieldError{{Field: "merchant_order_id", Problem: noAddress}}},
		{"dot", query(".", ksher.Extra{}), []ksher.FieldError{{Field: "merchant_order_id", Problem: noAddress}}},
		{"dots", query("..", ksher.Extra{}), []ksher.FieldError{{Field: "merchant_order_id", Problem: noAddress}}},
		{"line feed", query("a\nb", ksher.Extra{}), []ksher.FieldError{{Field: "merchant_order_id", Problem: noAddress}}},
		{"NUL", query("a\x00b", ksher.Extra{}), []ksher.FieldError{{Field: "merchant_order_id", Problem: noAddress}}},
		{"blank", query("a ", ksher.Extra{}), []ksher.FieldError{{Field: "merchant_order_id", Problem: noAddress}}},
		{"number not UTF-8", query("\xff", ksher.Extra{}), []ksher.FieldError{{Field: "merchant_order_id", Problem: noAddress}}},
		{"long", query(strings.Repeat("x", 129), ksher.Extra{}), []ksher.FieldError{{Field: "merchant_order_id", Problem: "has 129 bytes, at most 128 are allowed"}}},
		{"nothing", query("False", ksher.Extra{}), []ksher.FieldError{{Field: "merchant_order_id", Problem: `is "False", which in an answer would mean that there is none`}}},
		{"extra name", query("A-1", ksher.Extra{Params: map[string]string{"a b": ""}}), []ksher.FieldError{{Field: "Extra", Problem: `has "a b", which is not a parameter's name`}}},
		{"extra timestamp", query("A-1", ksher.Extra{Params: map[string]string{"timestamp": "1"}}), []ksher.FieldError{{Field: "timestamp", Problem: "is in Extra, but set already by the request itself"}}},
		{"extra signature", query("A-1", ksher.Extra{Params: map[string]string{"signature": "1"}}), []ksher.FieldError{{Field: "signature", Problem: "is in Extra, but set already by the request itself"}}},
		{"extra amount", create(&vip.AppRequest{MerchantOrderID: "A-1", Amount: 1, Extra: ksher.Extra{Params: map[string]string{"amount": "2"}}}), []ksher.FieldError{{Field: "amount", Problem: "is in Extra, but set already by the request itself"}}},
		{"extra in capitals", create(&vip.AppRequest{MerchantOrderID: "A-1", Amount: 1, Extra: ksher.Extra{Params: map[string]string{"Amount": "2"}}}), []ksher.FieldError{{Field: "Amount", Problem: "is in Extra, but set already by the request itself"}}},
		{"extra signature in capitals", query("A-1", ksher.Extra{Params: map[string]string{"SIGNATURE": "1"}}), []ksher.FieldError{{Field: "SIGNATURE", Problem: "is in Extra, but set already by the request itself"}}},
		{"extra number in capitals", query("A-1", ksher.Extra{Params: map[string]string{"Refund_Amount": "1"}}), []ksher.FieldError{{Field: "Refund_Amount", Problem: "is in Extra, which has only texts, and is a number"}}},
		{"day", transactions(vip.TransactionsRequest{Date: "2021-07-20", MID: "m"}), []ksher.FieldError{{Field: "date", Problem: `is "2021-07-20", not a day such as 20260131`}}},
		{"Thai day", transactions(vip.TransactionsRequest{Date: "25690720", MID: "m"}), []ksher.FieldError{{Field: "date", Problem: "is 25690720, with a year of the Thai calendar: send 20260720"}}},
		{"no such day", transactions(vip.TransactionsRequest{Date: "20210230", MID: "m"}), []ksher.FieldError{{Field: "date", Problem: `is "20210230", not a day such as 20260131`}}},
		{"long page", transactions(vip.TransactionsRequest{Date: "20210720", MID: "m", Limit: 51}), []ksher.FieldError{{Field: "limit", Problem: "is 51, not between 1 and 50"}}},
		{"negative page", transactions(vip.TransactionsRequest{Date: "20210720", Limit: -1}), []ksher.FieldError{{Field: "mid", Problem: "is required"}, {Field: "limit", Problem: "is -1, not between 1 and 50"}}},
		{"extra offset", transactions(vip.TransactionsRequest{Date: "20210720", MID: "m", Extra: ksher.Extra{Params: map[string]string{"offset": "1"}}}), []ksher.FieldError{{Field: "offset", Problem: "is in Extra, but set already by the request itself"}}},
		{"settlement", func() error { _, err := client.Settlement(t.Context(), &vip.SettlementRequest{Date: "x"}); return err }, []ksher.FieldError{
			{Field: "date", Problem: `is "x", not a day such as 20260131`}, {Field: "mid", Problem: "is required"}, {Field: "channel", Problem: `has "", which is empty or has a comma or a blank in it`},
		}},
		{"channels", func() error { _, err := client.Channels(t.Context(), &vip.ChannelsRequest{}); return err }, []ksher.FieldError{{Field: "mid", Problem: "is required"}}},
		{"extra number", func() error {
			_, err := client.Cancel(t.Context(), vip.KindApp, &vip.CancelRequest{MerchantOrderID: "A-1", Extra: ksher.Extra{Params: map[string]string{"amount": "1,50"}}})
			return err
		}, []ksher.FieldError{{Field: "amount", Problem: "is in Extra, which has only texts, and is a number"}}},
	} {
		t.Run(c.name, func(t *testing.T) {
			var invalid *ksher.ValidationError
			require.ErrorAs(t, c.do(), &invalid)
			require.Equal(t, c.want, invalid.Fields)
			require.Contains(t, invalid.Error(), " was not sent: "+c.want[0].Field+" "+c.want[0].Problem)
		})
	}
	_, err := client.Create(t.Context(), &vip.RedirectRequest{MerchantOrderID: "A-1", Amount: 1})
	require.EqualError(t, err, `ksher: redirect create of order "A-1" was not sent: redirect_url is required; redirect_url_fail is required. `+
		"To send it all the same, list in Extra.Unchecked: redirect_url, redirect_url_fail")
	// As long as is allowed, and no address is left by it.
	long := strings.Repeat("ก", 42)
	sent := false
	client = newClient(t, func(r *http.Request) (int, string, error) {
		sent = true
		assert.Equal(t, redirectPath+"/"+url.PathEscape(long), r.URL.EscapedPath())
		return http.StatusNotFound, "", nil
	})
	_, err = client.Query(t.Context(), vip.KindRedirect, &vip.QueryRequest{MerchantOrderID: long})
	require.ErrorIs(t, err, fault.ErrHTTPStatus)
	require.True(t, sent)
}

func TestUncheckedRequests(t *testing.T) {
	sent := 0
	client := newClient(t, func(*http.Request) (int, string, error) {
		sent++
		return http.StatusForbidden, `{"detail":"no"}`, nil
	})
	all := ksher.Extra{Unchecked: []string{"amount", "redirect_url", "redirect_url_fail", "channel", "auth_code", "miniapp_openid", "miniapp_appid",
		"refund_order_id", "refund_amount", "mid", "date", "limit", "merchant_order_id", "reference_id"}}
	for _, do := range []func() error{
		func() error {
			_, err := client.Create(t.Context(), &vip.RedirectRequest{MerchantOrderID: "A-1", Channel: []string{"a b"}, Extra: all})
			return err
		},
		func() error {
			_, err := client.Create(t.Context(), &vip.BScanCRequest{MerchantOrderID: "A-1", Extra: all})
			return err
		},
		func() error {
			_, err := client.Create(t.Context(), &vip.MiniAppRequest{MerchantOrderID: "A-1", Extra: all})
			return err
		},
		func() error {
			_, err := client.Refund(t.Context(), vip.KindApp, &vip.RefundRequest{MerchantOrderID: "A-1", RefundOrderID: "R-1", Extra: all})
			return err
		},
		func() error {
			_, err := collect(client.Transactions(t.Context(), &vip.TransactionsRequest{Limit: 1000, Extra: all}))
			return err
		},
		func() error { _, err := client.Settlement(t.Context(), &vip.SettlementRequest{Extra: all}); return err },
		func() error { _, err := client.Channels(t.Context(), &vip.ChannelsRequest{Extra: all}); return err },
	} {
		before := sent
		var refused *vip.Error
		require.ErrorAs(t, do(), &refused)
		assert.Equal(t, before+1, sent)
	}
	_, err := client.Query(t.Context(), vip.KindApp, &vip.QueryRequest{MerchantOrderID: "a/b", Extra: all})
	var invalid *ksher.ValidationError
	require.ErrorAs(t, err, &invalid, "an address of something else")
	_, err = client.Refund(t.Context(), vip.KindApp, &vip.RefundRequest{MerchantOrderID: "A-1", RefundAmount: 1, Extra: all})
	require.ErrorAs(t, err, &invalid, "a refund without a number can't be asked for")
}
