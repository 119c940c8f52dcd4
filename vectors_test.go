package ksher_test

import (
	"bytes"
	"encoding/json"
	"slices"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/ksher-go/ksher"
	"github.com/ksher-go/ksher/internal/fault"
	"github.com/ksher-go/ksher/internal/testkit"
)

var vectorFiles = []string{"testdata/published-v1.json", "../shared/vectors/responses-v1.json"}

// eachVector runs a test for each genuine answer that is signed as a whole;
// TestPartlySignedAnswers has the others.
func eachVector(t *testing.T, test func(t *testing.T, v testkit.Vector)) {
	t.Helper()
	for _, file := range vectorFiles {
		t.Run(file, func(t *testing.T) {
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
	eachVector(t, func(t *testing.T, v testkit.Vector) {
		assert.NoError(t, verifierV1().Verify(v.Data, v.Sign))
		assert.ErrorIs(t, testkit.NewVerifier(ksher.GatewayPublicKey(ksher.SignV2)).Verify(v.Data, v.Sign), fault.ErrSignatureMalformed)
	})
}

// A signature of a part must not pass for one of the whole.
func TestPartIsNotTheWhole(t *testing.T) {
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
