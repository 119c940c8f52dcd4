package vip_test

import (
	"encoding/json"
	"errors"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/stretchr/testify/require"

	"github.com/ksher-go/ksher"
	"github.com/ksher-go/ksher/internal/fault"
	"github.com/ksher-go/ksher/vip"
)

// Whatever comes as a notification, it is refused or it is one whose parameters are
// signed, each once.
func FuzzNotification(f *testing.F) {
	good := notification("A-1", "Order Paid")
	for _, seed := range []string{
		"", good, good + "&x", good + "&x=1&x=2", good + ";", "signature=", "%", "&&&=", notification("ชา", "Order Refunded"),
		notification("", ""), notification("..", "x"), strings.ToLower(good), strings.Replace(good, "A-1", "A%2D1", 1), good + "&=",
	} {
		f.Add(seed)
	}
	client := answering(f, http.StatusNotFound, "")
	f.Fuzz(func(t *testing.T, query string) {
		n, err := client.ParseNotification(webhookAddress, query)
		if err != nil {
			require.Nil(t, n)
			require.True(t, utf8.ValidString(err.Error()))
			require.NotContains(t, err.Error(), token)
			require.Less(t, len(err.Error()), 2000)
			return
		}
		values, err := url.ParseQuery(query)
		require.NoError(t, err)
		flat := map[string]string{}
		for name, all := range values {
			require.Len(t, all, 1)
			flat[name] = all[0]
		}
		require.Equal(t, sign(signText(webhookAddress, flat)), strings.ToUpper(flat["signature"]))
		require.Equal(t, flat["instance"], n.MerchantOrderID)
		require.NotEmpty(t, n.MerchantOrderID)
		require.NotContains(t, n.MerchantOrderID, "/")
	})
}

// Whatever comes as an answer, no order is believed that isn't signed, and nothing
// that a merchant reads is out of bounds.
func FuzzAnswer(f *testing.F) {
	for _, c := range calls() {
		f.Add(200, c.goodAnswer(f))
	}
	for _, seed := range []string{
		"", "{}", "[]", `{"error_code":"FAIL","signature":""}`, `{"error_code":"SUCCESS","data":{"data":[{}],"total":1}}`,
		`{"error_code":"SUCCESS","data":[[[["\u0000\ud83c\udf75"]]]],"signature":"` + sign("x") + `"}`, `{"data":null,"signature":"00"}`,
	} {
		f.Add(200, seed)
	}
	for _, seed := range []string{
		`{"description":"<p class='preserveHtml'>BadRequest {'redirect_url': ['Not a valid URL.']}</p>"}`,
		`<p>BadRequest {u'a': ['Must be < 5 and > 3']}</p>`, `{'a': 'b'}`,
		`{"description":"{'a': {'b': [\"c\\u0e0a\\\\'\", (1, None)]}}"}`, `{"description":"&#123;&#39;a&#39;:"}`, `{"description":"{{{{[[[[(((("}`, `{"description":"{'a':'\\x"}`,
	} {
		f.Add(400, seed)
	}
	f.Fuzz(func(t *testing.T, status int, body string) {
		status = 100 + (status%500+500)%500
		client := answering(t, status, body)
		believed := func(path string, err error) {
			if err == nil {
				var got map[string]any
				require.NoError(t, json.Unmarshal([]byte(body), &got))
				signature, _ := got["signature"].(string)
				for name, value := range got {
					if _, isText := value.(string); !isText && name != "signature" {
						return // The independent signer doesn't know how it is spelled.
					}
				}
				require.Equal(t, sign(signText(path, members(t, body))), strings.ToUpper(signature))
				return
			}
			var failure *vip.Error
			require.ErrorAs(t, err, &failure)
			require.LessOrEqual(t, len(failure.Fields), 50)
			require.LessOrEqual(t, utf8.RuneCountInString(failure.Message), 201)
			require.LessOrEqual(t, utf8.RuneCountInString(string(failure.Code)), 201)
			for _, text := range []string{err.Error(), failure.Message, string(failure.Code), failure.Reason} {
				require.True(t, utf8.ValidString(text))
				require.NotContains(t, text, "\n")
			}
			for _, field := range failure.Fields {
				require.LessOrEqual(t, utf8.RuneCountInString(field.Field+field.Problem), 402)
			}
			if status >= 300 {
				require.ErrorIs(t, err, map[bool]error{true: fault.ErrRedirect, false: fault.ErrHTTPStatus}[status < 400])
			}
		}
		order, err := client.Query(t.Context(), vip.KindRedirect, &vip.QueryRequest{MerchantOrderID: "A-1"})
		if believed(redirectPath+"/A-1", err); err == nil {
			require.Equal(t, "A-1", order.MerchantOrderID)
			require.NotEmpty(t, order.Status)
		}
		_, err = client.Refund(t.Context(), vip.KindRedirect, &vip.RefundRequest{MerchantOrderID: "A-1", RefundOrderID: "R-1", RefundAmount: 50_00})
		believed(redirectPath+"/A-1", err)
		ours := json.Valid([]byte(body)) && (status == 400 || status == 401 || status == 403 || status == 404)
		if err != nil && !errors.Is(err, vip.CodeFail) && !ours {
			require.ErrorIs(t, err, ksher.ErrOutcomeUnknown)
		}
		rows := 0
		for row, err := range client.Transactions(t.Context(), &vip.TransactionsRequest{Date: "20210720", MID: "m"}) {
			if rows++; err != nil {
				require.Nil(t, row)
				break
			}
			require.Less(t, rows, 100_000)
		}
		client.Channels(t.Context(), &vip.ChannelsRequest{MID: "m"})
		client.Settlement(t.Context(), &vip.SettlementRequest{Date: "20210720", MID: "m", Channel: "wechat"})
	})
}
