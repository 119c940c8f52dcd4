package pgxdedupe_test

import (
	"context"
	"errors"
	"net"
	"strings"
	"sync"
	"testing"

	"github.com/jackc/pgx/v5/pgproto3"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/stretchr/testify/require"

	"github.com/ksher-go/ksher/pgxdedupe"
)

// double is a PostgreSQL that says of each statement that it changed one row, and
// remembers what it was asked.
type double struct {
	mu    sync.Mutex
	steps []string
	// hangs is the step that is never answered.
	hangs string
	conns sync.WaitGroup
}

// dial is what a pool does to reach it.
func (d *double) dial(context.Context, string, string) (net.Conn, error) {
	ours, theirs := net.Pipe()
	d.conns.Go(func() {
		defer ours.Close()
		_ = d.serve(pgproto3.NewBackend(ours, ours))
	})
	return theirs, nil
}

func (d *double) serve(b *pgproto3.Backend) error {
	if first, err := b.ReceiveStartupMessage(); err != nil {
		return err
	} else if _, ok := first.(*pgproto3.StartupMessage); !ok {
		return nil // A request to cancel a statement.
	}
	b.Send(&pgproto3.AuthenticationOk{})
	status := byte('I')
	for {
		b.Send(&pgproto3.ReadyForQuery{TxStatus: status})
		if err := b.Flush(); err != nil {
			return err
		}
		statement, err := receive(b)
		if err != nil {
			return err
		}
		step, _, _ := strings.Cut(strings.ToUpper(statement), " ")
		if step != "--" { // How the pool looks whether the connection is alive.
			d.mu.Lock()
			d.steps = append(d.steps, step)
			d.mu.Unlock()
		}
		switch step {
		case d.hangs:
			_, err := b.Receive()
			return err
		case "BEGIN":
			status = 'T'
		case "COMMIT":
			status = 'I'
		}
		b.Send(&pgproto3.CommandComplete{CommandTag: []byte(step + " 1")})
	}
}

// receive returns the next statement.
func receive(b *pgproto3.Backend) (statement string, err error) {
	for {
		message, err := b.Receive()
		if err != nil {
			return "", err
		}
		switch m := message.(type) {
		case *pgproto3.Query:
			return m.String, nil
		case *pgproto3.Parse:
			statement = m.Query
			b.Send(&pgproto3.ParseComplete{})
		case *pgproto3.Bind:
			b.Send(&pgproto3.BindComplete{})
		case *pgproto3.Describe:
			b.Send(&pgproto3.NoData{})
		case *pgproto3.Sync:
			return statement, nil
		case *pgproto3.Terminate:
			return "", errors.New("the client has gone")
		}
	}
}

// pool has one connection to it.
func pool(t *testing.T, dial func(context.Context, string, string) (net.Conn, error)) *pgxpool.Pool {
	t.Helper()
	config, err := pgxpool.ParseConfig("postgres://ksher@127.0.0.1/ksher?sslmode=disable&default_query_exec_mode=exec&pool_max_conns=1")
	require.NoError(t, err)
	config.ConnConfig.DialFunc = dial
	p, err := pgxpool.NewWithConfig(t.Context(), config)
	require.NoError(t, err)
	return p
}

func onDouble(t *testing.T, d *double) *pgxdedupe.Deduper {
	t.Helper()
	p := pool(t, d.dial)
	t.Cleanup(func() {
		p.Close()
		d.conns.Wait()
	})
	deduper, err := pgxdedupe.New(p, pgxdedupe.WithLease(lease))
	require.NoError(t, err)
	return deduper
}
