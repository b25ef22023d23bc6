package login

import (
	"cmp"
	"crypto/hkdf"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"time"
)

// MinSeed is the length of the shortest Established.Seed, in bytes.
const MinSeed = 16

// Established is a sign-in that was confirmed by another way than this package's
// callback: a code that the person scanned, an administrator's link, a test.
type Authentication struct {
	// Session is the person. Subject is required. A zero SignedInAt is now; the
	// session ends Config.SessionMax after it. ExpiresAt is not read. Door may be
	// any name of the caller's.
	Session Session

	// Seed is what the session id is derived from: at least MinSeed random bytes,
	// which belong to this one sign-in and which nobody but the caller knows. Who
	// knows the seed has the session.
	Seed []byte

	// Repeat says that this sign-in has been established before. Then nothing is
	// made: the cookie is set again if the session still lives.
	Repeat bool
}

// Establish makes a session for the browser that sent r, after the caller has
// made sure who is using it. It sets the session cookie on w and writes neither
// status nor body; the session that the browser had before ends. Config.OnSignIn
// is not asked: the caller is the app. made says whether this call made the
// session; it is false for a repeat.
//
// The same Seed is the same session, whichever process is asked and however
// often: where that session lives, of the same person, door and app, a further
// call only sets the cookie again. Of many calls at once one makes it.
//
// A session that was ended (signed out, expired) is not remembered: without
// Repeat a further call would make it anew and undo the sign-out. So a caller
// whose request can be sent twice keeps a record of the sign-in, calls Establish
// first, then marks the record as used, and sets Repeat from then on: a process
// that dies in between loses nobody, and after the mark a sign-out is final.
//
// The caller has made sure that the request is this browser's own wish and that
// the sign-in was begun in it, such as by a sealed cookie. Else one person could
// sign another one in under a foreign name (login CSRF).
//
// Errors to test for: ErrNoSession, with Repeat, when the session is over;
// ErrSessionExists when a live session of another person has this seed; other
// errors are the store's. After an error w has no new cookie.
func (h *Handler) CreateSession(w http.ResponseWriter, r *http.Request, e Authentication) (made bool, err error) {
	now := h.cfg.Now()
	s := e.Session
	s.Scopes = slices.Clone(s.Scopes)
	if s.SignedInAt.IsZero() {
		s.SignedInAt = now
	}
	s.AvatarURL, s.ExpiresAt = h.safeAvatar(s.AvatarURL), h.expiry(s.SignedInAt, now)
	switch {
	case s.Subject == "":
		return false, errors.New("login: Established.Session.Subject is empty")
	case len(e.Seed) < MinSeed:
		return false, fmt.Errorf("login: Established.Seed has %d bytes, fewer than %d", len(e.Seed), MinSeed)
	case !s.ExpiresAt.After(now):
		return false, errors.New("login: Established.Session.SignedInAt is longer ago than Config.SessionMax")
	}
	id, err := authenticationSessionID(e.Seed)
	if err != nil {
		return false, err
	}
	if !e.Repeat {
		err = h.cfg.Store.CreateSession(r.Context(), hashed("session", id), s, now)
		made = err == nil
		if err != nil && !errors.Is(err, ErrSessionExists) {
			return false, fmt.Errorf("login: make the session: %w", err)
		}
	}
	if !made {
		if err := h.sameSession(r, id, s, now); err != nil {
			return false, err
		}
	}
	h.endPrevious(r.Context(), r, id)
	h.cookies.set(w, h.cookies.session(), id, h.cfg.SessionMax)
	return made, nil
}

// sameSession makes sure that the session under id lives and is the one that s
// would be.
func (h *Handler) sameSession(r *http.Request, id string, s Session, now time.Time) error {
	live, err := h.cfg.Store.Session(r.Context(), hashed("session", id), now)
	switch {
	case errors.Is(err, ErrNoSession):
		return ErrNoSession
	case err != nil:
		return fmt.Errorf("login: read the session: %w", err)
	case cmp.Or(cmp.Compare(live.Subject, s.Subject), cmp.Compare(live.AppID, s.AppID), cmp.Compare(live.OpenID, s.OpenID), cmp.Compare(live.Method, s.Method)) != 0:
		return ErrSessionExists
	}
	return nil
}

// establishedID derives the session id. Its purpose differs from sessionID's, so
// that no seed makes the session of a callback.
func authenticationSessionID(seed []byte) (string, error) {
	id, err := hkdf.Key(sha256.New, seed, nil, "weigate/login established session id", 32)
	if err != nil {
		return "", fmt.Errorf("login: derive a session id: %w", err)
	}
	return base64.RawURLEncoding.EncodeToString(id), nil
}

// CheckReturn says whether a person may be sent to an address after signing in,
// by the rules that /sign-in has for its parameter "return": Config.URL,
// Config.ReturnHosts, and no spelling that browsers read in ways of their own.
// It returns the absolute address; "" is the path of Config.URL. The error wraps
// ErrReturn. It is for programs that use Establish.
func (h *Handler) CheckReturn(address string) (string, error) {
	checked, err := h.returns.check(address)
	if err != nil {
		return "", err
	}
	return h.returns.absolute(checked), nil
}

// EstablishedID returns the id under which a Store has the session that
// Establish makes of seed, before or after it is made: with it another browser
// can end that session by Store.DeleteSession. It is a hash, and signs nobody
// in.
func AuthenticationSessionID(seed []byte) (string, error) {
	if len(seed) < MinSeed {
		return "", fmt.Errorf("login: a seed of %d bytes, fewer than %d", len(seed), MinSeed)
	}
	id, err := authenticationSessionID(seed)
	return hashed("session", id), err
}
