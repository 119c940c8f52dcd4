package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"runtime"
	"strings"

	"github.com/alecthomas/kong"

	"github.com/ksher-go/ksher"
	"github.com/ksher-go/ksher/internal/sandbox"
)

// commands are what the command line offers.
type commands struct {
	Sandbox sandboxCommand `cmd:"" help:"Run a local gateway with a checkout page and a dashboard."`

	Doctor      doctorCommand      `cmd:"" help:"Find what is wrong with an integration: key, clock, network, both hosts, the address for notifications."`
	Listen      listenCommand      `cmd:"" help:"Bring notifications to a shop that Ksher can't reach, such as one on a laptop."`
	Trigger     triggerCommand     `cmd:"" help:"Post a rightly signed notification to a shop, with the sandbox's keys."`
	TestWebhook testWebhookCommand `cmd:"" help:"Try attacks and accidents on a shop's address for notifications."`

	Order   orderCommand   `cmd:"" help:"Look at orders, wait until they are paid, cancel and close them."`
	Refund  refundCommand  `cmd:"" help:"Give the money of an order back, whole or in part."`
	Refunds refundsCommand `cmd:"" help:"List the refunds of an order."`
	Reverse reverseCommand `cmd:"" help:"Undo a doubtful charge at a till."`
	Native  nativeCommand  `cmd:"" set:"timeout=10m" help:"Make an order, draw its QR code, and wait until it is paid."`
	Page    pageCommand    `cmd:"" help:"Make an order with a checkout page."`
	Payout  payoutCommand  `cmd:"" help:"Pay money out of the balance, and look at payouts."`

	Settlement settlementCommand `cmd:"" help:"Print what is settled for some days."`
	Reconcile  reconcileCommand  `cmd:"" help:"Hold the shop's list of orders against the gateway and its settlements."`
	Merchant   merchantCommand   `cmd:"" help:"Show the merchant's account as Ksher has it."`
	Balance    balanceCommand    `cmd:"" help:"Show the balance for payouts."`
	Rate       rateCommand       `cmd:"" help:"Show the exchange rate of a currency."`

	Explain explainCommand `cmd:"" help:"Say what an error code or a line from a log means, and what to do."`
	Key     keyCommand     `cmd:"" help:"Make and look at keys."`
	Sign    signCommand    `cmd:"" help:"Sign the parameters of a request."`
	Verify  verifyCommand  `cmd:"" help:"Tell whether a request, an answer or a notification is signed rightly, and what is wrong otherwise."`
	Decode  decodeCommand  `cmd:"" help:"Print an answer or a notification, readable."`

	Health     healthCommand     `cmd:"" help:"Ask whether a local gateway works, as the health check of a container does."`
	Completion completionCommand `cmd:"" help:"Print what makes a shell complete commands and flags: bash, zsh or fish."`
	Man        manCommand        `cmd:"" help:"Print the manual page, for man."`

	Version kong.VersionFlag `help:"Print the version."`
}

// exit is how kong ends the program, after --help.
type exit int

// newParser knows the commands.
func newParser(c *commands, opts ...kong.Option) (*kong.Kong, error) {
	return kong.New(c, append(opts,
		kong.Name("ksher"),
		kong.Description("A Ksher gateway on your own machine, and tools for those who look after a shop."),
		kong.Vars{"version": fmt.Sprintf("ksher %s (%s)", ksher.Version, runtime.Version())},
		kong.Groups{"gateway": "Which gateway, and how to print:"},
		kong.PostBuild(fromEnvironment),
		kong.PostBuild(withHelp),
	)...)
}

// run does what the arguments say, until ctx ends.
func run(ctx context.Context, args []string, s *screen) (err error) {
	defer func() {
		if code := recover(); code != nil {
			if code, ok := code.(exit); !ok || code != 0 {
				panic(code)
			}
			err = nil
		}
	}()
	parser, err := newParser(&commands{}, kong.Writers(s.Out, s.Out), kong.Exit(func(code int) { panic(exit(code)) }))
	if err != nil {
		return err
	}
	parsed, err := parser.Parse(args)
	if err != nil {
		return usage("%w; ksher --help lists what there is", err)
	}
	parsed.BindTo(ctx, (*context.Context)(nil))
	parsed.Bind(s)
	parsed.BindTo(s.In, (*io.Reader)(nil))
	parsed.BindTo(s.Out, (*io.Writer)(nil))
	return parsed.Run()
}

// environment is what the names of the sandbox's flags in the environment begin with.
const environment = "KSHER_SANDBOX_"

// fromEnvironment lets the flags of the sandbox, and of the command that asks for its
// health, be set by environment variables.
func fromEnvironment(k *kong.Kong) error {
	for _, command := range k.Model.Children {
		if command.Name != "sandbox" && command.Name != "health" {
			continue
		}
		for _, flag := range command.Flags {
			name := environment + strings.ToUpper(strings.ReplaceAll(flag.Name, "-", "_"))
			flag.Envs, flag.Value.Tag.Envs = []string{name}, []string{name}
		}
	}
	return nil
}

// usageError is an error in what the program was called with.
type usageError struct{ error }

func (e usageError) Unwrap() error { return e.error }

func usage(format string, args ...any) error { return usageError{fmt.Errorf(format, args...)} }

type sandboxCommand struct {
	Listen      string   `default:"127.0.0.1:8765" placeholder:"HOST:PORT" help:"Where to listen (${default})."`
	AllowRemote bool     `help:"Allow to listen beyond the loopback interface. Whoever reaches the sandbox can pay and refund its orders and make it post to addresses in your network."`
	PublicURL   string   `name:"public-url" placeholder:"URL" help:"The address that browsers and shops know the sandbox by, without a path. By default addresses in answers begin with the one that was asked."`
	Host        []string `placeholder:"NAME" help:"A name under which the dashboard and the control API answer, beside localhost and those in --listen and --public-url. May be given more than once."`
	Data        string   `type:"path" placeholder:"FILE" help:"Keep the orders in this file, so that they survive restarts. Without it they are kept in memory only."`
	Speed       float64  `default:"1" help:"How many times faster than the real clock the sandbox's runs: at 1440 a day of notifications takes a minute."`
	VIPWebhook  string   `name:"vip-webhook" placeholder:"URL" help:"The address for notifications that the merchant has registered at vip.ksher.net."`
	OpnWebhook  string   `name:"opn-webhook" placeholder:"URL" help:"The address for events that the merchant has registered on Opn's dashboard."`
	Strict      bool     `help:"Refuse what Ksher's documentation doesn't allow, also where the real gateway seems to accept it. Without it such a request is served, with a note in the log of requests."`
	JSON        bool     `name:"json" help:"Print the addresses and keys as one line of JSON, and nothing else."`
	Account     string   `enum:"any,offline,online" default:"any" help:"The merchant's kind of account, which decides the channels of native_pay: ${enum}."`
	Currency    []string `placeholder:"CODE,…" help:"The currencies that the merchant's orders can be in, of THB, MYR, JPY and AED (THB)."`
	TrueMoney   string   `name:"truemoney" enum:"any,qr,otp" default:"any" help:"How the merchant's account takes TrueMoney on the checkout page: ${enum}."`
	Merchant    []string `sep:"none" placeholder:"SPEC" help:"One more merchant, as in appid=mch12345,key=pub.pem,account=online,channels=promptpay:truemoney,zone=+08:00,currency=MYR:THB,truemoney=otp. All but the app ID can be left out. Repeat it for more."`

	Seed string `placeholder:"TEXT" help:"Let the numbers, nonces and keys that the sandbox makes up follow from this text, the same for the same calls in the same order."`

	Orders string `type:"existingfile" placeholder:"FILE" help:"Begin with the orders in this file, unless --data has some already; docs/other-languages.md describes it."`

	AllowNotify []string `placeholder:"HOST" help:"Notify this host, too, beyond this machine and private networks: a name or an address, or * for all but link-local addresses. Can be given several times."`
}

// Run runs the gateway until ctx ends.
func (s *sandboxCommand) Run(ctx context.Context, stdout io.Writer) error {
	if !(s.Speed > 0 && s.Speed <= sandbox.MaxSpeed) {
		return usage("--speed=%v: the clock has to run, so give more than 0 and at most %d", s.Speed, sandbox.MaxSpeed)
	}
	remote, err := s.remote(ctx)
	if err != nil {
		return err
	}
	if remote && !s.AllowRemote {
		return usage("--listen=%s can be reached from other machines, and whoever reaches the sandbox can pay and refund its orders "+
			"and make it post to addresses in your network: listen on 127.0.0.1, or add --allow-remote if you want that", s.Listen)
	}
	opts := []sandbox.Option{
		sandbox.WithAddress(s.Listen), sandbox.WithSpeed(s.Speed), sandbox.WithStrict(s.Strict), sandbox.WithVariedFees(),
		sandbox.WithNotifyHosts(s.AllowNotify...), sandbox.WithPublicURL(s.PublicURL), sandbox.WithHosts(s.Host...), sandbox.WithSeed(s.Seed),
	}
	if s.Data != "" {
		store, err := openStore(s.Data)
		if err != nil {
			return err
		}
		defer store.close()
		opts = append(opts, sandbox.WithStore(store))
	}
	merchants, err := s.merchantOptions()
	if err != nil {
		return err
	}
	opts = append(opts, merchants...)
	gateway, err := sandbox.Start(opts...)
	if wrong := (*sandbox.ConfigError)(nil); errors.As(err, &wrong) {
		return usageError{err}
	}
	if err != nil {
		return err
	}
	defer gateway.Close()
	if err := gateway.SetVIPWebhook(s.VIPWebhook); err != nil {
		return usage("--vip-webhook: %w", err)
	}
	if err := gateway.SetOpnWebhook(s.OpnWebhook); err != nil {
		return usage("--opn-webhook: %w", err)
	}

	if err := s.addOrders(gateway); err != nil {
		return err
	}
	if s.JSON {
		if err := json.NewEncoder(stdout).Encode(newBanner(gateway)); err != nil {
			return err
		}
		<-ctx.Done()
		return nil
	}
	s.greet(stdout, gateway, remote)
	<-ctx.Done()
	fmt.Fprintln(stdout, "The sandbox has ended.")
	return nil
}

// banner is where everything is.
type banner struct {
	Listen        string `json:"listen"`
	URL           string `json:"url"`
	GatewayURL    string `json:"gateway_url"`
	MerchantURL   string `json:"merchant_url"`
	AppID         string `json:"app_id"`
	PrivateKeyURL string `json:"private_key_url"`
	VIPURL        string `json:"vip_url"`
	VIPToken      string `json:"vip_token"`
	OpnURL        string `json:"opn_url"`
	OpnPublicKey  string `json:"opn_public_key"`
	OpnSecretKey  string `json:"opn_secret_key"`
}

func newBanner(gateway *sandbox.Gateway) banner {
	url := gateway.PublicURL()
	setup := sandbox.Setup(url)
	return banner{
		Listen: strings.TrimPrefix(gateway.URL(), "http://"), URL: url, GatewayURL: setup.GatewayURL, MerchantURL: setup.MerchantURL,
		AppID: sandbox.AppID, PrivateKeyURL: url + "/setup/merchant.pem", VIPURL: setup.VIPURL, VIPToken: setup.VIPToken,
		OpnURL: setup.OpnURL, OpnPublicKey: setup.OpnPublicKey, OpnSecretKey: setup.OpnSecretKey,
	}
}

// greet says where everything is.
func (s *sandboxCommand) greet(stdout io.Writer, gateway *sandbox.Gateway, remote bool) {
	b := newBanner(gateway)
	fmt.Fprintf(stdout, `The Ksher sandbox is running. It is a simulation: no money moves.

  Listens on    %s
  Dashboard     %s/
  Gateway URL   %s
  Merchant URL  %s
  App ID        %s
  Private key   %s/setup has it, with the public keys and snippets to copy
  VIP URL       %s, in place of https://NAME.vip.ksher.net
  VIP token     %s
  Opn URL       %s, in place of https://api.omise.co
  Opn keys      %s and %s

`, b.Listen, b.URL, b.GatewayURL, b.MerchantURL, b.AppID, b.URL, b.VIPURL, b.VIPToken, b.OpnURL, b.OpnPublicKey, b.OpnSecretKey)
	if s.Data == "" {
		fmt.Fprintln(stdout, "Orders are kept in memory and gone when it ends; --data FILE keeps them.")
	} else {
		fmt.Fprintf(stdout, "Orders are kept in %s.\n", s.Data)
	}
	if remote {
		fmt.Fprintln(stdout, "Warning: other machines can reach it. Whoever does can pay and refund its orders and make it post to addresses in your network.")
	}
	fmt.Fprintln(stdout, "Press Ctrl-C to end it.")
}

// remote tells whether other machines could reach the address to listen on.
func (s *sandboxCommand) remote(ctx context.Context) (bool, error) {
	host, _, err := splitListen(s.Listen)
	if err != nil {
		return false, err
	}
	if host == "" {
		return true, nil
	}
	addresses, err := net.DefaultResolver.LookupNetIP(ctx, "ip", host)
	if err != nil {
		return false, fmt.Errorf("--listen=%s: %w", s.Listen, err)
	}
	for _, a := range addresses {
		if !a.Unmap().IsLoopback() {
			return true, nil
		}
	}
	return false, nil
}

// splitListen reads a --listen.
func splitListen(address string) (host, port string, err error) {
	host, port, err = net.SplitHostPort(address)
	if err != nil || port == "" {
		return "", "", usage("--listen takes HOST:PORT, such as 127.0.0.1:8765")
	}
	return host, port, nil
}
