package sqlstore

import (
	"context"

	"github.com/weigate/weigate/internal/gateway"
)

const eventColumns = `at, kind, user_id, app, connector, method, outcome, request_id, detail`

func appendEvents(q Querier, events []gateway.Event) error {
	if len(events) == 0 {
		return nil
	}
	rows := make([][]any, 0, len(events))
	for _, e := range events {
		rows = append(rows, []any{Micros(e.At), e.Kind, e.UserID, e.App, e.Connector, e.Method, e.Outcome,
			gateway.Clean(e.RequestID), gateway.Clean(e.Detail)})
	}
	return q.Bulk(`INSERT INTO events (`+eventColumns+`) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)`, rows)
}

// AppendEvents implements gateway.Events.
func (b Base) AppendEvents(ctx context.Context, events ...gateway.Event) error {
	if len(events) == 0 {
		return nil
	}
	return b.db.Do(ctx, "append_events", func(c Conn) error {
		return c.Tx(func(q Querier) error { return appendEvents(q, events) })
	})
}

// Events implements gateway.Events.
func (b Base) Events(ctx context.Context, q gateway.EventQuery) (all []gateway.Event, err error) {
	var where conditions
	if q.UserID != "" {
		where.add(`user_id = ? AND user_id <> ''`, q.UserID)
	}
	if q.Kind != "" {
		where.add(`kind = ?`, q.Kind)
	}
	if q.App != "" {
		where.add(`app = ? AND app <> ''`, q.App)
	}
	if q.Before != 0 {
		where.add(`id < ?`, q.Before)
	}
	where.add(`at >= ?`, Micros(q.Since))
	limit := conditions{args: where.args}
	limit.add(`LIMIT ?`, q.Page())
	query := `SELECT id, ` + eventColumns + ` FROM events WHERE ` + where.where() + ` ORDER BY id DESC ` + limit.where()
	err = b.db.Do(ctx, "events", func(c Conn) error {
		all, err = list(c, query, limit.args, func(e *gateway.Event) []any {
			return []any{&e.ID, Time{&e.At}, &e.Kind, &e.UserID, &e.App, &e.Connector, &e.Method, &e.Outcome, &e.RequestID,
				&e.Detail}
		})
		return err
	})
	return all, err
}
