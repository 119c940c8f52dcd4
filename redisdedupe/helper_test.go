package redisdedupe_test

import (
	"context"
	"crypto/rand"
	"errors"
	"net"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/alicebob/miniredis/v2"
	"github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/ksher-go/ksher"
	"github.com/ksher-go/ksher/redisdedupe"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var errOops = errors.New("oops")

// server is a Redis, with keys in it that no other test uses. A cluster has all of
// them in one slot.
type server struct {
	addrs []string
	mini  *miniredis.Miniredis
	redis.UniversalClient
	key, counter, missing string
}

// redisKey is the name under which Redis knows the key.
func (s *server) redisKey() string { return "ksher:" + s.key }

// each runs a test with miniredis and, if there are any, with a real Redis and a
// cluster.
func each(t *testing.T, test func(*testing.T, *server)) {
	t.Run("miniredis", func(t *testing.T) { test(t, newMini(t)) })
	for name, env := range map[string]string{"redis": "KSHER_REDIS", "cluster": "KSHER_REDIS_CLUSTER"} {
		t.Run(name, func(t *testing.T) {
			addrs := os.Getenv(env)
			if addrs == "" {
				t.Skip("to test with it, set " + env + " as e2e/databases.sh and e2e/redis.sh do")
			}
			test(t, newServer(t, nil, strings.Split(addrs, ",")...))
		})
	}
}

func newMini(t *testing.T) *server {
	mini := miniredis.RunT(t)
	return newServer(t, mini, mini.Addr())
}

func newServer(t *testing.T, mini *miniredis.Miniredis, addrs ...string) *server {
	tag := "{" + rand.Text() + "}"
	s := &server{addrs: addrs, mini: mini, key: "mch1 SUCCESS " + tag, counter: "counter:" + tag, missing: "missing:" + tag}
	s.UniversalClient = s.client(t, nil)
	if mini == nil {
		t.Cleanup(func() { s.Del(context.Background(), s.redisKey(), s.counter) })
	}
	return s
}

// client is of a cluster if there is more than one address.
func (s *server) client(t *testing.T, dial func(context.Context, string, string) (net.Conn, error)) redis.UniversalClient {
	c := redis.NewUniversalClient(&redis.UniversalOptions{Addrs: s.addrs, Dialer: dial})
	t.Cleanup(func() { c.Close() })
	return c
}

// deduper has connections of its own, as another server would.
func (s *server) deduper(t *testing.T, opts ...redisdedupe.Option) *redisdedupe.Deduper {
	return newDeduper(t, s.client(t, nil), opts...)
}

func newDeduper(t *testing.T, c redis.UniversalClient, opts ...redisdedupe.Option) *redisdedupe.Deduper {
	d, err := redisdedupe.New(c, opts...)
	require.NoError(t, err)
	return d
}

// pass lets time pass for the key.
func (s *server) pass(t *testing.T, d time.Duration) {
	if s.mini != nil {
		s.mini.FastForward(d)
		return
	}
	left := s.ttl(t)
	require.Positive(t, left)
	if left > d {
		require.NoError(t, s.PExpire(t.Context(), s.redisKey(), left-d).Err())
	} else {
		require.NoError(t, s.Del(t.Context(), s.redisKey()).Err())
	}
}

func (s *server) ttl(t *testing.T) time.Duration {
	left, err := s.PTTL(t.Context(), s.redisKey()).Result()
	require.NoError(t, err)
	return left
}

func (s *server) value(t *testing.T) string {
	value, err := s.Get(context.WithoutCancel(t.Context()), s.redisKey()).Result()
	if errors.Is(err, redis.Nil) {
		return ""
	}
	require.NoError(t, err)
	return value
}

// count is what count functions have added up.
func (s *server) count(t *testing.T) int {
	n, err := s.Get(t.Context(), s.counter).Int()
	if !errors.Is(err, redis.Nil) {
		require.NoError(t, err)
	}
	return n
}

// add returns a function that adds 1 by the queue.
func (s *server) add(then error) func(context.Context) error {
	return func(ctx context.Context) error {
		pipe, err := redisdedupe.Pipeline(ctx)
		if err != nil {
			return err
		}
		pipe.Incr(ctx, s.counter)
		return then
	}
}

func never(context.Context) error { panic("it mustn't run") }

func nothing(context.Context) error { return nil }

func fails(context.Context) error { return errOops }

// onceApart keeps an exit and a panic of fn away from the test.
func onceApart(d ksher.Deduper, key string, fn func(context.Context) error) (panicked any, returned bool, err error) {
	var wg sync.WaitGroup
	wg.Go(func() {
		defer func() { panicked = recover() }()
		err = d.Once(context.Background(), key, fn)
		returned = true
	})
	wg.Wait()
	return panicked, returned, err
}
