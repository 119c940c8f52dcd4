package tests

import (
	"bytes"
	"encoding/json"
	"fmt"
	"path"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/ksher-go/ksher"
	"github.com/ksher-go/ksher/internal/fault"
	"github.com/ksher-go/ksher/internal/testkit"
)

// Genuine answers of the account go the whole way, and each of their values
// comes out in the field of its name. They name people, so none of them is here.
func TestGenuineAccountAnswers(t *testing.T) {
	testkit.Holds(t, testkit.Genuine, "merchant_info: each field has the name and the kind of the genuine answer, and so has each of get_settlement_info")
	genuine := map[string]func(c *ksher.Client, data map[string]any) (any, error){
		"merchant_info_partial": func(c *ksher.Client, _ map[string]any) (any, error) {
			resp, err := c.MerchantInfo(t.Context(), testkit.GoodMerchantInfo())
			if err != nil {
				return nil, err
			}
			_, err = resp.Location()
			return *resp, err
		},
		"settlement_info_partial": func(c *ksher.Client, data map[string]any) (any, error) {
			resp, err := c.GetSettlementInfo(t.Context(), &ksher.GetSettlementInfoRequest{BeginDate: data["begin_date"].(string), EndDate: data["end_date"].(string)})
			if err != nil {
				return nil, err
			}
			return *resp, nil
		},
	}
	done := 0
	for _, v := range testkit.ReadVectors(t, "../shared/vectors/responses-v1.json") {
		call := genuine[v.Name]
		if call == nil {
			continue
		}
		done++
		t.Run(v.Name, func(t *testing.T) {
			decoder := json.NewDecoder(strings.NewReader(string(v.Data)))
			decoder.UseNumber()
			var data map[string]any
			require.NoError(t, decoder.Decode(&data))
			appID := testkit.AppID
			if own, ok := data["mch_appid"].(string); ok {
				appID = own
			}
			body := fmt.Sprintf(`{"code":0,"data":%s,"sign":%q}`, v.Data, v.Sign)
			resp, err := call(testkit.OfflineClient(t, appID, testkit.Answering(200, body)), data)
			require.NoError(t, err)
			// The names and not the values are in the messages.
			requireSame(t, v.Name, data, reflect.ValueOf(resp))
		})
	}
	require.Equal(t, len(genuine), done)
}

// requireSame compares JSON with the fields of the names in it. A value without a
// field must be in the Data of merchant_info; the other answers have a field for each.
func requireSame(t *testing.T, at string, want any, got reflect.Value) {
	t.Helper()
	switch want := want.(type) {
	case map[string]any:
		if got.Type() == reflect.TypeFor[json.RawMessage]() {
			text, err := json.Marshal(want)
			require.NoError(t, err)
			require.True(t, string(text) == string(got.Bytes()), at)
			return
		}
		fields := map[string]reflect.Value{}
		for i := range got.NumField() {
			fields[got.Type().Field(i).Tag.Get("json")] = got.Field(i)
		}
		for name, value := range want {
			if _, ok := fields[name]; !ok && at == "merchant_info_partial" {
				data := map[string]any{}
				require.NoError(t, json.Unmarshal(got.FieldByName("Data").Bytes(), &data))
				require.Contains(t, data, name)
				continue
			}
			require.Contains(t, fields, name, at)
			requireSame(t, at+"."+name, value, fields[name])
		}
	case []any:
		require.Equal(t, len(want), got.Len(), at)
		for i := range want {
			requireSame(t, fmt.Sprintf("%s[%d]", at, i), want[i], got.Index(i))
		}
	default:
		text := fmt.Sprint(got)
		if moment, ok := got.Interface().(time.Time); ok {
			text = moment.Format(time.DateTime)
		} else if got.CanInt() {
			text = fmt.Sprint(got.Int())
		}
		require.True(t, fmt.Sprint(want) == text, "%s differs", at)
	}
}

var vectorFiles = []string{"testdata/published-v1.json", "../shared/vectors/responses-v1.json"}

// eachVector runs a test for each genuine answer that is signed as a whole;
// TestPartlySignedAnswers has the others.
func eachVector(t *testing.T, test func(t *testing.T, v testkit.Vector)) {
	t.Helper()
	for _, file := range vectorFiles {
		t.Run(path.Base(file), func(t *testing.T) {
			for _, v := range testkit.ReadVectors(t, file) {
				if v.SignedFields == nil {
					t.Run(v.Name, func(t *testing.T) { test(t, v) })
				}
			}
		})
	}
}

func verifierV1() *ksher.Verifier {
	return testkit.NewVerifier(ksher.GatewayPublicKey(ksher.SignV1))
}

func compact(tb testing.TB, data []byte) []byte {
	tb.Helper()
	var b bytes.Buffer
	require.NoError(tb, json.Compact(&b, data))
	return b.Bytes()
}

func TestGenuineAnswers(t *testing.T) {
	testkit.Holds(t, testkit.Genuine, "signature: an answer is signed over all members of data as name=value, sorted, with nothing between")
	testkit.Holds(t, testkit.Genuine, "signature: an empty member of an answer is signed, too, as name=")
	testkit.Holds(t, testkit.Genuine, "signature: nothing but data is signed of an answer")
	eachVector(t, func(t *testing.T, v testkit.Vector) {
		assert.NoError(t, verifierV1().Verify(v.Data, v.Sign))
		assert.ErrorIs(t, testkit.NewVerifier(ksher.GatewayPublicKey(ksher.SignV2)).Verify(v.Data, v.Sign), fault.ErrSignatureMalformed)
	})
}

// A signature of a part must not pass for one of the whole.
func TestPartIsNotTheWhole(t *testing.T) {
	testkit.Holds(t, testkit.Genuine, "signature: merchant_info and get_settlement_info are signed in part, and other answers as a whole")
	parts := 0
	for _, v := range testkit.ReadVectors(t, "../shared/vectors/responses-v1.json") {
		if v.SignedFields != nil {
			parts++
			assert.ErrorIs(t, verifierV1().Verify(v.Data, v.Sign), fault.ErrSignatureMismatch, v.Name)
		}
	}
	assert.NotZero(t, parts)
}

func TestGenuineAnswersWrittenAnotherWay(t *testing.T) {
	testkit.Holds(t, testkit.Genuine, "signature: white space, escapes and the order of members don't matter to the signature of an answer")
	eachVector(t, func(t *testing.T, v testkit.Vector) {
		verifier := verifierV1()
		reversed := reverseMembers(t, v.Data)
		assert.NoError(t, verifier.Verify(compact(t, v.Data), v.Sign), "compact")
		assert.NoError(t, verifier.Verify(reversed, v.Sign), "reversed")

		var indented bytes.Buffer
		require.NoError(t, json.Indent(&indented, reversed, "\r\n", "\t "))
		assert.NoError(t, verifier.Verify(indented.Bytes(), v.Sign), "indented")

		assert.NoError(t, verifier.Verify(escapeAll(v.Data), v.Sign), "escaped")
	})
}

// reverseMembers turns the members of every object around.
func reverseMembers(tb testing.TB, data []byte) []byte {
	tb.Helper()
	decoder := json.NewDecoder(bytes.NewReader(data))
	first, err := decoder.Token()
	require.NoError(tb, err)
	bracket, isBracket := first.(json.Delim)
	if !isBracket {
		return compact(tb, data)
	}
	var items [][]byte
	for decoder.More() {
		var item []byte
		if bracket == '{' {
			name, err := decoder.Token()
			require.NoError(tb, err)
			item, err = json.Marshal(name)
			require.NoError(tb, err)
			item = append(item, ':')
		}
		var value json.RawMessage
		require.NoError(tb, decoder.Decode(&value))
		items = append(items, append(item, reverseMembers(tb, value)...))
	}
	brackets := "[]"
	if bracket == '{' {
		slices.Reverse(items)
		brackets = "{}"
	}
	return slices.Concat([]byte(brackets[:1]), bytes.Join(items, []byte(",")), []byte(brackets[1:]))
}

// escapeAll writes every letter and digit inside strings as an escape. It
// serves for texts that have no escapes yet.
func escapeAll(data []byte) []byte {
	var out []byte
	inside := false
	for _, r := range string(data) {
		if r == '"' {
			inside = !inside
		}
		if inside && r < 0x10000 && r != '"' {
			out = append(out, `\u`...)
			for shift := 12; shift >= 0; shift -= 4 {
				out = append(out, "0123456789abcDEF"[r>>shift&15])
			}
			continue
		}
		out = append(out, string(r)...)
	}
	return out
}

// Each changed byte makes other data or no JSON. Compact text has no white
// space outside of strings and these answers have no escapes, which are the two
// things that may be written differently without saying anything different.
func TestChangedAnswers(t *testing.T) {
	eachVector(t, func(t *testing.T, v testkit.Vector) {
		verifier := verifierV1()
		data := compact(t, v.Data)
		require.NotContains(t, string(data), `\`)
		require.NoError(t, verifier.Verify(data, v.Sign))
		step := 1
		if len(data) > 2000 {
			step = 7 // An image is the same all over.
		}
		for i := 0; i < len(data); i += step {
			for _, mask := range []byte{0x01, 0x02, 0x20, 0x80} {
				data[i] ^= mask
				if verifier.Verify(data, v.Sign) == nil {
					t.Errorf("byte %d may be %q", i, data[i])
				}
				data[i] ^= mask
			}
		}
		for i := 0; i < len(data); i += step {
			if verifier.Verify(slices.Delete(slices.Clone(data), i, i+1), v.Sign) == nil {
				t.Errorf("byte %d may be missing", i)
			}
		}
		require.NoError(t, verifier.Verify(data, v.Sign))
	})
}

func TestChangedSignatures(t *testing.T) {
	eachVector(t, func(t *testing.T, v testkit.Vector) {
		verifier := verifierV1()
		data, sign := compact(t, v.Data), []byte(v.Sign)
		for i, right := range v.Sign {
			for _, digit := range "0123456789abcdef" {
				sign[i] = byte(digit)
				err := verifier.Verify(data, string(sign))
				if digit != right && !assert.ErrorIs(t, err, fault.ErrSignatureMismatch, "digit %d", i) {
					return
				}
			}
			sign[i] = byte(right)
		}
		require.NoError(t, verifier.Verify(data, string(sign)))
	})
}
