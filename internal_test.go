package ksher

import (
	"bytes"
	"crypto"
	"crypto/md5"
	"crypto/rand"
	"crypto/rsa"
	"encoding/json"
	"io"
	"os"
	"reflect"
	"slices"
	"testing"
	"time"

	"github.com/google/go-querystring/query"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/ksher-go/ksher/internal/fault"
	"github.com/ksher-go/ksher/internal/wire"
)

// Which part is signed belongs to the operation, and nothing exported can tell the
// verifier.
func TestPartlySignedAnswers(t *testing.T) {
	const file = "../shared/vectors/responses-v1.json"
	text, err := os.ReadFile(file)
	if os.IsNotExist(err) {
		t.Skipf("%s is not here; its genuine answers are kept outside the project", file)
	}
	require.NoError(t, err)
	var all struct {
		Vectors []struct {
			Name         string
			Data         json.RawMessage
			Sign         string
			SignedFields []string `json:"signed_fields"`
		}
	}
	require.NoError(t, json.Unmarshal(text, &all))
	verifier := publishedVerifier(SignV1)
	tested := 0
	for _, v := range all.Vectors {
		if v.SignedFields == nil {
			continue
		}
		tested++
		t.Run(v.Name, func(t *testing.T) {
			verify := func(data []byte) error {
				members, err := wire.ParseObject(data)
				if err != nil {
					return err
				}
				_, err = verifier.verify(members, v.SignedFields, v.Sign)
				return err
			}
			var buf bytes.Buffer
			require.NoError(t, json.Compact(&buf, v.Data))
			data := buf.Bytes()
			require.NoError(t, verify(data))

			// The members share memory with data, and changing them changes it.
			members, err := wire.ParseObject(data)
			require.NoError(t, err)
			signed := 0
			for _, m := range members {
				if slices.Contains(v.SignedFields, string(m.Name)) {
					signed++
					for _, part := range [][]byte{m.Name, m.Value.Raw} {
						for i := range part {
							for _, mask := range []byte{0x01, 0x20, 0x80} {
								part[i] ^= mask
								if verify(data) == nil {
									t.Errorf("%s may be %s", m.Name, part)
								}
								part[i] ^= mask
							}
						}
					}
				} else if i := len(m.Value.Raw) / 2; 'a' <= m.Value.Raw[i] && m.Value.Raw[i] < 'z' {
					m.Value.Raw[i]++
					assert.NoError(t, verify(data), "%s is not signed", m.Name)
					m.Value.Raw[i]--
				}
			}
			assert.Equal(t, len(v.SignedFields), signed)

			for _, name := range v.SignedFields {
				without := slices.DeleteFunc(slices.Clone(v.SignedFields), func(s string) bool { return s == name })
				_, err = verifier.verify(members, without, v.Sign)
				assert.ErrorIs(t, err, fault.ErrSignatureMismatch)
			}
			_, err = verifier.verify(members, []string{}, v.Sign)
			assert.ErrorIs(t, err, fault.ErrSignatureMismatch)
		})
	}
	assert.NotZero(t, tested)
}

// fill gives a field of a request a value, and fails for a kind of field that
// it doesn't know.
func fill(tb testing.TB, f reflect.Value, text string) {
	tb.Helper()
	switch f.Kind() {
	case reflect.String:
		f.SetString(text)
	case reflect.Int, reflect.Int64:
		f.SetInt(int64(len(text)))
	case reflect.Slice:
		f.Set(reflect.MakeSlice(f.Type(), 2, 2))
		fill(tb, f.Index(0), text)
		fill(tb, f.Index(1), "é")
	default:
		switch v := f.Addr().Interface().(type) {
		case *InstalTimes:
			*v = InstalTimes{Channel(text): {3, 4}}
		case *Extra:
			*v = Extra{Params: map[string]string{text: text}}
		case *Secret:
			*v = NewSecret(text)
		case *map[string]string: // Of Extra.
			*v = map[string]string{text: text}
		default:
			require.Fail(tb, "a field of a new kind", "%T", v)
		}
	}
}

// What is sent is what go-querystring makes of a request's tags, for every
// operation and with any of its fields set, left out, or alone.
func TestStructParamsAreGoQuerystrings(t *testing.T) {
	client := reflect.TypeFor[*Client]()
	tested := 0
	for i := range client.NumMethod() {
		method := client.Method(i).Type
		if method.NumIn() < 3 || !method.In(2).Implements(reflect.TypeFor[request]()) {
			continue
		}
		tested++
		fields := reflect.VisibleFields(method.In(2).Elem())
		compare := func(has func(field int) bool) {
			req := reflect.New(method.In(2).Elem())
			for i, f := range fields {
				if f.IsExported() && has(i) {
					fill(t, req.Elem().FieldByIndex(f.Index), "a&=ชา "+f.Name)
				}
			}
			form, err := query.Values(req.Interface())
			require.NoError(t, err)
			params, err := wire.StructParams(req.Interface())
			require.NoError(t, err)
			wire.SortParams(params)
			assert.Equal(t, wire.FormParams(form), params)
		}
		compare(func(int) bool { return false })
		compare(func(int) bool { return true })
		for f := range fields {
			compare(func(field int) bool { return field == f })
			compare(func(field int) bool { return field != f })
		}
	}
	assert.GreaterOrEqual(t, tested, 8)
}

// freeSigner is a key whose signature costs nothing.
type freeSigner struct{ crypto.Signer }

var freeSignature = make([]byte, 128)

func (freeSigner) Sign(io.Reader, []byte, crypto.SignerOpts) ([]byte, error) {
	return freeSignature, nil
}

// BenchmarkSignAndEncode is what it takes to check, sign and encode a
// gateway_pay request, the RSA operation aside, beside the MD5 in it.
func BenchmarkSignAndEncode(b *testing.B) {
	key, err := rsa.GenerateKey(rand.Reader, 1024)
	require.NoError(b, err)
	client, err := NewClient("mch12345", freeSigner{key})
	require.NoError(b, err)
	required := GatewayPayRequest{
		MchOrderNo: "2026112110000001", MchCode: "2026112110000001", TotalFee: 15050, FeeType: "THB",
		ChannelList: []Channel{ChannelTrueMoney, ChannelCard, ChannelPromptPay},
		ProductName: "Two bags of coffee", ReferURL: "https://shop.example/cart",
		MchRedirectURL: "https://shop.example/thanks", MchRedirectURLFail: "https://shop.example/sorry",
	}
	more := required
	more.MchNotifyURL = "https://shop.example/ksher/notify"
	more.Lang, more.MemberID, more.ExpireTime = "th", "member-17", 30
	for _, bm := range []struct {
		name string
		req  *GatewayPayRequest
	}{{"required", &required}, {"more", &more}} {
		b.Run(bm.name, func(b *testing.B) {
			params, err := client.params(gatewayPay, bm.req)
			require.NoError(b, err)
			text := wire.ParamsSignText(params)
			var costs, floors []time.Duration
			b.ReportAllocs()
			for b.Loop() {
				start := time.Now()
				params, err := client.params(gatewayPay, bm.req)
				if err == nil {
					params, err = client.sign(params)
				}
				if err != nil || wire.EncodeParams(params) == "" {
					b.Fatal(err)
				}
				middle := time.Now()
				md5.Sum(text)
				costs, floors = append(costs, middle.Sub(start)), append(floors, time.Since(middle))
			}
			slices.Sort(costs)
			slices.Sort(floors)
			cost, floor := costs[len(costs)/2], floors[len(floors)/2]
			b.ReportMetric(float64(cost.Nanoseconds()), "ns/whole")
			b.ReportMetric(float64(floor.Nanoseconds()), "ns/floor")
			b.ReportMetric(float64(cost)/float64(floor), "x/floor")
		})
	}
}
