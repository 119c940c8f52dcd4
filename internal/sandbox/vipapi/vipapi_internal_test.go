package vipapi

import (
	"encoding/json"
	"math"
	"net/url"
	"strconv"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/ksher-go/ksher/internal/sandbox/core"
)

// What Python 3 makes of the same.
func TestVIPPythonText(t *testing.T) {
	const raw = `{"data":[{"a":1,"b":true,"c":null,"d":"it's","e":"say \"x\"","f":"both ' and \"","g":"line\nbreak\t\\","h":"ชา\u0000\u0085\u200b","i":[1.5,[]],"j":{}}],"total":-3}`
	const want = `{'data': [{'a': 1, 'b': True, 'c': None, 'd': "it's", 'e': 'say "x"', 'f': 'both \' and "', 'g': 'line\nbreak\t\\', 'h': 'ชา\x00\x85\u200b', 'i': [1.5, []], 'j': {}}], 'total': -3}`
	assert.Equal(t, want, pythonText([]byte(raw)))
	assert.Equal(t, "False", pythonText([]byte("false")))
	assert.Equal(t, `'\U000e0001'`, pythonQuote("\U000e0001"))
}

// An answer with something nested, whose signature Python's hmac has made of the
// answer as Python read it.
func TestVIPNestedSignature(t *testing.T) {
	gw, err := core.New(core.Config{MaxOrders: 1})
	require.NoError(t, err)
	answer := report(struct {
		Data  []any `json:"data"`
		Total int   `json:"total"`
	}{[]any{struct {
		OrderID string `json:"order_id"`
		Amount  int    `json:"amount"`
		OK      bool   `json:"ok"`
	}{"it's ชา", -50, false}}, 1})
	asked := &call{path: "/api/v1/finance/settlements/order/20220314", params: url.Values{"timestamp": {"1647228347"}}}
	text := New(gw).signed(asked, answer.body, core.Fault{})
	assert.Contains(t, string(text), `"1E64EF4565B6BCB0353DD901214ACC5FC859D8D32E9451D10B2FB429401EC418"`)
}

func TestVIPPage(t *testing.T) {
	rows := make([]row, 3)
	for i := range rows {
		rows[i].OrderID = wireText(strconv.Itoa(i))
	}
	for _, c := range []struct{ offset, limit, want string }{
		{"", "", "012"},
		{"1", "1", "1"},
		{"3", "1", ""},
		{"-1", "2", "01"},
		{"1", "-1", ""},
		{"1", strconv.Itoa(math.MaxInt), "12"},
		{strconv.Itoa(math.MaxInt), strconv.Itoa(math.MaxInt), ""},
		{strconv.Itoa(math.MinInt), strconv.Itoa(math.MinInt), ""},
		{"1" + strconv.Itoa(math.MaxInt), "x", "012"},
	} {
		asked := &call{params: url.Values{"offset": {c.offset}, "limit": {c.limit}}}
		var said struct {
			Data struct {
				Data []struct {
					OrderID string `json:"order_id"`
				}
				Total int
			}
		}
		require.NoError(t, json.Unmarshal(core.Marshal(asked.page(rows).body), &said))
		var got string
		for _, r := range said.Data.Data {
			got += r.OrderID
		}
		assert.Equal(t, c.want, got, "offset %s, limit %s", c.offset, c.limit)
		assert.Equal(t, 3, said.Data.Total)
	}
}
