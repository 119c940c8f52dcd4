package main

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/ksher-go/ksher"
	"github.com/ksher-go/ksher/internal/sandbox"
)

// The test binary as a shop's program, and as the command by which one asks it.
const (
	asShop      = "KSHER_TEST_AS_SHOP" // "forgetful" for one that says SUCCESS before its file has the payment
	shopAddress = "KSHER_TEST_SHOP_ADDRESS"
	shopGateway = "KSHER_TEST_SHOP_GATEWAY"
	shopFile    = "KSHER_TEST_SHOP_FILE"
	shopPath    = "KSHER_TEST_SHOP_PATH" // what to ask it for
)

// fileShop keeps a file with a line for each order and each payment.
type fileShop struct {
	mu       sync.Mutex
	orders   map[string]bool
	paid     map[string]int
	file     *os.File
	client   *ksher.Client
	notifyAt string
}

// shopProgram is the shop's program, or asks it for something.
func shopProgram() {
	slog.SetDefault(slog.New(slog.DiscardHandler))
	run := serveShop
	if os.Getenv(shopPath) != "" {
		run = askShop
	}
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func askShop() error {
	path := os.Getenv(shopPath)
	if len(os.Args) > 1 {
		path += os.Args[1]
	}
	resp, err := http.Get("http://" + os.Getenv(shopAddress) + path)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if _, err := io.Copy(os.Stdout, resp.Body); err != nil || resp.StatusCode != http.StatusOK {
		return fmt.Errorf("%s: %w", resp.Status, err)
	}
	return nil
}

func serveShop() error {
	s := &fileShop{orders: make(map[string]bool), paid: make(map[string]int), notifyAt: "http://" + os.Getenv(shopAddress) + "/notify"}
	if err := s.open(); err != nil {
		return err
	}
	setup := sandbox.Setup(os.Getenv(shopGateway))
	var err error
	if s.client, err = ksher.NewClient(sandbox.AppID, sandbox.PrivateKey(), ksher.WithGatewayURL(setup.GatewayURL),
		ksher.WithMerchantURL(setup.MerchantURL), ksher.WithVerifier(sandbox.Verifier()), ksher.WithRetry(1, 0)); err != nil {
		return err
	}
	payments, err := ksher.NewPayments(s.client, s.fulfil)
	if err != nil {
		return err
	}
	notifications, err := payments.Notifications(s.expected)
	if err != nil {
		return err
	}
	mux := http.NewServeMux()
	mux.Handle("/notify", notifications)
	mux.HandleFunc("/order", s.create)
	mux.HandleFunc("/state/{no}", func(w http.ResponseWriter, r *http.Request) {
		s.mu.Lock()
		defer s.mu.Unlock()
		fmt.Fprintln(w, s.paid[r.PathValue("no")])
	})
	listener, err := net.Listen("tcp", os.Getenv(shopAddress))
	for range 100 { // The one that was killed may still have it.
		if err == nil {
			break
		}
		time.Sleep(20 * time.Millisecond)
		listener, err = net.Listen("tcp", os.Getenv(shopAddress))
	}
	if err != nil {
		return err
	}
	if err := os.WriteFile(os.Getenv(shopFile)+".pid", []byte(strconv.Itoa(os.Getpid())), 0o600); err != nil {
		return err
	}
	return http.Serve(listener, mux)
}

// open reads what the file has.
func (s *fileShop) open() (err error) {
	s.file, err = os.OpenFile(os.Getenv(shopFile), os.O_CREATE|os.O_RDWR|os.O_APPEND, 0o600)
	if err != nil {
		return err
	}
	lines := bufio.NewScanner(s.file)
	for lines.Scan() {
		switch kind, no, _ := strings.Cut(lines.Text(), " "); kind {
		case "order":
			s.orders[no] = true
		case "paid":
			s.paid[no]++
		}
	}
	return lines.Err()
}

func (s *fileShop) write(kind, no string) error {
	if _, err := fmt.Fprintln(s.file, kind, no); err != nil {
		return err
	}
	return s.file.Sync()
}

func (s *fileShop) create(w http.ResponseWriter, r *http.Request) {
	no := ksher.NewOrderNo()
	s.mu.Lock()
	s.orders[no] = true
	err := s.write("order", no)
	s.mu.Unlock()
	if err == nil {
		_, err = s.client.NativePay(r.Context(), &ksher.NativePayRequest{
			MchOrderNo: no, TotalFee: 40_00, FeeType: "THB", Channel: ksher.ChannelPromptPay, NotifyURL: s.notifyAt,
		})
	}
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	fmt.Fprintln(w, no)
}

func (s *fileShop) expected(_ context.Context, no string) (ksher.OpenOrder, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.orders[no] {
		return ksher.OpenOrder{}, ksher.ErrNotOurs
	}
	return ksher.OpenOrder{MchOrderNo: no, Host: ksher.HostMerchant, TotalFee: 40_00, FeeType: "THB", Booked: s.paid[no] > 0}, nil
}

func (s *fileShop) fulfil(_ context.Context, o *ksher.Order) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.paid[o.MchOrderNo]++
	if os.Getenv(asShop) == "forgetful" {
		return nil // It would write later, when it has time.
	}
	return s.write("paid", o.MchOrderNo)
}

// freeAddress is one that nothing listens at.
func freeAddress(t *testing.T) string {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer listener.Close()
	return listener.Addr().String()
}

// startShop starts a shop in a process of its own, for a gateway that may not run yet. It
// returns the arguments that test it.
func startShop(t *testing.T, kind, gatewayURL string) []string {
	t.Helper()
	if _, err := exec.LookPath("sh"); err != nil {
		t.Skip("there is no sh")
	}
	address, file := freeAddress(t), filepath.Join(t.TempDir(), "shop")
	for name, value := range map[string]string{asShop: kind, shopAddress: address, shopGateway: gatewayURL, shopFile: file} {
		t.Setenv(name, value)
	}
	t.Setenv("GORACE", "atexit_sleep_ms=0") // Else each command takes a second longer, if there is a race detector.
	begin := "'" + os.Args[0] + "' >/dev/null 2>&1 </dev/null &"
	require.NoError(t, restart(t.Context(), begin))
	killed := "kill -9 $(cat '" + file + ".pid')"
	t.Cleanup(func() { exec.Command("sh", "-c", killed).Run() })
	require.Eventually(t, func() bool { _, err := os.Stat(file + ".pid"); return err == nil }, 20*time.Second, 10*time.Millisecond)
	ask := func(path string) string { return shopPath + "=" + path + " '" + os.Args[0] + "'" }
	return []string{"test-webhook", "http://" + address + "/notify", "--sandbox-url=" + gatewayURL,
		"--order-cmd=" + ask("/order"), "--state-cmd=" + ask("/state/"), "--restart-cmd=" + killed + "; " + begin}
}
