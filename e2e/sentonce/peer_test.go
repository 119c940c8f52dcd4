package sentonce

import (
	"bytes"
	"crypto/tls"
	"io"
	"net"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"
)

// step is where in a request's life a connection or a stream ends.
type step int

const (
	beforeSettings step = iota
	afterSettings
	afterHeaders
	afterRequest
	afterAnswerHeaders
	withinAnswer
	// whenIdle is after a whole answer.
	whenIdle
)

// peer is an HTTP/2 server that works with frames, so that it can end a stream or a
// connection in any way. What it lives to answer, the local gateway answers.
type peer struct {
	listener net.Listener
	gateway  string
	end      ending
	// left is how often it ends.
	left atomic.Int64
	// arrived counts the requests whose headers were read on streams that count,
	// carried those that the gateway was given.
	arrived, carried atomic.Int64
	// again counts those that it was given over a connection on which it had ended.
	again atomic.Int64
	wg    sync.WaitGroup
	mu    sync.Mutex
	conns []net.Conn
}

func newPeer(t *testing.T, gateway string, end ending) *peer {
	listener, err := tls.Listen("tcp", "127.0.0.1:0", &tls.Config{
		Certificates: []tls.Certificate{certificate}, NextProtos: []string{"h2"},
	})
	require.NoError(t, err)
	p := &peer{listener: listener, gateway: gateway, end: end}
	p.wg.Go(func() {
		for {
			nc, err := listener.Accept()
			if err != nil {
				return
			}
			p.mu.Lock()
			p.conns = append(p.conns, nc)
			p.mu.Unlock()
			p.wg.Go(func() {
				(&conn{peer: p, Conn: nc.(*tls.Conn), streams: map[uint32]*stream{}}).serve()
			})
		}
	})
	t.Cleanup(func() {
		listener.Close()
		p.mu.Lock()
		for _, nc := range p.conns {
			nc.(*tls.Conn).NetConn().Close()
		}
		p.mu.Unlock()
		p.wg.Wait()
	})
	return p
}

func (p *peer) url() string { return "https://" + p.listener.Addr().String() }

// conn is one connection to a peer.
type conn struct {
	*tls.Conn
	peer    *peer
	framer  *http2.Framer
	streams map[uint32]*stream
	// over says that what still comes isn't looked at, as after a GOAWAY.
	over bool
	// ended says that it or a stream of it has ended.
	ended bool
}

type stream struct {
	fields []hpack.HeaderField
	body   bytes.Buffer
}

// ends ends the stream or connection if it is time.
func (c *conn) ends(at step, id uint32) bool {
	if c.peer.end.at != at || c.peer.left.Add(-1) < 0 {
		return false
	}
	delete(c.streams, id)
	c.ended = true
	c.peer.end.do(c, id)
	return true
}

// hangUp closes without a word, and drop so that the client hears of a broken connection.
func (c *conn) hangUp() {
	c.over = true // Something may have been read ahead.
	c.NetConn().Close()
}

func (c *conn) drop() {
	c.over = true
	c.NetConn().(*net.TCPConn).SetLinger(0)
	c.NetConn().Close()
}

// leave closes as a careful server does: it says what was the last stream, and reads on.
func (c *conn) leave(last uint32, code http2.ErrCode) {
	c.over = true
	c.framer.WriteGoAway(last, code, nil)
	c.CloseWrite()
}

func (c *conn) serve() {
	defer c.hangUp()
	if c.Handshake() != nil {
		return
	}
	if c.ends(beforeSettings, 0) {
		return
	}
	preface := make([]byte, len(http2.ClientPreface))
	if _, err := io.ReadFull(c, preface); err != nil {
		return
	}
	c.framer = http2.NewFramer(c, c)
	c.framer.ReadMetaHeaders = hpack.NewDecoder(4096, nil)
	c.framer.WriteSettings()
	c.ends(afterSettings, 0)
	for {
		frame, err := c.framer.ReadFrame()
		if err != nil {
			return
		}
		c.read(frame)
	}
}

func (c *conn) read(frame http2.Frame) {
	id := frame.Header().StreamID
	switch f := frame.(type) {
	case *http2.SettingsFrame:
		if !f.IsAck() {
			c.framer.WriteSettingsAck()
		}
	case *http2.PingFrame:
		if !f.IsAck() {
			c.framer.WritePing(true, f.Data)
		}
	case *http2.MetaHeadersFrame:
		if c.over {
			return
		}
		c.peer.arrived.Add(1)
		c.streams[id] = &stream{fields: slices.Clone(f.Fields)}
		if !c.ends(afterHeaders, id) && f.StreamEnded() {
			c.request(id)
		}
	case *http2.DataFrame:
		if s := c.streams[id]; s != nil {
			s.body.Write(f.Data())
			if f.StreamEnded() {
				c.request(id)
			}
		}
	}
}

// request answers a whole request.
func (c *conn) request(id uint32) {
	if c.ends(afterRequest, id) {
		return
	}
	s := c.streams[id]
	delete(c.streams, id)
	c.peer.carried.Add(1)
	if c.ended {
		c.peer.again.Add(1)
	}
	status, body := c.peer.answer(s)
	var block bytes.Buffer
	hpack.NewEncoder(&block).WriteField(hpack.HeaderField{Name: ":status", Value: status})
	c.framer.WriteHeaders(http2.HeadersFrameParam{StreamID: id, BlockFragment: block.Bytes(), EndHeaders: true})
	if c.ends(afterAnswerHeaders, id) {
		return
	}
	half := len(body) / 2
	c.framer.WriteData(id, false, body[:half])
	if c.ends(withinAnswer, id) {
		return
	}
	c.framer.WriteData(id, true, body[half:])
	c.ends(whenIdle, id)
}

// answer takes a request apart for the local gateway.
func (p *peer) answer(s *stream) (status string, body []byte) {
	var method, path string
	header := http.Header{}
	for _, f := range s.fields {
		switch {
		case f.Name == ":method":
			method = f.Value
		case f.Name == ":path":
			path = f.Value
		case !strings.HasPrefix(f.Name, ":") && f.Name != "accept-encoding":
			header.Add(f.Name, f.Value)
		}
	}
	return ask(p.gateway, method, path, header, s.body.Bytes())
}

// ask has the local gateway answer.
func ask(base, method, path string, header http.Header, content []byte) (status string, body []byte) {
	req, err := http.NewRequest(method, base+path, bytes.NewReader(content))
	if err != nil {
		return "400", nil
	}
	req.Header = header
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return "502", nil
	}
	defer resp.Body.Close()
	body, err = io.ReadAll(resp.Body)
	if err != nil {
		return "502", nil
	}
	if strings.HasPrefix(path, "/opn") { // A page of an https host is an https page.
		body = bytes.ReplaceAll(body, []byte(`"http://127`), []byte(`"https://127`))
	}
	return strconv.Itoa(resp.StatusCode), body
}
