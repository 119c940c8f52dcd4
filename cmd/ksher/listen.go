package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"

	"github.com/ksher-go/ksher"
	"github.com/ksher-go/ksher/cmd/ksher/internal/listen"
	"github.com/ksher-go/ksher/internal/clock"
	"github.com/ksher-go/ksher/internal/transport"
)

type listenCommand struct {
	Order     []string `arg:"" optional:"" help:"The numbers of orders to ask about."`
	ForwardTo string   `required:"" placeholder:"URL" help:"The shop's address for notifications, such as http://localhost:3000/ksher/notify."`
	Orders    string   `placeholder:"FILE" help:"A file with more numbers of orders, one a line."`
	Proxy     string   `placeholder:"HOST:PORT" help:"Listen there for the shop's requests and pass them on to Ksher, to hear of the orders that it creates."`
	Rate      float64  `default:"2" placeholder:"N" help:"How many queries a second to make at most (${default})."`
	MaxOrders int      `default:"100" placeholder:"N" help:"How many open orders to ask about at most (${default})."`
	gatewayFlags
}

const (
	// atOnce is how many queries are made at once.
	atOnce = 4
	// defaultMaxOrders is how many open orders are asked about without --max-orders.
	defaultMaxOrders = 100
)

// Run asks about orders and notifies the shop, until all are done with or ctx ends.
func (c *listenCommand) Run(ctx context.Context, s *screen) error {
	numbers, budget, err := c.check()
	if err != nil {
		return err
	}
	// Each query counts in the budget, and what failed is asked about again anyway.
	recorded := &http.Client{Transport: listen.Recorder{RoundTripper: transport.Shared()}}
	client, err := c.client(s.through(recorded), ksher.WithRetry(1, 0))
	if err != nil {
		return err
	}
	way := &http.Transport{Proxy: http.ProxyFromEnvironment, DisableKeepAlives: true}
	l := listen.New(ctx, listen.Config{
		Client: client, Target: c.ForwardTo, Way: way, Budget: budget, Patience: c.Timeout, Most: c.MaxOrders, Clock: clock.Real,
		Tell: func(e listen.Event) { c.report(s, e) },
	})
	gatewayURL, merchantURL, stop, err := c.startProxy(s, l)
	if err != nil {
		return err
	}
	defer stop()
	if err := c.greet(s, gatewayURL, merchantURL); err != nil {
		return err
	}
	for _, no := range numbers {
		l.Follow(listen.Order{MchOrderNo: no})
	}
	if c.Proxy != "" {
		<-ctx.Done()
	}
	stop()
	l.Wait()
	return c.conclude(l.Outcome())
}

// check checks the flags and collects the numbers.
func (c *listenCommand) check() (numbers []string, budget *ksher.Budget, err error) {
	u, err := url.Parse(c.ForwardTo)
	if err != nil || u.Hostname() == "" || u.User != nil || u.Scheme != "http" && u.Scheme != "https" {
		return nil, nil, usage("--forward-to is no address such as http://localhost:3000/ksher/notify")
	}
	numbers = c.Order
	if c.Orders != "" {
		text, err := textFile{File: c.Orders}.read(nil)
		if err != nil {
			return nil, nil, usage("--orders: %w", err)
		}
		for line := range strings.Lines(string(text)) {
			if no := strings.TrimSpace(line); no != "" {
				numbers = append(numbers, no)
			}
		}
	}
	switch {
	case len(numbers) == 0 && c.Proxy == "":
		return nil, nil, usage("there is no order to ask about: name some, give a file with --orders, or hear of them with --proxy")
	case c.MaxOrders < 1 || len(numbers) > c.MaxOrders:
		return nil, nil, usage("these are %d orders, and --max-orders=%d", len(numbers), c.MaxOrders)
	}
	if budget, err = ksher.NewBudget(c.Rate, atOnce); err != nil {
		return nil, nil, usage("--rate: %w", err)
	}
	return numbers, budget, nil
}

// heading is where everything is, for a program.
type heading struct {
	Event       string `json:"event"` // "listening"
	ForwardTo   string `json:"forward_to"`
	GatewayURL  string `json:"gateway_url"`  // with --proxy the shop's KSHER_GATEWAY_URL
	MerchantURL string `json:"merchant_url"` // and its KSHER_MERCHANT_URL
}

// startProxy starts the proxy, if there is to be one, and returns the addresses of the hosts
// for the shop. stop lets the requests come to their end that are on their way.
func (c *listenCommand) startProxy(s *screen, l *listen.Listener) (gatewayURL, merchantURL string, stop func(), err error) {
	gatewayURL, merchantURL = c.hosts()
	if c.Proxy == "" {
		return gatewayURL, merchantURL, func() {}, nil
	}
	for _, address := range []string{gatewayURL, merchantURL} {
		if c.leadsHere(address) {
			return "", "", nil, usage("%s is the proxy's own address, and requests would go round in circles: it is for the shop, and not for ksher listen", address)
		}
	}
	handler, err := listen.NewProxy(gatewayURL, merchantURL, l.Follow, func(problem string) {
		fmt.Fprintf(s.Err, "a request of the shop was not answered by Ksher: %s\n", problem)
	})
	if err != nil {
		return "", "", nil, err
	}
	listener, err := net.Listen("tcp", c.Proxy)
	if err != nil {
		return "", "", nil, usage("--proxy=%s: %w", c.Proxy, err)
	}
	server := &http.Server{
		Handler: handler, ReadHeaderTimeout: 10 * time.Second, ReadTimeout: time.Minute, IdleTimeout: time.Minute, ErrorLog: log.New(io.Discard, "", 0),
	}
	go server.Serve(listener)
	stop = sync.OnceFunc(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		defer cancel()
		if server.Shutdown(ctx) != nil {
			server.Close()
		}
	})
	base := "http://" + listener.Addr().String()
	return base + listen.GatewayPath, base + listen.MerchantPath, stop, nil
}

// leadsHere tells whether an address is the proxy's own.
func (c *listenCommand) leadsHere(address string) bool {
	host, port, err := net.SplitHostPort(c.Proxy)
	u, urlErr := url.Parse(address)
	if err != nil || urlErr != nil || u.Port() != port {
		return false
	}
	ip := net.ParseIP(u.Hostname())
	return u.Hostname() == host || u.Hostname() == "localhost" || ip != nil && ip.IsLoopback()
}

// greet says where everything is.
func (c *listenCommand) greet(s *screen, gatewayURL, merchantURL string) (err error) {
	switch {
	case c.JSON:
		err = json.NewEncoder(s.Out).Encode(heading{"listening", c.ForwardTo, gatewayURL, merchantURL})
	case c.Proxy != "":
		_, err = fmt.Fprintf(s.Out, "Start the shop with\n  KSHER_GATEWAY_URL=%s\n  KSHER_MERCHANT_URL=%s\nNotifications of the orders that it creates go to %s. Press Ctrl-C to end it.\n", gatewayURL, merchantURL, c.ForwardTo)
	default:
		_, err = fmt.Fprintf(s.Out, "Asking %s and %s. Notifications go to %s. Press Ctrl-C to end it.\n", gatewayURL, merchantURL, c.ForwardTo)
	}
	return err
}

// report prints an event.
func (c *listenCommand) report(s *screen, e listen.Event) {
	if c.JSON {
		encoder := json.NewEncoder(s.Out)
		encoder.SetEscapeHTML(false)
		encoder.Encode(e)
		return
	}
	text, colour := describe(e)
	if s.Colour && colour != "" {
		text = "\x1b[" + colour + "m" + text + "\x1b[0m"
	}
	fmt.Fprintf(s.Out, "%s  %s  %s\n", e.Time.Format(time.TimeOnly), e.MchOrderNo, text)
}

// describe is an event in words, with its colour.
func describe(e listen.Event) (text, colour string) {
	amount := e.TotalFee + " " + e.FeeType
	switch e.Kind {
	case listen.Followed:
		return "is asked about from now on", ""
	case listen.NotFollowed:
		return "is not asked about: " + e.Problem, "31"
	case listen.Unknown:
		return "isn't known to Ksher yet", ""
	case listen.Unpaid:
		return fmt.Sprintf("is not paid: %s, %s", e.Result, amount), ""
	case listen.NotAsked:
		return "could not be asked about, and will be again: " + e.Problem, "33"
	case listen.Paid:
		return "is paid: " + amount, ""
	case listen.Accepted:
		return fmt.Sprintf("the shop said SUCCESS to notification %d", e.Attempt), "32"
	case listen.Refused:
		again := time.Duration(e.Again * float64(time.Second))
		return fmt.Sprintf("the shop refused notification %d, the next comes in %v: %s", e.Attempt, again, e.Problem), "33"
	}
	return "is given up: " + e.Problem, "31"
}

// openOrders is the error of a listener that was ended before all was done.
type openOrders struct {
	text   string
	unpaid bool
}

func (o openOrders) Error() string { return o.text }

// Is lets the program end with the status of what isn't paid.
func (o openOrders) Is(other error) bool { return o.unpaid && other == ksher.ErrNotPaid }

// conclude says what is left, and how to go on with it.
func (c *listenCommand) conclude(out listen.Outcome) error {
	var parts []string
	left := append(out.Untold, out.Open...)
	if len(out.Open) > 0 {
		parts = append(parts, "not paid yet: "+strings.Join(out.Open, ", "))
	}
	if len(out.Untold) > 0 {
		parts = append(parts, "paid, and not accepted by the shop yet: "+strings.Join(out.Untold, ", "))
	}
	if c.Proxy == "" && out.Unpaid > 0 {
		parts = append(parts, fmt.Sprintf("given up unpaid: %d", out.Unpaid))
	}
	if out.Unheard > 0 {
		parts = append(parts, fmt.Sprintf("paid, and never accepted by the shop: %d", out.Unheard))
	}
	if len(parts) == 0 {
		return nil
	}
	text := "orders " + strings.Join(parts, "; ")
	if len(left) > 0 {
		text += "\nGo on with: " + c.again(left)
	}
	return openOrders{text, len(out.Untold) == 0 && out.Unheard == 0}
}

// again is the command that goes on with those orders.
func (c *listenCommand) again(numbers []string) string {
	words := []string{"ksher", "listen", "--forward-to=" + c.ForwardTo}
	if c.Sandbox {
		words = append(words, "--sandbox", "--sandbox-url="+c.SandboxURL)
	}
	if c.Proxy != "" {
		words = append(words, "--proxy="+c.Proxy)
	}
	if len(numbers) > defaultMaxOrders { // Otherwise it would refuse so many.
		words = append(words, fmt.Sprintf("--max-orders=%d", c.MaxOrders))
	}
	words = append(append(words, "--"), numbers...)
	for i, w := range words {
		words[i] = quoted(w)
	}
	return strings.Join(words, " ")
}
