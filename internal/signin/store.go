package signin

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"time"

	"github.com/weigate/weigate/internal/gateway"
	"github.com/weigate/weigate/internal/session"
	"github.com/weigate/weigate/login"
)

// passing tells package login that a store is away, in its own word: the visitor is then asked to come back soon.
func loginError(err error) error {
	if errors.Is(err, gateway.ErrUnavailable) {
		return fmt.Errorf("%w: %w", login.ErrUnavailable, err)
	}
	return err
}

// loginStore lets package login keep its claims and sessions in the gateway's store.
type loginStore struct {
	h         *Handler
	connector string // through which new sessions come in
}

var _ login.Store = (*loginStore)(nil)

// BeginAttempt is login.Store's: gateway.Claim is the same in the gateway's words.
func (l *loginStore) BeginAttempt(ctx context.Context, want login.Attempt, now time.Time) (login.Attempt, bool, error) {
	have, won, err := l.h.cfg.Attempts.BeginAttempt(ctx, gateway.Attempt{
		Key: want.ID, Code: want.Code, Owner: want.Owner, Lease: want.Lease, Expires: want.Expires,
	}, now)
	return login.Attempt{
		ID: have.Key, Code: have.Code, Owner: have.Owner, Lease: have.Lease, Expires: have.Expires,
		Outcome: login.Outcome{Kind: login.OutcomeKind(have.Outcome.Kind), At: have.Outcome.At, Text: have.Outcome.Text},
	}, won, loginError(err)
}

// FinishAttempt is login.Store's.
func (l *loginStore) FinishAttempt(ctx context.Context, id, owner string, out login.Outcome, now time.Time) error {
	err := l.h.cfg.Attempts.FinishAttempt(ctx, id, owner, gateway.Outcome{Kind: string(out.Kind), At: out.At, Text: out.Text}, now)
	if errors.Is(err, gateway.ErrConflict) {
		return fmt.Errorf("%w: %w", login.ErrAttemptLost, err)
	}
	return loginError(err)
}

// CreateSession is login.Store's.
func (l *loginStore) CreateSession(ctx context.Context, id string, s login.Session, now time.Time) error {
	hash, err := parseHash(id)
	if err != nil {
		return err
	}
	with, err := readExtra(s.Extra)
	if err != nil {
		return err
	}
	if with.AuthTime.IsZero() {
		with.AuthTime = s.SignedInAt
	}
	err = l.h.cfg.Sessions.Sessions.PutSession(ctx, gateway.Session{
		Hash: hash, UserID: s.Subject, Connector: l.connector, AppID: s.AppID, OpenID: s.OpenID, Method: string(s.Method),
		AuthTime: with.AuthTime, CreatedAt: s.SignedInAt, SeenAt: s.SignedInAt, ExpiresAt: s.ExpiresAt,
		Data: kept{LoginRequestID: with.LoginRequestID, Declined: with.Declined || s.ProfileDeclined, Scopes: s.Scopes}.marshal(),
	}, now)
	if errors.Is(err, gateway.ErrConflict) {
		return fmt.Errorf("%w: %w", login.ErrSessionExists, err)
	}
	return loginError(err)
}

// Session is login.Store's. It gives the account's nickname and picture, which may have come in through another browser.
func (l *loginStore) Session(ctx context.Context, id string, now time.Time) (*login.Session, error) {
	hash, err := parseHash(id)
	if err != nil {
		return nil, err
	}
	found, user, err := l.h.cfg.Sessions.Find(ctx, hash, now)
	switch {
	case errors.Is(err, gateway.ErrNotFound):
		return nil, fmt.Errorf("%w: %w", login.ErrNoSession, err)
	case err != nil:
		return nil, loginError(err)
	}
	ours := readKept(found.Data)
	if back, asked := ctx.Value(foundKey{}).(*session.Browser); asked {
		*back = session.Browser{Session: found, User: user, LoginRequestID: ours.LoginRequestID}
	}
	with, err := extra{LoginRequestID: ours.LoginRequestID, Declined: ours.Declined}.marshal()
	if err != nil {
		return nil, err
	}
	// The book moves the end on; package login need not do it a second time.
	ends := l.h.cfg.Sessions.Expiry(found.CreatedAt, now)
	if found.ExpiresAt.After(ends) {
		ends = found.ExpiresAt
	}
	return &login.Session{
		Subject: user.ID, Extra: with, OpenID: found.OpenID, AppID: found.AppID, Nickname: user.Nickname, AvatarURL: user.AvatarURL,
		Scopes: ours.Scopes, Method: login.Method(found.Method), SignedInAt: found.AuthTime, ProfileAt: user.ProfileAt,
		ProfileDeclined: ours.Declined, ExpiresAt: ends,
	}, nil
}

// UpdateSession is login.Store's.
func (l *loginStore) UpdateSession(ctx context.Context, id string, u login.SessionUpdate, now time.Time) error {
	hash, err := parseHash(id)
	if err != nil {
		return err
	}
	err = l.h.cfg.Sessions.Sessions.UpdateSession(ctx, hash, now, func(s *gateway.Session) error {
		if u.ProfileDeclined {
			ours := readKept(s.Data)
			ours.Declined = true
			s.Data = ours.marshal()
		}
		if u.ExpiresAt.After(s.ExpiresAt) {
			s.ExpiresAt = u.ExpiresAt
		}
		return nil
	})
	if errors.Is(err, gateway.ErrNotFound) {
		return fmt.Errorf("%w: %w", login.ErrNoSession, err)
	}
	return loginError(err)
}

// DeleteSession is login.Store's.
func (l *loginStore) DeleteSession(ctx context.Context, id string) error {
	hash, err := parseHash(id)
	if err != nil {
		return err
	}
	return loginError(l.h.cfg.Sessions.Sessions.DeleteSession(ctx, hash))
}

// parseHash reads one of package login's ids: SHA-256 in hexadecimal.
func parseHash(id string) (hash [32]byte, err error) {
	if n, err := hex.Decode(hash[:], []byte(id)); err != nil || n != len(hash) || len(id) != 64 {
		return hash, errors.New("signin: an id that is no SHA-256")
	}
	return hash, nil
}
