package postgres

import (
	"context"

	"github.com/jackc/pgx/v5"

	"github.com/weigate/weigate/internal/gateway"
)

// appendEvents sends all events in one round trip.
func appendEvents(ctx context.Context, tx pgx.Tx, events []gateway.Event) error {
	if len(events) == 0 {
		return nil
	}
	var b pgx.Batch
	for _, e := range events {
		b.Queue(`INSERT INTO events (at, kind, account_id, app, entry, door, outcome, request_id, detail)
			VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)`,
			micros(e.At), e.Kind, e.UserID, e.App, e.Connector, e.Method, e.Outcome, gateway.Clean(e.RequestID), gateway.Clean(e.Detail))
	}
	return tx.SendBatch(ctx, &b).Close()
}

// AppendEvents implements gateway.Events.
func (s *Store) AppendEvents(ctx context.Context, events ...gateway.Event) error {
	if len(events) == 0 {
		return nil
	}
	return s.write(ctx, "append events", func(tx pgx.Tx) error { return appendEvents(ctx, tx, events) })
}

// Events implements gateway.Events.
func (s *Store) Events(ctx context.Context, q gateway.EventQuery) ([]gateway.Event, error) {
	const columns = `SELECT id, at, kind, account_id, app, entry, door, outcome, request_id, detail FROM events WHERE `
	const rest = ` AND ($2 = '' OR kind = $2) AND ($3 = '' OR app = $3) AND at >= $4 AND ($5::bigint = 0 OR id < $5) ORDER BY id DESC LIMIT $6`
	query := columns + `$1 = ''` + rest
	if q.UserID != "" { // the planner takes the account's index only when it stands alone
		query = columns + `account_id = $1 AND account_id <> ''` + rest
	}
	all, err := list(ctx, s.pool, query, []any{q.UserID, q.Kind, q.App, micros(q.Since), q.Before, q.Page()}, func(e *gateway.Event) []any {
		return []any{&e.ID, moment{&e.At}, &e.Kind, &e.UserID, &e.App, &e.Connector, &e.Method, &e.Outcome, &e.RequestID, &e.Detail}
	})
	return all, failed("list events", err)
}
