package wire_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/ksher-go/ksher/internal/wire"
)

// separators undoes what encoding/json does to these two for the sake of
// JavaScript. Pairs of backslashes are in it so that they are stepped over.
var separators = strings.NewReplacer(`\\`, `\\`, `\u2028`, "\u2028", `\u2029`, "\u2029")

// mapSignText makes the signed text with nothing but maps and encoding/json.
func mapSignText(data []byte) (string, error) {
	decoder := json.NewDecoder(bytes.NewReader(data))
	decoder.UseNumber()
	var object map[string]any
	if err := decoder.Decode(&object); err != nil {
		return "", err
	}
	var pairs []string
	for name, value := range object {
		text, isString := value.(string)
		if !isString {
			var compact bytes.Buffer
			encoder := json.NewEncoder(&compact)
			encoder.SetEscapeHTML(false)
			if err := encoder.Encode(value); err != nil {
				return "", err
			}
			text = separators.Replace(strings.TrimSuffix(compact.String(), "\n"))
		}
		if name != "sign" {
			pairs = append(pairs, name+"="+text)
		}
	}
	slices.Sort(pairs)
	return strings.Join(pairs, ""), nil
}

// refusable tells, by other means than the parser's, whether valid JSON is
// among what the parser is stricter about. Escapes of surrogates are left to
// the tests of the parser.
func refusable(data []byte) bool {
	if !utf8.Valid(data) || regexp.MustCompile(`(?i)\\ud[89a-f]`).Match(data) {
		return true
	}
	decoder := json.NewDecoder(bytes.NewReader(data))
	decoder.UseNumber()
	return refusableValue(decoder, 1)
}

func refusableValue(decoder *json.Decoder, depth int) bool {
	token, err := decoder.Token()
	bracket, opens := token.(json.Delim)
	if err != nil || depth == 1 && bracket != '{' || opens && depth > 32 {
		return true
	}
	if !opens {
		return false
	}
	var names []string
	n := 0
	for ; decoder.More(); n++ {
		if bracket == '{' {
			token, err := decoder.Token()
			name, _ := token.(string)
			if err != nil || depth == 1 && (name == "" || strings.Contains(name, "=")) {
				return true
			}
			names = append(names, strings.ToLower(strings.ToUpper(name)))
		}
		if refusableValue(decoder, depth+1) {
			return true
		}
	}
	slices.Sort(names)
	_, err = decoder.Token()
	return err != nil || n > 10_000 || n > 1_000 && bracket == '{' || len(slices.Compact(names)) < n && bracket == '{'
}

func FuzzParseObject(f *testing.F) {
	for _, seed := range []string{
		everything, "", "{", "{}", "[]", `{"a":1e400}`, `{"a":{"b":1,"a":[null]}}`, "{\"a\":[\"\u2028<>&\"]}", `{"a":["\\u2028","\\\u2029\u2028"]}`,
		`{"a":"\ud83c\udf75"}`, `{"a":"\ud83c"}`, `{"a":"\u1"}`, `{"a":1,"A":2}`, `{"a":1,"\u0061":2}`, `{"a=":1}`, `{"a1":1,"a":2}`, `{"sign":1}`,
		manyMembers(40, `"x":1`), manyMembers(40, `"N1":1`), nested(32, "[", "]"), nested(33, "[", "]"), "{\"a\":\"\xff\"}",
		`{"0":1.`, `{"ı":1,"i":2}`, `{"x":{"a":1,"a=":2,"a":3}}`, `{"k":[-0,0.0,1E+5],"v":{"":{}}}`,
		`{"a":"x","f":{"a":"y","d":"7"},"g":["a",1,null,{"b":2}],"h":[{"a":"z"}]}`, `{"f":"","g":null,"h":[]}`, `{"f":[],"g":[[]],"h":[{"d":"x"}]}`,
		`{"code":0,"data":{"b":1,"a":{"data":{}}},"sign":""}`, `{"data":{"a=":1}}`, `{"d\u0061ta":{"a":1}}`, "\ufeff{}",
	} {
		f.Add([]byte(seed))
	}
	type inner struct {
		Text  string `json:"a"`
		Whole int64  `json:"d"`
	}
	type target struct {
		Text   string            `json:"a"`
		Time   time.Time         `json:"b"`
		Raw    json.RawMessage   `json:"c"`
		Whole  int64             `json:"d"`
		List   []struct{ X int } `json:"e"`
		Object inner             `json:"f"`
		Texts  []string          `json:"g"`
		Inners []inner           `json:"h"`
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		original := bytes.Clone(data)
		members, err := wire.ParseObject(data)
		require.Equal(t, original, data)
		requireEnvelope(t, string(data))
		data = bytes.TrimPrefix(data, []byte("\ufeff"))
		if err != nil {
			require.Less(t, len(err.Error()), 300)
			if errors.Is(err, wire.ErrTruncated) {
				end := json.NewDecoder(bytes.NewReader(data)).Decode(new(json.RawMessage))
				require.True(t, end == io.EOF || end == io.ErrUnexpectedEOF, "%v, not cut short", end)
			}
			if json.Valid(data) {
				require.True(t, refusable(data), "refused without need: %v", err)
			}
			return
		}
		require.True(t, json.Valid(data))
		want, err := mapSignText(data)
		require.NoError(t, err)
		require.Equal(t, want, string(wire.AppendSignText(nil, members, nil, false)))

		var dst target
		if wire.Decode(members, &dst, time.UTC) == nil {
			if v, ok := wire.Find(members, "a"); ok && v.Kind == wire.String {
				assert.Equal(t, string(v.Text()), dst.Text)
			}
			if v, ok := wire.Find(members, "f"); ok && v.Kind == wire.Object {
				within, err := wire.ParseObject(v.Raw)
				require.NoError(t, err)
				var object inner
				require.NoError(t, wire.Decode(within, &object, time.UTC))
				assert.Equal(t, object, dst.Object)
			} else {
				assert.Zero(t, dst.Object)
			}
			if v, ok := wire.Find(members, "g"); ok && v.Kind == wire.Array {
				elements, err := v.Elements()
				require.NoError(t, err)
				require.Len(t, dst.Texts, len(elements))
				for i, e := range elements {
					if e.Kind != wire.Null {
						assert.Equal(t, string(e.Text()), dst.Texts[i])
					}
				}
			}
			// What was understood is understood again when it is written.
			dst.Raw = nil
			text, err := wire.Encode(&dst, time.UTC)
			require.NoError(t, err)
			members, err := wire.ParseObject(text)
			require.NoError(t, err)
			var again target
			require.NoError(t, wire.Decode(members, &again, time.UTC))
			assert.Equal(t, dst.Object, again.Object)
			assert.Equal(t, dst.Text, again.Text)
			assert.Equal(t, len(dst.Texts), len(again.Texts))
			for i := range dst.Inners {
				assert.Equal(t, dst.Inners[i], again.Inners[i])
			}
			for i := range dst.Texts {
				assert.Equal(t, dst.Texts[i], again.Texts[i])
			}
		}
		// The same members, written anew, are the same text.
		var again bytes.Buffer
		require.NoError(t, json.Indent(&again, data, "", " "))
		members, err = wire.ParseObject(again.Bytes())
		require.NoError(t, err)
		require.Equal(t, want, string(wire.AppendSignText(nil, members, nil, false)))
		_, err = wire.ParseObject(again.Bytes()[:len(bytes.TrimRight(again.Bytes(), " \t\r\n"))-1])
		require.ErrorIs(t, err, wire.ErrTruncated)
	})
}
