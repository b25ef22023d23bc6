package oidc

import (
	"context"
	"crypto/sha256"
	"encoding/base32"
	"errors"
	"io"
	"log/slog"
	"maps"
	"net/http"
	"net/url"
	"strings"

	"github.com/weigate/weigate/internal/access"
	"github.com/weigate/weigate/internal/admission"
	"github.com/weigate/weigate/internal/gateway"
	"github.com/weigate/weigate/internal/limit"
)

// userinfo serves the userinfo endpoint: the claims about the user of an access token.
func (h *Handler) userinfo(w http.ResponseWriter, r *http.Request) {
	if h.preflight(w, r, "GET, POST") {
		return
	}
	if r.Method != http.MethodGet && r.Method != http.MethodPost {
		notAllowed(w, "GET, POST")
		return
	}
	client, claims, err := h.readUserinfo(w, r)
	h.observe("userinfo", "", client, err)
	h.allowOrigin(w, r, client)
	if err != nil {
		h.writeBearerError(w, r, client, err)
		return
	}
	writeJSON(w, http.StatusOK, claims)
}

// readUserinfo returns the client of the access token and the claims. The client is nil when no
// client is known for the token: the token is unknown or has expired, or its app was removed.
func (h *Handler) readUserinfo(w http.ResponseWriter, r *http.Request) (*Client, map[string]any, error) {
	token, err := bearerToken(w, r)
	if err != nil {
		return nil, nil, err
	}
	_, grant, user, err := h.cfg.Grants.TokenUser(r.Context(), sha256.Sum256([]byte(token)), h.cfg.Now())
	switch {
	case errors.Is(err, gateway.ErrExpired):
		return nil, nil, invalidToken("token_expired_or_revoked")
	case errors.Is(err, gateway.ErrNotFound):
		return nil, nil, invalidToken("unknown_token")
	case err != nil:
		return nil, nil, err
	}
	client := h.cfg.Clients().byID[grant.App]
	if client == nil || !hasScope(grant, scopeOpenID) {
		// The app was removed from the configuration, or used another protocol when it got the
		// token.
		return nil, nil, invalidToken("token_of_a_removed_app", slog.String("token_app", grant.App))
	}
	denied, err := admission.CheckGrant(r.Context(), h.cfg.Access, client.App, grant, user)
	if err == nil && denied != "" {
		err = invalidToken(string(denied), deniedAttrs(client, grant)...)
	}
	if err != nil {
		return client, nil, err
	}
	claims, err := h.claims(r.Context(), client, grant, user)
	if errors.Is(err, gateway.ErrNotFound) {
		return client, nil, invalidToken("user_deleted")
	}
	if err != nil {
		return client, nil, err
	}
	claims["sub"] = grant.Subject
	return client, claims, nil
}

// errNoToken is the error for a request without an access token. Its error code is empty, because
// RFC 6750, section 3.1, requires a response without a code.
var errNoToken = &Error{Status: http.StatusUnauthorized, reason: "no_token"}

// bearerToken returns the access token of a request (RFC 6750): from the Authorization header or
// from a form in the body. A token in the query is not read, since addresses are logged.
func bearerToken(w http.ResponseWriter, r *http.Request) (string, error) {
	scheme, token, _ := strings.Cut(r.Header.Get("Authorization"), " ")
	inHeader := strings.EqualFold(scheme, "Bearer")
	inBody := ""
	if r.Method == http.MethodPost && isForm(r) {
		body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, int64(limit.RequestBody.Bytes)))
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
	case inHeader && inBody != "" && inBody != strings.TrimSpace(token):
		return "", badRequest("access_token differs from the one in the Authorization header")
	case inHeader:
		return strings.TrimSpace(token), nil
	case inBody != "":
		return inBody, nil
	}
	return "", errNoToken
}

// writeBearerError responds with an error as JSON, and in the WWW-Authenticate header (RFC 6750,
// section 3). A failure of the server (5xx) has no such header, because it does not concern
// authentication.
func (h *Handler) writeBearerError(w http.ResponseWriter, r *http.Request, client *Client, err error) {
	e := protocolError(err)
	challenge := `Bearer realm="weigate"`
	if e.Code != "" {
		challenge += `, error="` + e.Code + `", error_description="` + e.Description + `"`
	}
	if e.Status < 500 {
		w.Header().Set("WWW-Authenticate", challenge)
	}
	if e.Code == "" {
		h.logRejection(r, "userinfo", client, err)
		w.Header().Set("Cache-Control", "no-store")
		w.WriteHeader(e.Status)
		return
	}
	h.writeError(w, r, "userinfo", client, err)
}

// claims returns the claims of the granted scopes, without sub.
func (h *Handler) claims(ctx context.Context, client *Client, grant gateway.Grant,
	user gateway.User) (map[string]any, error) {
	out := map[string]any{}
	if hasScope(grant, scopeEmail) && client.Email.Policy == EmailSynthetic {
		out["email"] = grant.Subject + "@" + client.Email.Domain
		if client.EmailVerified != EmailVerifiedOmit {
			out["email_verified"] = client.EmailVerified == EmailVerifiedTrue
		}
	}
	if hasScope(grant, scopeProfile) {
		addProfile(out, user, grant.Subject)
		if client.OldIDClaim && user.OldID != "" {
			// old_id is the user's id in the program from which the user was imported. An app
			// finds its existing record of the user by this id.
			out["old_id"] = user.OldID
		}
	}
	if hasScope(grant, scopeGroups) {
		out["groups"] = append([]string{}, user.Groups...) // [] and not null for a user without groups
	}
	if hasScope(grant, scopeWeChat) {
		identities, err := h.cfg.Users.Identities(ctx, grant.UserID)
		if err != nil {
			return nil, err
		}
		// The openid belongs to the appid of the sign-in. If an administrator has since given the
		// connector another appid, the openid is omitted: the app would mistake it for an openid
		// of the new appid.
		if h.cfg.AppIDs.Current(grant.Connector, grant.AppID) {
			out["appid"], out["openid"] = grant.AppID, grant.OpenID
		}
		if union := access.UnionID(identities, grant.AppID); union != "" {
			out["unionid"] = union
		}
	}
	addFurther(out, client.Claims, grant.Subject)
	return out, nil
}

// protocolClaims returns the claims by which apps verify an ID token and identify its user. The
// claims that the configuration of an app adds (Client.Claims) cannot replace them.
func protocolClaims() []string {
	return []string{"iss", "sub", "aud", "exp", "iat", "nbf", "jti", "auth_time", "nonce", "at_hash", "sid",
		"events", "email", "email_verified"}
}

// addFurther adds the claims that the configuration of an app adds (Client.Claims). Each is a copy
// of another claim, its source, under a new name. A claim that was added is not the source of
// another, so the order does not matter.
func addFurther(out map[string]any, further map[string]string, subject string) {
	added := map[string]any{}
	for name, source := range further {
		if value, found := out[source]; found {
			added[name] = value
		}
		if source == "sub" {
			added[name] = subject
		}
	}
	maps.Copy(out, added)
}

// claimNameFromWeChat is false if the user gave the name, or an administrator imported it. Without the
// claim, WeChat sent the name.
const claimNameFromWeChat = "name_from_wechat"

// addProfile adds the claims of the scope profile.
func addProfile(out map[string]any, user gateway.User, subject string) {
	username := preferredUsername(subject)
	out["preferred_username"] = username
	// Some apps reject a user without a name. So the username is the name of a user without a
	// nickname.
	out["name"] = username
	if user.Nickname != "" {
		out["name"], out["nickname"] = user.Nickname, user.Nickname
		if !user.NameFromWeChat() {
			out[claimNameFromWeChat] = false
		}
	}
	if user.AvatarURL != "" {
		out["picture"] = user.AvatarURL
	}
	if user.Locale != "" {
		out["locale"] = user.Locale
	}
	// UpdatedAt is the last change of the user's record, and ProfileAt the last fetch of the
	// profile. The claim is the later time.
	out["updated_at"] = user.UpdatedAt.Unix()
	if user.ProfileAt.After(user.UpdatedAt) {
		out["updated_at"] = user.ProfileAt.Unix()
	}
}

// preferredUsername returns a name in ASCII. Unlike a nickname, it never changes for a user in
// one app. Apps use it as a login name, in paths and in mentions. The subject may be an openid,
// so the name is a hash: people who see the name do not learn the subject.
func preferredUsername(subject string) string {
	sum := sha256.Sum256([]byte("preferred_username " + subject))
	return "wx-" + strings.ToLower(base32.StdEncoding.EncodeToString(sum[:]))[:10]
}
