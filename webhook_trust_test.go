package ksher_test

import (
	"context"
	"crypto"
	"crypto/md5"
	"crypto/rsa"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/ksher-go/ksher"
	"github.com/ksher-go/ksher/kshertest"
)

// trusting is a handler with TrustStrongKey, for notifications signed by the key
// and answers signed by the 1024-bit test key. Its Deduper forgets everything.
type trusting struct {
	handler http.Handler
	gateway *recorder
	got     []*ksher.Notification
}

func newTrusting(tb testing.TB, key *rsa.PrivateKey, gateway http.Handler) *trusting {
	tb.Helper()
	h := &trusting{gateway: recording(gateway)}
	client := offlineClient(tb, testAppID, h.gateway,
		ksher.WithVerifier(ksher.NewVerifier(&rsaKey(tb, 1024).PublicKey, &key.PublicKey)),
		ksher.WithDeduper(&deduper{once: func(ctx context.Context, fn func(context.Context) error) error { return fn(ctx) }}))
	h.handler = ksher.NewWebhookHandler(client, func(_ context.Context, n *ksher.Notification) error {
		h.got = append(h.got, n)
		return nil
	}, ksher.TrustStrongKey())
	return h
}

// plainNotification has every field of an order and none besides.
const plainNotification = `{"appid":"mch12345","attach":"notified","cash_fee":"2234","cash_fee_type":"CNY","channel":"wechat",` +
	`"channel_order_no":"4200","fee_type":"THB","ksher_order_no":"9002","mch_order_no":"order1","nonce_str":"5f2e","openid":"buyer-4711",` +
	`"pay_mch_order_no":"pay1","rate":"0.223410","result":"SUCCESS","time_end":"2026-11-21 10:00:00","total_fee":10000}`

func TestTrustStrongKey(t *testing.T) {
	minimal := `{"appid":"mch12345","attach":"notified","fee_type":"THB","mch_order_no":"order1","result":"SUCCESS","total_fee":10000}`
	change := func(old, replacement string) string {
		changed := strings.Replace(plainNotification, old, replacement, 1)
		require.NotEqual(t, plainNotification, changed, old)
		return changed
	}
	with := func(member string) string { return change(`{`, `{`+member+`,`) }
	tests := []struct {
		name  string
		bits  int
		data  string
		asked bool
	}{
		{"2048 bits", 2048, plainNotification, false},
		{"4096 bits", 4096, plainNotification, false},
		{"what is needed and no more", 2048, minimal, false},
		{"the amount as text", 2048, change("10000", `"10000"`), false},
		{"members in another order", 2048, `{"total_fee":10000,` + strings.TrimPrefix(strings.TrimSuffix(plainNotification, `,"total_fee":10000}`), "{") + "}", false},
		{"escapes", 2048, change(`"appid"`, `"\u0061ppid"`), false},
		{"an ampersand in a value", 2048, change("notified", "notified & paid"), false},
		{"a field's name in a value", 2048, change("notified", "notified: total_fee, result"), false},
		{"a long number, as long as allowed", 2048, change("order1", strings.Repeat("9", 32)), false},

		{"512 bits", 512, plainNotification, true},
		{"1024 bits", 1024, plainNotification, true},
		{"not paid", 2048, change("SUCCESS", "NOTPAY"), true},
		{"refunded", 2048, change("SUCCESS", "REFUND"), true},
		{"success in small letters", 2048, change("SUCCESS", "success"), true},
		{"no result", 2048, change(`"result":"SUCCESS",`, ""), true},
		{"no app ID", 2048, change(`"appid":"mch12345",`, ""), true},
		{"an empty app ID", 2048, change("mch12345", ""), true},
		{"app ID in capitals", 2048, change(`"appid"`, `"APPID"`), true},
		{"no amount", 2048, change(`,"total_fee":10000`, ""), true},
		{"an empty amount", 2048, change("10000", `""`), true},
		{"an amount of nothing", 2048, change("10000", "0"), true},
		{"an amount below nothing", 2048, change("10000", "-10000"), true},
		{"no currency", 2048, change(`"fee_type":"THB",`, ""), true},
		{"no known currency", 2048, change("THB", "baht"), true},
		{"an unknown field", 2048, with(`"coupon":"7"`), true},
		{"an unknown field before the app ID", 2048, with(`"PaymentCode":"7"`), true},
		{"an unknown field that is empty", 2048, with(`"zz":""`), true},
		{"a signature inside", 2048, with(`"sign":"00"`), true},
		{"a field of the envelope", 2048, with(`"code":0`), true},
		{"a nested object", 2048, change(`"notified"`, `{"attach":"notified"}`), true},
		{"a nested array", 2048, change(`"notified"`, `["notified"]`), true},
		{"an empty object", 2048, change(`"notified"`, `{}`), true},
		{"a boolean", 2048, change(`"notified"`, `true`), true},
		{"null", 2048, change(`"notified"`, `null`), true},
		{"a field's name with an equals sign in a value", 2048, change("notified", "xtotal_fee=1"), true},
		{"the same with an escape", 2048, change("notified", `xtotal_fee\u003d1`), true},
		{"another operation's field in a value", 2048, change("9002", "9002ksher_refund_no=1"), true},
		{"an equals sign in a value", 2048, change("notified", "1+1=2"), true},
		{"an equals sign at the end of the last value", 2048, change("10:00:00", "10:00:00="), true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			key := rsaKey(t, tt.bits)
			h := newTrusting(t, key, paying(t))
			text, ok := independentText([]byte(tt.data))
			require.True(t, ok)
			w := post(h.handler, withSign(tt.data, `"`+textSign(key, text)+`"`))
			assert.Equal(t, accepted, w.Body.String())
			require.Len(t, h.got, 1)
			if tt.asked {
				assert.NotZero(t, h.gateway.count(), "the gateway has to be asked")
				assert.Equal(t, "confirmed", h.got[0].Attach)
				return
			}
			assert.Zero(t, h.gateway.count(), "the gateway was asked")
			assert.Contains(t, h.got[0].Attach, "notified")
			require.NoError(t, h.got[0].CheckPaid(h.got[0].MchOrderNo, 100_00, "THB"))
			assert.Equal(t, tt.data, string(h.got[0].Data))
		})
	}

	t.Run("another merchant", func(t *testing.T) {
		h := newTrusting(t, rsaKey(t, 2048), paying(t))
		data := change(testAppID, "mch99999")
		requireRefused(t, post(h.handler, withSign(data, `"`+peerSign(t, rsaKey(t, 2048), data)+`"`)), http.StatusForbidden)
		assert.Zero(t, h.gateway.count())
	})
	t.Run("no order number", func(t *testing.T) {
		for _, data := range []string{change(`"mch_order_no":"order1",`, ""), change(`"order1"`, `""`), change(`"order1"`, `" "`)} {
			h := newTrusting(t, rsaKey(t, 2048), paying(t))
			requireRefused(t, post(h.handler, withSign(data, `"`+peerSign(t, rsaKey(t, 2048), data)+`"`)), http.StatusServiceUnavailable)
			assert.Empty(t, h.got)
		}
	})
	t.Run("what is expected is still compared", func(t *testing.T) {
		client := offlineClient(t, testAppID, byOperation{}, ksher.WithVerifier(ksher.NewVerifier(&rsaKey(t, 2048).PublicKey)))
		handler := ksher.NewWebhookHandler(client, func(context.Context, *ksher.Notification) error { return nil }, ksher.TrustStrongKey(), expecting(1, "THB", nil))
		requireRefused(t, post(handler, withSign(plainNotification, `"`+peerSign(t, rsaKey(t, 2048), plainNotification)+`"`)), http.StatusConflict)
	})
}

// The local gateway signs notifications with its 512-bit key, and with the
// 2048-bit one if told so.
func TestTrustStrongKeyAtTheGateway(t *testing.T) {
	gw := kshertest.New(t)
	calls := 0
	shop := httptest.NewServer(ksher.NewWebhookHandler(gw.Client, func(context.Context, *ksher.Notification) error {
		calls++
		return nil
	}, ksher.TrustStrongKey()))
	t.Cleanup(shop.Close)
	for i, queries := range []int{1, 0} {
		no := fmt.Sprintf("A-%d", i)
		req := order(no)
		req.MchNotifyURL = shop.URL
		_, err := gw.Client.GatewayPay(t.Context(), req)
		require.NoError(t, err)
		require.NoError(t, gw.Pay(no, ""))
		if queries == 0 {
			require.NoError(t, gw.Inject(kshertest.Fault{Operation: "notify", Kind: kshertest.FaultOtherKey}))
		}
		before := len(gw.Requests())
		require.NoError(t, gw.Deliver(t.Context(), no))
		assert.Len(t, gw.Requests(), before+queries, no)
		assert.Equal(t, i+1, calls)
	}
}

// nameValue is a part of a text that is signed.
type nameValue struct{ name, value string }

// textOf is the text that is signed for these.
func textOf(parts []nameValue) string {
	pairs := make([]string, len(parts))
	for i, p := range parts {
		pairs[i] = p.name + "=" + p.value
	}
	slices.Sort(pairs)
	return strings.Join(pairs, "")
}

// dataOf is a data object of these.
func dataOf(tb testing.TB, parts []nameValue) string {
	tb.Helper()
	members := make([]string, len(parts))
	for i, p := range parts {
		name, err := json.Marshal(p.name)
		require.NoError(tb, err)
		value, err := json.Marshal(p.value)
		require.NoError(tb, err)
		members[i] = string(name) + ":" + string(value)
	}
	return "{" + strings.Join(members, ",") + "}"
}

func signStrong(tb testing.TB, key *rsa.PrivateKey, text string) string {
	tb.Helper()
	digest := md5.Sum([]byte(text))
	sig, err := rsa.SignPKCS1v15(nil, key, crypto.MD5, digest[:])
	require.NoError(tb, err)
	return hex.EncodeToString(sig)
}

// What another merchant, or an answer to something else, has had signed says the
// victim's order is paid when it is cut up anew. The signature holds.
func TestCutUpAnew(t *testing.T) {
	tests := []struct {
		name    string
		genuine []nameValue
		cut     []nameValue
	}{
		{
			"another merchant's QR code, with an attach of his choice",
			[]nameValue{
				{"PaymentCode", "0002"},
				{"PaymentID", "900"},
				{"appid", "mch99999"},
				{"attach", "appid=mch12345fee_type=THBmch_order_no=order1result=SUCCESStotal_fee=10000zz="},
				{"code_url", "0002"},
				{"fee_type", "THB"},
				{"mch_order_no", "mine"},
				{"nonce_str", "5f2e"},
				{"result", "SUCCESS"},
				{"total_fee", "100"},
				{"trade_type", "NATIVE"},
			},
			[]nameValue{
				{"PaymentCode", "0002PaymentID=900appid=mch99999attach="},
				{"appid", "mch12345"},
				{"fee_type", "THB"},
				{"mch_order_no", "order1"},
				{"result", "SUCCESS"},
				{"total_fee", "10000"},
				{"zz", "code_url=0002fee_type=THBmch_order_no=minenonce_str=5f2eresult=SUCCESStotal_fee=100trade_type=NATIVE"},
			},
		},
		{
			"the answer to a refund",
			[]nameValue{
				{"appid", "mch12345"},
				{"attach", ""},
				{"cash_refund_fee", "50"},
				{"channel", "wechat"},
				{"channel_order_no", "4200"},
				{"channel_refund_no", "5030"},
				{"fee_type", "THB"},
				{"ksher_order_no", "9002"},
				{"ksher_refund_no", "9003"},
				{"mch_order_no", "order1"},
				{"mch_refund_no", "refund1"},
				{"nonce_str", "5f2e"},
				{"refund_fee", "5000"},
				{"result", "SUCCESS"},
				{"total_fee", "10000"},
			},
			[]nameValue{
				{"appid", "mch12345"},
				{"attach", "cash_refund_fee=50"},
				{"channel", "wechat"},
				{"channel_order_no", "4200channel_refund_no=5030"},
				{"fee_type", "THB"},
				{"ksher_order_no", "9002ksher_refund_no=9003"},
				{"mch_order_no", "order1mch_refund_no=refund1"},
				{"nonce_str", "5f2erefund_fee=5000"},
				{"result", "SUCCESS"},
				{"total_fee", "10000"},
			},
		},
		{
			"the answer to an order_close, as it is",
			[]nameValue{{"appid", "mch12345"}, {"mch_order_no", "order1"}, {"nonce_str", "5f2e"}, {"result", "SUCCESS"}},
			[]nameValue{{"appid", "mch12345"}, {"mch_order_no", "order1"}, {"nonce_str", "5f2e"}, {"result", "SUCCESS"}},
		},
		{
			"the currency of the wallet for the currency of the order",
			[]nameValue{
				{"appid", "mch12345"},
				{"cash_fee_type", "CNY"},
				{"mch_order_no", "order1"},
				{"result", "SUCCESS"},
				{"total_fee", "10000"},
				{"zz", ""},
			},
			[]nameValue{
				{"appid", "mch12345cash_"},
				{"fee_type", "CNY"},
				{"mch_order_no", "order1"},
				{"result", "SUCCESS"},
				{"total_fee", "10000zz="},
			},
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			require.Equal(t, textOf(tt.genuine), textOf(tt.cut))
			key := rsaKey(t, 2048)
			sign := signStrong(t, key, textOf(tt.genuine))
			data := dataOf(t, tt.cut)
			verifier := ksher.NewVerifier(&key.PublicKey)
			require.NoError(t, verifier.Verify([]byte(dataOf(t, tt.genuine)), sign))
			require.NoError(t, verifier.Verify([]byte(data), sign), "so the signature alone isn't enough")

			h := newTrusting(t, key, answering(200, signedAnswer(t, strings.Replace(confirmedNative, "SUCCESS", "NOTPAY", 1))))
			assert.NotEqual(t, http.StatusOK, post(h.handler, withSign(data, `"`+sign+`"`)).Code)
			assert.Empty(t, h.got, "fn was called")
		})
	}
}

// genuineSet is what Ksher may sign for a merchant: an order, or the answer to
// another operation. The text of attach, and the number of another merchant's
// order, are the attacker's choice.
func genuineSet(r *rand.Rand) (parts []nameValue, anOrder bool) {
	pick := func(of ...string) string { return of[r.IntN(len(of))] }
	names := map[string]string{
		"an order":     "appid attach cash_fee cash_fee_type channel channel_order_no fee_type ksher_order_no mch_order_no nonce_str openid pay_mch_order_no rate result time_end total_fee",
		"native_pay":   "appid PaymentCode PaymentID attach code_url device_id fee_type imgdat ksher_order_no mch_order_no nonce_str result stalls_name total_fee trade_type",
		"order_refund": "appid attach cash_refund_fee channel channel_order_no channel_refund_no device_id fee_type ksher_order_no ksher_refund_no mch_order_no mch_refund_no nonce_str operator_id refund_fee refund_time result total_fee",
		"refund_query": "appid attach cash_fee cash_fee_type channel_order_no fee_type ksher_order_no mch_order_no nonce_str refund_count refund_fee refund_orders result time_end total_fee",
		"order_close":  "appid attach mch_order_no nonce_str result",
	}
	// Ksher gives these whenever it has them for the operation at all.
	always := []string{"appid", "fee_type", "mch_order_no", "nonce_str", "result", "total_fee", "code_url", "mch_refund_no", "refund_count"}
	kind := pick("an order", "an order", "an order", "native_pay", "order_refund", "refund_query", "order_close")
	appID := pick(testAppID, testAppID, testAppID, testAppID, testAppID, testAppID, "mch99999", "mch1234", "mch123456", "mch12345a", "mch12345cash_", "mch12345pay_", "m", "mch12345"+testAppID)
	chosen := func() string {
		var b strings.Builder
		for range max(0, r.IntN(15)-5) {
			b.WriteString(pick("appid="+testAppID, "fee_type=", "THB", "mch_order_no=", "order1", "result=SUCCESS", "total_fee=", "10000", "nonce_str=", "attach=",
				"channel=", "pay_", "cash_", "zz=", "A=", "=", "x", "pay_mch_order_no=", "cash_fee_type=", "openid=", "rate=", "time_end=", "ksher_order_no="))
		}
		return b.String()
	}
	for _, name := range strings.Fields(names[kind]) {
		if !slices.Contains(always, name) && r.IntN(3) == 0 {
			continue
		}
		value := pick("", "7", "4200", "x")
		switch {
		case name == "appid":
			value = appID
		case name == "attach":
			value = chosen()
		case name == "mch_order_no":
			value = pick("mine", "order2")
			if appID != testAppID {
				value = chosen()
			}
		case name == "result":
			value = pick("SUCCESS", "SUCCESS", "SUCCESS", "NOTPAY")
		case name == "total_fee":
			value = pick("1", "100")
		case name == "fee_type":
			value = pick("THB", "JPY")
		case name == "code_url":
			value = pick("weixin://wxpay/bizpayurl?pr=1", "00020101")
		case name == "refund_orders":
			value = `[{"refund_fee":1}]`
		}
		parts = append(parts, nameValue{name, value})
	}
	return parts, kind == "an order"
}

// recut cuts a text up at random, preferably where a name can be read.
func recut(r *rand.Rand, text string) []nameValue {
	names := strings.Fields("appid attach cash_fee cash_fee_type channel channel_order_no fee_type ksher_order_no mch_order_no nonce_str openid pay_mch_order_no rate result time_end total_fee zz A")
	var parts []nameValue
	first := strings.IndexByte(text, '=')
	name, from, last := text[:first], first+1, first
	likely := 1 + r.IntN(9)
	for i := first + 1; i < len(text); i++ {
		if text[i] != '=' {
			continue
		}
		room := text[last+1 : i]
		last = i
		var candidates []string
		for _, n := range names {
			if strings.HasSuffix(room, n) && n > name {
				candidates = append(candidates, n)
			}
		}
		if len(room) > 0 && r.IntN(4) == 0 {
			candidates = append(candidates, room[r.IntN(len(room)):])
		}
		if len(candidates) == 0 || r.IntN(10) >= likely {
			continue
		}
		next := candidates[r.IntN(len(candidates))]
		parts = append(parts, nameValue{name, text[from : i-len(next)]})
		name, from = next, i+1
	}
	return append(parts, nameValue{name, text[from:]})
}

// Whatever Ksher signs for whomever, and however it is cut up: without asking, fn
// gets nothing but an order of this merchant, as it was signed.
func TestCutUpAnewAtRandom(t *testing.T) {
	t.Parallel()
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	key := rsaKey(t, 2048)
	verifier := ksher.NewVerifier(&key.PublicKey)
	h := newTrusting(t, key, answering(502, ""))
	different, trusted := 0, 0
	for i := range uint64(200) {
		r := rand.New(rand.NewPCG(seed, i))
		genuine, anOrder := genuineSet(r)
		text := textOf(genuine)
		sign := signStrong(t, key, text)
		says := map[string]string{}
		for _, p := range genuine {
			says[p.name] = p.value
		}
		tried := map[string]bool{}
		for j := range 25 {
			cut := genuine
			if j > 0 {
				cut = recut(r, text)
			}
			data := dataOf(t, cut)
			if tried[data] || textOf(cut) != text || verifier.Verify([]byte(data), sign) != nil {
				continue
			}
			tried[data] = true
			if data != dataOf(t, genuine) {
				different++
			}
			h.got = nil
			post(h.handler, withSign(data, `"`+sign+`"`))
			if len(h.got) == 0 {
				continue
			}
			trusted++
			n := h.got[0]
			want := []string{testAppID, says["mch_order_no"], says["total_fee"], says["fee_type"], "SUCCESS", says["appid"], says["result"]}
			got := []string{n.AppID, n.MchOrderNo, fmt.Sprint(int64(n.TotalFee)), n.FeeType, string(n.Result), n.AppID, string(n.Result)}
			require.Equal(t, want, got, "seed %d, %d: %s\nwas trusted, and signed was %v", seed, i, data, genuine)
			require.True(t, anOrder, "seed %d, %d: %s\nwas trusted, and signed was %v", seed, i, data, genuine)
		}
	}
	t.Logf("%d texts cut up anew, %d trusted", different, trusted)
	assert.Greater(t, different, 500, "texts cut up anew whose signature holds")
	assert.Positive(t, trusted, "genuine notifications that are trusted")
}
