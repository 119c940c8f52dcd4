package scale_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"strconv"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/ksher-go/ksher"
	"github.com/ksher-go/ksher/kshertest"
)

// asKsher makes this program play Ksher.
const asKsher = "KSHER_SCALE_ASKSHER"

// atOnce is how many notifications and queries are on their way at once: as many
// connections as a client keeps.
const atOnce = 32

// total is what each order costs.
const total ksher.Amount = 150_50

// number is that of the i-th order of a turn.
func number(turn string, i int) string { return fmt.Sprintf("%s-%05d", turn, i) }

// double plays Ksher in a process of its own, so that what the shop's costs is
// told apart. What it answers was signed before anybody counts.
type double struct {
	mu      sync.RWMutex
	answers map[string][]byte
	local   *kshertest.Gateway
}

// playKsher says where it listens, and ends when its standard input does.
func playKsher() error {
	local, err := kshertest.Start()
	if err != nil {
		return err
	}
	defer local.Close()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	fmt.Println("http://" + l.Addr().String())
	d := &double{local: local}
	mux := http.NewServeMux()
	mux.HandleFunc("POST /api/gateway_order_query", d.query)
	for path, order := range map[string]func(*http.Request) (string, error){
		"/sign": d.sign, "/notify": d.notify, "/create": d.create,
		"/cpu": func(*http.Request) (string, error) { return strconv.FormatInt(int64(cpu()), 10), nil },
	} {
		mux.HandleFunc("POST "+path, func(w http.ResponseWriter, r *http.Request) {
			answer, err := order(r)
			if err != nil {
				http.Error(w, err.Error(), http.StatusInternalServerError)
				return
			}
			io.WriteString(w, answer)
		})
	}
	server := &http.Server{Handler: mux}
	go func() {
		io.Copy(io.Discard, os.Stdin)
		server.Close()
	}()
	if err := server.Serve(l); !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return nil
}

func (d *double) query(w http.ResponseWriter, r *http.Request) {
	answer, ok := d.signed()[r.PostFormValue("mch_order_no")]
	if !ok {
		http.NotFound(w, r)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	w.Write(answer)
}

func (d *double) signed() map[string][]byte {
	d.mu.RLock()
	defer d.mu.RUnlock()
	return d.answers
}

// sign makes what is to be said of the orders of a turn, and forgets the last turn.
func (d *double) sign(r *http.Request) (string, error) {
	turn, n, err := turnOf(r)
	if err != nil {
		return "", err
	}
	answers := make(map[string][]byte)
	for i := range n {
		no := number(turn, i)
		answers[no] = kshertest.SignedResponse(&ksher.GatewayOrderQueryResponse{Order: ksher.Order{
			AppID: kshertest.AppID, MchOrderNo: no, PayMchOrderNo: fmt.Sprintf("%016d", i), KsherOrderNo: "9002026112110" + no,
			ChannelOrderNo: "4200000607202611216237838347168", Channel: ksher.ChannelPromptPay, FeeType: "THB", TotalFee: total,
			CashFee: total, CashFeeType: "THB", Rate: "1.000000", Result: ksher.Result(r.FormValue("result")),
			TimeEnd: time.Now(), NonceStr: "0123456789abcdef0123456789abcdef",
		}})
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	d.answers = answers
	return "", nil
}

// notify posts the notification of each order of a turn, and tells how long that took.
func (d *double) notify(r *http.Request) (string, error) {
	turn, n, err := turnOf(r)
	if err != nil {
		return "", err
	}
	to, answers := r.FormValue("to"), d.signed()
	transport := &http.Transport{MaxIdleConnsPerHost: atOnce}
	defer transport.CloseIdleConnections()
	client := &http.Client{Transport: transport}
	start := time.Now()
	err = each(n, func(i int) error {
		resp, err := client.Post(to, "text/plain;charset=utf-8", bytes.NewReader(answers[number(turn, i)]))
		if err != nil {
			return err
		}
		defer resp.Body.Close()
		answer, err := io.ReadAll(resp.Body)
		if err == nil && resp.StatusCode != http.StatusOK {
			err = fmt.Errorf("%s was answered %s: %s", number(turn, i), resp.Status, answer)
		}
		return err
	})
	return strconv.FormatInt(int64(time.Since(start)), 10), err
}

// create makes the orders of a turn in the local gateway, and tells where that is.
func (d *double) create(r *http.Request) (string, error) {
	turn, n, err := turnOf(r)
	if err != nil {
		return "", err
	}
	return d.local.GatewayURL(), each(n, func(i int) error {
		_, err := d.local.Client.GatewayPay(context.Background(), &ksher.GatewayPayRequest{
			MchOrderNo: number(turn, i), TotalFee: total, FeeType: "THB", ChannelList: []ksher.Channel{ksher.ChannelPromptPay},
			MchCode: "shop", MchRedirectURL: "https://shop.example/", MchRedirectURLFail: "https://shop.example/", ProductName: "Shirt", ReferURL: "https://shop.example/",
		})
		return err
	})
}

func turnOf(r *http.Request) (turn string, n int, err error) {
	n, err = strconv.Atoi(r.FormValue("n"))
	return r.FormValue("turn"), n, err
}

// each calls fn for 0 to n-1, as many at once as there are connections. After an error it
// stops.
func each(n int, fn func(i int) error) error {
	var next atomic.Int64
	var group sync.WaitGroup
	errs := make([]error, atOnce)
	for worker := range errs {
		group.Go(func() {
			for i := int(next.Add(1)) - 1; i < n; i = int(next.Add(1)) - 1 {
				if errs[worker] = fn(i); errs[worker] != nil {
					next.Store(int64(n))
					return
				}
			}
		})
	}
	group.Wait()
	return errors.Join(errs...)
}

// cpu is how much time of a core this process has had.
func cpu() time.Duration {
	var usage syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &usage); err != nil {
		panic(err)
	}
	return time.Duration(usage.Utime.Nano() + usage.Stime.Nano())
}
