package sandboxtest

import (
	"context"
	"crypto"
	"crypto/md5"
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/ksher-go/ksher"
	"github.com/ksher-go/ksher/internal/sandbox"
)

// GatewayPay is a request for an order of 150.50 THB with a page, by those channels.
func GatewayPay(no string, channels ...ksher.Channel) *ksher.GatewayPayRequest {
	if len(channels) == 0 {
		channels = []ksher.Channel{ksher.ChannelTrueMoney, ksher.ChannelCard, ksher.ChannelPromptPay}
	}
	return &ksher.GatewayPayRequest{
		MchOrderNo: no, MchCode: no, TotalFee: 150_50, FeeType: "THB", ChannelList: channels,
		ProductName: "Two bags of coffee", ReferURL: "https://shop.example/cart",
		MchRedirectURL: "https://shop.example/thanks", MchRedirectURLFail: "https://shop.example/sorry",
	}
}

// NativePay is a request for an order of 40 THB with a QR code.
func NativePay(no string, channel ksher.Channel) *ksher.NativePayRequest {
	return &ksher.NativePayRequest{MchOrderNo: no, TotalFee: 40_00, FeeType: "THB", Channel: channel}
}

// GatewayState is what a query answers about an order with a page.
func GatewayState(t *testing.T, gw *sandbox.Gateway, no string) *ksher.GatewayOrderQueryResponse {
	t.Helper()
	state, err := gw.Client.GatewayOrderQuery(t.Context(), &ksher.GatewayOrderQueryRequest{MchOrderNo: no})
	require.NoError(t, err)
	return state
}

// Notifications is the handler of a merchant whose books have what the gateway has.
func Notifications(tb testing.TB, gw *sandbox.Gateway, paid func(context.Context, *ksher.Order) error) *ksher.Notifications {
	tb.Helper()
	payments, err := ksher.NewPayments(gw.Client, paid)
	require.NoError(tb, err)
	n, err := payments.Notifications(func(_ context.Context, mchOrderNo string) (ksher.OpenOrder, error) {
		order, err := gw.Order(mchOrderNo)
		if err != nil {
			return ksher.OpenOrder{}, ksher.ErrNotOurs
		}
		host := ksher.HostMerchant
		if order.PayMchOrderNo != "" {
			host = ksher.HostGateway
		}
		return ksher.OpenOrder{MchOrderNo: mchOrderNo, Host: host, TotalFee: order.TotalFee, FeeType: order.FeeType}, nil
	})
	require.NoError(tb, err)
	return n
}

// Ask makes a request to the gateway and returns the status and the body.
func Ask(t *testing.T, gw *sandbox.Gateway, method, path, body string, header ...string) (int, string) {
	t.Helper()
	req, err := http.NewRequest(method, gw.URL()+path, strings.NewReader(body))
	require.NoError(t, err)
	for i := 0; i < len(header); i += 2 {
		if req.Header.Set(header[i], header[i+1]); header[i] == "Host" {
			req.Host = header[i+1]
		}
	}
	resp, err := gw.HTTPClient().Do(req)
	require.NoError(t, err)
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	require.NoError(t, err)
	return resp.StatusCode, string(text)
}

// Shop is a merchant that keeps what it was sent and answers as told.
type Shop struct {
	*httptest.Server
	Bodies []string
	Answer string
}

// NewShop returns a shop that accepts notifications.
func NewShop(t *testing.T) *Shop {
	s := &Shop{Answer: `{"result":"SUCCESS","msg":"OK"}`}
	s.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		assert.NoError(t, err)
		s.Bodies = append(s.Bodies, string(body))
		io.WriteString(w, s.Answer)
	}))
	t.Cleanup(s.Close)
	return s
}

// PaidOrder creates and pays an order whose notification goes to the target.
func PaidOrder(t *testing.T, gw *sandbox.Gateway, no, target string) {
	t.Helper()
	req := GatewayPay(no)
	req.MchNotifyURL = target
	_, err := gw.Client.GatewayPay(t.Context(), req)
	require.NoError(t, err)
	require.NoError(t, gw.Pay(no, ""))
}

// AskSigned sends parameters, correctly signed, to the path of an operation, and returns the
// answer as it came.
func AskSigned(t *testing.T, gw *sandbox.Gateway, path string, params map[string]string) string {
	t.Helper()
	return postSigned(t, gw, gw.URL()+path, params)
}

// PostSigned sends parameters that the client of this project would refuse to
// send, correctly signed, and returns the code of the answer.
func PostSigned(t *testing.T, gw *sandbox.Gateway, address string, params map[string]string) ksher.Code {
	t.Helper()
	var answer struct {
		Code int
		Msg  string
		Data struct {
			ErrCode string `json:"err_code"`
		}
	}
	require.NoError(t, json.Unmarshal([]byte(postSigned(t, gw, address, params)), &answer))
	if answer.Code != 0 {
		return ksher.Code(answer.Msg)
	}
	return ksher.Code(answer.Data.ErrCode)
}

func postSigned(t *testing.T, gw *sandbox.Gateway, address string, params map[string]string) string {
	t.Helper()
	all := map[string]string{"appid": sandbox.AppID, "nonce_str": rand.Text(), "time_stamp": "20261121100000"}
	maps.Copy(all, params)
	form := make(url.Values)
	var pairs []string
	for name, value := range all {
		form.Set(name, value)
		pairs = append(pairs, name+"="+value)
	}
	slices.Sort(pairs)
	digest := md5.Sum([]byte(strings.Join(pairs, "")))
	sign, err := sandbox.PrivateKey().Sign(nil, digest[:], crypto.MD5)
	require.NoError(t, err)
	form.Set("sign", hex.EncodeToString(sign))
	resp, err := gw.HTTPClient().Post(address, "application/x-www-form-urlencoded", strings.NewReader(form.Encode()))
	require.NoError(t, err)
	defer resp.Body.Close()
	require.Equal(t, http.StatusOK, resp.StatusCode)
	text, err := io.ReadAll(resp.Body)
	require.NoError(t, err)
	return string(text)
}

// Query is what the merchant host answers about an order.
func Query(t *testing.T, gw *sandbox.Gateway, no string) ksher.Order {
	t.Helper()
	answer, err := gw.Client.OrderQuery(t.Context(), &ksher.OrderQueryRequest{MchOrderNo: no})
	require.NoError(t, err)
	return answer.Order
}
