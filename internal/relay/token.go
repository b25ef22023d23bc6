package relay

import (
	"context"
	"crypto/hkdf"
	"crypto/hmac"
	"crypto/sha256"
	"crypto/sha512"
	"encoding/base64"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/weigate/weigate/internal/admission"
	"github.com/weigate/weigate/internal/gateway"
	"github.com/weigate/weigate/internal/web"
)

// The lifetimes of tokens, from WeChat's documentation.
const (
	accessLife  = 2 * time.Hour
	refreshLife = 30 * 24 * time.Hour // since the sign-in; a refresh does not extend it
)

// accessToken serves /sns/oauth2/access_token: it exchanges a code for tokens. The first problem
// determines the errcode: parameters are checked first, then the secret, then the code. This order
// was measured at WeChat's similar endpoint jscode2session. Another app's code is rejected before
// it is redeemed, so that the request does not use up the code.
func (h *Handler) accessToken(r *http.Request, p url.Values) (*App, *orderedJSON, error) {
	switch {
	case p.Get("appid") == "":
		return nil, nil, errNoAppID
	case p.Get("secret") == "":
		return nil, nil, errNoSecret
	case p.Get("code") == "":
		return nil, nil, errNoCode
	case p.Get("grant_type") != "authorization_code":
		return nil, nil, errGrantType
	}
	app, err := h.authenticate(r, p.Get("appid"), p.Get("secret"))
	if err != nil {
		return app, nil, err
	}
	out, err := h.redeem(r.Context(), app, p.Get("code"))
	return app, out, err
}

// authenticate returns the app of a request. Wrong secrets are counted, and after too many the app
// is refused. A right secret does not count, so that a busy app is never slowed down. If the appid
// is known, the app is returned even with an error, for the log.
func (h *Handler) authenticate(r *http.Request, appID, secret string) (*App, error) {
	app := h.byAppID[appID]
	id := ""
	if app != nil {
		id = app.ID
	}
	from, now := h.cfg.Address(r), h.cfg.Now()
	if h.failures.Refused(from, id, now) {
		return app, errSlowDown
	}
	if app.secretMatches(secret) { // false for nil
		h.failures.Right(from, id, now) // wrong secrets of others at this address do not lock out the app
		return app, nil
	}
	h.failures.Wrong(from, id, now)
	if app == nil {
		return nil, errAppID.because("unknown_appid", slog.String("appid", web.LoggedText(appID)))
	}
	return app, errSecret
}

// redeem redeems a code. A second redemption gets 40163 until the code expires, and 40029
// afterwards. A second redemption revokes nothing, because it is ordinary: WeChat's browser sends
// callbacks twice, and the app may redeem the code for both.
func (h *Handler) redeem(ctx context.Context, app *App, text string) (*orderedJSON, error) {
	now := h.cfg.Now()
	hash := sha256.Sum256([]byte(text))
	code, err := h.cfg.Grants.Code(ctx, hash)
	switch {
	case errors.Is(err, gateway.ErrNotFound):
		return nil, errCode.because("unknown_code")
	case err != nil:
		return nil, err
	case code.Grant.App != app.ID || !isRelayGrant(code.Grant):
		return nil, errCode.because("code_of_another_app", slog.String("code_app", code.Grant.App))
	case !now.Before(code.ExpiresAt):
		return nil, errCode.because("code_expired", slog.Time("expired_at", code.ExpiresAt))
	case !code.RedeemedAt.IsZero():
		return nil, errCodeUsed.because("code_redeemed_before", slog.Time("redeemed_at", code.RedeemedAt))
	}
	if _, err := h.checkGrant(ctx, app, code.Grant, errCode); err != nil {
		return nil, err
	}
	union := ""
	if wantsProfile(code.Grant.Scopes) {
		// The unionid is read before the code is redeemed, so that a failure to read does not use
		// up the code.
		if union, err = h.unionID(ctx, code.Grant); err != nil {
			return nil, err
		}
	}
	access, refresh := newToken(), h.newRefreshToken(code.Grant.ID)
	grant, err := h.cfg.Grants.Redeem(ctx, hash, now, gateway.TokenIssue{
		Access:  gateway.Token{Hash: sha256.Sum256([]byte(access)), CreatedAt: now, ExpiresAt: now.Add(accessLife)},
		Refresh: sha256.Sum256([]byte(refresh)), GrantExpires: now.Add(refreshLife), ReplayTolerated: true,
	})
	switch {
	case errors.Is(err, gateway.ErrReplay):
		return nil, errCodeUsed.because("code_redeemed_before")
	case errors.Is(err, gateway.ErrNotFound):
		return nil, errCode.because("code_expired_or_revoked")
	case err != nil:
		return nil, err
	}
	out := newOrderedJSON()
	out.addString("access_token", access)
	out.addInt("expires_in", seconds(accessLife))
	out.addString("refresh_token", refresh)
	out.addString("openid", grant.OpenID)
	out.addString("scope", strings.Join(grant.Scopes, ","))
	if union != "" {
		out.addString("unionid", union)
	}
	return out, nil
}

// isRelayGrant reports whether this package issued a grant. An app may have grants of package oidc,
// if the configuration has changed its kind.
func isRelayGrant(grant gateway.Grant) bool {
	return slices.ContainsFunc(grant.Scopes, func(s string) bool {
		return s == scopeBase || s == scopeUserInfo || s == scopeLogin
	})
}

// unionID returns the unionid that WeChat sent for the user at the appid of the grant; "" = none.
func (h *Handler) unionID(ctx context.Context, grant gateway.Grant) (string, error) {
	identities, err := h.cfg.Users.Identities(ctx, grant.UserID)
	if err != nil {
		return "", err
	}
	for _, identity := range identities {
		if identity.AppID == grant.AppID && identity.OpenID == grant.OpenID {
			return identity.UnionID, nil
		}
	}
	return "", nil
}

// A refresh token is the id of its grant and an HMAC of the id, in the format of WeChat's tokens.
// The key of the HMAC is derived from the master key. A forged token is rejected before the grant
// is read from the store.

// purposeRefresh selects the key of the HMAC. Sealer.Derive derives a key for this purpose from
// each master key: first from the present one, then from the previous ones.
const purposeRefresh = "relay refresh token"

const grantIDSize = 26 // length of a result of gateway.NewID

func (h *Handler) newRefreshToken(grantID string) string {
	return formatRefreshToken(h.cfg.Sealer.Derive(purposeRefresh)[0], grantID)
}

func formatRefreshToken(key []byte, grantID string) string {
	mac := hmac.New(sha512.New, key)
	mac.Write([]byte(grantID))
	return tokenText(append([]byte(grantID), mac.Sum(nil)[:tokenSize-grantIDSize]...))
}

// parseRefreshToken returns the grant id of a refresh token. ok is false if the HMAC is wrong. An
// HMAC under a previous master key is accepted.
func (h *Handler) parseRefreshToken(token string) (grantID string, ok bool) {
	_, text, found := strings.Cut(token, "_")
	raw, err := base64.RawURLEncoding.DecodeString(text)
	if !found || err != nil || len(raw) != tokenSize {
		return "", false
	}
	grantID = string(raw[:grantIDSize])
	return grantID, slices.ContainsFunc(h.cfg.Sealer.Derive(purposeRefresh), func(key []byte) bool {
		return hmac.Equal([]byte(formatRefreshToken(key, grantID)), []byte(token))
	})
}

// purposeAccess selects the key from which refreshes derive access tokens.
const purposeAccess = "relay access token of a refresh"

// refreshPace is how often a refresh issues a new access token for a grant. In between, a refresh
// returns the token of this period again. A refresh needs no secret, and some apps refresh at every
// page or in a loop. Without this pace, each refresh would add a row to the database for two hours.
const refreshPace = 10 * time.Minute

// refreshedAccessToken returns the access token for a refresh at the time now, and its row in the
// store. Within one period of refreshPace, every process returns the same token. The token is
// derived from the master key, because the store has only its hash and cannot return the token
// again. The token expires accessLife after the end of its period. So after every refresh in the
// period, it is valid for at least accessLife.
func (h *Handler) refreshedAccessToken(grantID string, now time.Time) (string, gateway.Token, error) {
	from := now.Truncate(refreshPace)
	raw, err := hkdf.Key(sha512.New, h.cfg.Sealer.Derive(purposeAccess)[0], nil,
		grantID+" "+strconv.FormatInt(from.Unix(), 10), tokenSize)
	if err != nil {
		return "", gateway.Token{}, fmt.Errorf("relay: derive an access token: %w", err)
	}
	text := tokenText(raw)
	return text, gateway.Token{Hash: sha256.Sum256([]byte(text)), CreatedAt: now,
		ExpiresAt: from.Add(refreshPace + accessLife)}, nil
}

// refreshToken serves /sns/oauth2/refresh_token: it returns another access token. WeChat documents
// that no secret is required, and that the refresh token stays the same and ends after 30 days.
//
// WeChat returns the old access token with a new lifetime. This package cannot return the token
// that was issued for the code, because only its hash is stored. It issues a derived token instead:
// see refreshedAccessToken. The old access token stays valid until it expires.
//
// The order of the JSON fields, and the format of the scope, come from a response captured in 2018.
func (h *Handler) refreshToken(r *http.Request, p url.Values) (*App, *orderedJSON, error) {
	token := p.Get("refresh_token")
	switch {
	case p.Get("appid") == "":
		return nil, nil, errNoAppID
	case token == "":
		return nil, nil, errNoRefresh
	case p.Get("grant_type") != "refresh_token":
		return nil, nil, errGrantType
	}
	app := h.byAppID[p.Get("appid")]
	if app == nil {
		return nil, nil, errAppID.because("unknown_appid", slog.String("appid", web.LoggedText(p.Get("appid"))))
	}
	out, err := h.refresh(r.Context(), app, token)
	return app, out, err
}

func (h *Handler) refresh(ctx context.Context, app *App, token string) (*orderedJSON, error) {
	id, genuine := h.parseRefreshToken(token)
	if !genuine {
		return nil, errRefreshToken.because("unknown_refresh_token")
	}
	now := h.cfg.Now()
	grant, err := h.cfg.Grants.Grant(ctx, id)
	switch {
	case errors.Is(err, gateway.ErrNotFound):
		return nil, errRefreshToken.because("unknown_grant")
	case err != nil:
		return nil, err
	case grant.App != app.ID:
		return nil, errAppID.because("token_of_another_app", slog.String("token_app", grant.App))
	case !grant.RevokedAt.IsZero():
		return nil, errRefreshToken.because("grant_revoked", slog.Time("revoked_at", grant.RevokedAt))
	case !grant.Live(now) || !now.Before(grant.CreatedAt.Add(refreshLife)):
		return nil, errRefreshToken.because("grant_expired", slog.Time("created_at", grant.CreatedAt),
			slog.Time("expired_at", grant.ExpiresAt))
	}
	if _, err := h.checkGrant(ctx, app, grant, errRefreshToken); err != nil {
		return nil, err
	}
	access, row, err := h.refreshedAccessToken(id, now)
	if err != nil {
		return nil, err
	}
	_, _, err = h.cfg.Grants.Token(ctx, row.Hash, now)
	if errors.Is(err, gateway.ErrNotFound) {
		// The access token is not stored yet. Rotate stores it. Presented and Next are equal, so
		// the refresh token stays the same.
		hash := sha256.Sum256([]byte(token))
		_, err = h.cfg.Grants.Rotate(ctx, gateway.Rotation{Grant: id, Presented: hash, Next: hash, Now: now,
			Access: row})
	}
	switch { // on the error of Rotate, or of Token if Rotate was not called
	case errors.Is(err, gateway.ErrConflict): // a concurrent request has stored the same access token
	case errors.Is(err, gateway.ErrNotFound), errors.Is(err, gateway.ErrReplay):
		return nil, errRefreshToken
	case err != nil:
		return nil, err
	}
	out := newOrderedJSON()
	out.addString("openid", grant.OpenID)
	out.addString("access_token", access)
	out.addInt("expires_in", seconds(accessLife))
	out.addString("refresh_token", token)
	out.addString("scope", refreshScope(grant.Scopes))
	return out, nil
}

// refreshScope returns the scope in the response of a refresh. As at WeChat, snsapi_userinfo comes
// with snsapi_base, and the list ends with a comma.
func refreshScope(scopes []string) string {
	switch {
	case slices.Contains(scopes, scopeUserInfo):
		return scopeBase + "," + scopeUserInfo + ","
	case slices.Contains(scopes, scopeBase):
		return scopeBase + ","
	}
	return strings.Join(scopes, ",")
}

// checkGrant checks that the user of a grant may still use the app, and returns the user. Since the
// sign-in, an administrator may have blocked the user, or made the app's rules stricter. The app
// then gets the error denied, chosen by the caller.
func (h *Handler) checkGrant(ctx context.Context, app *App, grant gateway.Grant, denied *Error) (gateway.User,
	error) {
	user, err := h.cfg.Users.User(ctx, grant.UserID)
	if errors.Is(err, gateway.ErrNotFound) {
		return user, denied.because("user_deleted", slog.String("user", grant.UserID))
	}
	if err != nil {
		return user, err
	}
	if !h.cfg.AppIDs.Current(grant.Connector, grant.AppID) {
		// The openid belongs to a former appid of the connector. The app would mistake it for an
		// openid of the present appid.
		return user, denied.because("appid_changed", slog.String("appid", grant.AppID),
			slog.String("connector", grant.Connector))
	}
	reason, err := admission.CheckGrant(ctx, h.cfg.Access, app.App, grant, user)
	if err == nil && reason != "" {
		err = denied.because(string(reason), slog.String("user", grant.UserID), slog.String("method", grant.Method),
			slog.Any("methods", app.Methods), slog.String("access", string(app.Access.Rule)))
	}
	return user, err
}
