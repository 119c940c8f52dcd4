// Command miniprogram is the backend of a mini program of WeChat that sells
// coffee.
//
// Without an account it starts a gateway of its own, and plays the mini program
// and the buyer:
//
//	go run ./examples/miniprogram
//
// With KSHER_APPID and KSHER_PRIVATE_KEY set, and the mini program's ID and a
// buyer's openid as its arguments, it creates a real order of 1 THB at Ksher,
// prints what wx.requestPayment wants, and stops there. The other variables are those
// of ksher.ClientFromEnv:
//
//	go run ./examples/miniprogram wx2421b1c4370ec43b oUpF8uMuAJO_M2pxb1Q9zNjWeS6o
package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"sync"
	"time"

	"github.com/ksher-go/ksher"
	"github.com/ksher-go/ksher/kshertest"
)

func main() {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	var err error
	switch account := os.Getenv("KSHER_APPID") != ""; {
	case !account && len(os.Args) == 1:
		err = wholeStory(ctx)
	case account && len(os.Args) == 3:
		err = realOrder(ctx, os.Args[1], os.Args[2])
	default:
		err = errors.New("for a real order, set KSHER_APPID and KSHER_PRIVATE_KEY, and give the mini program's ID and a buyer's openid; otherwise give none of them")
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// menu has the prices. They never come from the phone.
var menu = map[string]ksher.Amount{"espresso": 1_00, "latte": 75_50}

// cart is what the mini program sends. A real backend takes the openid from the
// session that wx.login began, so that nobody orders in another's name.
type cart struct {
	OpenID string         `json:"openid"`
	Cups   map[string]int `json:"cups"`
}

// total is what a cart costs.
func (c cart) total() (ksher.Amount, error) {
	var sum ksher.Amount
	for name, count := range c.Cups {
		price, ok := menu[name]
		if !ok || count < 1 || count > 100 {
			return 0, fmt.Errorf("the cart has %d of %.20q", count, name)
		}
		sum += price * ksher.Amount(count)
	}
	if sum == 0 || c.OpenID == "" {
		return 0, errors.New("the cart is empty, or nobody's")
	}
	return sum, nil
}

// checkout is what the mini program gets: the number to ask for later, and what
// it hands to wx.requestPayment as it is.
type checkout struct {
	OrderNo string              `json:"order_no"`
	Payment *ksher.WeChatParams `json:"payment"`
}

// sale is an order in the shop's books.
type sale struct {
	total ksher.Amount
	paid  bool
}

// shop is the backend. A real one keeps its books in a database.
type shop struct {
	client      *ksher.Client
	miniProgram string
	notifyURL   string

	mu    sync.Mutex
	books map[string]*sale
}

// order makes an order for a buyer.
func (s *shop) order(ctx context.Context, openID string, total ksher.Amount) (*checkout, error) {
	// The number is in the books before Ksher hears it, and stays there whatever
	// comes: an order whose answer is lost can be paid, and its payment announced.
	no := ksher.NewOrderNo()
	s.mu.Lock()
	s.books[no] = &sale{total: total}
	s.mu.Unlock()
	answer, err := s.client.MiniProgramPay(ctx, &ksher.MiniProgramPayRequest{
		MchOrderNo:      no,
		TotalFee:        total,
		FeeType:         "THB",
		Channel:         ksher.ChannelWeChat,
		SubOpenID:       openID,
		ChannelSubAppID: s.miniProgram,
		Product:         "Coffee",
		NotifyURL:       s.notifyURL,
	})
	if err != nil {
		return nil, err
	}
	payment, err := answer.WeChatParams()
	if err != nil {
		return nil, err
	}
	return &checkout{no, payment}, nil
}

// expected finds an order in the books.
func (s *shop) expected(_ context.Context, mchOrderNo string) (ksher.OpenOrder, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	sale := s.books[mchOrderNo]
	if sale == nil {
		return ksher.OpenOrder{}, ksher.ErrNotOurs
	}
	return ksher.OpenOrder{MchOrderNo: mchOrderNo, Host: ksher.HostMerchant, TotalFee: sale.total, FeeType: "THB", Booked: sale.paid}, nil
}

// paid is called once for each order that is paid, in full.
func (s *shop) paid(_ context.Context, o *ksher.Order) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.books[o.MchOrderNo].paid = true // Make the coffee.
	return nil
}

func (s *shop) handler() (http.Handler, error) {
	payments, err := ksher.NewPayments(s.client, s.paid)
	if err != nil {
		return nil, err
	}
	notifications, err := payments.Notifications(s.expected)
	if err != nil {
		return nil, err
	}
	mux := http.NewServeMux()
	mux.HandleFunc("POST /orders", func(w http.ResponseWriter, r *http.Request) {
		var c cart
		if err := json.NewDecoder(http.MaxBytesReader(w, r.Body, 16<<10)).Decode(&c); err != nil {
			http.Error(w, "that is no cart", http.StatusBadRequest)
			return
		}
		total, err := c.total()
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		answer, err := s.order(r.Context(), c.OpenID, total)
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			http.Error(w, "try again later", http.StatusBadGateway)
			return
		}
		json.NewEncoder(w).Encode(answer)
	})
	// The phone's own word that it paid counts for nothing, so it asks here.
	mux.HandleFunc("GET /orders/{no}", func(w http.ResponseWriter, r *http.Request) {
		s.mu.Lock()
		defer s.mu.Unlock()
		sale := s.books[r.PathValue("no")]
		if sale == nil {
			http.NotFound(w, r)
			return
		}
		json.NewEncoder(w).Encode(map[string]bool{"paid": sale.paid})
	})
	mux.Handle("POST /ksher/notify", notifications)
	return mux, nil
}

// realOrder creates an order at Ksher and leaves paying it to a person.
func realOrder(ctx context.Context, miniProgram, openID string) error {
	client, err := ksher.ClientFromEnv()
	if err != nil {
		return err
	}
	s := &shop{client: client, miniProgram: miniProgram, notifyURL: "https://shop.example/ksher/notify", books: make(map[string]*sale)}
	answer, err := s.order(ctx, openID, menu["espresso"])
	if err != nil {
		return err
	}
	text, err := json.Marshal(answer.Payment)
	if err != nil {
		return err
	}
	fmt.Printf("Order %s over 1.00 THB was created at Ksher. In the mini program, wx.requestPayment takes real money with\n%s\n", answer.OrderNo, text)
	return nil
}

// wholeStory plays every part: the gateway, the backend, the mini program and the
// buyer.
func wholeStory(ctx context.Context) error {
	gateway, err := kshertest.Start()
	if err != nil {
		return err
	}
	defer gateway.Close()
	fmt.Println("1. A gateway runs inside this program. No account is needed, and no money moves.")

	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	base := "http://" + listener.Addr().String()
	s := &shop{client: gateway.Client, miniProgram: "wx2421b1c4370ec43b", notifyURL: base + "/ksher/notify", books: make(map[string]*sale)}
	handler, err := s.handler()
	if err != nil {
		return err
	}
	server := &http.Server{Handler: handler, ReadHeaderTimeout: 10 * time.Second}
	go server.Serve(listener)
	defer server.Close()
	fmt.Printf("2. The backend of the mini program listens at %s.\n", base)

	var answer struct {
		OrderNo string          `json:"order_no"`
		Payment json.RawMessage `json:"payment"`
	}
	if err := ask(ctx, http.MethodPost, base+"/orders", cart{"oUpF8uMuAJO_M2pxb1Q9zNjWeS6o", map[string]int{"latte": 2}}, &answer); err != nil {
		return err
	}
	fmt.Printf("3. The mini program sent a cart of two lattes, and got order %s. To wx.requestPayment it hands\n   %s\n", answer.OrderNo, answer.Payment)

	if err := gateway.Pay(answer.OrderNo, ksher.ChannelWeChat); err != nil {
		return err
	}
	fmt.Println("4. The buyer types the password. The phone says that all went well, which proves nothing.")

	for {
		var state struct{ Paid bool }
		if err := ask(ctx, http.MethodGet, base+"/orders/"+answer.OrderNo, nil, &state); err != nil {
			return err
		}
		if state.Paid {
			break
		}
		select {
		case <-time.After(100 * time.Millisecond):
		case <-ctx.Done():
			return fmt.Errorf("no notification of order %s came: %w", answer.OrderNo, ctx.Err())
		}
	}
	fmt.Println("5. Ksher notified the backend, which made sure, and tells the mini program: paid. The coffee is being made.")
	return nil
}

// ask is how the mini program talks to its backend.
func ask(ctx context.Context, method, address string, question, answer any) error {
	body, err := json.Marshal(question)
	if err != nil {
		return err
	}
	req, err := http.NewRequestWithContext(ctx, method, address, bytes.NewReader(body))
	if err != nil {
		return err
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		said, _ := io.ReadAll(io.LimitReader(resp.Body, 200))
		return fmt.Errorf("the backend answered HTTP %d: %s", resp.StatusCode, said)
	}
	return json.NewDecoder(resp.Body).Decode(answer)
}
