package clients

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/ksher-go/ksher/e2e/npm"
	"github.com/ksher-go/ksher/internal/sandbox"
	"github.com/ksher-go/ksher/opn"
)

// opnError is an error object of Opn's.
type opnError struct{ Object, Code, Message string }

// list is a page of charges.
type list struct {
	Object               string
	Data                 []opn.Charge
	Limit, Offset, Total int
}

// event is an event of Opn's.
type event struct {
	Key  string
	Data opn.Charge
}

func TestOmiseForNode(t *testing.T) {
	modules := npm.Install(t, ".")
	for _, version := range []string{"", opn.APIVersion, "2019-05-29"} {
		t.Run("version "+version, func(t *testing.T) {
			events := make(chan event, 10)
			shop := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
				body, err := io.ReadAll(r.Body)
				assert.NoError(t, err)
				var e event
				assert.NoError(t, json.Unmarshal(body, &e))
				events <- e
			}))
			defer shop.Close()
			gw, err := sandbox.Start()
			require.NoError(t, err)
			defer gw.Close()
			require.NoError(t, gw.SetOpnWebhook(shop.URL))

			cmd := exec.CommandContext(t.Context(), "node", "omise.js")
			cmd.Env = append(os.Environ(), "GATEWAY="+gw.URL(), "OMISE="+filepath.Join(modules, "omise"), "VERSION="+version,
				"PUBLIC_KEY="+sandbox.OpnPublicKey, "SECRET_KEY="+sandbox.OpnSecretKey)
			cmd.Stderr = os.Stderr
			out, err := cmd.Output()
			require.NoError(t, err, "%s", out)
			var said struct {
				Source, Charged        opn.Source
				Charge, Both, Paid     opn.Charge
				All, Last              list
				Unknown, Refunds, Dear opnError
			}
			require.NoError(t, json.Unmarshal(out, &said), "%s", out)

			assert.Equal(t, opn.StatusUnknown, said.Source.ChargeStatus)
			assert.Equal(t, opn.StatusSuccessful, said.Charged.ChargeStatus)
			assert.Equal(t, said.Source.ID, said.Charge.Source.ID)
			assert.Equal(t, opn.StatusPending, said.Charge.Status)
			assert.JSONEq(t, `{"order":"A-1","lines":"2"}`, string(said.Charge.Metadata))
			assert.Equal(t, `"Order 1"`, string(said.Charge.Description))
			require.NoError(t, said.Paid.CheckPaid(1500_00))
			assert.Equal(t, []any{"list", 2, 20}, []any{said.All.Object, said.All.Total, said.All.Limit})
			require.Len(t, said.Last.Data, 1)
			assert.Equal(t, said.Both.ID, said.Last.Data[0].ID)
			for want, got := range map[string]opnError{"charge": said.Unknown, "path": said.Refunds, "amount": said.Dear} {
				assert.Equal(t, "error", got.Object)
				assert.Contains(t, got.Message, want)
			}

			var told []string
			for range 3 {
				e := <-events
				told = append(told, fmt.Sprint(e.Key, " ", e.Data.ID))
			}
			assert.Equal(t, []string{"charge.create " + said.Charge.ID, "charge.create " + said.Both.ID, "charge.complete " + said.Charge.ID}, told)
			assert.Equal(t, "a currency in small letters was accepted, as the real gateway seems to; the documentation wants THB",
				gw.Requests()[0].Notes[0])
		})
	}
}
