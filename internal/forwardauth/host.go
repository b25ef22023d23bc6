package forwardauth

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"net/http"
	"net/url"
	"time"

	"github.com/weigate/weigate/internal/gateway"
	"github.com/weigate/weigate/internal/route"
	"github.com/weigate/weigate/internal/web"
)

const (
	// passedLifetime is how long the gateway remembers that it redirected a browser from start back
	// to the site. When the proxy is misconfigured, the browser returns immediately.
	passedLifetime = 10 * time.Second
	// repeatLifetime is how long a token that is redeemed twice (refresh, a second call of WeChat's
	// browser) leads to the same session.
	repeatLifetime = time.Minute
	// attemptLease is how long one request may take to redeem a token, while others wait.
	attemptLease = 10 * time.Second
	// attemptPoll is how often waiting requests read the store.
	attemptPoll = 50 * time.Millisecond
)

// start redirects a browser to the gateway, and stores a nonce in a cookie of the host. A browser
// with a session (it has signed in in another tab) is redirected back to the site. If it requests
// start again at once, the proxy does not pass its cookie to /verify, and the redirects would never
// end: start then shows an error.
func (h *Handler) start(w http.ResponseWriter, r *http.Request, s *site) {
	target := cleanReturn(r.URL.Query().Get(paramReturn))
	nonce, passed := s.readNonce(r)
	in, err := h.signedIn(r, s)
	switch {
	case err != nil:
		h.failed(w, r, forwardedRequest{site: s, target: target}, err)
		return
	case in && passed:
		if h.warnedLoop.CompareAndSwap(false, true) {
			h.cfg.Logger.ErrorContext(r.Context(), "redirect loop detected",
				"host", s.origin, "app", s.app.ID, "request_id", h.cfg.RequestID(r.Context()),
				"hint", "the proxy must pass Cookie to /verify")
		}
		s.clear(w, s.nonce)
		h.cfg.Site.Show(w, r, web.Page{Kind: web.Loop, App: s.app.Name, Go: s.origin + target})
		return
	case in:
		s.set(w, s.nonce, newKey()+".1", passedLifetime)
		route.SeeOther(w, s.origin+target)
		return
	}
	if nonce == "" || passed {
		nonce = newKey()
	}
	s.set(w, s.nonce, nonce, nonceLife) // several tabs share it
	route.SeeOther(w, h.gatewayOrigin()+h.address(handoff{site: s, challenge: challenge(nonce), target: target}))
}

func (h *Handler) gatewayOrigin() string { return h.cfg.URL[:len(h.cfg.URL)-len(h.path)] }

func (h *Handler) signedIn(r *http.Request, s *site) (bool, error) {
	v, err := h.decideNow(r, s)
	return err == nil && v.denied == "", err
}

// finish exchanges a token for the session of this host. It does so only in the browser with the
// nonce, which started the sign-in: nobody else can use the token, and an attacker cannot sign
// another browser in as themselves.
func (h *Handler) finish(w http.ResponseWriter, r *http.Request, s *site) {
	q := r.URL.Query()
	target := cleanReturn(q.Get(paramReturn))
	grant, err := "", error(gateway.ErrNotFound)
	if nonce, passed := s.readNonce(r); nonce != "" && !passed && isKey(q.Get(paramToken)) {
		grant, err = h.redeemOnce(r.Context(), s, nonce, q.Get(paramToken))
	}
	switch {
	case err == nil:
		s.set(w, s.session, grant+"."+h.hostToken(s, grant), h.cfg.SessionMax)
		s.clear(w, s.nonce)
		route.SeeOther(w, s.origin+target)
		return
	case !errors.Is(err, gateway.ErrNotFound):
		h.failed(w, r, forwardedRequest{site: s, target: target}, err)
		return
	}
	// The token is not valid. A browser with a session continues: "back", or a second tab.
	in, err := h.signedIn(r, s)
	switch {
	case err != nil:
		h.failed(w, r, forwardedRequest{site: s, target: target}, err)
	case in:
		route.SeeOther(w, s.origin+target)
	default:
		h.cfg.Site.Show(w, r, web.Page{Kind: web.Lost, App: s.app.Name, Go: s.start(target)})
	}
}

// redeemOnce redeems a token once. It returns gateway.ErrNotFound when the token is invalid, or was
// made for another host or browser; then nothing has changed.
//
// One browser may send the same request twice at the same time; WeChat's browser does. An attempt
// in the store lets one of these requests redeem, in any process. The others wait for it and get
// the same session, which is derived from the grant.
func (h *Handler) redeemOnce(ctx context.Context, s *site, nonce, token string) (grant string, err error) {
	hash := sha256.Sum256([]byte(token))
	code, err := h.code(ctx, s, nonce, hash)
	if err != nil {
		return "", err
	}
	now := h.cfg.Now()
	if code.RedeemedAt.IsZero() {
		name := base64.RawURLEncoding.EncodeToString(hash[:])
		_, won, err := h.cfg.Attempts.BeginAttempt(ctx, gateway.Attempt{
			Key: "handoff " + name, Code: name, Owner: newKey(), Lease: now.Add(attemptLease),
			Expires: now.Add(handoffLifetime + repeatLifetime),
		}, now)
		switch {
		case err != nil:
			return "", err
		case won:
			return h.redeem(ctx, s, code, now)
		}
		if code, err = h.awaitRedemption(ctx, s, nonce, hash); err != nil {
			return "", err
		}
	}
	if !code.Grant.Live(now) || now.Sub(code.RedeemedAt) > repeatLifetime {
		return "", gateway.ErrExpired
	}
	return code.Grant.ID, nil
}

// code returns a code that was made for this host and this browser.
func (h *Handler) code(ctx context.Context, s *site, nonce string, hash [32]byte) (gateway.Code, error) {
	code, err := h.cfg.Grants.Code(ctx, hash)
	if err != nil {
		return code, err
	}
	if code.Grant.App != s.app.ID || code.RedirectURI != s.origin ||
		!hmac.Equal([]byte(code.Challenge), []byte(challenge(nonce))) {
		return code, gateway.ErrNotFound
	}
	return code, nil
}

// redeem redeems the code. The session on the host ends with the gateway's, and at the latest after
// Config.SessionMax.
func (h *Handler) redeem(ctx context.Context, s *site, code gateway.Code, now time.Time) (string, error) {
	end := now.Add(h.cfg.SessionMax)
	f, err := h.cfg.Grants.Redeem(ctx, code.Hash, now, gateway.TokenIssue{
		Access: gateway.Token{Hash: sha256.Sum256([]byte(h.hostToken(s, code.Grant.ID))), CreatedAt: now,
			ExpiresAt: end}, GrantExpires: end,
	})
	if errors.Is(err, gateway.ErrReplay) {
		err = gateway.ErrExpired // cannot happen with one attempt; a replay has revoked the grant
	}
	return f.ID, err
}

// awaitRedemption waits until the request that began the attempt has redeemed the code.
func (h *Handler) awaitRedemption(ctx context.Context, s *site, nonce string, hash [32]byte) (gateway.Code, error) {
	ctx, cancel := context.WithTimeout(ctx, attemptLease)
	defer cancel()
	tick := time.NewTicker(attemptPoll)
	defer tick.Stop()
	for {
		code, err := h.code(ctx, s, nonce, hash)
		if err != nil || !code.RedeemedAt.IsZero() {
			return code, err
		}
		select {
		case <-ctx.Done():
			return code, gateway.ErrExpired // that request may still redeem it, so this one must not
		case <-tick.C:
		}
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

// signOut ends the session on this host, in every process within the lifetime of the cache. The
// gateway's session remains, as the page explains.
func (h *Handler) signOut(w http.ResponseWriter, r *http.Request, s *site) {
	cookie, _ := s.cookies(r)
	if grant, _, ok := h.verifyCookie(s, cookie); ok {
		if err := h.end(r.Context(), s, grant); err != nil {
			h.failed(w, r, forwardedRequest{site: s, target: "/"}, err)
			return
		}
		h.cache.drop(key{s, sha256.Sum256([]byte(cookie))})
	}
	s.clear(w, s.session)
	s.clear(w, s.nonce)
	h.cfg.Site.Show(w, r, web.Page{Kind: web.HostSignedOut, App: s.app.Name, Go: h.cfg.URL + "/sign-out?" +
		url.Values{"return": {h.path + "/"}}.Encode()})
}

// end revokes the grant, even if the user closes the page meanwhile.
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
