package login

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/weigate/weigate/wechat"
)

// MaxSessions is how many sessions Handler.Sessions returns at most.
const MaxSessions = 100

// Sessions returns the sessions of a user that have not expired. It is for a page on which users
// see where they are signed in. The session with the latest sign-in is the first, and there are at
// most MaxSessions. To find the session of this browser, compare Session.ID with the ID of the
// session from FromContext.
//
// Sessions are found by Session.Subject, which Config.OnSignIn sets. Without OnSignIn, a user who
// signs in at two apps of WeChat has two subjects.
func (h *Handler) Sessions(ctx context.Context, subject string) ([]Session, error) {
	all, err := h.cfg.Store.SessionsOf(ctx, subject, MaxSessions, h.cfg.Now())
	if err != nil {
		return nil, fmt.Errorf("login: list the sessions of a user: %w", err)
	}
	return all, nil
}

// SignOutUser deletes all sessions of a user, in every browser. A sign-in of the user that is in
// progress can still create a session.
//
// To block a user, first let Config.OnSignIn refuse the user, and then call SignOutUser. A sign-in
// that OnSignIn accepted just before can still create its session, within 15 seconds. Therefore
// look the user up in each request as well, as examples/users does, or call SignOutUser again after
// 15 seconds.
func (h *Handler) SignOutUser(ctx context.Context, subject string) error {
	if err := h.cfg.Store.DeleteSessionsOf(ctx, subject, ""); err != nil {
		return fmt.Errorf("login: end the sessions of a user: %w", err)
	}
	return nil
}

// SignOutOthers deletes all sessions of the user who is signed in, except the session of the
// browser that sent r. It returns ErrNoSession when the browser is not signed in.
//
// The caller must verify that the request is a POST from the program's own page, as for SignOut.
func (h *Handler) SignOutOthers(r *http.Request) error {
	s, id, err := h.session(r)
	if err != nil {
		return err
	}
	if err := h.cfg.Store.DeleteSessionsOf(r.Context(), s.Subject, id); err != nil {
		return fmt.Errorf("login: end the other sessions of a user: %w", err)
	}
	return nil
}

// SignOutSession deletes one session of a user, by its Session.ID. It returns ErrNoSession when the
// user has no session with this id. The id may therefore come from a form that the user sends:
// SignOutSession does not delete the session of another user.
func (h *Handler) SignOutSession(ctx context.Context, subject, id string) error {
	// Some stores return an error for an id that they cannot hold, such as one with a zero byte.
	if raw, err := hex.DecodeString(id); err != nil || len(raw) != sha256.Size {
		return ErrNoSession
	}
	s, err := h.cfg.Store.Session(ctx, id, h.cfg.Now())
	switch {
	case errors.Is(err, ErrNoSession):
		return ErrNoSession
	case err != nil:
		return fmt.Errorf("login: read the session: %w", err)
	case s.Subject != subject:
		return ErrNoSession
	}
	if err := h.cfg.Store.DeleteSession(ctx, id); err != nil {
		return fmt.Errorf("login: end the session: %w", err)
	}
	return nil
}

// maxUserAgent is the greatest length of Session.UserAgent, in bytes.
const maxUserAgent = 256

// shortUserAgent returns the value of Session.UserAgent for a User-Agent header: at most
// maxUserAgent bytes of valid UTF-8.
func shortUserAgent(header string) string {
	if len(header) > maxUserAgent {
		header = header[:maxUserAgent]
	}
	return strings.ToValidUTF8(header, "")
}

// validTexts reports whether the texts of a session are valid UTF-8. SQL databases reject or change
// other bytes.
func (s *Session) validTexts() bool {
	texts := []string{s.Subject, s.OpenID, s.UnionID, s.AppID, s.Nickname, s.AvatarURL, string(s.Method), s.Extra}
	return !slices.ContainsFunc(texts, func(text string) bool { return !utf8.ValidString(text) }) &&
		!slices.ContainsFunc(s.Scopes, func(scope wechat.Scope) bool { return !utf8.ValidString(string(scope)) })
}
