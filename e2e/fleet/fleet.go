// Package fleet runs processes of a server behind one address, kills or stops them, and
// starts others in their place, for tests of what survives that.
package fleet

import (
	"bufio"
	"fmt"
	"io"
	"log"
	"maps"
	"net/http"
	"net/http/httputil"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// Fleet is a balancer that gives each request to the next of its servers.
type Fleet struct {
	command func(process string) (*exec.Cmd, error)
	log     *os.File
	proxy   *httputil.ReverseProxy
	servers []*server

	mu   sync.Mutex
	turn int
	// processes is how many were started, alive has those that nobody ends.
	processes int
	alive     map[string]*server
}

// server is one of them. When its process ends, another takes its place.
type server struct {
	// mu is locked while there is no process, so that requests wait.
	mu sync.RWMutex
	process
}

type process struct {
	cmd   *exec.Cmd
	stdin io.Closer
	url   *url.URL
}

// New returns a fleet of that many servers, which Start starts, and whose processes end
// with the test. command makes one that isn't started; it prints the address at which it
// listens in its first line.
//
// What a test sets up after this is taken down before it: a front whose end waits for a
// server that is just being replaced.
func New(t testing.TB, servers, atOnce int, command func(process string) (*exec.Cmd, error)) *Fleet {
	t.Helper()
	f := &Fleet{command: command, alive: make(map[string]*server)}
	var err error
	f.log, err = os.Create(filepath.Join(t.TempDir(), "log"))
	require.NoError(t, err)
	t.Cleanup(func() {
		f.log.Close()
		text, err := os.ReadFile(f.log.Name())
		require.NoError(t, err)
		assert.NotContains(t, string(text), "DATA RACE")
		if t.Failed() {
			t.Logf("the end of what the servers said:\n%s", text[max(0, len(text)-10_000):])
		}
	})
	transport := &http.Transport{MaxIdleConnsPerHost: atOnce}
	t.Cleanup(transport.CloseIdleConnections)
	for range servers {
		s := &server{}
		f.servers = append(f.servers, s)
		t.Cleanup(func() { s.kill() })
	}
	f.proxy = &httputil.ReverseProxy{
		Rewrite:      func(pr *httputil.ProxyRequest) { pr.SetURL(f.next()) },
		Transport:    transport,
		ErrorHandler: func(w http.ResponseWriter, _ *http.Request, _ error) { w.WriteHeader(http.StatusBadGateway) },
		ErrorLog:     log.New(io.Discard, "", 0),
	}
	return f
}

// Start starts a process of each server.
func (f *Fleet) Start() error {
	for _, s := range f.servers {
		if err := f.start(s); err != nil {
			return err
		}
	}
	return nil
}

// ServeHTTP gives a request to the next server.
func (f *Fleet) ServeHTTP(w http.ResponseWriter, r *http.Request) { f.proxy.ServeHTTP(w, r) }

// URL is where a process that is alive listens.
func (f *Fleet) URL(process string) *url.URL {
	f.mu.Lock()
	s := f.alive[process]
	f.mu.Unlock()
	return s.where()
}

// Alive returns the processes that nobody ends.
func (f *Fleet) Alive() []string {
	f.mu.Lock()
	defer f.mu.Unlock()
	return slices.Sorted(maps.Keys(f.alive))
}

// Replaced is how many processes were killed or stopped, and replaced.
func (f *Fleet) Replaced() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.processes - len(f.servers)
}

// Doom returns the function that kills a process and starts another in its place, nil if
// somebody else has it.
func (f *Fleet) Doom(process string) (replace func() error) {
	s := f.take(process)
	if s == nil {
		return nil
	}
	return func() error {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.kill()
		return f.start(s)
	}
}

// take returns the server of a process, which is the caller's to end, nil if somebody else
// has it.
func (f *Fleet) take(process string) *server {
	f.mu.Lock()
	defer f.mu.Unlock()
	s := f.alive[process]
	delete(f.alive, process)
	return s
}

// next returns where the next request goes.
func (f *Fleet) next() *url.URL {
	f.mu.Lock()
	s := f.servers[f.turn%len(f.servers)]
	f.turn++
	f.mu.Unlock()
	return s.where()
}

// where returns where the server's process listens.
func (s *server) where() *url.URL {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return s.url
}

// start starts a process of the server.
func (f *Fleet) start(s *server) error {
	f.mu.Lock()
	f.processes++
	name := strconv.Itoa(f.processes)
	f.alive[name] = s
	f.mu.Unlock()
	var err error
	if s.cmd, err = f.command(name); err != nil {
		return err
	}
	s.cmd.Stderr = f.log
	out, err := s.cmd.StdoutPipe()
	if err != nil {
		return err
	}
	if s.stdin, err = s.cmd.StdinPipe(); err != nil {
		return err
	}
	if err := s.cmd.Start(); err != nil {
		return err
	}
	address, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		return fmt.Errorf("a server didn't start: %w", err)
	}
	s.url, err = url.Parse("http://" + strings.TrimSpace(address))
	return err
}

// kill ends the process, if there is one.
func (p process) kill() {
	if p.cmd == nil || p.cmd.Process == nil {
		return
	}
	p.cmd.Process.Kill()
	p.cmd.Wait()
	p.stdin.Close()
}
