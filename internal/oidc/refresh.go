package oidc

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/weigate/weigate/internal/access"
	"github.com/weigate/weigate/internal/gateway"
)

// A refresh token is GRANT.COUNTER.MAC. The MAC is derived from the master key, so the successor of
// a token can be computed again: a client that lost the response and sends a token twice gets the
// same successor, although the store has only hashes. A made-up token is rejected without reading
// the grant, so it cannot revoke one.
const purposeRefresh = "oidc refresh token"

func (h *Handler) refreshToken(grant string, counter int) string {
	return refreshText(h.cfg.Sealer.Derive(purposeRefresh)[0], grant, counter)
}

func refreshText(key []byte, grant string, counter int) string {
	head := grant + "." + strconv.Itoa(counter)
	mac := hmac.New(sha256.New, key)
	mac.Write([]byte(head))
	return head + "." + base64.RawURLEncoding.EncodeToString(mac.Sum(nil))
}

// refreshTexts returns the texts that the token may have: one for each master key, since it may
// have been made before the key was replaced.
func (h *Handler) refreshTexts(grant string, counter int) []string {
	var out []string
	for _, key := range h.cfg.Sealer.Derive(purposeRefresh) {
		out = append(out, refreshText(key, grant, counter))
	}
	return out
}

// readRefresh splits a refresh token into its parts. ok is false when its MAC is wrong.
func (h *Handler) readRefresh(token string) (grant string, counter int, ok bool) {
	parts := strings.Split(token, ".")
	if len(parts) != 3 || len(token) > 256 {
		return "", 0, false
	}
	counter, err := strconv.Atoi(parts[1])
	if err != nil || counter < 1 {
		return "", 0, false
	}
	for _, text := range h.refreshTexts(parts[0], counter) {
		if hmac.Equal([]byte(text), []byte(token)) {
			return parts[0], counter, true
		}
	}
	return "", 0, false
}

// refresh exchanges a refresh token for its successor and a new access token. The access policy is
// applied again.
func (h *Handler) refresh(ctx context.Context, client *Client, form url.Values) (*tokenResponse, error) {
	presented := form.Get("refresh_token")
	if presented == "" {
		return nil, badRequest("refresh_token is missing")
	}
	id, counter, ok := h.readRefresh(presented)
	if !ok {
		return nil, badGrant()
	}
	now := h.cfg.Now()
	grant, err := h.cfg.Grants.Grant(ctx, id)
	if errors.Is(err, gateway.ErrNotFound) {
		return nil, badGrant()
	}
	if err != nil {
		return nil, err
	}
	if grant.App != client.ID || !grant.Live(now) {
		return nil, badGrant()
	}
	for _, s := range strings.Fields(form.Get("scope")) {
		if !slices.Contains(grant.Scopes, s) {
			return nil, &Error{http.StatusBadRequest, codeInvalidScope, "scope has more in it than was granted"}
		}
	}
	if err := h.stillAllowed(ctx, client, grant); err != nil {
		return nil, err
	}
	access := newToken()
	idToken, err := h.idToken(ctx, client, grant, "", access, now)
	if err != nil {
		return nil, err
	}
	rotated, err := h.cfg.Grants.Rotate(ctx, gateway.Rotation{
		Grant: id, Presented: sha256.Sum256([]byte(presented)),
		Next:   sha256.Sum256([]byte(h.refreshToken(id, counter+1))),
		Access: h.accessToken(client, access, now), Expires: now.Add(client.Lifetimes.Refresh), Now: now,
		Grace: graceAfterRotation,
	})
	switch {
	case errors.Is(err, gateway.ErrReplay):
		h.replayed(ctx, EventRefreshReplayed, grant)
		return nil, badGrant()
	case errors.Is(err, gateway.ErrNotFound):
		return nil, badGrant()
	case err != nil:
		return nil, err
	}
	answer := &tokenResponse{AccessToken: access, TokenType: "Bearer", ExpiresIn: seconds(client.Lifetimes.Access),
		IDToken: idToken,
		Scope:   strings.Join(grant.Scopes, " ")}
	for _, text := range h.refreshTexts(id, rotated.Grant.Counter) {
		if sha256.Sum256([]byte(text)) == rotated.Refresh {
			answer.RefreshToken = text
		}
	}
	if answer.RefreshToken == "" {
		return nil, errors.New("oidc: this process lacks the master key of a refresh token's successor")
	}
	return answer, nil
}

// stillAllowed applies the app's access policy again: a user who had access a month ago may not
// have it today.
func (h *Handler) stillAllowed(ctx context.Context, client *Client, f gateway.Grant) error {
	user, err := h.cfg.Users.User(ctx, f.UserID)
	if errors.Is(err, gateway.ErrNotFound) {
		return badGrant()
	}
	if err != nil {
		return err
	}
	decision, err := h.cfg.Access.Decide(ctx, user, client.App)
	if err != nil {
		return err
	}
	if decision != access.Allowed {
		return badGrant()
	}
	return nil
}

// foundToken is an access token or a refresh token that a client sent.
type foundToken struct {
	grant   gateway.Grant
	access  *gateway.Token // nil for a refresh token
	counter int            // of a refresh token
}

// find looks a token up. ok is false for an unknown or expired token, and for one of another
// client. An error is a failure of the server.
func (h *Handler) find(ctx context.Context, client *Client, token string) (f foundToken, ok bool, err error) {
	if id, counter, genuine := h.readRefresh(token); genuine {
		f.counter = counter
		f.grant, err = h.cfg.Grants.Grant(ctx, id)
	} else {
		var t gateway.Token
		t, f.grant, err = h.cfg.Grants.Token(ctx, sha256.Sum256([]byte(token)), h.cfg.Now())
		f.access = &t
	}
	if errors.Is(err, gateway.ErrNotFound) {
		return foundToken{}, false, nil
	}
	if err != nil {
		return foundToken{}, false, err
	}
	return f, f.grant.App == client.ID && f.grant.Live(h.cfg.Now()), nil
}

// readToken authenticates the client of a revocation or introspection, and returns the token to process.
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

// revoke revokes a token (RFC 7009): an access token alone, a refresh token together with its
// grant. The response is the same for an expired token and for a token of another app, which are
// left unchanged.
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
		err = h.end(r.Context(), client, token)
	}
	h.observe("revoke", "", client, err)
	if err != nil {
		h.fail(w, r, err)
		return
	}
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(http.StatusOK)
}

func (h *Handler) end(ctx context.Context, client *Client, token string) error {
	f, ok, err := h.find(ctx, client, token)
	if err != nil || !ok {
		return err
	}
	what := gateway.Revocation{Grant: f.grant.ID}
	if f.access != nil {
		what = gateway.Revocation{Token: f.access.Hash}
	}
	_, err = h.cfg.Grants.Revoke(ctx, what, h.cfg.Now())
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

// introspect reports whether a token is active, to the confidential client that it was issued to.
// For every other client no token is active.
func (h *Handler) introspect(w http.ResponseWriter, r *http.Request) {
	if r.Method != http.MethodPost {
		notAllowed(w, "POST")
		return
	}
	client, token, err := h.readToken(w, r)
	if err == nil && client.Public {
		err = badClient()
	}
	answer := introspection{}
	if err == nil {
		answer, err = h.describe(r.Context(), client, token)
	}
	h.observe("introspect", "", client, err)
	if err != nil {
		h.fail(w, r, err)
		return
	}
	writeJSON(w, http.StatusOK, answer)
}

func (h *Handler) describe(ctx context.Context, client *Client, token string) (introspection, error) {
	f, ok, err := h.find(ctx, client, token)
	if err != nil || !ok {
		return introspection{}, err
	}
	out := introspection{Active: true, Issuer: h.cfg.Issuer, ClientID: client.ID, Subject: f.grant.Subject,
		Scope: strings.Join(f.grant.Scopes, " ")}
	switch {
	case f.access != nil:
		out.TokenType, out.IssuedAt, out.ExpiresAt = "Bearer", f.access.CreatedAt.Unix(), f.access.ExpiresAt.Unix()
	case f.counter == f.grant.Counter:
		out.IssuedAt, out.ExpiresAt = f.grant.RotatedAt.Unix(), f.grant.ExpiresAt.Unix()
	default:
		return introspection{}, nil // a refresh token that has a successor
	}
	return out, nil
}
