package qrcode_test

import (
	"bytes"
	"encoding/xml"
	"fmt"
	"image"
	"image/png"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"rsc.io/qr"

	"github.com/ksher-go/ksher/qrcode"
)

// promptPay has the form of a genuine PromptPay code.
const promptPay = "00020101021230830016A000000677010112011500000000000000002239002026112110000000000010308900000005303764540515.005802TH6304ABCD"

var texts = []string{
	"1", "0123456789", "HELLO WORLD", "hello", promptPay, "weixin://wxpay/bizpayurl?pr=Ab1", "https://shop.example/?a=1&b=<\">",
	"ก ข ☕ 支付", "line\r\nbreak", "\x00", strings.Repeat("a", 2331), strings.Repeat("1", 5596), strings.Repeat("A", 3391),
}

func char(black bool) byte {
	if black {
		return '#'
	}
	return ' '
}

// modules reads a square drawing, whose margin has to be blank.
func modules(tb testing.TB, side int, black func(x, y int) bool) []string {
	tb.Helper()
	const quiet = 4
	rows := make([]string, side-2*quiet)
	for y := range side {
		for x := range side {
			if min(x, y, side-1-x, side-1-y) < quiet {
				require.False(tb, black(x, y), "the margin at %d, %d", x, y)
				continue
			}
			rows[y-quiet] += string(char(black(x, y)))
		}
	}
	return rows
}

// ofPNG reads the modules of a PNG picture, and checks that each is of one colour.
func ofPNG(tb testing.TB, picture []byte) []string {
	tb.Helper()
	const scale = 8
	img, err := png.Decode(bytes.NewReader(picture))
	require.NoError(tb, err)
	size := img.Bounds().Size()
	require.Equal(tb, image.Point{}, img.Bounds().Min)
	require.Equal(tb, size.X, size.Y)
	require.Zero(tb, size.X%scale)
	at := func(x, y int) bool {
		r, g, b, a := img.At(x, y).RGBA()
		require.True(tb, r == g && g == b && a == 0xffff && (r == 0 || r == 0xffff))
		return r == 0
	}
	return modules(tb, size.X/scale, func(x, y int) bool {
		black := at(x*scale, y*scale)
		for _, corner := range [][2]int{{scale - 1, 0}, {0, scale - 1}, {scale - 1, scale - 1}} {
			require.Equal(tb, black, at(x*scale+corner[0], y*scale+corner[1]))
		}
		return black
	})
}

var move = regexp.MustCompile(`M(\d+) (\d+)h1v1h-1z`)

// ofSVG reads the modules of an SVG document.
func ofSVG(tb testing.TB, document []byte) []string {
	tb.Helper()
	var svg struct {
		XMLName xml.Name
		ViewBox string `xml:"viewBox,attr"`
		Paths   []struct {
			Fill string `xml:"fill,attr"`
			D    string `xml:"d,attr"`
		} `xml:"path"`
	}
	require.NoError(tb, xml.Unmarshal(document, &svg))
	require.Equal(tb, xml.Name{Space: "http://www.w3.org/2000/svg", Local: "svg"}, svg.XMLName)
	var side, other int
	_, err := fmt.Sscanf(svg.ViewBox, "0 0 %d %d", &side, &other)
	require.NoError(tb, err)
	require.Equal(tb, side, other)
	require.Len(tb, svg.Paths, 2)
	require.Equal(tb, "#fff", svg.Paths[0].Fill)
	require.Equal(tb, fmt.Sprintf("M0 0h%dv%dH0z", side, side), svg.Paths[0].D)
	require.Empty(tb, svg.Paths[1].Fill) // Black.
	require.Empty(tb, move.ReplaceAllString(svg.Paths[1].D, ""))
	black := make(map[[2]int]bool)
	for _, m := range move.FindAllStringSubmatch(svg.Paths[1].D, -1) {
		x, _ := strconv.Atoi(m[1])
		y, _ := strconv.Atoi(m[2])
		black[[2]int{x, y}] = true
	}
	return modules(tb, side, func(x, y int) bool { return black[[2]int{x, y}] })
}

// That the pictures say the text to a reader which isn't the writer's brother is
// for the tests in e2e.
func TestDrawings(t *testing.T) {
	for _, text := range texts {
		t.Run(fmt.Sprintf("%.20q", text), func(t *testing.T) {
			code, err := qr.Encode(text, qr.M)
			require.NoError(t, err)
			want := make([]string, code.Size)
			for y := range want {
				for x := range code.Size {
					want[y] += string(char(code.Black(x, y)))
				}
			}
			picture, err := qrcode.PNG(text)
			require.NoError(t, err)
			assert.Equal(t, want, ofPNG(t, picture))
			document, err := qrcode.SVG(text)
			require.NoError(t, err)
			assert.Equal(t, want, ofSVG(t, document))
		})
	}
}

func TestRefusals(t *testing.T) {
	for text, want := range map[string]string{
		"":                         "qrcode: there is no text to draw",
		"a\xffb":                   "qrcode: the text is not UTF-8",
		strings.Repeat("a", 2332):  "qrcode: the text of 2332 bytes can't be drawn",
		strings.Repeat("ก", 778):   "qrcode: the text of 2334 bytes can't be drawn",
		strings.Repeat("1", 5597):  "qrcode: the text of 5597 bytes can't be drawn",
		strings.Repeat("a", 1<<24): "qrcode: the text of 16777216 bytes can't be drawn",
	} {
		for name, draw := range map[string]func(string) ([]byte, error){"PNG": qrcode.PNG, "SVG": qrcode.SVG} {
			picture, err := draw(text)
			assert.ErrorContains(t, err, want, name)
			assert.Less(t, len(err.Error()), 200)
			assert.Nil(t, picture)
		}
	}
}

func TestConcurrently(t *testing.T) {
	want, err := qrcode.PNG(promptPay)
	require.NoError(t, err)
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			got, err := qrcode.PNG(promptPay)
			assert.NoError(t, err)
			assert.Equal(t, want, got)
		})
	}
	wg.Wait()
}

func FuzzDraw(f *testing.F) {
	for _, text := range texts {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		picture, err := qrcode.PNG(text)
		document, errSVG := qrcode.SVG(text)
		require.Equal(t, err, errSVG)
		if err == nil {
			require.Equal(t, ofPNG(t, picture), ofSVG(t, document))
		}
	})
}
