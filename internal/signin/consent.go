package signin

import (
	"context"
	"errors"
	"net/http"

	"github.com/weigate/weigate/internal/flow"
	"github.com/weigate/weigate/internal/gateway"
	"github.com/weigate/weigate/internal/lang"
	"github.com/weigate/weigate/internal/session"
	"github.com/weigate/weigate/internal/web"
	"github.com/weigate/weigate/wechat"
)

// This file is for sign-ins that need the user's consent in WeChat (scope snsapi_userinfo). There
// are two reasons: the app requires the consent, or the gateway needs the unionid. Without consent,
// WeChat usually returns no unionid.

// needsUnionID reports whether users of the connector (an official account or website app) can be
// signed in only with a unionid. needsUnionID returns true if other connectors share the unionids.
// Without the unionid, a blocked user of another connector could sign in here as a new user.
func (c *connector) needsUnionID() bool { return c.OpenPlatform != "" && len(c.Group) > 1 }

var errNoUnionID = errors.New("signin: WeChat sent no unionid although the user agreed: " +
	"is the app bound to the account at open.weixin.qq.com that open_platform names?")

// unionIDMissing stores the outcome of a sign-in that the store refused with
// gateway.ErrUnionIDRequired. With scope snsapi_base, WeChat usually sends no unionid: the user is
// asked for consent. After the consent, the unionid is missing only if the app is not bound to an
// Open Platform account. This is a fault of the configuration.
func (h *Handler) unionIDMissing(ctx context.Context, c *connector, a flow.Authorization) (flow.Outcome, error) {
	switch {
	case a.Flow.Scope == wechat.ScopeBase:
		return a.Finish(ctx, flow.OutcomeConsentMissing, "", nil)
	case a.Profile == nil && !c.Website:
		// The profile, which contains the unionid, was not received.
		return a.Finish(ctx, flow.OutcomeBusy, "", gateway.ErrUnionIDRequired)
	}
	return a.Finish(ctx, flow.OutcomeFault, "", errNoUnionID)
}

// continueWithConsent serves /sign-in/consent, the button of the page WeChatConsent. It starts the
// sign-in again, with WeChat's consent page. The parameter page contains the sign-in, sealed by the
// engine (package flow).
//
// The button is necessary: /sign-in/ended must not redirect here. Without a press of a button,
// WeChat shows a snapshot page (快照页) with a virtual user instead of its consent page.
func (h *Handler) continueWithConsent(w http.ResponseWriter, r *http.Request) {
	// Any engine can open the parameter: all have the same keys.
	ending, ok := h.connectors[0].engine.OpenFailure(r.URL.Query().Get("page"))
	data, err := decodeFlowData(ending.Data)
	c := h.connector(data.Connector)
	if !ok || err != nil || c == nil || c.Website {
		h.cfg.Site.Show(w, r, web.Page{Kind: web.Lost, Go: h.startURL(target{returnTo: h.returns.Home()})})
		return
	}
	login := session.LoginRequest{
		ID: data.LoginRequestID, ReturnURL: ending.ReturnTo, App: gateway.App{ID: data.App},
		RestartURL:       session.ExpandRestart(ending.ReturnTo, data.Restart),
		WithoutAgreement: data.WithoutAgreement,
	}
	req := flow.Request{
		Method: flow.MethodWeChat, Scope: wechat.ScopeUserInfo, ForcePopup: ending.ForcePopup, ReturnTo: ending.ReturnTo,
	}
	if err := h.start(w, r, c, login, req, lang.FromRequest(r)); err != nil {
		h.cfg.Site.Error(w, r, err)
	}
}
