package wire_test

import (
	"errors"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-querystring/query"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/ksher-go/ksher/internal/wire"
)

func TestParamsSignText(t *testing.T) {
	for _, c := range []struct {
		name   string
		params url.Values
		want   string
	}{
		{"nothing", nil, ""},
		{"sign alone", url.Values{"sign": {"x"}}, ""},
		{"sorted", url.Values{"b": {"2"}, "a": {"1"}, "B": {"3"}}, "B=3a=1b=2"},
		{"sorted as name=value", url.Values{"a": {"1"}, "a1": {"2"}, "a-": {"3"}, "aB": {"4"}, "a>": {"5"}}, "a-=3a1=2a=1a>=5aB=4"},
		{"bytewise", url.Values{"é": {"1"}, "z": {"2"}, "ก": {"3"}}, "z=2é=1ก=3"},
		{"no values", url.Values{"a": {}, "b": nil, "c": {"x"}}, "c=x"},
		{"empty values", url.Values{"a": {""}, "b": {""}}, "a=b="},
		{"before form encoding", url.Values{"a": {"+&=% \n"}, "b": {"ชา"}}, "a=+&=% \nb=ชา"},
		{"sign and its likes", url.Values{"sign": {"x"}, "Sign": {"1"}, "sign_type": {"2"}, "sig": {"3"}}, "Sign=1sig=3sign_type=2"},
		{
			"the documented kind", url.Values{
				"appid": {"mch12345"}, "nonce_str": {"0123456789abcdef"}, "time_stamp": {"20261121100000"}, "mch_order_no": {"1"},
				"total_fee": {"15050"}, "fee_type": {"THB"}, "channel_list": {"promptpay,card"}, "attach": {""},
			},
			"appid=mch12345attach=channel_list=promptpay,cardfee_type=THBmch_order_no=1nonce_str=0123456789abcdeftime_stamp=20261121100000total_fee=15050",
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			assert.Equal(t, c.want, string(wire.ParamsSignText(wire.FormParams(c.params))))
		})
	}
}

func TestFormParams(t *testing.T) {
	form := url.Values{"a1": {"1"}, "a": {"2"}, "sign": {"3"}, "B": {""}}
	assert.Equal(t, []wire.Param{{"B", ""}, {"a1", "1"}, {"a", "2"}, {"sign", "3"}}, wire.FormParams(form))
	assert.Empty(t, wire.FormParams(nil))
}

type spoken string

func (s spoken) String() string { return "spoken " + string(s) }

type failing string

func (failing) EncodeValues(string, *url.Values) error { return errors.New("no form for it") }

func TestStructParams(t *testing.T) {
	type plain string
	type request struct {
		Text      string `url:"text"`
		Plain     plain  `url:"plain,omitempty"`
		Spoken    spoken `url:"spoken"`
		Odd       string `url:"odd,int"`
		Nameless  string `url:",omitempty"`
		Untagged  string
		Dash      string    `url:"-,"`
		Skipped   string    `url:"-"`
		Pointer   *string   `url:"pointer,omitempty"`
		Count     int       `url:"count,omitempty"`
		Flag      bool      `url:"flag,int"`
		List      []plain   `url:"list,comma"`
		Time      time.Time `url:"time,unix"`
		unwritten string
	}
	text := "x"
	for _, req := range []request{
		{},
		{"a", "b", "c", "d", "e", "f", "g", "h", &text, 1, true, []plain{"i", "j"}, time.Unix(1, 0), "k"},
		{Text: "\xff=&", List: []plain{""}},
	} {
		form, err := query.Values(req)
		require.NoError(t, err)
		params, err := wire.StructParams(&req)
		require.NoError(t, err)
		wire.SortParams(params)
		assert.Equal(t, wire.FormParams(form), params)
	}
	params, err := wire.StructParams(&struct{}{})
	assert.Empty(t, params)
	require.NoError(t, err)
	_, err = wire.StructParams(&struct {
		F failing `url:"f"`
	}{})
	assert.ErrorContains(t, err, "no form for it")
}

func TestEncodeParams(t *testing.T) {
	for _, c := range []struct {
		params []wire.Param
		want   string
	}{
		{nil, ""},
		{[]wire.Param{{"a", ""}}, "a="},
		{[]wire.Param{{"b", "1"}, {"a", "2"}}, "b=1&a=2"},
		{[]wire.Param{{"a b", "+&=% /?#ชา\r\n"}}, "a+b=%2B%26%3D%25+%2F%3F%23%E0%B8%8A%E0%B8%B2%0D%0A"},
	} {
		assert.Equal(t, c.want, wire.EncodeParams(c.params))
	}
}

// Written another way than the package does: by the text of the form.
func formSignText(params url.Values) string {
	var lines []string
	for pair := range strings.SplitSeq(params.Encode(), "&") {
		name, value, ok := strings.Cut(pair, "=")
		name, _ = url.QueryUnescape(name)
		value, _ = url.QueryUnescape(value)
		if ok && name != "sign" {
			lines = append(lines, name+"="+value)
		}
	}
	slices.Sort(lines)
	return strings.Join(lines, "")
}

func FuzzParams(f *testing.F) {
	f.Add("a=1&b=2")
	f.Add("a=1&a1=2&a-=3&aB=4&sign=x")
	f.Add("a=%3D%26%2B&%62=&c=%E0%B8%81+%00")
	f.Fuzz(func(t *testing.T, query string) {
		params, err := url.ParseQuery(query)
		if err != nil {
			t.Skip()
		}
		for name, values := range params {
			if len(values) > 1 || strings.Contains(name, "=") {
				t.Skip("requests have no such parameter")
			}
		}
		sorted := wire.FormParams(params)
		assert.Equal(t, formSignText(params), string(wire.ParamsSignText(sorted)))
		back, err := url.ParseQuery(wire.EncodeParams(sorted))
		assert.NoError(t, err)
		assert.Equal(t, params, back)
	})
}
