package sqlstore

import (
	"context"
	"time"
)

// Sweep implements gateway.Maintenance: it deletes expired rows. Each statement is a transaction of
// its own, so that other writes run in between. Rows that another transaction has locked are left
// for the next sweep.
func (b Base) Sweep(ctx context.Context, now, eventsBefore time.Time, batch int) (total int, err error) {
	if batch <= 0 {
		batch = 500
	}
	err = b.db.Do(ctx, "sweep", func(c Conn) error {
		if err := b.postponeGrants(c, now, batch); err != nil {
			return err
		}
		for _, sweep := range []struct {
			query string
			until time.Time
		}{
			{b.deleteBatch("sessions", "hash", `expires_at <= $1 ORDER BY expires_at`), now},
			{b.deleteBatch("attempts", "key", `expires_at <= $1 ORDER BY expires_at`), now},
			{b.deleteBatch("tickets", "hash", `expires_at <= $1 ORDER BY expires_at`), now},
			{b.deleteBatch("saved_requests", "hash", `expires_at <= $1 ORDER BY expires_at`), now},
			{b.deleteBatch("tokens", "hash", `expires_at <= $1 ORDER BY expires_at`), now},
			{b.deleteBatch("grants", "id", `sweep_at <= $1 AND expires_at <= $1 ORDER BY sweep_at`), now},
			{b.deleteBatch("keys", "id", `expires_at <> 0 AND expires_at <= $1`), now},
			{b.deleteBatch("events", "id", `at < $1 ORDER BY at`), eventsBefore},
		} {
			n, err := c.Exec(sweep.query, Micros(sweep.until), batch)
			total += n
			if err != nil {
				return err
			}
		}
		return nil
	})
	return total, err
}

// deleteBatch returns a statement that deletes at most $2 rows of a table, and no row that another
// transaction has locked. key is the primary key. which is the condition for the rows, with the
// time $1, and may end with ORDER BY.
func (b Base) deleteBatch(table, key, which string) string {
	return `DELETE FROM ` + table + ` WHERE ` + b.batchCondition(table, key, which)
}

// batchCondition returns the condition that selects the rows of deleteBatch.
func (b Base) batchCondition(table, key, which string) string {
	return b.dialect.InQuery(key, `SELECT `+key+` FROM `+table+` WHERE `+which+` LIMIT $2 `+b.dialect.SkipLocked)
}

// postponeGrants sets sweep_at (when a sweep may delete the grant) to expires_at, for grants that
// were extended after their creation. Redeeming a code extends a grant, but sets expires_at only.
// sweep_at has an index, and changing the index in each sign-in would be slow.
func (b Base) postponeGrants(c Conn, now time.Time, batch int) error {
	query := `UPDATE grants SET sweep_at = expires_at WHERE ` +
		b.batchCondition("grants", "id", `sweep_at <= $1 AND expires_at > $1 ORDER BY sweep_at`)
	for {
		n, err := c.Exec(query, Micros(now), batch)
		if err != nil || n < batch {
			return err
		}
	}
}
