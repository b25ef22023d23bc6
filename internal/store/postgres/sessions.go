package postgres

import (
	"context"
	"errors"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/weigate/weigate/internal/gateway"
)

const sessionColumns = `hash, account_id, entry, app_id, open_id, door, auth_time, created_at, seen_at, expires_at, data`

func sessionFields(s *gateway.Session) []any {
	return []any{hash{&s.Hash}, &s.UserID, &s.Connector, &s.AppID, &s.OpenID, &s.Method, moment{&s.AuthTime},
		moment{&s.CreatedAt}, moment{&s.SeenAt}, moment{&s.ExpiresAt}, &s.Data}
}

// admitted returns the id of an account, or of what it was joined into, unless
// it is blocked, and keeps it so until the transaction ends.
func admitted(ctx context.Context, tx pgx.Tx, userID string) (string, error) {
	a, err := locked(ctx, tx, userID, forShare)
	if err == nil && a.Status == gateway.Blocked {
		err = gateway.ErrBlocked
	}
	return a.ID, err
}

// welcome is the condition under which an account gets a session or a code. It
// locks the row: blocking or joining waits, or is seen.
const welcome = ` FROM accounts WHERE id = $2 AND joined_into = '' AND status <> 'blocked' FOR SHARE`

// insertSession stores a session, unless a live session has its hash.
const insertSession = `
	INSERT INTO sessions (` + sessionColumns + `)
	SELECT $1, id, $3, $4, $5, $6, $7, $8, $9, $10, $11` + welcome + `
	ON CONFLICT (hash) DO UPDATE SET account_id = excluded.account_id, entry = $3, app_id = $4, open_id = $5, door = $6, auth_time = $7,
		created_at = $8, seen_at = $9, expires_at = $10, data = $11
	WHERE sessions.expires_at <= $12`

// PutSession implements gateway.Sessions.
func (s *Store) PutSession(ctx context.Context, n gateway.Session, now time.Time) error {
	args := []any{n.Hash[:], n.UserID, n.Connector, n.AppID, n.OpenID, n.Method, micros(n.AuthTime), micros(n.CreatedAt), micros(n.SeenAt),
		micros(n.ExpiresAt), n.Data, micros(now)}
	done, err := s.exec(ctx, insertSession, args...)
	if err != nil || done.RowsAffected() == 1 {
		return failed("store a session", err)
	}
	return s.write(ctx, "store a session", func(tx pgx.Tx) error { // blocked, joined, nobody, or the hash is taken
		id, err := admitted(ctx, tx, n.UserID)
		if err != nil {
			return err
		}
		args[1] = id
		done, err := tx.Exec(ctx, insertSession, args...)
		if err == nil && done.RowsAffected() == 0 {
			err = gateway.ErrConflict
		}
		return err
	})
}

// Session implements gateway.Sessions.
func (s *Store) Session(ctx context.Context, h [32]byte, now time.Time) (n gateway.Session, err error) {
	err = s.get(ctx, `SELECT `+sessionColumns+` FROM sessions WHERE hash = $1`, []any{h[:]}, sessionFields(&n)...)
	if err == nil && !now.Before(n.ExpiresAt) {
		err = gateway.ErrExpired
	}
	if err != nil {
		return gateway.Session{}, failed("read a session", err)
	}
	return n, nil
}

// TouchSession implements gateway.Sessions.
func (s *Store) TouchSession(ctx context.Context, h [32]byte, now, expires time.Time) error {
	_, err := s.exec(ctx, `
		UPDATE sessions SET seen_at = $3, expires_at = greatest(expires_at, $4)
		WHERE hash = $1 AND seen_at <= $2 AND expires_at > $3`,
		h[:], micros(now.Add(-time.Minute)), micros(now), micros(expires))
	return failed("touch a session", err)
}

// UpdateSession implements gateway.Sessions.
func (s *Store) UpdateSession(ctx context.Context, h [32]byte, now time.Time, change func(*gateway.Session) error) error {
	err := s.write(ctx, "update a session", func(tx pgx.Tx) error {
		var n gateway.Session
		err := get(ctx, tx, `SELECT `+sessionColumns+` FROM sessions WHERE hash = $1 FOR UPDATE`, []any{h[:]}, sessionFields(&n)...)
		if err == nil && !now.Before(n.ExpiresAt) {
			err = gateway.ErrExpired
		}
		if err != nil {
			return err
		}
		if err := change(&n); err != nil {
			return callers{err}
		}
		_, err = tx.Exec(ctx, `
			UPDATE sessions SET auth_time = $2, entry = $3, app_id = $4, open_id = $5, door = $6, data = $7,
				seen_at = greatest(seen_at, $8), expires_at = greatest(expires_at, $9)
			WHERE hash = $1`,
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
	_, err := s.exec(ctx, `DELETE FROM sessions WHERE hash = $1`, h[:])
	return failed("end a session", err)
}

// DeleteAccountSessions implements gateway.Sessions.
func (s *Store) DeleteUserSessions(ctx context.Context, userID string) (int, error) {
	done, err := s.exec(ctx, `DELETE FROM sessions WHERE account_id = (SELECT id FROM accounts WHERE `+resolved+`)`, userID)
	return int(done.RowsAffected()), failed("end an account's sessions", err)
}

// AccountSessions implements gateway.Sessions.
func (s *Store) UserSessions(ctx context.Context, userID string, now time.Time) ([]gateway.Session, error) {
	const query = `
		SELECT ` + sessionColumns + ` FROM sessions
		WHERE account_id = (SELECT id FROM accounts WHERE ` + resolved + `) AND expires_at > $2
		ORDER BY seen_at DESC, created_at DESC, hash`
	all, err := list(ctx, s.pool, query, []any{userID, micros(now)}, sessionFields)
	return all, failed("list an account's sessions", err)
}
