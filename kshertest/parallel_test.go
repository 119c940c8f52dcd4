package kshertest

import (
	"sync"
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/ksher-go/ksher"
)

// Gateways share nothing that changes, which the race detector sees.
func TestEveryOperationInParallel(t *testing.T) {
	var calling sync.WaitGroup
	defer calling.Wait()
	for range 8 {
		gw := New(t)
		for name, call := range calls {
			calling.Go(func() {
				refused := new(ksher.Error)
				if err := call(t.Context(), gw.Client); err != nil {
					assert.ErrorAs(t, err, &refused, name)
					assert.NoError(t, refused.Err, name)
				}
			})
		}
	}
}
