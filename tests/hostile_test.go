package tests

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"context"
	"crypto"
	"crypto/md5"
	"crypto/rsa"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/ksher-go/ksher"
	"github.com/ksher-go/ksher/internal/fault"
	"github.com/ksher-go/ksher/internal/testkit"
)

// pipes is a network in memory, whose deadlines go by the clock of a synctest
// bubble.
type pipes struct {
	conns  chan net.Conn
	closed chan struct{}
	close  func()
}

func (p *pipes) Accept() (net.Conn, error) {
	select {
	case conn := <-p.conns:
		return conn, nil
	case <-p.closed:
		return nil, net.ErrClosed
	}
}

func (p *pipes) Close() error { p.close(); return nil }

func (p *pipes) Addr() net.Addr { return &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1)} }

func (p *pipes) dial(context.Context, string, string) (net.Conn, error) {
	here, there := net.Pipe()
	select {
	case p.conns <- there:
		return here, nil
	case <-p.closed:
		return nil, net.ErrClosed
	}
}

// serveOnPipes starts net/http's server. The caller calls end, which waits for
// every connection to be done.
func serveOnPipes(handler http.Handler) (p *pipes, end func()) {
	closed := make(chan struct{})
	p = &pipes{conns: make(chan net.Conn), closed: closed, close: sync.OnceFunc(func() { close(closed) })}
	server := &http.Server{Handler: handler, ReadHeaderTimeout: 5 * time.Second, ErrorLog: slog.NewLogLogger(slog.DiscardHandler, slog.LevelError)}
	var running sync.WaitGroup
	running.Go(func() { server.Serve(p) })
	return p, func() {
		server.Shutdown(context.Background())
		running.Wait()
	}
}

// sender is a connection to a webhook, on which a test does what it likes.
type sender struct {
	net.Conn
	r *bufio.Reader
}

func (p *pipes) sender(t *testing.T) *sender {
	t.Helper()
	conn, err := p.dial(t.Context(), "", "")
	require.NoError(t, err)
	return &sender{conn, bufio.NewReader(conn)}
}

func (s *sender) send(t *testing.T, text string) {
	t.Helper()
	_, err := io.WriteString(s, text)
	require.NoError(t, err)
}

func (s *sender) answer(t *testing.T) (status int, body string) {
	t.Helper()
	resp, err := http.ReadResponse(s.r, nil)
	require.NoError(t, err)
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	require.NoError(t, err)
	return resp.StatusCode, string(text)
}

func head(method string, size int) string {
	return fmt.Sprintf("%s /notify HTTP/1.1\r\nHost: shop.example\r\nContent-Length: %d\r\n\r\n", method, size)
}

const webhookReadTime = 10 * time.Second

// A sender that stops in the middle holds a connection for 10 seconds and no
// longer: not while the body is read, nor while the server looks for its end.
func TestSlowBody(t *testing.T) {
	good := testkit.Notified(t, testkit.OrderNo)
	fn := func(context.Context, *ksher.Order) error { return errors.New("fn was called") }
	tests := []struct {
		name   string
		send   string
		status int
	}{
		{"one byte", head("POST", 1000) + "{", 400},
		{"no byte", head("POST", 1000), 400},
		{"all but one byte", head("POST", len(good)) + good[:len(good)-1], 400},
		{"in a chunk", "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nff\r\n{", 400},
		{"between chunks", "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n1\r\n{\r\n", 400},
		{"of another method", head("PUT", 1000) + "{", 405},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				log := &testkit.LogBuffer{}
				client := testkit.OfflineClient(t, testkit.AppID, testkit.Recording(paying(t)), testkit.TrustTestKey(t), ksher.WithLogger(log.Logger(slog.LevelDebug)))
				handler := testkit.NotificationsOf(t, client, ksher.HostMerchant, fn)
				network, end := serveOnPipes(handler)
				defer end()
				conn := network.sender(t)
				defer conn.Close()
				conn.send(t, tt.send)
				start := time.Now()
				status, body := conn.answer(t)
				assert.Equal(t, webhookReadTime, time.Since(start))
				assert.Equal(t, tt.status, status)
				assert.Contains(t, body, `"result":"FAIL"`)
				_, err := conn.r.ReadByte()
				require.ErrorIs(t, err, io.EOF, "the connection is closed")
				assert.LessOrEqual(t, time.Since(start), webhookReadTime+time.Second)
				if tt.status == 400 {
					require.Len(t, refusals(t, log), 1)
					assert.Equal(t, "it could not be read", refusals(t, log)[0].Reason)
				}
			})
		})
	}
}

// Who sends slowly, but not too slowly, is served, and so is who comes again on
// the same connection. fn may take its time, also where a middleware has read the
// body before.
func TestBodyInTime(t *testing.T) {
	t.Run("by the handler", func(t *testing.T) { testBodyInTime(t, func(h http.Handler) http.Handler { return h }) })
	t.Run("by a middleware", func(t *testing.T) {
		testBodyInTime(t, func(h http.Handler) http.Handler {
			return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				body, err := io.ReadAll(r.Body)
				assert.NoError(t, err)
				r.Body = io.NopCloser(bytes.NewReader(body))
				h.ServeHTTP(w, r)
			})
		})
	})
}

func testBodyInTime(t *testing.T, behind func(http.Handler) http.Handler) {
	synctest.Test(t, func(t *testing.T) {
		client := testkit.OfflineClient(t, testkit.AppID, testkit.Recording(paying(t)), testkit.TrustTestKey(t))
		var gone error
		network, end := serveOnPipes(behind(testkit.NotificationsOf(t, client, ksher.HostMerchant, func(ctx context.Context, _ *ksher.Order) error {
			select {
			case <-time.After(time.Minute):
			case <-ctx.Done():
				gone = ctx.Err()
			}
			return gone
		})))
		defer end()
		conn := network.sender(t)
		defer conn.Close()
		for i := range 3 {
			good := testkit.Notified(t, fmt.Sprintf("order%d", i))
			conn.send(t, head("POST", len(good)))
			for part := range 9 {
				conn.send(t, good[len(good)*part/9:len(good)*(part+1)/9])
				time.Sleep(time.Second)
			}
			status, body := conn.answer(t)
			assert.Equal(t, 200, status)
			assert.Equal(t, testkit.Accepted, body)
			time.Sleep(time.Minute)
		}
		// fn is still told that the sender has gone.
		good := testkit.Notified(t, "order4")
		conn.send(t, head("POST", len(good))+good)
		synctest.Wait()
		require.NoError(t, gone)
		conn.Close()
		synctest.Wait()
		require.ErrorIs(t, gone, context.Canceled)
	})
}

// Thousands who send garbage, or nothing, keep nobody else from being served, and
// all are gone after a while.
func TestGarbageFromThousands(t *testing.T) {
	const senders = 2000
	good := testkit.Notified(t, testkit.OrderNo)
	garbage := []string{
		head("POST", 64<<10) + "{",
		head("POST", 64<<10) + strings.Repeat("[", 32<<10),
		head("POST", len(good)) + good[:len(good)/2],
		head("POST", 12) + "mch_order_no",
		head("POST", 3) + "\xff\xfe\x00",
		head("GET", 0),
		"POST /notify HTTP/1.1\r\nHost: shop",
		"\x16\x03\x01\x02\x00\x01\x00",
		"",
	}
	synctest.Test(t, func(t *testing.T) {
		log := &testkit.LogBuffer{}
		client := testkit.OfflineClient(t, testkit.AppID, testkit.Recording(paying(t)), testkit.TrustTestKey(t), ksher.WithLogger(log.Logger(slog.LevelDebug)))
		calls := 0
		network, end := serveOnPipes(testkit.NotificationsOf(t, client, ksher.HostMerchant, func(context.Context, *ksher.Order) error { calls++; return nil }))
		defer end()
		var group sync.WaitGroup
		ended := 0
		var mu sync.Mutex
		memory := allocated(func() {
			for i := range senders {
				group.Go(func() {
					conn := network.sender(t)
					defer conn.Close()
					conn.SetDeadline(time.Now().Add(time.Hour))
					var sending sync.WaitGroup
					sending.Go(func() { io.WriteString(conn, garbage[i%len(garbage)]) })
					text, _ := io.ReadAll(conn.r)
					assert.NotContains(t, string(text), "SUCCESS")
					conn.Close()
					sending.Wait()
					mu.Lock()
					defer mu.Unlock()
					ended++
				})
			}
			synctest.Wait()
		})
		assert.Less(t, memory, uint64(senders*256<<10))

		// All of them are there, and the genuine one comes.
		mu.Lock()
		assert.Less(t, ended, senders)
		mu.Unlock()
		conn := network.sender(t)
		start := time.Now()
		conn.send(t, head("POST", len(good))+good)
		status, body := conn.answer(t)
		assert.Equal(t, 200, status)
		assert.Equal(t, testkit.Accepted, body)
		assert.Zero(t, time.Since(start))
		conn.Close()

		// An idle connection with its requests answered is the server's to limit.
		time.Sleep(time.Minute)
		end()
		group.Wait()
		assert.Equal(t, senders, ended)
		assert.Equal(t, 1, calls)
		assert.NotEmpty(t, refusals(t, log))
		for _, line := range refusals(t, log) {
			assert.Empty(t, line.OrderNo)
		}
	})
}

// A gateway that sends byte after byte is left after the time of the call.
func TestSlowAnswer(t *testing.T) {
	for _, op := range testkit.Operations() {
		t.Run(op.Name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				network, end := serveOnPipes(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
					io.WriteString(w, `{"code":0,"msg":"`)
					for r.Context().Err() == nil {
						io.WriteString(w, "a")
						w.(http.Flusher).Flush()
						time.Sleep(time.Second)
					}
				}))
				defer end()
				transport := &http.Transport{DialContext: network.dial}
				defer transport.CloseIdleConnections()
				for _, tt := range []struct {
					timeout, own, want time.Duration
				}{
					{30*time.Second + time.Millisecond, time.Hour, 30*time.Second + time.Millisecond},
					{time.Hour, 5*time.Second + time.Millisecond, 5*time.Second + time.Millisecond},
				} {
					client := testkit.OverTransport(t, transport, ksher.WithGatewayURL("http://127.0.0.1"), ksher.WithMerchantURL("http://127.0.0.1"), ksher.WithTimeout(tt.timeout))
					ctx, cancel := context.WithTimeout(t.Context(), tt.own)
					start := time.Now()
					_, err := op.Call(ctx, client, ksher.Extra{})
					cancel()
					assert.Equal(t, tt.want, time.Since(start))
					checkFailure(t, op, err, http.StatusOK, true, testkit.Errs(context.DeadlineExceeded))
				}
			})
		})
	}
}

// A megabyte that is a gigabyte when it is unpacked.
func TestGzipBomb(t *testing.T) {
	const megabyte = 1 << 20
	var member bytes.Buffer
	pack := gzip.NewWriter(&member)
	pack.Write(bytes.Repeat([]byte(" "), megabyte))
	require.NoError(t, pack.Close())
	// Members of a gzip stream follow one another.
	bomb := bytes.Repeat(member.Bytes(), 1024)
	require.Less(t, len(bomb), 2*megabyte)

	t.Run("from the gateway", func(t *testing.T) {
		asked := ""
		client := testkit.NewClient(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			asked = r.Header.Get("Accept-Encoding")
			w.Header().Set("Content-Encoding", "gzip")
			w.Write(bomb)
		}))
		var err error
		memory := allocated(func() { _, err = client.OrderQuery(t.Context(), &ksher.OrderQueryRequest{MchOrderNo: testkit.OrderNo}) })
		require.ErrorIs(t, err, fault.ErrTooLarge)
		assert.Contains(t, asked, "gzip", "or else it proves nothing")
		assert.Less(t, memory, fewBytes)
	})
	t.Run("as a notification", func(t *testing.T) {
		m := testkit.NewMerchant(t, testkit.ByOperation{}, nil)
		for _, body := range [][]byte{bomb, member.Bytes()} {
			r := httptest.NewRequest(http.MethodPost, "/", bytes.NewReader(body))
			r.Header.Set("Content-Encoding", "gzip")
			w := httptest.NewRecorder()
			memory := allocated(func() { m.Handler.ServeHTTP(w, r) })
			assert.GreaterOrEqual(t, w.Code, 400)
			assert.Less(t, memory, uint64(megabyte), "nothing is unpacked")
		}
	})
}

// Whatever comes beside the body is nobody's business.
func TestHeadersOfANotification(t *testing.T) {
	m := testkit.NewMerchant(t, paying(t), nil)
	r := httptest.NewRequest(http.MethodPost, "/?result=FAIL&mch_order_no=order2", strings.NewReader(testkit.Notified(t, testkit.OrderNo)))
	for i := range 10_000 {
		r.Header.Set(fmt.Sprintf("X-Padding-%d", i), strings.Repeat("\xff", 1000))
	}
	r.Header.Set("Content-Type", "multipart/form-data; boundary=\x00")
	r.Header.Set("Content-Length", "-1")
	r.Header.Set("Ksher-Sign-Version", "V2")
	r.RemoteAddr, r.Host, r.ContentLength = "", "\r\n", -1
	w := httptest.NewRecorder()
	memory := allocated(func() { m.Handler.ServeHTTP(w, r) })
	assert.Equal(t, testkit.Accepted, w.Body.String())
	assert.Less(t, memory, uint64(10<<20))
	assert.NotContains(t, m.Log.Text(), "Padding")
	n := <-m.Got
	assert.Equal(t, testkit.OrderNo, n.MchOrderNo)
	assert.Equal(t, ksher.ResultSuccess, n.Result)
}

// hostileData has data that must not be believed whoever signed which reading of
// it, and data that is odd and means what it says.
func TestHostileData(t *testing.T) {
	const rest = `"appid":"mch12345","mch_order_no":"order1","fee_type":"THB",`
	text := func(result, total string) string {
		return "appid=mch12345fee_type=THBmch_order_no=order1result=" + result + "total_fee=" + total
	}
	twice := []string{
		text("SUCCESS", "100"), text("NOTPAY", "100"),
		strings.Replace(text("SUCCESS", "100"), "result=", "result=NOTPAYresult=", 1),
		"Result=NOTPAY" + text("SUCCESS", "100"), "Result=SUCCESS" + text("NOTPAY", "100"),
		"RESULT=SUCCESS" + text("NOTPAY", "100"), "RESULT=NOTPAY" + text("SUCCESS", "100"),
	}
	amount := func(total string) string { return `{` + rest + `"result":"SUCCESS","total_fee":` + total + `}` }
	notJSON, field := testkit.Errs(fault.ErrNotJSON), testkit.Errs(fault.ErrField)
	deep := func(n int) string { return strings.Repeat("[", n) + strings.Repeat("]", n) }
	refuse := []struct {
		name string
		data string
		// signed are the texts that are signed, one after the other.
		signed []string
		want   []error
	}{
		{"result twice", `{` + rest + `"result":"SUCCESS","result":"NOTPAY","total_fee":100}`, twice, notJSON},
		{"result twice, the other way round", `{` + rest + `"result":"NOTPAY","result":"SUCCESS","total_fee":100}`, twice, notJSON},
		{"result twice, the same", `{` + rest + `"result":"SUCCESS","result":"SUCCESS","total_fee":100}`, twice, notJSON},
		{"result twice, one escaped", `{` + rest + `"result":"NOTPAY","r\u0065sult":"SUCCESS","total_fee":100}`, twice, notJSON},
		{"result twice, one escaped, the other way round", `{` + rest + `"\u0072esult":"SUCCESS","result":"NOTPAY","total_fee":100}`, twice, notJSON},
		{"result twice, one escaped in full", `{` + rest + `"\u0072\u0065\u0073\u0075\u006C\u0074":"SUCCESS","result":"NOTPAY","total_fee":100}`, twice, notJSON},
		{"result twice, one with a capital", `{` + rest + `"Result":"NOTPAY","result":"SUCCESS","total_fee":100}`, twice, notJSON},
		{"result twice, one with a capital, the other way round", `{` + rest + `"result":"NOTPAY","Result":"SUCCESS","total_fee":100}`, twice, notJSON},
		{"result twice, one in capitals", `{` + rest + `"RESULT":"SUCCESS","result":"NOTPAY","total_fee":100}`, twice, notJSON},
		{"result twice, one in escaped capitals", `{` + rest + `"\u0052ESULT":"SUCCESS","result":"NOTPAY","total_fee":100}`, twice, notJSON},
		{"result twice, one with a long s", `{` + rest + `"re` + "ſ" + `ult":"SUCCESS","result":"NOTPAY","total_fee":100}`, twice, notJSON},
		{"sign twice", `{"sign":"a","sign":"b",` + rest + `"result":"SUCCESS","total_fee":100}`, []string{text("SUCCESS", "100")}, notJSON},
		{"a name twice, deep down", `{"attach":{"a":1,"a":2},` + rest + `"result":"SUCCESS","total_fee":100}`, nil, notJSON},
		{"a name with an equals sign", `{"attach=x":"",` + rest + `"result":"SUCCESS","total_fee":100}`, nil, notJSON},
		{"a name with an escaped equals sign", `{"attach\u003dx":"",` + rest + `"result":"SUCCESS","total_fee":100}`, nil, notJSON},
		{"an empty name", `{"":"attach",` + rest + `"result":"SUCCESS","total_fee":100}`, nil, notJSON},

		{"not UTF-8", `{"attach":"` + "\xff" + `",` + rest + `"result":"SUCCESS","total_fee":100}`, nil, notJSON},
		{"not UTF-8 in a name", `{"attach` + "\xc3" + `":"",` + rest + `"result":"SUCCESS","total_fee":100}`, nil, notJSON},
		{"not UTF-8 deep down", `{"attach":[{"a":"` + "\xed\xa0\x80" + `"}],` + rest + `"result":"SUCCESS","total_fee":100}`, nil, notJSON},
		{"an overlong slash", `{"attach":"` + "\xc0\xaf" + `",` + rest + `"result":"SUCCESS","total_fee":100}`, nil, notJSON},
		{"an overlong quote", `{"attach":"` + "\xc0\xa2" + `",` + rest + `"result":"SUCCESS","total_fee":100}`, nil, notJSON},
		{"half a surrogate pair", `{"attach":"\ud83c",` + rest + `"result":"SUCCESS","total_fee":100}`, nil, notJSON},
		{"the other half", `{"attach":"\udf75",` + rest + `"result":"SUCCESS","total_fee":100}`, nil, notJSON},
		{"a surrogate pair in the wrong order", `{"attach":"\udf75\ud83c",` + rest + `"result":"SUCCESS","total_fee":100}`, nil, notJSON},
		{"a zero byte", `{"attach":"` + "\x00" + `",` + rest + `"result":"SUCCESS","total_fee":100}`, nil, notJSON},
		{"a line end in a text", `{"attach":"` + "\n" + `",` + rest + `"result":"SUCCESS","total_fee":100}`, nil, notJSON},

		{"nested 31 deep in data", `{"attach":` + deep(31) + `,` + rest + `"result":"SUCCESS","total_fee":100}`, nil, notJSON},
		{"nested 20,000 deep", `{"attach":` + deep(20_000) + `,` + rest + `"result":"SUCCESS","total_fee":100}`, nil, notJSON},
		{"nested and never closed", `{"attach":` + strings.Repeat(`{"a":`, 10_000) + `,` + rest + `"result":"SUCCESS","total_fee":100}`, nil, notJSON},
		{"20,000 members", `{` + strings.Repeat(`"a":1,`, 9_000) + rest + `"result":"SUCCESS","total_fee":100}`, nil, notJSON},
		{"20,000 elements", `{"attach":[` + strings.Repeat(`1,`, 20_000) + `1],` + rest + `"result":"SUCCESS","total_fee":100}`, nil, notJSON},

		{"an amount of 1e400", amount("1e400"), []string{text("SUCCESS", "1e400"), text("SUCCESS", "Infinity")}, field},
		{"an amount of -1e400", amount("-1e400"), nil, field},
		{"an amount of 1e-400", amount("1e-400"), nil, field},
		{"an amount of 1e2", amount("1e2"), []string{text("SUCCESS", "1e2"), text("SUCCESS", "100")}, field},
		{"an amount of 1E2", amount("1E2"), nil, field},
		{"an amount of 100.0", amount("100.0"), []string{text("SUCCESS", "100.0"), text("SUCCESS", "100")}, field},
		{"an amount of 2 to the 63rd", amount("9223372036854775808"), nil, field},
		{"an amount of many digits", amount("1" + strings.Repeat("0", 10_000)), nil, field},
		{"an amount with a blank", amount(`" 100"`), nil, field},
		{"an amount in other digits", amount(`"１００"`), nil, field},
		{"an amount in hexadecimal", amount(`"0x64"`), nil, field},
		{"an amount with a line", amount(`"1_000"`), nil, field},
		{"an amount that is true", amount(`true`), nil, field},
		{"an amount in an array", amount(`[100]`), nil, field},
		{"a number with a leading zero", amount("0100"), []string{text("SUCCESS", "0100"), text("SUCCESS", "100")}, notJSON},
		{"a number with a plus", amount("+100"), []string{text("SUCCESS", "+100"), text("SUCCESS", "100")}, notJSON},
		{"NaN", amount("NaN"), []string{text("SUCCESS", "NaN")}, notJSON},
		{"Infinity", amount("Infinity"), []string{text("SUCCESS", "Infinity")}, notJSON},
		{"hexadecimal", amount("0x64"), []string{text("SUCCESS", "0x64"), text("SUCCESS", "100")}, notJSON},
		{"a number cut off", amount("100."), []string{text("SUCCESS", "100."), text("SUCCESS", "100")}, notJSON},
		{"an exponent cut off", amount("100e"), []string{text("SUCCESS", "100e"), text("SUCCESS", "100")}, notJSON},
		{"a comment", amount("100/**/"), []string{text("SUCCESS", "100")}, notJSON},
		{"a comma at the end", amount("100,"), []string{text("SUCCESS", "100")}, notJSON},
		{"two numbers", amount("100 100"), []string{text("SUCCESS", "100")}, notJSON},
	}
	key := testkit.RSAKey(t, 1024)
	for _, tt := range refuse {
		t.Run(tt.name, func(t *testing.T) {
			signed := tt.signed
			if independent, ok := independentText([]byte(tt.data)); ok {
				signed = append(signed, independent)
			}
			if signed == nil {
				signed = []string{text("SUCCESS", "100"), "attach=" + text("SUCCESS", "100")}
			}
			believed := 0
			for _, s := range signed {
				body := testkit.WithSign(tt.data, `"`+signStrong(t, key, s)+`"`)
				_, err := testkit.NewClient(t, testkit.Answering(200, body)).OrderQuery(t.Context(), &ksher.OrderQueryRequest{MchOrderNo: testkit.OrderNo})
				checkHostile(t, err, tt.want, &believed)
				assert.Less(t, len(err.Error()), 1200)
				_, err = ksher.ParseNotification([]byte(body), testkit.NewVerifier(&key.PublicKey))
				if len(body) <= 64<<10 {
					checkHostile(t, err, tt.want, &believed)
				}
				m := testkit.NewMerchant(t, paying(t), nil)
				assert.NotEqual(t, http.StatusOK, testkit.Post(m.Handler, body).Code)
				assert.Zero(t, m.Calls.Load(), "fn was called")
				assert.Zero(t, m.Gateway.Count())
			}
			assert.NotZero(t, believed, "a text that was signed gets as far as it can")
		})
	}

	accept := []struct {
		name string
		data string
		want ksher.Order
	}{
		{"a signature inside", `{"sign":"00",` + rest + `"result":"SUCCESS","total_fee":100}`, ksher.Order{}},
		{"an object for a signature", `{"sign":{"sign":[null,"result"]},` + rest + `"result":"SUCCESS","total_fee":100}`, ksher.Order{}},
		{"a signature inside at the end", `{` + rest + `"result":"SUCCESS","total_fee":100,"sign":"` + signStrong(t, key, text("NOTPAY", "100")) + `"}`, ksher.Order{}},
		{"names in escapes", `{` + rest + `"\u0072\u0065\u0073\u0075\u006C\u0074":"SUCCESS","total\u005ffee":100}`, ksher.Order{}},
		{"values in escapes", `{` + rest + `"result":"\u0053UCCES\u0053","total_fee":"\u003100"}`, ksher.Order{}},
		{"a number of 1e400 elsewhere", `{"attach":1e400,"rate":-1E-400,` + rest + `"result":"SUCCESS","total_fee":100}`, ksher.Order{Attach: "1e400", Rate: "-1E-400"}},
		{"an amount of the wallet of 1e400", `{"cash_fee":1e400,` + rest + `"result":"SUCCESS","total_fee":100}`, ksher.Order{}},
		{"a text like JSON", `{"attach":"\",\"result\":\"NOTPAY",` + rest + `"result":"SUCCESS","total_fee":100}`, ksher.Order{Attach: `","result":"NOTPAY`}},
		{"nested as deep as can be", `{"attach":` + deep(30) + `,` + rest + `"result":"SUCCESS","total_fee":100}`, ksher.Order{Attach: deep(30)}},
		{"control characters in escapes", `{"attach":"\u0000\u001b\n",` + rest + `"result":"SUCCESS","total_fee":100}`, ksher.Order{Attach: "\x00\x1b\n"}},
		{"a result deep down", `{"attach":{"result":"NOTPAY"},` + rest + `"result":"SUCCESS","total_fee":100}`, ksher.Order{Attach: `{"result":"NOTPAY"}`}},
		{"a result of another script", `{"rеsult":"NOTPAY",` + rest + `"result":"SUCCESS","total_fee":100}`, ksher.Order{}},
		{"a time that is none", `{"time_end":"0000-99-99 99:99:99",` + rest + `"result":"SUCCESS","total_fee":100}`, ksher.Order{}},
	}
	for _, tt := range accept {
		t.Run("accepts "+tt.name, func(t *testing.T) {
			want := tt.want
			want.AppID, want.MchOrderNo, want.FeeType, want.TotalFee, want.Result = testkit.AppID, testkit.OrderNo, "THB", 100, ksher.ResultSuccess
			independent, ok := independentText([]byte(tt.data))
			require.True(t, ok)
			body := testkit.WithSign(tt.data, `"`+signStrong(t, key, independent)+`"`)
			answer, err := testkit.NewClient(t, testkit.Answering(200, body)).OrderQuery(t.Context(), &ksher.OrderQueryRequest{MchOrderNo: testkit.OrderNo})
			require.NoError(t, err)
			assert.Equal(t, want, answer.Order)
			n, err := ksher.ParseNotification([]byte(body), testkit.NewVerifier(&key.PublicKey))
			require.NoError(t, err)
			assert.Equal(t, want, n.Unconfirmed)
			var got *ksher.Order
			p := testkit.PaymentsTo(t, testkit.NewClient(t, testkit.ByOperation{"order_query": testkit.Answering(200, body)}), func(_ context.Context, o *ksher.Order) error {
				got = o
				return nil
			})
			open := openOrder(ksher.HostMerchant)
			open.TotalFee = 100
			handler, err := p.Notifications(testkit.OrderList{open}.Expected)
			require.NoError(t, err)
			assert.Equal(t, testkit.Accepted, testkit.Post(handler, body).Body.String())
			assert.Equal(t, &want, got)
		})
	}
}

// checkHostile checks the error for data of which one reading was signed. What
// the package would have signed itself is refused for another reason than the
// signature.
func checkHostile(t *testing.T, err error, want []error, believed *int) {
	t.Helper()
	require.Error(t, err)
	if errors.Is(err, fault.ErrSignatureMismatch) && want[0] != fault.ErrNotJSON {
		return
	}
	assert.Equal(t, want, testkit.NamesOf(err), "%v", err)
	*believed++
}

func signStrong(tb testing.TB, key *rsa.PrivateKey, text string) string {
	tb.Helper()
	digest := md5.Sum([]byte(text))
	sig, err := rsa.SignPKCS1v15(nil, key, crypto.MD5, digest[:])
	require.NoError(tb, err)
	return hex.EncodeToString(sig)
}
