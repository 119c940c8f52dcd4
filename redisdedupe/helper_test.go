package redisdedupe_test

import (
	"context"
	"crypto/rand"
	"errors"
	"net"
	"os"
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

// server is a Redis, with a key and a counter in it that no other test uses.
type server struct {
	addr string
	mini *miniredis.Miniredis
	redis.UniversalClient
	key, counter string
}

// redisKey is the name under which Redis knows the key.
func (s *server) redisKey() string { return "ksher:" + s.key }

// each runs a test with miniredis and, if there is one, with a real Redis.
func each(t *testing.T, test func(*testing.T, *server)) {
	t.Run("miniredis", func(t *testing.T) {
		mini := miniredis.RunT(t)
		test(t, newServer(t, mini.Addr(), mini))
	})
	t.Run("redis", func(t *testing.T) {
		addr := os.Getenv("KSHER_REDIS")
		if addr == "" {
			t.Skip("set KSHER_REDIS to the address of a Redis, such as 127.0.0.1:6379, to test with it")
		}
		test(t, newServer(t, addr, nil))
	})
}

func newServer(t *testing.T, addr string, mini *miniredis.Miniredis) *server {
	s := &server{addr: addr, mini: mini, key: "mch1 SUCCESS " + rand.Text(), counter: "counter:" + rand.Text()}
	s.UniversalClient = s.client(t, nil)
	if mini == nil {
		t.Cleanup(func() { s.Del(context.Background(), s.redisKey(), s.counter) })
	}
	return s
}

func (s *server) client(t *testing.T, dial func(context.Context, string, string) (net.Conn, error)) *redis.Client {
	c := redis.NewClient(&redis.Options{Addr: s.addr, Dialer: dial})
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
