package postgres

import (
	"context"
	"errors"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/weigate/weigate/internal/gateway"
)

func pinFields(p *gateway.Pin) []any {
	return []any{&p.UserID, &p.App, &p.Subject, moment{&p.CreatedAt}}
}

func pins(ctx context.Context, q querier, userID string) ([]gateway.Pin, error) {
	return list(ctx, q, `SELECT account_id, app, subject, created_at FROM subjects WHERE account_id = $1 ORDER BY app`, []any{userID}, pinFields)
}

// PinSubject implements gateway.Subjects.
func (s *Store) PinSubject(ctx context.Context, userID, app, candidate string, now time.Time) (subject string, err error) {
	if candidate == "" || app == "" {
		return "", errors.New("postgres: a subject needs an app and a candidate")
	}
	// Nearly always it is pinned already.
	err = s.get(ctx, `
		SELECT coalesce(s.subject, '') FROM accounts a LEFT JOIN subjects s ON s.account_id = a.id AND s.app = $2
		WHERE a.`+resolved, []any{userID, app}, &subject)
	if err != nil || subject != "" {
		return subject, failed("read a subject", err)
	}
	err = s.write(ctx, "pin a subject", func(tx pgx.Tx) error {
		a, err := locked(ctx, tx, userID, forShare)
		if err != nil {
			return err
		}
		_, err = tx.Exec(ctx, `
			INSERT INTO subjects (account_id, app, subject, created_at) VALUES ($1, $2, $3, $4)
			ON CONFLICT (account_id, app) DO NOTHING`, a.ID, app, candidate, micros(now))
		if taken(err) {
			return gateway.ErrConflict
		}
		if err != nil {
			return err
		}
		return get(ctx, tx, `SELECT subject FROM subjects WHERE account_id = $1 AND app = $2`, []any{a.ID, app}, &subject)
	})
	if err != nil {
		return "", err
	}
	return subject, nil
}

// AccountSubjects implements gateway.Subjects.
func (s *Store) UserSubjects(ctx context.Context, userID string) ([]gateway.Pin, error) {
	a, err := readUser(ctx, s.pool, userID)
	if errors.Is(err, gateway.ErrNotFound) {
		return nil, nil
	}
	if err != nil {
		return nil, failed("list subjects", err)
	}
	all, err := pins(ctx, s.pool, a.ID)
	return all, failed("list subjects", err)
}

// SubjectAccount implements gateway.Subjects.
func (s *Store) SubjectUser(ctx context.Context, app, subject string) (id string, err error) {
	err = s.get(ctx, `SELECT account_id FROM subjects WHERE app = $1 AND subject = $2`, []any{app, subject}, &id)
	return id, failed("find a subject", err)
}
