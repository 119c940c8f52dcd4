package shop

import (
	"context"
	"database/sql"

	"github.com/ksher-go/ksher/sqldedupe"
)

var db *sql.DB

func paid(context.Context, *ksher.Order) error { return nil }
