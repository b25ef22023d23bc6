package sqlstore

import (
	"context"

	"github.com/weigate/weigate/internal/gateway"
)

// This file implements gateway.Events. Do runs one operation of the store, and list reads all rows.

const eventColumns = `at, kind, user_id, app, connector, method, outcome, request_id, detail, actor, address`

func appendEvents(q Querier, events []gateway.Event) error {
	if len(events) == 0 {
		return nil
	}
	rows := make([][]any, 0, len(events))
	for _, e := range events {
		rows = append(rows, []any{Micros(e.At), indexed(e.Kind), indexed(e.UserID), indexed(e.App), clean(e.Connector),
			clean(e.Method), indexed(e.Outcome), indexed(e.RequestID), clean(e.Detail), indexed(e.Actor), clean(e.Address)})
	}
	return q.Bulk(`INSERT INTO events (`+eventColumns+`) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)`, rows)
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

// disorder is how many events near a time may be stored out of the order of their times, without
// being missed by a query with Since or Until. Processes append events at the same time, and their
// clocks differ a little.
const disorder = "1000"

// eventConditions returns the conditions of a query. Several filters have an index. Statistics about
// the values cannot help the database to choose one, because a statement is planned once. So the
// filter that is likely to select the fewest events uses its index. An expression around the column
// of the others (kind || ”) keeps the database from using their indexes.
//
// Conditions such as app <> ” repeat the condition of a partial index. The database uses this index
// only for queries that contain its condition.
func eventConditions(q gateway.EventQuery) conditions {
	var where conditions
	chosen := false
	for _, filter := range []struct{ column, value, partial string }{
		{"request_id", q.RequestID, ` AND request_id <> ''`},
		{"user_id", q.UserID, ` AND user_id <> ''`},
		{"actor", q.Actor, ` AND actor <> ''`},
		{"outcome", q.Outcome, ` AND outcome <> 'ok'`},
		{"app", q.App, ` AND app <> ''`},
		{"kind", q.Kind, ``},
	} {
		value := indexed(filter.value)
		switch {
		case value == "":
			continue
		case filter.column == "outcome" && value == "ok": // most events: no index
			where.add(`outcome = ?`, value)
			continue
		case filter.column == "outcome" && value == "!ok" && !chosen:
			where.sql = append(where.sql, `outcome <> 'ok'`)
		case filter.column == "outcome" && value == "!ok":
			where.sql = append(where.sql, `outcome || '' <> 'ok'`)
		case chosen:
			where.add(filter.column+` || '' = ?`, value)
		default:
			where.add(filter.column+` = ?`+filter.partial, value)
		}
		chosen = true
	}
	// Events are listed in the order of their ids, which is nearly that of their times. A bound of the
	// ids lets the database skip the events outside of the times without reading them.
	if !q.Since.IsZero() {
		where.add(`at + 0 >= ? AND id >= (SELECT min(id) FROM (
			SELECT id FROM events WHERE at >= ? ORDER BY at LIMIT `+disorder+`) near)`, Micros(q.Since))
	}
	if !q.Until.IsZero() {
		where.add(`at + 0 < ? AND id <= (SELECT max(id) FROM (
			SELECT id FROM events WHERE at < ? ORDER BY at DESC LIMIT `+disorder+`) near)`, Micros(q.Until))
	}
	if q.Before != 0 {
		where.add(`id < ?`, q.Before)
	}
	if len(where.sql) == 0 {
		where.sql = []string{`id > 0`}
	}
	return where
}

// Events implements gateway.Events.
func (b Base) Events(ctx context.Context, q gateway.EventQuery) (all []gateway.Event, err error) {
	where := eventConditions(q)
	limit := conditions{args: where.args} // as in Users
	limit.add(`LIMIT ?`, q.Page())
	query := `SELECT id, ` + eventColumns + ` FROM events WHERE ` + where.where() + ` ORDER BY id DESC ` + limit.where()
	err = b.db.Do(ctx, "events", func(c Conn) error {
		all, err = list(c, query, limit.args, func(e *gateway.Event) []any {
			return []any{&e.ID, Time{&e.At}, &e.Kind, &e.UserID, &e.App, &e.Connector, &e.Method, &e.Outcome,
				&e.RequestID, &e.Detail, &e.Actor, &e.Address}
		})
		return err
	})
	return all, err
}
