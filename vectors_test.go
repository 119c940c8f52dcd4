package ksher_test

import (
	"encoding/json"
	"os"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/ksher-go/ksher"
)

type vector struct {
	Name         string          `json:"name"`
	Data         json.RawMessage `json:"data"`
	Sign         string          `json:"sign"`
	SignedFields []string        `json:"signed_fields"`
}

func readVectors(tb testing.TB, file string) []vector {
	tb.Helper()
	text, err := os.ReadFile(file)
	if os.IsNotExist(err) {
		tb.Skipf("%s is not here; its genuine answers are kept outside the project", file)
	}
	require.NoError(tb, err)
	var all struct{ Vectors []vector }
	require.NoError(tb, json.Unmarshal(text, &all))
	require.NotEmpty(tb, all.Vectors)
	return all.Vectors
}

func TestGenuineAnswers(t *testing.T) {
	verifier := ksher.NewVerifier(ksher.GatewayPublicKey(ksher.SignV1))
	for _, file := range []string{"testdata/published-v1.json", "../shared/vectors/responses-v1.json"} {
		t.Run(file, func(t *testing.T) {
			for _, v := range readVectors(t, file) {
				t.Run(v.Name, func(t *testing.T) {
					if v.SignedFields == nil {
						assert.NoError(t, verifier.Verify(v.Data, v.Sign))
					}
				})
			}
		})
	}
}
