package redisdedupe_test

import (
	"context"
	"crypto/rand"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/require"

	"github.com/ksher-go/ksher/redisdedupe"
)

func TestOtherSlot(t *testing.T) {
	each(t, func(t *testing.T, s *server) {
		if _, ok := s.UniversalClient.(*redis.ClusterClient); !ok {
			t.Skip("only a cluster has slots")
		}
		// Some are on the key's server, and some on another.
		for range 8 {
			err := s.deduper(t).Once(t.Context(), s.key, func(ctx context.Context) error {
				pipe, err := redisdedupe.Pipeline(ctx)
				require.NoError(t, err)
				pipe.Incr(ctx, s.counter)
				pipe.Incr(ctx, "counter:"+rand.Text())
				return nil
			})
			require.ErrorContains(t, err, "nothing queued")
			require.ErrorContains(t, err, s.redisKey())
			require.ErrorContains(t, err, "hash tag")
			require.Zero(t, s.count(t))
			require.Empty(t, s.value(t), "the claim is given back")
		}
	})
}

// A client that reads from replicas may read what isn't true any more.
func TestReadFromReplicas(t *testing.T) {
	each(t, func(t *testing.T, s *server) {
		if _, ok := s.UniversalClient.(*redis.ClusterClient); !ok {
			t.Skip("only a cluster has slots")
		}
		c := redis.NewClusterClient(&redis.ClusterOptions{Addrs: s.addrs, ReadOnly: true, RouteRandomly: true})
		t.Cleanup(func() { c.Close() })
		d := newDeduper(t, c)
		for n := range 50 {
			s.key = rand.Text() + s.counter
			require.Equal(t, errOops, d.Once(t.Context(), s.key, fails))
			require.NoError(t, d.Once(t.Context(), s.key, s.add(nil)))
			require.Eventually(t, func() bool { return d.Once(t.Context(), s.key, never) == nil }, 5*time.Second, time.Millisecond)
			require.Equal(t, n+1, s.count(t))
			require.NoError(t, s.Del(t.Context(), s.redisKey()).Err())
		}
	})
}
