package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"regexp"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/ksher-go/ksher"
	"github.com/ksher-go/ksher/internal/sandbox"
)

// unfinished is an error with the command that goes on from there.
type unfinished struct {
	error
	command string
}

func (e unfinished) Unwrap() error { return e.error }

func (e unfinished) Error() string { return fmt.Sprintf("%v\nTo go on: %s", e.error, e.command) }

// harmless are the characters that no shell reads anything into.
var harmless = regexp.MustCompile(`^[A-Za-z0-9_./:=@%,+-]+$`)

// again is a command line of this program about a number, for the same gateway.
func (g *gatewayFlags) again(command, number string, flags ...string) string {
	if g.Sandbox {
		flags = append(flags, "--sandbox", "--sandbox-url="+g.SandboxURL)
	}
	switch {
	case strings.HasPrefix(number, "-"): // It would be taken for a flag.
		flags = append(flags, "--", number)
	case number != "":
		flags = append([]string{number}, flags...)
	}
	line := "ksher " + command
	for _, arg := range flags {
		line += " " + quoted(arg)
	}
	return line
}

// quoted is a word that a shell reads as that text, and that doesn't steer the terminal.
func quoted(arg string) string {
	switch {
	case harmless.MatchString(arg):
		return arg
	case strings.Map(printable, arg) != arg || !utf8.ValidString(arg):
		text := strconv.Quote(arg)
		return "$'" + strings.ReplaceAll(text[1:len(text)-1], "'", `\'`) + "'"
	}
	return "'" + strings.ReplaceAll(arg, "'", `'\''`) + "'"
}

// account names the merchant and the gateway, to look at before something is sent there.
func (g *gatewayFlags) account(host ksher.Host) [][]string {
	gatewayURL, merchantURL := g.hosts()
	address := merchantURL
	if host == ksher.HostGateway {
		address = gatewayURL
	}
	return [][]string{{"Host", fmt.Sprintf("%s (%s)", address, host)}, {"App ID", g.appID()}}
}

// appID is the merchant's app ID.
func (g *gatewayFlags) appID() string {
	if g.Sandbox {
		return sandbox.AppID
	}
	return os.Getenv("KSHER_APPID")
}

// tell shows what has happened. That it can't be shown is no refusal, after which a script
// might send it anew.
func (g *gatewayFlags) tell(s *screen, fields []field, command, number string, flags ...string) error {
	err := s.show(g.JSON, fields)
	if err == nil {
		return nil
	}
	return unfinished{incomplete{fmt.Errorf("it has happened, but couldn't be printed: %w", err)}, g.again(command, number, flags...)}
}

// within bounds how long the gateway is asked. What the person is asked takes as long as
// it takes.
func (g *gatewayFlags) within(ctx context.Context, ask func(context.Context) error) error {
	ctx, cancel := context.WithTimeout(ctx, g.Timeout)
	defer cancel()
	return ask(ctx)
}

// unanswered tells the errors of a query that the gateway has neither answered nor refused in
// due form.
func unanswered(err error) bool {
	var failed *ksher.Error
	return errors.As(err, &failed) && failed.Err != nil
}

// unsure is the error of a query before something is sent under a number that may have been
// used before. Nothing is sent then, but a script mustn't take that for a refusal and use
// another number. command goes on.
func unsure(what string, err error, command string) error {
	return unfinished{incomplete{fmt.Errorf("nothing was sent now, and it isn't known whether %s before: %w", what, err)}, command}
}

// undecided tells the errors after which something may have been carried out.
func undecided(err error) bool {
	return errors.Is(err, ksher.ErrOutcomeUnknown) || errors.Is(err, ksher.ErrNeedsPerson)
}

// notFound tells whether the gateway has said in due form that it knows no such order.
func notFound(err error) bool {
	var refusal *ksher.Error
	return errors.As(err, &refusal) && refusal.Err == nil && errors.Is(refusal.Code, ksher.ErrNotFound)
}
