// Package flow runs one authorization at WeChat: it sends a browser there, reads the callback,
// redeems the code once, and answers repeated callbacks from the outcome of the first.
//
// The names to know are [New] with its [Config], and the methods of [Engine] in the order of a
// sign-in: [Engine.Prepare], [Engine.Start] and [Engine.Callback]. Each returns a [Result]: what to
// answer, and the cookies to set with the answer. The package writes no response, has no pages and
// stores no sessions. The two packages that use it do: login for a program's own sessions,
// internal/signin for the gateway's. They pass a [Complete] function to Callback, which records the
// user and the session.
//
// What the package guarantees:
//
//   - A code is redeemed only for the browser that started the flow. The flow travels in a cookie
//     of that browser, which is encrypted and bound to its name; the state in it is compared in
//     constant time.
//   - A code is redeemed once. An [Attempt] is stored before the code is sent to WeChat. An attempt
//     whose lease passed without an outcome is a flow that starts again, never a second redemption.
//     WeChat does call twice, sometimes with two codes for one state (many field reports): the
//     second code counts only when WeChat refused the first.
//   - However often a callback is repeated, it is one session, since [Flow.SessionID] is derived
//     from a secret in the cookie.
//   - No browser is sent to WeChat endlessly: the last character of the state counts the restarts
//     (WeChat returns it even where cookies are lost), and a cookie counts sign-ins that succeeded
//     within a minute.
package flow

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/weigate/weigate/internal/cookie"
	"github.com/weigate/weigate/internal/seal"
	"github.com/weigate/weigate/wechat"
)

// Config is the configuration of an [Engine]. Fields are required unless marked optional.
type Config struct {
	Callback        string         // absolute address of the callback
	Cookies         cookie.Set     // of the base URL; the session cookie is CookieSession in it
	Keys            [][]byte       // seal the cookies: the first seals, all open
	OfficialAccount *wechat.Client // at least one of the two clients is required
	WebsiteApp      *wechat.Client
	Attempts        Attempts
	AvatarHosts     map[string]bool              // optional: origins, besides WeChat's, of avatars
	OnEvent         func(context.Context, Event) // optional
	Logger          *slog.Logger
	Now             func() time.Time
}

// Engine runs the authorizations of one callback address. Engines with the same Cookies, Keys and
// Attempts share their pending flows. An Engine keeps no state in memory, and is safe for concurrent
// use.
type Engine struct {
	cfg     Config
	cookies cookies
	endings *seal.Sealer
}

// New returns an Engine. It returns an error when no client is set or a key is too short.
func New(cfg Config) (*Engine, error) {
	if cfg.OfficialAccount == nil && cfg.WebsiteApp == nil {
		return nil, errors.New("flow: neither an official account nor a website app")
	}
	if cfg.OnEvent == nil {
		cfg.OnEvent = func(context.Context, Event) {}
	}
	e := &Engine{cfg: cfg, cookies: cookies{Set: cfg.Cookies}}
	var err error
	if e.cookies.flows, err = seal.New(cfg.Keys, "flow"); err != nil {
		return nil, err
	}
	if e.cookies.traces, err = seal.New(cfg.Keys, "flow trace"); err != nil {
		return nil, err
	}
	e.endings, err = seal.New(cfg.Keys, "flow ending")
	return e, err
}

// client returns the client of a method, or nil.
func (e *Engine) client(m Method) *wechat.Client {
	if m == MethodWebsite {
		return e.cfg.WebsiteApp
	}
	return e.cfg.OfficialAccount
}

// Browser is the browser that sent a request. The calling package fills it in.
type Browser struct {
	Request    *http.Request
	RequestID  string
	Language   string      // "en" or "zh-CN": of WeChat's pages and of profiles
	HasSession func() bool // reports whether the browser has a session
}

const english = "en"

// Kind is the kind of a [Result].
type Kind int

// The kinds of results. Each comment lists the fields of Result that are set besides Cookies.
const (
	InternalError  Kind = iota // Err: an internal error
	Ready                      // of Prepare: Start may follow
	Loop                       // of Prepare: sign-ins succeed, but the sessions are not found afterwards
	SnapshotNotice             // of Prepare: explain WeChat's button 使用完整服务, once
	ToWeChat                   // redirect the browser to Location
	StatusOnly                 // answer with Status and nothing else
	SignedIn                   // Flow, Outcome, Repeat: continue at the return address
	Lost                       // Flow or nil: the callback belongs to no flow of this browser, or to an expired one
	Denied                     // Flow: the user declined at WeChat
	Snapshot                   // Flow: start again; Prepare then returns SnapshotNotice
	CallbackFailed             // Ending: redirect to a page about it, at an address without the code
)

// Result is what to answer. The package that uses the engine writes the response.
type Result struct {
	Kind     Kind
	Cookies  []*http.Cookie // to set with the answer
	Location string
	Status   int
	Flow     *Flow
	Outcome  Outcome
	Repeat   bool // an earlier request wrote the outcome
	Failure  string
	Err      error
}

// SetCookies sets the cookies of the result.
func (res *Result) SetCookies(w http.ResponseWriter) {
	for _, c := range res.Cookies {
		http.SetCookie(w, c)
	}
}

// Prepare returns Ready for a browser that may be sent to WeChat, or a reason to show a page first.
//
// WeChat's snapshot page reloads the start address once the user has pressed 使用完整服务. So the page
// that explains it is shown there, once, and the reload starts again.
func (e *Engine) Prepare(b Browser) Result {
	if e.cookies.Has(b.Request, cookieNotice) {
		return Result{Kind: SnapshotNotice, Cookies: []*http.Cookie{e.cookies.Clear(cookieNotice)}}
	}
	if e.succeeded(b) > maxRestarts {
		e.cfg.Logger.ErrorContext(b.Request.Context(), "sign-in loop stopped", "request_id", b.RequestID,
			"hint", "sessions are not found after successful sign-ins: "+
				"do all processes share one store, and does the session cookie reach the program?")
		// The cookie is cleared, so that a user who presses the button gets another try.
		return Result{Kind: Loop, Cookies: []*http.Cookie{e.cookies.Clear(cookieTrace)}}
	}
	return Result{Kind: Ready}
}

// succeeded returns how many recent sign-ins of the browser succeeded without a session afterwards.
func (e *Engine) succeeded(b Browser) int {
	n := e.cookies.readTrace(b.Request, e.cfg.Now())
	if n > 0 && b.HasSession() {
		return 0 // the session is there: the user signs in again on purpose
	}
	return n
}

// Start sends the browser to WeChat. The result is ToWeChat or Failed.
func (e *Engine) Start(b Browser, req Request) Result {
	return e.send(b, newFlow(req, e.succeeded(b), e.cfg.Now()))
}

// restart sends the browser to WeChat once more, for a flow whose code was refused or whose outcome
// is unknown. After maxRestarts the user decides.
func (e *Engine) restart(b Browser, old *Flow) Result {
	restarts := restartsOf(old.state) + 1
	if restarts > maxRestarts {
		e.log(b, old, EventGaveUp, nil)
		return e.end(b, old, EventGaveUp, "")
	}
	return e.send(b, newFlow(old.Request, restarts, e.cfg.Now()))
}

func (e *Engine) send(b Browser, f *Flow) Result {
	client := e.client(f.Method)
	if client == nil {
		return Result{Kind: InternalError, Err: errors.New("flow: no client for method " + string(f.Method))}
	}
	var target string
	var err error
	if f.Method == MethodWebsite {
		language := "cn"
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
	set, err := e.cookies.keep(b.Request, f, e.cfg.Now())
	if err != nil {
		return Result{Kind: InternalError, Err: err}
	}
	if f.Method == MethodWeChat && ClassifyUserAgent(b.Request) != InWeChat {
		// Only a simulator accepts such a browser. WeChat's client removes the fragment; other
		// browsers keep it through every redirect, and it would be in the address of the program's
		// page.
		target = strings.TrimSuffix(target, "#wechat_redirect")
	}
	e.event(b, f, EventStarted)
	return Result{Kind: ToWeChat, Location: target, Cookies: set, Flow: f}
}

// ClearCookies returns cookies that remove every pending flow of the browser, and the trace of its
// sign-ins, so that the back button does not bring a session back after signing out.
func (e *Engine) ClearCookies(r *http.Request) []*http.Cookie {
	set := []*http.Cookie{e.cookies.Clear(cookieTrace)}
	for _, name := range e.cookies.Below(r, cookieFlow) {
		set = append(set, e.cookies.Clear(name))
	}
	return set
}

// KeepsCookies reports whether the browser sent the cookie that a lost callback set, and returns
// the cookie that removes it.
func (e *Engine) AcceptsCookies(r *http.Request) (bool, *http.Cookie) {
	return e.cookies.Has(r, cookieProbe), e.cookies.Clear(cookieProbe)
}

// singleValue returns the value of a parameter, "" when it is absent. ok is false for two different
// values, which come from an attacker. WeChat has been seen to send the same state twice.
func singleValue(query url.Values, name string) (value string, ok bool) {
	for i, v := range query[name] {
		if i > 0 && v != value {
			return "", false
		}
		value = v
	}
	return value, true
}

// UserAgentClass is the kind of browser, by its User-Agent header. It decides which page a visitor
// sees, never what the visitor may do: every client can send any user agent.
type UserAgentClass int

// The classes.
const (
	InWeChat  UserAgentClass = iota // WeChat's own browser, on a phone or a desktop
	OnPhone                         // another browser on a phone or tablet, also WeCom and mini-programs
	OnDesktop                       // any other browser
)

// ClassOf returns the class of a request's User-Agent. WeChat's contains "MicroMessenger" in all captured
// examples (phones and Windows); WeCom adds "wxwork" and the web view of a mini-program
// "miniProgram", and in neither does the sign-in of an official account work.
func ClassifyUserAgent(r *http.Request) UserAgentClass {
	agent := strings.ToLower(r.UserAgent())
	has := func(part string) bool { return strings.Contains(agent, part) }
	switch {
	case has("wxwork") || has("miniprogram"):
		return OnPhone
	case has("micromessenger"):
		return InWeChat
	case has("mobile") || has("android") || has("iphone") || has("ipad"):
		return OnPhone
	}
	return OnDesktop
}

// FromWeChat reports whether a request comes from WeChat's own browser, where an official account
// can sign users in.
func FromWeChat(r *http.Request) bool { return ClassifyUserAgent(r) == InWeChat }
