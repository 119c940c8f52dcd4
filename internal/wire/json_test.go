package wire_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/ksher-go/ksher/internal/wire"
)

func signText(tb testing.TB, data string, only ...string) string {
	tb.Helper()
	members, err := wire.ParseObject([]byte(data))
	require.NoError(tb, err)
	return string(wire.AppendSignText(nil, members, only, false))
}

// nested makes an object that is that deep.
func nested(depth int, open, closing string) string {
	return `{"a":` + strings.Repeat(open, depth-1) + "1" + strings.Repeat(closing, depth-1) + "}"
}

// items makes an array of that many items.
func items(n int) string {
	return `[0` + strings.Repeat(",0", n-1) + `]`
}

// manyMembers makes an object of that many members and those behind them.
func manyMembers(n int, more string) string {
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, `"n%d":%d,`, i, i)
	}
	return "{" + b.String() + more + "}"
}

func TestParseObjectAccepts(t *testing.T) {
	for _, c := range []struct{ data, text string }{
		{`{}`, ""},
		{" \t\r\n{ \t\r\n} \t\r\n", ""},
		{"\n{ \"a\" :\t1 , \"b\"\r:\n[ 1 , { } ] }\n", "a=1b=[1,{}]"},
		{"\ufeff{}", ""},
		{"\ufeff\t{\"a\":1}", "a=1"},
		{`{"a":""}`, "a="},
		{`{"a":0,"b":-0,"c":0.0,"d":-0.5e-10,"e":1E+400,"f":9007199254740993}`, "a=0b=-0c=0.0d=-0.5e-10e=1E+400f=9007199254740993"},
		{`{"a":true,"b":false,"c":null}`, "a=trueb=falsec=null"},
		{`{"a":"\"\\\/\b\f\n\r\t\u0041\u00e9\u0E01\ud83c\uDF75\u0000"}`, "a=\"\\/\b\f\n\r\tAéก🍵\x00"},
		{`{"a":"no \\u0041 here"}`, `a=no \u0041 here`},
		{`{"a":"\\"}`, `a=\`},
		{`{"a":"\uffff\ufffd"}`, "a=\uffff\ufffd"},
		{"{\"a\":\"\u007f\u0080\u2028\ufeff\U0010ffff\"}", "a=\u007f\u0080\u2028\ufeff\U0010ffff"},
		{`{"\u0061":1,"b":2}`, "a=1b=2"},
		{"{\"ชื่อ\":\"ชา\"}", "ชื่อ=ชา"},
		{`{"a b":1," ":2}`, " =2a b=1"},
		{`{"a":{"a":{"a":1},"=":2,"":3}}`, `a={"":3,"=":2,"a":{"a":1}}`},
		{`{"a":[{"x":1},{"x":1}]}`, `a=[{"x":1},{"x":1}]`},
		{`{"a":[[],[[]],{},""]}`, `a=[[],[[]],{},""]`},
		{nested(32, "[", "]"), "a=" + strings.Repeat("[", 31) + "1" + strings.Repeat("]", 31)},
		{nested(32, `{"a":`, "}"), strings.Replace(nested(31, `{"a":`, "}"), `{"a":`, `a={"a":`, 1)},
		{`{"a":` + items(10_000) + `}`, "a=" + items(10_000)},
		{strings.Repeat(" ", 100_000) + "{}", ""},
	} {
		assert.Equal(t, c.text, signText(t, c.data), "%.60s", c.data)
		assert.True(t, json.Valid([]byte(strings.TrimPrefix(c.data, "\ufeff"))), "%.60s", c.data)
	}
	members, err := wire.ParseObject([]byte(manyMembers(999, `"last":true`)))
	require.NoError(t, err)
	assert.Len(t, members, 1_000)
}

// The strings around a word of the scanner are the ones it could get wrong.
func TestStringsOfAnyLength(t *testing.T) {
	for _, special := range []string{"", `\"`, `\\`, `\n`, `\u0e01`, `\ud83c\udf75`, "ก", "🍵", "~", "\x7f", " ", "!", "#", "[", "]"} {
		for before := range 20 {
			for after := range 20 {
				inner := strings.Repeat("x", before) + special + strings.Repeat("y", after)
				var want string
				require.NoError(t, json.Unmarshal([]byte(`"`+inner+`"`), &want))
				members, err := wire.ParseObject([]byte(`{"` + inner + `n":"` + inner + `"}`))
				if assert.NoError(t, err, inner) {
					assert.Equal(t, want+"n", string(members[0].Name))
					assert.Equal(t, want, string(members[0].Value.Text()))
				}
			}
		}
	}
	for b := range 0x20 {
		for before := range 20 {
			_, err := wire.ParseObject(fmt.Appendf(nil, `{"a":"%s%cyyyyyyyyy"}`, strings.Repeat("x", before), b))
			assert.Error(t, err, "a control character has to be escaped: %#x", b)
		}
	}
}

func TestParseObjectRefuses(t *testing.T) {
	// What encoding/json refuses as well.
	for _, data := range []string{
		`{"a"}`, `{"a":}`, `{"a":1,}`, `{,}`, `{,"a":1}`, `{"a":1 "b":2}`, `{"a":1,,"b":2}`, `{"a" 1}`, `{"a"::1}`, `{"a":1}}`, `{"a":1},`, `{}{}`, `{} x`, `{}` + "\x00",
		`{a:1}`, `{'a':1}`, `{"a":'x'}`, `{1:2}`, `{null:1}`, `{"a":1]`, `{"a":[1}`, `{"a":[1,]}`, `{"a":[,1]}`, `{"a":[1 2]}`, `{"a":{]}`,
		`{"a":01}`, `{"a":-01}`, `{"a":+1}`, `{"a":.5}`, `{"a":1.}`, `{"a":1.e5}`, `{"a":1e}`, `{"a":1e+}`, `{"a":--1}`, `{"a":-}`, `{"a":0x1}`, `{"a":1_0}`, `{"a":NaN}`, `{"a":Infinity}`, `{"a":-Infinity}`, `{"a":1a}`, `{"a":١}`,
		`{"a":True}`, `{"a":TRUE}`, `{"a":tru}`, `{"a":truee}`, `{"a":nul}`, `{"a":None}`, `{"a":undefined}`, `{"a":n}`,
		`{"a":"\x41"}`, `{"a":"\u004"}`, `{"a":"\u00g1"}`, `{"a":"\u+041"}`, `{"a":"\u 041"}`, `{"a":"\U0041"}`, `{"a":"\'"}`, `{"a":"\0"}`, `{"a":"\` + "\n" + `"}`, `{"a":"\é"}`,
		"{\"a\":\"\n\"}", "{\"a\":\"\t\"}", "{\"a\":\"\x00\"}", "{\"a\n\":1}",
		" \ufeff{}", "\ufeff\ufeff{}", "{}\ufeff", "{\ufeff}", "\ufeff1", "\u00a0{}", "{}\u00a0", "{\v}", "{\f}", "/**/{}", "{}//", `{"a":1;"b":2}`,
		`<html>`, `html`, `{"a":<html>}`,
	} {
		_, err := wire.ParseObject([]byte(data))
		if assert.Error(t, err, "%.60q", data) {
			assert.NotErrorIs(t, err, wire.ErrTruncated, "%.60q", data)
		}
		assert.False(t, json.Valid([]byte(data)), "%.60q", data)
	}
	// What encoding/json takes, and two readers could take in two ways.
	for _, c := range []struct{ data, says string }{
		{`[]`, "not a JSON object"},
		{`"a"`, "not a JSON object"},
		{`1`, "not a JSON object"},
		{`null`, "not a JSON object"},
		{`{"a":1,"a":1}`, "twice"},
		{`{"a":1,"b":2,"a":3}`, "twice"},
		{`{"a":1,"\u0061":2}`, "twice"},
		{`{"a":1,"A":2}`, "twice"},
		{`{"k":1,"` + "\u212a" + `":2}`, "twice"},
		{`{"ſ":1,"S":2}`, "twice"},
		{`{"a":{"b":1,"B":1}}`, "twice"},
		{`{"a":[{"b":1,"b":1}]}`, "twice"},
		{manyMembers(40, `"n39":1`), "twice"},
		{manyMembers(40, `"N7":1`), "twice"},
		{manyMembers(40, `"\u006e7":1`), "twice"},
		{manyMembers(40, `"ſ":1,"s":1`), "twice"},
		{manyMembers(40, `"ς":1,"Σ":1`), "twice"},
		{`{"x":` + manyMembers(40, `"N7":1`) + `}`, "twice"},
		{`{"x":{"a":1,"a=":2,"a":3}}`, "twice"},
		{`{"x":{"a=b":1,"a":1,"a=a":1,"a=c":1,"a=b":1}}`, "twice"},
		{`{"x":{"a=":1,"a==":1,"a":1,"A=":1}}`, "twice"},
		{manyMembers(100, `"n7":1`), "twice"},
		{manyMembers(100, `"N7":1`), "twice"},
		{manyMembers(100, `"ſ":1,"s":1`), "twice"},
		{manyMembers(63, `"N7":1`), "twice"},
		{manyMembers(64, `"N7":1`), "twice"},
		{manyMembers(65, `"N7":1`), "twice"},
		{`{"x":` + manyMembers(100, `"N7":1`) + `}`, "twice"},
		{`{"":1}`, "signed"},
		{`{"a=b":1}`, "signed"},
		{`{"a\u003d":1}`, "signed"},
		{`{"=":1}`, "signed"},
		{"{\"a\":\"\xff\"}", "UTF-8"},
		{"{\"a\":\"\xc0\x80\"}", "UTF-8"},
		{"{\"a\":\"\xed\xa0\x80\"}", "UTF-8"},
		{"{\"a\":\"xxxxxxxxxxxxxxxxxxxxxxxxx\xe0\xb8\"}", "UTF-8"},
		{"{\"\xff\":1}", "UTF-8"},
		{"{\"a\":{\"\xff\":1}}", "UTF-8"},
		{`{"a":"\ud83c"}`, "surrogate"},
		{`{"a":"\udf75"}`, "surrogate"},
		{`{"a":"\udf75\ud83c"}`, "surrogate"},
		{`{"a":"\ud83c\ud83c"}`, "surrogate"},
		{`{"a":"\ud83cx\udf75"}`, "surrogate"},
		{`{"a":"\ud83c\n"}`, "surrogate"},
		{`{"a":"\ud83c\u0041"}`, "surrogate"},
		{`{"\ud83c":1}`, "surrogate"},
		{nested(33, "[", "]"), "deep"},
		{nested(33, `{"a":`, "}"), "deep"},
		{nested(1000, `[{"a":`, "}]"), "deep"},
		{`{"a":` + items(10_001) + `}`, "more than 10000"},
		{manyMembers(1_000, `"last":true`), "more than 1000"},
		{`{"a":` + manyMembers(1_000, `"last":true`) + `}`, "more than 1000"},
	} {
		_, err := wire.ParseObject([]byte(c.data))
		if assert.ErrorContains(t, err, c.says, "%.60q", c.data) {
			assert.NotErrorIs(t, err, wire.ErrTruncated, "%.60q", c.data)
		}
		assert.True(t, json.Valid([]byte(c.data)), "%.60q", c.data)
	}
	// Refused at a glance, however much of it there is.
	_, err := wire.ParseObject([]byte(strings.Repeat(`{"a":`, 1_000_000)))
	assert.ErrorContains(t, err, "deep")
}

// What comes from outside must not fill a log.
func TestParseObjectErrorsAreShort(t *testing.T) {
	long := strings.Repeat("x", 100_000)
	for _, data := range []string{
		`{"` + long + `":1,"` + long + `":2}`,
		`{"` + long + `=":1}`,
		`{"a":` + long + `}`,
		long,
		`{"a":"\u` + long + `"}`,
	} {
		_, err := wire.ParseObject([]byte(data))
		if assert.Error(t, err) {
			assert.Less(t, len(err.Error()), 200)
		}
	}
}

const everything = `{"a":"x\"\\\u0e01\ud83c\udf75ก🍵","b":-12.50e+10,"c":true,"d":false,"e":null,"f":[1,"y",[],{"g":{}}],"h":{"i":"\n"},"j":0}`

func TestTruncated(t *testing.T) {
	for _, data := range []string{everything, " \n" + everything, string(reindent(t, everything))} {
		_, err := wire.ParseObject([]byte(data))
		require.NoError(t, err)
		for n := range len(data) {
			_, err := wire.ParseObject([]byte(data)[:n:n])
			assert.ErrorIs(t, err, wire.ErrTruncated, "%q", data[:n])
		}
	}
}

func reindent(tb testing.TB, data string) []byte {
	tb.Helper()
	var b bytes.Buffer
	require.NoError(tb, json.Indent(&b, []byte(data), "", "\t"))
	return b.Bytes()
}

func TestParseObjectMembers(t *testing.T) {
	data := []byte(` {"b":"x","a":[1, 2],"sign":"\u0041","d":{"e": 1},"f":-1.50,"g":null,"h":true} `)
	original := bytes.Clone(data)
	members, err := wire.ParseObject(data)
	require.NoError(t, err)
	want := []struct {
		name, raw, text string
		kind            wire.Kind
		says            string
	}{ // in the order in which they are signed
		{"a", `[1, 2]`, `[1, 2]`, wire.Array, "an array"},
		{"b", `"x"`, "x", wire.String, "a string"},
		{"d", `{"e": 1}`, `{"e": 1}`, wire.Object, "an object"},
		{"f", `-1.50`, "-1.50", wire.Number, "a number"},
		{"g", `null`, "null", wire.Null, "null"},
		{"h", `true`, "true", wire.Bool, "a boolean"},
		{"sign", `"\u0041"`, "A", wire.String, "a string"},
	}
	require.Len(t, members, len(want))
	for i, w := range want {
		assert.Equal(t, w.name, string(members[i].Name))
		assert.Equal(t, w.raw, string(members[i].Value.Raw))
		assert.Equal(t, w.text, string(members[i].Value.Text()))
		assert.Equal(t, w.kind, members[i].Value.Kind)
		assert.Equal(t, w.says, members[i].Value.Kind.String())
		value, ok := wire.Find(members, w.name)
		assert.True(t, ok)
		assert.Equal(t, w.raw, string(value.Raw))
	}
	for _, name := range []string{"", "B", "e", "bb"} {
		value, ok := wire.Find(members, name)
		assert.False(t, ok)
		assert.Nil(t, value.Raw)
	}
	wire.AppendSignText(nil, members, nil, true)
	assert.Equal(t, string(original), string(data))
}

func TestElements(t *testing.T) {
	members, err := wire.ParseObject([]byte(`{"a":[ 1 ,"x", [2,[3]] ,{"b":null},true ],"b":[ ],"c":"[1]","d":{}}`))
	require.NoError(t, err)
	elements, err := members[0].Value.Elements()
	require.NoError(t, err)
	var raw []string
	for _, e := range elements {
		raw = append(raw, string(e.Raw))
	}
	assert.Equal(t, []string{`1`, `"x"`, `[2,[3]]`, `{"b":null}`, `true`}, raw)
	elements, err = members[1].Value.Elements()
	require.NoError(t, err)
	assert.Empty(t, elements)
	for _, m := range members[2:] {
		_, err = m.Value.Elements()
		assert.ErrorContains(t, err, "not an array")
	}
}

func TestAppendSignText(t *testing.T) {
	for _, c := range []struct {
		name, data, json, titled string
		only                     []string
	}{
		{name: "sorted as name=value", data: `{"a":1,"a1":2,"a-":3,"aB":4,"a>":5,"_":6,"Z":7}`, json: "Z=7_=6a-=3a1=2a=1a>=5aB=4"},
		{name: "bytewise", data: `{"é":1,"e":2,"z":3,"ก":4,"🍵":5,"` + "\uffff" + `":6}`, json: "e=2z=3é=1ก=4\uffff=6🍵=5"},
		{name: "literals", data: `{"a":true,"b":false,"c":null}`, json: "a=trueb=falsec=null", titled: "a=Trueb=Falsec=None"},
		{name: "literals inside", data: `{"a":[true,{"b":null,"a":false}]}`, json: `a=[true,{"a":false,"b":null}]`},
		{name: "sign left out", data: `{"sign":"x","sign_type":"y","a":1}`, json: "a=1sign_type=y"},
		{name: "sign inside", data: `{"a":{"sign":"x"}}`, json: `a={"sign":"x"}`},
		{name: "only some", data: `{"c":3,"b":2,"a":1}`, only: []string{"c", "a", "x"}, json: "a=1c=3"},
		{name: "sign not even if named", data: `{"sign":"x","a":1}`, only: []string{"sign", "a"}, json: "a=1"},
		{name: "none", data: `{"c":3}`, only: []string{}, json: ""},
		{name: "text as it is", data: `{"a":"=&+% <>\u003c\ta=b"}`, json: "a==&+% <><\ta=b"},
	} {
		t.Run(c.name, func(t *testing.T) {
			if c.titled == "" {
				c.titled = c.json
			}
			members, err := wire.ParseObject([]byte(c.data))
			require.NoError(t, err)
			assert.Equal(t, c.json, string(wire.AppendSignText(nil, members, c.only, false)))
			assert.Equal(t, c.titled, string(wire.AppendSignText(nil, members, c.only, true)))
			assert.Equal(t, "before"+c.json, string(wire.AppendSignText([]byte("before"), members, c.only, false)))
			assert.Equal(t, strings.ContainsAny(c.data, "tfn") && c.name == "literals", wire.HasLiteral(members))
		})
	}
}

func TestCompactForm(t *testing.T) {
	for _, c := range []struct{ value, want string }{
		{` [ 1 , 2 ] `, `[1,2]`},
		{`{ "b" : 1 , "a" : { "d" : [ ] , "c" : { } } }`, `{"a":{"c":{},"d":[]},"b":1}`},
		{`{"a1":1,"a":2,"a-":3,"B":4}`, `{"B":4,"a":2,"a-":3,"a1":1}`},
		{`{"ก":1,"z":2,"\u0061":3}`, `{"a":3,"z":2,"ก":1}`},
		{`{"a=b":1,"a":2,"a=":3,"a1":4,"a==":5}`, `{"a":2,"a1":4,"a=":3,"a==":5,"a=b":1}`},
		{`["<>&\u003c\u003E\u0026"]`, `["<>&<>&"]`},
		{`["\u2028\u2029` + "\u2028" + `"]`, "[\"\u2028\u2029\u2028\"]"},
		{`["\u6d4b\u8bd5\ud83c\udf75ชา"]`, `["测试🍵ชา"]`},
		{`["\/\u002f"]`, `["//"]`},
		{`["\u0022\u005c\"\\"]`, `["\"\\\"\\"]`},
		{`["\u0008\u000c\u000a\u000d\u0009\b\f\n\r\t"]`, `["\b\f\n\r\t\b\f\n\r\t"]`},
		{`["\u0000\u0001\u000b\u001F\u007f"]`, "[\"\\u0000\\u0001\\u000b\\u001f\u007f\"]"},
		{`{"\n\"\u0001":"x"}`, `{"\n\"\u0001":"x"}`},
		{`[1.0,1e5,1E+5,-0,0.50,12345678901234567890123]`, `[1.0,1e5,1E+5,-0,0.50,12345678901234567890123]`},
		{`[true,false,null]`, `[true,false,null]`},
		{`[[[[{"z":[{"y":1,"x":2}]}]]]]`, `[[[[{"z":[{"x":2,"y":1}]}]]]]`},
	} {
		assert.Equal(t, "v="+c.want, signText(t, `{"v":`+c.value+`}`))
		assert.True(t, json.Valid([]byte(c.want)))
	}
}

// Anybody can post a notification, and its signed text is made before it is
// known to be a forgery: what is inside must not be read again for each level.
func TestCompactFormIsMadeInOnePass(t *testing.T) {
	leaf := "[" + strings.Repeat(`{"b":1,"a":"x"},`, 99) + "{}]"
	allocations := func(depth int) float64 {
		members, err := wire.ParseObject([]byte(`{"a":` + strings.Repeat(`[{"a":`, depth) + leaf + strings.Repeat(`}]`, depth) + `}`))
		require.NoError(t, err)
		return testing.AllocsPerRun(10, func() { wire.AppendSignText(nil, members, nil, false) })
	}
	assert.Less(t, allocations(14), 2*allocations(0))
}

// The layout of these texts is in what Ksher signs, so that nothing but a
// genuine answer can say whether it is right. Verifying it takes a key and is
// done where the keys are; here it is compared with another writer of JSON.
func TestGenuineDataMapBased(t *testing.T) {
	const file = "../../testdata/published-v1.json"
	text, err := os.ReadFile(file)
	require.NoError(t, err)
	var all struct {
		Vectors []struct{ Data json.RawMessage }
	}
	require.NoError(t, json.Unmarshal(text, &all))
	for _, v := range all.Vectors {
		want, err := mapSignText(v.Data)
		require.NoError(t, err)
		assert.Equal(t, want, signText(t, string(v.Data)))
	}
}

// requireEnvelope checks that ParseEnvelope is ParseObject twice.
func requireEnvelope(tb testing.TB, text string) {
	tb.Helper()
	outer, inner, err := wire.ParseEnvelope([]byte(text))
	wantOuter, wantErr := wire.ParseObject([]byte(text))
	var wantInner []wire.Member
	if data, _ := wire.Find(wantOuter, "data"); data.Kind == wire.Object {
		wantInner, wantErr = wire.ParseObject(data.Raw)
	}
	if wantErr != nil {
		require.Error(tb, err)
		require.Equal(tb, errors.Is(wantErr, wire.ErrTruncated), errors.Is(err, wire.ErrTruncated))
		return
	}
	require.NoError(tb, err)
	require.Equal(tb, wantOuter, outer)
	require.Len(tb, inner, len(wantInner))
	for i := range inner {
		require.Equal(tb, wantInner[i], inner[i])
	}
}

func TestParseEnvelope(t *testing.T) {
	for _, data := range []string{
		`{}`, `{"b":1,"a":{"data":{"c":2}},"data":{"d":3}}`, manyMembers(40, `"x":1`), "null", `"{}"`, `[{"a":1}]`, "1",
		`{"a":1,"A":2}`, `{"a=":1}`, `{"":1}`, `{"a":{"":1,"b=":2}}`, `{"a"`, `{"a":01}`, `{"a":1,}`, `{"a":[}`,
		nested(30, "[", "]"), `{"a":` + nested(30, "[", "]") + "}", `{"a":` + nested(31, "[", "]") + "}",
	} {
		for _, format := range []string{`{"data":%s}`, `{"code":0, "data" : %s ,"sign":"x","other":{"data":{"y":1}}}`, `{"data":%s,"data":{}}`, `{"d\u0061ta":%s}`, `{"x":{"data":%s}}`, `{"data":%s`} {
			requireEnvelope(t, fmt.Sprintf(format, data))
		}
	}
	_, inner, err := wire.ParseEnvelope([]byte(`{"data":{"b":1,"a":"2"}}`))
	require.NoError(t, err)
	require.Equal(t, "a=2b=1", string(wire.AppendSignText(nil, inner, nil, false)))
}
