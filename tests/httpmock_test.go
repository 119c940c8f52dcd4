package tests

import (
	"errors"
	"net/http"
	"testing"

	"github.com/jarcoal/httpmock"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/ksher-go/ksher"
	"github.com/ksher-go/ksher/internal/fault"
	"github.com/ksher-go/ksher/internal/testkit"
)

// mockedClient is how a merchant's test replaces the gateway: the mock goes
// into an http.Client of its own, and only then is the ksher.Client made,
// because that takes a copy.
func mockedClient(t *testing.T, opts ...ksher.Option) *ksher.Client {
	t.Helper()
	own := &http.Client{}
	httpmock.ActivateNonDefault(own)
	t.Cleanup(httpmock.DeactivateAndReset)
	client, err := ksher.NewClient(testkit.AppID, testkit.RSAKey(t, 1024), append(opts, ksher.WithHTTPClient(own), testkit.TrustTestKey(t))...)
	require.NoError(t, err)
	return client
}

func TestMockFails(t *testing.T) {
	lost := errors.New("connection lost")
	tests := []struct {
		name      string
		responder httpmock.Responder
		want      error
		unknown   bool
	}{
		{"no answer", httpmock.NewErrorResponder(lost), lost, true},
		{"an outage", httpmock.NewStringResponder(503, "upstream is down"), fault.ErrHTTPStatus, true},
		{"a refusal", httpmock.NewStringResponder(200, `{"code":1,"msg":"PARAM_ERROR"}`), ksher.CodeParamError, false},
	}
	for _, tt := range tests {
		for _, op := range testkit.Operations() {
			t.Run(tt.name+" "+op.Name, func(t *testing.T) {
				client := mockedClient(t, ksher.WithRetry(1, 0))
				httpmock.RegisterResponder(http.MethodPost, op.URL+"/"+op.Name, tt.responder)
				_, err := op.Call(t.Context(), client, ksher.Extra{})
				require.ErrorIs(t, err, tt.want)
				assert.Equal(t, tt.unknown && op.Changes, errors.Is(err, ksher.ErrOutcomeUnknown))
				assert.Equal(t, 1, httpmock.GetTotalCallCount(), "calls")
			})
		}
	}
}
