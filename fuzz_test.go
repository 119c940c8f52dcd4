package ksher_test

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
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/ksher-go/ksher"
)

// bodyErrors are what ParseNotification may find wrong with a body that isn't a
// refusal by the gateway.
var bodyErrors = []error{
	ksher.ErrSignature, ksher.ErrEmptyBody, ksher.ErrBodyTooLarge, ksher.ErrNotJSON, ksher.ErrTruncatedJSON,
	ksher.ErrEnvelope, ksher.ErrNoData, ksher.ErrField, ksher.ErrOtherOrder,
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
	order := reflect.ValueOf(n.Order)
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
	for _, v := range readVectors(f, "testdata/published-v1.json") {
		f.Add([]byte(v.Data))
		f.Add(fmt.Appendf(nil, `{"code":0,"data":%s,"sign":%q}`, v.Data, v.Sign))
	}
	key := rsaKey(f, 512)
	verifier := ksher.NewVerifier(&key.PublicKey, ksher.GatewayPublicKey(ksher.SignV1))
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
		sign := textSign(key, text)
		n, err := ksher.ParseNotification(fmt.Appendf(nil, `{"code":0,"data":%s,"sign":%q}`, body, sign), verifier)
		if err != nil {
			checkNotificationError(t, n, err)
			require.NotErrorIs(t, err, ksher.ErrSignature, "the data is signed: %s", text)
			require.NotErrorIs(t, err, ksher.ErrTruncatedJSON)
			return
		}
		require.Equal(t, strings.TrimSpace(string(body)), string(n.Data))
		checkTexts(t, n)
		// The same signature, for anything that says something else, is none.
		if _, err := ksher.ParseNotification(fmt.Appendf(nil, `{"code":0,"data":%s,"sign":%q}`, body, textSign(key, text+"x=")), verifier); err == nil {
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
		require.NoError(t, ksher.NewVerifier(public).Verify([]byte(`{"a":1}`), hex.EncodeToString(sig)))
		_, err = ksher.NewClient(testAppID, key)
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
		err = ksher.NewVerifier(key).Verify([]byte(`{"a":1}`), strings.Repeat("00", key.Size()))
		require.ErrorIs(t, err, ksher.ErrSignatureMismatch)
	})
}

func addKeyFiles(f *testing.F) {
	files, err := filepath.Glob("testdata/keys/*.pem")
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

func FuzzParseAmount(f *testing.F) {
	for _, seed := range []string{"", "0", "1", "-1", "150.5", "150.50", "-0.01", ".5", "1.", "1.234", "1,000", "+1", "1e3", "١٢", "--1", "92233720368547758.07", "-92233720368547758.08", "007"} {
		f.Add(seed, int64(len(seed)))
	}
	f.Fuzz(func(t *testing.T, text string, cents int64) {
		written := ksher.Amount(cents).String()
		back, err := ksher.ParseAmount(written)
		require.NoError(t, err)
		require.Equal(t, ksher.Amount(cents), back)

		amount, err := ksher.ParseAmount(text)
		if err != nil {
			require.Zero(t, amount)
			return
		}
		want, ok := new(big.Rat).SetString(text)
		require.True(t, ok)
		require.Zero(t, want.Mul(want, big.NewRat(100, 1)).Cmp(big.NewRat(int64(amount), 1)), "%q is %v", text, amount)
		again, err := ksher.ParseAmount(amount.String())
		require.NoError(t, err)
		require.Equal(t, amount, again)
	})
}

func FuzzNativePayImage(f *testing.F) {
	for _, seed := range []string{
		"", "data:", "data:,", "data:image/png;base64,", "data:image/png;base64,aGVsbG8=", "data:image/png;base64,aGVsbG8", "data:image/png;base64,%%%",
		"data:image/svg+xml,%3Csvg/%3E", "data:image/svg+xml;charset=utf-8,<svg/>", "data:text/html,<script>", "data:image/png", "image/png;base64,aGVsbG8=",
		"data:IMAGE/PNG;base64,aGVsbG8=", "data:image/,x", "data:image/png;base64;base64,aGVsbG8=", "data:image/png;a=\"b,c\",x", "https://example.com/x.png",
		"data:image/png;base64,aGVs\nbG8=", "data:;base64,aGVsbG8=", "data:image/svg+xml,%zz",
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, uri string) {
		image, mediaType, err := (&ksher.NativePayResponse{MchOrderNo: "1", ImgDat: uri}).Image()
		if err != nil {
			require.ErrorIs(t, err, ksher.ErrField)
			require.Nil(t, image)
			require.Empty(t, mediaType)
			require.Less(t, len(err.Error()), 300)
			return
		}
		require.NotEmpty(t, image)
		require.True(t, strings.HasPrefix(mediaType, "image/") && len(mediaType) > len("image/"), "%q", mediaType)
		require.NotContains(t, mediaType, ";")
		again, againType, err := (&ksher.NativePayResponse{
			ImgDat: "data:" + mediaType + ";base64," + base64.StdEncoding.EncodeToString(image),
		}).Image()
		require.NoError(t, err)
		require.Equal(t, image, again)
		require.Equal(t, mediaType, againType)
	})
}
