package postgres

import (
	"context"
	"time"
)

// Sweep implements gateway.Upkeep. Rows that somebody uses at the moment are
// left for the next time, so that neither waits for the other.
func (s *Store) Sweep(ctx context.Context, now, eventsBefore time.Time, batch int) (total int, err error) {
	if batch <= 0 {
		batch = 500
	}
	if err := s.postpone(ctx, now, batch); err != nil {
		return 0, failed("sweep", err)
	}
	for _, sweep := range []struct {
		query string
		until time.Time
	}{
		{`DELETE FROM sessions WHERE hash IN (SELECT hash FROM sessions WHERE expires_at <= $1 LIMIT $2 FOR UPDATE SKIP LOCKED)`, now},
		{`DELETE FROM claims WHERE key IN (SELECT key FROM claims WHERE expires_at <= $1 LIMIT $2 FOR UPDATE SKIP LOCKED)`, now},
		{`DELETE FROM tickets WHERE hash IN (SELECT hash FROM tickets WHERE expires_at <= $1 LIMIT $2 FOR UPDATE SKIP LOCKED)`, now},
		{`DELETE FROM tokens WHERE hash IN (SELECT hash FROM tokens WHERE expires_at <= $1 LIMIT $2 FOR UPDATE SKIP LOCKED)`, now},
		{`DELETE FROM grants WHERE family IN (SELECT family FROM grants WHERE sweep_at <= $1 AND expires_at <= $1 LIMIT $2 FOR UPDATE SKIP LOCKED)`, now},
		{`DELETE FROM keys WHERE id IN (SELECT id FROM keys WHERE expires_at <> 0 AND expires_at <= $1 LIMIT $2 FOR UPDATE SKIP LOCKED)`, now},
		{`DELETE FROM events WHERE id IN (SELECT id FROM events WHERE at < $1 ORDER BY at LIMIT $2 FOR UPDATE SKIP LOCKED)`, eventsBefore},
	} {
		done, err := s.exec(ctx, sweep.query, micros(sweep.until), batch)
		total += int(done.RowsAffected())
		if err != nil {
			return total, failed("sweep", err)
		}
	}
	return total, nil
}

// postpone moves the grants that have to be looked at, and live on, to when
// they end: redeeming a code does not, see the migration of grants.
func (s *Store) postpone(ctx context.Context, now time.Time, batch int) error {
	for {
		done, err := s.exec(ctx, `
			UPDATE grants SET sweep_at = expires_at
			WHERE family IN (SELECT family FROM grants WHERE sweep_at <= $1 AND expires_at > $1 LIMIT $2 FOR UPDATE SKIP LOCKED)`, micros(now), batch)
		if err != nil || int(done.RowsAffected()) < batch {
			return err
		}
	}
}
