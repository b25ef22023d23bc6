package sqlstore

import (
	"context"
	"errors"
	"time"

	"github.com/weigate/weigate/internal/gateway"
)

// This file implements gateway.Sessions. Do runs one operation of the store. Exec changes rows, Get
// reads one row, list reads all, and Tx runs a transaction. Micros converts arguments; Time and
// Hash convert results.

const sessionColumns = `hash, first_hash, user_id, connector, app_id, open_id, method, auth_time, ` +
	`created_at, seen_at, expires_at, data`

func sessionFields(s *gateway.Session) []any {
	return []any{Hash{&s.Hash}, Hash{&s.First}, &s.UserID, &s.Connector, &s.AppID, &s.OpenID, &s.Method, Time{&s.AuthTime},
		Time{&s.CreatedAt}, Time{&s.SeenAt}, Time{&s.ExpiresAt}, &s.Data}
}

// userAdmitted is a condition on table users. It selects the user $2, unless the user is blocked or
// was joined into another user. Only a user whom it selects gets a session or a code.
const userAdmitted = `id = $2 AND joined_into = '' AND status <> 'blocked' `

// insertSession returns the statement that stores a session. The statement stores nothing when the
// user is missing or blocked, or when a session that has not expired has the same hash. The
// statement locks the row of the user, so that the user cannot be blocked or joined at the same
// time. Otherwise the session could remain after a block or a join has deleted the user's sessions.
func (b Base) insertSession() string {
	return `
	INSERT INTO sessions (` + sessionColumns + `)
	SELECT $1, $13, id, $3, $4, $5, $6, $7, $8, $9, $10, $11 FROM users WHERE ` + userAdmitted + b.dialect.ForShare + `
	ON CONFLICT (hash) DO UPDATE
	SET first_hash = $13, user_id = excluded.user_id, connector = $3, app_id = $4, open_id = $5, method = $6,
		auth_time = $7, created_at = $8, seen_at = $9, expires_at = $10, data = $11
	WHERE sessions.expires_at <= $12`
}

func sessionArgs(s gateway.Session, userID string, now time.Time) []any {
	first := s.First
	if first == ([32]byte{}) {
		first = s.Hash
	}
	return []any{s.Hash[:], userID, s.Connector, s.AppID, s.OpenID, s.Method, Micros(s.AuthTime),
		Micros(s.CreatedAt), Micros(s.SeenAt), Micros(s.ExpiresAt), s.Data, Micros(now), first[:]}
}

// PutSession implements gateway.Sessions. Usually one statement is enough. When it stores nothing,
// a transaction looks for the user again: the user may have been joined into an older one. The
// transaction stores the session, or returns the reason why it cannot.
func (b Base) PutSession(ctx context.Context, s gateway.Session, now time.Time) error {
	return b.db.Do(ctx, "put_session", func(c Conn) error {
		if n, err := c.Exec(b.insertSession(), sessionArgs(s, s.UserID, now)...); err != nil || n == 1 {
			return err
		}
		return c.Tx(func(q Querier) error {
			id, err := b.lockAdmittedUser(q, s.UserID)
			if err != nil {
				return err
			}
			return b.putSession(q, s, id, now)
		})
	})
}

// putSession stores a session. The caller has locked the row of the user and found it not blocked.
// So the only reason for storing nothing is a session with the same hash.
func (b Base) putSession(q Querier, s gateway.Session, userID string, now time.Time) error {
	n, err := q.Exec(b.insertSession(), sessionArgs(s, userID, now)...)
	if err == nil && n == 0 {
		err = gateway.ErrConflict
	}
	return err
}

// readSession returns a session. clause is a lock clause of Dialect, or empty.
func readSession(q Querier, h [32]byte, now time.Time, clause string) (s gateway.Session, err error) {
	err = q.Get(`SELECT `+sessionColumns+` FROM sessions WHERE hash = $1 `+clause, []any{h[:]}, sessionFields(&s)...)
	if err == nil && !now.Before(s.ExpiresAt) {
		err = gateway.ErrExpired
	}
	if err != nil {
		return gateway.Session{}, err
	}
	return s, nil
}

// Session implements gateway.Sessions.
func (b Base) Session(ctx context.Context, h [32]byte, now time.Time) (s gateway.Session, err error) {
	err = b.db.Do(ctx, "session", func(c Conn) error {
		s, err = readSession(c, h, now, "")
		return err
	})
	return s, err
}

// The columns of a user and of a session, in a statement that calls the tables u and s. After the
// join of two users, the younger one has no sessions and no grants. So user_id is never the id of a
// user who was joined into another.
const (
	prefixedUserColumns = `u.id, u.nickname, u.avatar_url, u.locale, u.profile_at, u.status, u.admin, u.groups, ` +
		`u.old_id, u.created_at, u.updated_at, u.real_name, u.note, u.allowed_apps, u.refused_apps, ` +
		`u.agreement`
	prefixedSessionColumns = `s.hash, s.first_hash, s.user_id, s.connector, s.app_id, s.open_id, s.method, s.auth_time, ` +
		`s.created_at, s.seen_at, s.expires_at, s.data`
)

// SessionUser implements gateway.Sessions.
func (b Base) SessionUser(ctx context.Context, h [32]byte, now time.Time) (s gateway.Session, u gateway.User,
	err error) {
	const query = `SELECT ` + prefixedSessionColumns + `, ` + prefixedUserColumns +
		` FROM sessions s JOIN users u ON u.id = s.user_id WHERE s.hash = $1`
	err = b.db.Do(ctx, "session_user", func(c Conn) error {
		err := c.Get(query, []any{h[:]}, append(sessionFields(&s), userFields(&u)...)...)
		if err == nil && !now.Before(s.ExpiresAt) {
			err = gateway.ErrExpired
		}
		return err
	})
	if err != nil {
		return gateway.Session{}, gateway.User{}, err
	}
	return s, u, nil
}

// UpdateSession implements gateway.Sessions.
func (b Base) UpdateSession(ctx context.Context, h [32]byte, now time.Time, change func(*gateway.Session) error) error {
	return b.db.Do(ctx, "update_session", func(c Conn) error {
		return c.Tx(func(q Querier) error {
			s, err := readSession(q, h, now, b.dialect.LockRow)
			if err != nil {
				return err
			}
			if err := change(&s); err != nil {
				return CallerError{err}
			}
			_, err = q.Exec(`
				UPDATE sessions SET auth_time = $2, connector = $3, app_id = $4, open_id = $5, method = $6, data = $7,
					seen_at = CASE WHEN seen_at < $8 THEN $8 ELSE seen_at END,
					expires_at = CASE WHEN expires_at < $9 THEN $9 ELSE expires_at END
				WHERE hash = $1`,
				h[:], Micros(s.AuthTime), s.Connector, s.AppID, s.OpenID, s.Method, s.Data, Micros(s.SeenAt), Micros(s.ExpiresAt))
			return err
		})
	})
}

// DeleteSession implements gateway.Sessions.
func (b Base) DeleteSession(ctx context.Context, h [32]byte, now time.Time) error {
	return b.db.Do(ctx, "delete_session", func(c Conn) error {
		return c.Tx(func(q Querier) error {
			_, err := b.endSessions(q, now, `hash = $1`, h[:])
			return err
		})
	})
}

// DeleteUserSessions implements gateway.Sessions.
func (b Base) DeleteUserSessions(ctx context.Context, userID string, now time.Time) (n int, err error) {
	err = b.db.Do(ctx, "delete_user_sessions", func(c Conn) error {
		return c.Tx(func(q Querier) error {
			u, err := readUser(q, userID)
			n = 0 // the transaction may run again
			if errors.Is(err, gateway.ErrNotFound) {
				return nil
			}
			if err == nil {
				err = refuseTickets(q, u.ID) // sign-ins by scan that the user has confirmed create no session any more
			}
			if err == nil {
				n, err = b.endSessions(q, now, `user_id = $1`, u.ID)
			}
			return err
		})
	})
	return n, err
}

// UserSessions implements gateway.Sessions.
func (b Base) UserSessions(ctx context.Context, userID string, now time.Time) (all []gateway.Session, err error) {
	const query = `
		SELECT ` + sessionColumns + ` FROM sessions
		WHERE user_id = (SELECT id FROM users WHERE ` + userResolved + `) AND expires_at > $2
		ORDER BY seen_at DESC, created_at DESC, hash`
	err = b.db.Do(ctx, "user_sessions", func(c Conn) error {
		all, err = list(c, query, []any{userID, Micros(now)}, sessionFields)
		return err
	})
	return all, err
}
