package opnapi_test

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/ksher-go/ksher"
	"github.com/ksher-go/ksher/internal/sandbox"
	"github.com/ksher-go/ksher/internal/sandbox/sandboxtest"
	"github.com/ksher-go/ksher/opn"
)

func TestOpnListsCharges(t *testing.T) {
	gw := sandbox.New(t)
	var ids []string
	var times []time.Time
	for range 25 {
		_, charge := opnCharge(t, gw)
		ids, times = append(ids, charge.ID), append(times, charge.CreatedAt)
		gw.Advance(time.Hour)
	}
	_, err := gw.Client.GatewayPay(t.Context(), sandboxtest.GatewayPay("A-1", ksher.ChannelKPlus))
	require.NoError(t, err)
	at := func(i int) string { return times[i].UTC().Format(time.RFC3339) }
	const form, inJSON = "application/x-www-form-urlencoded", "application/json"
	for name, tt := range map[string]struct {
		query, kind, body string
		// first and last are the charges at the ends of the page, -1 if it is empty.
		first, last          int
		limit, offset, total int
		refused              string
	}{
		"the first page":               {"", "", "", 0, 19, 20, 0, 25, ""},
		"the second":                   {"offset=20", "", "", 20, 24, 20, 20, 25, ""},
		"beyond the end":               {"offset=30", "", "", -1, -1, 20, 30, 25, ""},
		"three":                        {"limit=3&offset=1", "", "", 1, 3, 3, 1, 25, ""},
		"none":                         {"limit=0", "", "", -1, -1, 0, 0, 25, ""},
		"more than there can be":       {"limit=1000", "", "", 0, 24, 100, 0, 25, ""},
		"the newest first":             {"order=reverse_chronological&limit=2", "", "", 24, 23, 2, 0, 25, ""},
		"the oldest first":             {"order=chronological&limit=2", "", "", 0, 1, 2, 0, 25, ""},
		"from a time":                  {"from=" + at(20), "", "", 20, 24, 20, 0, 5, ""},
		"to a time":                    {"to=" + at(4), "", "", 0, 4, 20, 0, 5, ""},
		"between two":                  {"from=" + at(3) + "&to=" + at(4), "", "", 3, 4, 20, 0, 2, ""},
		"to a day":                     {"to=2017-11-02", "", "", -1, -1, 20, 0, 0, ""},
		"in the body, as JSON":         {"", inJSON, `{"limit":2,"offset":1}`, 1, 2, 2, 1, 25, ""},
		"in the body, as a form":       {"", form, "limit=2", 0, 1, 2, 0, 25, ""},
		"JSON is announced, but empty": {"limit=2", inJSON, "", 0, 1, 2, 0, 25, ""},
		"a limit that is none":         {"limit=x", "", "", 0, 0, 0, 0, 0, "limit has to be"},
		"an offset below 0":            {"offset=-1", "", "", 0, 0, 0, 0, 0, "offset has to be"},
		"an order that is none":        {"order=up", "", "", 0, 0, 0, 0, 0, "order has to be"},
		"a time that is none":          {"from=yesterday", "", "", 0, 0, 0, 0, 0, "from has to be"},
		"a query that can't be read":   {"limit=%zz", "", "", 0, 0, 0, 0, 0, "can't be read"},
	} {
		t.Run(name, func(t *testing.T) {
			path := strings.TrimPrefix(gw.OpnURL(), gw.URL()) + "/charges?" + tt.query
			status, body := sandboxtest.Ask(t, gw, "GET", path, tt.body, "Authorization", basic(sandbox.OpnSecretKey+":"), "Content-Type", tt.kind)
			if tt.refused != "" {
				assert.Equal(t, 400, status)
				assert.Contains(t, body, tt.refused)
				return
			}
			require.Equal(t, 200, status, body)
			var l struct {
				Object, Location, Order string
				Data                    []opn.Charge
				Limit, Offset, Total    int
				From, To                time.Time
			}
			require.NoError(t, json.Unmarshal([]byte(body), &l))
			assert.Equal(t, []any{"list", "/charges", tt.limit, tt.offset, tt.total}, []any{l.Object, l.Location, l.Limit, l.Offset, l.Total})
			assert.True(t, l.From.Before(l.To))
			if tt.first < 0 {
				assert.Contains(t, body, `"data":[]`)
				return
			}
			assert.Equal(t, ids[tt.first], l.Data[0].ID)
			assert.Equal(t, ids[tt.last], l.Data[len(l.Data)-1].ID)
		})
	}
	status, _ := askOpn(t, gw, "GET", "/charges", sandbox.OpnPublicKey, nil)
	assert.Equal(t, 401, status)
}
