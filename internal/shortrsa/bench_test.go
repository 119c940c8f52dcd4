//go:debug rsa1024min=0
package shortrsa_test

import (
	"crypto"
	"crypto/md5"
	"fmt"
	"slices"
	"testing"
	"time"
)

// BenchmarkSign is a signature against one by crypto/rsa, which signs with short
// keys in this test's program because of the line on top of the file. Both take
// turns; see compare in the root's benchmarks for what is printed.
func BenchmarkSign(b *testing.B) {
	for _, bits := range []int{512, 768} {
		b.Run(fmt.Sprint(bits), func(b *testing.B) {
			key := makeKey(b, bits, 65537)
			key.Precompute()
			private := mustSigner(b, key)
			digest := md5.Sum([]byte("text"))
			timed := func(key crypto.Signer) float64 {
				const turn = 10
				start := time.Now()
				for range turn {
					if _, err := key.Sign(nil, digest[:], crypto.MD5); err != nil {
						b.Fatal(err)
					}
				}
				return float64(time.Since(start).Nanoseconds()) / turn
			}
			var costs, floors, ratios []float64
			for b.Loop() {
				cost, floor := timed(private), timed(key)
				costs, floors, ratios = append(costs, cost), append(floors, floor), append(ratios, cost/floor)
			}
			slices.Sort(costs)
			slices.Sort(floors)
			slices.Sort(ratios)
			half := func(s []float64) float64 { return s[len(s)/4] } // The median of the quickest half.
			b.ReportMetric(0, "ns/op")                               // It would count both, ten times.
			b.ReportMetric(costs[len(costs)/2], "ns/sign")
			b.ReportMetric(floors[len(floors)/2], "ns/crypto-rsa")
			b.ReportMetric(ratios[len(ratios)/2], "x/crypto-rsa")
			b.ReportMetric(half(costs)/half(floors), "x/crypto-rsa-quick-half")
			b.ReportMetric(testing.AllocsPerRun(100, func() { timed(private) })/10, "allocs/sign")
		})
	}
}
