package sqlite

import (
	"context"
	"time"
)

// Sweep implements gateway.Upkeep. Each table is a write of its own, so that
// other writes go in between.
func (s *Store) Sweep(ctx context.Context, now, eventsBefore time.Time, batch int) (total int, err error) {
	if batch <= 0 {
		batch = 500
	}
	for _, sweep := range []struct {
		query string
		until time.Time
	}{
		{`DELETE FROM sessions WHERE rowid IN (SELECT rowid FROM sessions WHERE expires_at <= ?1 LIMIT ?2)`, now},
		{`DELETE FROM claims WHERE rowid IN (SELECT rowid FROM claims WHERE expires_at <= ?1 LIMIT ?2)`, now},
		{`DELETE FROM tickets WHERE rowid IN (SELECT rowid FROM tickets WHERE expires_at <= ?1 LIMIT ?2)`, now},
		{`DELETE FROM tokens WHERE hash IN (SELECT hash FROM tokens WHERE expires_at <= ?1 LIMIT ?2)`, now},
		{`DELETE FROM grants WHERE rowid IN (SELECT rowid FROM grants WHERE expires_at <= ?1 LIMIT ?2)`, now},
		{`DELETE FROM keys WHERE id IN (SELECT id FROM keys WHERE expires_at <> 0 AND expires_at <= ?1 LIMIT ?2)`, now},
		{`DELETE FROM events WHERE id IN (SELECT id FROM events WHERE at < ?1 ORDER BY at LIMIT ?2)`, eventsBefore},
	} {
		err := s.write(ctx, "sweep", func(t tx) error {
			n, err := t.exec(sweep.query, micros(sweep.until), batch)
			total += n
			return err
		})
		if err != nil {
			return total, err
		}
	}
	return total, nil
}
