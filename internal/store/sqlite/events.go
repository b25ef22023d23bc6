package sqlite

import (
	"context"
	"database/sql"

	"github.com/weigate/weigate/internal/gateway"
)

func appendEvents(t tx, events []gateway.Event) error {
	for _, e := range events {
		_, err := t.exec(`INSERT INTO events (at, kind, account_id, app, entry, door, outcome, request_id, detail)
			VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)`,
			micros(e.At), e.Kind, e.UserID, e.App, e.Connector, e.Method, e.Outcome, e.RequestID, e.Detail)
		if err != nil {
			return err
		}
	}
	return nil
}

// AppendEvents implements gateway.Events.
func (s *Store) AppendEvents(ctx context.Context, events ...gateway.Event) error {
	if len(events) == 0 {
		return nil
	}
	return s.write(ctx, "append events", func(t tx) error { return appendEvents(t, events) })
}

// Events implements gateway.Events.
func (s *Store) Events(ctx context.Context, q gateway.EventQuery) (all []gateway.Event, err error) {
	const columns = `SELECT id, at, kind, account_id, app, entry, door, outcome, request_id, detail FROM events WHERE `
	const rest = ` AND (?2 = '' OR kind = ?2) AND (?3 = '' OR app = ?3) AND at >= ?4 AND (?5 = 0 OR id < ?5) ORDER BY id DESC LIMIT ?6`
	query := columns + `?1 = ''` + rest
	if q.UserID != "" { // the planner takes the account's index only when it stands alone
		query = columns + `account_id = ?1 AND account_id <> ''` + rest
	}
	err = s.read(ctx, "list events", func(t tx) error {
		return t.each(query, []any{q.UserID, q.Kind, q.App, micros(q.Since), q.Before, q.Page()}, func(r *sql.Rows) error {
			var e gateway.Event
			err := r.Scan(&e.ID, moment{&e.At}, &e.Kind, &e.UserID, &e.App, &e.Connector, &e.Method, &e.Outcome, &e.RequestID, &e.Detail)
			all = append(all, e)
			return err
		})
	})
	return all, err
}
