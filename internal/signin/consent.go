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

// This file is for sign-ins that need the user's consent in WeChat (scope snsapi_userinfo): because
// the app requires it, or because only then WeChat returns the unionid.

// needsUnionID reports whether users must not be signed in through the connector without a unionid:
// other connectors share its unionids, and one of their users may be blocked.
func (c *connector) needsUnionID() bool { return c.OpenPlatform != "" && len(c.Group) > 1 }

var errNoUnionID = errors.New("signin: WeChat sent no unionid although the user agreed: " +
	"is the app bound to the account at open.weixin.qq.com that open_platform names?")

// unionIDMissing ends the attempt of a sign-in that was refused with gateway.ErrUnionIDRequired.
// With snsapi_base WeChat usually sends no unionid, and the user is asked for consent. After the
// consent WeChat sends none only if the app is not bound to an Open Platform account.
func (h *Handler) unionIDMissing(ctx context.Context, c *connector, a flow.Authorization) (flow.Outcome, error) {
	switch {
	case a.Flow.Scope == wechat.ScopeBase:
		return a.Finish(ctx, flow.OutcomeConsentMissing, "", nil)
	case a.Profile == nil && !c.Website:
		return a.Finish(ctx, flow.OutcomeBusy, "", gateway.ErrUnionIDRequired) // WeChat did not return the profile either
	}
	return a.Finish(ctx, flow.OutcomeFault, "", errNoUnionID)
}

// continueWithConsent serves /sign-in/consent, the button of the page WeChatConsent: it starts the sign-in
// again, with WeChat's consent page. The parameter page contains the sign-in, sealed by the engine.
// WeChat shows its snapshot page (快照页) instead of the consent page if the user has not pressed a
// button before, so /sign-in/ended does not redirect here.
func (h *Handler) continueWithConsent(w http.ResponseWriter, r *http.Request) {
	ending, ok := h.connectors[0].engine.OpenFailure(r.URL.Query().Get("page"))
	data, err := decodeFlowData(ending.Data)
	c := h.connector(data.Connector)
	if !ok || err != nil || c == nil || c.Website {
		h.cfg.Site.Show(w, r, web.Page{Kind: web.Lost, Go: h.startURL(target{returnTo: h.returns.Home()})})
		return
	}
	login := session.LoginRequest{
		ID: data.LoginRequestID, ReturnURL: ending.ReturnTo, App: gateway.App{ID: data.App},
		RestartURL: session.ExpandRestart(ending.ReturnTo, data.Restart),
	}
	req := flow.Request{
		Method: flow.MethodWeChat, Scope: wechat.ScopeUserInfo, ForcePopup: ending.ForcePopup, ReturnTo: ending.ReturnTo,
	}
	if err := h.start(w, r, c, login, req, lang.FromRequest(r)); err != nil {
		h.cfg.Site.Error(w, r, err)
	}
}
