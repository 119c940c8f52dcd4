package api

import (
	"crypto"
	"crypto/md5"
	"crypto/rand"
	"crypto/rsa"
	_ "embed" // For the keys.
	"encoding/hex"
	"encoding/json"
	"fmt"
	"net/http"
	"reflect"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/ksher-go/ksher"
	"github.com/ksher-go/ksher/internal/sandbox/core"
	"github.com/ksher-go/ksher/internal/wire"
)

// The gateway's keys are fixed, so that nothing is generated at start and a program in
// any language can be set up once. They protect nothing: everybody has them.
// The 2048-bit key is testRSA2048 of RFC 9500.
var (
	//go:embed keys/gateway-v1-512.pem
	gatewayV1PEM string
	//go:embed keys/gateway-v2-2048.pem
	gatewayV2PEM string

	gatewayKeys = map[ksher.SignVersion]func() crypto.Signer{
		ksher.SignV1: sync.OnceValue(func() crypto.Signer { return core.MustParseKey(gatewayV1PEM) }),
		ksher.SignV2: sync.OnceValue(func() crypto.Signer { return core.MustParseKey(gatewayV2PEM) }),
	}
)

// PublicKey returns the key that the local gateway signs with in that version,
// or nil for a version that doesn't exist.
func PublicKey(version ksher.SignVersion) *rsa.PublicKey {
	key, ok := gatewayKeys[version]
	if !ok {
		return nil
	}
	return key().Public().(*rsa.PublicKey)
}

// Verifier returns a verifier for what the local gateway, [SignedResponse] and
// [SignedNotification] sign, for [ksher.WithVerifier].
func Verifier() *ksher.Verifier {
	v, err := ksher.NewVerifier(PublicKey(ksher.SignV1), PublicKey(ksher.SignV2))
	if err != nil {
		panic(err) // They are part of this package.
	}
	return v
}

// SignedResponse returns the body of a successful answer with that data,
// signed by the local gateway's V1 key, to hand to a mock of your choice. Data
// is a response type of package ksher, such as
// &ksher.GatewayOrderQueryResponse{Order: ksher.Order{…}}, or a map with the
// names of the wire. A client believes it with [ksher.WithVerifier] and
// [Verifier]. Of a [ksher.MerchantInfoResponse] and a
// [ksher.GetSettlementInfoResponse] only the part is signed that Ksher signs, and
// of a map everything.
//
// It panics if data can't be written as a JSON object.
func SignedResponse(data any) []byte {
	return envelope(data, ksher.SignV1, time.Now().In(core.Zone))
}

// SignedNotification returns a notification with that data, signed by the local
// gateway's V1 key, as the request that Ksher would post to the target: to hand
// to a handler's ServeHTTP or to send. Data is as in [SignedResponse], usually
// a *ksher.Order.
//
// It panics if data can't be written as a JSON object, or if the target is not
// an address.
func SignedNotification(target string, data any) *http.Request {
	req, err := http.NewRequest(http.MethodPost, target, strings.NewReader(string(envelope(data, ksher.SignV1, time.Now().In(core.Zone)))))
	if err != nil {
		panic(fmt.Sprintf("kshertest: SignedNotification: %v", err))
	}
	req.Header.Set("Content-Type", "text/plain;charset=utf-8")
	return req
}

// envelope writes an answer of code 0 around data, signed as its type is.
func envelope(data any, version ksher.SignVersion, at time.Time) []byte {
	return verdict{at: at}.signed(bothHosts, dataText(data, at.Location()), signedPart(data), version)
}

// Refusal is the body of an answer that refuses a request of that operation with that
// code.
func Refusal(operation string, code ksher.Code) []byte {
	v := verdict{code, new(core.Leniency), time.Now()}
	return v.signed(bothHosts, dataText(v.refusal(core.AppID, core.NewUUID()), core.Zone), SignedParts[operation], ksher.SignV1)
}

// refusal is the data of an answer that refuses.
func (v verdict) refusal(appID, nonce string) map[string]any {
	return map[string]any{
		"appid":     appID,
		"err_code":  string(v.code),
		"err_msg":   because(v.code, v.l),
		"nonce_str": nonce,
		"result":    string(ksher.ResultFail),
	}
}

// dataText is the data of an answer as its type has it, with its times in that zone.
func dataText(data any, zone *time.Location) json.RawMessage {
	v := reflect.Indirect(reflect.ValueOf(data))
	if !v.IsValid() || v.Kind() != reflect.Struct {
		return core.Marshal(data)
	}
	text, err := wire.Encode(data, zone)
	if err != nil {
		panic(fmt.Sprintf("kshertest: the data of an answer: %v", err))
	}
	if saysCarriedOut(v.Type()) {
		text = slices.Concat([]byte(`{"result":"SUCCESS",`), text[1:])
	}
	return text
}

// carriedOut are the answers whose result says no more than that the call was carried
// out, so that they have no field for it.
var carriedOut = []reflect.Type{
	reflect.TypeFor[ksher.CancelOrderResponse](), reflect.TypeFor[ksher.NativePayResponse](), reflect.TypeFor[ksher.OrderCloseResponse](),
	reflect.TypeFor[ksher.OrderReverseResponse](), reflect.TypeFor[ksher.OrderRefundResponse](), reflect.TypeFor[ksher.RefundQueryResponse](),
	reflect.TypeFor[ksher.WalletPayResponse](), reflect.TypeFor[ksher.PayoutResponse](), reflect.TypeFor[ksher.GetPayoutBalanceResponse](),
}

// saysCarriedOut tells whether an answer is one of those, or has one embedded.
func saysCarriedOut(t reflect.Type) bool {
	if slices.Contains(carriedOut, t) {
		return true
	}
	for i := range t.NumField() {
		if f := t.Field(i); f.Anonymous && slices.Contains(carriedOut, f.Type) {
			return true
		}
	}
	return false
}

func signData(data []byte, part []string, version ksher.SignVersion) string {
	members, err := wire.ParseObject(data)
	if err != nil {
		panic(fmt.Sprintf("kshertest: the data of an answer: %v", err))
	}
	digest := md5.Sum(wire.AppendSignText(nil, members, part, false))
	sign, err := gatewayKeys[version]().Sign(rand.Reader, digest[:], crypto.MD5)
	if err != nil {
		panic(fmt.Sprintf("kshertest: signing: %v", err))
	}
	return hex.EncodeToString(sign)
}
