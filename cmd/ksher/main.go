// Command ksher runs a Ksher gateway on your own machine, because Ksher has no
// public test account:
//
//	go run ./cmd/ksher sandbox
//
// It also explains error codes and wrong signatures, and makes keys; see
// https://github.com/ksher-go/ksher/blob/main/docs/cli.md.
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
