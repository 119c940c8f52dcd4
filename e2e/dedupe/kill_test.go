package dedupe_test

import (
	"bufio"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/ksher-go/ksher"
	"github.com/ksher-go/ksher/pgxdedupe"
	"github.com/ksher-go/ksher/sqldedupe"
)

// TestEveryStep breaks the connection, or kills the server, before and after
// each step of the database, and has the notification come again.
func TestEveryStep(t *testing.T) {
	each(t, func(t *testing.T, p *place) {
		for _, inTx := range []bool{true, false} {
			for _, crash := range []bool{true, false} {
				for _, after := range []bool{true, false} {
					t.Run(fmt.Sprintf("inTx=%v crash=%v after=%v", inTx, crash, after), func(t *testing.T) {
						everyStep(t, p, inTx, crash, after)
					})
				}
			}
		}
	})
}

func everyStep(t *testing.T, p *place, inTx, crash, after bool) {
	if p.dialect == sqldedupe.MySQL && !strings.Contains(p.dsn, "interpolateParams=true") || p.pgx && !strings.Contains(p.dsn, "exec_mode") {
		t.Skip("this driver prepares statements, which takes other steps")
	}
	sound := p.server(t)
	for at, fired := 1, true; fired; at++ {
		fired = false
		var steps []string
		doomed := p.serverWith(t, func(lose func() error, step string, do func() error) error {
			if fired && crash {
				return lose()
			}
			if steps = append(steps, step); len(steps) != at {
				return do()
			}
			fired = true
			if after {
				if err := do(); err != nil {
					return err
				}
			}
			return lose()
		}, 2*time.Minute)
		key := newKey()
		once := func(s *server) error {
			if inTx {
				return s.Once(t.Context(), key, p.inTx(key))
			}
			return s.Once(t.Context(), key, func(ctx context.Context) error { return p.effect(ctx, s.db, key) })
		}

		err := once(doomed)
		if !fired {
			require.NoError(t, err)
			require.Len(t, steps, map[bool]int{true: 7, false: 3}[inTx], "%q", steps)
			break
		}
		require.True(t, isLost(err), "%q: %v", steps, err)
		if crash || at == 1 {
			// Nobody could give back the claim.
			p.expire(t, key)
		}
		require.NoError(t, once(sound), "%q", steps)
		effects := p.effects(t, key)
		if inTx {
			require.Equal(t, 1, effects, "%q", steps)
		} else {
			require.Positive(t, effects, "%q", steps)
		}
		require.NoError(t, once(sound), "%q", steps)
		require.Equal(t, effects, p.effects(t, key), "%q", steps)
	}
}

// What tells this program that it is the server which TestKill kills.
const (
	childDialect = "KSHER_DEDUPE_DIALECT"
	childDSN     = "KSHER_DEDUPE_DSN"
	childKey     = "KSHER_DEDUPE_KEY"
	childPgx     = "KSHER_DEDUPE_PGX"
)

// child handles a payment, but never returns from its function.
func child() {
	dialect, err := strconv.Atoi(os.Getenv(childDialect))
	p := &place{database: database{dialect: sqldedupe.Dialect(dialect), pgx: os.Getenv(childPgx) == "true"}, dsn: os.Getenv(childDSN)}
	d, e := p.childDeduper()
	if err = errors.Join(err, e); err == nil {
		key := os.Getenv(childKey)
		err = d.Once(context.Background(), key, func(ctx context.Context) error {
			if err := p.inTx(key)(ctx); err != nil {
				return err
			}
			fmt.Println("at work")
			select {}
		})
	}
	fmt.Println(err)
	os.Exit(1)
}

func (p *place) childDeduper() (ksher.Deduper, error) {
	if p.pgx {
		pool, err := p.pool(nil)
		if err != nil {
			return nil, err
		}
		return pgxdedupe.New(pool)
	}
	c, err := p.connector()
	if err != nil {
		return nil, err
	}
	return sqldedupe.New(sql.OpenDB(c), p.dialect)
}

func TestKill(t *testing.T) {
	each(t, func(t *testing.T, p *place) {
		key := newKey()
		cmd := exec.Command(os.Args[0])
		cmd.Env = append(os.Environ(), childDialect+"="+strconv.Itoa(int(p.dialect)), childDSN+"="+p.dsn, childKey+"="+key, childPgx+"="+strconv.FormatBool(p.pgx))
		out, err := cmd.StdoutPipe()
		require.NoError(t, err)
		require.NoError(t, cmd.Start())
		line, err := bufio.NewReader(out).ReadString('\n')
		require.NoError(t, cmd.Process.Kill())
		require.Error(t, cmd.Wait())
		require.NoError(t, err)
		require.Equal(t, "at work\n", line)

		s := p.server(t)
		require.ErrorIs(t, s.Once(t.Context(), key, p.inTx(key)), ksher.ErrInProgress)
		p.expire(t, key)
		require.NoError(t, s.Once(t.Context(), key, p.inTx(key)))
		require.Equal(t, 1, p.effects(t, key))
	})
}
