package sqlstore

import (
	"context"
	"errors"
	"time"

	"github.com/weigate/weigate/internal/gateway"
)

// This file implements gateway.Deliveries: the messages that the gateway has to send to other
// servers, such as logout tokens to apps. Do runs one operation of the store. Exec changes rows,
// Get reads one row, list reads all, and Tx runs a transaction.

const deliveryColumns = `id, kind, target, user_id, session_id, subject, payload, state, created_at, next_at, attempts,
	last_error`

func deliveryFields(d *gateway.Delivery) []any {
	return []any{&d.ID, &d.Kind, &d.Target, &d.UserID, &d.SessionID, &d.Subject, &d.Payload, &d.State, Time{&d.CreatedAt},
		Time{&d.NextAt}, &d.Attempts, &d.LastError}
}

// AddDeliveries implements gateway.Deliveries.
func (b Base) AddDeliveries(ctx context.Context, deliveries ...gateway.Delivery) error {
	if len(deliveries) == 0 {
		return nil
	}
	rows := make([][]any, 0, len(deliveries))
	for _, d := range deliveries {
		rows = append(rows, []any{fitIndex(string(d.Kind)), fitIndex(d.Target), fitIndex(d.UserID), fitText(d.SessionID),
			fitText(d.Subject), d.Payload, Micros(d.CreatedAt), Micros(d.NextAt), d.Attempts, fitText(d.LastError)})
	}
	return b.db.Do(ctx, "add_deliveries", func(c Conn) error {
		return c.Tx(func(q Querier) error {
			return q.Bulk(`
				INSERT INTO deliveries (kind, target, user_id, session_id, subject, payload, state, created_at, next_at, attempts,
					last_error)
				VALUES ($1, $2, $3, $4, $5, $6, 'waiting', $7, $8, $9, $10)`, rows)
		})
	})
}

// maxClaim is how many deliveries one call of ClaimDeliveries returns.
const maxClaim = 100

// ClaimDeliveries implements gateway.Deliveries. It reads first, because usually no delivery is
// due. Otherwise a transaction postpones the deliveries until the lease ends, so no other caller
// gets them.
func (b Base) ClaimDeliveries(ctx context.Context, kind gateway.DeliveryKind, now time.Time, lease time.Duration,
	limit int) (all []gateway.Delivery, err error) {
	args := []any{string(kind), Micros(now), min(max(limit, 1), maxClaim)}
	const due = ` FROM deliveries WHERE kind = $1 AND state = 'waiting' AND next_at <= $2 ORDER BY next_at, id LIMIT `
	err = b.db.Do(ctx, "claim_deliveries", func(c Conn) error {
		all = nil
		var id int64
		err := c.Get(`SELECT id`+due+`1`, args[:2], &id)
		if errors.Is(err, gateway.ErrNotFound) {
			return nil
		}
		if err != nil {
			return err
		}
		return c.Tx(func(q Querier) error {
			all, err = list(q, `SELECT `+deliveryColumns+due+`$3 `+b.dialect.SkipLocked, args, deliveryFields)
			if err != nil {
				return err
			}
			var changes [][]any
			for i := range all {
				d := &all[i]
				d.NextAt, d.Attempts = gateway.StoredTime(now.Add(lease)), d.Attempts+1
				changes = append(changes, []any{d.ID, Micros(d.NextAt), d.Attempts})
			}
			return q.Bulk(`UPDATE deliveries SET next_at = $2, attempts = $3 WHERE id = $1`, changes)
		})
	})
	if err != nil {
		return nil, err
	}
	return all, nil
}

// FinishDelivery implements gateway.Deliveries.
func (b Base) FinishDelivery(ctx context.Context, d gateway.Delivery, events ...gateway.Event) error {
	return b.db.Do(ctx, "finish_delivery", func(c Conn) error {
		return c.Tx(func(q Querier) error {
			deleted, err := b.userDeleted(q, d)
			if err != nil {
				return err
			}
			// A sent delivery needs the claims sub and sid no more, so they are deleted.
			n, err := q.Exec(`UPDATE deliveries SET state = $3, next_at = $4, last_error = $5,
					subject = CASE WHEN $3 = 'sent' THEN '' ELSE subject END,
					session_id = CASE WHEN $3 = 'sent' THEN '' ELSE session_id END
				WHERE id = $1 AND attempts = $2 AND state = 'waiting'`,
				d.ID, d.Attempts, string(d.State), Micros(d.NextAt), fitText(d.LastError))
			if err == nil && n == 0 {
				err = gateway.ErrConflict
			}
			if err == nil && deleted && d.State != gateway.DeliveryWaiting {
				_, err = q.Exec(`DELETE FROM deliveries WHERE id = $1`, d.ID)
			}
			if err != nil {
				return err
			}
			return appendEvents(q, events)
		})
	})
}

// userDeleted reports whether the user of a finished delivery (sent or failed) was deleted. It
// locks the row of the user, as DeleteUserIf does. So of two such transactions at the same time,
// the second sees what the first has written.
func (b Base) userDeleted(q Querier, d gateway.Delivery) (bool, error) {
	if d.UserID == "" || d.State == gateway.DeliveryWaiting {
		return false, nil
	}
	var id string
	err := q.Get(`SELECT id FROM users WHERE id = $1 `+b.dialect.ForShare, []any{fitIndex(d.UserID)}, &id)
	if errors.Is(err, gateway.ErrNotFound) {
		return true, nil
	}
	return false, err
}

// RetryDelivery implements gateway.Deliveries.
func (b Base) RetryDelivery(ctx context.Context, id int64, now time.Time, e gateway.Event) error {
	return b.db.Do(ctx, "retry_delivery", func(c Conn) error {
		return c.Tx(func(q Querier) error {
			n, err := q.Exec(`UPDATE deliveries SET state = 'waiting', next_at = $2, attempts = 0
				WHERE id = $1 AND state = 'failed'`, id, Micros(now))
			if err == nil && n == 0 {
				err = gateway.ErrNotFound
			}
			if err != nil {
				return err
			}
			return appendEvents(q, []gateway.Event{e})
		})
	})
}

// HastenDeliveries implements gateway.Deliveries. A user has few deliveries, so the statement uses
// the index of user_id. The expressions around kind and state keep the database from using their
// indexes.
func (b Base) HastenDeliveries(ctx context.Context, kind gateway.DeliveryKind, userID string, now time.Time) (
	n int, err error) {
	err = b.db.Do(ctx, "hasten_deliveries", func(c Conn) error {
		count, err := c.Exec(`UPDATE deliveries SET next_at = $3
			WHERE user_id = $1 AND user_id <> '' AND kind || '' = $2 AND state || '' = 'waiting' AND attempts = 0
				AND next_at > $3`, fitIndex(userID), string(kind), Micros(now))
		n = int(count)
		return err
	})
	return n, err
}

// Deliveries implements gateway.Deliveries. The first filter that is set uses its index.
// Expressions around the columns of the other filters keep the database from using theirs.
func (b Base) Deliveries(ctx context.Context, q gateway.DeliveryQuery) (all []gateway.Delivery, err error) {
	var where conditions
	chosen := false // whether where has a filter that uses its index
	// partial repeats the condition of a partial index: the database uses the index only with it.
	for _, filter := range []struct{ column, value, partial string }{
		{"user_id", q.UserID, ` AND user_id <> ''`},
		{"state", string(q.State), ` AND state <> 'sent'`},
		{"target", q.Target, ``},
		{"kind", string(q.Kind), ``},
	} {
		value := fitIndex(filter.value)
		switch {
		case value == "":
			continue
		case filter.column == "state" && value == string(gateway.DeliverySent): // most deliveries: no index
			where.add(`state = ?`, value)
			continue
		case chosen:
			where.add(filter.column+` || '' = ?`, value)
		default:
			where.add(filter.column+` = ?`+filter.partial, value)
		}
		chosen = true
	}
	where.sql = append(where.sql, `id > 0`) // always true, so that WHERE is never empty
	if q.Before != 0 {
		where.add(`id < ?`, q.Before)
	}
	query := `SELECT ` + deliveryColumns + ` FROM deliveries WHERE ` + where.where() + ` ORDER BY id DESC LIMIT ` +
		where.arg(q.Page())
	err = b.db.Do(ctx, "deliveries", func(c Conn) error {
		all, err = list(c, query, where.args, deliveryFields)
		return err
	})
	return all, err
}

// UserAppSessions implements gateway.Deliveries.
func (b Base) UserAppSessions(ctx context.Context, userID string) (all []gateway.AppSession, err error) {
	err = b.db.Do(ctx, "user_app_sessions", func(c Conn) error {
		all, err = list(c, `SELECT session, app, session_id, user_id, subject, created_at FROM app_sessions
			WHERE user_id = (SELECT id FROM users WHERE `+userResolved+`) ORDER BY app, created_at DESC`, []any{userID},
			func(s *gateway.AppSession) []any {
				return []any{Hash{&s.Session}, &s.App, &s.SessionID, &s.UserID, &s.Subject, Time{&s.CreatedAt}}
			})
		return err
	})
	return all, err
}

// putAppSession stores that a user signed in to an app with back-channel logout from a session. c
// is the code for the app, whose grant is stored already. putAppSession locks the row of the
// session, so that the session cannot end at the same time: otherwise the app would get no logout
// token. It returns gateway.ErrNotFound when the session has ended.
func (b Base) putAppSession(q Querier, c gateway.Code) error {
	g := c.Grant
	var live [32]byte
	err := q.Get(`SELECT hash FROM sessions WHERE hash = $1 `+b.dialect.LockRow, []any{g.Session[:]}, Hash{&live})
	if errors.Is(err, gateway.ErrNotFound) { // a later session, with the same first_hash, may have renewed it
		err = q.Get(`SELECT hash FROM sessions WHERE first_hash = $1 AND first_hash <> hash LIMIT 1 `+b.dialect.LockRow,
			[]any{g.Session[:]}, Hash{&live})
	}
	if err != nil {
		return err
	}
	_, err = q.Exec(`
		INSERT INTO app_sessions (session, app, session_id, user_id, subject, created_at)
		SELECT $1, app, $2, user_id, subject, $3 FROM grants WHERE id = $4
		ON CONFLICT (session, app, session_id) DO NOTHING`,
		g.Session[:], fitIndex(c.LogoutSessionID), Micros(g.CreatedAt), g.ID)
	return err
}
