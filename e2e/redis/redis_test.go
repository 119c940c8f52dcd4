// Package redis_test tests redisdedupe while primaries die: on a Redis Cluster, and on
// a Redis with sentinels. Each test starts its own with ../redis.sh. Where there is no
// redis-server they are skipped, unless KSHER_E2E=1 says that there has to be one.
//
// They fail if what docs/redis.md promises isn't so. What Redis may forget they print.
package redis_test

import (
	"context"
	"crypto/rand"
	"errors"
	"os"
	"os/exec"
	"regexp"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/require"

	"github.com/ksher-go/ksher/redisdedupe"
)

// failover is for how long a new primary may let wait for itself.
const failover = 30 * time.Second

// lease is longer than a failover, and short enough for a test to wait for its end.
const lease = 8 * time.Second

// prefix has everything in one slot of a cluster.
const prefix = "{shop}:"

// group is the servers of one Redis.
type group struct {
	addrs    []string
	sentinel bool
	redis.UniversalClient
}

// each runs a test on a Redis of each kind that replaces its primary by itself.
func each(t *testing.T, test func(*testing.T, *group)) {
	for _, kind := range []string{"cluster", "sentinel"} {
		t.Run(kind, func(t *testing.T) {
			t.Parallel()
			test(t, start(t, kind))
		})
	}
}

var exported = regexp.MustCompile(`(?m)^export (\w+)='(.*)'$`)

func start(t *testing.T, kind string) *group {
	if _, err := exec.LookPath("redis-server"); err != nil && os.Getenv("KSHER_E2E") != "1" {
		t.Skip("there is no redis-server")
	}
	cmd := exec.Command("../redis.sh", "start", kind)
	cmd.Stderr = os.Stderr
	out, err := cmd.Output()
	require.NoError(t, err)
	vars := map[string]string{}
	for _, found := range exported.FindAllStringSubmatch(string(out), -1) {
		vars[found[1]] = found[2]
	}
	t.Cleanup(func() {
		out, err := exec.Command("../redis.sh", "stop", vars["KSHER_REDIS_DIR"]).CombinedOutput()
		require.NoError(t, err, "%s", out)
	})
	g := &group{addrs: strings.Split(vars["KSHER_REDIS_"+strings.ToUpper(kind)], ","), sentinel: kind == "sentinel"}
	g.UniversalClient = g.client(t)
	return g
}

// client has connections of its own, as another of the shop's servers would.
func (g *group) client(t *testing.T) redis.UniversalClient {
	opts := &redis.UniversalOptions{Addrs: g.addrs}
	if g.sentinel {
		opts.MasterName = "ksher"
	}
	c := redis.NewUniversalClient(opts)
	t.Cleanup(func() { c.Close() })
	return c
}

func (g *group) deduper(t *testing.T, opts ...redisdedupe.Option) *redisdedupe.Deduper {
	opts = append([]redisdedupe.Option{redisdedupe.WithPrefix(prefix), redisdedupe.WithLease(lease)}, opts...)
	d, err := redisdedupe.New(g.client(t), opts...)
	require.NoError(t, err)
	return d
}

// primary is the server that has the keys with the prefix, or nil if nobody knows.
func (g *group) primary(t *testing.T) *redis.Client {
	if cluster, ok := g.UniversalClient.(*redis.ClusterClient); ok {
		cluster.ReloadState(t.Context())
		node, err := cluster.MasterForKey(t.Context(), prefix)
		if err != nil {
			return nil
		}
		return direct(t, node.Options().Addr)
	}
	for _, addr := range g.addrs {
		s := redis.NewSentinelClient(&redis.Options{Addr: addr})
		at, err := s.GetMasterAddrByName(t.Context(), "ksher").Result()
		s.Close()
		if err == nil {
			return direct(t, strings.Join(at, ":"))
		}
	}
	return nil
}

// direct is a client of one server.
func direct(t *testing.T, addr string) *redis.Client {
	c := redis.NewClient(&redis.Options{Addr: addr, MaxRetries: -1})
	t.Cleanup(func() { c.Close() })
	return c
}

// pid is the number of a server's process.
func pid(t *testing.T, server *redis.Client) int {
	found := regexp.MustCompile(`process_id:(\d+)`).FindStringSubmatch(server.Info(t.Context(), "server").Val())
	require.NotEmpty(t, found)
	n, err := strconv.Atoi(found[1])
	require.NoError(t, err)
	return n
}

// kill has the server die as by a power cut.
func (g *group) kill(t *testing.T, server *redis.Client) {
	require.NoError(t, syscall.Kill(pid(t, server), syscall.SIGKILL))
	// It may still take what is sent to it before the signal arrives.
	require.Eventually(t, func() bool { return server.Ping(t.Context()).Err() != nil }, 5*time.Second, time.Millisecond)
	g.replace(t, server)
}

// replace has the others replace a server that doesn't answer for a second.
func (g *group) replace(t *testing.T, old *redis.Client) {
	set := []any{"CONFIG", "SET", "cluster-node-timeout", 1000}
	if g.sentinel {
		set = []any{"SENTINEL", "SET", "ksher", "down-after-milliseconds", 1000}
	}
	for _, addr := range g.addrs {
		if addr != old.Options().Addr {
			require.NoError(t, direct(t, addr).Do(t.Context(), set...).Err())
		}
	}
}

// promoted waits until there is another primary than that, which takes writes.
func (g *group) promoted(t *testing.T, old *redis.Client) {
	require.Eventually(t, func() bool {
		now := g.primary(t)
		return now != nil && now.Options().Addr != old.Options().Addr && now.Set(t.Context(), prefix+"alive", 1, 0).Err() == nil
	}, failover, 100*time.Millisecond)
}

// cut keeps the replicas of a server from getting what it is told from now on. The
// system would still deliver what the server had sent if it were killed.
func cut(t *testing.T, server *redis.Client) {
	require.NoError(t, server.Do(t.Context(), "ACL", "SETUSER", "default", "-psync", "-sync").Err())
	require.NoError(t, server.Do(t.Context(), "CLIENT", "KILL", "TYPE", "replica").Err())
	require.Eventually(t, func() bool {
		return strings.Contains(server.Info(t.Context(), "replication").Val(), "connected_slaves:0")
	}, 5*time.Second, 10*time.Millisecond)
}

var replica = regexp.MustCompile(`slave\d+:ip=([^,]+),port=(\d+)`)

// everywhere waits until each replica of the primary has the claim of the payment:
// which of them is promoted nobody knows.
func (g *group) everywhere(t *testing.T, primary *redis.Client, key string) {
	replicas := replica.FindAllStringSubmatch(primary.Info(t.Context(), "replication").Val(), -1)
	want := 1
	if g.sentinel {
		want = 2
	}
	require.Len(t, replicas, want)
	for _, r := range replicas {
		c := direct(t, r[1]+":"+r[2])
		require.Eventually(t, func() bool {
			// A pipeline, because a replica of a cluster answers only after READONLY.
			var got *redis.StringCmd
			_, err := c.Pipelined(t.Context(), func(p redis.Pipeliner) error {
				if !g.sentinel {
					p.ReadOnly(t.Context())
				}
				got = p.Get(t.Context(), prefix+key)
				return nil
			})
			return err == nil && strings.HasPrefix(got.Val(), "claimed ")
		}, failover, 10*time.Millisecond)
	}
}

func newKey() string { return "mch1 SUCCESS " + rand.Text() }

func counter(key string) string { return prefix + "counter:" + key }

// count is how often the payment's queue was executed.
func (g *group) count(t *testing.T, key string) int {
	var n int
	var err error
	require.Eventually(t, func() bool {
		if cluster, ok := g.UniversalClient.(*redis.ClusterClient); ok && err != nil {
			cluster.ReloadState(t.Context())
		}
		n, err = g.Get(t.Context(), counter(key)).Int()
		return err == nil || errors.Is(err, redis.Nil)
	}, failover, 100*time.Millisecond)
	return n
}

// payment counts how often its function ran.
type payment struct {
	key  string
	runs atomic.Int32
	// told is how often it had run when Once first said that it is done.
	told atomic.Int32
}

func newPayment() *payment { return &payment{key: newKey()} }

// pay returns the function, which adds 1 by the queue.
func (p *payment) pay(meanwhile func()) func(context.Context) error {
	return func(ctx context.Context) error {
		p.runs.Add(1)
		pipe, err := redisdedupe.Pipeline(ctx)
		if err != nil {
			return err
		}
		pipe.Incr(ctx, counter(p.key))
		meanwhile()
		return nil
	}
}

func quietly() {}

// notify repeats the notification until it is answered, as Ksher does, only sooner.
func (p *payment) notify(t *testing.T, d *redisdedupe.Deduper, meanwhile func()) {
	ctx, cancel := context.WithTimeout(t.Context(), failover)
	defer cancel()
	for {
		err := d.Once(ctx, p.key, p.pay(meanwhile))
		if err == nil {
			p.told.CompareAndSwap(0, p.runs.Load())
			return
		}
		select {
		case <-ctx.Done():
			t.Errorf("%q is never answered: %v", p.key, err)
			return
		case <-time.After(20 * time.Millisecond):
		}
	}
}

type silent struct{}

func (silent) Printf(context.Context, string, ...any) {}

func TestMain(m *testing.M) {
	redis.SetLogger(silent{}) // It reports each dial that fails.
	m.Run()
}
