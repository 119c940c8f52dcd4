package main

import (
	"os"

	"github.com/ksher-go/ksher/internal/sandbox"
)

// addOrders adds those of --orders to a gateway that has none.
func (s *sandboxCommand) addOrders(gateway *sandbox.Gateway) error {
	if s.Orders == "" || len(gateway.Orders()) > 0 {
		return nil
	}
	file, err := os.ReadFile(s.Orders)
	if err == nil {
		_, err = gateway.AddOrders(file)
	}
	if err != nil {
		return usage("--orders=%s: %w", s.Orders, err)
	}
	return nil
}
