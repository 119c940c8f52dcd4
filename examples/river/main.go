// Command river is a shop on PostgreSQL whose work is done by River, a job queue in the
// same database. Whichever process dies at whatever moment, each payment is applied and
// fulfilled once.
//
// Without an account, the gateway, the shop and the buyers are in this program, which
// tells a short story in a schema of its own and ends by itself:
//
//	KSHER_POSTGRES='postgres://…' go run .
//
// With the variables of ksher.ClientFromEnv, it is a shop. Make its tables once, then
// start as many as you like:
//
//	go run . -migrate
//	go run . -listen :8080 -public https://shop.example
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/ksher-go/ksher"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run(ctx context.Context) error {
	from := settings{log: slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelWarn}))}
	slog.SetDefault(from.log) // For the receiver, which is of no client.
	only := flag.Bool("migrate", false, "make the tables, and end")
	listen := flag.String("listen", "127.0.0.1:8080", "where to listen")
	flag.StringVar(&from.public, "public", "", "the address at which Ksher and the buyers reach this shop")
	flag.DurationVar(&from.patience, "patience", 30*time.Second, "how long a job may take; one of a process that died waits for twice that")
	flag.DurationVar(&from.pass, "pass", time.Minute, "how often to ask about open orders")
	flag.Parse()

	address := os.Getenv("KSHER_POSTGRES")
	if address == "" {
		return errors.New("KSHER_POSTGRES isn't set: the URL of a PostgreSQL database. e2e/databases.sh starts one")
	}
	if os.Getenv("KSHER_APPID") == "" && !*only {
		ctx, cancel := context.WithTimeout(ctx, 2*time.Minute)
		defer cancel()
		return inSchema(ctx, address, from, story)
	}
	var err error
	if from.pool, err = pgxpool.New(ctx, address); err != nil {
		return err
	}
	defer from.pool.Close()
	if *only {
		return migrate(ctx, from.pool)
	}
	if from.client, err = ksher.ClientFromEnv(ksher.WithLogger(from.log)); err != nil {
		return err
	}
	if from.verifier, err = verifier(); err != nil {
		return err
	}
	return serve(ctx, *listen, from)
}

// verifier has the keys that sign notifications: Ksher's, or that of a local gateway.
func verifier() (*ksher.Verifier, error) {
	file := os.Getenv("KSHER_PUBLIC_KEY_FILE")
	if file == "" {
		return ksher.NewVerifier(ksher.GatewayPublicKey(ksher.SignV1), ksher.GatewayPublicKey(ksher.SignV2))
	}
	pem, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	key, err := ksher.ParsePublicKey(pem)
	if err != nil {
		return nil, err
	}
	return ksher.NewVerifier(key)
}

// serve runs the shop until the context ends, and prints where it listens.
func serve(ctx context.Context, listen string, from settings) error {
	running, err := start(listen, from)
	if err != nil {
		return err
	}
	fmt.Println(running.address)
	<-ctx.Done()
	return running.stop()
}

// running is a shop at work.
type running struct {
	*shop
	address string
	server  *http.Server
}

// start has a shop listen and work.
func start(listen string, from settings) (*running, error) {
	listener, err := net.Listen("tcp", listen)
	if err != nil {
		return nil, err
	}
	r := &running{address: listener.Addr().String()}
	if from.public == "" {
		from.public = "http://" + r.address
	}
	if r.shop, err = newShop(from); err != nil {
		return nil, errors.Join(err, listener.Close())
	}
	handler, err := r.handler()
	if err == nil {
		// Its end isn't that of a request or a signal: stop lets jobs finish.
		err = r.jobs.Start(context.Background())
	}
	if err != nil {
		return nil, errors.Join(err, listener.Close())
	}
	r.server = &http.Server{Handler: handler, ReadHeaderTimeout: 10 * time.Second}
	go r.server.Serve(listener)
	return r, nil
}

// stop takes no more notifications, which Ksher then sends again, and lets the jobs that
// have begun finish. The others wait in the database. Both begin at once: a server may wait
// for seconds for a connection that nobody has used, and jobs would go on beginning.
func (r *running) stop() error {
	ctx, cancel := context.WithTimeout(context.Background(), 2*r.patience)
	defer cancel()
	jobs := make(chan error, 1)
	go func() { jobs <- r.jobs.Stop(ctx) }()
	return errors.Join(r.server.Shutdown(ctx), <-jobs)
}
