package opn_test

import (
	"context"
	"net/http"
	"strings"
	"testing"

	"github.com/ksher-go/ksher/internal/heavy"
	"github.com/ksher-go/ksher/opn"
)

// BenchmarkWork reads answers as a client does, and events as a handler does, that
// are refused before anything is asked.
func BenchmarkWork(b *testing.B) {
	answers, events := make(map[string][]byte), make(map[string][]byte)
	for name, members := range heavy.Members(63 << 10) {
		answers[name] = []byte(strings.TrimSuffix(edited(b, "charge.json", nil), "}") + "," + members + "}")
		events[name] = []byte(`{"key":"charge.complete","data":{` + members[:min(len(members), 63<<10)] + `}}`)
	}
	var answer []byte
	client := newClient(b, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.Write(answer) }))
	b.Run("answer", func(b *testing.B) {
		heavy.Compare(b, answers, func(body []byte) {
			answer = body
			client.GetCharge(b.Context(), chargeID)
		})
	})
	handler := expecting(b, client, func(context.Context, *opn.Charge) error { return nil })
	b.Run("event", func(b *testing.B) {
		heavy.Compare(b, events, func(body []byte) { post(handler, string(body)) })
	})
}
