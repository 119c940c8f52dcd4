package main

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"time"
)

type healthCommand struct {
	Listen string `default:"127.0.0.1:8765" placeholder:"HOST:PORT" help:"Where the sandbox listens (${default})."`
}

// Run asks the sandbox on this machine whether it works.
func (h *healthCommand) Run(ctx context.Context, stdout io.Writer) error {
	host, port, err := splitListen(h.Listen)
	if err != nil {
		return err
	}
	if ip := net.ParseIP(host); host == "" || ip != nil && ip.IsUnspecified() {
		host = "127.0.0.1" // It listens everywhere, here as well.
	}
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+net.JoinHostPort(host, port)+"/healthz", nil)
	if err != nil {
		return err
	}
	transport := &http.Transport{DisableKeepAlives: true} // Without a proxy from the environment.
	resp, err := transport.RoundTrip(req)
	if err != nil {
		return fmt.Errorf("the sandbox at %s doesn't answer: %w", h.Listen, err)
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return fmt.Errorf("the sandbox at %s answers HTTP %d", h.Listen, resp.StatusCode)
	}
	_, err = fmt.Fprintln(stdout, "ok")
	return err
}
