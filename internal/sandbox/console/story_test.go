package console_test

import (
	"encoding/xml"
	"html"
	"regexp"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/ksher-go/ksher/internal/sandbox"
	"github.com/ksher-go/ksher/internal/sandbox/sandboxtest"
)

// The order's page has the picture, each of whose arrows leads to what was sent.
func TestStoryOnThePage(t *testing.T) {
	gw := sandbox.New(t)
	_, err := gw.Client.GatewayPay(t.Context(), sandboxtest.GatewayPay("A-1"))
	require.NoError(t, err)
	sandboxtest.AskSigned(t, gw, "/api/gateway_order_query", map[string]string{"mch_order_no": "A-1", "sign": "00"})
	status, page := sandboxtest.Ask(t, gw, "GET", "/order?no=A-1", "")
	require.Equal(t, 200, status)
	assert.Contains(t, page, "The last request about it, gateway_order_query, was refused: KSHER_SIGN_ERROR")
	requests := gw.Requests()
	hint := requests[len(requests)-1].Hint
	require.NotEmpty(t, hint)
	assert.Contains(t, html.UnescapeString(page), hint)
	assert.Contains(t, page, `id="story-panel" data-live>`)
	links := regexp.MustCompile(`href="#(step-\d+)"`).FindAllStringSubmatch(page, -1)
	require.Len(t, links, 2)
	for _, link := range links {
		assert.Contains(t, page, `id="`+link[1]+`"`)
	}
	for path, want := range map[string]string{
		"/story.svg?no=A-1":  "<style>",
		"/story.json?no=A-1": `"_verdict": "Not paid yet: nobody has paid.`,
		"/story.css":         ".story-picture",
	} {
		status, text := sandboxtest.Ask(t, gw, "GET", path, "")
		assert.Equal(t, 200, status, path)
		assert.Contains(t, text, want, path)
	}
	_, picture := sandboxtest.Ask(t, gw, "GET", "/story.svg?no=A-1", "")
	assert.NoError(t, xml.Unmarshal([]byte(picture), new(any)))
	status, _ = sandboxtest.Ask(t, gw, "GET", "/story.json?no=none", "")
	assert.Equal(t, 404, status)
	for _, params := range []map[string]string{{"sign": "00"}, {"sign": "00", "version": "9"}, {"sign": "00", "version": "9", "nonce_str": "other"}} {
		params["mch_order_no"] = "A-1"
		sandboxtest.AskSigned(t, gw, "/api/gateway_order_query", params)
	}
	require.NoError(t, gw.Pay("A-1", ""))
	_, page = sandboxtest.Ask(t, gw, "GET", "/order?no=A-1", "")
	links = regexp.MustCompile(`href="#(step-\d+)"`).FindAllStringSubmatch(page, -1)
	require.Len(t, links, 4, "requests that ask something else are arrows of their own")
	assert.NotRegexp(t, `<div id="step-\d+" tabindex="-1">\s*</div>`, page, "also the buyer's arrow leads to something")
}
