// Package heavy makes JSON that is as much work to read as its size allows, for the
// benchmarks of whatever reads what comes from outside.
package heavy

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"
)

// Ordinary is the name of the body that the others are compared with: a report of
// many rows.
const Ordinary = "ordinary"

const row = `{"begin_date":"2026-11-18","commission_fee":150,"end_date":"2026-11-19","pay_channel":"wechat","settlement_amount":"9840","settlement_date":"2026-11-20","transfer_amount":9840},`

// Members returns, by what is heavy about them, members of a JSON object of about
// that many bytes, without the braces around them.
func Members(size int) map[string]string {
	list := func(one string) string { return `"rows":[` + repeat(one, size) + `]` }
	grouped := func(item func(i int) string, n int) string {
		return list("{" + members(n, item) + "},")
	}
	shuffled := rand.New(rand.NewPCG(1, 2)).Perm(1_000)
	short := func(format string) func(int) string {
		return func(i int) string { return fmt.Sprintf(format, shuffled[i]) }
	}
	long := func(letter string) func(int) string {
		return func(i int) string {
			return fmt.Sprintf(`"%s%02d":1`, strings.Repeat(letter, max(size/64-8, 8)/len(letter)), i)
		}
	}
	return map[string]string{
		Ordinary:                     list(row),
		"long names":                 members(60, long("A")),
		"long names of two bytes":    members(60, long("Ж")),
		"long names of three bytes":  members(60, long("Ꙁ")),
		"long names that fold":       members(60, long("\u212a")),
		"long names, escaped":        members(60, long(`\u0416`)),
		"64 names":                   grouped(short(`"Aa%04d":1`), 64),
		"48 long names":              grouped(func(i int) string { return fmt.Sprintf(`"%s%02d":1`, strings.Repeat("Ж", 40), i) }, 48),
		"two names":                  grouped(short(`"B%d":1`), 2),
		"one name":                   list(chunk(`{"":0},`)),
		"unsorted names":             members(900, short(`"a%04d":1`)) + "," + list(row),
		"unsorted names in capitals": members(900, short(`"A%04d":1`)) + "," + list(row),
		"unsorted names inside":      grouped(short(`"A%04d":1`), 999),
		"lists":                      list(chunk("[],")),
		"digits":                     list(chunk("1,")),
		"deep lists":                 list(strings.Repeat("[", 28) + strings.Repeat("]", 28) + ","),
		"deep objects":               list(strings.Repeat(`{"B":0,"A":`, 28) + "1" + strings.Repeat("}", 28) + ","),
		"deep object around much":    `"rows":` + strings.Repeat(`{"B":0,"A":`, 28) + `"` + strings.Repeat("x", size) + `"` + strings.Repeat("}", 28),
		"escapes":                    `"rows":"` + repeat(`\u0416`, size) + `"`,
		"surrogates":                 `"rows":"` + repeat(`\ud83c\udf75`, size) + `"`,
		"short escapes":              `"rows":"` + repeat(`\n`, size) + `"`,
		"quotes":                     list(chunk(`"",`)),
		"number":                     `"rows":1` + strings.Repeat("0", size),
		"exponents":                  list(chunk("1e+9999999,")),
		"words":                      list(chunk("null,")),
		"blanks":                     `"rows":` + strings.Repeat(" ", size) + `1`,
	}
}

// chunk is a list of its own, because a list is limited in length.
func chunk(one string) string { return "[" + repeat(one, 8<<10) + "]," }

func repeat(s string, size int) string {
	return strings.TrimSuffix(strings.Repeat(s, size/len(s)+1), ",")
}

func members(n int, item func(int) string) string {
	all := make([]string, n)
	for i := range all {
		all[i] = item(i)
	}
	return strings.Join(all, ",")
}

// Compare runs read for each body, the ordinary one in turns with it, and reports
// how long a byte of each takes, and how many times longer that is.
func Compare(b *testing.B, bodies map[string][]byte, read func([]byte)) {
	ordinary := bodies[Ordinary]
	for name, body := range bodies {
		if name == Ordinary {
			continue
		}
		b.Run(name, func(b *testing.B) {
			var here, there time.Duration
			took := func(body []byte) time.Duration {
				start := time.Now()
				read(body)
				return time.Since(start)
			}
			for b.Loop() {
				here += took(body)
				there += took(ordinary)
			}
			perByte := func(d time.Duration, body []byte) float64 { return float64(d) / float64(b.N) / float64(len(body)) }
			mine, usual := perByte(here, body), perByte(there, ordinary)
			b.ReportMetric(0, "ns/op")
			b.ReportMetric(mine, "ns/B")
			b.ReportMetric(usual, "ordinary-ns/B")
			b.ReportMetric(mine/usual, "ratio")
		})
	}
}
