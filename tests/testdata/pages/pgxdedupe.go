package shop

import (
	"context"

	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/ksher-go/ksher/pgxdedupe"
)

var pool *pgxpool.Pool

func paid(context.Context, *ksher.Order) error { return nil }
