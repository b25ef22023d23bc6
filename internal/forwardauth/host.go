package forwardauth

import (
	"context"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"log/slog"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/weigate/weigate/internal/cookie"
	"github.com/weigate/weigate/internal/gateway"
	"github.com/weigate/weigate/internal/web"
)

// This file serves the paths /.weigate/ on the hosts of sites, and reads and sets the cookies
// there. A site is one host of an app that forward auth protects. A host session is a user's
// session on a site.

// sentBackLifetime is how long a cookie records that start redirected a browser back to the site. A
// browser that requests start again within this time is in a redirect loop.
const sentBackLifetime = 10 * time.Second

// start begins a sign-in: it stores a nonce in a cookie of the host, and redirects to the gateway.
// If the browser has a host session already (from another tab), start redirects it back to the
// site. If this browser then requests start again at once, start shows an error. This happens when
// the proxy does not pass the browser's cookie to /verify. Without the error, the redirects would
// never end.
func (h *Handler) start(w http.ResponseWriter, r *http.Request, s *site) {
	target := readReturn(r.URL.RawQuery)
	nonce, sentBack := s.readNonce(r)
	in, err := h.signedIn(r, s)
	switch {
	case err != nil:
		h.showFailure(w, r, forwardedRequest{site: s, target: target}, err)
		return
	case in && sentBack:
		if h.warnedLoop.CompareAndSwap(false, true) {
			h.cfg.Logger.ErrorContext(r.Context(), "redirect loop detected",
				"host", s.origin, "app", s.app.ID, "request_id", h.cfg.RequestID(r.Context()),
				"hint", "the proxy must pass Cookie to /verify")
		}
		s.clear(w, s.nonceCookie)
		h.cfg.Site.Show(w, r, web.Page{Kind: web.Loop, App: s.app.Name, Go: s.origin + target})
		return
	case in:
		s.set(w, s.nonceCookie, newSecret()+".1", sentBackLifetime) // the suffix: see readNonce
		h.seeOther(w, r, s.origin+target)
		return
	}
	if nonce == "" || sentBack {
		nonce = newSecret()
	}
	s.set(w, s.nonceCookie, nonce, nonceLifetime) // an existing nonce is kept, since several tabs share it
	h.seeOther(w, r, h.gatewayOrigin()+h.address(handoff{site: s, challenge: challenge(nonce), target: target}))
}

// seeOther redirects to an address that may be long.
func (h *Handler) seeOther(w http.ResponseWriter, r *http.Request, address string) {
	h.cfg.Site.Redirect(w, r, http.StatusSeeOther, address)
}

func (h *Handler) gatewayOrigin() string { return strings.TrimSuffix(h.cfg.URL, h.path) }

// signedIn reports whether the browser has a session on the site with which /verify allows
// requests.
func (h *Handler) signedIn(r *http.Request, s *site) (bool, error) {
	d, err := h.decideNow(r, s)
	return err == nil && d.denied == "", err
}

// finish exchanges the one-time token of a handoff for a session on this host. A handoff transfers
// the gateway's session to a site. The browser must have the nonce of the sign-in. Therefore a
// stolen token is useless. Login CSRF is impossible too: a link with an attacker's token does not
// sign a user in as the attacker. If the token does not fit the nonce, finish makes it useless with
// spend. Then it redirects the browser to an address without the token.
func (h *Handler) finish(w http.ResponseWriter, r *http.Request, s *site) {
	q := r.URL.Query()
	target, token := readReturn(r.URL.RawQuery), q.Get(paramToken)
	if !q.Has(paramToken) {
		h.finishWithoutToken(w, r, s, target)
		return
	}
	observation := Observation{Endpoint: "finish", App: s.app.ID, Outcome: "ok"}
	defer func() { h.cfg.Observe(observation) }()
	grant, err := "", error(gateway.ErrNotFound)
	nonce, sentBack := s.readNonce(r)
	if nonce != "" && !sentBack && isSecret(token) {
		grant, err = h.redeemOnce(r.Context(), s, nonce, token)
	}
	switch {
	case err == nil:
		s.set(w, s.sessionCookie, grant+"."+h.hostToken(s, grant), h.cfg.SessionMax)
		s.clear(w, s.nonceCookie)
		h.seeOther(w, r, s.origin+target)
		return
	case !errors.Is(err, gateway.ErrNotFound): // errDenied and gateway.ErrExpired match ErrNotFound too
		observation.Outcome = string(failureKind(err))
		h.showFailure(w, r, forwardedRequest{site: s, target: target}, err)
		return
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(r.Context()), storeTimeout)
	defer cancel()
	if err := h.spend(ctx, token); err != nil {
		h.cfg.Logger.ErrorContext(ctx, "handoff token not spent", "app", s.app.ID, "error", err, "request_id",
			h.cfg.RequestID(r.Context()))
	}
	observation.Outcome = h.logToken(r, s, nonce != "" && !sentBack, err)
	if errors.Is(err, errDenied) {
		h.seeOther(w, r, s.startURL(target)) // the gateway then shows the reason
		return
	}
	h.seeOther(w, r, s.origin+pathFinish+"?"+returnParameter(target))
}

// logToken writes the log line of a handoff token that was rejected, and returns the reason. err is
// the error of redeemOnce.
func (h *Handler) logToken(r *http.Request, s *site, hasNonce bool, err error) (reason string) {
	reason = "token_not_for_this_browser"
	switch {
	case errors.Is(err, errDenied):
		reason = "denied"
	case errors.Is(err, gateway.ErrExpired):
		reason = "token_expired_or_spent"
	}
	h.cfg.Site.LogRejection(r, web.Rejection{Request: "handoff", App: s.app.ID, Reason: reason,
		Attrs: []slog.Attr{slog.String("host", s.origin), slog.Bool("nonce", hasNonce)}})
	return reason
}

// finishWithoutToken serves the address to which finish redirects a browser whose token was
// invalid. A browser with a host session continues at the site: the user may have pressed the back
// button, or signed in in another tab. Any other browser gets an error page.
func (h *Handler) finishWithoutToken(w http.ResponseWriter, r *http.Request, s *site, target string) {
	in, err := h.signedIn(r, s)
	switch {
	case err != nil:
		h.showFailure(w, r, forwardedRequest{site: s, target: target}, err)
	case in:
		h.seeOther(w, r, s.origin+target)
	default:
		h.cfg.Site.Show(w, r, web.Page{Kind: web.Lost, App: s.app.Name, Go: s.startURL(target),
			Rejection: web.Rejection{Request: "handoff", App: s.app.ID}})
	}
}

// EventSignOut is the kind of the event of a sign-out on a host.
const EventSignOut = "host_sign_out"

func (h *Handler) askSignOut(w http.ResponseWriter, r *http.Request, s *site) {
	h.cfg.Site.Show(w, r, web.Page{
		Kind: web.HostSignOut, App: s.app.Name, Back: s.origin + "/",
		Forms: []web.Form{{Action: pathSignOut, Label: web.LabelSignOut}},
	})
}

// signOut ends the session on this host. Another process may still have an allowing decision in its
// cache, until Config.Cache has passed. The gateway's session remains, as the page explains.
func (h *Handler) signOut(w http.ResponseWriter, r *http.Request, s *site) {
	cookie, _ := s.cookies(r)
	if grant, _, ok := h.verifyCookie(s, cookie); ok {
		if err := h.end(r.Context(), s, grant); err != nil {
			h.showFailure(w, r, forwardedRequest{site: s, target: "/"}, err)
			return
		}
		h.cache.remove(cacheKey{s.origin, sha256.Sum256([]byte(cookie))})
	}
	s.clear(w, s.sessionCookie)
	s.clear(w, s.nonceCookie)
	h.cfg.Site.Show(w, r, web.Page{
		Kind: web.HostSignedOut, App: s.app.Name, Back: s.origin + "/",
		Go: h.cfg.URL + "/sign-out?" + url.Values{"return": {h.path + "/"}}.Encode(),
	})
}

// end revokes the grant of a host session, even if the browser disconnects.
func (h *Handler) end(ctx context.Context, s *site, grant string) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), storeTimeout)
	defer cancel()
	now := h.cfg.Now()
	n, err := h.cfg.Grants.Revoke(ctx, gateway.Revocation{Grant: grant}, now)
	if err != nil || n == 0 {
		return err
	}
	event := gateway.Event{Kind: EventSignOut, App: s.app.ID, Outcome: "ok"}
	if g, err := h.cfg.Grants.Grant(ctx, grant); err == nil {
		event.UserID, event.Connector = g.UserID, g.Connector
	}
	h.events.Record(ctx, event)
	return nil
}

// The cookie of a host session is "GRANT.MAC". GRANT is the id of the session's grant. MAC is an
// HMAC of GRANT and the host. The key of the HMAC is derived from the master key.
//
//   - MAC is the access token of the grant. The database has only its SHA-256.
//   - A forged cookie, or a cookie of another host, is rejected without a query of the database.
//   - If the browser repeats the request to finish, both responses set the same cookie.
//   - GRANT identifies the user even after the session has ended: a blocked user sees the reason.

// mac returns the MAC of a grant's id and a host, in base64url.
func mac(secret []byte, grant, host string) string {
	m := hmac.New(sha256.New, secret)
	m.Write([]byte(grant + "\x00" + host))
	return base64.RawURLEncoding.EncodeToString(m.Sum(nil))
}

// hostToken returns the MAC in the cookie of a grant on a site, under the current master key.
func (h *Handler) hostToken(s *site, grant string) string {
	return mac(h.cookieKeys[0], grant, s.name)
}

// verifyCookie returns the id of the grant in a cookie, and the hash of the MAC. The hash
// identifies the access token in the store. ok is false unless the gateway issued the cookie for
// this host.
func (h *Handler) verifyCookie(s *site, value string) (grant string, hash [32]byte, ok bool) {
	grant, token, found := strings.Cut(value, ".")
	if !found || len(value) > 200 { // far longer than a cookie of the gateway
		return "", hash, false
	}
	for _, secret := range h.cookieKeys { // keys from the current master key and from earlier master keys
		if hmac.Equal([]byte(mac(secret, grant, s.name)), []byte(token)) {
			return grant, sha256.Sum256([]byte(token)), true
		}
	}
	return "", hash, false
}

// cookies returns the value of the cookie of the host session ("" = none). rest is the Cookie
// header for the site. It lacks the gateway's cookies, since the site must not see them.
func (s *site) cookies(r *http.Request) (session, rest string) {
	lines := r.Header["Cookie"]
	if len(lines) == 1 && !s.containsOwn(lines[0]) {
		return "", lines[0]
	}
	var others strings.Builder
	for _, line := range lines {
		for len(line) > 0 {
			var pair string
			pair, line, _ = strings.Cut(line, ";")
			pair = strings.TrimSpace(pair)
			name, value, _ := strings.Cut(pair, "=")
			switch {
			case pair == "":
			case name == s.sessionCookie && session == "":
				session = value
			case s.isOwn(name):
			default:
				if others.Len() > 0 {
					others.WriteString("; ")
				}
				others.WriteString(pair)
			}
		}
	}
	return session, others.String()
}

func (s *site) containsOwn(line string) bool {
	for _, prefix := range s.ownPrefixes {
		if strings.Contains(line, prefix) {
			return true
		}
	}
	return false
}

func (s *site) isOwn(name string) bool {
	for _, prefix := range s.ownPrefixes {
		if strings.HasPrefix(name, prefix) {
			return true
		}
	}
	return false
}

// nonceLifetime is longer than a sign-in takes.
const nonceLifetime = time.Hour

// readNonce returns the nonce of this browser on the site; "" = none. sentBack reports whether the
// cookie has the suffix ".1". start adds the suffix when it redirects a browser back to the site,
// because the browser has a session already. This nonce belongs to no sign-in.
func (s *site) readNonce(r *http.Request) (nonce string, sentBack bool) {
	for c := range cookie.Sent(r, s.nonceCookie) {
		value, suffix, _ := strings.Cut(c.Value, ".")
		if c.Name == s.nonceCookie && isSecret(value) {
			return value, suffix != ""
		}
	}
	return "", false
}

func (s *site) set(w http.ResponseWriter, name, value string, age time.Duration) {
	// Path "/" without a Domain is what "__Host-" requires: no other host can set such a cookie.
	http.SetCookie(w, &http.Cookie{Name: name, Value: value, Path: "/", MaxAge: int(age / time.Second),
		Secure: s.secure, HttpOnly: true, SameSite: http.SameSiteLaxMode})
}

func (s *site) clear(w http.ResponseWriter, name string) { s.set(w, name, "", -time.Second) }

// newSecret returns 256 random bits in base64url, for a nonce, a token or the owner of a redemption
// (see redeemOnce).
func newSecret() string {
	b := make([]byte, 32)
	rand.Read(b)
	return base64.RawURLEncoding.EncodeToString(b)
}

// isSecret reports whether a text has the form of a result of newSecret.
func isSecret(text string) bool {
	b, err := base64.RawURLEncoding.DecodeString(text)
	return err == nil && len(b) == 32 && len(text) == 43 // the decoder ignores line breaks in text
}

// challenge returns the challenge of a nonce, as in PKCE with S256.
func challenge(nonce string) string {
	sum := sha256.Sum256([]byte(nonce))
	return base64.RawURLEncoding.EncodeToString(sum[:])
}
