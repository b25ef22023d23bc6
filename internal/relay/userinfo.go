package relay

import (
	"context"
	"crypto/sha256"
	"errors"
	"net/http"
	"net/url"
	"regexp"

	"github.com/weigate/weigate/internal/gateway"
)

// tokenForm distinguishes a text that is not a token (40014) from an invalid token (40001).
var tokenForm = regexp.MustCompile(`^[0-9]{1,3}_[A-Za-z0-9_-]{20,}$`)

// userInfo returns nickname and picture (/sns/userinfo). sex is 0, and city, province and country
// are empty, as at WeChat since 2021-10-20. The order of the keys and the undocumented key
// "language" are as captured. The parameter lang is ignored, since it only selects the language of
// city, province and country.
func (h *Handler) userInfo(r *http.Request, p url.Values) (*App, *wire, error) {
	app, f, user, err := h.bearer(r.Context(), p)
	if err != nil {
		return app, nil, err
	}
	if !wantsProfile(f.Scopes) {
		return app, nil, errUnauthorized
	}
	union, err := h.unionID(r.Context(), f)
	if err != nil {
		return app, nil, err
	}
	out := newWire()
	out.str("openid", f.OpenID)
	out.str("nickname", user.Nickname)
	out.num("sex", 0)
	for _, empty := range []string{"language", "city", "province", "country"} {
		out.str(empty, "")
	}
	out.str("headimgurl", user.AvatarURL)
	out.emptyList("privilege")
	if union != "" {
		out.str("unionid", union)
	}
	return app, out, nil
}

// auth reports whether an access token is valid (/sns/auth). It is the only response with an
// errcode of 0.
func (h *Handler) auth(r *http.Request, p url.Values) (*App, *wire, error) {
	app, _, _, err := h.bearer(r.Context(), p)
	if err != nil {
		return app, nil, err
	}
	out := newWire()
	out.num("errcode", 0)
	out.str("errmsg", "ok")
	return app, out, nil
}

// bearer returns the grant of an access token. When the user has lost access to the app, the token
// counts as expired: the app then refreshes, gets an error, and redirects the user to authorize,
// where a page explains the reason.
func (h *Handler) bearer(ctx context.Context, p url.Values) (*App, gateway.Grant, gateway.User, error) {
	fail := func(app *App, err error) (*App, gateway.Grant, gateway.User, error) {
		return app, gateway.Grant{}, gateway.User{}, err
	}
	token, openID := p.Get("access_token"), p.Get("openid")
	switch {
	case token == "":
		return fail(nil, errNoAccessToken)
	case openID == "":
		return fail(nil, errNoOpenID)
	case !tokenForm.MatchString(token):
		return fail(nil, errAccessToken)
	}
	_, f, err := h.cfg.Grants.Token(ctx, sha256.Sum256([]byte(token)), h.cfg.Now())
	switch {
	case errors.Is(err, gateway.ErrExpired):
		return fail(nil, errExpired)
	case errors.Is(err, gateway.ErrNotFound):
		return fail(nil, errCredential)
	case err != nil:
		return fail(nil, err)
	}
	app := h.byID[f.App]
	switch {
	case app == nil || !isRelayGrant(f): // the app is not configured any more
		return fail(nil, errCredential)
	case openID != f.OpenID:
		return fail(app, errOpenID)
	}
	user, err := h.stillAllowed(ctx, app, f, errExpired)
	if err != nil {
		return fail(app, err)
	}
	return app, f, user, nil
}
