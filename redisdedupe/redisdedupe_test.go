package redisdedupe_test

import (
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/require"

	"github.com/ksher-go/ksher/redisdedupe"
)

func TestNew(t *testing.T) {
	c := redis.NewClient(&redis.Options{})
	t.Cleanup(func() { c.Close() })
	ring := redis.NewRing(&redis.RingOptions{})
	t.Cleanup(func() { ring.Close() })
	for _, tt := range []struct {
		name   string
		client redis.UniversalClient
		opt    redisdedupe.Option
		want   string
	}{
		{"no client", nil, nil, "redisdedupe: the client is nil"},
		{"nil client", (*redis.Client)(nil), nil, "redisdedupe: the client is nil"},
		{"nil option", c, nil, "redisdedupe: an option is nil"},
		{"ring", ring, nil, "redisdedupe: a redis.Ring moves keys"},
		{"no lease", c, redisdedupe.WithLease(0), "redisdedupe: WithLease: 0s is too short"},
		{"short lease", c, redisdedupe.WithLease(time.Second - 1), "redisdedupe: WithLease: 999.999999ms is too short"},
		{"no prefix", c, redisdedupe.WithPrefix(""), "redisdedupe: WithPrefix: the prefix is empty"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			d, err := redisdedupe.New(tt.client, tt.opt)
			require.ErrorContains(t, err, tt.want)
			require.Nil(t, d)
			require.ErrorContains(t, d.Once(t.Context(), "a", never), "make a Deduper with New")
		})
	}
	require.ErrorContains(t, (&redisdedupe.Deduper{}).Once(t.Context(), "a", never), "make a Deduper with New")
}
