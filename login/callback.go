package login

import (
	"errors"
	"net/http"
	"net/url"
	"time"

	"github.com/weigate/weigate/wechat"
)

const (
	// wechatLimit is for both calls to WeChat together, signInLimit for those and
	// what the app and the store do with the answer. The lease is longer still:
	// while it runs, repeated callbacks wait; after it, nothing can come of it.
	wechatLimit = 10 * time.Second
	signInLimit = 13 * time.Second
	claimLease  = 15 * time.Second
	storeLimit  = claimLease - signInLimit

	// repeatWindow is how long a repeated callback may set the session cookie
	// again. WeChat's second call comes within seconds (field reports,
	// "callback called twice"), a refresh or "back" soon after.
	repeatWindow = time.Minute

	// maxCode is the longest code that is passed on: WeChat's have 32
	// characters, WeCom's documented maximum is 512 bytes.
	maxCode = 512
)

// serveCallback is where WeChat sends the browser back to, with code and state;
// without a code when the person declined (older WeChat; today it sends nothing).
//
// Nothing is sent to WeChat unless this browser has the cookie of the flow:
// Tencent's own machines fetch callbacks (field reports of 2017 to 2024), and a
// code that they burned would be lost to the person.
func (h *Handler) serveCallback(w http.ResponseWriter, r *http.Request) {
	if r.Method == http.MethodHead {
		w.WriteHeader(http.StatusOK) // a prefetch or a link checker: it must not use up a code
		return
	}
	query, err := url.ParseQuery(r.URL.RawQuery)
	state, okState := single(query, "state")
	code, okCode := single(query, "code")
	if err != nil || !okState || !okCode || !validState(state) {
		h.lost(w, r, "")
		return
	}
	f := h.cookies.findFlow(r, state)
	now := h.cfg.Now()
	switch {
	case f == nil:
		h.lost(w, r, "")
	case !now.Before(f.deadline) || f.created.After(now.Add(time.Minute)) || h.client(f.method) == nil:
		h.lost(w, r, f.returnTo)
	case code == "" || code == "authdeny": // the latter is what one WeChat client sent (field report)
		h.denied(w, r, f)
	case !validCode(code):
		h.lost(w, r, f.returnTo)
	default:
		h.complete(w, r, f, code)
	}
}

// single returns the one value of a parameter; an absent one is "". WeChat was
// seen to send a state twice, alike; two that differ are somebody's doing.
func single(query url.Values, name string) (value string, ok bool) {
	for i, v := range query[name] {
		if i > 0 && v != value {
			return "", false
		}
		value = v
	}
	return value, true
}

func validCode(code string) bool {
	if len(code) > maxCode {
		return false
	}
	for _, c := range []byte(code) {
		if c <= ' ' || c >= 0x7f {
			return false
		}
	}
	return true
}

func (h *Handler) client(door Method) *wechat.Client {
	if door == MethodWebsite {
		return h.cfg.WebsiteApp
	}
	return h.cfg.OfficialAccount
}

// lost answers a callback that belongs to no flow of this browser: a prefetch, a
// shared link, a stale page, somebody else's state, or a browser without
// cookies. It goes to an address without code and state, and sends a cookie
// along that tells the last case from the others there.
//
// A browser that is signed in has nothing to be told: the page it asked for was
// its own, long ago.
func (h *Handler) lost(w http.ResponseWriter, r *http.Request, returnTo string) {
	if _, err := h.Session(r); err == nil {
		if returnTo == "" {
			returnTo = h.returns.home()
		}
		seeOther(w, h.returns.absolute(returnTo))
		return
	}
	h.cookies.set(w, h.cookies.probe(), "1", probeAge)
	target := h.address(pathLost)
	if returnTo != "" {
		target += "?return=" + url.QueryEscape(returnTo)
	}
	h.log(r, nil, "lost", nil)
	seeOther(w, target)
}

// serveLost shows the page for it. The way on is a button: a page that went on by
// itself would go round for ever in a browser without cookies.
func (h *Handler) serveLost(w http.ResponseWriter, r *http.Request) {
	returnTo, err := h.returns.check(r.URL.Query().Get("return"))
	if err != nil {
		returnTo = h.returns.home()
	}
	p := Page{Kind: PageNoCookies, AgainURL: h.again(returnTo, wechat.ScopeBase)}
	if h.cookies.has(r, h.cookies.probe()) {
		h.cookies.clear(w, h.cookies.probe())
		p.Kind = PageLost
	}
	h.show(w, r, p)
}

// denied shows the way on after a refusal. The flow is left as it was: GET
// changes nothing, and WeChat may still call with a code.
func (h *Handler) denied(w http.ResponseWriter, r *http.Request, f *flow) {
	p := Page{Kind: PageDenied, AgainURL: h.again(f.returnTo, f.scope)}
	if f.scope == wechat.ScopeUserInfo {
		p.WithoutURL = h.again(f.returnTo, wechat.ScopeBase)
		if _, err := h.Session(r); err == nil {
			p.WithoutURL, p.DeclineURL, p.Return = "", h.address(pathProfile), f.returnTo
		}
	}
	h.log(r, f, "denied", nil)
	h.show(w, r, p)
}

// complete exchanges the code, or finds out what came of its exchange, and
// answers.
func (h *Handler) complete(w http.ResponseWriter, r *http.Request, f *flow, code string) {
	id, err := sessionID(f.secret)
	if err != nil {
		h.endFault(w, r, f, err)
		return
	}
	out, fresh, err := h.outcome(r, f, code, id)
	switch {
	case errors.Is(err, errStartAgain):
		h.startAgain(w, r, f)
	case err != nil && r.Context().Err() != nil:
		// The visitor has gone; whoever waits in another request is answered there.
		w.WriteHeader(http.StatusServiceUnavailable)
	case errors.Is(err, ErrStoreFull):
		h.log(r, f, "store_full", err)
		h.end(w, r, f, PageBusy, "")
	case isPassing(err) && !fresh: // else the exchange has had its line in the log
		h.log(r, f, "unavailable", err)
		h.end(w, r, f, PageBusy, "")
	case err != nil:
		h.endFault(w, r, f, err)
	default:
		h.answer(w, r, f, id, out, fresh)
	}
}

// answer turns an outcome into a response, for the request that exchanged the
// code (fresh) and for its repeats alike.
func (h *Handler) answer(w http.ResponseWriter, r *http.Request, f *flow, id string, out Outcome, fresh bool) {
	if !fresh {
		h.log(r, f, "repeat of "+string(out.Kind), nil)
	}
	switch out.Kind {
	case OutcomeSignedIn:
		h.signedIn(w, r, f, id, out, fresh)
	case OutcomeCodeRefused:
		h.startAgain(w, r, f)
	case OutcomeSnapshot:
		h.cookies.set(w, h.cookies.notice(), "1", noticeAge)
		seeOther(w, h.again(f.returnTo, f.scope))
	case OutcomeAppRefused:
		h.end(w, r, f, PageRefused, out.Text)
	case OutcomeUserRestricted:
		h.end(w, r, f, PageUserRestricted, "")
	case OutcomeBusy, OutcomeRateLimited:
		h.end(w, r, f, PageBusy, "")
	default:
		h.end(w, r, f, PageFault, "")
	}
}

// endFault is fail for a callback.
func (h *Handler) endFault(w http.ResponseWriter, r *http.Request, f *flow, err error) {
	h.cfg.Logger.ErrorContext(r.Context(), "sign-in: failed", "error", err, "request", h.requestID(r))
	h.end(w, r, f, pageFor(err), "")
}

// signedIn sets the session cookie and goes to the return address. A repeat gets
// the same cookie while it is young and the session lives, so that a sign-out
// stays a sign-out.
func (h *Handler) signedIn(w http.ResponseWriter, r *http.Request, f *flow, id string, out Outcome, fresh bool) {
	now := h.cfg.Now()
	if !fresh && now.Sub(out.At) >= repeatWindow {
		h.lost(w, r, f.returnTo)
		return
	}
	if !fresh {
		if _, err := h.cfg.Store.Session(r.Context(), hashed("session", id), now); errors.Is(err, ErrNoSession) {
			h.lost(w, r, f.returnTo)
			return
		} else if err != nil {
			h.endFault(w, r, f, err)
			return
		}
	}
	h.cookies.set(w, h.cookies.session(), id, h.cfg.SessionMax)
	h.cookies.leaveTrace(w, restartsOf(f.state)+1, now)
	seeOther(w, h.returns.absolute(f.returnTo))
}

// startAgain begins anew by itself, twice; then it asks the person.
func (h *Handler) startAgain(w http.ResponseWriter, r *http.Request, f *flow) {
	if !h.restart(w, r, f) {
		h.log(r, f, "gave_up", nil)
		h.end(w, r, f, PageAgain, "")
	}
}
