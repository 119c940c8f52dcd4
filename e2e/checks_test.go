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
		"small link":         {head + `<h1>A</h1><a href="#" style="display:block;height:20px">B</a>`, "too small"},
		"small label":        {head + `<h1>A</h1><label style="display:block;height:20px"><input type="radio">B</label>`, "too small"},
		"below a thumb":      {strings.Replace(head, "<body>", `<body class="h5">`, 1) + `<h1>A</h1><button style="width:99px;height:40px">B</button>`, "too small"},
		"duplicate id":       {head + `<h1>A</h1><p id="a"></p><p id="a"></p>`, "two elements have the id"},
		"description is off": {head + `<h1>A</h1><input aria-label="a" aria-describedby="gone">`, "leads nowhere"},
		"heading jumps":      {head + `<h1>A</h1><h4>B</h4>`, "heading jumps"},
	} {
		t.Run(name, func(t *testing.T) {
			b := newBuyer(t, h5, "")
			b.open("data:text/html;base64," + base64.StdEncoding.EncodeToString([]byte(c.page)))
			problems := b.accessProblems(b.layout.device.Width)
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

// Axe-core has to have been run, and heard.
func TestAxeComplains(t *testing.T) {
	t.Parallel()
	b := newBuyer(t, h5, "")
	for page, complaint := range map[string]string{
		`<main><h1>A</h1><p>B</p></main>`:                        "",
		`<main><h1>A</h1><p style="color:#999">Words</p></main>`: "color-contrast",
		`<main><h1>A</h1><ul><p>B</p></ul></main>`:               "list: ",
		`<main><h1>A</h1><div role="checkbox">B</div></main>`:    "aria-required-attr",
		`<main><h1>A</h1></main><p>B</p>`:                        "region",
		`<main><h1>A</h1><button style="width:9px;height:9px;padding:0" aria-label="B"></button><button>C</button></main>`: "target-size",
	} {
		b.open("data:text/html;base64," + base64.StdEncoding.EncodeToString([]byte(
			`<!doctype html><html lang="en"><title>T</title><meta name="viewport" content="width=device-width">`+page)))
		problems := strings.Join(b.axeProblems(), "\n")
		if axe.source == "" {
			t.Skip("there is no npm")
		}
		if complaint == "" {
			assert.Empty(t, problems)
			continue
		}
		assert.Contains(t, problems, complaint)
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
