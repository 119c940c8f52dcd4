package notice

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/ksher-go/ksher"
	"github.com/ksher-go/ksher/internal/sandbox"
)

// A body that is begun reaches the shop in part, and ends with the connection.
func TestBegin(t *testing.T) {
	for name, start := range map[string]func(http.Handler) *httptest.Server{"http": httptest.NewServer, "https": httptest.NewTLSServer} {
		t.Run(name, func(t *testing.T) {
			type came struct {
				path, part string
				err        error
			}
			ended := make(chan came, 1)
			shop := start(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
				text, err := io.ReadAll(r.Body)
				ended <- came{r.URL.String(), string(text), err}
			}))
			defer shop.Close()
			s, err := NewSender()
			require.NoError(t, err)
			if name == "https" {
				roots := x509.NewCertPool()
				roots.AddCert(shop.Certificate())
				s.transport.TLSClientConfig = &tls.Config{RootCAs: roots}
			}
			conn, err := s.Begin(t.Context(), shop.URL+"/notify?a=b", []byte(`{"code":`), 100)
			require.NoError(t, err)
			require.NoError(t, conn.Close())
			got := <-ended
			assert.Equal(t, []string{"/notify?a=b", `{"code":`}, []string{got.path, got.part})
			assert.ErrorIs(t, got.err, io.ErrUnexpectedEOF)
		})
	}
}

// A shop that takes connections and says nothing doesn't hold the test up.
func TestBeginSilence(t *testing.T) {
	silent, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer silent.Close()
	for name, end := range map[string]func(*Sender, context.CancelFunc){
		"patience":    func(s *Sender, _ context.CancelFunc) { s.Patience = 50 * time.Millisecond },
		"interrupted": func(_ *Sender, interrupt context.CancelFunc) { time.AfterFunc(50*time.Millisecond, interrupt) },
	} {
		t.Run(name, func(t *testing.T) {
			s, err := NewSender()
			require.NoError(t, err)
			ctx, interrupt := context.WithCancel(t.Context())
			defer interrupt()
			end(s, interrupt)
			_, err = s.Begin(ctx, "https://"+silent.Addr().String()+"/notify", []byte(`{"code":`), 100)
			assert.ErrorIs(t, err, os.ErrDeadlineExceeded)
		})
	}
}

func TestAnswer(t *testing.T) {
	for name, tt := range map[string]struct {
		status   int
		says     string
		text     string
		accepted bool
	}{
		"accepted":      {200, `{"result":"SUCCESS","msg":"OK"}`, `HTTP 200 {"result":"SUCCESS","msg":"OK"}`, true},
		"no message":    {200, `{"result":"SUCCESS"}`, `HTTP 200 {"result":"SUCCESS"}`, false},
		"other status":  {201, `{"result":"SUCCESS","msg":"OK"}`, `HTTP 201 {"result":"SUCCESS","msg":"OK"}`, false},
		"a word":        {200, "SUCCESS", "HTTP 200 SUCCESS", false},
		"terminal code": {500, "\x1b[31m", `HTTP 500 "\x1b[31m"`, false},
		"long":          {500, strings.Repeat("a", 1000), "HTTP 500 " + strings.Repeat("a", 200), false},
		"a redirect":    {302, "", "HTTP 302 ", false},
	} {
		t.Run(name, func(t *testing.T) {
			shop := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
				w.Header().Set("Location", "/elsewhere")
				w.WriteHeader(tt.status)
				io.WriteString(w, tt.says)
			}))
			defer shop.Close()
			s, err := NewSender()
			require.NoError(t, err)
			a, err := s.Post(t.Context(), shop.URL, nil)
			require.NoError(t, err)
			assert.Equal(t, tt.text, a.String())
			assert.Equal(t, tt.accepted, a.Accepted)
		})
	}
}

// What is filled in is told of every payment; what was given stays.
func TestFilled(t *testing.T) {
	at := time.Date(2026, 1, 2, 3, 4, 5, 0, time.FixedZone("UTC+7", 7*60*60))
	given := ksher.Order{AppID: "mch1", MchOrderNo: "A-1", KsherOrderNo: "K-1", TotalFee: 12_34, FeeType: "MYR", CashFee: 50_00, CashFeeType: "CNY", Rate: "4.05", TimeEnd: at}
	n, err := ksher.ParseNotification(sandbox.SignedResponse(Filled(given)), sandbox.Verifier())
	require.NoError(t, err)
	got := n.Unconfirmed
	assert.NotEmpty(t, got.PayMchOrderNo)
	assert.NotEmpty(t, got.ChannelOrderNo)
	assert.NotEmpty(t, got.OpenID)
	assert.Equal(t, []any{"mch1", "K-1", ksher.Amount(50_00), "CNY", "4.05"}, []any{got.AppID, got.KsherOrderNo, got.CashFee, got.CashFeeType, got.Rate})
	assert.True(t, at.Equal(got.TimeEnd))
	bare := Filled(ksher.Order{TotalFee: 1, FeeType: "THB"})
	assert.Equal(t, []any{sandbox.AppID, ksher.Amount(1), "THB"}, []any{bare.AppID, bare.CashFee, bare.CashFeeType})
	assert.False(t, bare.TimeEnd.IsZero())
}
