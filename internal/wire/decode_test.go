package wire_test

import (
	"encoding/json"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/ksher-go/ksher/internal/wire"
)

type (
	amount int64
	state  string

	// outside stands for an envelope: its fields are not the data's.
	outside struct {
		Msg string `json:"msg"`
	}
	common struct {
		No    string `json:"no"`
		Total amount `json:"total"`
	}
	item struct {
		common
		Name string    `json:"name"`
		When time.Time `json:"when"`
		Tags []tag     `json:"tags"`
	}
	tag struct {
		Key string `json:"key"`
	}
	document struct {
		outside `json:"-"`
		common
		Text     string          `json:"text"`
		State    state           `json:"state,omitempty"`
		Fee      amount          `json:"fee"`
		Count    int             `json:"count"`
		When     time.Time       `json:"when"`
		Raw      json.RawMessage `json:"raw"`
		Items    []item          `json:"items"`
		One      item            `json:"one"`
		States   []state         `json:"states"`
		Numbers  []int           `json:"numbers" wire:"loose"`
		Ignored  string          `json:"-"`
		Untagged string
	}
)

var bangkok = time.FixedZone("UTC+7", 7*60*60)

func decode(tb testing.TB, data string) (document, error) {
	tb.Helper()
	members, err := wire.ParseObject([]byte(data))
	require.NoError(tb, err)
	var d document
	err = wire.Decode(members, &d, bangkok)
	return d, err
}

func TestDecode(t *testing.T) {
	at := func(year, month, day, hour, minute, second int) time.Time {
		return time.Date(year, time.Month(month), day, hour, minute, second, 0, bangkok)
	}
	for _, c := range []struct {
		name, data string
		want       document
	}{
		{"nothing", `{}`, document{}},
		{"unknown members", `{"x":1,"y":{"text":"no"},"z":[{"no":"1"}]}`, document{}},
		{"names of other case", `{"Text":"x","TEXT1":"y","FEE":1,"Untagged":"x"}`, document{}},
		{"name -", `{"-":"x","Ignored":"x"}`, document{}},
		{"embedded", `{"no":"n1","total":5}`, document{common: common{No: "n1", Total: 5}}},
		{"embedded and taken out", `{"msg":"x"}`, document{}},

		{"text", `{"text":"ชา \u6d4b\n\"","state":"PAID"}`, document{Text: "ชา 测\n\"", State: "PAID"}},
		{"number as text", `{"text":1.50,"state":1e400}`, document{Text: "1.50", State: "1e400"}},
		{"boolean as text", `{"text":true,"state":false}`, document{Text: "true", State: "false"}},
		{"null as text", `{"text":null,"state":null}`, document{}},
		{"array as text", `{"text":[1, 2],"state":{"a": 1}}`, document{Text: "[1, 2]", State: `{"a": 1}`}},

		{"integer", `{"fee":100,"count":-57}`, document{Fee: 100, Count: -57}},
		{"integer as text", `{"fee":"100","count":"-57"}`, document{Fee: 100, Count: -57}},
		{"empty integer", `{"fee":"","count":null}`, document{}},
		{"zero", `{"fee":0,"count":"-0"}`, document{}},
		{"leading zeros", `{"fee":"0048"}`, document{Fee: 48}},
		{"largest", `{"fee":9223372036854775807}`, document{Fee: math.MaxInt64}},
		{"smallest", `{"fee":"-9223372036854775808"}`, document{Fee: math.MinInt64}},
		{"beyond what a float holds", `{"fee":9007199254740993}`, document{Fee: 9007199254740993}},
		{"integer with an escape in it", `{"fee":"\u0031\u0030"}`, document{Fee: 10}},

		{"time", `{"when":"2023-04-21 11:22:45"}`, document{When: at(2023, 4, 21, 11, 22, 45)}},
		{"time with a zone", `{"when":"2023-04-21T11:22:45+08:00"}`, document{When: at(2023, 4, 21, 10, 22, 45)}},
		{"time in UTC", `{"when":"2023-04-21T11:22:45Z"}`, document{When: at(2023, 4, 21, 18, 22, 45)}},
		{"empty time", `{"when":""}`, document{}},
		{"no time", `{"when":null}`, document{}},
		{"unreadable time", `{"when":"yesterday"}`, document{}},
		{"time of the Thai calendar", `{"when":"2568-11-01 11:22:45"}`, document{}},
		{"time of the Thai calendar, with its zone", `{"when":"2568-11-01T11:22:45+07:00"}`, document{}},
		{"time long past", `{"when":"0001-01-01 00:00:00"}`, document{}},
		{"impossible time", `{"when":"2023-02-30 11:22:45"}`, document{}},
		{"time of another form", `{"when":"20230421112245"}`, document{}},
		{"time as a number", `{"when":1682050965}`, document{}},
		{"time as an object", `{"when":{}}`, document{}},

		{
			"short and long texts", `{"no":"1","state":"` + strings.Repeat("x", 128) + `","text":"` + strings.Repeat("y", 129) + `\u0e0a"}`,
			document{common: common{No: "1"}, State: state(strings.Repeat("x", 128)), Text: strings.Repeat("y", 129) + "ช"},
		},

		{"raw", `{"raw": { "a" : 1 } }`, document{Raw: json.RawMessage(`{ "a" : 1 }`)}},
		{"raw null", `{"raw":null}`, document{Raw: json.RawMessage(`null`)}},

		{"no list", `{"items":null}`, document{Items: []item{}}},
		{"empty text for a list", `{"items":""}`, document{Items: []item{}}},
		{"empty list", `{"items":[]}`, document{Items: []item{}}},
		{
			"list", `{"items":[{"no":"1","total":"2","name":"x","when":"2023-04-21 11:22:45","tags":[{"key":"k"},{}]},{"other":1}]}`,
			document{Items: []item{{common{"1", 2}, "x", at(2023, 4, 21, 11, 22, 45), []tag{{"k"}, {}}}, {}}},
		},

		{
			"object", `{"one":{"name":"x","total":"2","when":"2023-04-21 11:22:45","tags":[{"key":"k"}],"one":{"name":"y"}},"fee":1}`,
			document{One: item{common{Total: 2}, "x", at(2023, 4, 21, 11, 22, 45), []tag{{"k"}}}, Fee: 1},
		},
		{"empty object", `{"one":{}}`, document{}},
		{"empty text for an object", `{"one":"","fee":1}`, document{Fee: 1}},
		{"no object", `{"one":null,"fee":1}`, document{Fee: 1}},
		{"list for an object", `{"one":[],"fee":1}`, document{Fee: 1}},
		{"list of an object for an object", `{"one":[{"name":"x"}],"fee":1}`, document{Fee: 1}},
		{"number for an object", `{"one":0,"fee":1}`, document{Fee: 1}},

		{"texts", `{"states":["a","ชา \u6d4b",1.50,true,null,{"a": 1},""]}`, document{States: []state{"a", "ชา 测", "1.50", "true", "", `{"a": 1}`, ""}}},
		{"long texts", `{"states":["` + strings.Repeat("x", 200) + `","y"]}`, document{States: []state{state(strings.Repeat("x", 200)), "y"}}},
		{"no texts", `{"states":[]}`, document{States: []state{}}},
		{"null for texts", `{"states":null}`, document{States: []state{}}},
		{"empty text for texts", `{"states":""}`, document{States: []state{}}},

		{"integers", `{"numbers":[1,"2","",-3]}`, document{Numbers: []int{1, 2, 0, -3}}},
		{"a list that may be odd", `{"numbers":{"a":1},"fee":1}`, document{Fee: 1}},
		{"a list with an element that may be odd", `{"numbers":[1,"x"],"fee":1}`, document{Fee: 1}},
	} {
		t.Run(c.name, func(t *testing.T) {
			got, err := decode(t, c.data)
			require.NoError(t, err)
			assert.Equal(t, c.want, got)
			assert.Equal(t, c.want.When.IsZero(), got.When.IsZero())
		})
	}
}

func TestDecodeRefuses(t *testing.T) {
	for _, c := range []struct{ data, says string }{
		{`{"fee":7.5}`, `fee: "7.5" is not an integer`},
		{`{"fee":"7.5"}`, `fee: "7.5" is not an integer`},
		{`{"fee":"48.00"}`, "not an integer"}, // 48 cents, or 48 whole units?
		{`{"fee":48.0}`, "not an integer"},
		{`{"fee":"0.01"}`, "not an integer"},
		{`{"fee":1e400}`, `fee: "1e400" is not an integer`},
		{`{"fee":1e2}`, "not an integer"},
		{`{"fee":"1,000"}`, "not an integer"},
		{`{"fee":"1.000,00"}`, "not an integer"},
		{`{"fee":"1.0.0"}`, "not an integer"},
		{`{"fee":" 1"}`, "not an integer"},
		{`{"fee":"1 "}`, "not an integer"},
		{`{"fee":"0x10"}`, "not an integer"},
		{`{"fee":"1_0"}`, "not an integer"},
		{`{"fee":"-"}`, "not an integer"},
		{`{"fee":"."}`, "not an integer"},
		{`{"fee":".00"}`, "not an integer"},
		{`{"fee":"--1"}`, "not an integer"},
		{`{"fee":"١٢"}`, "not an integer"},
		{`{"fee":"THB"}`, "not an integer"},
		{`{"fee":true}`, "not an integer"},
		{`{"fee":{}}`, "not an integer"},
		{`{"fee":[1]}`, "not an integer"},
		{`{"fee":9223372036854775808}`, "not an integer"},
		{`{"fee":"-9223372036854775809"}`, "not an integer"},
		{`{"count":100000000000000000000}`, "count: "},
		{`{"total":"x"}`, "total: "},
		{`{"items":{}}`, "items: it is an object, not an array"},
		{`{"items":"x"}`, "items: it is a string, not an array"},
		{`{"items":1}`, "items: it is a number, not an array"},
		{`{"items":[{},null]}`, "items: element 1 is null, not an object"},
		{`{"items":["x"]}`, "items: element 0 is a string, not an object"},
		{`{"items":[{},{},{"total":"x"}]}`, `items: element 2: total: "x" is not an integer`},
		{`{"one":{"total":"x"}}`, `one: total: "x" is not an integer`},
		{`{"one":{"tags":{}}}`, "one: tags: it is an object, not an array"},
		{`{"states":"x"}`, "states: it is a string, not an array"},
		{`{"states":{}}`, "states: it is an object, not an array"},
		{`{"items":[{"tags":[{},1]}]}`, "items: element 0: tags: element 1 is a number, not an object"},
	} {
		_, err := decode(t, c.data)
		assert.ErrorContains(t, err, c.says, c.data)
	}
	_, err := decode(t, `{"fee":"`+strings.Repeat("9", 100_000)+`"}`)
	require.Error(t, err)
	assert.Less(t, len(err.Error()), 100)
}

// Members are one type's today and another's tomorrow, and the types are
// remembered.
func TestDecodeRemembersTypesApart(t *testing.T) {
	members, err := wire.ParseObject([]byte(`{"key":"k","name":"n","msg":"m"}`))
	require.NoError(t, err)
	for range 2 {
		var a tag
		require.NoError(t, wire.Decode(members, &a, time.UTC))
		assert.Equal(t, tag{"k"}, a)
		var b item
		require.NoError(t, wire.Decode(members, &b, time.UTC))
		assert.Equal(t, item{Name: "n"}, b)
		var c outside
		require.NoError(t, wire.Decode(members, &c, time.UTC))
		assert.Equal(t, outside{"m"}, c)
	}
}

func TestDecodeIsSafeForConcurrentUse(t *testing.T) {
	type fresh struct {
		common
		A string `json:"a"`
	}
	for range 8 {
		t.Run("", func(t *testing.T) {
			t.Parallel()
			members, err := wire.ParseObject([]byte(`{"a":"x","no":"1"}`))
			require.NoError(t, err)
			var got fresh
			require.NoError(t, wire.Decode(members, &got, time.UTC))
			assert.Equal(t, fresh{common{No: "1"}, "x"}, got)
		})
	}
}

func TestEncode(t *testing.T) {
	want := item{
		common: common{Total: 5}, Name: "ชา <&>", When: time.Date(2023, 4, 21, 11, 22, 45, 0, bangkok), Tags: []tag{{"k"}, {}},
	}
	text, err := wire.Encode(&want, bangkok)
	require.NoError(t, err)
	assert.JSONEq(t, `{"no":"","total":5,"name":"ชา <&>","when":"2023-04-21 11:22:45","tags":[{"key":"k"},{"key":""}]}`, string(text))

	members, err := wire.ParseObject(text)
	require.NoError(t, err)
	var got item
	require.NoError(t, wire.Decode(members, &got, bangkok))
	assert.Equal(t, want, got)

	whole := document{
		common: common{"n1", 5}, Text: "x", State: "PAID", Fee: 7, Count: -1, When: want.When, Raw: json.RawMessage(`{"a":[1]}`),
		Items: []item{want}, One: want, States: []state{"a", "ชา", ""}, Numbers: []int{1, -2},
	}
	text, err = wire.Encode(whole, bangkok)
	require.NoError(t, err)
	again, err := decode(t, string(text))
	require.NoError(t, err)
	assert.Equal(t, whole, again)

	text, err = wire.Encode(document{}, bangkok)
	require.NoError(t, err)
	assert.JSONEq(t, `{"no":"","total":"","text":"","state":"","fee":"","count":"","when":"","raw":null,"items":[],
		"one":{"no":"","total":"","name":"","when":"","tags":[]},"states":[],"numbers":[]}`, string(text))

	text, err = wire.Encode(struct {
		outside `json:"-"`
		common
		When time.Time `json:"when"`
	}{outside: outside{"not this"}}, bangkok)
	require.NoError(t, err)
	assert.JSONEq(t, `{"no":"","total":"","when":""}`, string(text))
}

// What isn't money of the order may be odd without the order being lost.
func TestDecodeLoose(t *testing.T) {
	var got struct {
		Fee  int64 `json:"fee"`
		Cash int64 `json:"cash" wire:"loose"`
	}
	members, err := wire.ParseObject([]byte(`{"cash":"0.07","fee":7}`))
	require.NoError(t, err)
	require.NoError(t, wire.Decode(members, &got, time.UTC))
	assert.Equal(t, int64(7), got.Fee)
	assert.Zero(t, got.Cash)
}

func TestDecodeBool(t *testing.T) {
	for value, want := range map[string]bool{
		`true`: true, `"true"`: true, `"True"`: true, `false`: false, `"False"`: false, `null`: false, `""`: false, `1`: false, `"yes"`: false, `[true]`: false,
	} {
		members, err := wire.ParseObject([]byte(`{"flag":` + value + `}`))
		require.NoError(t, err)
		got := struct {
			Flag bool `json:"flag"`
		}{!want}
		require.NoError(t, wire.Decode(members, &got, time.UTC))
		require.Equal(t, want, got.Flag, value)
	}
}
