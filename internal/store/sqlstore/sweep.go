package sqlstore

import (
	"context"
	"time"
)

// Sweep implements gateway.Maintenance. Each statement is a transaction of its own, so that other
// writes run in between. Rows that are in use are left for the next sweep.
func (b Base) Sweep(ctx context.Context, now, eventsBefore time.Time, batch int) (total int, err error) {
	if batch <= 0 {
		batch = 500
	}
	err = b.db.Do(ctx, "sweep", func(c Conn) error {
		if err := b.postpone(c, now, batch); err != nil {
			return err
		}
		for _, sweep := range []struct {
			query string
			until time.Time
		}{
			{b.deleteBatch("sessions", "hash", `expires_at <= $1 ORDER BY expires_at`), now},
			{b.deleteBatch("attempts", "key", `expires_at <= $1 ORDER BY expires_at`), now},
			{b.deleteBatch("tickets", "hash", `expires_at <= $1 ORDER BY expires_at`), now},
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

// deleteBatch returns the statement that deletes at most $2 rows of a table that are not in use.
func (b Base) deleteBatch(table, key, which string) string {
	return `DELETE FROM ` + table + ` WHERE ` + b.batch(table, key, which)
}

// batch returns the condition for at most $2 rows of a table that are not in use.
func (b Base) batch(table, key, which string) string {
	return b.dialect.InQuery(key, `SELECT `+key+` FROM `+table+` WHERE `+which+` LIMIT $2 `+b.dialect.SkipLocked)
}

// postpone moves the sweep of grants that live longer than planned to their end. Redeeming a code
// leaves sweep_at alone, see the schema.
func (b Base) postpone(c Conn, now time.Time, batch int) error {
	query := `UPDATE grants SET sweep_at = expires_at WHERE ` +
		b.batch("grants", "id", `sweep_at <= $1 AND expires_at > $1 ORDER BY sweep_at`)
	for {
		n, err := c.Exec(query, Micros(now), batch)
		if err != nil || n < batch {
			return err
		}
	}
}
