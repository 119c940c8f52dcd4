package transport_test

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/ksher-go/ksher/internal/transport"
)

// still is a clock that moves by what is slept.
type still struct {
	now   time.Time
	slept []time.Duration
}

func (s *still) ClockNow() time.Time { return s.now }

func (s *still) ClockSleep(ctx context.Context, d time.Duration) error {
	s.now, s.slept = s.now.Add(d), append(s.slept, d)
	return ctx.Err()
}

func TestRetrySet(t *testing.T) {
	r := transport.NewRetry()
	for _, attempts := range []int{0, -1, 11} {
		assert.ErrorContains(t, r.Set(attempts, 0), "WithRetry", attempts)
	}
	for _, wait := range []time.Duration{-1, 10*time.Second + 1} {
		assert.ErrorContains(t, r.Set(3, wait), "WithRetry", wait)
	}
	assert.NoError(t, r.Set(1, 0))
	assert.NoError(t, r.Set(10, 10*time.Second))
}

func TestRetryAgain(t *testing.T) {
	c := &still{now: time.Unix(1_800_000_000, 0)}
	t.Run("as often as is set", func(t *testing.T) {
		r := transport.NewRetry()
		assert.True(t, r.Again(t.Context(), c, 1))
		assert.True(t, r.Again(t.Context(), c, 2))
		assert.False(t, r.Again(t.Context(), c, 3))
	})
	t.Run("not when the call is over", func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		assert.False(t, transport.NewRetry().Again(ctx, c, 1))
	})
	t.Run("ten at once and one a second", func(t *testing.T) {
		r := transport.NewRetry()
		again := func() (n int) {
			for r.Again(t.Context(), c, 1) {
				n++
			}
			return n
		}
		assert.Equal(t, 10, again())
		c.now = c.now.Add(999 * time.Millisecond)
		assert.Equal(t, 0, again())
		c.now = c.now.Add(time.Millisecond)
		assert.Equal(t, 1, again())
		c.now = c.now.Add(time.Hour)
		assert.Equal(t, 10, again())
	})
}

func TestRetryPause(t *testing.T) {
	r := transport.NewRetry()
	require.NoError(t, r.Set(10, 4*time.Second))
	for attempt, most := range []time.Duration{4 * time.Second, 8 * time.Second, 10 * time.Second, 10 * time.Second} {
		c := &still{}
		for range 200 {
			require.NoError(t, r.Pause(t.Context(), c, attempt+1))
		}
		longest := time.Duration(0)
		for _, d := range c.slept {
			longest = max(longest, d)
		}
		assert.Less(t, longest, most)
		assert.Greater(t, longest, most/2, "of 200 random pauses")
	}

	require.NoError(t, r.Set(10, 0))
	c := &still{}
	require.NoError(t, r.Pause(t.Context(), c, 5))
	assert.Empty(t, c.slept)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	assert.ErrorIs(t, r.Pause(ctx, c, 1), context.Canceled)
}
