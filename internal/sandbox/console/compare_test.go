package console_test

import (
	"net/http"
	"net/url"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/ksher-go/ksher/internal/sandbox"
	"github.com/ksher-go/ksher/internal/sandbox/sandboxtest"
)

const formType = "application/x-www-form-urlencoded"

// compare posts a text to be compared with that of the first request.
func compare(t *testing.T, gw *sandbox.Gateway, signed string) string {
	t.Helper()
	status, page := sandboxtest.Ask(t, gw, http.MethodPost, "/compare", url.Values{"request": {"1"}, "signed": {signed}}.Encode(), "Content-Type", formType)
	require.Equal(t, http.StatusOK, status, page)
	return page
}

// wrong starts a gateway that has refused a request for its signature.
func wrong(t *testing.T, no string) *sandbox.Gateway {
	t.Helper()
	gw := sandbox.New(t)
	form := url.Values{"appid": {sandbox.AppID}, "mch_order_no": {no}, "sign": {"00"}}
	sandboxtest.Ask(t, gw, http.MethodPost, "/api/gateway_order_query", form.Encode(), "Content-Type", formType)
	require.Equal(t, "appid="+sandbox.AppID+"mch_order_no="+no, gw.Requests()[0].SignText)
	return gw
}

func TestCompare(t *testing.T) {
	gw := wrong(t, "A-1")
	_, page := sandboxtest.Ask(t, gw, http.MethodGet, "/requests", "")
	assert.Contains(t, page, `action="/compare"`)
	assert.Contains(t, page, `name="request" value="1"`)
	status, page := sandboxtest.Ask(t, gw, http.MethodGet, "/compare?request=1", "")
	assert.Equal(t, http.StatusOK, status)
	assert.Contains(t, page, "mch_order_no=A-1")
	assert.NotContains(t, page, "first difference.")

	right := "appid=" + sandbox.AppID + "mch_order_no=A-1"
	assert.Contains(t, compare(t, gw, right), "Both texts are the same")
	assert.Contains(t, compare(t, gw, ""), "Your text ends after 0 characters")
	for signed, want := range map[string]string{
		right + "\r\n":   `A-1<ins><span class="unseen" title="line feed">↵`,
		"\ufeff" + right: `<pre tabindex="0" class="pieces"><ins><span class="unseen" title="byte order mark">BOM`,
		strings.Replace(right, "mch_order", "&mch_order", 1): "<ins>&amp;</ins>mch_order_no=A-1</pre>",
		strings.Replace(right, "A-1", "A-2", 1):              "A-<del>1</del><ins>2</ins></pre>",
		strings.Replace(right, "=A", "=\u00a0A", 1):          `title="no-break space"`,
		strings.Replace(right, "=A", "=\u200bA", 1):          `title="zero-width space"`,
		"\xff" + right: `title="byte ff, which isn&#39;t UTF-8"`,
	} {
		assert.Contains(t, compare(t, gw, signed), want)
	}
}

// Neither text gets out of its element, and a long one is cut.
func TestCompareIsSafe(t *testing.T) {
	const attack = `</pre><script>alert(1)</script>"><img src=x onerror=alert(1)>`
	gw := wrong(t, attack)
	_, requests := sandboxtest.Ask(t, gw, http.MethodGet, "/requests", "")
	_, form := sandboxtest.Ask(t, gw, http.MethodGet, "/compare?request=1", "")
	for _, page := range []string{requests, form, compare(t, gw, attack+attack), compare(t, gw, "x")} {
		assert.Equal(t, 1, strings.Count(page, "<script"), "the dashboard's own")
		assert.NotContains(t, page, "<img")
		assert.Contains(t, page, "&lt;")
	}
	page := compare(t, gw, strings.Repeat("\u200b", 7_000))
	assert.Contains(t, page, "Only their beginnings were compared")
	assert.Less(t, len(page), 2<<20)

	for _, tt := range []struct {
		body   string
		status int
		header []string
	}{
		{"signed=" + strings.Repeat("a", 100<<10), http.StatusRequestEntityTooLarge, nil},
		{"signed=a", http.StatusBadRequest, nil},
		{"request=2&signed=a", http.StatusNotFound, nil},
		{"request=1&signed=a", http.StatusForbidden, []string{"Sec-Fetch-Site", "cross-site"}},
	} {
		status, _ := sandboxtest.Ask(t, gw, http.MethodPost, "/compare", tt.body, append(tt.header, "Content-Type", formType)...)
		assert.Equal(t, tt.status, status)
	}
}

// Whatever is pasted, no element but those of the page comes out.
func FuzzCompare(f *testing.F) {
	gw := sandbox.New(f)
	f.Add("<b>", "appid=<i>")
	f.Add("\xff\"'>", "\u202e&lt;")
	tags := regexp.MustCompile(`</?(?:pre|del|ins|span)(?: [a-z]+="[^"<>]*")*>`)
	f.Fuzz(func(t *testing.T, no, signed string) {
		form := url.Values{"appid": {sandbox.AppID}, "mch_order_no": {no}, "sign": {"00"}}
		sandboxtest.Ask(t, gw, http.MethodPost, "/api/gateway_order_query", form.Encode(), "Content-Type", formType)
		requests := gw.Requests()
		last := requests[len(requests)-1]
		query := url.Values{"request": {strconv.Itoa(last.No)}, "signed": {signed}}.Encode()
		status, page := sandboxtest.Ask(t, gw, http.MethodPost, "/compare", query, "Content-Type", formType)
		if status == http.StatusRequestEntityTooLarge {
			return
		}
		require.Equal(t, http.StatusOK, status)
		_, page, _ = strings.Cut(page, `<pre tabindex="0" class="pieces">`)
		page, _, found := strings.Cut(page, "</pre>")
		require.True(t, found)
		require.NotRegexp(t, `[<>]`, tags.ReplaceAllString(page, ""))
	})
}
