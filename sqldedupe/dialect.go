package sqldedupe

import (
	"fmt"
	"strconv"
	"strings"
	"time"
)

// Dialect is the kind of a database.
type Dialect int

// The databases that are supported.
const (
	// PostgreSQL is PostgreSQL from version 9.5, with any driver.
	PostgreSQL Dialect = iota + 1
	// MySQL is MySQL from version 5.7, or MariaDB. Tests run on MariaDB alone.
	MySQL
	// SQLite is SQLite from version 3.24.
	SQLite
)

// dialect is what the databases don't have in common.
type dialect struct {
	schema string
	// insert and skip stand around the values of a row that is only inserted if
	// its key is new.
	insert, skip string
	// committed makes a query wait for a transaction that is changing the row.
	committed string
	// now has a %s for seconds to add.
	now string
	// numbered is about parameters: $1 instead of ?.
	numbered bool
}

// Keys are compared byte by byte. MySQL's text types wouldn't: most take A-1 for
// a-1, the rest "A-1 " for "A-1".
//
// There is no index beside the primary key, so that every statement locks its row
// there and nowhere else. With one on done_at, MySQL has deadlocks between those
// who claim and those who finish.
var dialects = map[Dialect]dialect{
	PostgreSQL: {
		schema: `-- ksher_dedupe, version 1
CREATE TABLE IF NOT EXISTS ksher_dedupe (
	payment       TEXT COLLATE "C" NOT NULL PRIMARY KEY,
	claim         TEXT NOT NULL,
	claimed_until TIMESTAMPTZ NOT NULL,
	done_at       TIMESTAMPTZ
)
`,
		insert:   "INSERT INTO",
		skip:     " ON CONFLICT (payment) DO NOTHING",
		now:      "clock_timestamp() + make_interval(secs => %s)",
		numbered: true,
	},
	MySQL: {
		schema: `-- ksher_dedupe, version 1
CREATE TABLE IF NOT EXISTS ksher_dedupe (
	payment       VARBINARY(300) NOT NULL PRIMARY KEY,
	claim         VARBINARY(32) NOT NULL,
	claimed_until DATETIME(6) NOT NULL COMMENT 'in UTC',
	done_at       DATETIME(6) COMMENT 'in UTC'
) ENGINE=InnoDB
`,
		insert: "INSERT IGNORE INTO",
		// At READ UNCOMMITTED it would otherwise take for done what is rolled back
		// afterwards.
		committed: " LOCK IN SHARE MODE",
		now:       "UTC_TIMESTAMP(6) + INTERVAL %s SECOND",
	},
	SQLite: {
		schema: `-- ksher_dedupe, version 1
CREATE TABLE IF NOT EXISTS ksher_dedupe (
	payment       TEXT NOT NULL PRIMARY KEY,
	claim         TEXT NOT NULL,
	claimed_until TEXT NOT NULL, -- in UTC
	done_at       TEXT           -- in UTC
)
`,
		insert: "INSERT INTO",
		skip:   " ON CONFLICT (payment) DO NOTHING",
		now:    "strftime('%%Y-%%m-%%d %%H:%%M:%%f', 'now', '%s seconds')",
	},
}

// Schema returns the statement that creates the table, ksher_dedupe, if it isn't
// there yet. It begins with a comment that says its version, now 1. A release
// that needs another version comes with what changes the table and keeps its
// rows. For a dialect that is none of the constants, Schema is empty.
//
// A row has the key of a payment, such as "mch12345 gateway A-1001", whose claim
// on it was the last, until when, and when it was done, if it was.
func Schema(d Dialect) string {
	return dialects[d].schema
}

// clock returns an expression for the time by the database's clock, plus some.
func (d dialect) clock(plus time.Duration) string {
	return fmt.Sprintf(d.now, strconv.FormatFloat(plus.Seconds(), 'f', 3, 64))
}

// prepare writes the statements.
func (d *Deduper) prepare() {
	now, until := d.dialect.clock(0), d.dialect.clock(d.lease)
	d.claim = d.dialect.number(d.dialect.insert + " ksher_dedupe (payment, claim, claimed_until) VALUES (?, ?, " + until + ")" + d.dialect.skip)
	d.look = d.dialect.number("SELECT done_at IS NOT NULL FROM ksher_dedupe WHERE payment = ?" + d.dialect.committed)
	d.takeOver = d.dialect.number("UPDATE ksher_dedupe SET claim = ?, claimed_until = " + until +
		" WHERE payment = ? AND done_at IS NULL AND claimed_until <= " + now)
	const mine = " WHERE payment = ? AND claim = ?"
	d.giveBack = d.dialect.number("UPDATE ksher_dedupe SET claimed_until = " + now + mine)
	d.finish = d.dialect.number("UPDATE ksher_dedupe SET done_at = " + now + mine)
}

// number writes the parameters of a query as the database wants them.
func (d dialect) number(query string) string {
	if !d.numbered {
		return query
	}
	parts := strings.Split(query, "?")
	for i := range parts[1:] {
		parts[i] += "$" + strconv.Itoa(i+1)
	}
	return strings.Join(parts, "")
}
