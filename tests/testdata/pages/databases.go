package shop

import (
	"cmp"
	"database/sql"

	orders "github.com/ksher-go/ksher/e2e/dedupe/sqlcorders"
	"github.com/ksher-go/ksher/pgxdedupe"
	"github.com/ksher-go/ksher/sqldedupe"
	"gorm.io/driver/postgres"
	"gorm.io/gorm"
)

var (
	shop    *gorm.DB
	deduper *sqldedupe.Deduper
	queries *orders.Queries
)

type Order struct{}
