package main

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/ksher-go/ksher"
	"github.com/ksher-go/ksher/kshertest"
	"github.com/ksher-go/ksher/opn"
)

// Only a payment that may exist is asked for again.
func TestCreated(t *testing.T) {
	for _, way := range []string{"ksher", "opn"} {
		operation := map[string]string{"ksher": "gateway_pay", "opn": "opn charges"}[way]
		for kind, want := range map[kshertest.FaultKind]string{
			"":                        "this has to be opened on a phone:\nhttp",
			kshertest.FaultRefuse:     "was refused, or never sent",
			kshertest.FaultDropAfter:  "may have been created all the same",
			kshertest.FaultDropBefore: "may have been created all the same",
		} {
			t.Run(fmt.Sprint(way, " ", kind), func(t *testing.T) {
				gateway := kshertest.New(t)
				shop, _, err := localWay(gateway, way)
				require.NoError(t, err)
				if kind != "" {
					fault := kshertest.Fault{Operation: operation, Kind: kind}
					if kind == kshertest.FaultRefuse {
						fault.Code = ksher.CodeKsherInvalidParam
					}
					require.NoError(t, gateway.Inject(fault))
				}
				o := order{"A-1001", 150_50}
				id, address, err := shop.create(t.Context(), o)
				assert.Equal(t, kind == "", err == nil)
				assert.Equal(t, kind == "", id != "" && address != "")
				assert.Contains(t, created(o, address, err), want)
				if kind == kshertest.FaultRefuse {
					assert.NotContains(t, created(o, address, err), "keep asking")
				}
			})
		}
		t.Run(way+" unsent", func(t *testing.T) {
			shop, _, err := localWay(kshertest.New(t), way)
			require.NoError(t, err)
			o := order{"A-1001", 0}
			_, address, err := shop.create(t.Context(), o)
			require.Error(t, err)
			assert.Contains(t, created(o, address, err), "was refused, or never sent")
		})
	}
}

// A charge that failed at once may have an address that leads nowhere.
func TestEndedAtOnce(t *testing.T) {
	o := order{"A-1001", 150_50}
	charge := opn.Charge{
		Object: "charge", ID: "chrg_test_1", Amount: o.total, Currency: "THB", Status: opn.StatusFailed,
		FailureCode:  opn.Null[opn.FailureCode]{V: opn.FailureCodeInvalidAccount, Valid: true},
		AuthorizeURI: "https://pay.example/over",
		Source:       &opn.Source{Object: "source", ID: "src_test_1", Amount: o.total, Currency: "THB", Type: opn.SourceType},
	}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		assert.NoError(t, json.NewEncoder(w).Encode(charge))
	}))
	defer server.Close()
	client, err := opn.NewClient(kshertest.OpnPublicKey, kshertest.OpnSecretKey, opn.WithBaseURL(server.URL), opn.WithHTTPClient(server.Client()))
	require.NoError(t, err)
	shop := byOpn{client}
	id, address, err := shop.create(t.Context(), o)
	require.NoError(t, err)
	assert.Equal(t, "has ended at once, and nothing has to be opened.", created(o, address, err))
	assert.Equal(t, "is not paid, invalid_account: the buyer has no account that can pay this way (other-way).", outcome(shop.wait(t.Context(), o, id)))
}
