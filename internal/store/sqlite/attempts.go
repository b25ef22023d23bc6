package sqlite

import (
	"context"
	"errors"
	"time"

	"github.com/weigate/weigate/internal/gateway"
)

// Claim implements gateway.Claims. One statement decides who wins.
func (s *Store) BeginAttempt(ctx context.Context, want gateway.Attempt, now time.Time) (have gateway.Attempt, won bool, err error) {
	err = s.write(ctx, "claim a sign-in", func(t tx) error {
		n, err := t.exec(`
			INSERT INTO claims (key, code, owner, lease, expires_at, outcome, finished_at, told) VALUES (?1, ?2, ?3, ?4, ?5, '', 0, '')
			ON CONFLICT (key) DO UPDATE SET code = ?2, owner = ?3, lease = ?4, expires_at = ?5, outcome = '', finished_at = 0, told = ''
			WHERE claims.expires_at <= ?6 OR claims.outcome = ?7 AND claims.code <> ?2`,
			want.Key, want.Code, want.Owner, micros(want.Lease), micros(want.Expires), micros(now), gateway.OutcomeCodeRefused)
		if err != nil {
			return err
		}
		won = n == 1
		have.Key = want.Key
		return t.get(`SELECT code, owner, lease, expires_at, outcome, finished_at, told FROM claims WHERE key = ?1`, []any{want.Key},
			&have.Code, &have.Owner, moment{&have.Lease}, moment{&have.Expires}, &have.Outcome.Kind, moment{&have.Outcome.At}, &have.Outcome.Text)
	})
	if err != nil {
		return gateway.Attempt{}, false, err
	}
	return have, won, nil
}

// FinishClaim implements gateway.Claims.
func (s *Store) FinishAttempt(ctx context.Context, key, owner string, out gateway.Outcome, now time.Time) error {
	if out.Kind == "" {
		return errors.New("sqlite: an outcome needs its kind")
	}
	return s.write(ctx, "finish a sign-in", func(t tx) error { return finishAttempt(t, key, owner, out, now) })
}

// finishAttempt writes an outcome, once.
func finishAttempt(t tx, key, owner string, out gateway.Outcome, now time.Time) error {
	n, err := t.exec(`
		UPDATE claims SET outcome = ?3, finished_at = ?4, told = ?5
		WHERE key = ?1 AND owner = ?2 AND outcome = '' AND lease > ?6 AND expires_at > ?6`,
		key, owner, out.Kind, micros(out.At), gateway.Clean(out.Text), micros(now))
	if err == nil && n == 0 {
		err = gateway.ErrConflict
	}
	return err
}
