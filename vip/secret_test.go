package vip_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/ksher-go/ksher"
	"github.com/ksher-go/ksher/vip"
)

// Neither the token nor a signature gets out, and what the gateway says in words
// stays out of the log.
func TestSecrets(t *testing.T) {
	var log bytes.Buffer
	var signature string
	client := newClient(t, func(r *http.Request) (int, string, error) {
		signature = received(t, r)["signature"]
		// A proxy that echoes what it was sent.
		return http.StatusBadGateway, "no route to " + r.URL.String() + " with " + signature + " for Somchai", nil
	}, vip.WithLogger(slog.New(slog.NewTextHandler(&log, nil))))
	said := spoken(client) + spoken(*client) + spoken(struct{ C vip.Client }{*client}) + spoken(struct{ c vip.Client }{*client}) + spoken(struct{ c *vip.Client }{client})
	for _, c := range calls() {
		err := c.do(t, client)
		said += spoken(err) + err.Error()
		require.NotContains(t, said+log.String(), signature)
	}
	require.NotContains(t, said+log.String(), token)
	for _, verb := range []string{"%x", "%X", "%d", "%#v"} {
		require.NotContains(t, said, strings.Trim(fmt.Sprintf(verb, []byte(token)), "[]byte{}"))
	}
	require.Contains(t, said, "Somchai")
	require.NotContains(t, log.String(), "Somchai")
	require.NotContains(t, log.String(), "287634438256643900")
	require.NotContains(t, said, "287634438256643900")
	require.Equal(t, "vip.Client(shop.vip.ksher.net)", fmt.Sprint(client))
}

// A gateway or a proxy that quotes the token, or most of a signature, doesn't get it into
// an error or a log.
func TestQuotedSecrets(t *testing.T) {
	escaped := `\u0035e1fe55a-token-of-a-test` // Is the token in JSON.
	late := strings.Repeat("x", 190) + " " + token
	for name, answer := range map[string]func(c call) (int, string, error){
		"words":    func(call) (int, string, error) { return 502, "who is " + token, nil },
		"late":     func(call) (int, string, error) { return 401, late, nil },
		"not JSON": func(call) (int, string, error) { return 200, late, nil },
		"a 400": func(call) (int, string, error) {
			return 400, `{"code":400,"name":"` + escaped + `","description":"BadRequest {'token': ['` + late + `', '` + escaped + `'], '` + token + `': 'x'}"}`, nil
		},
		"a name": func(call) (int, string, error) { return 400, `{"code":400,"name":"` + escaped + `"}`, nil },
		"cut":    func(call) (int, string, error) { return 400, `{"name":"` + token, nil },
		"a refusal": func(c call) (int, string, error) {
			return 200, signed(t, c.path, `{"error_code":"FAIL","error_message":"`+late+`","reserved3":"`+escaped+`"}`), nil
		},
		"a code": func(c call) (int, string, error) { return 200, signed(t, c.path, `{"error_code":"NO `+token+`"}`), nil },
		"an order": func(c call) (int, string, error) {
			return 200, signed(t, c.path, `{"error_code":"`+map[bool]string{true: "REFUNDED", false: "SUCCESS"}[strings.HasSuffix(c.name, "refund")]+
				`","status":"Closed","merchant_order_id":"`+escaped+`","data":"x"}`), nil
		},
		"an amount": func(c call) (int, string, error) {
			return 200, signed(t, c.path, `{"error_code":"SUCCESS","amount":"`+token+`"}`), nil
		},
		"a report": func(c call) (int, string, error) {
			return 200, unproved(`{"error_code":"SUCCESS","data":{"data":[{"amount":"` + token + `"}],"total":1,"amount":"` + token + `"}}`), nil
		},
		"a total": func(c call) (int, string, error) {
			return 200, unproved(`{"error_code":"SUCCESS","data":{"total":"` + token + `"}}`), nil
		},
		"connection": func(call) (int, string, error) {
			return 0, "", errors.New("malformed answer" + strings.Repeat(" "+token, 20))
		},
		"signature": func(call) (int, string, error) { return 502, "not " + sign("x")[1:] + " nor " + sign("y")[:33], nil },
	} {
		for _, c := range calls() {
			var log bytes.Buffer
			err := c.do(t, newClient(t, func(*http.Request) (int, string, error) { return answer(c) }, vip.WithLogger(slog.New(slog.NewTextHandler(&log, nil)))))
			said := log.String()
			if err != nil { // Some calls have no use for what is wrong here.
				require.NotRegexp(t, "[0-9A-F]{33}", said+err.Error(), name+" "+c.name)
				said += spoken(err)
			}
			var failure *vip.Error
			if errors.As(err, &failure) {
				said += fmt.Sprintf("%+v %s %s %s %v", failure.Fields, failure.Message, failure.Code, failure.Reason, failure.Err)
			}
			require.NotContains(t, said, token[:8], name+" "+c.name)
			if name == "connection" {
				require.ErrorContains(t, failure.Err, "malformed")
			}
		}
	}
	// A number of an order may have as many digits as half a signature.
	_, err := answering(t, 502, "no order "+strings.Repeat("ab", 16)).Create(t.Context(), newOrders()[vip.KindCScanB])
	require.ErrorContains(t, err, strings.Repeat("ab", 16))
	_, err = answering(t, 502, "").ParseNotification(webhookAddress, token+"&"+token)
	require.Error(t, err)
	require.NotContains(t, err.Error(), token)
}

// texts are those of an error and of whatever one reaches by unwrapping it.
func texts(err error) []string {
	if err == nil {
		return nil
	}
	all := []string{err.Error(), fmt.Sprintf("%+v %#v", err, err)}
	switch e := err.(type) {
	case interface{ Unwrap() error }:
		all = append(all, texts(e.Unwrap())...)
	case interface{ Unwrap() []error }:
		for _, inner := range e.Unwrap() {
			all = append(all, texts(inner)...)
		}
	}
	return all
}

func TestNoSecretIsReachedByUnwrapping(t *testing.T) {
	const code = "287634438256643902"
	var signature string
	for name, answer := range map[string]func(*http.Request) (int, string, error){
		"a broken header": func(*http.Request) (int, string, error) {
			return 0, "", fmt.Errorf("malformed MIME header line: auth_code=%s: %w", code, io.ErrUnexpectedEOF)
		},
		"a page":        func(*http.Request) (int, string, error) { return 500, "<p>" + code, nil },
		"a bad request": func(*http.Request) (int, string, error) { return 400, `{"auth_code":["` + code + ` is no code"]}`, nil },
		"a client as transport": func(r *http.Request) (int, string, error) {
			signature = r.URL.Query().Get("signature")
			return 0, "", &url.Error{Op: r.Method, URL: r.URL.String(), Err: io.ErrUnexpectedEOF}
		},
	} {
		t.Run(name, func(t *testing.T) {
			var log bytes.Buffer
			client := newClient(t, answer, vip.WithLogger(slog.New(slog.NewJSONHandler(&log, nil))), vip.WithRetry(1, 0))
			_, created := client.Create(t.Context(), &vip.BScanCRequest{MerchantOrderID: "A-1", Amount: 1, Channel: "alipay", AuthCode: ksher.NewSecret(code + "\n")})
			require.Error(t, created)
			require.NotContains(t, log.String(), code[:8])
			_, queried := client.Query(t.Context(), vip.KindBScanC, &vip.QueryRequest{MerchantOrderID: "A-1"})
			require.Error(t, queried)
			for _, text := range texts(created) {
				require.NotContains(t, text, code[:8])
			}
			if signature != "" {
				for _, text := range append(texts(queried), log.String()) {
					require.NotContains(t, text, signature)
				}
			}
			if name == "a broken header" || name == "a client as transport" {
				require.ErrorIs(t, created, io.ErrUnexpectedEOF)
				require.ErrorIs(t, created, ksher.ErrOutcomeUnknown)
			}
		})
	}
}
