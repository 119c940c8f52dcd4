// Command ksher runs a Ksher gateway on your own machine, because Ksher has no
// public test account:
//
//	go run ./cmd/ksher sandbox
//
// For a shop that is being built it brings notifications to a laptop, tries attacks on the
// address for them, and finds what is wrong with keys, clock or network. For one that runs it
// looks at orders, refunds, pays out and reconciles. It explains error codes and wrong
// signatures. See https://github.com/ksher-go/ksher/blob/main/docs/cli.md.
package main

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"strings"
	"syscall"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, os.Args[1:], ownScreen()); err != nil {
		fmt.Fprintf(os.Stderr, "ksher: %s\n", strings.TrimPrefix(err.Error(), "ksher: "))
		os.Exit(statusOf(err))
	}
}
