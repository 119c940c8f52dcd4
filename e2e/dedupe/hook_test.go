package dedupe_test

import (
	"context"
	"database/sql/driver"
	"errors"
)

// hook stands between a pool and its database. It gets each step that the
// database is to do, a statement or "BEGIN", "COMMIT" and "ROLLBACK", and what
// does it. To lose the connection it returns the error of lose.
type hook func(lose func() error, step string, do func() error) error

// connector makes connections with a hook.
type connector struct {
	driver.Connector
	session []string
	hook    hook
}

func (c *connector) Connect(ctx context.Context) (driver.Conn, error) {
	inner, err := c.Connector.Connect(ctx)
	if err != nil {
		return nil, err
	}
	made := &conn{driverConn: inner.(driverConn), hook: c.hook}
	for _, statement := range c.session {
		if _, err := made.driverConn.ExecContext(ctx, statement, nil); err != nil {
			return nil, errors.Join(err, inner.Close())
		}
	}
	return made, nil
}

// driverConn is what the connections of all three drivers can do.
type driverConn interface {
	driver.Conn
	driver.ConnBeginTx
	driver.ConnPrepareContext
	driver.ExecerContext
	driver.QueryerContext
}

// conn is a connection with a hook.
type conn struct {
	driverConn
	hook   hook
	broken bool
}

// errLost is what a server hears from a connection that broke.
var errLost = errors.New("the connection is lost")

// lose breaks the connection. The database rolls back what isn't committed.
func (c *conn) lose() error {
	c.Close()
	return errLost
}

func (c *conn) step(step string, do func() error) error {
	if c.broken {
		return errLost
	}
	if c.hook == nil {
		return do()
	}
	return c.hook(c.lose, step, do)
}

func (c *conn) Close() error {
	if c.broken {
		return nil
	}
	c.broken = true
	return c.driverConn.Close()
}

func (c *conn) IsValid() bool { return !c.broken }

func (c *conn) ResetSession(ctx context.Context) error {
	if r, ok := c.driverConn.(driver.SessionResetter); ok {
		return r.ResetSession(ctx)
	}
	return nil
}

func (c *conn) CheckNamedValue(v *driver.NamedValue) error {
	if checker, ok := c.driverConn.(driver.NamedValueChecker); ok {
		return checker.CheckNamedValue(v)
	}
	return driver.ErrSkip
}

func (c *conn) BeginTx(ctx context.Context, opts driver.TxOptions) (tx driver.Tx, err error) {
	err = c.step("BEGIN", func() error {
		tx, err = c.driverConn.BeginTx(ctx, opts)
		return err
	})
	return hookedTx{tx, c}, err
}

func (c *conn) ExecContext(ctx context.Context, query string, args []driver.NamedValue) (result driver.Result, err error) {
	err = c.step(query, func() error {
		result, err = c.driverConn.ExecContext(ctx, query, args)
		return err
	})
	return result, err
}

func (c *conn) QueryContext(ctx context.Context, query string, args []driver.NamedValue) (rows driver.Rows, err error) {
	err = c.step(query, func() error {
		rows, err = c.driverConn.QueryContext(ctx, query, args)
		return err
	})
	return rows, err
}

type hookedTx struct {
	driver.Tx
	conn *conn
}

func (t hookedTx) Commit() error   { return t.conn.step("COMMIT", t.Tx.Commit) }
func (t hookedTx) Rollback() error { return t.conn.step("ROLLBACK", t.Tx.Rollback) }
