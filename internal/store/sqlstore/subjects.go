package sqlstore

import (
	"context"
	"errors"
	"time"

	"github.com/weigate/weigate/internal/gateway"
)

func pins(q Querier, userID string) ([]gateway.Pin, error) {
	const query = `SELECT user_id, app, subject, created_at FROM subjects WHERE user_id = $1 ORDER BY app`
	return list(q, query, []any{userID}, func(p *gateway.Pin) []any {
		return []any{&p.UserID, &p.App, &p.Subject, Time{&p.CreatedAt}}
	})
}

// pin stores a subject, unless one is pinned for the user in this app.
const pin = `
	INSERT INTO subjects (user_id, app, subject, created_at) VALUES ($1, $2, $3, $4)
	ON CONFLICT (user_id, app) DO NOTHING`

// PinSubject implements gateway.Subjects. It writes only when nothing is pinned yet, which is rare.
func (b Base) PinSubject(ctx context.Context, userID, app, candidate string, now time.Time) (subject string,
	err error) {
	if candidate == "" || app == "" {
		return "", errors.New("a subject needs an app and a candidate")
	}
	err = b.db.Do(ctx, "pin_subject", func(c Conn) error {
		err := c.Get(`
			SELECT coalesce(s.subject, '') FROM users u LEFT JOIN subjects s ON s.user_id = u.id AND s.app = $2
			WHERE u.`+resolved, []any{userID, app}, &subject)
		if err != nil || subject != "" {
			return err
		}
		return c.Tx(func(q Querier) error {
			u, err := lockUser(q, userID, b.dialect.ForShare)
			if err != nil {
				return err
			}
			if _, err := q.Exec(pin, u.ID, app, candidate, Micros(now)); err != nil {
				return b.conflict(err)
			}
			return q.Get(`SELECT subject FROM subjects WHERE user_id = $1 AND app = $2`, []any{u.ID, app}, &subject)
		})
	})
	if err != nil {
		return "", err
	}
	return subject, nil
}

// UserSubjects implements gateway.Subjects.
func (b Base) UserSubjects(ctx context.Context, userID string) (all []gateway.Pin, err error) {
	err = b.db.Do(ctx, "user_subjects", func(c Conn) error {
		u, err := readUser(c, userID)
		if errors.Is(err, gateway.ErrNotFound) {
			return nil
		}
		if err == nil {
			all, err = pins(c, u.ID)
		}
		return err
	})
	return all, err
}

// SubjectUser implements gateway.Subjects.
func (b Base) SubjectUser(ctx context.Context, app, subject string) (id string, err error) {
	err = b.db.Do(ctx, "subject_user", func(c Conn) error {
		return c.Get(`SELECT user_id FROM subjects WHERE app = $1 AND subject = $2`, []any{app, subject}, &id)
	})
	return id, err
}
