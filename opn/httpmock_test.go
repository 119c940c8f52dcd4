package opn_test

import (
	"errors"
	"net/http"
	"testing"

	"github.com/jarcoal/httpmock"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/ksher-go/ksher"
	"github.com/ksher-go/ksher/internal/fault"
	"github.com/ksher-go/ksher/opn"
)

// mockedClient is how a merchant's test replaces Opn: the mock goes into an
// http.Client of its own, and only then is the opn.Client made, because that takes
// a copy.
func mockedClient(t *testing.T) *opn.Client {
	t.Helper()
	own := &http.Client{}
	httpmock.ActivateNonDefault(own)
	t.Cleanup(httpmock.DeactivateAndReset)
	client, err := opn.NewClient(publicKey, secretKey, opn.WithHTTPClient(own), opn.WithRetry(1, 0))
	require.NoError(t, err)
	return client
}

func TestMockAnswers(t *testing.T) {
	client := mockedClient(t)
	httpmock.RegisterResponder("POST", opn.DefaultBaseURL+"/sources", httpmock.NewStringResponder(200, edited(t, "source.json", nil)))
	httpmock.RegisterResponder("POST", opn.DefaultBaseURL+"/charges", httpmock.NewStringResponder(200, edited(t, "charge.json", nil)))
	httpmock.RegisterResponder("GET", opn.DefaultBaseURL+"/charges/"+chargeID, httpmock.NewStringResponder(200, edited(t, "charge.json", paid)))

	source, err := client.CreateSource(t.Context(), sourceRequest())
	require.NoError(t, err)
	assert.Equal(t, amount, source.Amount)
	charge, err := client.CreateCharge(t.Context(), chargeRequest())
	require.NoError(t, err)
	assert.Equal(t, "https://pay.example/payments/pay2_test_0000000000000000004/authorize", charge.AuthorizeURI)
	charge, err = waitFor(t.Context(), client, charge.ID, amount)
	require.NoError(t, err)
	assert.True(t, charge.PaidAt.Valid)
	assert.Equal(t, 3, httpmock.GetTotalCallCount())
}

// The least that a mock has to answer.
func TestMockOfAnOwnCharge(t *testing.T) {
	client := mockedClient(t)
	mock, err := httpmock.NewJsonResponder(200, &opn.Charge{
		Object: "charge", ID: chargeID, Amount: amount, Currency: "THB", Status: opn.StatusSuccessful, Paid: true,
	})
	require.NoError(t, err)
	httpmock.RegisterResponder("GET", opn.DefaultBaseURL+"/charges/"+chargeID, mock)
	charge, err := client.GetCharge(t.Context(), chargeID)
	require.NoError(t, err)
	require.NoError(t, charge.CheckPaid(amount))
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
		{"a refusal", httpmock.NewStringResponder(400, `{"object":"error","code":"invalid_charge"}`), nil, false},
	}
	for _, tt := range tests {
		for _, call := range calls {
			t.Run(tt.name+" "+call.name, func(t *testing.T) {
				client := mockedClient(t)
				httpmock.RegisterResponder(call.method, opn.DefaultBaseURL+call.path, tt.responder)
				_, err := call.call(t, client)
				if tt.want != nil {
					require.ErrorIs(t, err, tt.want)
				}
				require.Equal(t, tt.unknown && call.moves, errors.Is(err, ksher.ErrOutcomeUnknown))
				checkError(t, err, call.name)
				assert.Equal(t, 1, httpmock.GetTotalCallCount())
			})
		}
	}
}
