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
	skip := b.dialect.SkipLocked
	expired := func(table, key, expiry string) string {
		return `DELETE FROM ` + table + ` WHERE ` + key + ` IN (SELECT ` + key + ` FROM ` + table + ` WHERE ` + expiry + ` <= $1 ORDER BY ` + expiry +
			` LIMIT $2 ` + skip + `)`
	}
	err = b.db.Do(ctx, "sweep", func(c Conn) error {
		if err := b.postpone(c, now, batch); err != nil {
			return err
		}
		for _, sweep := range []struct {
			query string
			until time.Time
		}{
			{expired("sessions", "hash", "expires_at"), now},
			{expired("attempts", "key", "expires_at"), now},
			{expired("tickets", "hash", "expires_at"), now},
			{expired("tokens", "hash", "expires_at"), now},
			{`DELETE FROM grants WHERE id IN (
				SELECT id FROM grants WHERE sweep_at <= $1 AND expires_at <= $1 ORDER BY sweep_at LIMIT $2 ` + skip + `)`, now},
			{`DELETE FROM keys WHERE id IN (SELECT id FROM keys WHERE expires_at <> 0 AND expires_at <= $1 LIMIT $2 ` + skip + `)`, now},
			{`DELETE FROM events WHERE id IN (SELECT id FROM events WHERE at < $1 ORDER BY at LIMIT $2 ` + skip + `)`, eventsBefore},
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

// postpone moves the sweep of grants that live longer than planned to their end. Redeeming a code
// leaves sweep_at alone, see the schema.
func (b Base) postpone(c Conn, now time.Time, batch int) error {
	for {
		n, err := c.Exec(`
			UPDATE grants SET sweep_at = expires_at WHERE id IN (
				SELECT id FROM grants WHERE sweep_at <= $1 AND expires_at > $1 ORDER BY sweep_at LIMIT $2 `+b.dialect.SkipLocked+`)`,
			Micros(now), batch)
		if err != nil || n < batch {
			return err
		}
	}
}
