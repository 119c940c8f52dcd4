package wire_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/ksher-go/ksher/internal/heavy"
	"github.com/ksher-go/ksher/internal/wire"
)

// report is an answer of many rows.
type report struct {
	Rows []struct {
		BeginDate string `json:"begin_date"`
		Amount    int64  `json:"settlement_amount"`
	} `json:"rows" wire:"loose"`
}

// BenchmarkWork does what is done with an answer or a notification, but for RSA.
func BenchmarkWork(b *testing.B) {
	bodies := make(map[string][]byte)
	for name, members := range heavy.Members(64 << 10) {
		bodies[name] = []byte(`{"code":0,"data":{` + members + `},"sign":"00"}`)
	}
	heavy.Compare(b, bodies, func(body []byte) {
		_, data, err := wire.ParseEnvelope(body)
		if err != nil {
			return
		}
		wire.AppendSignText(nil, data, nil, false)
		if wire.HasLiteral(data) {
			wire.AppendSignText(nil, data, nil, true)
		}
		var dst report
		require.NoError(b, wire.Decode(data, &dst, time.UTC))
	})
}
