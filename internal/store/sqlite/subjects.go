package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"time"

	"github.com/weigate/weigate/internal/gateway"
)

func pins(t tx, userID string) (all []gateway.Pin, err error) {
	err = t.each(`SELECT account_id, app, subject, created_at FROM subjects WHERE account_id = ?1 ORDER BY app`,
		[]any{userID}, func(r *sql.Rows) error {
			var p gateway.Pin
			err := r.Scan(&p.UserID, &p.App, &p.Subject, moment{&p.CreatedAt})
			all = append(all, p)
			return err
		})
	return all, err
}

// pinned reads the subject of an account, of what it was joined into, in an app.
func pinned(t tx, userID, app string) (id, subject string, err error) {
	err = t.get(`
		SELECT a.id, coalesce(s.subject, '') FROM accounts a LEFT JOIN subjects s ON s.account_id = a.id AND s.app = ?2
		WHERE a.`+resolved, []any{userID, app}, &id, &subject)
	return id, subject, err
}

// PinSubject implements gateway.Subjects.
func (s *Store) PinSubject(ctx context.Context, userID, app, candidate string, now time.Time) (subject string, err error) {
	if candidate == "" || app == "" {
		return "", errors.New("sqlite: a subject needs an app and a candidate")
	}
	// Nearly always it is pinned already, and then nothing needs a commit.
	err = s.read(ctx, "read a subject", func(t tx) error {
		_, subject, err = pinned(t, userID, app)
		return err
	})
	if err != nil || subject != "" {
		return subject, err
	}
	err = s.write(ctx, "pin a subject", func(t tx) error {
		var id string
		id, subject, err = pinned(t, userID, app)
		if err != nil || subject != "" {
			return err
		}
		_, err = t.exec(`INSERT INTO subjects (account_id, app, subject, created_at) VALUES (?1, ?2, ?3, ?4)`, id, app, candidate, micros(now))
		if taken(err) {
			return gateway.ErrConflict
		}
		subject = candidate
		return err
	})
	if err != nil {
		return "", err
	}
	return subject, nil
}

// AccountSubjects implements gateway.Subjects.
func (s *Store) UserSubjects(ctx context.Context, userID string) (all []gateway.Pin, err error) {
	err = s.read(ctx, "list subjects", func(t tx) error {
		a, err := readUser(t, userID)
		if errors.Is(err, gateway.ErrNotFound) {
			return nil
		}
		if err == nil {
			all, err = pins(t, a.ID)
		}
		return err
	})
	return all, err
}

// SubjectAccount implements gateway.Subjects.
func (s *Store) SubjectUser(ctx context.Context, app, subject string) (id string, err error) {
	err = s.read(ctx, "find a subject", func(t tx) error {
		return t.get(`SELECT account_id FROM subjects WHERE app = ?1 AND subject = ?2`, []any{app, subject}, &id)
	})
	return id, err
}
