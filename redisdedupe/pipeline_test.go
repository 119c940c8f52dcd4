package redisdedupe_test

import (
	"context"
	"testing"

	"github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/require"

	"github.com/ksher-go/ksher"
	"github.com/ksher-go/ksher/redisdedupe"
)

func TestPipeline(t *testing.T) {
	each(t, func(t *testing.T, s *server) {
		for _, then := range []error{errOops, nil} {
			before := s.count(t)
			var incr *redis.IntCmd
			var missing *redis.StringCmd
			err := s.deduper(t).Once(t.Context(), s.key, func(ctx context.Context) error {
				pipe, err := redisdedupe.Pipeline(ctx)
				require.NoError(t, err)
				missing = pipe.Get(ctx, s.missing)
				incr = pipe.IncrBy(ctx, s.counter, 5)
				require.Equal(t, 2, pipe.Len())
				again, err := redisdedupe.Pipeline(ctx)
				require.NoError(t, err)
				again.Incr(ctx, s.counter)
				again.Pipeline().Incr(ctx, s.counter)
				again.TxPipeline().Incr(ctx, s.counter)
				require.Equal(t, before, s.count(t), "nothing happens before fn returns")
				return then
			})
			require.Equal(t, then, err)
			if then == nil {
				require.Equal(t, 8, s.count(t))
				require.EqualValues(t, 5, incr.Val())
				require.Equal(t, redis.Nil, missing.Err())
			} else {
				require.Zero(t, s.count(t))
			}
		}
		require.NoError(t, s.deduper(t).Once(t.Context(), s.key, never))
	})
}

func TestPipelineCannotBeExecuted(t *testing.T) {
	s := newMini(t)
	ran := func(redis.Pipeliner) error { panic("it mustn't run") }
	err := s.deduper(t).Once(t.Context(), s.key, func(ctx context.Context) error {
		pipe, err := redisdedupe.Pipeline(ctx)
		require.NoError(t, err)
		pipe.Incr(ctx, s.counter)
		for _, p := range []redis.Pipeliner{pipe, pipe.Pipeline(), pipe.TxPipeline()} {
			_, err = p.Exec(ctx)
			require.ErrorContains(t, err, "can't be executed before")
			_, err = p.Pipelined(ctx, ran)
			require.ErrorContains(t, err, "can't be executed before")
			_, err = p.TxPipelined(ctx, ran)
			require.ErrorContains(t, err, "can't be executed before")
		}
		require.Zero(t, s.count(t))
		return err
	})
	require.ErrorContains(t, err, "can't be executed before")
	require.Zero(t, s.count(t))

	_, err = redisdedupe.Pipeline(t.Context())
	require.ErrorContains(t, err, "the context that Once gave")
}

func TestRefusedCommands(t *testing.T) {
	for _, tt := range []struct {
		name  string
		queue func(context.Context, redis.Pipeliner, *server)
		want  string
		count int
		value string
	}{
		{
			name:  "refused when queued",
			queue: func(ctx context.Context, p redis.Pipeliner, s *server) { p.Do(ctx, "INCRBY", s.counter) },
			want:  "was executed, because Redis refused incrby: ERR wrong number of arguments",
		},
		{
			name:  "fails when executed",
			queue: func(ctx context.Context, p redis.Pipeliner, s *server) { p.LPush(ctx, s.counter, "secret") },
			want:  "the queued lpush failed when Redis executed it, and the rest stays: ",
			count: 2, value: "failed lpush",
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			each(t, func(t *testing.T, s *server) {
				err := s.deduper(t).Once(t.Context(), s.key, func(ctx context.Context) error {
					pipe, err := redisdedupe.Pipeline(ctx)
					require.NoError(t, err)
					pipe.Get(ctx, s.missing)
					pipe.Incr(ctx, s.counter)
					tt.queue(ctx, pipe, s)
					pipe.Incr(ctx, s.counter)
					return nil
				})
				require.ErrorContains(t, err, tt.want)
				require.ErrorContains(t, err, s.redisKey())
				require.Equal(t, tt.count, s.count(t))
				require.Equal(t, tt.value, s.value(t), "a claim is given back")
			})
		})
	}
}

// A queue of which a part failed is nobody's success, however often it is asked for.
func TestFailedStays(t *testing.T) {
	each(t, func(t *testing.T, s *server) {
		for _, righted := range []bool{true, false} {
			require.NoError(t, s.Del(t.Context(), s.redisKey(), s.counter).Err())
			err := s.deduper(t).Once(t.Context(), s.key, func(ctx context.Context) error {
				pipe, err := redisdedupe.Pipeline(ctx)
				require.NoError(t, err)
				pipe.Incr(ctx, s.counter)
				pipe.LPush(ctx, s.counter, "secret")
				return nil
			})
			require.ErrorContains(t, err, "WRONGTYPE")
			for range 3 {
				err = s.deduper(t).Once(t.Context(), s.key, never)
				require.ErrorContains(t, err, "the queued lpush failed")
				require.ErrorContains(t, err, s.redisKey())
				require.NotErrorIs(t, err, ksher.ErrInProgress)
			}
			require.Negative(t, s.ttl(t), "it waits for a person")
			if righted {
				require.NoError(t, s.Set(t.Context(), s.redisKey(), "done", 0).Err())
				require.NoError(t, s.deduper(t).Once(t.Context(), s.key, never))
				require.Equal(t, 1, s.count(t))
			} else {
				require.NoError(t, s.Del(t.Context(), s.redisKey()).Err())
				require.NoError(t, s.deduper(t).Once(t.Context(), s.key, s.add(nil)))
				require.Equal(t, 2, s.count(t))
			}
		}
	})
}

// TestNoNoteWithoutTheQueue has functions do with their queue what would have the
// note written without it, or where nobody looks for it.
func TestNoNoteWithoutTheQueue(t *testing.T) {
	do := func(args ...any) func(context.Context, redis.Pipeliner) {
		return func(ctx context.Context, p redis.Pipeliner) { p.Do(ctx, args...) }
	}
	for name, spoil := range map[string]func(context.Context, redis.Pipeliner){
		"Discard":          func(_ context.Context, p redis.Pipeliner) { p.Discard() },
		"Discard, another": func(_ context.Context, p redis.Pipeliner) { p.TxPipeline().Discard() },
		"Select":           func(ctx context.Context, p redis.Pipeliner) { p.Select(ctx, 1) },
		"SwapDB":           func(ctx context.Context, p redis.Pipeliner) { p.SwapDB(ctx, 0, 1) },
		"Auth":             func(ctx context.Context, p redis.Pipeliner) { p.Auth(ctx, "no") },
		"DISCARD":          do("DISCARD"),
		"discard":          do("discard"),
		"EXEC":             do("EXEC"),
		"MULTI":            do("MULTI"),
		"WATCH":            do("WATCH", "a"),
		"UNWATCH":          do("UNWATCH"),
		"RESET":            do("RESET"),
		"QUIT":             do("QUIT"),
		"CLIENT":           do("CLIENT", "REPLY", "OFF"),
		"SUBSCRIBE":        do("SUBSCRIBE", "a"),
	} {
		t.Run(name, func(t *testing.T) {
			each(t, func(t *testing.T, s *server) {
				d := s.deduper(t)
				err := d.Once(t.Context(), s.key, func(ctx context.Context) error {
					pipe, err := redisdedupe.Pipeline(ctx)
					require.NoError(t, err)
					pipe.Incr(ctx, s.counter)
					spoil(ctx, pipe)
					pipe.Incr(ctx, s.counter)
					return nil
				})
				require.ErrorContains(t, err, "nothing queued")
				require.ErrorContains(t, err, s.redisKey())
				require.Zero(t, s.count(t))
				require.Empty(t, s.value(t), "the claim is given back")
				require.NoError(t, d.Once(t.Context(), s.key, s.add(nil)))
				require.Equal(t, 1, s.count(t))
			})
		})
	}
}
