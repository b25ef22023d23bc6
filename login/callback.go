package login

import (
	"context"
	"errors"
	"net/http"
	"net/url"

	"github.com/weigate/weigate/internal/flow"
	"github.com/weigate/weigate/internal/lang"
	"github.com/weigate/weigate/wechat"
)

// browser returns what the engine needs of the browser that sent r.
func (h *Handler) browser(r *http.Request) flow.Browser {
	return flow.Browser{
		Request: r, RequestID: h.requestID(r), Language: lang.FromHeader(r.Header, lang.English),
		SignedIn: func() bool {
			_, err := h.Session(r)
			return err == nil
		},
	}
}

// serveCallback serves the address to which WeChat returns the browser.
func (h *Handler) serveCallback(w http.ResponseWriter, r *http.Request) {
	b := h.browser(r)
	res := h.engine.Callback(b, func(ctx context.Context, a flow.Authorization) (flow.Outcome, error) {
		return h.complete(ctx, r, a)
	})
	if res.Kind == flow.SignedIn {
		res = h.keepSession(b, res)
	}
	h.answer(w, r, res)
}

// keepSession adds the session cookie to a result. A repeated callback sets the same cookie, but only
// while the session lives: otherwise repeating the callback would undo a sign-out.
func (h *Handler) keepSession(b flow.Browser, res flow.Result) flow.Result {
	id, err := res.Flow.SessionID()
	if err == nil && res.Repeat {
		_, err = h.cfg.Store.Session(b.Request.Context(), flow.Hash("session", id), h.cfg.Now())
	}
	switch {
	case errors.Is(err, ErrNoSession):
		return h.engine.Lost(b, res.Flow)
	case err != nil:
		return h.engine.Fail(b, res.Flow, flowError(err))
	}
	res.Cookies = append(res.Cookies, h.cookies.New(flow.CookieSession, id, h.cfg.SessionMax))
	return res
}

// answer writes the response for a result of the engine.
func (h *Handler) answer(w http.ResponseWriter, r *http.Request, res flow.Result) {
	res.SetCookies(w)
	switch res.Kind {
	case flow.ToWeChat:
		redirect(w, r, res.Location)
	case flow.Empty:
		w.WriteHeader(res.Status)
	case flow.SignedIn:
		seeOther(w, h.returns.Absolute(res.Flow.ReturnTo))
	case flow.Lost:
		h.answerLost(w, res)
	case flow.Denied:
		h.showDenied(w, r, res.Flow)
	case flow.Snapshot:
		seeOther(w, h.startURL(res.Flow.ReturnTo, res.Flow.Scope))
	case flow.Ended:
		seeOther(w, h.address(pathEnded)+"?page="+url.QueryEscape(res.Ending))
	default:
		h.fail(w, r, res.Err)
	}
}

// answerLost redirects to the page for a lost callback, at an address without code and state. A
// browser that is signed in continues at the return address instead.
func (h *Handler) answerLost(w http.ResponseWriter, res flow.Result) {
	returnTo := ""
	if res.Flow != nil {
		returnTo = res.Flow.ReturnTo
	}
	target := h.address(pathLost)
	switch {
	case len(res.Cookies) == 0:
		target = h.returns.Absolute(h.returns.OrHome(returnTo))
	case returnTo != "":
		target += "?return=" + url.QueryEscape(returnTo)
	}
	seeOther(w, target)
}

// serveLost renders the page for a lost callback. The user continues with a button: a page that
// continued automatically would loop in a browser without cookies.
func (h *Handler) serveLost(w http.ResponseWriter, r *http.Request) {
	returnTo, err := h.returns.Check(r.URL.Query().Get("return"))
	if err != nil {
		returnTo = h.returns.Home()
	}
	p := Page{Kind: PageNoCookies, AgainURL: h.startURL(returnTo, wechat.ScopeBase)}
	if keeps, clear := h.engine.KeepsCookies(r); keeps {
		http.SetCookie(w, clear)
		p.Kind = PageLost
	}
	h.show(w, r, p)
}

// showDenied renders the page for a user who declined at WeChat.
func (h *Handler) showDenied(w http.ResponseWriter, r *http.Request, f *flow.Flow) {
	p := Page{Kind: PageDenied, AgainURL: h.startURL(f.ReturnTo, f.Scope)}
	if f.Scope == wechat.ScopeUserInfo {
		p.WithoutURL = h.startURL(f.ReturnTo, wechat.ScopeBase)
		if _, err := h.Session(r); err == nil {
			p.WithoutURL, p.DeclineURL, p.Return = "", h.address(pathProfile), f.ReturnTo
		}
	}
	h.show(w, r, p)
}

// serveEnded renders the page for a callback that failed. When the parameter page has expired or is
// forged, it renders the page for a lost callback.
func (h *Handler) serveEnded(w http.ResponseWriter, r *http.Request) {
	e, ok := h.engine.Ending(r.URL.Query().Get("page"))
	if !ok {
		h.show(w, r, Page{Kind: PageLost, AgainURL: h.startURL(h.returns.Home(), wechat.ScopeBase)})
		return
	}
	p := Page{Kind: endingPage(e.Outcome), Text: e.Text, RequestID: e.RequestID, AgainURL: h.startURL(e.ReturnTo, e.Scope)}
	if p.Kind == PageBusy {
		w.Header().Set("Retry-After", "60")
	}
	h.show(w, r, p)
}

// endingPage returns the page for the outcome of a callback.
func endingPage(outcome string) PageKind {
	switch outcome {
	case flow.EventGaveUp:
		return PageAgain
	case flow.OutcomeRefused:
		return PageRefused
	case flow.OutcomeUserRestricted:
		return PageUserRestricted
	case flow.OutcomeBusy, flow.OutcomeRateLimited, flow.EventUnavailable, flow.EventStoreFull:
		return PageBusy
	}
	return PageFault
}
