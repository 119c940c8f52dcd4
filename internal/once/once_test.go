package once_test

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/ksher-go/ksher/internal/once"
)

// maxKeys and keep are what is promised, written a second time.
const (
	maxKeys = 100_000
	keep    = 48 * time.Hour
)

// ran calls Once with a function that succeeds, and tells whether it was run.
func ran(tb testing.TB, m *once.Memory, key string) (ran bool) {
	tb.Helper()
	err := m.Once(tb.Context(), key, func(context.Context) error {
		ran = true
		return nil
	})
	if err != nil { // require would be slow, half a million times.
		tb.Fatalf("%q: %v", key, err)
	}
	return ran
}

func TestOnce(t *testing.T) {
	var m once.Memory
	assert.True(t, ran(t, &m, "a"))
	for range 3 {
		assert.False(t, ran(t, &m, "a"))
	}
	assert.True(t, ran(t, &m, "b"))
	assert.False(t, ran(t, &m, "a"))
	var other once.Memory
	assert.True(t, ran(t, &other, "a"), "each memory is its own")
}

func TestAgainAfterAnError(t *testing.T) {
	var m once.Memory
	for i := range 3 {
		failure := fmt.Errorf("attempt %d", i)
		assert.Equal(t, failure, m.Once(t.Context(), "a", func(context.Context) error { return failure }))
	}
	assert.True(t, ran(t, &m, "a"))
	assert.False(t, ran(t, &m, "a"))
	// An error that says it is somebody else's is an error like any.
	assert.ErrorIs(t, m.Once(t.Context(), "b", func(context.Context) error { return once.ErrInProgress }), once.ErrInProgress)
	assert.True(t, ran(t, &m, "b"))
}

func TestAgainAfterAPanic(t *testing.T) {
	var m once.Memory
	for range 2 {
		assert.PanicsWithValue(t, "out of paper", func() {
			_ = m.Once(t.Context(), "a", func(context.Context) error { panic("out of paper") })
		})
	}
	assert.True(t, ran(t, &m, "a"))
	assert.False(t, ran(t, &m, "a"))

	var group sync.WaitGroup
	group.Go(func() {
		_ = m.Once(t.Context(), "b", func(context.Context) error {
			runtime.Goexit()
			return nil
		})
	})
	group.Wait()
	assert.True(t, ran(t, &m, "b"), "the end of the goroutine isn't success")
}

func TestContextReachesTheFunction(t *testing.T) {
	type key struct{}
	var m once.Memory
	ctx, cancel := context.WithCancel(context.WithValue(t.Context(), key{}, "x"))
	require.NoError(t, m.Once(ctx, "a", func(ctx context.Context) error {
		assert.Equal(t, "x", ctx.Value(key{}))
		cancel()
		return nil
	}))
	assert.False(t, ran(t, &m, "a"), "it was done, whatever became of the context")
	assert.ErrorIs(t, m.Once(ctx, "b", func(ctx context.Context) error { return ctx.Err() }), context.Canceled)
	assert.True(t, ran(t, &m, "b"))
}

func TestAtTheSameTime(t *testing.T) {
	const others = 100
	failure := errors.New("it failed")
	for _, want := range []error{nil, failure} {
		t.Run(fmt.Sprint(want), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var m once.Memory
				release := make(chan struct{})
				var runs, done, busy atomic.Int64
				for range 1 + others {
					go func() {
						err := m.Once(t.Context(), "a", func(context.Context) error {
							runs.Add(1)
							<-release
							return want
						})
						switch {
						case errors.Is(err, once.ErrInProgress):
							busy.Add(1)
						case err == want:
							done.Add(1)
						default:
							t.Errorf("unexpected: %v", err)
						}
					}()
				}
				synctest.Wait()
				assert.Equal(t, int64(1), runs.Load())
				assert.Equal(t, int64(others), busy.Load(), "these don't wait")
				assert.Zero(t, done.Load())
				assert.True(t, ran(t, &m, "b"), "another key isn't held up")
				time.Sleep(2 * keep)
				assert.ErrorIs(t, m.Once(t.Context(), "a", nil), once.ErrInProgress, "however long it takes")
				close(release)
				synctest.Wait()
				assert.Equal(t, int64(1), runs.Load())
				assert.Equal(t, int64(1), done.Load())
				assert.Equal(t, want != nil, ran(t, &m, "a"))
				assert.False(t, ran(t, &m, "a"))
			})
		})
	}
}

// A function may see to other payments, and finds its own taken.
func TestWithinTheFunction(t *testing.T) {
	var m once.Memory
	require.NoError(t, m.Once(t.Context(), "a", func(ctx context.Context) error {
		assert.ErrorIs(t, m.Once(ctx, "a", nil), once.ErrInProgress)
		assert.True(t, ran(t, &m, "b"))
		return nil
	}))
	assert.False(t, ran(t, &m, "a"))
	assert.False(t, ran(t, &m, "b"))
}

// For the race detector: many goroutines, keys, successes and failures, and
// never two at the same key.
func TestManyAtManyKeys(t *testing.T) {
	var m once.Memory
	var inside, succeeded [10]atomic.Int64
	var group sync.WaitGroup
	for g := range 20 {
		group.Go(func() {
			for i := range 1000 {
				k := (g + i) % len(inside)
				err := m.Once(t.Context(), fmt.Sprint(k), func(context.Context) error {
					assert.Equal(t, int64(1), inside[k].Add(1))
					defer inside[k].Add(-1)
					if i < 500 {
						return context.Canceled
					}
					succeeded[k].Add(1)
					return nil
				})
				if err != nil && !errors.Is(err, once.ErrInProgress) && !errors.Is(err, context.Canceled) {
					t.Errorf("unexpected: %v", err)
				}
			}
		})
	}
	group.Wait()
	for k := range succeeded {
		ran(t, &m, fmt.Sprint(k)) // If all came at a bad moment.
		assert.LessOrEqual(t, succeeded[k].Load(), int64(1))
		assert.False(t, ran(t, &m, fmt.Sprint(k)))
	}
}

func TestExpiry(t *testing.T) {
	assert.Equal(t, keep, once.Keep)
	synctest.Test(t, func(t *testing.T) {
		var m once.Memory
		assert.True(t, ran(t, &m, "a"))
		time.Sleep(time.Hour)
		assert.True(t, ran(t, &m, "b"))
		time.Sleep(keep - time.Hour - time.Nanosecond)
		assert.False(t, ran(t, &m, "a"), "who asks prolongs it, so that a replay can't wait for its end")
		time.Sleep(time.Hour)
		assert.False(t, ran(t, &m, "a"))
		time.Sleep(time.Nanosecond)
		assert.True(t, ran(t, &m, "b"), "nobody asked for this one")
		time.Sleep(keep - 2*time.Nanosecond)
		assert.False(t, ran(t, &m, "a"))
		time.Sleep(keep)
		assert.True(t, ran(t, &m, "a"))
	})
	t.Run("from when it was done, not begun", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			var m once.Memory
			require.NoError(t, m.Once(t.Context(), "a", func(context.Context) error {
				time.Sleep(time.Hour)
				return nil
			}))
			time.Sleep(keep - time.Nanosecond)
			assert.False(t, ran(t, &m, "a"))
			time.Sleep(keep)
			assert.True(t, ran(t, &m, "a"))
		})
	})
}

func TestTheOldestGoFirst(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var m once.Memory
		name := func(i int) string { return fmt.Sprintf("order%d", i) }
		for i := range maxKeys {
			ran(t, &m, name(i))
		}
		for i := range maxKeys {
			require.False(t, ran(t, &m, name(i)), "all of them fit")
		}
		_ = m.Once(t.Context(), "failing", func(context.Context) error { return context.Canceled })
		require.False(t, ran(t, &m, name(0)), "a failure takes no place")
		require.True(t, ran(t, &m, name(maxKeys)))
		for i := 2; i <= maxKeys; i++ {
			require.False(t, ran(t, &m, name(i)), "only one had to go")
		}
		require.False(t, ran(t, &m, name(0)), "it was asked for most recently")
		require.True(t, ran(t, &m, name(1)), "the one that nobody asked for the longest")
		require.True(t, ran(t, &m, name(2)), "which cost the next one")
		require.False(t, ran(t, &m, name(4)))
	})
}

// heap is how much memory is in use.
func heap() uint64 {
	runtime.GC()
	var stats runtime.MemStats
	runtime.ReadMemStats(&stats)
	return stats.HeapAlloc
}

func TestMemoryIsBounded(t *testing.T) {
	key := func(i int) string { return fmt.Sprintf("mch12345 SUCCESS 20261121-%012d", i) }
	before := heap()
	var m once.Memory
	for i := range 3 * maxKeys {
		ran(t, &m, key(i))
	}
	full := heap()
	assert.Less(t, full-before, uint64(40<<20), "bytes for 100,000 keys")
	for i := range maxKeys {
		_ = m.Once(t.Context(), "failing "+key(i), func(context.Context) error { return context.Canceled })
	}
	assert.Less(t, heap(), full+(4<<20), "what failed leaves nothing")
	runtime.KeepAlive(&m)

	t.Run("and comes back", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			long := strings.Repeat("x", 10_000)
			before := heap()
			var m once.Memory
			for i := range 1000 {
				ran(t, &m, fmt.Sprint(i, long))
			}
			assert.Greater(t, heap(), before+(8<<20))
			time.Sleep(keep)
			ran(t, &m, "a")
			assert.Less(t, heap(), before+(4<<20))
			runtime.KeepAlive(&m)
		})
	})
}

func TestKeysAreTakenExactly(t *testing.T) {
	var m once.Memory
	keys := []string{
		"", " ", "a", "A", "a ", " a", "aa", "a\x00", "a\x00b", "a\n", "ä", "a\u0308", "ก", "\xff", "\xfe",
		"a b", "ab", "mch1 SUCCESS 1", "mch1 SUCCESS 11", "mch1 SUCCESS 1 ", "mch1 CLOSED 1", "mch11 SUCCESS 1",
		strings.Repeat("x", 300), strings.Repeat("x", 301), strings.Repeat("x", 299) + "X",
	}
	for _, key := range keys {
		assert.True(t, ran(t, &m, key), "%q", key)
	}
	for _, key := range keys {
		assert.False(t, ran(t, &m, strings.Clone(key)), "%q", key)
	}
}
