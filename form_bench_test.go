package ksher

import (
	"crypto"
	"crypto/md5"
	"crypto/rand"
	"crypto/rsa"
	"io"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/ksher-go/ksher/internal/wire"
)

// freeSigner is a key whose signature costs nothing.
type freeSigner struct{ crypto.Signer }

var freeSignature = make([]byte, 128)

func (freeSigner) Sign(io.Reader, []byte, crypto.SignerOpts) ([]byte, error) {
	return freeSignature, nil
}

// BenchmarkSignAndEncode is what it takes to check, sign and encode a
// gateway_pay request, the RSA operation aside, beside the MD5 in it.
func BenchmarkSignAndEncode(b *testing.B) {
	key, err := rsa.GenerateKey(rand.Reader, 1024)
	require.NoError(b, err)
	client, err := NewClient("mch12345", freeSigner{key})
	require.NoError(b, err)
	required := GatewayPayRequest{
		MchOrderNo: "2026112110000001", MchCode: "2026112110000001", TotalFee: 15050, FeeType: "THB",
		ChannelList: []Channel{ChannelTrueMoney, ChannelCard, ChannelPromptPay},
		ProductName: "Two bags of coffee", ReferURL: "https://shop.example/cart",
		MchRedirectURL: "https://shop.example/thanks", MchRedirectURLFail: "https://shop.example/sorry",
	}
	more := required
	more.MchNotifyURL = "https://shop.example/ksher/notify"
	more.Lang, more.MemberID, more.ExpireTime = LangThai, "member-17", 30
	for _, bm := range []struct {
		name string
		req  *GatewayPayRequest
	}{{"required", &required}, {"more", &more}} {
		b.Run(bm.name, func(b *testing.B) {
			params, err := client.params(gatewayPay, bm.req)
			require.NoError(b, err)
			text := wire.ParamsSignText(params)
			var costs, floors []time.Duration
			b.ReportAllocs()
			for b.Loop() {
				start := time.Now()
				params, err := client.params(gatewayPay, bm.req)
				if err == nil {
					params, err = client.sign(params)
				}
				if err != nil || wire.EncodeParams(params) == "" {
					b.Fatal(err)
				}
				middle := time.Now()
				md5.Sum(text)
				costs, floors = append(costs, middle.Sub(start)), append(floors, time.Since(middle))
			}
			slices.Sort(costs)
			slices.Sort(floors)
			cost, floor := costs[len(costs)/2], floors[len(floors)/2]
			b.ReportMetric(float64(cost.Nanoseconds()), "ns/whole")
			b.ReportMetric(float64(floor.Nanoseconds()), "ns/floor")
			b.ReportMetric(float64(cost)/float64(floor), "x/floor")
		})
	}
}
