package signin

import (
	"context"
	"errors"
	"net/http"
	"net/url"

	"github.com/weigate/weigate/internal/flow"
	"github.com/weigate/weigate/internal/gateway"
	"github.com/weigate/weigate/internal/lang"
	"github.com/weigate/weigate/internal/session"
	"github.com/weigate/weigate/internal/web"
	"github.com/weigate/weigate/wechat"
)

// callback serves the address to which WeChat returns the browser.
func (h *Handler) callback(w http.ResponseWriter, r *http.Request, c *connector) {
	b := h.browser(r, lang.FromRequest(r))
	res := c.engine.Callback(b, func(ctx context.Context, a flow.Authorization) (flow.Outcome, error) {
		return h.complete(ctx, r, c, a)
	})
	if res.Kind == flow.SignedIn {
		res = h.keepSession(c, b, res)
	}
	h.answer(w, r, c, res)
}

// keepSession adds the session cookie to a result. A repeated callback sets the same cookie, but only
// while the session lives: otherwise repeating the callback would undo a sign-out.
func (h *Handler) keepSession(c *connector, b flow.Browser, res flow.Result) flow.Result {
	id, err := res.Flow.SessionID()
	if err == nil && res.Repeat {
		_, _, err = h.cfg.Sessions.Find(b.Request.Context(), session.Hash(id), h.cfg.Now())
	}
	switch {
	case errors.Is(err, gateway.ErrNotFound):
		return c.engine.Lost(b, res.Flow)
	case err != nil:
		return c.engine.Fail(b, res.Flow, flowError(err))
	}
	res.Cookies = append(res.Cookies, h.sessionCookie(id))
	return res
}

func (h *Handler) sessionCookie(id string) *http.Cookie {
	return h.cookies.New(flow.CookieSession, id, h.cfg.Sessions.Max)
}

// answer writes the response for a result of the engine.
func (h *Handler) answer(w http.ResponseWriter, r *http.Request, c *connector, res flow.Result) {
	res.SetCookies(w)
	switch res.Kind {
	case flow.ToWeChat:
		w.Header().Set("Location", res.Location)
		if r.Method == http.MethodPost {
			w.WriteHeader(http.StatusSeeOther) // so that the browser does not send the form to WeChat
			return
		}
		w.WriteHeader(http.StatusFound)
	case flow.StatusOnly:
		w.WriteHeader(res.Status)
	case flow.SignedIn:
		redirectSeeOther(w, h.returns.Absolute(res.Flow.ReturnTo))
	case flow.Lost:
		h.answerLost(w, r, res)
	case flow.Denied:
		h.showDenied(w, r, c, res.Flow)
	case flow.Snapshot:
		redirectSeeOther(w, h.absolute(h.startURL(targetOf(res.Flow.Request))))
	case flow.CallbackFailed:
		redirectSeeOther(w, h.origin+h.path+pathEnded+"?page="+url.QueryEscape(res.Failure))
	default:
		h.cfg.Site.Error(w, r, res.Err)
	}
}

// targetOf returns the target of a flow. When its data cannot be read, the target has no restart.
func targetOf(req flow.Request) target {
	t := target{returnTo: req.ReturnTo, profile: req.Scope == wechat.ScopeUserInfo}
	if data, err := decodeFlowData(req.Data); err == nil {
		t.restart = session.ExpandRestart(req.ReturnTo, data.Restart)
	}
	return t
}

// answerLost redirects to the page for a lost callback, at an address without code and state. A
// browser that is signed in continues at the return address instead.
func (h *Handler) answerLost(w http.ResponseWriter, r *http.Request, res flow.Result) {
	if len(res.Cookies) == 0 {
		returnTo := ""
		if res.Flow != nil {
			returnTo = res.Flow.ReturnTo
		}
		redirectSeeOther(w, h.returns.Absolute(h.returns.OrHome(returnTo)))
		return
	}
	address := h.origin + h.path + pathLost
	if res.Flow != nil {
		t := targetOf(res.Flow.Request)
		if t.restart != "" {
			sealed, err := h.restarts.Seal(paramRestart, []byte(t.restart))
			if err != nil {
				h.cfg.Site.Error(w, r, err)
				return
			}
			address += "?" + paramRestart + "=" + sealed
		} else {
			address += "?return=" + url.QueryEscape(t.returnTo)
		}
	}
	redirectSeeOther(w, address)
}

// lost renders the page for a lost callback. The user continues with a button: a page that continued
// automatically would loop in a browser without cookies.
func (h *Handler) lost(w http.ResponseWriter, r *http.Request) {
	returnTo, err := h.returns.Check(r.URL.Query().Get("return"))
	if err != nil {
		returnTo = h.returns.Home()
	}
	t := target{returnTo: returnTo}
	t.restart, _ = h.openRestart(r.URL.Query().Get(paramRestart))
	page := web.Page{Kind: web.NoCookies, Go: h.startURL(t)}
	if keeps, clear := h.connectors[0].engine.AcceptsCookies(r); keeps {
		http.SetCookie(w, clear)
		page.Kind = web.Lost
	}
	h.cfg.Site.Show(w, r, page)
}

// showDenied renders the page for a user who declined at WeChat.
func (h *Handler) showDenied(w http.ResponseWriter, r *http.Request, c *connector, f *flow.Flow) {
	t := targetOf(f.Request)
	page := web.Page{Kind: web.Denied, Go: h.startURL(t)}
	if f.Scope == wechat.ScopeUserInfo {
		_, signedIn, err := h.Session(r)
		if err == nil && signedIn {
			page.Forms = []web.Form{h.withoutProfile(f.ReturnTo)}
		} else {
			without := t
			without.profile = false
			page.Without = h.startURL(without)
		}
	}
	if c.Website && h.cfg.Scan != nil {
		// The browser remembers which method was chosen, and would use it again.
		other, err := h.methodURL(t, methodChoice)
		if err != nil {
			h.cfg.Site.Error(w, r, err)
			return
		}
		page.Links = append(page.Links, web.Link{Label: web.LabelOtherMethod, Go: other})
	}
	h.cfg.Site.Show(w, r, page)
}

// ended renders the page for a callback that failed. When the parameter page has expired or is
// forged, it renders the page for a lost callback.
func (h *Handler) ended(w http.ResponseWriter, r *http.Request) {
	e, ok := h.connectors[0].engine.OpenFailure(r.URL.Query().Get("page"))
	if !ok {
		h.cfg.Site.Show(w, r, web.Page{Kind: web.Lost, Go: h.startURL(target{returnTo: h.returns.Home()})})
		return
	}
	t := targetOf(flow.Request{ReturnTo: e.ReturnTo, Scope: e.Scope, Data: e.Data})
	page := web.Page{Kind: endingKind(e.Outcome), Go: h.startURL(t)}
	if page.Kind == web.Busy {
		w.Header().Set("Retry-After", "60")
	}
	h.cfg.Site.Show(w, r, page)
}

// endingKind returns the page for the outcome of a callback.
func endingKind(outcome string) web.Kind {
	switch outcome {
	case flow.EventGaveUp:
		return web.Again
	case flow.OutcomeRefused:
		return web.Blocked // complete refuses blocked users only
	case flow.OutcomeUserRestricted:
		return web.Restricted
	case flow.OutcomeBusy, flow.OutcomeRateLimited, flow.EventUnavailable, flow.EventStoreFull:
		return web.Busy
	}
	return web.Fault
}
