package main

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/ksher-go/ksher"
	"github.com/ksher-go/ksher/internal/sandbox"
)

// alone runs the program with nobody to ask.
func alone(ctx context.Context, args ...string) (stdout, stderr string, err error) {
	var out, progress bytes.Buffer
	err = run(ctx, args, &screen{In: strings.NewReader(""), Out: &out, Err: &progress})
	return out.String(), progress.String(), err
}

func TestTrigger(t *testing.T) {
	var body, contentType, answer string
	shop := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		text, _ := io.ReadAll(r.Body)
		body, contentType = string(text), r.Header.Get("Content-Type")
		io.WriteString(w, answer)
	}))
	t.Cleanup(shop.Close)
	for state, result := range map[string]ksher.Result{
		"paid": ksher.ResultSuccess, "refunded": ksher.ResultRefund, "closed": ksher.ResultClosed, "failed": ksher.ResultPayError,
	} {
		t.Run(state, func(t *testing.T) {
			answer = `{"result":"SUCCESS","msg":"OK"}`
			out, _, err := alone(t.Context(), "trigger", state, "--to="+shop.URL, "--order=A-1", "--amount=12.34", "--currency=MYR", "--channel=alipay", "--app-id=mch35000", "--attach=a b")
			require.NoError(t, err)
			assert.Contains(t, out, "Accepted  yes")
			assert.Contains(t, out, "12.34 MYR")
			n, err := ksher.ParseNotification([]byte(body), sandbox.Verifier())
			require.NoError(t, err)
			o := n.Unconfirmed
			assert.Equal(t, "text/plain;charset=utf-8", contentType)
			assert.Equal(t, []any{"A-1", ksher.Amount(12_34), "MYR", ksher.ChannelAlipay, "mch35000", "a b", result},
				[]any{o.MchOrderNo, o.TotalFee, o.FeeType, o.Channel, o.AppID, o.Attach, o.Result})

			answer = `{"result":"FAIL","msg":"no"}`
			out, _, err = alone(t.Context(), "trigger", state, "--to="+shop.URL, "--json")
			assert.ErrorContains(t, err, "didn't accept it")
			assert.Equal(t, statusRefused, statusOf(err))
			var said map[string]any
			require.NoError(t, json.Unmarshal([]byte(out), &said))
			assert.Equal(t, []any{15050.0, "THB", "truemoney", string(result), 200.0, answer, false},
				[]any{said["total_fee"], said["fee_type"], said["channel"], said["result"], said["status"], said["text"], said["accepted"]})
			assert.NotEmpty(t, said["mch_order_no"])
		})
	}
}

func TestTriggerRefused(t *testing.T) {
	for name, tt := range map[string]struct {
		args   []string
		err    string
		status int
	}{
		"no address":  {[]string{"paid"}, "--to=URL", statusUsage},
		"bad address": {[]string{"paid", "--to=shop"}, "--to", statusUsage},
		"state":       {[]string{"open", "--to=http://127.0.0.1:1"}, "paid", statusUsage},
		"amount":      {[]string{"paid", "--to=http://127.0.0.1:1", "--amount=0"}, "--amount=0", statusUsage},
		"nobody":      {[]string{"paid", "--to=http://127.0.0.1:1"}, "gave no answer", statusRefused},
		"far away":    {[]string{"paid", "--to=http://192.0.2.1"}, "--allow-notify=192.0.2.1 allows it", statusRefused},
	} {
		t.Run(name, func(t *testing.T) {
			_, _, err := alone(t.Context(), append([]string{"trigger"}, tt.args...)...)
			assert.ErrorContains(t, err, tt.err)
			assert.Equal(t, tt.status, statusOf(err))
		})
	}
}
