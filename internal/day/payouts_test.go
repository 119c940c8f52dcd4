package day

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
)

func TestPayoutsOpenIn(t *testing.T) {
	for at, want := range map[string]time.Duration{
		"2026-11-28T02:29:59.999+07:00": 0,
		"2026-11-28T02:30:00+07:00":     30 * time.Minute,
		"2026-11-27T19:45:00Z":          15 * time.Minute,
		"2026-11-27T11:59:59.5-08:00":   500 * time.Millisecond,
		"2026-11-28T03:00:00+07:00":     0,
		"2026-11-28T02:45:00Z":          0,
		"2026-11-28T14:45:00+07:00":     0,
	} {
		now, err := time.Parse(time.RFC3339, at)
		assert.NoError(t, err)
		assert.Equal(t, want, PayoutsOpenIn(now), at)
	}
}
