package dedupe_test

import (
	"context"
	"testing"

	"github.com/stretchr/testify/require"
	gormpostgres "gorm.io/driver/postgres"
	"gorm.io/gorm"

	"github.com/ksher-go/ksher"
	"github.com/ksher-go/ksher/sqldedupe"
)

// ksherTestOrder is a shop's order. Without its type the amount would be text,
// which GORM takes from what Amount.Value returns.
type ksherTestOrder struct {
	No    string       `gorm:"primaryKey"`
	Total ksher.Amount `gorm:"type:bigint"`
	Paid  bool
}

// TestGORM has GORM work in the transaction of sqldedupe, as docs/databases.md
// says.
func TestGORM(t *testing.T) {
	p := newPlace(t, databases[0])
	shop, err := gorm.Open(gormpostgres.Open(p.dsn), &gorm.Config{})
	require.NoError(t, err)
	db, err := shop.DB()
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, db.Close()) })
	require.NoError(t, shop.AutoMigrate(&ksherTestOrder{}))
	t.Cleanup(func() { require.NoError(t, shop.Migrator().DropTable(&ksherTestOrder{})) })
	deduper, err := sqldedupe.New(db, sqldedupe.PostgreSQL)
	require.NoError(t, err)

	key := newKey()
	require.NoError(t, shop.Create(&ksherTestOrder{No: key, Total: 150_50}).Error)
	paid := func(result error) func(context.Context) error {
		return func(ctx context.Context) error {
			tx, err := sqldedupe.Tx(ctx)
			if err != nil {
				return err
			}
			orm, err := gorm.Open(gormpostgres.New(gormpostgres.Config{Conn: tx}), &gorm.Config{})
			if err != nil {
				return err
			}
			done := orm.WithContext(ctx).Model(&ksherTestOrder{}).Where("no = ? AND total = ?", key, ksher.Amount(150_50)).Update("paid", true)
			require.NoError(t, done.Error)
			require.EqualValues(t, 1, done.RowsAffected)
			// One of GORM's own, for which it makes a savepoint.
			require.NoError(t, orm.Transaction(func(orm *gorm.DB) error {
				return orm.Create(&ksherTestOrder{No: key + " gift"}).Error
			}))
			return result
		}
	}
	count := func() (n int64) {
		require.NoError(t, shop.Model(&ksherTestOrder{}).Where("paid OR no = ?", key+" gift").Count(&n).Error)
		return n
	}
	require.ErrorIs(t, deduper.Once(t.Context(), key, paid(errWork)), errWork)
	require.Zero(t, count())
	require.NoError(t, deduper.Once(t.Context(), key, paid(nil)))
	require.EqualValues(t, 2, count())
	require.NoError(t, deduper.Once(t.Context(), key, unwanted(t)))

	var sum ksher.Amount
	require.NoError(t, shop.Model(&ksherTestOrder{}).Select("SUM(total)").Scan(&sum).Error)
	require.Equal(t, ksher.Amount(150_50), sum)
}
