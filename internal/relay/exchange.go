package relay

import (
	"context"
	"crypto/sha256"
	"errors"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/weigate/weigate/internal/gateway"
)

// Lifetimes, by WeChat's documentation: two hours, and 30 days that a refresh does not extend.
const (
	accessLife  = 2 * time.Hour
	refreshLife = 30 * 24 * time.Hour
)

// accessToken exchanges a code (/sns/oauth2/access_token). Parameters are checked first, then the
// credentials, then the code; this order was measured at WeChat's related endpoint jscode2session.
// The app of the code is checked before the code is redeemed, so that an attempt by another app
// does not use up the code.
func (h *Handler) accessToken(r *http.Request, p url.Values) (*App, *wire, error) {
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

// authenticate returns the app of a request. Only failures are counted, so that a busy app is never
// slowed down.
func (h *Handler) authenticate(r *http.Request, appID, secret string) (*App, error) {
	app := h.byAppID[appID]
	id := ""
	if app != nil {
		id = app.ID
	}
	from, now := h.cfg.Address(r), h.cfg.Now()
	if h.failures.Exhausted(from, id, now) {
		return app, errSlowDown
	}
	if app.secretMatches(secret) {
		return app, nil
	}
	h.failures.Add(from, id, now)
	if app == nil {
		return nil, errAppID
	}
	return app, errSecret
}

// redeem redeems a code. A second redemption gets 40163 while the code would have been valid, and
// 40029 afterwards. It revokes nothing: WeChat's browser sends callbacks twice, and both may reach
// the app at once, so that a repeated redemption by the app itself is ordinary.
func (h *Handler) redeem(ctx context.Context, app *App, text string) (*wire, error) {
	now := h.cfg.Now()
	hash := sha256.Sum256([]byte(text))
	code, err := h.cfg.Grants.Code(ctx, hash)
	switch {
	case errors.Is(err, gateway.ErrNotFound):
		return nil, errCode
	case err != nil:
		return nil, err
	case code.Grant.App != app.ID || !isRelayGrant(code.Grant):
		return nil, errCode
	case !now.Before(code.ExpiresAt):
		return nil, errCode
	case !code.RedeemedAt.IsZero():
		return nil, errCodeUsed
	}
	union := ""
	if wantsProfile(code.Grant.Scopes) {
		// Looked up before the code is redeemed, so that a failure here does not use it up.
		if union, err = h.unionID(ctx, code.Grant); err != nil {
			return nil, err
		}
	}
	access, refresh := newToken(), h.newRefresh(code.Grant.ID)
	grant, err := h.cfg.Grants.Redeem(ctx, hash, now, gateway.TokenIssue{
		Access:  gateway.Token{Hash: sha256.Sum256([]byte(access)), CreatedAt: now, ExpiresAt: now.Add(accessLife)},
		Refresh: sha256.Sum256([]byte(refresh)), GrantExpires: now.Add(refreshLife), ReplayTolerated: true,
	})
	switch {
	case errors.Is(err, gateway.ErrReplay):
		return nil, errCodeUsed
	case errors.Is(err, gateway.ErrNotFound):
		return nil, errCode
	case err != nil:
		return nil, err
	}
	out := newWire()
	out.str("access_token", access)
	out.num("expires_in", seconds(accessLife))
	out.str("refresh_token", refresh)
	out.str("openid", grant.OpenID)
	out.str("scope", strings.Join(grant.Scopes, ","))
	if union != "" {
		out.str("unionid", union)
	}
	return out, nil
}

// isRelayGrant reports whether this package issued a grant: an app whose kind was changed may have
// grants of other packages.
func isRelayGrant(f gateway.Grant) bool {
	return slices.ContainsFunc(f.Scopes, func(s string) bool {
		return s == scopeBase || s == scopeUserInfo || s == scopeLogin
	})
}

// unionID returns the unionid that WeChat sent for the user at this appid; "" = none.
func (h *Handler) unionID(ctx context.Context, f gateway.Grant) (string, error) {
	all, err := h.cfg.Users.Identities(ctx, f.UserID)
	for _, i := range all {
		if i.AppID == f.AppID && i.OpenID == f.OpenID {
			return i.UnionID, err
		}
	}
	return "", err
}
