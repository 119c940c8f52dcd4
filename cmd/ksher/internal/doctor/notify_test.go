package doctor_test

import (
	"context"
	"io"
	"net/http"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/ksher-go/ksher"
	"github.com/ksher-go/ksher/cmd/ksher/internal/doctor"
	"github.com/ksher-go/ksher/internal/sandbox"
)

// shop answers what is posted to it, and takes any GET for a page that isn't there.
func shop(status int, text string) func(*clinic) {
	return func(c *clinic) {
		c.NotifyURL = "https://shop.example.com/notify"
		c.serve("shop.example.com", false, func(w http.ResponseWriter, r *http.Request) {
			if r.Method != http.MethodPost {
				http.NotFound(w, r)
				return
			}
			body, err := io.ReadAll(r.Body)
			assert.NoError(c.t, err)
			_, err = ksher.ParseNotification(body, sandbox.Verifier())
			assert.ErrorContains(c.t, err, "not one of this data", "it is wrong by its signature alone")
			w.Header().Set("Location", "/elsewhere")
			w.WriteHeader(status)
			io.WriteString(w, text)
		})
	}
}

func TestNotifyURL(t *testing.T) {
	const refused = `{"result":"FAIL","msg":"Forbidden"}`
	answers := func(status int, text string, want doctor.Status, came, do string) broken {
		return broken{shop(status, text), "notify-forged", wanting{want, came, do}, nil}
	}
	test(t, map[string]broken{
		"refused":           {shop(http.StatusForbidden, refused), "", wanting{}, nil},
		"refused with 200":  {shop(http.StatusOK, refused), "", wanting{}, nil},
		"our own handler":   {ours, "", wanting{}, nil},
		"believed":          answers(http.StatusOK, `{"result":"SUCCESS","msg":"OK"}`, doctor.Fail, "result SUCCESS", "believes what anybody posts"),
		"believed, created": answers(http.StatusCreated, `{"result":"success"}`, doctor.Fail, "HTTP 201", "believes"),
		"404":               answers(http.StatusNotFound, "<html>", doctor.Fail, "HTTP 404", "nothing is at that path"),
		"405":               answers(http.StatusMethodNotAllowed, "", doctor.Fail, "without a body", "take POST"),
		"a login":           answers(http.StatusUnauthorized, "", doctor.Fail, "HTTP 401", "log in"),
		"a redirect":        answers(http.StatusFound, "", doctor.Fail, "redirects aren't followed", "answers by itself"),
		"500":               answers(http.StatusInternalServerError, "panic: hunter2", doctor.Warn, "HTTP 500", "shop's log"),
		"a firewall":        answers(http.StatusForbidden, "<html>hunter2", doctor.Warn, "isn't an answer", "firewall"),
		"silence": {func(c *clinic) {
			c.Patience = silence
			c.NotifyURL = "https://shop.example.com/notify"
			c.serve("shop.example.com", false, func(_ http.ResponseWriter, r *http.Request) {
				if r.Method == http.MethodPost {
					io.Copy(io.Discard, r.Body)
					<-r.Context().Done()
				}
			})
		}, "notify-forged", wanting{doctor.Fail, "in time", "at once"}, nil},
		"no address": {func(c *clinic) { c.NotifyURL = "shop/notify" }, "notify-address", wanting{doctor.Fail, "isn't an address", "correct"},
			after("notify-address", "notify-forged")},
		"bad certificate": {func(c *clinic) { c.NotifyURL, c.at["example.com"] = "https://shop.test/notify", "" }, "notify-tls",
			wanting{doctor.Fail, "shop.test", ""}, after("notify-tls", "notify-forged")},
		"plain HTTP": {func(c *clinic) {
			c.NotifyURL = "http://plain.example/notify?key=hunter2"
			c.serve("plain.example", true, func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, refused) })
		}, "notify-tls", wanting{doctor.Warn, "plain HTTP", "https"}, nil},
		"in a private network": {func(c *clinic) {
			shop(http.StatusForbidden, refused)(c)
			c.Resolve = func(context.Context, string) ([]string, error) { return []string{"192.168.1.7"}, nil }
		}, "notify-dns", wanting{doctor.Warn, "only this machine or network", "ksher listen"}, nil},
	})
}

// ours is a shop with the handler of this library.
func ours(c *clinic) {
	merchant, err := c.gw.MerchantOf(sandbox.AppID)
	require.NoError(c.t, err)
	payments, err := ksher.NewPayments(merchant.Client, func(context.Context, *ksher.Order) error { return nil })
	require.NoError(c.t, err)
	notifications, err := payments.Notifications(func(context.Context, string) (ksher.OpenOrder, error) { return ksher.OpenOrder{}, ksher.ErrNotOurs })
	require.NoError(c.t, err)
	c.NotifyURL = "https://shop.example.com/notify"
	c.serve("shop.example.com", false, notifications.ServeHTTP)
}
