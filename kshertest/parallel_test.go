package kshertest

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"io"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"

	"github.com/ksher-go/ksher"
	"github.com/ksher-go/ksher/internal/sandbox"
	"github.com/ksher-go/ksher/opn"
)

// Gateways share nothing that changes, which the race detector sees. Every operation of
// every protocol is called at once on each of several gateways, and every page is opened.
func TestEveryOperationInParallel(t *testing.T) {
	var asking sync.WaitGroup
	defer asking.Wait()
	for range 4 {
		gw := New(t)
		asking.Go(func() { callEverything(t, gw) })
	}
}

func callEverything(t *testing.T, gw *Gateway) {
	// A fault that changes nothing is left over where an operation wasn't called.
	for _, name := range gw.sandbox.Operations() {
		if name != "notify" {
			assert.NoError(t, gw.Inject(Fault{Operation: name, Kind: FaultLatency, Delay: 1}))
		}
	}
	var calling sync.WaitGroup
	for name, call := range calls {
		calling.Go(func() {
			refused := new(ksher.Error)
			if err := call(t.Context(), gw.Client); err != nil {
				assert.ErrorAs(t, err, &refused, name)
				assert.NoError(t, refused.Err, name)
			}
		})
	}
	for api, params := range vipParams {
		calling.Go(func() { callVIP(t, gw, api, params) })
	}
	calling.Go(func() { callVIPReports(t, gw) })
	calling.Go(func() { callOpn(t, gw) })
	calling.Go(func() { openPages(t, gw) })
	calling.Go(func() { gw.Advance(time.Second) })
	calling.Wait()
	assert.Empty(t, gw.sandbox.Faults())
}

// vipParams make an order at each API of vip.ksher.net.
var vipParams = map[string]map[string]any{
	"redirect": {"amount": 100, "redirect_url": "https://shop.example/ok", "redirect_url_fail": "https://shop.example/no", "channel": "truemoney"},
	"cscanb":   {"amount": 100, "channel": "truemoney"},
	"bscanc":   {"amount": 100, "auth_code": "280000000000000000"},
	"miniapp":  {"amount": 100, "channel": "wechat", "miniapp_openid": "o", "miniapp_appid": "a"},
	"app":      {"amount": 100, "channel": "alipay"},
}

func callVIP(t *testing.T, gw *Gateway, api string, params map[string]any) {
	path := "/api/v1/" + api + "/orders"
	params = maps.Clone(params)
	params["merchant_order_id"] = "V-" + api
	assert.Equal(t, "SUCCESS", askVIP(t, gw, http.MethodPost, path, params), api)
	assert.NotEmpty(t, askVIP(t, gw, http.MethodGet, path+"/V-"+api, nil), api)
	if api != "bscanc" { // Which is paid already.
		assert.NoError(t, gw.Pay("V-"+api, ""))
	}
	refund := map[string]any{"refund_order_id": "R-" + api, "refund_amount": 100}
	assert.Equal(t, "REFUNDED", askVIP(t, gw, http.MethodPut, path+"/V-"+api, refund), api)
	assert.Equal(t, "FAIL", askVIP(t, gw, http.MethodDelete, path+"/V-"+api, map[string]any{}), api)
}

func callVIPReports(t *testing.T, gw *Gateway) {
	const path = "/api/v1/finance/settlements/"
	mid := map[string]any{"mid": AppID, "channel": "card"}
	assert.Equal(t, "SUCCESS", askVIP(t, gw, http.MethodGet, path+"channels", map[string]any{"mid": AppID}))
	assert.Equal(t, "SUCCESS", askVIP(t, gw, http.MethodGet, path+"order/20200101", mid))
	assert.Empty(t, askVIP(t, gw, http.MethodGet, path+"20200101", mid), "there is none")
	assert.Empty(t, askVIP(t, gw, http.MethodGet, path+"settlement_order", map[string]any{"reference_id": "20200101-card", "offset": 0, "limit": 10}))
}

// askVIP makes a signed request and returns the error_code of the answer.
func askVIP(t *testing.T, gw *Gateway, method, path string, params map[string]any) string {
	all := maps.Clone(params)
	if all == nil {
		all = make(map[string]any)
	}
	all["timestamp"] = "1"
	text, query := path, url.Values{}
	for _, name := range slices.Sorted(maps.Keys(all)) {
		value, err := json.Marshal(all[name])
		assert.NoError(t, err)
		query.Set(name, strings.Trim(string(value), `"`))
		text += name + query.Get(name)
	}
	mac := hmac.New(sha256.New, []byte(sandbox.VIPToken))
	io.WriteString(mac, text)
	all["signature"] = strings.ToUpper(hex.EncodeToString(mac.Sum(nil)))
	query.Set("signature", all["signature"].(string))
	body, err := json.Marshal(all)
	assert.NoError(t, err)
	address := gw.URL() + path
	if method == http.MethodGet {
		address, body = address+"?"+query.Encode(), nil
	}
	var said struct {
		ErrorCode string `json:"error_code"`
	}
	assert.NoError(t, json.Unmarshal(send(t, gw, method, address, string(body)), &said))
	return said.ErrorCode
}

func callOpn(t *testing.T, gw *Gateway) {
	source := url.Values{"amount": {"10000"}, "currency": {"THB"}, "type": {"mobile_banking_kbank"}}.Encode()
	address := strings.Replace(gw.sandbox.OpnURL(), "://", "://"+sandbox.OpnPublicKey+"@", 1) + "/sources"
	assert.Contains(t, string(send(t, gw, http.MethodPost, address, source)), `"object":"source"`)
	charge, err := gw.Opn.CreateChargeWithSource(t.Context(), &opn.CreateChargeWithSourceRequest{Amount: 100_00, Currency: "THB", ReturnURI: "https://shop.example"})
	if assert.NoError(t, err) {
		assert.NoError(t, gw.PayOpn(charge.ID))
		_, err = gw.Opn.GetCharge(t.Context(), charge.ID)
		assert.NoError(t, err)
		assert.Contains(t, string(send(t, gw, http.MethodGet, address+"/"+charge.Source.ID, "")), `"charge_status":"successful"`)
		list := strings.Replace(gw.sandbox.OpnURL(), "://", "://"+sandbox.OpnSecretKey+"@", 1) + "/charges"
		assert.Contains(t, string(send(t, gw, http.MethodGet, list, "")), charge.ID)
		assert.Contains(t, string(send(t, gw, http.MethodGet, charge.AuthorizeURI, "")), "Paid")
	}
}

func openPages(t *testing.T, gw *Gateway) {
	for _, path := range []string{"/", "/requests", "/faults", "/setup", "/control/orders", "/control/faults", "/control/requests", "/pc", "/ua", "/ua/page.css"} {
		assert.NotEmpty(t, send(t, gw, http.MethodGet, gw.URL()+path, ""), path)
	}
	for _, o := range gw.sandbox.Orders() {
		assert.NotEmpty(t, send(t, gw, http.MethodGet, gw.URL()+"/order?no="+url.QueryEscape(o.MchOrderNo), ""))
	}
}

// send makes a request and returns the body of the answer.
func send(t *testing.T, gw *Gateway, method, address, body string) []byte {
	req, err := http.NewRequestWithContext(t.Context(), method, address, strings.NewReader(body))
	if !assert.NoError(t, err) {
		return nil
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	resp, err := gw.HTTPClient().Do(req)
	if !assert.NoError(t, err) {
		return nil
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	assert.NoError(t, err)
	return text
}
