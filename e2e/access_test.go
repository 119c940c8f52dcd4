package e2e

import (
	_ "embed" // For the scripts.
	"fmt"
	"strings"
	"sync"

	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

var (
	//go:embed access.js
	accessScript string
	//go:embed focus.js
	focusScript string
)

// focusChecked has the pages that the keyboard was taken through already: a
// page of that name in that layout and language.
var focusChecked sync.Map

// accessProblems are what is wrong with the page.
func (b *buyer) accessProblems() []string {
	b.t.Helper()
	return eval[[]string](b, fmt.Sprintf("%s(%d)", strings.TrimSuffix(strings.TrimSpace(accessScript), ";"), b.layout.device.Width))
}

// checkAccess fails the test for each way in which a page shuts somebody out.
func (b *buyer) checkAccess(name string) {
	b.t.Helper()
	for _, p := range b.accessProblems() {
		assert.Fail(b.t, "accessibility", "%s, page %s (%s): %s", b.layout.name, name, b.where(), p)
	}
	key := b.layout.name + " " + name
	if _, done := focusChecked.LoadOrStore(key, true); !done {
		b.checkFocus(name)
	}
}

// focus is where the keyboard is on a page.
type focus struct {
	// Index counts the places where the focus can go, in the order in which they
	// are written. It is -1 for none of them.
	Index int
	Name  string
	// Shown says that the page looks different there.
	Shown bool
}

// tab presses the Tab key.
func (b *buyer) tab() focus {
	b.t.Helper()
	require.NoError(b.t, b.do(chromedp.KeyEvent(kb.Tab)))
	return eval[focus](b, "window.focusPath.step()")
}

// checkFocus goes through a page by the Tab key: it reaches everything, in the
// order in which it is written, and shows where it is.
func (b *buyer) checkFocus(name string) {
	b.t.Helper()
	total := eval[int](b, "(window.focusPath = "+focusScript+").start()")
	last := -1
	for range total {
		at := b.tab()
		if !assert.Equal(b.t, last+1, at.Index, "%s, page %s: Tab reached %s out of order", b.layout.name, name, at.Name) {
			break
		}
		assert.True(b.t, at.Shown, "%s, page %s: nothing shows that %s has the focus", b.layout.name, name, at.Name)
		last = at.Index
	}
	eval[bool](b, "window.focusPath.end()")
}
