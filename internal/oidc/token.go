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

// token serves the token endpoint. It authenticates the client. Then redeem exchanges a code for
// tokens, or refresh exchanges a refresh token.
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
// The client, the redirect URI and PKCE are checked before the code is redeemed. So a request by
// an attacker or another client does not use up the code. Then one transaction redeems the code
// and stores its tokens. A second redemption by the same client is a replay, and revokes the
// grant: the user's authorization of the app, with all its tokens.
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
	if code.RedeemedAt.IsZero() { // for a replay, Redeem revokes the grant below, also of a blocked user
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
		// Signing comes before the redemption, so that a failure to sign does not use up the
		// code. For a replay nothing is signed.
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
		// A cached code may lack the user's sub in this app, because the store determines it. The
		// redeemed grant has the sub. Signing needs nothing else from the store, so it is
		// unlikely to fail after the redemption.
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
		// package relay issued the code, before the configuration changed the app to OpenID Connect
		return badGrant("code_of_another_protocol", slog.Any("scopes", code.Grant.Scopes))
	case !code.RedeemedAt.IsZero() && !code.Grant.RevokedAt.IsZero():
		// an earlier replay has revoked the grant and recorded the event
		return badGrant("code_redeemed_before", slog.Time("redeemed_at", code.RedeemedAt))
	}
	return nil
}

// grantUser returns the user of a grant. It returns the error badGrant if the user must not use
// the app any more. Since the grant was made, an administrator may have deleted or blocked the
// user, or made the app's rules stricter.
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

// deniedAttrs returns, for the log, the values from which admission.CheckGrant has decided.
func deniedAttrs(client *Client, grant gateway.Grant) []slog.Attr {
	return []slog.Attr{slog.String("user", grant.UserID), slog.String("method", grant.Method),
		slog.Any("methods", client.Methods), slog.String("access", string(client.Access.Rule))}
}

// findCode returns a code from the cache of this process, or from the store. The cache is not used
// for a client with IDTokenClaims. The ID token of this client contains data from the store, so it
// is signed before the code is redeemed. Signing then needs the complete code.
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

// idToken returns a signed ID token. The nonce is "" for a refresh. The token contains the claims
// about the user only with the setting IDTokenClaims: other apps request them at the userinfo
// endpoint.
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
	claims["exp"] = now.Add(client.Lifetimes.IDToken).Unix()
	claims["auth_time"] = grant.AuthTime.Unix()
	if nonce != "" {
		claims["nonce"] = nonce
	}
	if sid := sessionID(client.ID, grant.Session); sid != "" {
		claims["sid"] = sid
	}
	// at_hash is the left half of a hash of the access token (OpenID Connect Core, section
	// 3.1.3.6). The hash function is that of the signature: SHA-256 for RS256 and for ES256.
	sum := sha256.Sum256([]byte(accessToken))
	claims["at_hash"] = base64.RawURLEncoding.EncodeToString(sum[:16])
	payload, err := json.Marshal(claims)
	if err != nil {
		return "", err
	}
	return h.cfg.Keys.Sign(client.IDTokenAlg, keys.TypeJWT, payload)
}

func seconds(d time.Duration) int64 { return int64(d / time.Second) }

// maxCachedCodes is how many codes are cached. Apps redeem a code within seconds, and even under
// high load fewer codes than this are issued in that time.
const maxCachedCodes = 1024

// codeCache has codes that this process issued and that are not redeemed yet. It saves a read of
// the store at each redemption. Only the store decides whether a code is valid. Some codes are not
// in the cache: codes of other processes, and codes that a client has sent before. They are read
// from the store.
//
// The zero value is ready to use. It is safe for concurrent use.
type codeCache struct {
	mu     sync.Mutex
	codes  map[[32]byte]gateway.Code
	hashes [maxCachedCodes][32]byte // of the latest codes: a ring buffer; a new code replaces the oldest
	next   int                      // where the next code goes in hashes
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
