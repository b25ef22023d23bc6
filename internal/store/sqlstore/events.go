package sqlstore

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"math"
	"time"

	"github.com/weigate/weigate/internal/gateway"
)

// This file implements gateway.Events. Do runs one operation of the store, Get reads one row, and
// list reads all rows.

const eventColumns = `at, kind, user_id, app, connector, method, outcome, request_id, detail, actor, address`

func appendEvents(q Querier, events []gateway.Event) error {
	if len(events) == 0 {
		return nil
	}
	rows := make([][]any, 0, len(events))
	for _, e := range events {
		rows = append(rows, []any{Micros(e.At), fitIndex(e.Kind), fitIndex(e.UserID), fitIndex(e.App),
			fitText(e.Connector), fitText(e.Method), fitIndex(e.Outcome), fitIndex(e.RequestID), fitText(e.Detail),
			fitIndex(e.Actor), fitText(e.Address)})
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

// disorder is how many events around a time can be stored out of the order of their times. Up to
// this number, a query with Since or Until finds all of them. Processes append events at the same
// time, and their clocks differ a little.
const disorder = "1000"

// eventFilter is a filter of a query. Each filter has an index, except outcome = 'ok': most events
// have this outcome. The outcome "!ok" stands for every outcome except ok. partial repeats the
// condition of a partial index: the database uses the index only for queries that contain its
// condition.
type eventFilter struct{ column, value, partial string }

// eventFilters returns the filters that are set. The first is likely to select the fewest events.
func eventFilters(q gateway.EventQuery) (set []eventFilter) {
	for _, f := range []eventFilter{
		{column: "request_id", value: q.RequestID, partial: ` AND request_id <> ''`},
		{column: "user_id", value: q.UserID, partial: ` AND user_id <> ''`},
		{column: "actor", value: q.Actor, partial: ` AND actor <> ''`},
		{column: "outcome", value: q.Outcome, partial: ` AND outcome <> 'ok'`},
		{column: "app", value: q.App, partial: ` AND app <> ''`},
		{column: "kind", value: q.Kind},
	} {
		if f.value = fitIndex(f.value); f.value != "" {
			set = append(set, f)
		}
	}
	return set
}

func (f eventFilter) hasIndex() bool { return f.column != "outcome" || f.value != "ok" }

// addTo adds the condition of a filter. chosen reports whether the search reads the index of this
// filter; addTo needs it only for "!ok". The other conditions append an empty text to the column,
// so that the database does not use their indexes.
func (f eventFilter) addTo(where *conditions, chosen bool) {
	switch {
	case f.column == "outcome" && f.value == "ok":
		where.add(`outcome = ?`, f.value)
	case f.column == "outcome" && f.value == "!ok" && chosen:
		where.sql = append(where.sql, `outcome || '' <> 'ok'`) // the condition of the index events_by_failure
	case f.column == "outcome" && f.value == "!ok":
		where.sql = append(where.sql, `'' || outcome <> 'ok'`)
	default:
		where.add(f.column+` || '' = ?`, f.value)
	}
}

// eventSearch is a search of events. It reads the events with the ids from first to before.
type eventSearch struct {
	gateway.EventQuery
	dialect       Dialect
	filters       []eventFilter
	first, before int64 // before is not included
}

// bound sets the range of ids. Events are listed in the order of their ids, which is nearly the
// order of their times. So a range of ids lets the database skip most events before Since and after
// Until.
func (s *eventSearch) bound(c Conn) error {
	s.before = cmp.Or(s.Before, math.MaxInt64)
	for _, limit := range []struct {
		at    time.Time
		query string
		set   func(id int64)
	}{
		{at: s.Since, set: func(id int64) { s.first = id }, query: `SELECT coalesce(min(id), 0) FROM (
			SELECT id FROM events WHERE at >= $1 ORDER BY at LIMIT ` + disorder + `) near`},
		{at: s.Until, set: func(id int64) { s.before = min(s.before, id+1) }, query: `SELECT coalesce(max(id), 0) FROM (
			SELECT id FROM events WHERE at < $1 ORDER BY at DESC LIMIT ` + disorder + `) near`},
	} {
		if limit.at.IsZero() {
			continue
		}
		var id int64
		if err := c.Get(limit.query, []any{Micros(limit.at)}, &id); err != nil {
			return err
		}
		if id == 0 { // no event is after Since, or none before Until
			s.before = 0
			return nil
		}
		limit.set(id)
	}
	return nil
}

// choose returns the position of the filter whose index the search reads; -1 = the search reads all
// events. stop is the id of the maxRead-th event, the last one that the search may read. stop is 0
// if the search needs no such bound, because there are fewer events, or because every event that it
// reads is selected.
//
// The database cannot choose a filter by its value, because it plans a statement once for all
// values. So choose finds the maxRead-th newest event of each filter. The filter whose maxRead-th
// event is the oldest selects the fewest events.
func (s *eventSearch) choose(c Conn, maxRead int) (chosen int, stop int64, err error) {
	chosen, stop = -1, math.MaxInt64
	for i, f := range s.filters {
		if !f.hasIndex() {
			continue
		}
		if len(s.filters) == 1 {
			return i, 0, nil // each event that it reads is selected
		}
		id, err := s.nth(c, i, maxRead)
		switch {
		case err != nil:
			return 0, 0, err
		case id == 0:
			return i, 0, nil
		case id < stop:
			chosen, stop = i, id
		}
	}
	switch {
	case len(s.filters) == 0:
		stop = 0
	case chosen < 0: // no filter has an index
		stop, err = s.nth(c, -1, maxRead)
	}
	return chosen, stop, err
}

// addRange adds the condition of the chosen filter, if there is one, and the range of ids from an
// id to s.before. It returns the text after ORDER BY for the newest events first.
func (s *eventSearch) addRange(where *conditions, chosen int, from int64) (order string) {
	if chosen < 0 || s.filters[chosen].value == "!ok" {
		if chosen >= 0 {
			s.filters[chosen].addTo(where, true)
		}
		where.sql = append(where.sql, fmt.Sprintf(`id >= %s AND id < %s`, where.arg(from), where.arg(s.before)))
		return `id DESC`
	}
	f := s.filters[chosen]
	condition, order := s.dialect.IDRange(f.column, where.arg(f.value), where.arg(from), where.arg(s.before))
	where.sql = append(where.sql, condition+f.partial)
	return order
}

// nth returns the id of the n-th event that the filter at a position selects; 0 = there are fewer.
func (s *eventSearch) nth(c Conn, position, n int) (id int64, err error) {
	var where conditions
	order := s.addRange(&where, position, s.first)
	query := `SELECT id FROM events WHERE ` + where.where() + ` ORDER BY ` + order + ` LIMIT 1 OFFSET ` + where.arg(n-1)
	err = c.Get(query, where.args, &id)
	if errors.Is(err, gateway.ErrNotFound) {
		err = nil
	}
	return id, err
}

// read returns the events that all filters select, newest first. It reads no event with an id less
// than stop.
func (s *eventSearch) read(c Conn, chosen int, stop int64, maxRead int) ([]gateway.Event, error) {
	var where conditions
	order := s.addRange(&where, chosen, max(s.first, stop))
	from := `events`
	// With LimitFirst, a subquery reads the events of the chosen filter. The query applies the others.
	if s.dialect.LimitFirst && chosen >= 0 && len(s.filters) > 1 {
		from = `(SELECT * FROM events WHERE ` + where.where() + ` ORDER BY ` + order + ` LIMIT ` +
			where.arg(maxRead) + `) near`
		where.sql = nil
	}
	for i, f := range s.filters {
		if i != chosen {
			f.addTo(&where, false)
		}
	}
	if !s.Since.IsZero() { // at + 0 keeps the database from using the index of at
		where.add(`at + 0 >= ?`, Micros(s.Since))
	}
	if !s.Until.IsZero() {
		where.add(`at + 0 < ?`, Micros(s.Until))
	}
	query := `SELECT id, ` + eventColumns + ` FROM ` + from + ` WHERE ` + where.where() + ` ORDER BY ` + order +
		` LIMIT ` + where.arg(s.Page())
	return list(c, query, where.args, func(e *gateway.Event) []any {
		return []any{&e.ID, Time{&e.At}, &e.Kind, &e.UserID, &e.App, &e.Connector, &e.Method, &e.Outcome,
			&e.RequestID, &e.Detail, &e.Actor, &e.Address}
	})
}

// SearchEvents implements gateway.Events.
func (b Base) SearchEvents(ctx context.Context, q gateway.EventQuery) (page gateway.EventPage, err error) {
	err = b.db.Do(ctx, "events", func(c Conn) error {
		page = gateway.EventPage{}
		s := &eventSearch{EventQuery: q, dialect: b.dialect, filters: eventFilters(q)}
		if err := s.bound(c); err != nil || s.before == 0 {
			return err
		}
		maxRead := max(cmp.Or(q.MaxRead, gateway.MaxRead), 1)
		chosen, stop, err := s.choose(c, maxRead)
		if err != nil {
			return err
		}
		page.Events, err = s.read(c, chosen, stop, maxRead)
		if len(page.Events) < q.Page() {
			page.Cut = stop
		}
		return err
	})
	if err != nil {
		return gateway.EventPage{}, err
	}
	return page, nil
}

// Events implements gateway.Events.
func (b Base) Events(ctx context.Context, q gateway.EventQuery) (all []gateway.Event, err error) {
	for missing := q.Page(); missing > 0; missing = q.Page() - len(all) {
		rest := q
		rest.Limit = missing
		page, err := b.SearchEvents(ctx, rest)
		if err != nil {
			return nil, err
		}
		all = append(all, page.Events...)
		if page.Cut == 0 {
			break
		}
		q.Before = page.Cut
	}
	return all, nil
}
