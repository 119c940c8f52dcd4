package stop_test

import (
	"context"
	"errors"
	"net"
	"net/http"
	"time"

	"github.com/ksher-go/ksher"
)

// shutdown is how long what has begun may take to finish, less than the limit after which
// the process is killed.
const shutdown = 8 * time.Second

// serve runs a shop until ctx ends, which is that of signal.NotifyContext, and returns nil
// once nothing runs any more. Then the database may be closed.
func serve(ctx context.Context, listener net.Listener, handler http.Handler, payments *ksher.Payments, orders ksher.OpenOrders) error {
	// No BaseContext that ends with ctx: it would cut off what has begun.
	server := &http.Server{Handler: handler, ReadHeaderTimeout: 5 * time.Second}
	ended := make(chan error, 2)
	go func() { ended <- server.Serve(listener) }()
	passes, stopPasses := context.WithCancel(ctx)
	defer stopPasses()
	go func() { ended <- payments.Run(passes, orders) }()

	var failed error
	left := 2
	select {
	case <-ctx.Done():
	case failed = <-ended: // Serve or Run ended though nobody stopped them.
		left--
	}
	stopPasses()
	limit, cancel := context.WithTimeout(context.WithoutCancel(ctx), shutdown)
	defer cancel()
	err := errors.Join(failed, server.Shutdown(limit))
	for ; left > 0; left-- {
		select {
		case e := <-ended:
			if !errors.Is(e, http.ErrServerClosed) && !errors.Is(e, context.Canceled) {
				err = errors.Join(err, e)
			}
		case <-limit.Done():
			return errors.Join(err, limit.Err())
		}
	}
	return err
}

// until returns the context of a request that ends with stopping as well, for those that
// wait for a buyer.
func until(stopping context.Context, r *http.Request) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithCancel(r.Context())
	stop := context.AfterFunc(stopping, cancel)
	return ctx, func() { stop(); cancel() }
}
