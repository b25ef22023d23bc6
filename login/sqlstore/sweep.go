package sqlstore

import (
	"context"
	"fmt"
	"math"
	"time"
)

const (
	sweepRows     = 200           // rows of each table that one batch deletes
	sweepInserts  = 100           // inserts after which a process sweeps; less than sweepRows, so tables shrink
	sweepInterval = time.Minute   // time after which the next insert sweeps
	forever       = math.MaxInt64 // a stored time that never passes
)

// due counts an insert, and reports whether a sweep is due.
func (p *sweepSchedule) due(now time.Time) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.inserts++
	if p.inserts < sweepInserts && now.Before(p.next) {
		return false
	}
	p.inserts, p.next = 0, now.Add(sweepInterval)
	return true
}

// sweepSometimes deletes a batch of expired rows if a sweep is due. The caller has inserted a row.
// An error is only logged: the next sweep tries again.
func (s *Store) sweepSometimes(ctx context.Context, now time.Time) {
	if !s.sweeping.due(now) {
		return
	}
	if _, err := s.sweepBatch(ctx, now); err != nil && s.Logger != nil {
		s.Logger.WarnContext(ctx, "expired rows not deleted", "error", err)
	}
}

// sweepBatch deletes one batch of expired rows: at most sweepRows of each table.
func (s *Store) sweepBatch(ctx context.Context, now time.Time) (deleted int, err error) {
	for _, statement := range []string{s.statements.sweepSessions, s.statements.sweepAttempts} {
		n, err := s.exec(ctx, statement, micros(now))
		if err != nil {
			return deleted, err
		}
		deleted += int(n)
	}
	return deleted, nil
}

// Sweep deletes all rows that have expired, in small batches, and returns how many. It also deletes
// attempts that ended without a session more than two minutes ago. A program does not have to call
// it.
func (s *Store) Sweep(ctx context.Context, now time.Time) (deleted int, err error) {
	for {
		n, err := s.sweepBatch(ctx, now)
		deleted += n
		if err != nil {
			return deleted, fmt.Errorf("sqlstore: delete expired rows: %w", err)
		}
		if n == 0 {
			return deleted, nil
		}
	}
}
