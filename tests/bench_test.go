package tests

import (
	"bytes"
	"context"
	"crypto"
	"crypto/md5"
	"crypto/rsa"
	"encoding/hex"
	"encoding/json"
	"io"
	"net/http"
	"net/url"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"filippo.io/bigmod"
	"github.com/stretchr/testify/require"

	"github.com/ksher-go/ksher"
	"github.com/ksher-go/ksher/internal/heavy"
	"github.com/ksher-go/ksher/internal/sandbox"
	"github.com/ksher-go/ksher/internal/testkit"
)

// compare reports what fn costs and how many times its floor that is. Both run
// in turns in the same loop, and the median of the turns counts, so that a busy
// machine slows them alike. Where it is very busy, the quickest half of the turns, which
// others disturbed least, tells more.
func compare(b *testing.B, fn, floor func()) {
	const turn = 20
	timed := func(fn func()) float64 {
		start := time.Now()
		for range turn {
			fn()
		}
		return float64(time.Since(start).Nanoseconds()) / turn
	}
	var costs, floors, ratios []float64
	for b.Loop() {
		cost, bare := timed(fn), timed(floor)
		costs, floors, ratios = append(costs, cost), append(floors, bare), append(ratios, cost/bare)
	}
	median := func(s []float64) float64 {
		slices.Sort(s)
		return s[len(s)/2]
	}
	b.ReportMetric(0, "ns/op") // It would count both, twenty times.
	b.ReportMetric(median(costs), "ns/whole")
	b.ReportMetric(median(floors), "ns/floor")
	b.ReportMetric(median(ratios), "x/floor")
	b.ReportMetric(costs[len(costs)/4]/floors[len(floors)/4], "x/floor-quick-half")
	b.ReportMetric(testing.AllocsPerRun(100, fn), "allocs/whole")
	b.ReportMetric(bytesPerRun(fn), "B/whole")
}

func bytesPerRun(fn func()) float64 {
	const runs = 100
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	for range runs {
		fn()
	}
	runtime.ReadMemStats(&after)
	return float64(after.TotalAlloc-before.TotalAlloc) / runs
}

// bareVerify is what verifying can't do without: MD5 over the text and the
// exponentiation with the public key.
func bareVerify(tb testing.TB, key *rsa.PublicKey, text []byte, sign string) func() {
	modulus, err := bigmod.NewModulus(key.N.Bytes())
	require.NoError(tb, err)
	sig, err := hex.DecodeString(sign)
	require.NoError(tb, err)
	return func() {
		digest := md5.Sum(text)
		s, err := bigmod.NewNat().SetBytes(sig, modulus)
		if err != nil {
			tb.Fatal(err)
		}
		em := bigmod.NewNat().ExpShortVarTime(s, uint(key.E), modulus).Bytes(modulus)
		if !bytes.HasSuffix(em, digest[:]) {
			tb.Fatal("the floor verifies something else")
		}
	}
}

// memoryTransport answers every request with the same body.
type memoryTransport []byte

func (m memoryTransport) RoundTrip(req *http.Request) (*http.Response, error) {
	return &http.Response{StatusCode: 200, Body: io.NopCloser(bytes.NewReader(m)), ContentLength: int64(len(m)), Request: req}, nil
}

func signedData(tb testing.TB, answer any) (data []byte, sign string) {
	var envelope struct {
		Data json.RawMessage
		Sign string
	}
	require.NoError(tb, json.Unmarshal(sandbox.SignedResponse(answer), &envelope))
	return envelope.Data, envelope.Sign
}

func paidOrder() ksher.Order {
	return ksher.Order{
		AppID: testkit.AppID, MchOrderNo: "2026112110000001", PayMchOrderNo: "2611211000000001",
		KsherOrderNo: "90020261121100000000001", ChannelOrderNo: "4200000607202611216237838347168",
		Channel: ksher.ChannelWeChat, FeeType: "THB", TotalFee: 15050, CashFee: 3362, CashFeeType: "CNY",
		Rate: "0.223410", Result: ksher.ResultSuccess, TimeEnd: time.Date(2026, 11, 21, 3, 0, 0, 0, time.UTC),
		OpenID: "o2G4c04tmsU-wsCG7jN_ORL5Vh14", Attach: "table 4", NonceStr: strings.Repeat("0f", 16),
	}
}

// signText is the text that is signed for flat data of strings and numbers,
// made without the package. Only its length and content matter to a floor.
func signText(tb testing.TB, data []byte) []byte {
	var members map[string]any
	decoder := json.NewDecoder(bytes.NewReader(data))
	decoder.UseNumber()
	require.NoError(tb, decoder.Decode(&members))
	var pairs []string
	for name, value := range members {
		text, ok := value.(string)
		if !ok {
			text = value.(json.Number).String()
		}
		pairs = append(pairs, name+"="+text)
	}
	slices.Sort(pairs)
	return []byte(strings.Join(pairs, ""))
}

// BenchmarkQuery is a whole query without a network, with a 1024-bit key of the
// merchant and the gateway's 512-bit one, against the two RSA operations in it.
func BenchmarkQuery(b *testing.B) {
	answer := ksher.GatewayOrderQueryResponse{Order: paidOrder()}
	body := sandbox.SignedResponse(answer)
	key := testkit.RSAKey(b, 1024)
	client, err := ksher.NewClient(testkit.AppID, key,
		ksher.WithHTTPClient(&http.Client{Transport: memoryTransport(body)}),
		ksher.WithVerifier(sandbox.Verifier()))
	require.NoError(b, err)
	data, sign := signedData(b, answer)
	verify := bareVerify(b, sandbox.PublicKey(ksher.SignV1), signText(b, data), sign)
	digest := md5.Sum([]byte("text"))
	ctx := context.Background()
	compare(b, func() {
		if _, err := client.GatewayOrderQuery(ctx, &ksher.GatewayOrderQueryRequest{MchOrderNo: "2026112110000001"}); err != nil {
			b.Fatal(err)
		}
	}, func() {
		if _, err := key.Sign(nil, digest[:], crypto.MD5); err != nil {
			b.Fatal(err)
		}
		verify()
	})
}

// BenchmarkVerify is the check of an answer's signature against MD5 and the
// exponentiation alone.
func BenchmarkVerify(b *testing.B) {
	order := paidOrder()
	order.Attach = strings.Repeat("x", 200)
	image := ksher.NativePayResponse{
		AppID: testkit.AppID, MchOrderNo: "2026112110000001", TradeType: "NATIVE", FeeType: "THB", TotalFee: 100,
		ImgDat: "data:image/png;base64," + strings.Repeat("iVBORw0K", 1200), CodeURL: strings.Repeat("0", 116),
		NonceStr: strings.Repeat("0f", 16),
	}
	for _, bm := range []struct {
		name   string
		answer any
	}{
		{"700B", ksher.GatewayOrderQueryResponse{Order: order}},
		{"10kB", image},
	} {
		b.Run(bm.name, func(b *testing.B) {
			data, sign := signedData(b, bm.answer)
			verifier := sandbox.Verifier()
			compare(b, func() {
				if err := verifier.Verify(data, sign); err != nil {
					b.Fatal(err)
				}
			}, bareVerify(b, sandbox.PublicKey(ksher.SignV1), signText(b, data), sign))
			b.ReportMetric(float64(len(data)), "B/data")
		})
	}
}

// BenchmarkWork reads notifications whose signature is wrong, as they are and
// percent-encoded.
func BenchmarkWork(b *testing.B) {
	verifier := testkit.NewVerifier(ksher.GatewayPublicKey(ksher.SignV1))
	plain, encoded := make(map[string][]byte), make(map[string][]byte)
	for name, members := range heavy.Members(20 << 10) {
		body := `{"code":0,"data":{` + members + `},"sign":"` + strings.Repeat("0", 128) + `"}`
		plain[name] = []byte(body[:min(len(body), 64<<10)])
		text := url.QueryEscape(body)
		encoded[name] = []byte(text[:min(len(text), 64<<10)])
	}
	read := func(body []byte) { ksher.ParseNotification(body, verifier) }
	b.Run("plain", func(b *testing.B) { heavy.Compare(b, plain, read) })
	b.Run("encoded", func(b *testing.B) { heavy.Compare(b, encoded, read) })
}
