package e2e

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/log"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/cdproto/page"
	cdpruntime "github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/device"
	"github.com/stretchr/testify/require"
)

// testTimeout bounds one test, so that a page that never comes fails one test
// and not the run.
const testTimeout = 5 * time.Minute

// stepTimeout bounds one thing that a buyer does.
const stepTimeout = time.Minute

// pollEvery is how often a test asks the gateway about something that is to
// happen by itself.
const pollEvery = 5 * time.Millisecond

func TestMain(m *testing.M) {
	flag.Parse()
	if flag.Lookup("test.parallel").Value.String() == fmt.Sprint(runtime.GOMAXPROCS(0)) {
		// Chromium is several processes already: more than two pages at once only
		// wait for each other.
		flag.Set("test.parallel", "2")
	}
	code := m.Run()
	closeBrowser()
	os.Exit(code)
}

var (
	browserOnce  sync.Once
	browserCtx   context.Context
	browserErr   error
	closeBrowser = func() {}
)

// errNoBrowser means that there is no Chromium to test with.
var errNoBrowser = errors.New("no Chromium found: install chromium, or name its executable in CHROMIUM")

func findBrowser() (string, error) {
	if path := os.Getenv("CHROMIUM"); path != "" {
		return exec.LookPath(path)
	}
	for _, name := range []string{"chromium", "chromium-browser", "google-chrome", "google-chrome-stable"} {
		if path, err := exec.LookPath(name); err == nil {
			return path, nil
		}
	}
	return "", errNoBrowser
}

// startBrowser starts the one browser that all tests share.
func startBrowser() {
	path, err := findBrowser()
	if err != nil {
		browserErr = err
		return
	}
	profile, err := os.MkdirTemp("", "ksher-e2e-")
	if err != nil {
		browserErr = err
		return
	}
	options := []chromedp.ExecAllocatorOption{
		chromedp.ExecPath(path),
		chromedp.UserDataDir(profile),
		chromedp.NoFirstRun,
		chromedp.NoSandbox, // It can't be set up in most containers.
		chromedp.DisableGPU,
		chromedp.Flag("headless", "new"),
		chromedp.Flag("hide-scrollbars", true),
		chromedp.Flag("no-default-browser-check", true),
		chromedp.Flag("disable-quic", true),
		chromedp.Flag("disable-background-networking", true),
		chromedp.Flag("disable-background-timer-throttling", true),
		chromedp.Flag("disable-backgrounding-occluded-windows", true),
		chromedp.Flag("disable-renderer-backgrounding", true),
		chromedp.Flag("disable-component-update", true),
		chromedp.Flag("disable-default-apps", true),
		chromedp.Flag("disable-dev-shm-usage", true),
		chromedp.Flag("disable-extensions", true),
		chromedp.Flag("disable-features", "Translate,OptimizationHints,MediaRouter,AutofillServerCommunication"),
		chromedp.Flag("disable-sync", true),
		chromedp.Flag("force-color-profile", "srgb"),
		chromedp.Flag("force-prefers-reduced-motion", true), // Screenshots don't catch a page half way.
		chromedp.Flag("metrics-recording-only", true),
		chromedp.Flag("password-store", "basic"),
	}
	allocator, cancelAllocator := chromedp.NewExecAllocator(context.Background(), options...)
	ctx, cancel := chromedp.NewContext(allocator)
	closeBrowser = func() {
		cancel()
		cancelAllocator()
		os.RemoveAll(profile)
	}
	browserCtx, browserErr = ctx, chromedp.Do(ctx)
}

// layout is the device that a buyer has.
type layout struct {
	name   string
	device device.Info
}

// Device returns what chromedp is to emulate.
func (l layout) Device() device.Info { return l.device }

var (
	pc = layout{"PC", device.Info{
		Name: "PC", Width: 1280, Height: 900, Scale: 1,
		UserAgent: "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0.0.0 Safari/537.36",
	}}
	h5 = layout{"H5", device.Info{
		Name: "H5", Width: 360, Height: 740, Scale: 2, Mobile: true, Touch: true,
		UserAgent: "Mozilla/5.0 (Linux; Android 14; Pixel 8) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0.0.0 Mobile Safari/537.36",
	}}
	bothLayouts = []layout{pc, h5}
)

// wechat is a phone inside WeChat's own browser.
var wechat = func() layout {
	l := h5
	l.device.UserAgent += " MicroMessenger/8.0.49"
	return l
}()

// buyer is somebody at a browser, with cookies and storage of their own.
type buyer struct {
	t      *testing.T
	ctx    context.Context
	layout layout
	// origin is the gateway whose requests must not fail.
	origin string
	shots  int
	folder string

	mu       sync.Mutex
	problems []string
	allowed  []*regexp.Regexp
	requests map[network.RequestID]string
}

// newBuyer opens a browser window for a test, and fails the test at its end if
// the browser had anything to complain about.
func newBuyer(t *testing.T, l layout, origin string) *buyer {
	t.Helper()
	browserOnce.Do(startBrowser)
	if errors.Is(browserErr, errNoBrowser) && os.Getenv("KSHER_E2E") != "1" {
		t.Skip(browserErr)
	}
	require.NoError(t, browserErr, "starting the browser")
	b := &buyer{t: t, layout: l, origin: origin, requests: make(map[network.RequestID]string)}
	b.folder = os.Getenv("KSHER_SCREENSHOTS")
	if b.folder == "" {
		b.folder = "screenshots"
	}
	b.folder = filepath.Join(b.folder, strings.NewReplacer("/", "-", " ", "_").Replace(t.Name()))
	ctx, closeWindow := chromedp.NewContext(browserCtx, chromedp.WithNewBrowserContext(), chromedp.WithListener(b.listen))
	t.Cleanup(closeWindow)
	// The window has to be opened by the context that has no deadline: it is the
	// one that owns it.
	require.NoError(t, chromedp.Do(ctx, chromedp.Emulate(l)))
	ctx, cancel := context.WithTimeout(ctx, testTimeout)
	t.Cleanup(cancel)
	b.ctx = ctx
	t.Cleanup(func() {
		// Not under the lock below: the listener needs it to hear the browser.
		b.mu.Lock()
		problems := b.problems
		b.mu.Unlock()
		for _, p := range problems {
			t.Errorf("%s: the browser complains: %s", l.name, p)
		}
		if t.Failed() && ctx.Err() == nil {
			where, _ := chromedp.Run(ctx, chromedp.Location())
			text, _ := chromedp.Run(ctx, chromedp.Evaluate[string]("document.body ? document.body.innerText : ''"))
			t.Logf("%s: the page was %s\n%s", l.name, where, text)
			b.save("failed")
		}
	})
	return b
}

// allow expects complaints of the browser, such as about a page that is meant to
// be missing.
func (b *buyer) allow(pattern string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.allowed = append(b.allowed, regexp.MustCompile(pattern))
}

func (b *buyer) complain(format string, args ...any) {
	text := fmt.Sprintf(format, args...)
	for _, re := range b.allowed {
		if re.MatchString(text) {
			return
		}
	}
	b.problems = append(b.problems, text)
}

// listen collects what goes wrong in the browser.
func (b *buyer) listen(ev any) {
	b.mu.Lock()
	defer b.mu.Unlock()
	switch ev := ev.(type) {
	case *cdpruntime.EventExceptionThrown:
		text := ev.ExceptionDetails.Text
		if e := ev.ExceptionDetails.Exception; e != nil {
			text += " " + e.Description
		}
		b.complain("exception: %s", text)
	case *cdpruntime.EventConsoleAPICalled:
		if ev.Type == cdpruntime.ConsoleAPICalledTypeError || ev.Type == cdpruntime.ConsoleAPICalledTypeAssert {
			var words []string
			for _, a := range ev.Args {
				words = append(words, string(a.Value)+a.Description)
			}
			b.complain("console: %s", strings.Join(words, " "))
		}
	case *log.EventEntryAdded:
		if ev.Entry.Level == log.EntryLevelError {
			b.complain("log: %s (%s)", ev.Entry.Text, ev.Entry.URL)
		}
	case *network.EventRequestWillBeSent:
		b.requests[ev.RequestID] = ev.Request.URL
	case *network.EventResponseReceived:
		if ev.Response.Status >= 400 && b.sameOrigin(ev.Response.URL) {
			b.complain("HTTP %d from %s", int(ev.Response.Status), ev.Response.URL)
		}
	case *network.EventLoadingFailed:
		if address := b.requests[ev.RequestID]; !ev.Canceled && b.sameOrigin(address) {
			b.complain("request failed: %s from %s", ev.ErrorText, address)
		}
	}
}

func (b *buyer) sameOrigin(address string) bool {
	return b.origin != "" && strings.HasPrefix(address, b.origin)
}

// do runs steps within the time of one.
func (b *buyer) do(steps ...chromedp.Action[chromedp.Void]) error {
	ctx, cancel := context.WithTimeout(b.ctx, stepTimeout)
	defer cancel()
	return chromedp.Do(ctx, steps...)
}

// load runs steps that lead to another page, and waits until it is there.
func (b *buyer) load(steps ...chromedp.Action[chromedp.Void]) {
	b.t.Helper()
	ctx, cancel := context.WithTimeout(b.ctx, stepTimeout)
	defer cancel()
	_, err := chromedp.RunResponse(ctx, steps...)
	if err != nil {
		require.NoError(b.t, err, "no page came after %s", b.where())
	}
}

// open goes to an address.
func (b *buyer) open(address string) {
	b.t.Helper()
	require.NoError(b.t, b.do(chromedp.Navigate(address)), address)
}

// where is the address of the page.
func (b *buyer) where() string {
	ctx, cancel := context.WithTimeout(b.ctx, stepTimeout)
	defer cancel()
	where, err := chromedp.Run(ctx, chromedp.Location())
	if err != nil {
		return err.Error()
	}
	return where
}

// eval runs a script in a buyer's page, and waits for what it promises.
func eval[T any](b *buyer, script string) T {
	b.t.Helper()
	ctx, cancel := context.WithTimeout(b.ctx, stepTimeout)
	defer cancel()
	v, err := chromedp.Run(ctx, chromedp.Evaluate[T](script, chromedp.EvalAwaitPromise))
	require.NoError(b.t, err, script)
	return v
}

// until waits until an expression is true in the page, which may be another page
// by then.
func (b *buyer) until(expression string) {
	b.t.Helper()
	ctx, cancel := context.WithTimeout(b.ctx, stepTimeout)
	defer cancel()
	for {
		// A poll doesn't survive a change of pages, so it is begun again.
		_, err := chromedp.Run(ctx, chromedp.Poll[bool]("!!("+expression+")", chromedp.WithPollingTimeout(stepTimeout)))
		if err == nil {
			return
		}
		if ctx.Err() != nil || errors.Is(err, chromedp.ErrPollingTimeout) {
			require.FailNow(b.t, "the page never got there", "%s at %s: %v", expression, b.where(), err)
		}
	}
}

// untilAt waits until the page is the one at an address, and complete.
func (b *buyer) untilAt(address string) {
	b.t.Helper()
	b.until(fmt.Sprintf("location.href.startsWith(%q) && document.readyState === 'complete'", address))
}

// has tells whether the page has a visible element of that selector.
func (b *buyer) has(selector string) bool {
	b.t.Helper()
	return eval[bool](b, fmt.Sprintf(`[...document.querySelectorAll(%q)].some(e => e.checkVisibility({visibilityProperty: true}))`, selector))
}

// text is what the buyer reads.
func (b *buyer) text() string {
	b.t.Helper()
	return eval[string](b, "document.body.innerText")
}

// see checks what the buyer reads.
func (b *buyer) see(words ...string) {
	b.t.Helper()
	text := strings.ToLower(b.text())
	for _, w := range words {
		require.Contains(b.t, text, strings.ToLower(w), "at %s", b.where())
	}
}

// press clicks an element, or taps it where the buyer has a touch screen.
func (b *buyer) press(selector string) chromedp.Action[chromedp.Void] {
	if b.layout.device.Touch {
		return chromedp.Tap(chromedp.CSS(selector))
	}
	return chromedp.Click(chromedp.CSS(selector))
}

// click presses an element that stays on its page.
func (b *buyer) click(selector string) {
	b.t.Helper()
	require.NoError(b.t, b.do(b.press(selector)), "%s at %s", selector, b.where())
}

// follow presses an element that leads to another page.
func (b *buyer) follow(selector string) {
	b.t.Helper()
	require.NoError(b.t, b.do(chromedp.WaitVisible(chromedp.CSS(selector))), "there is no %s at %s", selector, b.where())
	b.load(b.press(selector))
}

// fill types into a field.
func (b *buyer) fill(selector, value string) {
	b.t.Helper()
	require.NoError(b.t, b.do(chromedp.WaitVisible(chromedp.CSS(selector))), "%s at %s", selector, b.where())
	eval[bool](b, fmt.Sprintf("document.querySelector(%q).value = ''; true", selector))
	require.NoError(b.t, b.do(chromedp.SendKeys(chromedp.CSS(selector), value)), "%s at %s", selector, b.where())
}

// save writes a picture of the whole page, however long it is.
func (b *buyer) save(name string) {
	b.t.Helper()
	b.shots++
	file := filepath.Join(b.folder, fmt.Sprintf("%02d-%s-%s.png", b.shots, b.layout.name, name))
	require.NoError(b.t, os.MkdirAll(b.folder, 0o755))
	require.NoError(b.t, b.do(chromedp.Func(func(ctx context.Context, t *chromedp.Target) error {
		beyond := true
		shot, err := cdp.Call(ctx, t, page.CaptureScreenshot, page.CaptureScreenshotParams{CaptureBeyondViewport: &beyond})
		if err != nil {
			return err
		}
		return os.WriteFile(file, shot.Data, 0o644)
	})), name)
}

// look checks what every page has to live up to, and takes pictures of it.
func (b *buyer) look(name string) {
	b.t.Helper()
	b.lookAs(name, name)
}

// lookAs looks at a page that is like others of a kind: in each way in which it can be seen,
// but where one of them was seen before only as the device shows it.
func (b *buyer) lookAs(name, kind string) {
	b.t.Helper()
	sights := b.layout.sights()
	if _, seen := looked.LoadOrStore(b.layout.name+" "+kind, true); seen {
		sights = sights[:1]
	}
	for _, s := range sights {
		if s != b.layout.sights()[0] {
			b.sight(s)
		}
		b.checkAccess(name+s.name, s.width)
		b.save(name + s.name)
	}
	if len(sights) > 1 {
		b.sight(sights[0])
		b.checkFocus(name)
	}
}

// setSelect chooses from a list, as the keyboard would.
func (b *buyer) setSelect(selector, value string) error {
	return b.do(chromedp.WaitVisible(chromedp.CSS(selector)), chromedp.SetValue(chromedp.CSS(selector), value))
}
