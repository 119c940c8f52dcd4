package main

import (
	"encoding/json"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/ksher-go/ksher"
	"github.com/ksher-go/ksher/internal/sandbox/core"
)

func TestSettlement(t *testing.T) {
	d := newDesk(t)
	today := d.gw.Now().In(thailand).Format(time.DateOnly)
	out, _, err := d.run(t.Context(), "settlement", today)
	require.NoError(t, err)
	assert.Equal(t, "Nothing is settled for these days.\n", out)
	d.paid(t, ksher.HostMerchant, "A-1")
	d.paid(t, ksher.HostGateway, "A-2")
	d.gw.Advance(24 * time.Hour)
	out, progress, err := d.run(t.Context(), "settlement", today)
	require.NoError(t, err)
	assert.Empty(t, progress)
	assert.Regexp(t, `(?m)^First day +Last day +Channel`, out)
	assert.Regexp(t, `(?m)^Total +301\.00 +0\.00`, out)
	out, _, err = d.run(t.Context(), "settlement", today, today, "--channel=wechat", "--csv")
	require.NoError(t, err)
	assert.Regexp(t, `^begin_date,end_date,pay_channel,.*\n`+today+`,`+today+`,wechat,150\.50,0\.00,0\.00,.*\n$`, out)
	out, _, err = d.run(t.Context(), "settlement", today, "--json")
	require.NoError(t, err)
	var rows []map[string]string
	require.NoError(t, json.Unmarshal([]byte(out), &rows))
	assert.Len(t, rows, 2)
	for _, args := range [][]string{{"settlement", "today"}, {"settlement", today, "2020-01-01"}} {
		_, _, err = d.run(t.Context(), args...)
		assert.Equal(t, statusUsage, statusOf(err), "%v", args)
	}
	_, _, err = d.run(t.Context(), "settlement", today, "--csv", "--json")
	assert.Equal(t, statusUsage, statusOf(err))
}

// Rows that can't be believed aren't printed.
func TestSettlementFaults(t *testing.T) {
	for _, kind := range core.OperationFaults() {
		d := newDesk(t)
		d.inject(t, "get_settlement_info", kind, 20)
		out, _, err := d.run(t.Context(), "settlement", "2026-01-31", "--csv")
		if kind == core.FaultLatency || kind == core.FaultClockSkew || kind == core.FaultOtherKey {
			assert.NoError(t, err, kind)
			continue
		}
		assert.Equal(t, statusRefused, statusOf(err), kind)
		assert.Empty(t, out)
	}
}

func TestCSVCell(t *testing.T) {
	for text, want := range map[string]string{"": "", "A-1": "A-1", "-1.00": "-1.00", "=1+1": "'=1+1", "@x": "'@x", "+66": "'+66",
		"-1": "-1", "-A": "'-A", "-1+cmd|' /C calc'!A0": "'-1+cmd|' /C calc'!A0", "-": "'-", "\r=1": "'\r=1", "\n=1": "'\n=1"} {
		assert.Equal(t, want, csvCell(text))
	}
}
