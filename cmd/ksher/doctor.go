package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"

	"github.com/ksher-go/ksher"
	"github.com/ksher-go/ksher/cmd/ksher/internal/doctor"
	"github.com/ksher-go/ksher/internal/sandbox"
)

type doctorCommand struct {
	NotifyURL string `name:"notify-url" placeholder:"URL" help:"Try the shop's address for notifications as well: a forged one is posted to it, which it has to refuse."`
	gatewayFlags
}

// Run tries what an integration needs, and returns an error if anything failed.
func (d *doctorCommand) Run(ctx context.Context, s *screen) error {
	gatewayURL, merchantURL := d.hosts()
	settings := doctor.Settings{
		GatewayURL: gatewayURL, MerchantURL: merchantURL, Local: d.Sandbox, NotifyURL: d.NotifyURL,
		Client: func(through *http.Client, opts ...ksher.Option) (*ksher.Client, error) {
			return d.client(s.through(through), opts...)
		},
	}
	d.identity(&settings)
	ctx, cancel := context.WithTimeout(ctx, d.Timeout)
	defer cancel()
	checks, failed := []doctor.Check{}, 0
	doctor.Examine(ctx, settings, doctor.RealWorld(d.Timeout/stepsInTimeout), func(c doctor.Check) {
		checks = append(checks, c)
		if c.Status == doctor.Fail {
			failed++
		}
		if !d.JSON {
			s.diagnose(c)
		}
	})
	if d.JSON {
		if err := s.printJSON(map[string]any{"checks": checks, "failed": failed}); err != nil {
			return err
		}
	}
	switch {
	case ctx.Err() != nil:
		return fmt.Errorf("it was broken off after %d checks: %w", len(checks), ctx.Err())
	case failed > 0:
		return fmt.Errorf("%d of %d checks failed", failed, len(checks))
	}
	return nil
}

// stepsInTimeout is how many of the steps, each with a limit of its own, fill --timeout.
const stepsInTimeout = 6

// identity finds out who asks, as [ksher.ClientFromEnv] does.
func (d *doctorCommand) identity(to *doctor.Settings) {
	if d.Sandbox {
		to.AppID, to.Key, to.KeyFrom = sandbox.AppID, []byte(sandbox.PrivateKeyPEM()), "the local gateway's"
		return
	}
	to.AppID = os.Getenv("KSHER_APPID")
	text, file := os.Getenv("KSHER_PRIVATE_KEY"), os.Getenv("KSHER_PRIVATE_KEY_FILE")
	switch {
	case text != "" && file != "":
		to.KeyFrom, to.KeyErr = "KSHER_PRIVATE_KEY", errors.New("KSHER_PRIVATE_KEY_FILE is set as well, and which of the two counts isn't clear")
	case text != "":
		to.KeyFrom, to.Key = "KSHER_PRIVATE_KEY", []byte(text)
	case file == "":
		to.KeyFrom, to.KeyErr = "KSHER_PRIVATE_KEY", errors.New("it is not set, nor is KSHER_PRIVATE_KEY_FILE")
	default:
		to.KeyFrom = "KSHER_PRIVATE_KEY_FILE"
		to.Key, to.KeyErr = os.ReadFile(file)
	}
}

// statusColours are those of what a check comes to, as terminals know them.
var statusColours = map[doctor.Status]string{doctor.OK: "32", doctor.Warn: "33", doctor.Fail: "31", doctor.NotTried: "2"}

// diagnose prints what a check came to.
func (s *screen) diagnose(c doctor.Check) {
	status := string(c.Status)
	if c.Status == doctor.NotTried {
		status = "skip" // The text says the rest.
	}
	status = fmt.Sprintf("%-4s", status)
	if s.Colour {
		status = "\x1b[" + statusColours[c.Status] + "m" + status + "\x1b[0m"
	}
	fmt.Fprintf(s.Out, "%s  %-16s  %s: %s\n", status, c.Name, c.Tried, c.Came)
	if c.Do != "" {
		fmt.Fprintf(s.Out, "%24sWhat to do: %s\n", "", c.Do)
	}
}
