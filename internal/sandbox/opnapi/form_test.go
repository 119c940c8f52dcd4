package opnapi_test

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/ksher-go/ksher/internal/sandbox"
	"github.com/ksher-go/ksher/internal/sandbox/sandboxtest"
	"github.com/ksher-go/ksher/opn"
)

func TestOpnTakesJSON(t *testing.T) {
	gw := sandbox.New(t)
	post := func(path, key, body string) (int, string) {
		return sandboxtest.Ask(t, gw, "POST", strings.TrimPrefix(gw.OpnURL(), gw.URL())+path, body, "Authorization", basic(key+":"),
			"Content-Type", "application/json; charset=utf-8")
	}
	const public, secret = sandbox.OpnPublicKey, sandbox.OpnSecretKey
	status, body := post("/sources", public, `{"amount":150000,"currency":"THB","type":"mobile_banking_kbank","platform_type":null}`)
	require.Equal(t, 200, status, body)
	var source opn.Source
	require.NoError(t, json.Unmarshal([]byte(body), &source))
	assert.EqualValues(t, 1500_00, source.Amount)
	const start = `{"amount":150000,"currency":"THB","return_uri":"https://shop.example/done",`
	status, body = post("/charges", secret, start+`"metadata":{"order_no":"A-1","n":7},"source":"`+source.ID+`"}`)
	require.Equal(t, 200, status, body)
	assert.JSONEq(t, `{"order_no":"A-1","n":"7"}`, string(gw.OpnCharges()[0].Metadata))
	status, body = post("/charges", secret, start+`"source":{"type":"mobile_banking_kbank","platform_type":"IOS"}}`)
	require.Equal(t, 200, status, body)
	assert.Equal(t, opn.PlatformTypeIOS, gw.OpnCharges()[1].Source.PlatformType.V)
	status, body = post("/charges", secret, start+`"source":{"type":"mobile_banking_kbank"},"webhook_endpoints":["https://shop.example/hook"],"metadata":{"a":{"b":true},"c":1}}`)
	require.Equal(t, 200, status, body)
	assert.JSONEq(t, `{"a":{"b":"true"},"c":"1"}`, string(gw.OpnCharges()[2].Metadata))
	log := gw.Requests()
	assert.Equal(t, []string{"https://shop.example/hook"}, log[len(log)-1].Params["webhook_endpoints[]"])
	assert.Equal(t, []string{"true"}, log[len(log)-1].Params["metadata[a][b]"])
	deep := `{"a":` + strings.Repeat(`[`, 30_000) + strings.Repeat(`]`, 30_000) + `}`
	for _, body := range []string{"", deep, "[]", "{", `{"amount":[1]}`, `{"source":{"type":{}}}`, "amount=150000", "{}{}", `{"amount":1500.5}`} {
		status, answer := post("/charges", secret, body)
		assert.Equal(t, 400, status, body)
		assert.Contains(t, answer, `"code":"bad_request"`, body)
	}
	assert.Len(t, gw.OpnCharges(), 3)
}
