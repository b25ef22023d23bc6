package postgres

import (
	"context"
	"errors"
	"time"

	"github.com/weigate/weigate/internal/gateway"
)

// Claim implements gateway.Claims. One statement decides who wins.
func (s *Store) BeginAttempt(ctx context.Context, want gateway.Attempt, now time.Time) (have gateway.Attempt, won bool, err error) {
	for range attempts {
		done, err := s.exec(ctx, `
			INSERT INTO claims (key, code, owner, lease, expires_at, outcome, finished_at, told) VALUES ($1, $2, $3, $4, $5, '', 0, '')
			ON CONFLICT (key) DO UPDATE SET code = $2, owner = $3, lease = $4, expires_at = $5, outcome = '', finished_at = 0, told = ''
			WHERE claims.expires_at <= $6 OR claims.outcome = $7 AND claims.code <> $2`,
			want.Key, want.Code, want.Owner, micros(want.Lease), micros(want.Expires), micros(now), gateway.OutcomeCodeRefused)
		if err != nil {
			return gateway.Attempt{}, false, failed("claim a sign-in", err)
		}
		if done.RowsAffected() == 1 {
			want.Outcome = gateway.Outcome{}
			want.Lease, want.Expires = gateway.Micro(want.Lease), gateway.Micro(want.Expires)
			return want, true, nil
		}
		have = gateway.Attempt{Key: want.Key}
		err = s.get(ctx, `SELECT code, owner, lease, expires_at, outcome, finished_at, told FROM claims WHERE key = $1 AND expires_at > $2`,
			[]any{want.Key, micros(now)}, &have.Code, &have.Owner, moment{&have.Lease}, moment{&have.Expires},
			&have.Outcome.Kind, moment{&have.Outcome.At}, &have.Outcome.Text)
		if !errors.Is(err, gateway.ErrNotFound) { // else it was swept between the two
			return have, false, failed("look at a sign-in", err)
		}
	}
	return gateway.Attempt{}, false, failed("claim a sign-in", errAgain)
}

// finishAttempt writes an outcome, once.
const finishAttempt = `
	UPDATE claims SET outcome = $3, finished_at = $4, told = $5
	WHERE key = $1 AND owner = $2 AND outcome = '' AND lease > $6 AND expires_at > $6`

// FinishAttempt implements gateway.Claims.
func (s *Store) FinishAttempt(ctx context.Context, key, owner string, out gateway.Outcome, now time.Time) error {
	if out.Kind == "" {
		return errors.New("postgres: an outcome needs its kind")
	}
	done, err := s.exec(ctx, finishAttempt, key, owner, out.Kind, micros(out.At), gateway.Clean(out.Text), micros(now))
	if err == nil && done.RowsAffected() == 0 {
		err = gateway.ErrConflict
	}
	return failed("finish a sign-in", err)
}
