// Package scale_test measures how many notifications and how many open orders a
// second a shop's process gets through, beside the least that does the same. It
// needs the databases of ../databases.sh. docs/scale.md has the numbers.
//
//	go test -run '^$' -bench . -benchtime 10x ./scale
//
// KSHER_TURN is how many payments are measured together, 500 by default.
package scale_test

import (
	"bufio"
	"bytes"
	"cmp"
	"context"
	"crypto"
	"crypto/md5"
	"crypto/rand"
	"crypto/rsa"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/ksher-go/ksher"
	"github.com/ksher-go/ksher/kshertest"
)

func TestMain(m *testing.M) {
	if os.Getenv(asKsher) != "" {
		if err := playKsher(); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	os.Exit(m.Run())
}

// turnSize is how many payments are measured together.
func turnSize() int {
	n, err := strconv.Atoi(cmp.Or(os.Getenv("KSHER_TURN"), "500"))
	if err != nil {
		panic(err)
	}
	return n
}

// newTurn is the name of a turn, whose order numbers begin with it.
func newTurn() string { return rand.Text()[:20] }

// ksherAt starts the process that plays Ksher.
func ksherAt(tb testing.TB) (address string) {
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), asKsher+"=1")
	cmd.Stderr = os.Stderr
	stdin, err := cmd.StdinPipe()
	require.NoError(tb, err)
	stdout, err := cmd.StdoutPipe()
	require.NoError(tb, err)
	require.NoError(tb, cmd.Start())
	address, err = bufio.NewReader(stdout).ReadString('\n')
	tb.Cleanup(func() {
		stdin.Close()
		require.NoError(tb, cmd.Wait())
	})
	require.NoError(tb, err)
	return strings.TrimSpace(address)
}

// ask has the process that plays Ksher do something.
func ask(tb testing.TB, address, what string, parameters ...string) string {
	tb.Helper()
	form := url.Values{"n": {strconv.Itoa(turnSize())}}
	for i := 0; i < len(parameters); i += 2 {
		form.Set(parameters[i], parameters[i+1])
	}
	resp, err := http.PostForm(address+what, form)
	require.NoError(tb, err)
	defer resp.Body.Close()
	answer, err := io.ReadAll(resp.Body)
	require.NoError(tb, err)
	require.Equal(tb, http.StatusOK, resp.StatusCode, "%s", answer)
	return string(answer)
}

// askTime is ask for what takes a time.
func askTime(tb testing.TB, address, what string, parameters ...string) time.Duration {
	tb.Helper()
	ns, err := strconv.ParseInt(ask(tb, address, what, parameters...), 10, 64)
	require.NoError(tb, err)
	return time.Duration(ns)
}

// cost is what the payments of a turn took, and for how long this process and the
// database's were at work for it, on all cores.
type cost struct{ took, cpu, database time.Duration }

// costs are those of turns.
type costs []cost

// middle is what a payment cost in the turn in the middle, in microseconds.
func (c costs) middle(of func(cost) time.Duration) float64 {
	var all []time.Duration
	for _, turn := range c {
		all = append(all, of(turn))
	}
	slices.Sort(all)
	return float64(all[len(all)/2].Nanoseconds()) / 1e3 / float64(turnSize())
}

func took(c cost) time.Duration        { return c.took }
func processCPU(c cost) time.Duration  { return c.cpu }
func databaseCPU(c cost) time.Duration { return c.database }

// report tells how many a second there were, and what each cost.
func (c costs) report(b *testing.B, name string) {
	b.ReportMetric(1e6/c.middle(took), name+"/s")
	b.ReportMetric(c.middle(processCPU), "cpu-µs/"+name)
	if database := c.middle(databaseCPU); database > 0 {
		b.ReportMetric(database, "db-cpu-µs/"+name)
	}
}

// against tells how many times the floor that is.
func (c costs) against(b *testing.B, floor costs, name string) {
	b.ReportMetric(c.middle(took)/floor.middle(took), "x/"+name)
	b.ReportMetric(c.middle(processCPU)/floor.middle(processCPU), "x-cpu/"+name)
}

// measured is what fn costs.
func measured(tb testing.TB, server string, fn func() time.Duration) cost {
	mine, database := cpu(), serverCPU(tb, server)
	c := cost{took: fn()}
	c.cpu, c.database = cpu()-mine, serverCPU(tb, server)-database
	return c
}

// serverCPU is how much time of a core a server of ../databases.sh and its children have
// had, in hundredths of a second.
func serverCPU(tb testing.TB, server string) (sum time.Duration) {
	folder := os.Getenv("KSHER_DATABASES")
	if server == "" || folder == "" {
		return 0
	}
	pid, err := os.ReadFile(filepath.Join(folder, server+".pid"))
	require.NoError(tb, err)
	stats, err := filepath.Glob("/proc/[0-9]*/stat")
	require.NoError(tb, err)
	for _, name := range stats {
		text, err := os.ReadFile(name)
		if err != nil {
			continue // It has ended.
		}
		// See proc_pid_stat(5): what follows the name, which may have blanks.
		fields := strings.Fields(string(text[bytes.LastIndexByte(text, ')')+1:]))
		if own := strings.TrimSpace(string(pid)); fields[1] != own && filepath.Base(filepath.Dir(name)) != own {
			continue
		}
		for _, ticks := range fields[11:13] {
			n, err := strconv.Atoi(ticks)
			require.NoError(tb, err)
			sum += time.Duration(n) * 10 * time.Millisecond
		}
	}
	return sum
}

// newClient is a shop's client, with a key of that many bits.
func newClient(tb testing.TB, address string, bits int) *ksher.Client {
	client, err := ksher.NewClient(kshertest.AppID, newKey(tb, bits), ksher.WithGatewayURL(address+"/api"), ksher.WithVerifier(kshertest.Verifier()))
	require.NoError(tb, err)
	return client
}

func newKey(tb testing.TB, bits int) crypto.Signer {
	if bits == 512 {
		return kshertest.PrivateKey() // crypto/rsa makes none that is so short.
	}
	key, err := rsa.GenerateKey(rand.Reader, bits)
	require.NoError(tb, err)
	return key
}

// bareQuery is a query that is signed, and whose answer is only read.
func bareQuery(tb testing.TB, address string, bits int) func(no string) error {
	key, digest := newKey(tb, bits), md5.Sum(nil)
	transport := &http.Transport{MaxIdleConnsPerHost: atOnce}
	tb.Cleanup(transport.CloseIdleConnections)
	client := &http.Client{Transport: transport}
	return func(no string) error {
		sign, err := key.Sign(nil, digest[:], crypto.MD5)
		if err != nil {
			return err
		}
		resp, err := client.PostForm(address+"/api/gateway_order_query", url.Values{"mch_order_no": {no}, "sign": {hex.EncodeToString(sign)}})
		if err != nil {
			return err
		}
		defer resp.Body.Close()
		_, err = io.Copy(io.Discard, resp.Body)
		return err
	}
}

// bareNotifications do what a shop has to at the least: they read the notification,
// query the order, and book its payment. They check nothing.
func bareNotifications(tb testing.TB, query func(no string) error, books *books) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var body struct {
			Data struct {
				MchOrderNo string `json:"mch_order_no"`
			}
		}
		err := json.NewDecoder(r.Body).Decode(&body)
		if err == nil {
			err = query(body.Data.MchOrderNo)
		}
		if err == nil {
			err = books.bare(r.Context(), body.Data.MchOrderNo)
		}
		if err != nil {
			http.Error(w, err.Error(), http.StatusInternalServerError)
		}
	})
}

// notifications is the library's handler.
func notifications(tb testing.TB, client *ksher.Client, books *books) http.Handler {
	n, err := paymentsOf(tb, client, books).Notifications(books.expected)
	require.NoError(tb, err)
	return n
}

func paymentsOf(tb testing.TB, client *ksher.Client, books *books, opts ...ksher.PaymentsOption) *ksher.Payments {
	p, err := ksher.NewPayments(client, func(ctx context.Context, o *ksher.Order) error { return books.pay(ctx, o.MchOrderNo) },
		append(opts, ksher.WithDeduper(books.deduper))...)
	require.NoError(tb, err)
	return p
}

// notified is a shop that is notified of its payments.
type notified struct {
	testing.TB
	ksher, shop string
	books       *books
}

func newNotified(tb testing.TB, address string, books *books, handler http.Handler) *notified {
	server := httptest.NewServer(handler)
	tb.Cleanup(server.Close)
	return &notified{tb, address, server.URL, books}
}

// pay has a turn of orders paid and notified.
func (n *notified) pay() (turn string, c cost) {
	turn = newTurn()
	require.NoError(n, n.books.add(turn, turnSize()))
	ask(n, n.ksher, "/sign", "turn", turn, "result", string(ksher.ResultSuccess))
	c = n.notify(turn)
	paid, err := n.books.paid(turn)
	require.NoError(n, err)
	require.Equal(n, turnSize(), paid)
	return turn, c
}

// notify posts the notifications of a turn.
func (n *notified) notify(turn string) cost {
	return measured(n, n.books.server, func() time.Duration {
		return askTime(n, n.ksher, "/notify", "turn", turn, "to", n.shop)
	})
}

// BenchmarkNotifications is payments that a shop is notified of, 32 at once. They are in
// turn with the bare floor, which signs with the same key, and with the same handler whose
// books and deduper are in memory. Then each is notified again.
func BenchmarkNotifications(b *testing.B) {
	for _, shop := range []struct {
		name string
		make func(testing.TB) *books
	}{
		{"memory", memoryBooks}, {"sqldedupe", sqlBooks}, {"pgxdedupe", pgxBooks}, {"redisdedupe", redisBooks},
	} {
		for _, bits := range []int{512, 2048} {
			b.Run(fmt.Sprintf("%s/key of %d bits", shop.name, bits), func(b *testing.B) { benchmarkNotifications(b, shop.make(b), bits) })
		}
	}
}

func benchmarkNotifications(b *testing.B, books *books, bits int) {
	address, inMemory := ksherAt(b), memoryBooks(b)
	client := newClient(b, address, bits)
	whole := newNotified(b, address, books, notifications(b, client, books))
	floor := newNotified(b, address, books, bareNotifications(b, bareQuery(b, address, bits), books))
	memory := newNotified(b, address, inMemory, notifications(b, client, inMemory))
	for _, shop := range []*notified{whole, floor, memory} {
		shop.pay() // So that it has its connections.
	}
	var wholes, repeats, floors, memories costs
	for b.Loop() {
		turn, c := whole.pay()
		wholes, repeats = append(wholes, c), append(repeats, whole.notify(turn))
		_, c = floor.pay()
		floors = append(floors, c)
		_, c = memory.pay()
		memories = append(memories, c)
	}
	b.ReportMetric(0, "ns/op") // It would count all of them.
	wholes.report(b, "notification")
	repeats.report(b, "repeat")
	floors.report(b, "floor")
	wholes.against(b, floors, "floor")
	wholes.against(b, memories, "memory")
}

// openOrders is a merchant's list, sorted by number.
type openOrders []ksher.OpenOrder

func (l openOrders) OpenOrders(_ context.Context, after string, limit int) ([]ksher.OpenOrder, error) {
	i, found := slices.BinarySearchFunc(l, after, func(o ksher.OpenOrder, no string) int { return strings.Compare(o.MchOrderNo, no) })
	if found {
		i++
	}
	return l[i:min(i+limit, len(l))], nil
}

// pass goes over orders in passes, of which each has a part and a budget of its own: one
// budget doesn't give more than 1,000 queries a second.
func pass(tb testing.TB, client *ksher.Client, books *books, orders openOrders, passes int) error {
	errs := make([]error, passes)
	var group sync.WaitGroup
	for i := range passes {
		budget, err := ksher.NewBudget(1000, atOnce/passes)
		require.NoError(tb, err)
		p := paymentsOf(tb, client, books, ksher.WithBudget(budget))
		part := orders[len(orders)*i/passes : len(orders)*(i+1)/passes]
		group.Go(func() {
			result, err := p.Pass(context.Background(), part, "")
			if err == nil && result.Asked != len(part) || result.Failed > 0 {
				err = fmt.Errorf("of %d orders: %+v", len(part), result)
			}
			errs[i] = err
		})
	}
	group.Wait()
	return errors.Join(errs...)
}

// passed is orders that are asked about.
type passed struct {
	name   string
	result ksher.Result
	bits   int
	passes int
	make   func(testing.TB) *books
}

// BenchmarkPass is orders that are asked about, 32 at once, in turn with the bare queries,
// and with the bare work in the database for those that are paid.
func BenchmarkPass(b *testing.B) {
	for _, p := range []passed{
		{"open/key of 512 bits", ksher.ResultNotPay, 512, 8, memoryBooks},
		{"open/key of 2048 bits", ksher.ResultNotPay, 2048, 8, memoryBooks},
		{"open, one budget/key of 512 bits", ksher.ResultNotPay, 512, 1, memoryBooks},
		{"paid, pgxdedupe/key of 512 bits", ksher.ResultSuccess, 512, 8, pgxBooks},
		{"paid, pgxdedupe/key of 2048 bits", ksher.ResultSuccess, 2048, 8, pgxBooks},
	} {
		b.Run(p.name, p.benchmark)
	}
}

func (p passed) benchmark(b *testing.B) {
	address, books := ksherAt(b), p.make(b)
	client, query := newClient(b, address, p.bits), bareQuery(b, address, p.bits)
	cost := func(fn func(openOrders) error) cost {
		turn := newTurn()
		require.NoError(b, books.add(turn, turnSize()))
		ask(b, address, "/sign", "turn", turn, "result", string(p.result))
		var orders openOrders
		for i := range turnSize() {
			orders = append(orders, openOrder(number(turn, i), false))
		}
		return measured(b, books.server, func() time.Duration {
			start := time.Now()
			require.NoError(b, fn(orders))
			return time.Since(start)
		})
	}
	whole := func(orders openOrders) error { return pass(b, client, books, orders, p.passes) }
	floor := func(orders openOrders) error {
		return each(len(orders), func(i int) error {
			no := orders[i].MchOrderNo
			if err := query(no); err != nil || p.result != ksher.ResultSuccess {
				return err
			}
			return books.bare(context.Background(), no)
		})
	}
	cost(whole)
	cost(floor)
	var wholes, floors costs
	for b.Loop() {
		wholes, floors = append(wholes, cost(whole)), append(floors, cost(floor))
	}
	b.ReportMetric(0, "ns/op")
	wholes.report(b, "order")
	floors.report(b, "floor")
	wholes.against(b, floors, "floor")
}

// BenchmarkFarEnd tells what the process that plays Ksher costs itself, which the others
// have on the same machine: the answers that were signed before, and beside them those of
// the local gateway.
func BenchmarkFarEnd(b *testing.B) {
	address, turn := ksherAt(b), newTurn()
	ask(b, address, "/sign", "turn", turn, "result", string(ksher.ResultNotPay))
	local := strings.TrimSuffix(ask(b, address, "/create", "turn", turn), "/api")
	queries := func(to string) func() cost {
		client := newClient(b, to, 512)
		return func() cost {
			before, start := askTime(b, address, "/cpu"), time.Now()
			require.NoError(b, each(turnSize(), func(i int) error {
				_, err := client.GatewayOrderQuery(context.Background(), &ksher.GatewayOrderQueryRequest{MchOrderNo: number(turn, i)})
				return err
			}))
			return cost{took: time.Since(start), cpu: askTime(b, address, "/cpu") - before}
		}
	}
	signed, gateway := queries(address), queries(local)
	signed()
	gateway()
	var signeds, gateways costs
	for b.Loop() {
		signeds, gateways = append(signeds, signed()), append(gateways, gateway())
	}
	b.ReportMetric(0, "ns/op")
	signeds.report(b, "signed-before")
	gateways.report(b, "local-gateway")
}
