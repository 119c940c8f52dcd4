package e2e

import (
	"encoding/base64"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// A check that never fails proves nothing: each is shown a page that it has to
// complain about, and all of them one that is in order.
func TestChecksComplain(t *testing.T) {
	t.Parallel()
	const head = `<!doctype html><html lang="en"><head><title>T</title><meta name="viewport" content="width=device-width, initial-scale=1"></head><body>`
	for name, c := range map[string]struct{ page, complaint string }{
		"in order":           {head + `<h1>A</h1><label for="i">Name</label><input id="i" style="min-height:24px"><button style="min-height:24px">Go</button>`, ""},
		"no lang":            {strings.Replace(head, ` lang="en"`, "", 1) + `<h1>A</h1>`, "no lang"},
		"no h1":              {head, "0 h1"},
		"two h1":             {head + `<h1>A</h1><h1>B</h1>`, "2 h1"},
		"no alt":             {head + `<h1>A</h1><img src="data:,">`, "no alt"},
		"no label":           {head + `<h1>A</h1><input placeholder="Name">`, "no accessible name"},
		"icon button":        {head + `<h1>A</h1><button style="width:30px;height:30px"><svg aria-hidden="true"></svg></button>`, "no accessible name"},
		"empty label":        {head + `<h1>A</h1><label for="i"></label><input id="i">`, "no accessible name"},
		"grey on white":      {head + `<h1>A</h1><p style="color:#999">a</p>`, "contrast 2.85"},
		"half transparent":   {head + `<h1>A</h1><p style="opacity:.5">a</p>`, "contrast 3.98"},
		"on a parent":        {head + `<h1>A</h1><div style="background:#333"><p>a</p></div>`, "contrast 1.66"},
		"on a gradient":      {head + `<h1>A</h1><p style="color:#fff;background:linear-gradient(#000,#eee)">a</p>`, "contrast 1.16"},
		"pale placeholder":   {head + `<h1>A</h1><style>input::placeholder{color:#aaa}</style><input aria-label="a" placeholder="b">`, "the placeholder"},
		"wide":               {head + `<h1>A</h1><div style="width:500px">a</div>`, "pixels wide"},
		"small button":       {head + `<h1>A</h1><button style="width:12px;height:12px;padding:0" aria-label="x"></button>`, "too small"},
		"duplicate id":       {head + `<h1>A</h1><p id="a"></p><p id="a"></p>`, "two elements have the id"},
		"description is off": {head + `<h1>A</h1><input aria-label="a" aria-describedby="gone">`, "leads nowhere"},
		"heading jumps":      {head + `<h1>A</h1><h4>B</h4>`, "heading jumps"},
	} {
		t.Run(name, func(t *testing.T) {
			b := newBuyer(t, h5, "")
			b.open("data:text/html;base64," + base64.StdEncoding.EncodeToString([]byte(c.page)))
			problems := b.accessProblems()
			if c.complaint == "" {
				assert.Empty(t, problems)
				b.checkFocus(name)
				return
			}
			require.NotEmpty(t, problems)
			assert.Contains(t, strings.Join(problems, "\n"), c.complaint)
		})
	}
}

// The focus has to be seen, and to go the way the page is written.
func TestFocusCheckComplains(t *testing.T) {
	t.Parallel()
	b := newBuyer(t, pc, "")
	for name, c := range map[string]struct {
		page  string
		index int
		shown bool
	}{
		"in order":   {`<button>A</button>`, 0, true},
		"no outline": {`<style>*{outline:none}</style><button>A</button>`, 0, false},
		"wrong way":  {`<button onfocus="this.nextElementSibling.focus()">A</button><button>B</button>`, 1, true},
	} {
		b.open("data:text/html;base64," + base64.StdEncoding.EncodeToString([]byte(`<!doctype html><html lang="en"><title>T</title>`+c.page)))
		eval[int](b, "(window.focusPath = "+focusScript+").start()")
		at := b.tab()
		assert.Equal(t, c.index, at.Index, name)
		assert.Equal(t, c.shown, at.Shown, name)
	}
}

// Errors in the browser have to reach the test.
func TestBrowserComplaintsAreHeard(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	b := s.visit(pc)
	for what, script := range map[string]string{
		"exception": "setTimeout(() => { throw new Error('exception') })",
		"console":   "console.error('console')",
		"HTTP 404":  "fetch('/ua?order_uuid=none')",
	} {
		b.open(s.gateway.URL() + "/ua?order_uuid=none")
		eval[bool](b, script+"; true")
		require.Eventually(t, func() bool {
			b.mu.Lock()
			defer b.mu.Unlock()
			return strings.Contains(strings.Join(b.problems, "\n"), what)
		}, stepTimeout, pollEvery, what)
	}
	b.mu.Lock()
	b.problems = nil
	b.mu.Unlock()
	b.allow(".")
}
