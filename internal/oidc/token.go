package oidc

import (
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"encoding/json"
	"errors"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"

	"github.com/weigate/weigate/internal/gateway"
	"github.com/weigate/weigate/internal/keys"
)

// Kinds of the events that this package writes.
const (
	EventCodeReplayed = "code_replayed" // a code was redeemed a second time; its grant is revoked
	// a refresh token was used again after its successor; its grant is revoked
	EventRefreshReplayed = "refresh_replayed"
	EventAppSignOut      = "app_sign_out" // a user signed out at an app's request
)

// The grant types.
const (
	grantCode    = "authorization_code"
	grantRefresh = "refresh_token"
)

// tokenResponse is the response of the token endpoint.
type tokenResponse struct {
	AccessToken  string `json:"access_token"`
	TokenType    string `json:"token_type"`
	ExpiresIn    int64  `json:"expires_in"`
	RefreshToken string `json:"refresh_token,omitempty"`
	Scope        string `json:"scope"`
	IDToken      string `json:"id_token"`
}

func (h *Handler) token(w http.ResponseWriter, r *http.Request) {
	if h.preflight(w, r, "POST") {
		return
	}
	if r.Method != http.MethodPost {
		notAllowed(w, "POST")
		return
	}
	form, err := readForm(w, r)
	var client *Client
	if err == nil {
		client, err = h.authenticate(r, form)
	}
	h.allowOrigin(w, r, client)
	var answer *tokenResponse
	grant := ""
	if err == nil {
		switch grant = form.Get("grant_type"); grant {
		case grantCode:
			answer, err = h.redeem(r.Context(), client, form)
		case grantRefresh:
			answer, err = h.refresh(r.Context(), client, form)
		case "":
			err = badRequest("grant_type is missing")
		default:
			grant, err = "", &Error{http.StatusBadRequest, codeUnsupportedGrant,
				"grant_type must be authorization_code or refresh_token"}
		}
	}
	h.observe("token", grant, client, err)
	if err != nil {
		h.fail(w, r, err)
		return
	}
	writeJSON(w, http.StatusOK, answer)
}

// redeem exchanges a code for tokens. The client has been authenticated. The owner of the code, the
// redirect URI and PKCE are checked before the code is redeemed, so that an attempt by an attacker
// or another client does not use up the code. Code and tokens are then written in one transaction.
// A second redemption by the same client is a replay and revokes the grant. A code without the
// scope openid was issued by another protocol, before the kind of the app was changed.
func (h *Handler) redeem(ctx context.Context, client *Client, form url.Values) (answer *tokenResponse, err error) {
	if form.Get("code") == "" {
		return nil, badRequest("code is missing")
	}
	now := h.cfg.Now()
	hash := sha256.Sum256([]byte(form.Get("code")))
	code, remembered := h.recent.take(hash)
	if remembered = remembered && !client.IDTokenClaims; !remembered {
		code, err = h.cfg.Grants.Code(ctx, hash)
	}
	if errors.Is(err, gateway.ErrNotFound) {
		return nil, badGrant()
	}
	if err != nil {
		return nil, err
	}
	if code.Grant.App != client.ID || !has(code.Grant, scopeOpenID) || code.RedirectURI != form.Get("redirect_uri") ||
		!verifierMatches(code.Challenge, form.Get("code_verifier")) {
		return nil, badGrant()
	}
	if !code.RedeemedAt.IsZero() && !code.Grant.RevokedAt.IsZero() {
		return nil, badGrant() // the grant is revoked already, so a further replay is not another event
	}
	access := newToken()
	issue := gateway.TokenIssue{Access: h.accessToken(client, access, now)}
	answer = &tokenResponse{AccessToken: access, TokenType: "Bearer", ExpiresIn: seconds(client.Lifetimes.Access),
		Scope: strings.Join(code.Grant.Scopes, " ")}
	if has(code.Grant, scopeOffline) {
		answer.RefreshToken = h.refreshToken(code.Grant.ID, 1)
		issue.Refresh = sha256.Sum256([]byte(answer.RefreshToken))
		issue.GrantExpires = now.Add(client.Lifetimes.Refresh)
	}
	if code.RedeemedAt.IsZero() && !remembered {
		// The ID token is signed before the code is redeemed, so that a failure to sign does not
		// use up the code. For a replay nothing is signed.
		if answer.IDToken, err = h.idToken(ctx, client, code.Grant, code.Nonce, access, now); err != nil {
			return nil, err
		}
	}
	grant, err := h.cfg.Grants.Redeem(ctx, hash, now, issue)
	switch {
	case errors.Is(err, gateway.ErrReplay):
		h.replayed(ctx, EventCodeReplayed, grant)
		return nil, badGrant()
	case errors.Is(err, gateway.ErrNotFound):
		return nil, badGrant()
	case err == nil && remembered:
		// The pinned subject is known only now. Without claims from the store, signing cannot fail
		// here.
		answer.IDToken, err = h.idToken(ctx, client, grant, code.Nonce, access, now)
	}
	if err != nil {
		return nil, err
	}
	return answer, nil
}

func (h *Handler) replayed(ctx context.Context, kind string, f gateway.Grant) {
	h.events.Record(ctx, gateway.Event{Kind: kind, UserID: f.UserID, App: f.App, Outcome: "revoked",
		Detail: "all tokens of this grant have been revoked"})
	h.cfg.Logger.WarnContext(ctx, "replay detected, grant revoked", "kind", kind, "app", f.App, "request_id",
		h.cfg.RequestID(ctx))
}

// verifierMatches checks PKCE. A verifier without a challenge is rejected too: an attacker may have
// removed the challenge from the authorize request (RFC 9700, section 2.1.1).
func verifierMatches(challenge, verifier string) bool {
	if challenge == "" {
		return verifier == ""
	}
	if len(verifier) < 43 || len(verifier) > 128 {
		return false
	}
	sum := sha256.Sum256([]byte(verifier))
	got := base64.RawURLEncoding.EncodeToString(sum[:])
	return subtle.ConstantTimeCompare([]byte(got), []byte(challenge)) == 1
}

func (h *Handler) accessToken(client *Client, token string, now time.Time) gateway.Token {
	return gateway.Token{Hash: sha256.Sum256([]byte(token)), CreatedAt: now,
		ExpiresAt: now.Add(client.Lifetimes.Access)}
}

// idToken returns a signed ID token. It contains the claims of the scopes only if the app is
// configured with IDTokenClaims; userinfo always has them.
func (h *Handler) idToken(ctx context.Context, client *Client, f gateway.Grant, nonce, access string,
	now time.Time) (string, error) {
	claims := map[string]any{}
	if client.IDTokenClaims {
		user, err := h.cfg.Users.User(ctx, f.UserID)
		if err != nil {
			return "", err
		}
		if claims, err = h.claims(ctx, client, f, user); err != nil {
			return "", err
		}
	}
	claims["iss"], claims["sub"], claims["aud"] = h.cfg.Issuer, f.Subject, client.ID
	claims["iat"], claims["exp"] = now.Unix(), now.Add(client.Lifetimes.Access).Unix()
	claims["auth_time"] = f.AuthTime.Unix()
	if nonce != "" {
		claims["nonce"] = nonce
	}
	// OpenID Connect Core section 3.1.3.6: the left half of the hash of the algorithm; both
	// algorithms here use SHA-256.
	sum := sha256.Sum256([]byte(access))
	claims["at_hash"] = base64.RawURLEncoding.EncodeToString(sum[:16])
	payload, err := json.Marshal(claims)
	if err != nil {
		return "", err
	}
	return h.cfg.Keys.Sign(client.IDTokenAlg, keys.TypeJWT, payload)
}

func seconds(d time.Duration) int64 { return int64(d / time.Second) }

// recentSize is how many codes are cached: those of some seconds under high load. Apps redeem a
// code within that time.
const recentSize = 1024

// recent caches the codes that this process issued until they are redeemed, which saves a read of
// the store for each redemption. The cache makes no decision: the store checks at redemption
// whether the code is valid. A code that is not cached, because another process issued it or
// because it was sent before, is read from the store. The zero value is ready to use; it is safe
// for concurrent use.
type recent struct {
	mu    sync.Mutex
	codes map[[32]byte]gateway.Code
	order [recentSize][32]byte // the order of insertion, a circular buffer
	next  int
}

func (r *recent) put(c gateway.Code) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.codes == nil {
		r.codes = map[[32]byte]gateway.Code{}
	}
	delete(r.codes, r.order[r.next])
	r.codes[c.Hash], r.order[r.next] = c, c.Hash
	r.next = (r.next + 1) % recentSize
}

// take removes and returns a code.
func (r *recent) take(hash [32]byte) (gateway.Code, bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	c, ok := r.codes[hash]
	delete(r.codes, hash)
	return c, ok
}
