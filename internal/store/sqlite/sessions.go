package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"time"

	"github.com/weigate/weigate/internal/gateway"
)

const sessionColumns = `hash, account_id, entry, app_id, open_id, door, auth_time, created_at, seen_at, expires_at, data`

func sessionFields(s *gateway.Session) []any {
	return []any{hash{&s.Hash}, &s.UserID, &s.Connector, &s.AppID, &s.OpenID, &s.Method, moment{&s.AuthTime},
		moment{&s.CreatedAt}, moment{&s.SeenAt}, moment{&s.ExpiresAt}, &s.Data}
}

// admitted returns the id of an account, or of what it was joined into, unless it
// is blocked.
func admitted(t tx, userID string) (string, error) {
	a, err := readUser(t, userID)
	if err == nil && a.Status == gateway.Blocked {
		err = gateway.ErrBlocked
	}
	return a.ID, err
}

// PutSession implements gateway.Sessions.
func (s *Store) PutSession(ctx context.Context, n gateway.Session, now time.Time) error {
	return s.write(ctx, "store a session", func(t tx) error {
		id, err := admitted(t, n.UserID)
		if err != nil {
			return err
		}
		n.UserID = id
		return putSession(t, n, now)
	})
}

// putSession stores a session of a user who is not blocked, unless a live session has its hash.
func putSession(t tx, n gateway.Session, now time.Time) error {
	stored, err := t.exec(`
		INSERT INTO sessions (`+sessionColumns+`) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11)
		ON CONFLICT (hash) DO UPDATE SET account_id = ?2, entry = ?3, app_id = ?4, open_id = ?5, door = ?6, auth_time = ?7,
			created_at = ?8, seen_at = ?9, expires_at = ?10, data = ?11
		WHERE sessions.expires_at <= ?12`,
		n.Hash[:], n.UserID, n.Connector, n.AppID, n.OpenID, n.Method, micros(n.AuthTime), micros(n.CreatedAt), micros(n.SeenAt),
		micros(n.ExpiresAt), n.Data, micros(now))
	if err == nil && stored == 0 {
		err = gateway.ErrConflict
	}
	return err
}

func session(t tx, h [32]byte, now time.Time) (n gateway.Session, err error) {
	err = t.get(`SELECT `+sessionColumns+` FROM sessions WHERE hash = ?1`, []any{h[:]}, sessionFields(&n)...)
	if err == nil && !now.Before(n.ExpiresAt) {
		err = gateway.ErrExpired
	}
	return n, err
}

// Session implements gateway.Sessions.
func (s *Store) Session(ctx context.Context, h [32]byte, now time.Time) (n gateway.Session, err error) {
	err = s.read(ctx, "read a session", func(t tx) error {
		n, err = session(t, h, now)
		return err
	})
	if err != nil {
		return gateway.Session{}, err
	}
	return n, nil
}

// TouchSession implements gateway.Sessions.
func (s *Store) TouchSession(ctx context.Context, h [32]byte, now, expires time.Time) error {
	due := false
	err := s.read(ctx, "read a session", func(t tx) error {
		err := t.get(`SELECT 1 FROM sessions WHERE hash = ?1 AND seen_at <= ?2 AND expires_at > ?3`,
			[]any{h[:], micros(now.Add(-time.Minute)), micros(now)}, &due)
		if errors.Is(err, gateway.ErrNotFound) {
			return nil
		}
		return err
	})
	if err != nil || !due {
		return err
	}
	return s.write(ctx, "touch a session", func(t tx) error {
		_, err := t.exec(`
			UPDATE sessions SET seen_at = ?3, expires_at = max(expires_at, ?4)
			WHERE hash = ?1 AND seen_at <= ?2 AND expires_at > ?3`,
			h[:], micros(now.Add(-time.Minute)), micros(now), micros(expires))
		return err
	})
}

// UpdateSession implements gateway.Sessions.
func (s *Store) UpdateSession(ctx context.Context, h [32]byte, now time.Time, change func(*gateway.Session) error) error {
	err := s.write(ctx, "update a session", func(t tx) error {
		n, err := session(t, h, now)
		if err != nil {
			return err
		}
		if err := change(&n); err != nil {
			return callers{err}
		}
		_, err = t.exec(`
			UPDATE sessions SET auth_time = ?2, entry = ?3, app_id = ?4, open_id = ?5, door = ?6, data = ?7,
				seen_at = max(seen_at, ?8), expires_at = max(expires_at, ?9)
			WHERE hash = ?1`,
			h[:], micros(n.AuthTime), n.Connector, n.AppID, n.OpenID, n.Method, n.Data, micros(n.SeenAt), micros(n.ExpiresAt))
		return err
	})
	if own, ok := errors.AsType[callers](err); ok {
		return own.error
	}
	return err
}

// DeleteSession implements gateway.Sessions.
func (s *Store) DeleteSession(ctx context.Context, h [32]byte) error {
	return s.write(ctx, "end a session", func(t tx) error { return deleteSession(t, h) })
}

func deleteSession(t tx, h [32]byte) error {
	_, err := t.exec(`DELETE FROM sessions WHERE hash = ?1`, h[:])
	return err
}

// DeleteAccountSessions implements gateway.Sessions.
func (s *Store) DeleteUserSessions(ctx context.Context, userID string) (n int, err error) {
	err = s.write(ctx, "end an account's sessions", func(t tx) error {
		n, err = t.exec(`DELETE FROM sessions WHERE account_id = (SELECT id FROM accounts WHERE `+resolved+`)`, userID)
		return err
	})
	return n, err
}

// AccountSessions implements gateway.Sessions.
func (s *Store) UserSessions(ctx context.Context, userID string, now time.Time) (all []gateway.Session, err error) {
	const query = `
		SELECT ` + sessionColumns + ` FROM sessions
		WHERE account_id = (SELECT id FROM accounts WHERE ` + resolved + `) AND expires_at > ?2
		ORDER BY seen_at DESC, created_at DESC, hash`
	err = s.read(ctx, "list an account's sessions", func(t tx) error {
		return t.each(query, []any{userID, micros(now)}, func(r *sql.Rows) error {
			var n gateway.Session
			err := r.Scan(sessionFields(&n)...)
			all = append(all, n)
			return err
		})
	})
	return all, err
}
