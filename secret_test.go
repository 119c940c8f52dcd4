package ksher_test

import (
	"bytes"
	"encoding/gob"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/url"
	"reflect"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/ksher-go/ksher"
	"github.com/ksher-go/ksher/vip"
)

// printed is a value in every way that programs print one.
func printed(t *testing.T, value any) string {
	t.Helper()
	var text bytes.Buffer
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%X", "%d", "%t", "%g", "%p"} {
		fmt.Fprintf(&text, verb+"\n", value)
	}
	for _, handler := range []slog.Handler{slog.NewTextHandler(&text, nil), slog.NewJSONHandler(&text, nil)} {
		slog.New(handler).Info("charging", "value", value, slog.Group("group", "value", value))
	}
	asJSON, err := json.Marshal(value)
	require.NoError(t, err)
	text.Write(asJSON)
	if err := gob.NewEncoder(&text).Encode(value); err != nil {
		text.WriteString(err.Error())
	}
	var failed failures
	assert.Equal(&failed, value, reflect.New(reflect.TypeOf(value)).Elem().Interface())
	require.NotEmpty(t, failed.text)
	return text.String() + failed.text
}

func TestSecretsAreNotPrinted(t *testing.T) {
	const text = "287634438256643900"
	secret := ksher.NewSecret(text)
	quick := ksher.QuickPayRequest{MchOrderNo: "order1", AuthCode: secret}
	scan := vip.BScanCRequest{MerchantOrderID: "order1", AuthCode: secret}
	payout := ksher.PayoutRequest{MchOrderNo: "order1", ReceiverNo: secret, ReceiverMobile: secret}
	type hidden struct {
		secret ksher.Secret
		quick  ksher.QuickPayRequest
		ptr    *ksher.QuickPayRequest
		scan   vip.BScanCRequest
		payout ksher.PayoutRequest
		list   []ksher.QuickPayRequest
		named  map[string]vip.BScanCRequest
		any    any
	}
	type shown struct {
		Quick  ksher.QuickPayRequest
		Scan   *vip.BScanCRequest
		Payout ksher.PayoutRequest
		Any    any
	}
	for _, value := range []any{
		secret, &secret, quick, &quick, scan, &scan, payout, &payout, []ksher.Secret{secret}, map[string]any{"x": quick},
		hidden{secret, quick, &quick, scan, payout, []ksher.QuickPayRequest{quick}, map[string]vip.BScanCRequest{"x": scan}, quick},
		&hidden{secret, quick, &quick, scan, payout, []ksher.QuickPayRequest{quick}, map[string]vip.BScanCRequest{"x": scan}, &quick},
		shown{quick, &scan, payout, payout},
	} {
		said := printed(t, value)
		assert.NotContains(t, said, text[:8], "%T", value)
		assert.NotContains(t, strings.ToLower(said), hex.EncodeToString([]byte(text[:8])), "%T", value)
	}
	withParams := payout
	withParams.Params = map[string]string{"account": text}
	assert.NotContains(t, fmt.Sprintf("%v %+v %#v %s", withParams, &withParams, withParams, &withParams), text[:8])
	assert.NotContains(t, fmt.Sprintf("%v %+v", ksher.PayoutResponse{ReceiverName: text}, &ksher.OrderQueryPayoutResponse{ReceiverName: text}), text[:8])
}

func TestSecret(t *testing.T) {
	for text, want := range map[string]string{
		"": "", " \r\n": "", "2876\r\n": "2876", "\x02\t2876 3443\x03\n": "2876 3443", "\u00a0ก\u0085": "ก",
	} {
		secret := ksher.NewSecret(text)
		assert.Equal(t, want, secret.Reveal(), "%q", text)
		sent := url.Values{}
		require.NoError(t, secret.EncodeValues("auth_code", &sent))
		assert.Equal(t, want != "", sent.Has("auth_code"))
		assert.Equal(t, want, sent.Get("auth_code"))
	}
	assert.Empty(t, ksher.Secret{}.Reveal())
	assert.Empty(t, ksher.Secret{}.String())
	assert.Equal(t, "[secret]", ksher.NewSecret("2876").String())
}
