package once_test

import (
	"context"
	"runtime"
	"sync"
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/ksher-go/ksher/internal/once"
)

// paidOrders has orders that are all paid.
type paidOrders struct{}

func (paidOrders) About(no string) once.About                    { return once.About{No: no, Key: no} }
func (paidOrders) Check(string, string) error                    { return nil }
func (paidOrders) Ask(context.Context, string) (*string, error)  { return new(string), nil }
func (paidOrders) Stands(string, *string) (once.Standing, error) { return once.Paid, nil }
func (paidOrders) Unknown(error) bool                            { return false }
func (paidOrders) Transient(error) bool                          { return false }

// apart is a Deduper that runs each function in a goroutine and keeps to itself
// what became of it.
type apart struct{}

func (apart) Once(ctx context.Context, _ string, fn func(context.Context) error) error {
	var group sync.WaitGroup
	group.Go(func() { _ = fn(ctx) })
	group.Wait()
	return nil
}

func TestGoexitIsNoSuccess(t *testing.T) {
	e := &once.Engine[string, string]{Name: "ksher", Gateway: paidOrders{}, Deduper: apart{}}
	e.Paid = func(context.Context, *string) error {
		runtime.Goexit()
		return nil
	}
	_, err := e.Check(t.Context(), "A-1")
	assert.ErrorContains(t, err, `"A-1"`)
	e.Paid = func(context.Context, *string) error { return nil }
	_, err = e.Check(t.Context(), "A-1")
	assert.NoError(t, err)
}
