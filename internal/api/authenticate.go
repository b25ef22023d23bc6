package api

import (
	"errors"
	"net/http"
	"slices"
	"strings"

	"github.com/weigate/weigate/internal/administration"
	"github.com/weigate/weigate/internal/gateway"
	"github.com/weigate/weigate/internal/limit"
	"github.com/weigate/weigate/internal/route"
)

// failuresClient names the API in the counts of wrong secrets. No app has this id, because an id of
// an app has no space.
const failuresClient = "api key"

// authenticate returns the API key of a request, and the actor that stands for it. The key is found
// by its SHA-256, so the time of the search says nothing about keys that exist. Keys have 130
// random bits, so nobody guesses one. Only wrong keys are counted and refused: the wrong keys of
// another sender at the same address must not block a right key.
func (h *Handler) authenticate(r *http.Request) (gateway.APIKey, administration.Actor, error) {
	var nobody administration.Actor
	sent, err := bearer(r)
	if err != nil {
		return gateway.APIKey{}, nobody, err
	}
	now, address := h.cfg.Now(), route.Address(r)
	key, by, err := h.cfg.Service.Authenticate(r.Context(), sent)
	switch {
	case errors.Is(err, gateway.ErrExpired):
		// The caller has the key, so the response can say why the key does not work any more.
		code := "ownerless_key"
		switch {
		case !key.RevokedAt.IsZero():
			code = "revoked_key"
		case !key.ExpiresAt.IsZero() && !now.Before(key.ExpiresAt):
			code = "expired_key"
		}
		h.reject(r, key.ID, code)
		return gateway.APIKey{}, nobody, newProblem(code, "")
	case errors.Is(err, gateway.ErrNotFound) && h.failures.Refused(address, failuresClient, now):
		return gateway.APIKey{}, nobody, newProblem("too_many_requests", "too many wrong keys from this address")
	case errors.Is(err, gateway.ErrNotFound):
		h.failures.Wrong(address, failuresClient, now)
		h.reject(r, "", "invalid_key")
		return gateway.APIKey{}, nobody, newProblem("invalid_key", "")
	case err != nil:
		return gateway.APIKey{}, nobody, err
	}
	if !h.cfg.Limits.Allow(now, limit.Bucket{Rate: limit.APIPerKey, Key: key.ID}) {
		return gateway.APIKey{}, nobody, newProblem("too_many_requests", "too many requests with this key")
	}
	by.Address, by.RequestID = route.MaskedAddress(address), h.cfg.RequestID(r.Context())
	return key, by, nil
}

// reject logs that a key was rejected. The log has the id of the key, never the key.
func (h *Handler) reject(r *http.Request, keyID, reason string) {
	h.cfg.Logger.WarnContext(r.Context(), "API key rejected", "reason", reason, "key", keyID,
		"request_id", h.cfg.RequestID(r.Context()))
}

// bearer returns the key in the header Authorization (RFC 6750, 2.1). A request with two such
// headers is rejected, because a proxy and the gateway could read different ones.
func bearer(r *http.Request) (string, error) {
	headers := r.Header.Values("Authorization")
	if len(headers) == 0 {
		return "", newProblem("missing_key", "the request has no header Authorization")
	}
	scheme, key, _ := strings.Cut(headers[0], " ")
	key = strings.TrimSpace(key)
	switch {
	case len(headers) > 1:
		return "", newProblem("missing_key", "the request has more than one header Authorization")
	case !strings.EqualFold(scheme, "Bearer"):
		return "", newProblem("missing_key", "the header Authorization does not begin with Bearer")
	case !strings.HasPrefix(key, gateway.APIKeyPrefix):
		return "", newProblem("invalid_key", "a key begins with "+gateway.APIKeyPrefix)
	}
	return key, nil
}

// requireScope returns an error if a key lacks the scope. "" requires none.
func requireScope(key gateway.APIKey, scope string) error {
	if scope == "" || slices.Contains(key.Scopes, scope) {
		return nil
	}
	p := newProblem("missing_scope", "the key lacks the scope "+scope)
	p.Scope = scope
	return p
}
