package e2e

import (
	"context"
	_ "embed" // For the scripts.
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/ksher-go/ksher/e2e/npm"
)

var (
	//go:embed access.js
	accessScript string
	//go:embed focus.js
	focusScript string
)

// looked has the kinds of pages that were looked at in every way already, in a layout.
var looked sync.Map

// sight is a way in which a page is looked at.
type sight struct {
	name, scheme string
	// width is 0 for that of the device. scale is that of its pixels.
	width int64
	scale float64
}

// sights of a device, its own first. The last has half the width of a PC, which is what a
// zoom of 200 % leaves, and that of the smallest phones.
func (l layout) sights() []sight {
	own := l.device
	all := []sight{{"", "light", own.Width, own.Scale}, {"-dark", "dark", own.Width, own.Scale}}
	if own.Mobile {
		return append(all, sight{"-narrow", "light", 320, own.Scale})
	}
	return append(all, sight{"-zoomed", "light", own.Width / 2, own.Scale * 2})
}

// sight shows the page in a way.
func (b *buyer) sight(s sight) {
	b.t.Helper()
	require.NoError(b.t, b.do(chromedp.Func(func(ctx context.Context, t *chromedp.Target) error {
		_, err := cdp.Call(ctx, t, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{
			Features: []*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: s.scheme}},
		})
		if err != nil {
			return err
		}
		_, err = cdp.Call(ctx, t, emulation.SetDeviceMetricsOverride, emulation.SetDeviceMetricsOverrideParams{
			Width: s.width, Height: b.layout.device.Height, DeviceScaleFactor: s.scale, Mobile: b.layout.device.Mobile,
		})
		return err
	})))
}

// Smallest sizes of what a finger has to hit: what is comfortable, for buyers, and what WCAG
// asks for, for the developers' dashboard.
const (
	comfortable = 44
	acceptable  = 24
)

// accessProblems are what is wrong with the page on a screen of that width.
func (b *buyer) accessProblems(width int64) []string {
	b.t.Helper()
	finger := acceptable
	if eval[bool](b, "document.body.matches('.h5, .pc')") {
		finger = comfortable
	}
	return eval[[]string](b, fmt.Sprintf("%s(%d, %d)", strings.TrimSuffix(strings.TrimSpace(accessScript), ";"), width, finger))
}

// withoutScripts tells whether the page is one of a browser that runs no scripts.
const withoutScripts = `(() => {
	const e = document.createElement('div');
	e.innerHTML = '<noscript><p></p></noscript>';
	return e.querySelector('p') !== null;
})()`

// allowScripts lets pages run scripts, or not.
func (b *buyer) allowScripts(on bool) {
	b.t.Helper()
	require.NoError(b.t, b.do(chromedp.Func(func(ctx context.Context, t *chromedp.Target) error {
		_, err := cdp.Call(ctx, t, emulation.SetScriptExecutionDisabled, emulation.SetScriptExecutionDisabledParams{Value: !on})
		return err
	})))
}

// axe is the source of axe-core, empty if it can't be installed and needn't be.
var axe struct {
	sync.Once
	source string
}

// axeProblems are what axe-core finds wrong with the page.
func (b *buyer) axeProblems() []string {
	b.t.Helper()
	axe.Do(func() {
		if _, err := exec.LookPath("npm"); err != nil && os.Getenv("KSHER_E2E") != "1" {
			return
		}
		source, err := os.ReadFile(filepath.Join(npm.Install(b.t, "axe"), "axe-core", "axe.min.js"))
		require.NoError(b.t, err)
		axe.source = string(source)
	})
	if axe.source == "" {
		require.NotEqual(b.t, "1", os.Getenv("KSHER_E2E"), "axe-core wasn't installed")
		b.t.Log("there is no npm, so axe-core doesn't look at the pages")
		return nil
	}
	if eval[bool](b, withoutScripts) {
		b.allowScripts(true)
		defer b.allowScripts(false)
	}
	eval[bool](b, axe.source+"; true")
	// It would preload stylesheets in a way that the pages' policy forbids.
	return eval[[]string](b, `axe.run(document, {preload: false, resultTypes: ['violations'], rules: {'target-size': {enabled: true}}}).then(found =>
		found.violations.flatMap(v => v.nodes.map(n => v.id + ': ' + v.help + ': ' + n.html.slice(0, 200) + ' ' + n.failureSummary)))`)
}

// checkAccess fails the test for each way in which a page shuts somebody out.
func (b *buyer) checkAccess(name string, width int64) {
	b.t.Helper()
	for _, p := range append(b.accessProblems(width), b.axeProblems()...) {
		assert.Fail(b.t, "accessibility", "%s, page %s (%s): %s", b.layout.name, name, b.where(), p)
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
