package once_test

import (
	"context"
	"errors"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/ksher-go/ksher/internal/once"
)

// closedOrders has orders that are closed, but for those whose number begins with "paid".
type closedOrders struct{ paidOrders }

func (closedOrders) Ask(_ context.Context, no string) (*string, error) { return &no, nil }

func (closedOrders) Stands(no string, _ *string) (once.Standing, error) {
	if strings.HasPrefix(no, "paid") {
		return once.Paid, nil
	}
	return once.Ended, errors.New("closed")
}

// What isn't a payment pushes none out of a memory that both share.
func TestSharedMemoryKeepsThePayments(t *testing.T) {
	ask := func(context.Context) (second, err error) { return nil, nil }
	for name, fill := range map[string]func(e *once.Engine[string, string], no string) error{
		"ended": func(e *once.Engine[string, string], no string) error {
			if _, err := e.Check(t.Context(), no); err == nil || err.Error() != "closed" {
				return errors.New("it isn't closed")
			}
			return nil
		},
		"asked elsewhere": func(e *once.Engine[string, string], no string) error {
			return e.Elsewhere(t.Context(), no, no, ask)
		},
	} {
		t.Run(name, func(t *testing.T) {
			paid := 0
			e := engine(t, closedOrders{}, newBudget(t, 1000, 1), func(context.Context, *string) error { paid++; return nil })
			require.NoError(t, e.SetEnded(func(context.Context, string, *string) error { return nil }))
			require.NoError(t, e.SetDeduper(&once.Memory{}))
			_, err := e.Check(t.Context(), "paid")
			require.NoError(t, err)
			for i := range maxKeys + 1 {
				if err := fill(e, strconv.Itoa(i)); err != nil {
					t.Fatal(err)
				}
			}
			_, err = e.Check(t.Context(), "paid")
			require.NoError(t, err)
			require.Equal(t, 1, paid)
		})
	}
}

// What isn't a payment is bounded as well, and forgotten by itself.
func TestSharedMemoryBoundsTheRest(t *testing.T) {
	var m once.Memory
	for i := range maxKeys + 2 {
		ran(t, &m, "ended "+strconv.Itoa(i))
	}
	require.True(t, ran(t, &m, "ended 0"))
	require.False(t, ran(t, &m, "ended "+strconv.Itoa(maxKeys)))
}
