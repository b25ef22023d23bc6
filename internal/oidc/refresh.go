package oidc

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"log/slog"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/weigate/weigate/internal/gateway"
	"github.com/weigate/weigate/internal/web"
)

// This file exchanges refresh tokens at the token endpoint, and serves the endpoints for
// revocation (RFC 7009) and introspection (RFC 7662).
//
// A refresh token is GRANT.COUNTER.MAC: the id of its grant, a counter, and an HMAC of both. The
// key of the HMAC is derived from the master key. The counter is 1 for the first token of a
// grant, and each successor adds 1. The database has only the hash of the current token.
//
// The gateway can compute a token again. So a client that has lost the response can send its
// token again, and gets the same successor.
//
// A forged token is rejected before the grant is read. Otherwise an attacker who knows the id of
// a grant could pretend a replay, and the gateway would revoke the grant.

// purposeRefresh selects the key of the HMAC. keys.Sealer derives a separate key from the master
// key for each purpose.
const purposeRefresh = "oidc refresh token"

// graceAfterRotation is how long a replaced refresh token can still be exchanged, and yields the
// same successor. A later use is a replay, and revokes the grant.
const graceAfterRotation = 30 * time.Second

// refreshToken returns the refresh token of a grant with this counter, under the current master
// key.
func (h *Handler) refreshToken(grantID string, counter int) string {
	return formatRefreshToken(h.cfg.Sealer.Derive(purposeRefresh)[0], grantID, counter)
}

func formatRefreshToken(key []byte, grantID string, counter int) string {
	head := grantID + "." + strconv.Itoa(counter)
	mac := hmac.New(sha256.New, key)
	mac.Write([]byte(head))
	return head + "." + base64.RawURLEncoding.EncodeToString(mac.Sum(nil))
}

// possibleRefreshTokens returns the values that the refresh token may have, one for each master
// key. The token may have been issued before the master key was replaced.
func (h *Handler) possibleRefreshTokens(grantID string, counter int) []string {
	var out []string
	for _, key := range h.cfg.Sealer.Derive(purposeRefresh) {
		out = append(out, formatRefreshToken(key, grantID, counter))
	}
	return out
}

// parseRefreshToken splits a refresh token into its parts. ok is false when the gateway did not
// issue it.
func (h *Handler) parseRefreshToken(token string) (grantID string, counter int, ok bool) {
	parts := strings.Split(token, ".")
	if len(parts) != 3 || len(token) > 256 { // longer than any refresh token
		return "", 0, false
	}
	counter, err := strconv.Atoi(parts[1])
	if err != nil || counter < 1 {
		return "", 0, false
	}
	for _, genuine := range h.possibleRefreshTokens(parts[0], counter) {
		if hmac.Equal([]byte(genuine), []byte(token)) {
			return parts[0], counter, true
		}
	}
	return "", 0, false
}

// refresh exchanges a refresh token for its successor and a new access token. The access policy
// and the allowed sign-in methods of the app are checked again, since they may have changed.
func (h *Handler) refresh(ctx context.Context, client *Client, form url.Values) (*tokenResponse, error) {
	presented := form.Get("refresh_token")
	if presented == "" {
		return nil, badRequest("refresh_token is missing")
	}
	grantID, counter, ok := h.parseRefreshToken(presented)
	if !ok {
		return nil, badGrant("unknown_refresh_token")
	}
	now := h.cfg.Now()
	grant, err := h.cfg.Grants.Grant(ctx, grantID)
	if errors.Is(err, gateway.ErrNotFound) {
		return nil, badGrant("unknown_grant")
	}
	if err != nil {
		return nil, err
	}
	switch {
	case grant.App != client.ID:
		return nil, badGrant("token_of_another_app", slog.String("token_app", grant.App))
	case !grant.RevokedAt.IsZero():
		return nil, badGrant("grant_revoked", slog.Time("revoked_at", grant.RevokedAt))
	case !grant.Live(now):
		return nil, badGrant("grant_expired", slog.Time("expired_at", grant.ExpiresAt))
	}
	for _, s := range strings.Fields(form.Get("scope")) {
		// Unknown scopes are ignored, as in the authorize request: a client repeats what it sent there.
		if slices.Contains(knownScopes(), s) && !slices.Contains(grant.Scopes, s) {
			return nil, newError(http.StatusBadRequest, codeInvalidScope, "scope has more in it than was granted").
				because("scope_not_granted", slog.String("scope", web.LoggedText(s)), slog.Any("granted", grant.Scopes))
		}
	}
	user, err := h.grantUser(ctx, client, grant)
	if err != nil {
		return nil, err
	}
	access := newToken()
	idToken, err := h.idToken(ctx, client, grant, user, "", access, now)
	if err != nil {
		return nil, err
	}
	rotated, err := h.cfg.Grants.Rotate(ctx, gateway.Rotation{
		Grant: grantID, Presented: sha256.Sum256([]byte(presented)),
		Next:   sha256.Sum256([]byte(h.refreshToken(grantID, counter+1))),
		Access: h.accessToken(client, access, now), Expires: now.Add(client.Lifetimes.Refresh), Now: now,
		Grace: graceAfterRotation,
	})
	switch {
	case errors.Is(err, gateway.ErrReplay):
		h.recordReplay(ctx, EventRefreshReplayed, grant)
		return nil, badGrant("refresh_token_replaced_before", slog.Int("sent", counter),
			slog.Int("current", grant.Counter))
	case errors.Is(err, gateway.ErrNotFound):
		return nil, badGrant("grant_ended")
	case err != nil:
		return nil, err
	}
	response := &tokenResponse{
		AccessToken: access, TokenType: "Bearer", ExpiresIn: seconds(client.Lifetimes.Access),
		IDToken: idToken, Scope: strings.Join(grant.Scopes, " "),
	}
	// If the client repeats a request, the successor exists already, and another process may have
	// made it with another master key. The store returns the hash of the successor. The possible
	// token with this hash is the successor.
	for _, token := range h.possibleRefreshTokens(grantID, rotated.Grant.Counter) {
		if sha256.Sum256([]byte(token)) == rotated.Refresh {
			response.RefreshToken = token
		}
	}
	if response.RefreshToken == "" {
		return nil, errors.New("oidc: this process lacks the master key of a refresh token's successor")
	}
	return response, nil
}

// foundToken is an access token or refresh token, with its grant: the authorization that it
// belongs to.
type foundToken struct {
	grant   gateway.Grant
	access  *gateway.Token // nil for a refresh token
	counter int            // of a refresh token
}

// findToken finds an access token or refresh token, and reports whether it is valid. ok is false
// for an unknown or expired token, and for a token that was issued to another client. An error is
// a failure of the server.
func (h *Handler) findToken(ctx context.Context, client *Client, token string) (found foundToken, ok bool,
	err error) {
	if grantID, counter, isRefresh := h.parseRefreshToken(token); isRefresh {
		found.counter = counter
		found.grant, err = h.cfg.Grants.Grant(ctx, grantID)
	} else {
		var access gateway.Token
		access, found.grant, err = h.cfg.Grants.Token(ctx, sha256.Sum256([]byte(token)), h.cfg.Now())
		found.access = &access
	}
	if errors.Is(err, gateway.ErrNotFound) {
		return foundToken{}, false, nil
	}
	if err != nil {
		return foundToken{}, false, err
	}
	ok = found.grant.App == client.ID && found.grant.Live(h.cfg.Now())
	return found, ok, nil
}

// readToken authenticates the client of a revocation or introspection request, and returns the
// parameter token.
func (h *Handler) readToken(w http.ResponseWriter, r *http.Request) (*Client, string, error) {
	form, err := readForm(w, r)
	if err != nil {
		return nil, "", err
	}
	client, err := h.authenticate(r, form)
	if err != nil {
		return nil, "", err
	}
	if form.Get("token") == "" {
		return client, "", badRequest("token is missing")
	}
	return client, form.Get("token"), nil
}

// revoke serves the revocation endpoint:
//   - An access token is revoked alone.
//   - A refresh token is revoked with its grant, and so with all tokens of the grant.
//   - For an expired token, or a token of another client, nothing is revoked. The response is the
//     same (RFC 7009, section 2.2).
func (h *Handler) revoke(w http.ResponseWriter, r *http.Request) {
	if h.preflight(w, r, "POST") {
		return
	}
	if r.Method != http.MethodPost {
		notAllowed(w, "POST")
		return
	}
	client, token, err := h.readToken(w, r)
	h.allowOrigin(w, r, client)
	if err == nil {
		err = h.revokeToken(r.Context(), client, token)
	}
	h.observe("revoke", "", client, err)
	if err != nil {
		h.writeError(w, r, "revocation", client, err)
		return
	}
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(http.StatusOK)
}

func (h *Handler) revokeToken(ctx context.Context, client *Client, token string) error {
	found, ok, err := h.findToken(ctx, client, token)
	if err != nil || !ok {
		return err
	}
	revocation := gateway.Revocation{Grant: found.grant.ID}
	if found.access != nil {
		revocation = gateway.Revocation{Token: found.access.Hash}
	}
	_, err = h.cfg.Grants.Revoke(ctx, revocation, h.cfg.Now())
	return err
}

// introspection is the response of RFC 7662.
type introspection struct {
	Active    bool   `json:"active"`
	Issuer    string `json:"iss,omitempty"`
	ClientID  string `json:"client_id,omitempty"`
	Subject   string `json:"sub,omitempty"`
	Scope     string `json:"scope,omitempty"`
	TokenType string `json:"token_type,omitempty"`
	IssuedAt  int64  `json:"iat,omitempty"`
	ExpiresAt int64  `json:"exp,omitempty"`
}

// introspect serves the introspection endpoint, for confidential clients. It describes only tokens
// that were issued to the requesting client; all other tokens are reported as not active.
func (h *Handler) introspect(w http.ResponseWriter, r *http.Request) {
	if r.Method != http.MethodPost {
		notAllowed(w, "POST")
		return
	}
	client, token, err := h.readToken(w, r)
	if err == nil && client.Public {
		err = badClient("public_client")
	}
	response := introspection{}
	if err == nil {
		response, err = h.describe(r.Context(), client, token)
	}
	h.observe("introspect", "", client, err)
	if err != nil {
		h.writeError(w, r, "introspection", client, err)
		return
	}
	writeJSON(w, http.StatusOK, response)
}

// describe returns the response of the introspection endpoint for a token.
func (h *Handler) describe(ctx context.Context, client *Client, token string) (introspection, error) {
	found, ok, err := h.findToken(ctx, client, token)
	if err != nil || !ok {
		return introspection{}, err
	}
	var denied *Error
	if _, err := h.grantUser(ctx, client, found.grant); errors.As(err, &denied) {
		return introspection{}, nil // the user may not use the app any more
	} else if err != nil {
		return introspection{}, err
	}
	out := introspection{
		Active: true, Issuer: h.cfg.Issuer, ClientID: client.ID, Subject: found.grant.Subject,
		Scope: strings.Join(found.grant.Scopes, " "),
	}
	switch {
	case found.access != nil:
		out.TokenType = "Bearer"
		out.IssuedAt = found.access.CreatedAt.Unix()
		out.ExpiresAt = found.access.ExpiresAt.Unix()
	case found.counter == found.grant.Counter:
		out.IssuedAt = found.grant.RotatedAt.Unix()
		out.ExpiresAt = found.grant.ExpiresAt.Unix()
	default:
		return introspection{}, nil // its successor has replaced the refresh token
	}
	return out, nil
}
