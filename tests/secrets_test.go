package tests

import (
	"bytes"
	"context"
	"crypto"
	"crypto/rsa"
	"encoding/gob"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"html"
	"log/slog"
	"math/big"
	"net/http"
	"net/url"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/ksher-go/ksher"
	"github.com/ksher-go/ksher/internal/fault"
	"github.com/ksher-go/ksher/internal/sandbox"
	"github.com/ksher-go/ksher/internal/testkit"
	"github.com/ksher-go/ksher/vip"
)

// The key must not come out however a client is printed.
func TestClientIsPrintedWithoutItsKey(t *testing.T) {
	key := testkit.RSAKey(t, 1024)
	client, err := ksher.NewClient(testkit.AppID, key)
	require.NoError(t, err)
	var log testkit.LogBuffer
	log.Logger(slog.LevelInfo).Info("x", "client", client)
	printed := []string{
		fmt.Sprintf("%v %+v %s %d %x %q", client, client, client, client, client, client),
		fmt.Sprintf("%#v", client),
		fmt.Sprintf("%v %+v", *client, *client),
		fmt.Sprintf("%+v", struct{ Client *ksher.Client }{client}),
		log.Text(),
	}
	// fmt can't call Format there.
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%d"} {
		printed = append(printed, fmt.Sprintf(verb, struct{ c ksher.Client }{*client}), fmt.Sprintf(verb, struct{ c *ksher.Client }{client}))
	}
	for _, text := range printed {
		for _, secret := range append(secretsOf(key), key.D.String(), key.D.Text(16), key.Primes[0].String(), key.Primes[0].Text(16)) {
			assert.NotContains(t, text, secret)
		}
	}
	assert.Equal(t, "ksher.Client(mch12345)", fmt.Sprint(client))
}

// Whatever comes back, the receiver is in no error, no log and no hook.
func TestPayoutReceiverIsNotQuoted(t *testing.T) {
	receivers := map[string]string{
		"an account":          "9876543210",
		"a name":              "Somchai Jaidee",
		"a Thai name":         "สมชาย ใจดี",
		"a short Thai name":   "สม",
		"a name like a code":  "SOMCHAI_J",
		"a digit":             "7",
		"three digits":        "014",
		"two letters":         "Ng",
		"digits with dashes":  "123-4-56789-0",
		"an address":          "somchai@example.com",
		"a name with a quote": `Ann "Noi" O'Hara`,
	}
	signed := func(data map[string]string) string { return string(sandbox.SignedResponse(data)) }
	answers := map[string]func(value string) testkit.Reply{
		"err_msg": func(v string) testkit.Reply {
			return testkit.Says(signed(map[string]string{"result": "FAIL", "err_code": "PARAM_ERROR", "err_msg": "no such receiver: " + v}))
		},
		"inside a word": func(v string) testkit.Reply {
			return testkit.Says(signed(map[string]string{"result": "FAIL", "err_code": "PARAM_ERROR", "err_msg": "ไม่พบคุณ" + v + "ครับ"}))
		},
		"err_code": func(v string) testkit.Reply {
			return testkit.Says(signed(map[string]string{"result": "FAIL", "err_code": v}))
		},
		"result": func(v string) testkit.Reply { return testkit.Says(signed(map[string]string{"result": v})) },
		"total_fee": func(v string) testkit.Reply {
			return testkit.Says(signed(map[string]string{"result": "SUCCESS", "total_fee": v + "."}))
		},
		"appid": func(v string) testkit.Reply {
			return testkit.Says(signed(map[string]string{"result": "SUCCESS", "appid": v}))
		},
		"msg": func(v string) testkit.Reply { return testkit.Says(`{"code":1,"msg":` + fmt.Sprintf("%q", v) + `}`) },
		"message": func(v string) testkit.Reply {
			return testkit.Says(`{"code":1,"msg":"PARAM_ERROR","message":` + fmt.Sprintf("%q", "for "+strings.ToUpper(v)) + `}`)
		},
		"a page":          func(v string) testkit.Reply { return testkit.Says("<p>" + v + "</p>") },
		"an escaped page": func(v string) testkit.Reply { return testkit.Says("<p>" + html.EscapeString(v) + "</p>") },
		"an escaped path": func(v string) testkit.Reply { return testkit.Says("<p>/pay/" + url.PathEscape(v) + "</p>") },
		"the form, echoed": func(v string) testkit.Reply {
			return testkit.Says("<p>account=" + url.QueryEscape(v) + "&appid=mch12345</p>")
		},
		"cut off": func(v string) testkit.Reply { return testkit.Says("<p>" + strings.Repeat("x ", 96) + v) },
		"the transport": func(v string) testkit.Reply {
			return func(*http.Request) ([]byte, error) { return nil, errors.New("malformed: " + v) }
		},
		"not a number": func(v string) testkit.Reply { return testkit.Says(`{"code":` + fmt.Sprintf("%q", v) + `}`) },
	}
	places := map[string]func(*ksher.PayoutRequest, string){
		"receiver_no":     func(r *ksher.PayoutRequest, v string) { r.Params, r.ReceiverNo = nil, ksher.NewSecret(v) },
		"receiver_mobile": func(r *ksher.PayoutRequest, v string) { r.Params, r.ReceiverMobile = nil, ksher.NewSecret(v) },
		"Extra":           func(r *ksher.PayoutRequest, v string) { r.Extra.Params = map[string]string{"account": v} },
	}
	for place, put := range places {
		for kind, value := range receivers {
			for name, answer := range answers {
				t.Run(place+"/"+kind+"/"+name, func(t *testing.T) {
					var o testkit.Observer
					var log testkit.LogBuffer
					hosts := testkit.AnswersOf(map[string]testkit.Reply{"payout": answer(value)})
					req := testkit.GoodPayout()
					put(req, value)
					_, err := hosts.Client(t, ksher.WithHook(o.Hook), ksher.WithLogger(log.Logger(slog.LevelDebug))).Payout(t.Context(), req)
					require.Error(t, err)
					refused := slices.Contains([]string{"err_msg", "inside a word", "message"}, name)
					require.Equal(t, !refused, errors.Is(err, ksher.ErrOutcomeUnknown), "%v", err)
					if refused {
						require.ErrorIs(t, err, ksher.CodeParamError, "what is Ksher's own stays")
					}
					var failed *ksher.Error
					require.ErrorAs(t, err, &failed)
					said := failed.Message + "\n" + string(failed.Code)
					if failed.Err != nil {
						said += "\n" + failed.Err.Error()
					}
					require.False(t, saysValue(said, value), "%q", said)
					require.Len(t, o.Done, 1)
					require.Equal(t, err, o.Done[0].Err)
					if len(value) > 3 {
						for _, text := range []string{fmt.Sprintf("%+v %q %#v", err, err, o.Done[0].Outcome()), log.Text()} {
							require.False(t, saysValue(text, value), "%s", text)
						}
					}
				})
			}
		}
	}
	// A number is one in any form.
	for account, text := range map[string]string{
		"123-4-56789-0": "no account 1234567890", "1234567890": "no account 123-4-56789-0", "123 4 56789 0": "no account ***-*-*5678-90",
	} {
		req := testkit.GoodPayout()
		req.Params = map[string]string{"account": account}
		_, err := testkit.AnswersOf(map[string]testkit.Reply{"payout": testkit.Says(signed(map[string]string{"result": "FAIL", "err_code": "PARAM_ERROR", "err_msg": text}))}).
			Client(t).Payout(t.Context(), req)
		require.ErrorIs(t, err, ksher.CodeParamError)
		require.NotContains(t, err.Error(), "no account")
	}
	// The query doesn't know the receiver.
	for _, said := range []string{signed(map[string]string{"result": "FAIL", "err_code": "PARAM_ERROR", "err_msg": "payout to Somchai failed"}), `<p>Somchai`} {
		_, err := testkit.AnswersOf(map[string]testkit.Reply{"order_query_payout": testkit.Says(said)}).Client(t).OrderQueryPayout(t.Context(), testkit.PayoutQuery())
		require.Error(t, err)
		require.NotContains(t, err.Error(), "Somchai")
	}
	// An answer that can't be read names the receiver, too.
	for _, before := range []string{"", "\n", "\ufeff", "\ufeff ", "[", "[\n"} {
		_, err := testkit.AnswersOf(map[string]testkit.Reply{"order_query_payout": testkit.Says(before + `{"code":0,"data":{"receiver_name":"Somchai Jaidee",}}`)}).
			Client(t).OrderQueryPayout(t.Context(), testkit.PayoutQuery())
		require.ErrorIs(t, err, fault.ErrNotJSON)
		require.NotContains(t, err.Error(), "Somchai", "%q", before)
	}
	// What isn't an echo is kept, however short the receiver's parameters are.
	req := testkit.GoodPayout()
	req.Params = map[string]string{"a": "7", "b": "e", "e": "TH", "f": "NOTENOUGH"}
	_, err := testkit.AnswersOf(map[string]testkit.Reply{"payout": testkit.Says(signed(map[string]string{"result": "FAIL", "err_code": "NOTENOUGH", "err_msg": "there are 70 THB left"}))}).
		Client(t).Payout(t.Context(), req)
	require.ErrorIs(t, err, ksher.CodeNotEnough)
	require.ErrorContains(t, err, "there are 70 THB left")
	_, err = testkit.AnswersOf(map[string]testkit.Reply{"payout": testkit.Breaks}).Client(t).Payout(t.Context(), req)
	require.ErrorContains(t, err, testkit.ErrLine.Error())
}

// saysValue tells whether a text has a value's first eight bytes, or the whole of
// it if it is shorter, in any form and case; a value of under four bytes only as a
// word.
func saysValue(text, value string) bool {
	text = html.UnescapeString(text)
	for _, v := range []string{value, url.QueryEscape(value), url.PathEscape(value)} {
		text, v := strings.ToLower(text), strings.ToLower(v)
		if len(v) < 4 {
			for _, word := range strings.Split(strings.NewReplacer("\n", " ", `"`, " ", ",", " ", ".", " ", ":", " ").Replace(text), " ") {
				if word == v {
					return true
				}
			}
		} else if strings.Contains(text, v[:min(8, len(v))]) {
			return true
		}
	}
	return false
}

// A gateway or a proxy may echo what it was sent. The code is as good as money for
// as long as it lives.
func TestAuthCodeIsNotTold(t *testing.T) {
	for name, answer := range map[string]string{
		"a page":           `500 <p>auth_code=%s</p>`,
		"a page, cut off":  `500 ` + strings.Repeat("x", 190) + `%s`,
		"a page with 200":  `200 <p>%s</p>`,
		"truncated JSON":   `200 {"auth_code":"%s`,
		"msg":              `200 {"code":1,"msg":"bad code %s"}`,
		"msg, cut off":     `200 {"code":1,"msg":"` + strings.Repeat("x", 185) + `%s"}`,
		"message":          `400 {"code":1,"message":"%s"}`,
		"status_code":      `200 {"code":1,"status_code":"AUTH_%s"}`,
		"err_msg":          `200 {"code":1,"data":{"err_code":"ORDER_PAYMENT_ERROR","err_msg":"%s is too old"}}`,
		"err_code":         `200 {"code":1,"data":{"err_code":"%s"}}`,
		"a member's name":  `200 {"%[1]s":1,"%[1]s":2}`,
		"code":             `200 {"code":"%s"}`,
		"code, a number":   `200 {"code":%s0000000000}`,
		"result, unsigned": `200 {"code":0,"data":{"result":"%s"}}`,
		"result":           "signed",
		"a broken header":  "cut HTTP/1.1 200 OK\r\n%s\r\n\r\n",
		"a broken line":    "cut %s\r\n\r\n",
		"a broken address": "cut HTTP/1.1 302 Found\r\nLocation: http://x/%%zz%s\r\n\r\n",
	} {
		t.Run(name, func(t *testing.T) {
			var logged testkit.LogBuffer
			var told []error
			server := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				code := r.PostFormValue("auth_code")
				how, text, _ := strings.Cut(answer, " ")
				if strings.Contains(text, "%") {
					text = fmt.Sprintf(text, code)
				}
				switch how {
				case "cut":
					testkit.Cut(w, text)
				case "signed":
					testkit.Answering(200, testkit.SignedAnswer(t, `{"result":"`+code+`"}`)).ServeHTTP(w, r)
				case "500":
					testkit.Answering(500, text).ServeHTTP(w, r)
				case "400":
					testkit.Answering(400, text).ServeHTTP(w, r)
				default:
					testkit.Answering(200, text).ServeHTTP(w, r)
				}
			})
			client := testkit.NewClient(t, server, ksher.WithLogger(logged.Logger(0)), ksher.WithHook(func(ctx context.Context, _ ksher.Attempt) (context.Context, func(ksher.Attempt)) {
				return ctx, func(a ksher.Attempt) { told = append(told, a.Err) }
			}))
			_, err := client.QuickPay(t.Context(), testkit.GoodQuickPay())
			require.Error(t, err)
			require.Len(t, told, 1)
			texts := []string{logged.Text(), fmt.Sprintf("%v %+v %q %s", err, err, err, err), fmt.Sprintf("%v %+v", told[0], told[0])}
			var failed *ksher.Error
			require.ErrorAs(t, err, &failed)
			texts = append(texts, failed.Message, string(failed.Code))
			for _, text := range texts {
				require.NotContains(t, text, testkit.AuthCode[:8])
			}
			if name == "err_msg" {
				require.ErrorIs(t, err, ksher.CodeOrderPaymentError)
				require.NotErrorIs(t, err, ksher.ErrOutcomeUnknown)
			} else {
				require.ErrorIs(t, err, ksher.ErrOutcomeUnknown)
			}
			if name == "a member's name" {
				require.ErrorIs(t, err, fault.ErrNotJSON)
			}
		})
	}
}

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
	assert.NotContains(t, fmt.Sprintf("%v %+v", ksher.PayoutResponse{ReceiverName: text}, &ksher.OrderQueryPayoutResponse{OpenID: text}), text[:8])
}

// secretsOf lists the ways in which fmt would write the secret numbers of a
// key. Each is cut to 16 digits, so that a part of one is found as well.
func secretsOf(key *rsa.PrivateKey) []string {
	var secrets []string
	for _, n := range append([]*big.Int{key.D}, key.Primes...) {
		for _, bytes := range [][]byte{n.Bytes(), n.FillBytes(make([]byte, key.Size()))} {
			list := fmt.Sprint(bytes)
			secrets = append(secrets, strings.Trim(list, "[]")[:32], fmt.Sprintf("%#v", bytes)[10:40])
		}
		secrets = append(secrets, n.Text(10)[:16], n.Text(16)[:16], strings.ToUpper(n.Text(16)[:16]),
			hex.EncodeToString([]byte(n.Text(10)))[:16], fmt.Sprintf("%#x", n.Bits()[0]), fmt.Sprint(n.Bits()[0]))
	}
	return secrets
}

func TestKeysAreNotPrinted(t *testing.T) {
	for _, bits := range []int{512, 1024} {
		key, err := ksher.ParsePrivateKey([]byte(testkit.ReadFile(t, fmt.Sprintf("keys/rsa%d.pkcs1.pem", bits))))
		require.NoError(t, err)
		client, err := ksher.NewClient(testkit.AppID, key)
		require.NoError(t, err)
		type shop struct {
			Client  *ksher.Client
			private ksher.Client
			key     crypto.Signer
		}
		values := map[string]any{
			"client": client, "client by value": *client, "client in a struct": shop{client, *client, nil},
			"pointer to that": &shop{client, *client, nil}, "client in an error": fmt.Errorf("%v %+v", client, *client),
		}
		if bits < 1024 { // A longer one is crypto/rsa's type, which prints itself.
			values["key"] = key
			values["key in a struct"] = shop{key: key}
			values["keys"] = []crypto.Signer{key, key}
		}
		for name, value := range values {
			for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%d", "%x", "%X"} {
				printed := fmt.Sprintf(verb, value)
				for _, secret := range secretsOf(testkit.RSAKey(t, bits)) {
					assert.NotContains(t, printed, secret, "%s of %s", verb, name)
				}
			}
		}
		assert.Equal(t, "ksher.Client("+testkit.AppID+")", fmt.Sprintf("%+v", client))
		assert.Equal(t, "ksher.Client("+testkit.AppID+")", fmt.Sprintf("%#v", *client))
		// A search that finds nothing anywhere would prove nothing.
		for _, verb := range []string{"%v", "%x", "%d"} {
			printed := fmt.Sprintf(verb, testkit.RSAKey(t, bits))
			assert.True(t, slices.ContainsFunc(secretsOf(testkit.RSAKey(t, bits)), func(s string) bool { return strings.Contains(printed, s) }))
		}
	}
}

// failures keeps what testify says of a failure.
type failures struct{ text string }

func (f *failures) Errorf(format string, args ...any) { f.text += fmt.Sprintf(format, args...) }

// A failed comparison prints where two values differ, down to the last unexported
// field and without asking Format.
func TestKeysAreNotInTestifysDiff(t *testing.T) {
	// of lists what holds the key of that length.
	of := func(bits int) []any {
		signer, err := ksher.ParsePrivateKey([]byte(testkit.ReadFile(t, fmt.Sprintf("keys/rsa%d.pkcs1.pem", bits))))
		require.NoError(t, err)
		client, err := ksher.NewClient(testkit.AppID, signer)
		require.NoError(t, err)
		all := []any{client, *client, struct{ c *ksher.Client }{client}, []ksher.Client{*client}, map[string]*ksher.Client{"": client}}
		if bits < 1024 { // A longer one is crypto/rsa's type, which prints itself.
			all = append(all, signer)
		}
		return all
	}
	for _, bits := range []int{512, 1024, 2048} {
		others := append(of(4096), sandbox.PrivateKey())
		for i, value := range of(bits) {
			var said failures
			assert.Equal(&said, value, others[i])
			require.Contains(t, said.text, "Not equal")
			for _, secret := range secretsOf(testkit.RSAKey(t, bits)) {
				assert.NotContains(t, said.text, secret, "%d bits, %T", bits, value)
			}
		}
		// A search that finds nothing anywhere would prove nothing.
		var said failures
		assert.Equal(&said, testkit.RSAKey(t, bits), testkit.RSAKey(t, 4096))
		assert.True(t, slices.ContainsFunc(secretsOf(testkit.RSAKey(t, bits)), func(s string) bool { return strings.Contains(said.text, s) }))
	}
}

// The buyer's ID at the wallet is personal data.
func TestWalletPayBuyerIsNotQuoted(t *testing.T) {
	const buyer = "oUpF8uMuAJO"
	app := testkit.GoodAppPay()
	app.SubOpenID = buyer
	for name, call := range map[string]func(context.Context, *ksher.Client) (*ksher.WalletPayResponse, error){
		"mini_program_pay": testkit.WalletCalls["mini_program_pay"].Call,
		"app_pay":          testkit.WalletCall((*ksher.Client).AppPay, app),
	} {
		for _, answer := range []testkit.Reply{
			testkit.Says(string(sandbox.SignedResponse(map[string]string{"result": "FAIL", "err_code": "PARAM_ERROR", "err_msg": "no such sub_openid: " + buyer}))),
			testkit.Says("<p>" + buyer + "</p>"),
		} {
			_, err := call(t.Context(), testkit.AnswersOf(map[string]testkit.Reply{name: answer}).Client(t))
			require.Error(t, err)
			require.NotContains(t, err.Error(), buyer)
		}
	}
}
