package oidc

import (
	"context"
	"crypto/sha256"
	"errors"
	"net/http"
	"strings"

	"github.com/weigate/weigate/internal/gateway"
)

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
