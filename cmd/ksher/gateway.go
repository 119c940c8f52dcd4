package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"strings"
	"time"

	"github.com/ksher-go/ksher"
	"github.com/ksher-go/ksher/internal/sandbox"
	"github.com/ksher-go/ksher/internal/transport"
)

// gatewayFlags say which gateway a command speaks to, and how it prints what came.
type gatewayFlags struct {
	Sandbox    bool          `group:"gateway" help:"Speak to the local gateway with its public key, instead of to Ksher with KSHER_APPID and KSHER_PRIVATE_KEY or KSHER_PRIVATE_KEY_FILE."`
	SandboxURL string        `group:"gateway" name:"sandbox-url" env:"KSHER_SANDBOX_URL" default:"http://127.0.0.1:8765" placeholder:"URL" help:"Where the local gateway is (${default})."`
	JSON       bool          `group:"gateway" name:"json" help:"Print JSON."`
	Verbose    bool          `group:"gateway" short:"v" help:"Say on standard error what is sent, without signatures and secrets, and how long it took."`
	Timeout    time.Duration `group:"gateway" default:"${timeout=60s}" help:"How long to try, as in 90s or 5m (${default})."`
}

// client makes the client that the flags and the environment describe.
func (g *gatewayFlags) client(s *screen, opts ...ksher.Option) (*ksher.Client, error) {
	if g.Verbose {
		opts = append(opts, ksher.WithHook(s.follow))
	}
	through := s.HTTP
	if g.Verbose {
		next := http.RoundTripper(transport.Shared())
		if through != nil {
			next = through.Transport
		}
		through = &http.Client{Transport: teller{next, s.Err}.onItsClock()}
	}
	if through != nil {
		opts = append(opts, ksher.WithHTTPClient(through))
	}
	if !g.Sandbox {
		client, err := ksher.ClientFromEnv(opts...)
		if err != nil {
			return nil, usage("%w; --sandbox speaks to the local gateway instead", err)
		}
		return client, nil
	}
	address, err := url.Parse(g.SandboxURL)
	if err != nil || address.Hostname() == "" {
		return nil, usage("--sandbox-url=%s is no address such as http://127.0.0.1:8765", g.SandboxURL)
	}
	gatewayURL, merchantURL := g.hosts()
	opts = append([]ksher.Option{ksher.WithGatewayURL(gatewayURL), ksher.WithMerchantURL(merchantURL),
		ksher.WithPlainHTTP(address.Hostname()), ksher.WithVerifier(sandbox.Verifier())}, opts...)
	client, err := ksher.NewClient(sandbox.AppID, sandbox.PrivateKey(), opts...)
	if err != nil {
		return nil, usageError{err}
	}
	return client, nil
}

// hosts are the addresses of the two hosts.
func (g *gatewayFlags) hosts() (gatewayURL, merchantURL string) {
	if g.Sandbox {
		setup := sandbox.Setup(strings.TrimSuffix(g.SandboxURL, "/"))
		return setup.GatewayURL, setup.MerchantURL
	}
	return cmp.Or(os.Getenv("KSHER_GATEWAY_URL"), ksher.DefaultGatewayURL), cmp.Or(os.Getenv("KSHER_MERCHANT_URL"), ksher.DefaultMerchantURL)
}

// ask asks the gateway and shows what came.
func (g *gatewayFlags) ask(ctx context.Context, s *screen, question func(context.Context, *ksher.Client) ([]field, error)) error {
	client, err := g.client(s)
	if err != nil {
		return err
	}
	var fields []field
	err = g.within(ctx, func(ctx context.Context) (err error) {
		fields, err = question(ctx, client)
		return err
	})
	if err != nil {
		return err
	}
	return s.show(g.JSON, fields)
}

// follow says what is asked, without what is sent.
func (s *screen) follow(ctx context.Context, a ksher.Attempt) (context.Context, func(ksher.Attempt)) {
	return ctx, func(a ksher.Attempt) {
		fmt.Fprintf(s.Err, "%s %s: %s after %s\n", a.Operation, a.OrderNo, a.Outcome(), a.Duration.Round(time.Millisecond))
	}
}

// errNotConfirmed says that the person who was asked didn't say yes.
var errNotConfirmed = errors.New("not confirmed, so nothing was sent")

// The exit statuses of the program, by outcome.
const (
	statusDone    = 0
	statusRefused = 1 // and any other failure
	statusUsage   = 2
	statusUnknown = 3 // nobody knows whether it happened
	statusNotPaid = 4
)

// statusOf is the program's exit status for an error.
func statusOf(err error) int {
	switch {
	case err == nil:
		return statusDone
	case errors.As(err, new(usageError)):
		return statusUsage
	case errors.Is(err, ksher.ErrOutcomeUnknown), errors.Is(err, ksher.ErrNeedsPerson):
		return statusUnknown
	case errors.Is(err, ksher.ErrNotPaid), errors.Is(err, ksher.ErrOrderExpired):
		return statusNotPaid
	case errors.As(err, new(*ksher.ValidationError)):
		return statusUsage
	}
	return statusRefused
}
