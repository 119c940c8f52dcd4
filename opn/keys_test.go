package opn_test

import (
	"context"
	"encoding/base64"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/ksher-go/ksher/opn"
)

// Every way for a key into an error or a log: the other side says it back.
func TestKeysAreNeverShown(t *testing.T) {
	encoded := func(key string) string { return base64.StdEncoding.EncodeToString([]byte(key + ":")) }
	all := strings.Join([]string{secretKey, publicKey, "Basic " + encoded(secretKey), encoded(publicKey)}, " ")
	// At the place where texts are cut short, too.
	pad := strings.Repeat("x", 180) + " "
	raw := func(head string) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			conn, _, err := http.NewResponseController(w).Hijack()
			if err == nil {
				io.WriteString(conn, head)
				conn.Close()
			}
		})
	}
	answers := map[string]http.Handler{
		"a refusal":    answering(400, fmt.Sprintf(`{"object":"error","code":%q,"message":%q,"location":%q}`, all, pad+all, pad+all)),
		"an outage":    answering(500, pad+all),
		"long":         answering(500, all+pad),
		"an escape":    answering(400, `{"object":"error","code":"x","message":"\u0073key`+secretKey[4:]+`"}`),
		"two escapes":  answering(400, `{"object":"error","code":"x","message":"\\u0073key`+secretKey[4:]+`"}`),
		"a cut escape": answering(400, `{"object":"error","code":"x","message":"`+pad+`\u0073key`+secretKey[4:]+`"}`),
		"an escaped member": answering(200, strings.Replace(edited(t, "charge.json", map[string]any{"currency": "KEY"}),
			"KEY", `skey\u005Ftest_`+secretKey[10:], 1)),
		"an escaped currency": answering(200, strings.Replace(edited(t, "charge.json", map[string]any{"currency": "KEY"}),
			"KEY", pad+`skey_test_\u0073`+secretKey[11:], 1)),
		"an escaped header": answering(200, strings.Replace(edited(t, "charge.json", map[string]any{"source.currency": "KEY"}),
			"KEY", fmt.Sprintf(`%s\u00%x%s`, pad, encoded(secretKey)[0], encoded(secretKey)[1:]), 1)),
		"not JSON":       answering(200, all),
		"another object": answering(200, fmt.Sprintf(`{"object":%q}`, all)),
		"a member":       answering(200, edited(t, "charge.json", map[string]any{"source.type": all, "status": all, "id": all})),
		"a currency":     answering(200, edited(t, "charge.json", map[string]any{"currency": pad + all})),
		"another source": answering(200, edited(t, "charge.json", map[string]any{"source.type": pad + all, "source.currency": all})),
		"a duplicate":    answering(200, fmt.Sprintf(`{%q:1,%q:2}`, all, all)),
		"a bad header":   raw("HTTP/1.1 200 OK\r\n" + pad + all + "\r\n\r\n"),
		"a bad status":   raw(pad[:150] + all + "\r\n\r\n"),
		"a bad length":   raw("HTTP/1.1 200 OK\r\nContent-Length: " + all + "\r\n\r\n"),
		"a redirect":     http.RedirectHandler("/"+all, http.StatusFound),
		"cut off":        raw("HTTP/1.1 200 OK\r\nContent-Length: 9999\r\n\r\n" + all),
	}
	check := func(t *testing.T, texts ...string) {
		t.Helper()
		for _, text := range texts {
			// A good part of a key is as bad as all of it.
			for _, part := range []string{"secret", "public", secretKey[:14], encoded(secretKey)[:16], encoded(secretKey)[16:24], encoded(publicKey)[:16]} {
				assert.NotContains(t, text, part)
			}
		}
	}
	for name, handler := range answers {
		t.Run(name, func(t *testing.T) {
			log := &logBuffer{}
			client := newClient(t, handler, opn.WithLogger(log.logger()))
			for _, call := range calls {
				_, err := call.call(t, client)
				require.Error(t, err)
				var failed *opn.Error
				require.ErrorAs(t, err, &failed)
				check(t, err.Error(), fmt.Sprintf("%v", err), fmt.Sprintf("%q", failed.Code+failed.Message+failed.Location), fmt.Sprint(failed.Err))
			}
			ctx, cancel := context.WithTimeout(t.Context(), time.Millisecond)
			defer cancel()
			_, err := waitFor(ctx, client, chargeID, amount)
			require.Error(t, err)
			check(t, err.Error())
			rec := httptest.NewRecorder()
			expecting(t, client, func(context.Context, *opn.Charge) error { return nil }).ServeHTTP(rec,
				httptest.NewRequest("POST", "/", strings.NewReader(event(chargeID))))
			check(t, rec.Body.String(), log.String())
			assert.Contains(t, log.String(), "opn event refused")
		})
	}
	t.Run("of an event", func(t *testing.T) {
		log := &logBuffer{}
		client := newClient(t, answering(500, ""), opn.WithLogger(log.logger()))
		for _, body := range []string{all, fmt.Sprintf(`{%q:1,%q:2}`, all, all), event(all), fmt.Sprintf(`{"key":%q}`, all)} {
			rec := httptest.NewRecorder()
			expecting(t, client, func(context.Context, *opn.Charge) error { return nil }).ServeHTTP(rec, httptest.NewRequest("POST", "/", strings.NewReader(body)))
			check(t, rec.Body.String())
		}
		check(t, log.String())
	})
	t.Run("of the client", func(t *testing.T) {
		log := &logBuffer{}
		client := newClient(t, answering(500, ""), opn.WithLogger(log.logger()))
		for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%d"} {
			check(t, fmt.Sprintf(verb, client), fmt.Sprintf(verb, *client), fmt.Sprintf(verb, []any{client, *client}), fmt.Sprintf(verb, struct{ C *opn.Client }{client}))
			// fmt can't call Format there.
			for _, hidden := range []any{struct{ c opn.Client }{*client}, &struct{ c opn.Client }{*client}, struct{ c *opn.Client }{client}, []any{struct{ c [1]opn.Client }{[1]opn.Client{*client}}}} {
				text := fmt.Sprintf(verb, hidden)
				check(t, text)
				for _, key := range []string{secretKey, publicKey} {
					for _, form := range []string{"%x", "%X"} {
						assert.NotContains(t, text, fmt.Sprintf(form, key))
					}
				}
			}
		}
		slog.New(slog.NewJSONHandler(log, nil)).Info("x", "client", client, "copy", *client)
		slog.New(slog.NewTextHandler(log, nil)).Info("x", "client", client, "copy", *client)
		check(t, log.String())
		assert.Equal(t, "opn.Client(test)", fmt.Sprint(client))
	})
}
