package sentonce

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// oldPeer is an HTTP/1.1 server whose connections end in any way.
type oldPeer struct {
	net.Listener
	// end ends a connection after a request was read.
	end func(nc net.Conn)
	// idle says that it ends after the answer.
	idle             bool
	left             atomic.Int64
	arrived, carried atomic.Int64
	// together, if it isn't nil, is waited for before an answer.
	together *sync.WaitGroup
	wg       sync.WaitGroup
	mu       sync.Mutex
	conns    []net.Conn
}

func newOldPeer(t *testing.T, idle bool, end func(net.Conn)) *oldPeer {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	p := &oldPeer{Listener: listener, end: end, idle: idle}
	p.wg.Go(func() {
		for {
			nc, err := p.Accept()
			if err != nil {
				return
			}
			p.mu.Lock()
			p.conns = append(p.conns, nc)
			p.mu.Unlock()
			p.wg.Go(func() { p.serve(nc) })
		}
	})
	t.Cleanup(func() {
		p.Close()
		p.mu.Lock()
		for _, nc := range p.conns {
			nc.Close()
		}
		p.mu.Unlock()
		p.wg.Wait()
	})
	return p
}

func (p *oldPeer) url() string { return "http://" + p.Addr().String() }

func (p *oldPeer) serve(nc net.Conn) {
	defer nc.Close()
	br := bufio.NewReader(nc)
	for {
		req, err := http.ReadRequest(br)
		if err != nil {
			return
		}
		body, err := io.ReadAll(req.Body)
		if err != nil {
			return
		}
		p.arrived.Add(1)
		ends := p.left.Add(-1) >= 0
		if ends && !p.idle {
			p.end(nc)
			return
		}
		p.carried.Add(1)
		if p.together != nil {
			p.together.Done()
			p.together.Wait()
		}
		req.Header.Del("Accept-Encoding")
		req.Header.Del("Connection")
		status, answer := ask(gateway.URL(), req.Method, req.RequestURI, req.Header, body)
		fmt.Fprintf(nc, "HTTP/1.1 %s Said\r\nContent-Length: %d\r\n\r\n%s", status, len(answer), answer)
		if ends {
			p.end(nc)
			io.Copy(io.Discard, nc) // A careful server reads on.
			return
		}
	}
}

// hangUpAfter closes after it has said something.
func hangUpAfter(said string) func(net.Conn) {
	return func(nc net.Conn) { io.WriteString(nc, said) }
}

func resetAfter(said string) func(net.Conn) {
	return func(nc net.Conn) {
		io.WriteString(nc, said)
		nc.(*net.TCPConn).SetLinger(0)
		nc.Close()
	}
}

func leave(nc net.Conn) { nc.(*net.TCPConn).CloseWrite() }

func TestHTTP1(t *testing.T) {
	const head = "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n"
	endings := []struct {
		name string
		idle bool
		do   func(net.Conn)
		want verdict
	}{
		{"a close", false, hangUpAfter(""), inDoubt},
		{"a close within the status", false, hangUpAfter("HTTP/1.1 2"), inDoubt},
		{"a close within the headers", false, hangUpAfter("HTTP/1.1 200 OK\r\nContent-"), inDoubt},
		{"a close after the headers", false, hangUpAfter(head), inDoubt},
		{"a close within the answer", false, hangUpAfter(head + `{"a":`), inDoubt},
		{"a reset", false, resetAfter(""), inDoubt},
		{"a reset after the headers", false, resetAfter(head), inDoubt},
		{"a reset within the answer", false, resetAfter(head + `{"a":`), inDoubt},
		{"nonsense", false, hangUpAfter("220 mail.example ESMTP\r\n"), inDoubt},
		{"a close when idle", true, leave, either},
		{"a reset when idle", true, resetAfter(""), either},
	}
	for _, tr := range transports {
		for _, op := range operations {
			for _, end := range endings {
				for _, warm := range []bool{end.idle, true} {
					for _, times := range []int64{1, always} {
						t.Run(fmt.Sprintf("%s/%s/%s/warm %v/times %d", tr.name, op.name, end.name, warm, times), func(t *testing.T) {
							tryHTTP1(t, tr.make(t), op, newOldPeer(t, end.idle, end.do), end.want, warm, times)
						})
					}
				}
			}
		}
	}
}

func tryHTTP1(t *testing.T, rt http.RoundTripper, op operation, p *oldPeer, want verdict, warm bool, times int64) {
	c, err := newClients(p.url(), rt)
	require.NoError(t, err)
	call, query := op.prepare(t)
	if p.idle {
		p.left.Store(1)
	}
	if warm {
		require.NoError(t, query(t.Context(), c))
	}
	if !p.idle {
		p.left.Store(times)
	}
	arrived, carried := p.arrived.Load(), p.carried.Load()
	err = call(t.Context(), c)
	judge(t, op, want, times, err, p.arrived.Load()-arrived, p.carried.Load()-carried)
}

// net/http sends a GET again over each idle connection that breaks.
func TestManyIdleConnections(t *testing.T) {
	const idle = 8
	for _, tr := range transports {
		for _, op := range operations {
			t.Run(tr.name+"/"+op.name, func(t *testing.T) {
				p := newOldPeer(t, false, hangUpAfter(""))
				c, err := newClients(p.url(), tr.make(t))
				require.NoError(t, err)
				call, query := op.prepare(t)
				p.together = &sync.WaitGroup{}
				p.together.Add(idle)
				var wg sync.WaitGroup
				for range idle {
					wg.Go(func() { assert.NoError(t, query(t.Context(), c)) })
				}
				wg.Wait()
				p.left.Store(always)
				arrived := p.arrived.Load()
				err = call(t.Context(), c)
				judge(t, op, inDoubt, always, err, p.arrived.Load()-arrived, 0)
			})
		}
	}
}

// rude is a connection that refuses to be written to once it has read that the server
// has gone, as the system does a moment later. It tells when that is so.
type rude struct {
	net.Conn
	gone    atomic.Bool
	noticed chan<- struct{}
}

func (r *rude) Read(b []byte) (int, error) {
	n, err := r.Conn.Read(b)
	if errors.Is(err, io.EOF) {
		r.end()
	}
	return n, err
}

func (r *rude) Close() error {
	r.end()
	return r.Conn.Close()
}

func (r *rude) end() {
	if !r.gone.Swap(true) {
		r.noticed <- struct{}{}
	}
}

func (r *rude) Write(b []byte) (int, error) {
	if r.gone.Load() {
		return 0, &net.OpError{Op: "write", Net: "tcp", Err: syscall.EPIPE}
	}
	return r.Conn.Write(b)
}

// payments at quiet times: the server closes each connection before the next payment.
const payments = 400

func TestQuietTimesHTTP1(t *testing.T) {
	p := newOldPeer(t, true, leave)
	p.left.Store(always)
	noticed := make(chan struct{}, 2*payments)
	own := ownTransport(t)
	own.DialContext = func(ctx context.Context, network, address string) (net.Conn, error) {
		nc, err := new(net.Dialer).DialContext(ctx, network, address)
		if err != nil {
			return nil, err
		}
		return &rude{Conn: nc, noticed: noticed}, nil
	}
	c, err := newClients(p.url(), own)
	require.NoError(t, err)
	for i := range payments {
		require.NoError(t, payout(number())(t.Context(), c), "payment %d", i)
		<-noticed
	}
	assert.EqualValues(t, payments, p.carried.Load())
}

func TestQuietTimesHTTP2(t *testing.T) {
	for _, tr := range transports {
		t.Run(tr.name, func(t *testing.T) {
			p := newPeer(t, gateway.URL(), ending{"", whenIdle, func(c *conn, id uint32) { c.leave(id, 0) }, untaken})
			p.left.Store(always)
			c, err := newClients(p.url(), tr.make(t))
			require.NoError(t, err)
			for i := range payments {
				require.NoError(t, payout(number())(t.Context(), c), "payment %d", i)
			}
			assert.EqualValues(t, payments, p.carried.Load())
		})
	}
}
