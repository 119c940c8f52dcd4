package shop

import (
	"context"
	"database/sql"
	"time"

	"github.com/ksher-go/ksher/sqldedupe"
)

var (
	db       books
	dedupe   ksher.Deduper
	database *sql.DB
	queue    jobs
)

type books struct{}

func (books) OpenOrders(ctx context.Context, after string, limit int) ([]ksher.OpenOrder, error) {
	return nil, nil
}

func (books) MarkPaid(context.Context, string) error { return nil }
func (books) Order(context.Context, ...string) (ksher.OpenOrder, error) {
	return ksher.OpenOrder{}, nil
}
func (books) Client(ctx context.Context, appID string) (*ksher.Client, error) { return nil, nil }

type jobs struct{}

func (jobs) Put(context.Context, []byte) error { return nil }
func (jobs) Done([]byte)                       {}
func (jobs) Retry([]byte, time.Duration)       {}
