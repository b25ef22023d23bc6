package oidc

import (
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"encoding/json"
	"errors"
	"log/slog"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"

	"github.com/weigate/weigate/internal/admission"
	"github.com/weigate/weigate/internal/gateway"
	"github.com/weigate/weigate/internal/keys"
	"github.com/weigate/weigate/internal/web"
)

// Kinds of the events that this package stores.
const (
	EventCodeReplayed = "code_replayed" // a code was redeemed a second time; its grant is revoked
	// a refresh token was used again after it was replaced; its grant is revoked
	EventRefreshReplayed = "refresh_replayed"
	EventAppSignOut      = "app_sign_out" // a user signed out at an app's request
)

// firstCounter is the counter of the first refresh token of a grant; each successor adds 1.
const firstCounter = 1

// The values of grant_type at the token endpoint.
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

// token serves the token endpoint: it authenticates the client, and exchanges a code (redeem) or a
// refresh token (refresh) for tokens.
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
	var response *tokenResponse
	grantType := "" // for metrics: one of the two known values, or ""
	if err == nil {
		switch form.Get("grant_type") {
		case grantCode:
			grantType = grantCode
			response, err = h.redeem(r.Context(), client, form)
		case grantRefresh:
			grantType = grantRefresh
			response, err = h.refresh(r.Context(), client, form)
		case "":
			err = badRequest("grant_type is missing")
		default:
			err = newError(http.StatusBadRequest, codeUnsupportedGrant,
				"grant_type must be authorization_code or refresh_token").
				because("grant_type_unsupported", slog.String("grant_type", web.LoggedText(form.Get("grant_type"))))
		}
	}
	h.observe("token", grantType, client, err)
	if err != nil {
		h.writeError(w, r, "token", client, err)
		return
	}
	writeJSON(w, http.StatusOK, response)
}

// redeem exchanges a code for tokens. The client has been authenticated.
//
// The client, the redirect URI and PKCE are checked before the code is redeemed, so that an attempt
// by an attacker or another client does not use up the code. Then one transaction redeems the code
// and stores its tokens. A second redemption by the same client is a replay and revokes the grant.
func (h *Handler) redeem(ctx context.Context, client *Client, form url.Values) (*tokenResponse, error) {
	if form.Get("code") == "" {
		return nil, badRequest("code is missing")
	}
	hash := sha256.Sum256([]byte(form.Get("code")))
	code, cached, err := h.findCode(ctx, client, hash)
	if errors.Is(err, gateway.ErrNotFound) {
		return nil, badGrant("unknown_code")
	}
	if err != nil {
		return nil, err
	}
	if err := checkCode(client, code, form); err != nil {
		return nil, err
	}
	var user gateway.User
	if code.RedeemedAt.IsZero() { // a replay revokes the grant below, whatever its user may do
		if user, err = h.grantUser(ctx, client, code.Grant); err != nil {
			return nil, err
		}
	}
	now := h.cfg.Now()
	access := newToken()
	issue := gateway.TokenIssue{Access: h.accessToken(client, access, now)}
	response := &tokenResponse{AccessToken: access, TokenType: "Bearer", ExpiresIn: seconds(client.Lifetimes.Access),
		Scope: strings.Join(code.Grant.Scopes, " ")}
	if hasScope(code.Grant, scopeOffline) {
		response.RefreshToken = h.refreshToken(code.Grant.ID, firstCounter)
		issue.Refresh = sha256.Sum256([]byte(response.RefreshToken))
		issue.GrantExpires = now.Add(client.Lifetimes.Refresh)
	}
	if !cached && code.RedeemedAt.IsZero() {
		// The ID token is signed before the code is redeemed, so that a failure to sign does not
		// use up the code. For a replay nothing is signed.
		response.IDToken, err = h.idToken(ctx, client, code.Grant, user, code.Nonce, access, now)
		if err != nil {
			return nil, err
		}
	}
	grant, err := h.cfg.Grants.Redeem(ctx, hash, now, issue)
	switch {
	case errors.Is(err, gateway.ErrReplay):
		h.recordReplay(ctx, EventCodeReplayed, grant)
		return nil, badGrant("code_redeemed_before", slog.Time("redeemed_at", code.RedeemedAt))
	case errors.Is(err, gateway.ErrExpired):
		return nil, badGrant("code_expired", slog.Time("expired_at", code.ExpiresAt))
	case errors.Is(err, gateway.ErrNotFound):
		return nil, badGrant("unknown_code")
	case err != nil:
		return nil, err
	}
	if cached {
		// A cached code may lack the user's subject (sub) in this app, which the redeemed grant has. The
		// ID token needs nothing else from the store, so signing it after the redemption is safe.
		response.IDToken, err = h.idToken(ctx, client, grant, user, code.Nonce, access, now)
		if err != nil {
			return nil, err
		}
	}
	return response, nil
}

// checkCode returns an error unless the code was issued for this token request.
func checkCode(client *Client, code gateway.Code, form url.Values) error {
	sent, verifier := form.Get("redirect_uri"), form.Get("code_verifier")
	switch {
	case code.Grant.App != client.ID:
		return badGrant("code_of_another_app", slog.String("code_app", code.Grant.App))
	case code.RedirectURI != sent:
		return badGrant("redirect_uri_mismatch", slog.String("redirect_uri", web.LoggedURL(sent)),
			slog.String("authorized", web.LoggedURL(code.RedirectURI)))
	case !verifierMatches(code.Challenge, verifier):
		return badGrant("pkce_mismatch", slog.Bool("challenge", code.Challenge != ""),
			slog.Int("verifier_length", len(verifier)))
	case !hasScope(code.Grant, scopeOpenID):
		// issued by another protocol, before the kind of the app was changed
		return badGrant("code_of_another_protocol", slog.Any("scopes", code.Grant.Scopes))
	case !code.RedeemedAt.IsZero() && !code.Grant.RevokedAt.IsZero():
		// a replay has revoked the grant before: no second event
		return badGrant("code_redeemed_before", slog.Time("redeemed_at", code.RedeemedAt))
	}
	return nil
}

// grantUser returns the user of a grant, who may still use the app: an administrator may have blocked
// the user, or made the rules of the app stricter, since the grant was made. Otherwise the error is
// badGrant.
func (h *Handler) grantUser(ctx context.Context, client *Client, grant gateway.Grant) (gateway.User, error) {
	user, err := h.cfg.Users.User(ctx, grant.UserID)
	if errors.Is(err, gateway.ErrNotFound) {
		return user, badGrant("user_deleted", slog.String("user", grant.UserID))
	}
	if err != nil {
		return user, err
	}
	denied, err := admission.CheckGrant(ctx, h.cfg.Access, client.App, grant, user)
	if err == nil && denied != "" {
		err = badGrant(string(denied), deniedAttrs(client, grant)...)
	}
	return user, err
}

// deniedAttrs are the values by which CheckGrant decided, for the log.
func deniedAttrs(client *Client, grant gateway.Grant) []slog.Attr {
	return []slog.Attr{slog.String("user", grant.UserID), slog.String("method", grant.Method),
		slog.Any("methods", client.Methods), slog.String("access", string(client.Access.Rule))}
}

// findCode returns a code, from the cache of this process or from the store. A client with
// IDTokenClaims does not use the cache: its ID token needs the user from the store, and must be
// signed before the code is redeemed.
func (h *Handler) findCode(ctx context.Context, client *Client, hash [32]byte) (code gateway.Code, cached bool,
	err error) {
	code, cached = h.codes.take(hash)
	if cached && !client.IDTokenClaims {
		return code, true, nil
	}
	code, err = h.cfg.Grants.Code(ctx, hash)
	return code, false, err
}

// recordReplay records that a code or a refresh token was used a second time. The store has revoked
// the grant.
func (h *Handler) recordReplay(ctx context.Context, kind string, grant gateway.Grant) {
	h.events.Record(ctx, gateway.Event{Kind: kind, UserID: grant.UserID, App: grant.App, Outcome: "revoked",
		Detail: "all tokens of this grant have been revoked"})
	h.cfg.Logger.WarnContext(ctx, "replay detected, grant revoked", "kind", kind, "app", grant.App, "request_id",
		h.cfg.RequestID(ctx))
}

// verifierMatches reports whether the code_verifier matches the code_challenge (PKCE, S256). A
// verifier without a challenge does not match: an attacker may have removed the challenge from the
// authorize request (RFC 9700, section 2.1.1).
func verifierMatches(challenge, verifier string) bool {
	if challenge == "" {
		return verifier == ""
	}
	if len(verifier) < 43 || len(verifier) > 128 { // RFC 7636, section 4.1
		return false
	}
	sum := sha256.Sum256([]byte(verifier))
	got := base64.RawURLEncoding.EncodeToString(sum[:])
	return subtle.ConstantTimeCompare([]byte(got), []byte(challenge)) == 1
}

// accessToken returns the database row of an access token.
func (h *Handler) accessToken(client *Client, token string, now time.Time) gateway.Token {
	return gateway.Token{Hash: sha256.Sum256([]byte(token)), CreatedAt: now,
		ExpiresAt: now.Add(client.Lifetimes.Access)}
}

// idToken returns a signed ID token for the redemption of a code or a refresh; nonce is "" for a
// refresh. The token contains the claims about the user only if the app is configured with
// IDTokenClaims: other apps request them at the userinfo endpoint.
func (h *Handler) idToken(ctx context.Context, client *Client, grant gateway.Grant, user gateway.User, nonce,
	accessToken string, now time.Time) (string, error) {
	claims := map[string]any{}
	if client.IDTokenClaims {
		var err error
		claims, err = h.claims(ctx, client, grant, user)
		if err != nil {
			return "", err
		}
	}
	claims["iss"] = h.cfg.Issuer
	claims["sub"] = grant.Subject
	claims["aud"] = client.ID
	claims["iat"] = now.Unix()
	claims["exp"] = now.Add(client.Lifetimes.Access).Unix()
	claims["auth_time"] = grant.AuthTime.Unix()
	if nonce != "" {
		claims["nonce"] = nonce
	}
	// OpenID Connect Core section 3.1.3.6: at_hash is the left half of the access token's hash, with
	// the hash function of the signature: SHA-256 for RS256 and ES256.
	sum := sha256.Sum256([]byte(accessToken))
	claims["at_hash"] = base64.RawURLEncoding.EncodeToString(sum[:16])
	payload, err := json.Marshal(claims)
	if err != nil {
		return "", err
	}
	return h.cfg.Keys.Sign(client.IDTokenAlg, keys.TypeJWT, payload)
}

func seconds(d time.Duration) int64 { return int64(d / time.Second) }

// maxCachedCodes is how many codes are cached. Apps redeem a code within seconds, and even under high
// load fewer codes than this are issued in that time.
const maxCachedCodes = 1024

// codeCache caches the codes that this process issued, by their hash, until they are redeemed. This
// saves a read of the store at each redemption. The cache does not decide whether a code is valid:
// the store does, at redemption. A code that is not in the cache, because another process issued it
// or because it was sent a second time, is read from the store. The zero value is ready to use; it
// is safe for concurrent use.
type codeCache struct {
	mu     sync.Mutex
	codes  map[[32]byte]gateway.Code
	hashes [maxCachedCodes][32]byte // of the latest codes; a ring buffer, in which the oldest is replaced
	next   int                      // index in hashes of the next code
}

func (c *codeCache) put(code gateway.Code) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.codes == nil {
		c.codes = map[[32]byte]gateway.Code{}
	}
	delete(c.codes, c.hashes[c.next])
	c.codes[code.Hash] = code
	c.hashes[c.next] = code.Hash
	c.next = (c.next + 1) % maxCachedCodes
}

// take removes a code from the cache and returns it.
func (c *codeCache) take(hash [32]byte) (code gateway.Code, found bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	code, found = c.codes[hash]
	delete(c.codes, hash)
	return code, found
}
