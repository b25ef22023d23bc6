package sqlstore

import (
	"context"
	"crypto/sha256"
	"database/sql"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"time"

	"github.com/weigate/weigate/login"
	"github.com/weigate/weigate/wechat"
)

// session is the JSON in the column data. Fields may be added: a field that is absent in a stored
// row has the zero value.
type session struct {
	Subject    string         `json:"subject"`
	OpenID     string         `json:"openid"`
	UnionID    string         `json:"unionid,omitempty"`
	AppID      string         `json:"appid"`
	Nickname   string         `json:"nickname,omitempty"`
	Avatar     string         `json:"avatar,omitempty"`
	Scopes     []wechat.Scope `json:"scopes,omitempty"`
	Method     login.Method   `json:"method"`
	UserAgent  string         `json:"user_agent,omitempty"`
	Extra      string         `json:"extra,omitempty"`
	SignedInAt int64          `json:"signed_in_at"`         // microseconds, as in the columns
	ProfileAt  int64          `json:"profile_at,omitempty"` // microseconds
}

// row is a session as it is stored.
type row struct {
	subjectHash           string
	signedInAt, expiresAt int64
	profileDeclined       int
	data                  string
}

// newRow returns the row of a session.
func newRow(s login.Session) (row, error) {
	data, err := json.Marshal(session{
		Subject: s.Subject, OpenID: s.OpenID, UnionID: s.UnionID, AppID: s.AppID, Nickname: s.Nickname,
		Avatar: s.AvatarURL, Scopes: s.Scopes, Method: s.Method, UserAgent: s.UserAgent, Extra: s.Extra,
		SignedInAt: micros(s.SignedInAt), ProfileAt: micros(s.ProfileAt),
	})
	return row{
		subjectHash: hashSubject(s.Subject), signedInAt: micros(s.SignedInAt), expiresAt: micros(s.ExpiresAt),
		profileDeclined: asInt(s.ProfileDeclined), data: string(data),
	}, err
}

// scanSession reads a row of selectSession or selectSessionsOf.
func scanSession(rows *sql.Rows) (login.Session, error) {
	var (
		id       string
		expires  int64
		declined int
		data     []byte
		s        session
	)
	if err := rows.Scan(&id, &expires, &declined, &data); err != nil {
		return login.Session{}, err
	}
	if err := json.Unmarshal(data, &s); err != nil {
		return login.Session{}, fmt.Errorf("column data: %w", err)
	}
	return login.Session{
		ID: id, Subject: s.Subject, OpenID: s.OpenID, UnionID: s.UnionID, AppID: s.AppID, Nickname: s.Nickname,
		AvatarURL: s.Avatar, Scopes: s.Scopes, Method: s.Method, UserAgent: s.UserAgent, Extra: s.Extra,
		SignedInAt: fromMicros(s.SignedInAt), ProfileAt: fromMicros(s.ProfileAt),
		ProfileDeclined: declined != 0, ExpiresAt: fromMicros(expires),
	}, nil
}

// hashSubject returns the value of the column subject_hash.
func hashSubject(subject string) string {
	sum := sha256.Sum256([]byte(subject))
	return hex.EncodeToString(sum[:])
}

func asInt(b bool) int {
	if b {
		return 1
	}
	return 0
}

// CreateSession implements login.Store.
func (s *Store) CreateSession(ctx context.Context, id string, created login.Session, now time.Time) error {
	if err := s.createSession(ctx, id, created, now); err != nil {
		return fmt.Errorf("sqlstore: create a session: %w", err)
	}
	s.sweepSometimes(ctx, now)
	return nil
}

func (s *Store) createSession(ctx context.Context, id string, created login.Session, now time.Time) error {
	if err := checkID(id); err != nil {
		return err
	}
	r, err := newRow(created)
	if err != nil {
		return err
	}
	// insertSession changes nothing if there is a row with this id. replaceExpiredSession then replaces
	// the row, but only if the session in the row has expired.
	for range maxRounds {
		n, err := s.exec(ctx, s.statements.insertSession,
			id, r.subjectHash, r.signedInAt, r.expiresAt, r.profileDeclined, r.data)
		if err != nil || n > 0 {
			return err
		}
		n, err = s.exec(ctx, s.statements.replaceExpiredSession,
			r.subjectHash, r.signedInAt, r.expiresAt, r.profileDeclined, r.data, id, micros(now))
		if err != nil || n > 0 {
			return err
		}
		exists, err := s.sessionExists(ctx, id, now)
		if err != nil {
			return err
		}
		if exists {
			return login.ErrSessionExists
		}
		// An expired row prevented the insert, and another process has deleted this row before
		// replaceExpiredSession. Try again.
	}
	return errContended
}

// sessionExists reports whether there is a session that has not expired.
func (s *Store) sessionExists(ctx context.Context, id string, now time.Time) (bool, error) {
	rows, err := query(ctx, s, s.statements.sessionExists, []any{id, micros(now)},
		func(*sql.Rows) (struct{}, error) { return struct{}{}, nil })
	return len(rows) > 0, err
}

// Session implements login.Store.
func (s *Store) Session(ctx context.Context, id string, now time.Time) (*login.Session, error) {
	rows, err := query(ctx, s, s.statements.selectSession, []any{id, micros(now)}, scanSession)
	switch {
	case err != nil:
		return nil, fmt.Errorf("sqlstore: read a session: %w", err)
	case len(rows) == 0:
		return nil, login.ErrNoSession
	}
	return &rows[0], nil
}

// UpdateSession implements login.Store.
func (s *Store) UpdateSession(ctx context.Context, id string, u login.SessionUpdate, now time.Time) error {
	expires, declined := micros(u.ExpiresAt), asInt(u.ProfileDeclined)
	// Two values come twice: the statement compares each of them with the stored value, and keeps the
	// larger of the two.
	n, err := s.exec(ctx, s.statements.updateSession, expires, expires, declined, declined, id, micros(now))
	found := n > 0
	if err == nil && !found {
		// MySQL does not count rows whose values stay the same.
		found, err = s.sessionExists(ctx, id, now)
	}
	switch {
	case err != nil:
		return fmt.Errorf("sqlstore: update a session: %w", err)
	case !found:
		return login.ErrNoSession
	}
	return nil
}

// DeleteSession implements login.Store.
func (s *Store) DeleteSession(ctx context.Context, id string) error {
	if _, err := s.exec(ctx, s.statements.deleteSession, id); err != nil {
		return fmt.Errorf("sqlstore: delete a session: %w", err)
	}
	return nil
}

// SessionsOf implements login.Store.
func (s *Store) SessionsOf(ctx context.Context, subject string, limit int, now time.Time) ([]login.Session, error) {
	all, err := query(ctx, s, s.statements.selectSessionsOf, []any{hashSubject(subject), micros(now), limit}, scanSession)
	if err != nil {
		return nil, fmt.Errorf("sqlstore: list the sessions of a user: %w", err)
	}
	return all, nil
}

// DeleteSessionsOf implements login.Store.
func (s *Store) DeleteSessionsOf(ctx context.Context, subject, except string) error {
	if _, err := s.exec(ctx, s.statements.deleteSessionsOf, hashSubject(subject), except); err != nil {
		return fmt.Errorf("sqlstore: delete the sessions of a user: %w", err)
	}
	return nil
}
