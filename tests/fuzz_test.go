package tests

import (
	"bytes"
	"crypto"
	"crypto/md5"
	"crypto/rsa"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"math/big"
	"math/rand/v2"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode/utf16"
	"unicode/utf8"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/ksher-go/ksher"
	"github.com/ksher-go/ksher/internal/fault"
	"github.com/ksher-go/ksher/internal/testkit"
)

// bodyErrors are what ParseNotification may find wrong with a body that isn't a
// refusal by the gateway.
var bodyErrors = []error{
	ksher.ErrSignature, fault.ErrEmptyBody, fault.ErrTooLarge, fault.ErrNotJSON, fault.ErrTruncatedJSON,
	fault.ErrEnvelope, fault.ErrNoData, fault.ErrField, ksher.ErrOtherOrder,
}

func checkNotificationError(t *testing.T, n *ksher.Notification, err error) {
	t.Helper()
	require.Nil(t, n)
	var failure *ksher.Error
	require.ErrorAs(t, err, &failure)
	require.Equal(t, "notification", failure.Operation)
	require.Less(t, len(err.Error()), 4000)
	require.NotContains(t, err.Error(), "\n")
	if failure.Err == nil {
		return // A refusal, which may come without a reason.
	}
	require.True(t, slices.ContainsFunc(bodyErrors, func(e error) bool { return errors.Is(err, e) }), "%v", err)
}

// checkTexts compares the text fields of an order with what encoding/json
// makes of the data.
func checkTexts(t *testing.T, n *ksher.Notification) {
	t.Helper()
	var members map[string]json.RawMessage
	require.NoError(t, json.Unmarshal(n.Data, &members))
	order := reflect.ValueOf(n.Unconfirmed)
	for i := range order.NumField() {
		raw := members[order.Type().Field(i).Tag.Get("json")]
		if got := order.Field(i); got.Kind() == reflect.String && bytes.HasPrefix(raw, []byte(`"`)) {
			var want string
			require.NoError(t, json.Unmarshal(raw, &want))
			require.Equal(t, want, got.String())
		}
	}
}

func FuzzParseNotification(f *testing.F) {
	for _, seed := range []string{
		"", " ", "{", "{}", "null", "%7B%7D", "%", "<html>", "\xff", `{"code":0}`, `{"code":"0"}`, `{"code":0,"data":null}`, `{"code":0,"data":{}}`,
		`{"code":0,"data":{},"sign":""}`, `{"code":0,"data":{},"sign":"00"}`, `{"code":1,"msg":"ORDER_NOT_EXIST"}`, `{"code":0,"code":1}`,
		`{"code":0,"data":{"result":"FAIL"},"sign":"00"}`, `{"code":-1,"data":{"err_code":"X","err_msg":"y"}}`, `{"code":1e400,"data":[]}`,
		// Those below are data, which the test signs.
		`{"mch_order_no":"1","total_fee":100,"result":"SUCCESS"}`,
		`{"mch_order_no":"\u0e01\ud83c\udf75","attach":"\"\\/\b","total_fee":"48.00","time_end":"2023-04-21 11:22:45","channel":null}`,
		`{"appid":1.50,"rate":true,"openid":[1, 2],"nonce_str":{"b":1,"a":"<\u2028>"}}`,
		`{"total_fee":1e400}`, `{"total_fee":"7.5"}`, `{"result":"FAIL","err_code":"SYSTEMERROR"}`, `{"a":1,"A":2}`, `{"a=":1}`, `{"sign":"x","a":false}`,
	} {
		f.Add([]byte(seed))
	}
	for _, v := range testkit.ReadVectors(f, "testdata/published-v1.json") {
		f.Add([]byte(v.Data))
		f.Add(fmt.Appendf(nil, `{"code":0,"data":%s,"sign":%q}`, v.Data, v.Sign))
	}
	key := testkit.RSAKey(f, 512)
	verifier := testkit.NewVerifier(&key.PublicKey, ksher.GatewayPublicKey(ksher.SignV1))
	f.Fuzz(func(t *testing.T, body []byte) {
		if n, err := ksher.ParseNotification(body, verifier); err != nil {
			checkNotificationError(t, n, err)
		} else {
			checkTexts(t, n)
		}

		text, ok := independentText(body)
		if !ok {
			return
		}
		sign := testkit.TextSign(key, text)
		n, err := ksher.ParseNotification(fmt.Appendf(nil, `{"code":0,"data":%s,"sign":%q}`, body, sign), verifier)
		if err != nil {
			checkNotificationError(t, n, err)
			require.NotErrorIs(t, err, ksher.ErrSignature, "the data is signed: %s", text)
			require.NotErrorIs(t, err, fault.ErrTruncatedJSON)
			return
		}
		require.Equal(t, strings.TrimSpace(string(body)), string(n.Data))
		checkTexts(t, n)
		// The same signature, for anything that says something else, is none.
		if _, err := ksher.ParseNotification(fmt.Appendf(nil, `{"code":0,"data":%s,"sign":%q}`, body, testkit.TextSign(key, text+"x=")), verifier); err == nil {
			t.Error("accepted with the signature of another text")
		}
	})
}

// separators undoes what encoding/json does to these two for the sake of
// JavaScript. Pairs of backslashes are in it so that they are stepped over.
var separators = strings.NewReplacer(`\\`, `\\`, `\u2028`, "\u2028", `\u2029`, "\u2029")

// independentText makes the signed text of data with maps and encoding/json,
// or tells that data is no object.
func independentText(data []byte) (string, bool) {
	decoder := json.NewDecoder(bytes.NewReader(data))
	decoder.UseNumber()
	var members map[string]any
	if !json.Valid(data) || decoder.Decode(&members) != nil || members == nil {
		return "", false
	}
	var pairs []string
	for name, value := range members {
		text, isText := value.(string)
		if !isText {
			var compact strings.Builder
			encoder := json.NewEncoder(&compact)
			encoder.SetEscapeHTML(false)
			if encoder.Encode(value) != nil {
				return "", false
			}
			text = separators.Replace(strings.TrimSuffix(compact.String(), "\n"))
		}
		if name != "sign" {
			pairs = append(pairs, name+"="+text)
		}
	}
	slices.Sort(pairs)
	return strings.Join(pairs, ""), true
}

// valueText is the text of a JSON value as it is signed, made with encoding/json.
func valueText(t *testing.T, raw json.RawMessage) string {
	t.Helper()
	text, ok := independentText(fmt.Appendf(nil, `{"x":%s}`, raw))
	require.True(t, ok)
	return strings.TrimPrefix(text, "x=")
}

// checkDecoded compares every field of an order with the text that is signed for
// it, made anew of what the field says.
func checkDecoded(t *testing.T, n *ksher.Notification) {
	t.Helper()
	var members map[string]json.RawMessage
	require.NoError(t, json.Unmarshal(n.Data, &members))
	order := reflect.ValueOf(n.Unconfirmed)
	for i := range order.NumField() {
		field, name := order.Field(i), order.Type().Field(i).Tag.Get("json")
		raw, ok := members[name]
		if !ok {
			require.Zero(t, field.Interface(), name)
			continue
		}
		signed := valueText(t, raw)
		loose := order.Type().Field(i).Tag.Get("wire") == "loose"
		switch said := field.Interface().(type) {
		case time.Time:
			// One that can't be read, or is more than 50 years away, is left zero.
			want, err := time.ParseInLocation(time.DateTime, signed, said.Location())
			if strings.Contains(signed, "T") {
				want, err = time.Parse(time.RFC3339, signed)
			}
			if now := time.Now(); err != nil || want.Before(now.AddDate(-50, 0, 0)) || want.After(now.AddDate(50, 0, 0)) {
				want = time.Time{}
			}
			require.True(t, want.Equal(said), "%s: %q is %v", name, signed, said)
		case ksher.Amount:
			want, isInteger := new(big.Int).SetString(signed, 10)
			isInteger = isInteger && want.IsInt64() && !strings.Contains(signed, "_")
			switch {
			case isInteger:
				require.Equal(t, want.Int64(), int64(said), name)
			case string(raw) == "null" || signed == "" || loose:
				require.Zero(t, said, name)
			default:
				t.Fatalf("%s: %q is %d", name, signed, int64(said))
			}
		default:
			text := field.String()
			switch raw[0] {
			case '{', '[':
				text = valueText(t, json.RawMessage(text))
			case 'n':
				signed = ""
			}
			require.Equal(t, signed, text, name)
		}
	}
}

// edited is the text with a few bytes changed: each edit is where, what to do and
// a byte to do it with.
func edited(text string, edits []byte) string {
	b := []byte(text)
	// Cutting up the data anew, which the signature doesn't tell, takes six edits.
	for n := 0; len(edits) >= 4 && n < 3; edits, n = edits[4:], n+1 {
		at := (int(edits[0])<<8 | int(edits[1])) % len(b)
		switch edits[2] % 4 {
		case 0:
			b[at] = edits[3]
		case 1:
			b[at] ^= 1 << (edits[3] % 8)
		case 2:
			b = slices.Insert(b, at, edits[3])
		case 3:
			b = slices.Delete(b, at, at+1)
		}
	}
	return string(b)
}

// checkSigned signs data, has it decoded, and looks whether what was decoded is
// what was signed, also after a few edits. It tells whether that was accepted.
func checkSigned(t *testing.T, key *rsa.PrivateKey, verifier *ksher.Verifier, data, edits []byte) (read, readEdited bool) {
	t.Helper()
	text, ok := independentText(data)
	if !ok {
		return false, false
	}
	body := fmt.Sprintf(`{"code":0,"msg":"ok","sign":%q,"data":%s}`, testkit.TextSign(key, text), data)
	n, err := ksher.ParseNotification([]byte(body), verifier)
	if err != nil {
		checkNotificationError(t, n, err)
		require.NotErrorIs(t, err, ksher.ErrSignature, "the data is signed: %s", text)
		return false, false
	}
	checkDecoded(t, n)

	changed := edited(body, edits)
	m, err := ksher.ParseNotification([]byte(changed), verifier)
	if err != nil {
		require.Nil(t, m)
		return true, false
	}
	checkDecoded(t, m)
	again, ok := independentText(m.Data)
	require.True(t, ok)
	if strings.Contains(text, "null") || strings.Contains(text, "true") || strings.Contains(text, "false") {
		// A text such as "None" may take the place of a null, because either may
		// have been signed.
		return true, true
	}
	require.Equal(t, text, again, "%s\nwas changed into\n%s", body, changed)
	var before, after map[string]json.RawMessage
	require.NoError(t, json.Unmarshal(n.Data, &before))
	require.NoError(t, json.Unmarshal(m.Data, &after))
	delete(before, "sign")
	delete(after, "sign")
	require.Len(t, after, len(before), changed)
	for name, raw := range before {
		require.Equal(t, valueText(t, raw), valueText(t, after[name]), "%s: %s", name, changed)
	}
	return true, true
}

// FuzzSignedIsDecoded looks for data of which something else is decoded than what
// was signed.
func FuzzSignedIsDecoded(f *testing.F) {
	for _, seed := range []string{
		`{}`, `{"result":"SUCCESS"}`, testkit.NotifiedNative,
		`{"\u0072esult":"\u0053UCCESS","attach":"\ud83c\udf75\u0e01 ก \u2028\/\"\\","total_fee":"100"}`,
		`{"total_fee":-0,"cash_fee":1e400,"rate":-1.50E-07}`, `{"total_fee":"+007","cash_fee":"7_000"}`,
		`{"attach":{"b":[1.0,{"d":null,"c":"<&>"}],"a":true},"openid":[]}`, `{"attach":"{\"a\":1}","openid":"[1, 2]"}`,
		`{"attach":null,"openid":true,"rate":false,"total_fee":null,"time_end":null}`, `{"attach":"None","openid":"True"}`,
		`{"time_end":"2026-11-21 10:00:00"}`, `{"time_end":"2026-11-21T10:00:00+08:00"}`, `{"time_end":20261121100000}`,
		`{"sign":"00","attach":"sign=00"}`, `{"sign":{"sign":[1]},"a":"b=c"}`, ` { "attach" : "a" , "b" : 1 } `,
		`{"total_fee":9223372036854775807,"cash_fee":9223372036854775808}`, `{"a1":"x","a":"1x","a-":""}`,
	} {
		f.Add([]byte(seed), []byte{0, 90, 1, 5})
		f.Add([]byte(seed), []byte{1, 30, 2, ' ', 1, 10, 3, 0})
	}
	key := testkit.RSAKey(f, 512)
	verifier := testkit.NewVerifier(&key.PublicKey)
	f.Fuzz(func(t *testing.T, data, edits []byte) { checkSigned(t, key, verifier, data, edits) })
}

// randomData is an order as somebody might write it in JSON, in ever other ways.
func randomData(r *rand.Rand) string {
	pick := func(of ...string) string { return of[r.IntN(len(of))] }
	space := func() string { return pick("", "", "", " ", "\n\t", "\r\n") }
	alphabet := []rune("aZ09 =&+%/<>'{}[]:,\u2028é\u0e01测🍵\"\\\n\x00\x7f")
	text := func() string {
		b := []byte{'"'}
		for range r.IntN(8) {
			c := alphabet[r.IntN(len(alphabet))]
			high, low := utf16.EncodeRune(c)
			switch {
			case r.IntN(10) == 0:
				b = append(b, '\\', `"\/bfnrt`[r.IntN(8)])
			case c < ' ' || r.IntN(3) == 0 && c < 0x10000:
				b = fmt.Appendf(b, pick(`\u%04x`, `\u%04X`), c)
			case c >= 0x10000 && r.IntN(2) == 0:
				b = fmt.Appendf(b, `\u%04x\u%04X`, high, low)
			case c == '"' || c == '\\' || c == '/' && r.IntN(2) == 0:
				b = append(b, '\\', byte(c))
			default:
				b = utf8.AppendRune(b, c)
			}
		}
		return string(append(b, '"'))
	}
	number := func() string {
		return pick("0", "-0", "7", "-57", "100", "0.5", "1.50", "1e400", "-1E-07", "9223372036854775807", "9223372036854775808", "1"+strings.Repeat("0", r.IntN(30)))
	}
	var value func(depth int) string
	value = func(depth int) string {
		switch n := r.IntN(16); {
		case n < 8:
			return text()
		case n < 11:
			return number()
		case n == 11:
			return pick("true", "false", "null")
		case n == 12:
			return pick(`"SUCCESS"`, `"THB"`, `"2026-11-21 10:00:00"`, `"2026-11-21T10:00:00Z"`, `""`, `"None"`, `"+007"`, `"sign"`)
		case depth > 3:
			return pick("[]", "{}")
		case n == 13:
			return "[" + space() + value(depth+1) + space() + "," + value(depth+1) + space() + "]"
		}
		return "{" + space() + `"b"` + space() + ":" + value(depth+1) + "," + space() + `"a"` + space() + ":" + space() + value(depth+1) + "}"
	}
	order := reflect.TypeFor[ksher.Order]()
	var members []string
	for i := range order.NumField() {
		name := order.Field(i).Tag.Get("json")
		if r.IntN(3) > 0 {
			continue
		}
		v := value(0)
		if name == "total_fee" {
			v = pick("100", `"100"`, "-0", `""`, "null", `"9223372036854775807"`, `"\u0031"`, "100.0", `"1e2"`, `"0x10"`, `"7_000"`, `" 7"`)
		}
		if r.IntN(4) == 0 {
			name = fmt.Sprintf(`\u%04x`, name[0]) + name[1:]
		}
		members = append(members, `"`+name+`"`+space()+":"+space()+v)
	}
	for _, name := range []string{"sign", "device_id", "a-", "Attach", "Result", "TOTAL_FEE"} {
		if r.IntN(9) == 0 {
			members = append(members, `"`+name+`":`+value(0))
		}
	}
	r.Shuffle(len(members), func(i, j int) { members[i], members[j] = members[j], members[i] })
	return space() + "{" + space() + strings.Join(members, space()+","+space()) + space() + "}" + space()
}

func TestSignedIsDecoded(t *testing.T) {
	t.Parallel()
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	key := testkit.RSAKey(t, 512)
	verifier := testkit.NewVerifier(&key.PublicKey)
	read, readEdited := 0, 0
	for i := range uint64(3000) {
		r := rand.New(rand.NewPCG(seed, i))
		data := randomData(r)
		var edits []byte
		for range r.IntN(4) {
			edit := []byte{byte(r.Uint32()), byte(r.Uint32()), byte(r.Uint32()), byte(r.Uint32())}
			switch r.IntN(3) {
			case 0:
				edit[3] = "\"\\{}[]:,0 1eEu\n"[r.IntN(15)]
			case 1:
				edit[2], edit[3] = 2, " \n\t\r"[r.IntN(4)] // Insert what may mean nothing.
			}
			edits = append(edits, edit...)
		}
		ok, okEdited := checkSigned(t, key, verifier, []byte(data), edits)
		if t.Failed() {
			t.Fatalf("%d: %s", i, data)
		}
		if ok {
			read++
		}
		if okEdited && len(edits) > 0 {
			readEdited++
		}
	}
	t.Logf("%d were read, and %d with edits", read, readEdited)
	assert.Greater(t, read, 1000)
	assert.Positive(t, readEdited)
}

func FuzzParsePrivateKey(f *testing.F) {
	addKeyFiles(f)
	digest := md5.Sum([]byte("a=1"))
	f.Fuzz(func(t *testing.T, text []byte) {
		key, err := ksher.ParsePrivateKey(text)
		if err != nil {
			require.Nil(t, key)
			checkKeyError(t, text, err)
			return
		}
		sig, err := key.Sign(nil, digest[:], crypto.MD5)
		require.NoError(t, err)
		public := key.Public().(*rsa.PublicKey)
		require.NoError(t, testkit.NewVerifier(public).Verify([]byte(`{"a":1}`), hex.EncodeToString(sig)))
		_, err = ksher.NewClient(testkit.AppID, key)
		require.NoError(t, err)
	})
}

func FuzzParsePublicKey(f *testing.F) {
	addKeyFiles(f)
	f.Fuzz(func(t *testing.T, text []byte) {
		key, err := ksher.ParsePublicKey(text)
		if err != nil {
			require.Nil(t, key)
			checkKeyError(t, text, err)
			return
		}
		require.GreaterOrEqual(t, key.N.BitLen(), 360)
		require.LessOrEqual(t, key.N.BitLen(), 8192)
		// A signature that isn't one is refused, and not for the key.
		err = testkit.NewVerifier(key).Verify([]byte(`{"a":1}`), strings.Repeat("00", key.Size()))
		require.ErrorIs(t, err, fault.ErrSignatureMismatch)
	})
}

func addKeyFiles(f *testing.F) {
	files, err := filepath.Glob(testkit.Path(f, "testdata/keys/*.pem"))
	require.NoError(f, err)
	require.NotEmpty(f, files)
	for _, file := range files {
		if strings.Contains(file, "4096") {
			continue // It makes each run slow and is nothing but longer.
		}
		text, err := os.ReadFile(file)
		require.NoError(f, err)
		f.Add(text)
		f.Add([]byte(strings.ReplaceAll(string(text), "\n", `\n`)))
	}
	for _, text := range []string{"", `""`, `\n`, "-----BEGIN RSA PRIVATE KEY-----", "-----BEGIN PUBLIC KEY-----\n-----END PUBLIC KEY-----"} {
		f.Add([]byte(text))
	}
}

func checkKeyError(t *testing.T, text []byte, err error) {
	t.Helper()
	require.ErrorContains(t, err, "ksher: ")
	block, _ := pem.Decode(text)
	if block == nil {
		return
	}
	for content := base64.StdEncoding.EncodeToString(block.Bytes); len(content) >= 12; content = content[12:] {
		if !strings.Contains(block.Type, content[:12]) {
			require.NotContains(t, err.Error(), content[:12])
		}
	}
}
