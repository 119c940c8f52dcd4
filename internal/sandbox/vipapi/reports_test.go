package vipapi_test

import (
	"encoding/json"
	"fmt"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/ksher-go/ksher"
	"github.com/ksher-go/ksher/internal/sandbox"
	"github.com/ksher-go/ksher/internal/sandbox/sandboxtest"
	"github.com/ksher-go/ksher/internal/testkit"
)

const reportsPath = "/api/v1/finance/settlements/"

var thailand = time.FixedZone("", 7*60*60)

// sold is a merchant with a day of 55 payments, and a refund of one by card.
func sold(t *testing.T) (m merchant, day string) {
	gw, zone := sandbox.New(t), thailand
	m = merchant{t, gw}
	now := gw.Now().In(zone)
	gw.Advance(time.Date(now.Year(), now.Month(), now.Day()+1, 9, 0, 0, 0, zone).Sub(now))
	day = gw.Now().In(zone).Format("20060102")
	for i := range 55 {
		no := fmt.Sprint("V-", i)
		m.create("redirect", no)
		require.NoError(t, gw.Pay(no, []ksher.Channel{ksher.ChannelTrueMoney, ksher.ChannelCard}[i%2]))
		gw.Advance(time.Second)
	}
	m.create("redirect", "unpaid")
	_, err := gw.Client.GatewayPay(t.Context(), sandboxtest.GatewayPay("A-1")) // Of the other generation.
	require.NoError(t, err)
	require.NoError(t, gw.Pay("A-1", ksher.ChannelCard))
	m.ok("REFUNDED", "PUT", vipPath("redirect")+"/V-1", fields{"refund_order_id": "R-1", "refund_amount": 50})

	return m, day
}

// rows are those of a report, and how many there are.
func (m merchant) rows(path string, params fields) (all []any, total string) {
	m.t.Helper()
	data := m.ok("SUCCESS", "GET", reportsPath+path, params)["data"].(fields)
	return data["data"].([]any), fmt.Sprint(data["total"])
}

func TestVIPTransactions(t *testing.T) {
	m, day := sold(t)
	mid := fields{"mid": sandbox.AppID}
	all, total := m.rows("order/"+day, mid)
	assert.Len(t, all, 50)
	assert.Equal(t, "56", total)
	first := all[0].(fields)
	has(t, first, fields{"order_id": "V-0", "amount": json.Number("15050"), "type": "PAY", "channel": "truemoney", "currency": "THB", "device_id": "False"})
	assert.True(t, strings.HasPrefix(first["transaction_time"].(string), m.gw.Now().In(thailand).Format("2006-01-02")+" 09:00:00"))
	all, _ = m.rows("order/"+day, with(mid, "offset", 50, "limit", 50))
	require.Len(t, all, 6)
	last := all[5].(fields)
	assert.Equal(t, "refund", last["type"])
	assert.Equal(t, json.Number("-50"), last["amount"])
	assert.Equal(t, "R-1", last["order_id"])
	all, total = m.rows("order/"+day, with(mid, "channel", "card", "limit", 1, "offset", 1))
	assert.Len(t, all, 1)
	assert.Equal(t, "28", total)
	for _, offset := range []int{56, math.MaxInt} {
		all, total = m.rows("order/"+day, with(mid, "offset", offset))
		assert.Empty(t, all)
		assert.Equal(t, "56", total)
	}
	all, _ = m.rows("order/20200101", mid)
	assert.Empty(t, all)
}

func TestVIPSettlement(t *testing.T) {
	testkit.Holds(t, testkit.Clients, "vip: a settlement's reference is its day, the merchant's number and six characters")
	m, day := sold(t)
	gw, mid := m.gw, fields{"mid": sandbox.AppID}
	card := with(mid, "channel", "card")
	status, _ := m.call("GET", reportsPath+day, card)
	assert.Equal(t, 404, status, "the day isn't over")
	gw.Advance(24 * time.Hour)
	settlement := m.ok("SUCCESS", "GET", reportsPath+day, card)["data"].(fields)
	has(t, settlement, fields{
		"count": json.Number("27"), "amount": json.Number("406350"), "refund": json.Number("50"), "net": json.Number("406300"),
		"fee": json.Number("0"), "channel": "card", "currency": "THB", "transfer": false, "transfer_amount": json.Number("0"),
	})
	all, total := m.rows("settlement_order", fields{"reference_id": settlement["reference_id"], "offset": 0, "limit": 2})
	assert.Len(t, all, 2)
	assert.Equal(t, "28", total)
	reference := settlement["reference_id"].(string)
	assert.Regexp(t, "^"+day+"_00000_[0-9A-Z]{6}$", reference)
	early, _ := sold(t)
	status, _ = early.call("GET", reportsPath+"settlement_order", fields{"reference_id": reference, "offset": 0, "limit": 2})
	assert.Equal(t, 404, status, "the day isn't over there")
	trueMoney := m.ok("SUCCESS", "GET", reportsPath+day, with(mid, "channel", "truemoney"))["data"].(fields)
	assert.NotEqual(t, reference, trueMoney["reference_id"])
	next := gw.Now().In(thailand).Format("20060102")
	for _, reference := range []string{day, day + "_", next + reference[8:], reference[:15], reference[8:], "x"} {
		status, _ = m.call("GET", reportsPath+"settlement_order", fields{"reference_id": reference, "offset": 0, "limit": 2})
		assert.Equal(t, 404, status, reference)
	}

	require.NoError(t, gw.Settle("V-1"))
	settlement = m.ok("SUCCESS", "GET", reportsPath+day, card)["data"].(fields)
	assert.Equal(t, true, settlement["transfer"])
	assert.Equal(t, json.Number("15000"), settlement["transfer_amount"])

	assert.Contains(t, m.ok("SUCCESS", "GET", reportsPath+"channels", mid)["data"].(fields)["channels"], "promptpay")
	for _, path := range []string{"channels", "order/" + day, day} {
		said := m.ok("UNKNOWN", "GET", reportsPath+path, fields{"mid": "mch99999", "channel": "card"})
		assert.Equal(t, "NOT allowed mid", said["error_message"])
		assert.NotContains(t, said, "data")
	}

	yesterday := m.gw.Now().In(thailand).AddDate(0, 0, -1).Format(time.DateOnly)
	theirs, err := gw.Client.GetSettlementInfo(t.Context(), &ksher.GetSettlementInfoRequest{BeginDate: yesterday, EndDate: yesterday})
	require.NoError(t, err)
	require.Len(t, theirs.SettlementData, 1, "the other generation has its own")
	assert.Equal(t, ksher.Amount(150_50), theirs.SettlementData[0].SettlementAmount)
}
