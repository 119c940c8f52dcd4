package tests

import (
	"context"
	"crypto/x509"
	"encoding/pem"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/ksher-go/ksher"
	"github.com/ksher-go/ksher/internal/pages"
	"github.com/ksher-go/ksher/internal/sandbox"
	"github.com/ksher-go/ksher/internal/sandbox/api"
	"github.com/ksher-go/ksher/kshertest"
)

// unproved are the blocks that no test compiles or runs, by how they begin, and why. An
// entry that no block needs any more fails.
var unproved = []struct{ page, begins, why string }{
	{"README.md", "go get github.com/ksher-go/ksher\n", "it gets what was released, from the network"},
	{"README.md", "go test ./...", "it is what runs this test, and a step of .ci/run"},
	{"docs/first-payment.md", "go mod init shop\n", "it gets what was released, from the network"},
	{"docs/cli.md", "CGO_ENABLED=0 go install ", "it gets what was released, from the network"},
	{"docs/cli.md", "source <(ksher completion", "it is for the shell that one types into; a test of the command line tries it"},
	{"docs/cli.md", "ksher trigger", "it takes a shop; its own tests hold what it prints"},
	{"docs/cli.md", "ksher test-webhook", "it takes a shop; its own tests hold what it prints"},
	{"docs/cli.md", "ksher order wait", "it takes a buyer; its own tests hold what it prints"},
	{"docs/cli.md", "ksher refund", "it takes a paid order and somebody who says yes; its own tests hold what it prints"},
	{"docs/cli.md", "ksher reconcile", "it takes a shop's list; its own tests hold what it prints"},
	{"docs/cli.md", "ksher listen", "it goes on until it is stopped; its own tests hold what it prints"},
	{"docs/other-languages.md", "ksher sandbox --seed", "e2e/clients runs the two shops' tests"},
	{"docs/releasing.md", "", "a maintainer types it; e2e/release rehearses it"},
	{"docs/cli.md", "ksher man", "it opens a pager"},
	{"docs/sandbox.md", "CGO_ENABLED=0 go build", "there is no Docker in CI; e2e/image builds and runs the images"},
	{"docs/sandbox.md", "docker build", "there is no Docker in CI; e2e/image builds and runs the images"},
	{"examples/webshop/main.go", "go run ./cmd/ksher sandbox\n", "it runs until it is stopped; e2e/image runs the two"},
	{"examples/webshop/main.go", "SHOP_LISTEN", "a table is no Go"},
	{"docs/databases.md", "type inTx struct", "ent's code is generated, in 3,000 lines"},
	{"docs/scale.md", "databases=$(KSHER_FSYNC=on", "it takes an hour"},
	{"docs/stopping.md", "docker stop", "there is no Docker in CI"},
	{"pgxdedupe/pgxdedupe.go", "postgres://", "a connection string is no Go"},
	{"examples/cron/main.go", "*/1 * * * *", "a line for cron is no Go"},
	{"examples/miniprogram/main.go", "go run ./examples/miniprogram wx", "it takes an account at Ksher"},
	{"examples/pos/main.go", "go run ./examples/pos\n", "it waits for a minute, so .ci/run has it beside the fuzzing"},
	{"examples/pos/main.go", "go run ./examples/pos 2", "it takes an account at Ksher"},
	{"examples/river/main.go", "KSHER_POSTGRES=", "it takes PostgreSQL, for which .ci/run has a step"},
	{"examples/river/main.go", "go run . -migrate", "it takes PostgreSQL and an account at Ksher"},
	{"examples/settlement/main.go", "go run ./examples/settlement -from", "it takes an account at Ksher"},
	{"sqldedupe/sqldedupe.go", "what ended the transaction", "a table is no Go"},
}

// shown are the languages of blocks that are read, and neither compiled nor run.
var shown = []string{"ini", "js", "json", "text", "yaml"}

// modules are those of the pages and packages that need packages beyond the root's module.
var modules = map[string]string{
	"databases": "e2e", "redis": "e2e", "pgxdedupe": "e2e", "redisdedupe": "e2e", "queues": "examples/river",
}

// blocks are those of all pages and of the comments of all packages that somebody imports.
// Translations show README.md's, as TestTranslationsKeepToTheReadme holds.
func blocks(t *testing.T) []pages.Block {
	t.Helper()
	var all []pages.Block
	for _, page := range pagePaths(t) {
		if slices.Contains(translations, filepath.Base(page)) {
			continue
		}
		text, err := os.ReadFile(page)
		require.NoError(t, err)
		found, err := pages.Markdown(strings.TrimPrefix(filepath.ToSlash(page), "../"), string(text))
		require.NoError(t, err)
		all = append(all, found...)
	}
	mains, err := filepath.Glob("../examples/*/main.go")
	require.NoError(t, err)
	var programs []string
	for _, main := range mains {
		programs = append(programs, filepath.Dir(main))
	}
	for _, name := range slices.Concat(exporting, []string{"../cmd/ksher"}, programs) {
		name = strings.TrimPrefix(filepath.ToSlash(name), "../")
		if name == "ksher" {
			name = "."
		}
		found, err := pages.PackageComment("..", name)
		require.NoError(t, err)
		all = append(all, found...)
	}
	return all
}

// excused tells whether a block is one of those that nothing proves.
func excused(b pages.Block) bool {
	for _, e := range unproved {
		if begins(b, e.page, e.begins) {
			return true
		}
	}
	return false
}

// begins tells whether a block of a page begins with a text, after the prompt of a console.
func begins(b pages.Block, page, text string) bool {
	return page == b.Page && strings.HasPrefix(strings.TrimPrefix(b.Text, "$ "), text)
}

func TestPagesSayTheLanguage(t *testing.T) {
	for _, b := range blocks(t) {
		known := append([]string{"go", "sh", "console"}, shown...)
		assert.Contains(t, known, b.Language, "%s: take one of these, or teach this test another", b)
		commands := pages.Commands([]pages.Block{b})
		assert.False(t, b.Language == "console" && len(commands) == 0, "%s: what is typed stands after $", b)
		for _, c := range commands {
			if !excused(c.Block) && !c.IsProgram() {
				assert.NoError(t, c.Permitted(), "%s: add it to unproved", c)
			}
		}
	}
}

// Each block of Go compiles with what testdata/pages declares for its page.
func TestPagesCompile(t *testing.T) {
	fragments := make(map[string][]pages.Fragment)
	for _, b := range blocks(t) {
		if b.Language != "go" {
			continue
		}
		f := pages.Fragment{Block: b}
		for _, name := range []string{pages.Name(b.Page), "shop"} {
			if path := filepath.Join("testdata", "pages", name+".go"); exists(path) {
				f.Given = append(f.Given, path)
			}
		}
		module := modules[pages.Name(b.Page)]
		fragments[module] = append(fragments[module], f)
	}
	for module, all := range fragments {
		if module != "" && os.Getenv("KSHER_PAGES") == "" {
			continue // Its modules may have to be downloaded.
		}
		found, err := pages.Compile(filepath.Join("..", module), all)
		require.NoError(t, err)
		for i, err := range found {
			if excused(all[i].Block) {
				assert.Error(t, err, "%s: it compiles, so take it from unproved", all[i])
			} else {
				assert.NoError(t, err, "%s: what it takes for granted is declared in tests/testdata/pages", all[i])
			}
		}
	}
}

func exists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}

// Nothing is declared for pages or excused in them that they don't have any more.
func TestPagesNeedWhatIsDeclared(t *testing.T) {
	names := map[string]bool{"shop": true}
	needed := make(map[int]bool)
	for _, b := range blocks(t) {
		names[pages.Name(b.Page)] = true
		for i, e := range unproved {
			needed[i] = needed[i] || begins(b, e.page, e.begins)
		}
	}
	for i, e := range unproved {
		assert.True(t, needed[i], "%s has no block that begins with %q", e.page, e.begins)
	}
	for name := range modules {
		assert.True(t, names[name] || slices.Contains(exporting, name), "nothing needs the module for %s", name)
	}
	files, err := filepath.Glob("testdata/pages/*.go")
	require.NoError(t, err)
	for _, file := range files {
		assert.True(t, names[pages.Name(file)], "no page needs %s", file)
	}
}

// The commands of all pages do what the pages say, with a sandbox for those who call one. It
// takes a minute, so .ci/run asks for it.
func TestPagesRun(t *testing.T) {
	if os.Getenv("KSHER_PAGES") == "" {
		t.Skip("set KSHER_PAGES to run the commands of all pages")
	}
	bin := t.TempDir()
	out, err := exec.Command("go", "build", "-o", bin, "../cmd/ksher").CombinedOutput()
	require.NoError(t, err, "%s", out)
	for _, c := range pages.Commands(blocks(t)) {
		if excused(c.Block) {
			continue
		}
		t.Run(strings.ReplaceAll(c.String(), "/", "_"), func(t *testing.T) {
			start := time.Now()
			ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute) // With empty caches SQLite takes some of that.
			defer cancel()
			require.NoError(t, runner(t, bin).Run(ctx, c), "%s: %s", c, c.Text)
			t.Log(time.Since(start))
		})
	}
}

// runner has a sandbox with an order A1 that isn't paid, and files that commands name.
func runner(t *testing.T, bin string) pages.Runner {
	t.Helper()
	shop := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Write([]byte(`{"result":"SUCCESS","msg":"OK"}`))
	}))
	t.Cleanup(shop.Close)
	gw, err := sandbox.Start() // One of kshertest goes by another clock at night.
	require.NoError(t, err)
	t.Cleanup(gw.Close)
	_, err = gw.Client.GatewayPay(t.Context(), &ksher.GatewayPayRequest{MchOrderNo: "A1", MchCode: "A1", TotalFee: 150_50, FeeType: "THB",
		ChannelList: []ksher.Channel{ksher.ChannelPromptPay, ksher.ChannelTrueMoney}, ProductName: "Coffee", ReferURL: "https://shop.example",
		MchRedirectURL: "https://shop.example", MchRedirectURLFail: "https://shop.example", MchNotifyURL: shop.URL})
	require.NoError(t, err)

	folder := t.TempDir()
	write := func(name, text string) string {
		path := filepath.Join(folder, name)
		require.NoError(t, os.WriteFile(path, []byte(text), 0o600))
		return path
	}
	public, err := x509.MarshalPKIXPublicKey(api.PublicKey(ksher.SignV1))
	require.NoError(t, err)
	private := write("merchant.pem", kshertest.PrivateKeyPEM())
	key := write("pub.pem", string(pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: public})))
	sign := exec.Command(filepath.Join(bin, "ksher"), "sign", "--key", private)
	sign.Stdin = strings.NewReader("appid=mch00000&mch_order_no=A-1001")
	signature, err := sign.Output()
	require.NoError(t, err)
	write("request.txt", "appid=mch00000&mch_order_no=A-1001&attach=&sign="+string(signature))
	write(".curlrc", "fail\n") // What is refused has failed.
	environment := slices.DeleteFunc(os.Environ(), func(v string) bool { return strings.HasPrefix(v, "KSHER_") })
	root, err := filepath.Abs("..")
	require.NoError(t, err)
	return pages.Runner{Root: root, Folder: folder, Local: strings.TrimPrefix(gw.URL(), "http://"), Env: append(environment,
		"PATH="+bin+":"+os.Getenv("PATH"), "CURL_HOME="+folder, "KSHER_SANDBOX_URL="+gw.URL()), Account: []string{
		"KSHER_APPID=" + kshertest.AppID, "KSHER_PRIVATE_KEY_FILE=" + private, "KSHER_PUBLIC_KEY_FILE=" + key,
		"KSHER_GATEWAY_URL=" + gw.GatewayURL(), "KSHER_MERCHANT_URL=" + gw.MerchantURL()}}
}
