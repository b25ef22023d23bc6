// Package flow runs authorizations at WeChat. An authorization in progress is called a flow. The
// package sends a browser to WeChat, reads the callback (the request to the redirect URI) and
// redeems the code once. It answers repeated callbacks from the outcome of the first callback.
//
// The names to know are [New] with its [Config], and the methods of [Engine] in the order of a
// sign-in: [Engine.Prepare], [Engine.Start] and [Engine.Callback]. Each returns a [Result]: the
// kind of response, and the cookies to set with it. The package writes no response, has no pages
// and stores no sessions. Its two callers do this: package login for a program's own sessions, and
// internal/signin for the sessions of the gateway. They pass a [RecordFunc] to Callback. This
// function records the user and the session.
//
// What the package guarantees:
//
//   - A code is redeemed only for the browser that started the flow. The flow is stored in a cookie
//     of that browser. The cookie is encrypted and bound to its name. The state in the cookie is
//     compared with the state of the callback in constant time.
//   - A code is redeemed once. An [Attempt] is stored before the code is sent to WeChat. Its lease
//     is the time by which the outcome must be stored. When the lease passes without an outcome,
//     the flow starts again; the code is never sent a second time. WeChat sometimes requests the
//     callback twice, even with two codes for one state (many field reports). The second code is
//     redeemed only if WeChat refused the first code a few seconds ago. A third code is never sent.
//   - A repeated callback never creates a second session, since [Flow.SessionID] is derived from a
//     secret in the cookie.
//   - Made-up codes do not use up WeChat's quota of calls: see [Limits].
//   - A flow that requires the user's consent is not completed without it: see OutcomeConsentMissing.
//   - No browser is sent to WeChat endlessly. The last character of the state counts the restarts
//     and the recent sign-ins without a session; a cookie carries this count to the next sign-in.
package flow

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"strings"
	"time"

	"github.com/weigate/weigate/internal/cookie"
	"github.com/weigate/weigate/internal/seal"
	"github.com/weigate/weigate/internal/useragent"
	"github.com/weigate/weigate/wechat"
)

// Config is the configuration of an [Engine]. Fields are required unless marked optional.
type Config struct {
	Callback        string                       // absolute URL of the callback, the redirect URI at WeChat
	Cookies         cookie.Set                   // names and attributes of the cookies, for the program's base URL
	Keys            [][]byte                     // for the cookies: the first key encrypts, all keys decrypt
	OfficialAccount *wechat.Client               // for MethodWeChat; at least one of the two clients is required
	WebsiteApp      *wechat.Client               // for MethodWebsite
	Attempts        Attempts                     // the store of attempts
	Limits          Limits                       // optional: on the exchanges of codes; nil = none
	AvatarHosts     map[string]bool              // optional: origins of avatars besides WeChat's
	OnEvent         func(context.Context, Event) // optional: for metrics
	Logger          *slog.Logger
	Now             func() time.Time
}

// Engine runs the authorizations of one callback URL. Engines with the same Cookies, Keys and
// Attempts can complete each other's flows. An Engine has no state in memory, and is safe for
// concurrent use.
type Engine struct {
	cfg      Config
	cookies  flowCookies
	failures *seal.Sealer // encrypts a Failure for the URL of its page
}

// New returns an Engine. It returns an error when no client is set or a key is too short.
func New(cfg Config) (*Engine, error) {
	if cfg.OfficialAccount == nil && cfg.WebsiteApp == nil {
		return nil, errors.New("flow: neither an official account nor a website app")
	}
	if cfg.OnEvent == nil {
		cfg.OnEvent = func(context.Context, Event) {}
	}
	if cfg.Limits == nil {
		cfg.Limits = unlimited{}
	}
	e := &Engine{cfg: cfg, cookies: flowCookies{Set: cfg.Cookies}}
	var err error
	if e.cookies.flows, err = seal.New(cfg.Keys, "flow"); err != nil {
		return nil, err
	}
	if e.cookies.signInCounts, err = seal.New(cfg.Keys, "flow sign-in count"); err != nil {
		return nil, err
	}
	e.failures, err = seal.New(cfg.Keys, "flow failure")
	return e, err
}

// client returns WeChat's client for a sign-in method, or nil when it is not configured.
func (e *Engine) client(m Method) *wechat.Client {
	if m == MethodWebsite {
		return e.cfg.WebsiteApp
	}
	return e.cfg.OfficialAccount
}

// Browser describes the browser that sent a request. The calling package fills it in.
type Browser struct {
	Request    *http.Request
	RequestID  string
	Language   string      // "en" or "zh-CN": for WeChat's pages and for profiles
	Network    string      // the client's network, for which Limits count refused codes; "" = not known
	HasSession func() bool // reports whether the browser is signed in
}

const english = "en" // a value of Browser.Language

// Kind is the kind of a [Result].
type Kind int

// The kinds of results. Each comment lists the fields of Result that are set besides Cookies.
const (
	// InternalError is an error of the program (Err).
	InternalError Kind = iota
	// Ready is the result of Prepare for a browser that can be sent to WeChat with Start.
	Ready
	// Loop is the result of Prepare when sign-ins succeed but no session is found afterwards.
	Loop
	// SnapshotNotice is the result of Prepare when a page must explain WeChat's snapshot page
	// (快照页).
	SnapshotNotice
	// ToWeChat redirects the browser to WeChat (Location, Flow).
	ToWeChat
	// StatusOnly is a response with a status and no body (Status).
	StatusOnly
	// SignedIn sets the session cookie and redirects to the return address (Flow, Outcome, Repeat).
	SignedIn
	// Lost is the result for a callback that belongs to no flow of this browser (Flow is nil), or
	// that cannot complete its flow, for example because the flow has expired (Flow).
	Lost
	// Denied is the result when the user declined at WeChat (Flow).
	Denied
	// Snapshot is the result for a virtual user of WeChat's snapshot page (Flow). The caller
	// redirects to the start of the sign-in, where Prepare returns SnapshotNotice.
	Snapshot
	// CallbackFailed redirects to the error page, which has a URL without the code (Flow, Failure).
	CallbackFailed
)

// Result describes the response to a request. The caller writes the response.
type Result struct {
	Kind     Kind
	Cookies  []*http.Cookie // to set with the response
	Location string         // URL at WeChat
	Status   int            // HTTP status
	Flow     *Flow
	Outcome  Outcome
	Repeat   bool   // an earlier request wrote the outcome
	Failure  string // an encrypted [Failure], for the query of the error page
	Err      error
}

// SetCookies sets the cookies of the result.
func (res *Result) SetCookies(w http.ResponseWriter) {
	for _, c := range res.Cookies {
		http.SetCookie(w, c)
	}
}

// Prepare decides whether a browser can be sent to WeChat. The result is Ready, or the kind of a
// page to render first: SnapshotNotice or Loop.
//
// On a snapshot page (快照页), WeChat returns a virtual user. A virtual user is never signed in.
// Instead, the next Prepare returns SnapshotNotice, for a page that explains WeChat's button
// 使用完整服务. The button reloads the URL of the page. That URL starts the sign-in, and this time
// Prepare returns Ready.
func (e *Engine) Prepare(b Browser) Result {
	if e.cookies.Has(b.Request, cookieNotice) {
		return Result{Kind: SnapshotNotice, Cookies: []*http.Cookie{e.cookies.Clear(cookieNotice)}}
	}
	if e.signInsWithoutSession(b) > maxRestarts {
		e.cfg.Logger.ErrorContext(b.Request.Context(), "sign-in loop stopped", "request_id", b.RequestID,
			"hint", "sessions are not found after successful sign-ins: "+
				"do all processes share one store, and does the session cookie reach the program?")
		// The count is cleared, so that the button of the page starts another sign-in.
		return Result{Kind: Loop, Cookies: []*http.Cookie{e.cookies.Clear(cookieSignInCount)}}
	}
	return Result{Kind: Ready}
}

// signInsWithoutSession returns the number of recent sign-ins of a browser that succeeded, but left
// the browser without a session. It returns 0 if the browser has a session: then the user signs in
// again on purpose.
func (e *Engine) signInsWithoutSession(b Browser) int {
	n := e.cookies.signInCount(b.Request, e.cfg.Now())
	if n > 0 && b.HasSession() {
		return 0
	}
	return n
}

// Start sends the browser to WeChat. The result is ToWeChat or InternalError.
//
// Start also detects loops. The count in the state begins with the number of recent sign-ins that
// left the browser without a session. Each call of restart adds one to the count. When the sign-in
// succeeds, callbackResult stores the count plus one in a cookie. The next Prepare reads the
// cookie, and returns Loop if the number exceeds maxRestarts.
func (e *Engine) Start(b Browser, req Request) Result {
	return e.send(b, newFlow(req, e.signInsWithoutSession(b), e.cfg.Now()))
}

// restart sends the browser to WeChat again, for a flow whose code was refused or whose outcome is
// unknown. After maxRestarts it returns an error page, so that the user decides.
func (e *Engine) restart(b Browser, old *Flow) Result {
	restarts := restartsOf(old.state) + 1
	if restarts > maxRestarts {
		e.logCallback(b, old, EventGaveUp, nil)
		return e.callbackFailed(b, old, EventGaveUp, "")
	}
	return e.send(b, newFlow(old.Request, restarts, e.cfg.Now()))
}

// send returns the redirect to WeChat for a new flow, and the cookie with the flow.
func (e *Engine) send(b Browser, f *Flow) Result {
	client := e.client(f.Method)
	if client == nil {
		return Result{Kind: InternalError, Err: errors.New("flow: no client for method " + string(f.Method))}
	}
	var target string
	var err error
	if f.Method == MethodWebsite {
		language := "cn" // WeChat's value for Chinese
		if b.Language == english {
			language = "en"
		}
		target, err = client.QRConnectURL(wechat.QRConnectRequest{
			RedirectURI: e.cfg.Callback, State: f.state, Lang: language,
		})
	} else {
		target, err = client.AuthorizeURL(wechat.AuthorizeRequest{
			RedirectURI: e.cfg.Callback, State: f.state, Scope: f.Scope, ForcePopup: f.ForcePopup,
		})
	}
	if err != nil {
		return Result{Kind: InternalError, Err: err}
	}
	changes, err := e.cookies.add(b.Request, f, e.cfg.Now())
	if err != nil {
		return Result{Kind: InternalError, Err: err}
	}
	if f.Method == MethodWeChat && !useragent.InWeChat(b.Request) {
		// Only a simulator of WeChat accepts this browser. The browser would keep the fragment
		// through every redirect, up to the URL of the program's page. WeChat's own browser drops
		// the fragment.
		target = strings.TrimSuffix(target, "#wechat_redirect")
	}
	e.sendEvent(b, f, EventStarted)
	return Result{Kind: ToWeChat, Location: target, Cookies: changes, Flow: f}
}

// ClearCookies returns cookies that remove every pending flow of the browser and the count of its
// sign-ins. A sign-out sets them, so that the back button does not create the session again.
func (e *Engine) ClearCookies(r *http.Request) []*http.Cookie {
	changes := []*http.Cookie{e.cookies.Clear(cookieSignInCount)}
	cleared := map[string]bool{}
	for name := range e.cookies.WithPrefix(r, cookieFlow) {
		if !cleared[name] {
			cleared[name] = true
			changes = append(changes, e.cookies.Clear(name))
		}
	}
	return changes
}

// AcceptsCookies reports whether the browser sent the cookie that Lost set, and returns the cookie
// that removes it. The page for a lost callback explains the cause. AcceptsCookies shows whether
// rejected cookies are the cause.
func (e *Engine) AcceptsCookies(r *http.Request) (bool, *http.Cookie) {
	return e.cookies.Has(r, cookieProbe), e.cookies.Clear(cookieProbe)
}
