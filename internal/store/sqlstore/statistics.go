package sqlstore

import (
	"cmp"
	"context"
	"slices"
	"time"

	"github.com/weigate/weigate/internal/gateway"
)

// This file implements gateway.Statistics. Do runs one operation of the store, list reads all rows,
// and Tx runs a transaction.

// AddStatistics implements gateway.Statistics. It writes rows in the order of their keys, so that
// concurrent transactions do not deadlock.
func (b Base) AddStatistics(ctx context.Context, counts []gateway.Statistic, problems []gateway.Problem) error {
	if len(counts) == 0 && len(problems) == 0 {
		return nil
	}
	countRows := make([][]any, 0, len(counts))
	for _, s := range slices.SortedFunc(slices.Values(counts), compareStatistics) {
		countRows = append(countRows, []any{Micros(s.Hour), fitIndex(s.Name), fitIndex(s.Label), s.Count})
	}
	problemRows := make([][]any, 0, len(problems))
	for _, p := range slices.SortedFunc(slices.Values(problems), func(x, y gateway.Problem) int {
		return cmp.Or(cmp.Compare(x.Source, y.Source), cmp.Compare(x.Code, y.Code))
	}) {
		problemRows = append(problemRows, []any{fitIndex(p.Source), fitIndex(p.Code), Micros(p.FirstAt), Micros(p.LastAt),
			p.Count, fitIndex(p.RequestID), fitText(p.Detail)})
	}
	return b.db.Do(ctx, "add_statistics", func(c Conn) error {
		return c.Tx(func(q Querier) error {
			err := q.Bulk(`
				INSERT INTO statistics (hour, name, label, count) VALUES ($1, $2, $3, $4)
				ON CONFLICT (hour, name, label) DO UPDATE SET count = statistics.count + excluded.count`, countRows)
			if err != nil {
				return err
			}
			return q.Bulk(`
				INSERT INTO problems (source, code, first_at, last_at, count, request_id, detail)
				VALUES ($1, $2, $3, $4, $5, $6, $7)
				ON CONFLICT (source, code) DO UPDATE SET count = problems.count + excluded.count,
					request_id = CASE WHEN problems.last_at <= excluded.last_at THEN excluded.request_id ELSE problems.request_id END,
					detail = CASE WHEN problems.last_at <= excluded.last_at THEN excluded.detail ELSE problems.detail END,
					last_at = CASE WHEN problems.last_at <= excluded.last_at THEN excluded.last_at ELSE problems.last_at END`,
				problemRows)
		})
	})
}

func compareStatistics(x, y gateway.Statistic) int {
	return cmp.Or(x.Hour.Compare(y.Hour), cmp.Compare(x.Name, y.Name), cmp.Compare(x.Label, y.Label))
}

// Statistics implements gateway.Statistics.
func (b Base) Statistics(ctx context.Context, from, to time.Time) (all []gateway.Statistic, err error) {
	err = b.db.Do(ctx, "statistics", func(c Conn) error {
		all, err = list(c, `SELECT hour, name, label, count FROM statistics WHERE hour >= $1 AND hour < $2
			ORDER BY hour, name, label`, []any{Micros(from), Micros(to)},
			func(s *gateway.Statistic) []any { return []any{Time{&s.Hour}, &s.Name, &s.Label, &s.Count} })
		return err
	})
	return all, err
}

// Problems implements gateway.Statistics.
func (b Base) Problems(ctx context.Context, since time.Time) (all []gateway.Problem, err error) {
	err = b.db.Do(ctx, "problems", func(c Conn) error {
		all, err = list(c, `SELECT source, code, first_at, last_at, count, request_id, detail FROM problems
			WHERE last_at >= $1 ORDER BY last_at DESC LIMIT 100`, []any{Micros(since)},
			func(p *gateway.Problem) []any {
				return []any{&p.Source, &p.Code, Time{&p.FirstAt}, Time{&p.LastAt}, &p.Count, &p.RequestID, &p.Detail}
			})
		return err
	})
	return all, err
}
