package main

import (
	"encoding/json"
	"maps"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/ksher-go/ksher"
)

// What --json prints is what the page of the command lists, by these names and no others.
func TestJSONNames(t *testing.T) {
	for command, args := range map[string]string{
		"order-show":   "A-1 --host=merchant",
		"order-wait":   "A-1 --host=merchant --amount=150.50",
		"order-cancel": "A-3 --yes",
		"order-close":  "A-4 --yes",
		"reverse":      "A-1 --yes",
		"refund":       "A-1 --host=merchant --amount=50 --refund-no=R-9 --yes",
		"refunds":      "A-2 --host=gateway",
		"page":         "--amount=150.50 --channel=card",
		"payout-send":  "--yes",
		"payout-show":  "P-1 --amount=100",
		"settlement":   "",
		"merchant":     "",
		"balance":      "",
		"rate":         "wechat --date=20260102",
	} {
		t.Run(command, func(t *testing.T) {
			d := newDesk(t)
			if command == "reverse" {
				d.toEnd(t, "order_reverse", ksher.HostMerchant)
			} else {
				d.paid(t, ksher.HostMerchant, "A-1")
			}
			d.paid(t, ksher.HostGateway, "A-2")
			d.order(t, ksher.HostGateway, "A-3")
			d.order(t, ksher.HostMerchant, "A-4")
			_, err := d.gw.Client.Refund(t.Context(), &ksher.RefundRequest{MchOrderNo: "A-2", Host: ksher.HostGateway, MchRefundNo: "R-1", RefundFee: 50_00})
			require.NoError(t, err)
			all := append(strings.Split(command, "-"), strings.Fields(args)...)
			switch command {
			case "settlement":
				all = append(all, d.gw.Now().In(thailand).Format(time.DateOnly))
				d.gw.Advance(24 * time.Hour)
			case "payout-send":
				all = payoutArgs(t, "--order-no=P-2", "--yes")
			case "payout-show":
				_, _, err := d.run(t.Context(), payoutArgs(t, "--order-no=P-1", "--yes")...)
				require.NoError(t, err)
			}
			out, _, err := d.run(t.Context(), append(all, "--json")...)
			require.NoError(t, err)
			var objects []map[string]any
			if strings.HasPrefix(out, "{") {
				out = "[" + out + "]"
			}
			require.NoError(t, json.Unmarshal([]byte(out), &objects))
			require.NotEmpty(t, objects)
			page, _ := helpFiles.ReadFile("help/" + command + ".md")
			_, said, _ := strings.Cut(string(page), "`--json` prints")
			said, _, _ = strings.Cut(said, "\n")
			said, _, _ = strings.Cut(said, ". ")
			var names []string
			for _, m := range regexp.MustCompile("`([a-z_]+)`").FindAllStringSubmatch(said, -1) {
				names = append(names, m[1])
			}
			assert.ElementsMatch(t, names, slices.Collect(maps.Keys(objects[0])), "%s", out)
		})
	}
}
