package oidc

import (
	"context"
	"crypto/sha256"
	"encoding/base32"
	"errors"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/weigate/weigate/internal/access"
	"github.com/weigate/weigate/internal/gateway"
)

// userinfo serves the claims about the user to the bearer of an access token.
func (h *Handler) userinfo(w http.ResponseWriter, r *http.Request) {
	if h.preflight(w, r, "GET, POST") {
		return
	}
	if r.Method != http.MethodGet && r.Method != http.MethodPost {
		notAllowed(w, "GET, POST")
		return
	}
	client, claims, err := h.about(w, r)
	h.observe("userinfo", "", client, err)
	h.allowOrigin(w, r, client)
	if err != nil {
		h.bearerFailed(w, r, err)
		return
	}
	writeJSON(w, http.StatusOK, claims)
}

func (h *Handler) about(w http.ResponseWriter, r *http.Request) (*Client, map[string]any, error) {
	token, err := bearer(w, r)
	if err != nil {
		return nil, nil, err
	}
	_, grant, user, err := h.cfg.Grants.TokenUser(r.Context(), sha256.Sum256([]byte(token)), h.cfg.Now())
	if errors.Is(err, gateway.ErrNotFound) {
		return nil, nil, invalidToken()
	}
	if err != nil {
		return nil, nil, err
	}
	client := h.cfg.Clients().byID[grant.App]
	if client == nil || !has(grant, scopeOpenID) {
		// the app is not configured any more, or was of another kind when it got the token
		return nil, nil, invalidToken()
	}
	claims, err := h.claims(r.Context(), client, grant, user)
	if errors.Is(err, gateway.ErrNotFound) {
		return client, nil, invalidToken()
	}
	if err != nil {
		return client, nil, err
	}
	claims["sub"] = grant.Subject
	return client, claims, nil
}

// errNoToken is returned for a request that does not try to authenticate: RFC 6750 section 3.1
// requires a response without an error code.
var errNoToken = &Error{Status: http.StatusUnauthorized}

// bearer returns the access token from the header or from a form body, but not from the query,
// since addresses are logged.
func bearer(w http.ResponseWriter, r *http.Request) (string, error) {
	scheme, token, _ := strings.Cut(r.Header.Get("Authorization"), " ")
	inHeader := strings.EqualFold(scheme, "Bearer")
	inBody := ""
	if r.Method == http.MethodPost && isForm(r) {
		body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxForm))
		if err != nil {
			return "", badRequest("the body is cut short or too long")
		}
		form, err := url.ParseQuery(string(body))
		if err != nil || len(form["access_token"]) > 1 {
			return "", badRequest("the body is not well encoded")
		}
		inBody = form.Get("access_token")
	}
	switch {
	case inHeader && inBody != "":
		return "", badRequest("the access token is given in two ways at once")
	case inHeader:
		return strings.TrimSpace(token), nil
	case inBody != "":
		return inBody, nil
	}
	return "", errNoToken
}

func (h *Handler) bearerFailed(w http.ResponseWriter, r *http.Request, err error) {
	e := protocolError(err)
	challenge := `Bearer realm="weigate"`
	if e.Code != "" {
		challenge += `, error="` + e.Code + `", error_description="` + e.Description + `"`
	}
	if e.Status < 500 {
		w.Header().Set("WWW-Authenticate", challenge)
	}
	if e.Code == "" {
		w.Header().Set("Cache-Control", "no-store")
		w.WriteHeader(e.Status)
		return
	}
	h.fail(w, r, e)
}

func has(f gateway.Grant, scope string) bool { return slices.Contains(f.Scopes, scope) }

// claims returns the claims of the granted scopes, without sub.
func (h *Handler) claims(ctx context.Context, client *Client, f gateway.Grant, user gateway.User) (map[string]any,
	error) {
	out := map[string]any{}
	if has(f, scopeEmail) && client.Email.Policy == EmailSynthetic {
		out["email"], out["email_verified"] = f.Subject+"@"+client.Email.Domain, false
	}
	if has(f, scopeProfile) {
		profile(out, user, f.Subject)
	}
	if has(f, scopeGroups) {
		out["groups"] = append([]string{}, user.Groups...)
	}
	if has(f, scopeWeChat) {
		identities, err := h.cfg.Users.Identities(ctx, f.UserID)
		if err != nil {
			return nil, err
		}
		out["appid"], out["openid"] = f.AppID, f.OpenID
		if union := access.UnionID(identities, f.AppID); union != "" {
			out["unionid"] = union
		}
	}
	return out, nil
}

func profile(out map[string]any, a gateway.User, subject string) {
	username := preferredUsername(subject)
	out["preferred_username"] = username
	// Apps show name, and some reject a user without one.
	out["name"] = username
	if a.Nickname != "" {
		out["name"], out["nickname"] = a.Nickname, a.Nickname
	}
	if a.AvatarURL != "" {
		out["picture"] = a.AvatarURL
	}
	if a.Locale != "" {
		out["locale"] = a.Locale
	}
	if a.OldID != "" {
		out["old_id"] = a.OldID
	}
	out["updated_at"] = a.UpdatedAt.Unix()
	if a.ProfileAt.After(a.UpdatedAt) {
		out["updated_at"] = a.ProfileAt.Unix()
	}
}

// preferredUsername returns a name in ASCII that, unlike a nickname, never changes for a user in
// one app: apps use it as a login name, in paths and in mentions. It does not reveal the subject.
func preferredUsername(subject string) string {
	sum := sha256.Sum256([]byte("preferred_username " + subject))
	return "wx-" + strings.ToLower(base32.StdEncoding.EncodeToString(sum[:]))[:10]
}
