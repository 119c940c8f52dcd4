package kill_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"time"

	"github.com/ksher-go/ksher"
	"github.com/ksher-go/ksher/kshertest"
)

// order is a payment that the shop expects.
type order struct {
	no    string
	total ksher.Amount
	// silent orders are never notified, so that only a pass finds them.
	silent bool
}

// shop is what the test and the merchant's programs agree on.
type shop struct {
	Place    place
	Payments int
	// Reconciled shops make passes in each of their programs.
	Reconciled bool
	// Flaw is what the merchant does wrong, "" for nothing.
	Flaw string
	// GatewayURL is where Ksher is, StepURL where the programs say how far they are.
	GatewayURL, StepURL string
}

// Flaws of a merchant.
const (
	outside   = "outside the transaction"
	forgetful = "deduper in memory"
)

// numbers is what the numbers of orders look like.
const numbers = "A-%05d"

// total is what an order costs.
func (s *shop) total(i int) ksher.Amount { return ksher.Amount(100 + i) }

func (s *shop) orders() []order {
	list := make([]order, s.Payments)
	for i := range list {
		list[i] = order{fmt.Sprintf(numbers, i), s.total(i), s.Reconciled && i%10 == 0}
	}
	return list
}

// openOrders are the orders that weren't applied.
type openOrders struct {
	*shop
	books books
}

// OpenOrders is a page of them.
func (o openOrders) OpenOrders(ctx context.Context, after string, limit int) ([]ksher.OpenOrder, error) {
	times, _, err := o.books.read(ctx)
	if err != nil {
		return nil, err
	}
	var page []ksher.OpenOrder
	for _, o := range o.orders() {
		if o.no > after && times[o.no] == 0 && len(page) < limit {
			page = append(page, ksher.OpenOrder{MchOrderNo: o.no, Host: ksher.HostGateway, TotalFee: o.total, FeeType: "THB"})
		}
	}
	return page, nil
}

// expected finds an order in the books.
func (s *shop) expected(_ context.Context, no string) (ksher.OpenOrder, error) {
	var i int
	if _, err := fmt.Sscanf(no, numbers, &i); err != nil || i < 0 || i >= s.Payments {
		return ksher.OpenOrder{}, fmt.Errorf("order %q: %w", no, ksher.ErrNotOurs)
	}
	return ksher.OpenOrder{MchOrderNo: no, Host: ksher.HostGateway, TotalFee: s.total(i), FeeType: "THB"}, nil
}

// moment is how far a program is with a payment.
type moment string

const (
	// claimed is at the beginning of the merchant's function.
	claimed moment = "claimed"
	// written is at its end, before the commit.
	written moment = "written"
	// answering is when the payment is done, before Ksher hears of it.
	answering moment = "answering"
)

// step tells the test how far the program is. Ending it here, the test doesn't
// answer.
func (s *shop) step(m moment, no string) error {
	resp, err := http.Post(s.StepURL+"/"+string(m)+"/"+no, "", nil)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusNoContent {
		return fmt.Errorf("the test doesn't want it: %s", resp.Status)
	}
	return nil
}

// asMerchant makes this program the merchant's.
const asMerchant = "KSHER_KILL_MERCHANT"

// merchant is the merchant's program. It says where it listens, and ends when
// its standard input does.
func merchant() error {
	var s shop
	if err := json.Unmarshal([]byte(os.Getenv(asMerchant)), &s); err != nil {
		return err
	}
	b, err := s.Place.open()
	if err != nil {
		return err
	}
	opts := []ksher.Option{
		ksher.WithGatewayURL(s.GatewayURL + "/api"),
		ksher.WithMerchantURL(s.GatewayURL + "/KsherPay"),
		ksher.WithVerifier(kshertest.Verifier()),
		ksher.WithLogger(slog.New(slog.NewTextHandler(os.Stderr, nil))),
	}
	budget, err := ksher.NewBudget(100, 1)
	if err != nil {
		return err
	}
	paying := []ksher.PaymentsOption{ksher.WithBudget(budget)}
	if s.Flaw != forgetful {
		deduper, err := b.deduper()
		if err != nil {
			return err
		}
		paying = append(paying, ksher.WithDeduper(deduper))
	}
	client, err := ksher.NewClient(kshertest.AppID, kshertest.PrivateKey(), opts...)
	if err != nil {
		return err
	}
	apply := b.apply
	if s.Flaw != "" {
		apply = b.applyOutside
	}
	paid := func(ctx context.Context, n *ksher.Order) error {
		if err := s.step(claimed, n.MchOrderNo); err != nil {
			return err
		}
		if err := apply(ctx, n); err != nil {
			return err
		}
		return s.step(written, n.MchOrderNo)
	}
	payments, err := ksher.NewPayments(client, paid, paying...)
	if err != nil {
		return err
	}
	handler, err := payments.Notifications(s.expected)
	if err != nil {
		return err
	}
	mux := http.NewServeMux()
	mux.HandleFunc("/{no}", func(w http.ResponseWriter, r *http.Request) {
		answer := httptest.NewRecorder()
		handler.ServeHTTP(answer, r)
		if answer.Code == http.StatusOK {
			if err := s.step(answering, r.PathValue("no")); err != nil {
				answer.Code = http.StatusInternalServerError
			}
		}
		w.WriteHeader(answer.Code)
		answer.Body.WriteTo(w)
	})

	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	ended := make(chan error, 3)
	go func() {
		_, err := io.Copy(io.Discard, os.Stdin)
		ended <- errors.Join(errors.New("the test has ended"), err)
	}()
	go func() { ended <- http.Serve(listener, mux) }()
	if s.Reconciled {
		go func() {
			for { // More often than Run, because this shop doesn't live long.
				payments.Pass(context.Background(), openOrders{&s, b}, "")
				time.Sleep(lease / 2)
			}
		}()
	}
	fmt.Println(listener.Addr())
	return <-ended
}
