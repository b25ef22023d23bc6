// Package scan signs a desktop in with a phone, for which an official account (服务号) is enough: the
// desktop shows a QR code of the gateway, and the phone scans it in WeChat, signs in there first, and
// confirms.
//
// [New] makes a [Handler] from a [Config], and [Handler.Mount] registers its routes. Sign-in calls
// [Handler.Begin] for a browser that cannot reach WeChat.
//
//	desktop, identified by a sealed cookie (which sign-in: ?d)
//	GET  /scan             the code; or the number and the user whose phone scanned it; or the result.
//	                       Once approved: creates the session, then redeems the ticket
//	GET  /scan/state       responds when the ticket has another state than ?seen, or after 25 seconds
//	GET  /scan/code.png    this browser's code as a picture, to be saved (also code.svg)
//	POST /scan/renew       a new code
//	POST /scan/cancel      cancels; after signing in: "not me", which ends the session
//
//	phone, identified by a sealed cookie and its session
//	GET  /scan/{ticket}    the link in the code: in WeChat it goes into the cookie and leads to
//	                       /scan/confirm, elsewhere the page explains how to open it in WeChat
//	GET  /scan/confirm     which app asks, from where; then three numbers; then the result
//	POST /scan/continue        "Continue": binds the ticket to this user
//	POST /scan/answer      the number, or a refusal
//	POST /scan/undo        "not me": ends the session of the desktop
//
// A ticket's id is not a secret: everybody who sees the code can read it. Only the browser with the
// secret in its cookie is signed in, and only after a signed-in phone has chosen the number that
// this browser shows. No address alone grants access, and a GET by a phone changes nothing.
//
// A process may be killed at any moment. The session is created first, under an id derived from the
// browser's cookie, and only then is the ticket redeemed: a repeated request creates the same
// session. Once the ticket is redeemed, a repeated request continues only while that session is
// live, so a sign-out is not undone.
//
// The number does not stop an attacker who tells it to the user by telephone at the same time. So
// the pages explain what the user confirms, and an app may exclude this sign-in method.
package scan

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/netip"
	"net/url"
	"strings"
	"time"

	"github.com/weigate/weigate/internal/audit"
	"github.com/weigate/weigate/internal/gateway"
	"github.com/weigate/weigate/internal/route"
	"github.com/weigate/weigate/internal/seal"
	"github.com/weigate/weigate/internal/session"
	"github.com/weigate/weigate/internal/web"
)

// Method is the sign-in method of the sessions that this package creates.
const Method = "scan"

// methodWeChat is how a phone has to be signed in: by WeChat itself, not by another phone.
const methodWeChat = "wechat"

// Kinds of the events that this package writes.
const (
	EventRefuse = "scan_refused"      // the phone declined
	EventWrong  = "scan_wrong_number" // the phone chose another number than the desktop shows
	EventUndo   = "scan_undone"       // "not me": the session was ended
)

// MaxTickets is the default limit of open tickets that no phone has scanned: more than there are
// users in front of a screen.
const MaxTickets = 20_000

// Observation is the start or the end of a sign-in, for metrics. Its outcomes have the names of
// package flow, except "wrong_number", which only a scan has.
type Observation struct {
	Outcome string // "begun", "signed_in", "denied", "wrong_number", "refused" (the user is blocked)
}

// Config holds the settings of a [Handler]. Every field is required unless it says otherwise.
type Config struct {
	URL  string   // of the gateway; may have a path
	Keys [][]byte // seal the cookies: the first seals, all open; at least 32 bytes each
	// whether a browser is WeChat's own, in which an official account signs users in
	InWeChat   func(*http.Request) bool
	Tickets    gateway.Tickets
	MaxTickets int // optional: 0 = MaxTickets
	Users      Users
	Events     Events
	Sessions   Sessions
	Apps       func(id string) (gateway.App, bool) // the apps of the configuration
	Site       *web.Site
	Phone      string // optional: the control page of a simulator, whose phones open a code by a link

	Address   func(*http.Request) netip.Addr           // optional: the client's; the zero Addr = not known
	Stopping  <-chan struct{}                          // optional: closed when the process stops, which ends long polls
	RequestID func(context.Context) string             // optional
	Observe   func(ctx context.Context, o Observation) // optional
	Logger    *slog.Logger                             // optional
	Now       func() time.Time                         // optional
}

// Handler signs desktops in. Make it with [New]; it is safe for concurrent use.
type Handler struct {
	cfg      Config
	signIn   SignIn // set by Mount
	events   audit.Recorder
	origin   string
	path     string // of the gateway's own address; "" at the root
	cookies  cookies
	networks networks
	watch    *watcher
}

// New validates the configuration. It returns all problems, joined.
func New(cfg Config) (*Handler, error) {
	var problems []error
	if len(cfg.Keys) == 0 {
		problems = append(problems, errors.New("scan: Config.Keys is empty"))
	}
	for i, key := range cfg.Keys {
		if len(key) < seal.MinKey {
			problems = append(problems, fmt.Errorf("scan: Config.Keys[%d] has %d bytes, want at least %d", i, len(key),
				seal.MinKey))
		}
	}
	u, err := url.Parse(cfg.URL)
	if err != nil || u.Host == "" || u.Scheme != "https" && u.Scheme != "http" {
		problems = append(problems, errors.New("scan: Config.URL is not an address"))
	}
	if len(problems) > 0 {
		return nil, errors.Join(problems...)
	}
	defaults(&cfg)
	sealer, err := seal.New(cfg.Keys, "scan")
	if err != nil {
		return nil, err
	}
	marks, err := newNetworks(cfg.Keys)
	if err != nil {
		return nil, err
	}
	h := &Handler{
		cfg: cfg, origin: u.Scheme + "://" + u.Host, path: u.EscapedPath(), cookies: newCookies(u, sealer),
		networks: marks,
		events:   audit.Recorder{Events: cfg.Events, Logger: cfg.Logger, Now: cfg.Now, RequestID: cfg.RequestID},
		watch:    newWatcher(cfg.Tickets.TicketStates, cfg.Now, cfg.Logger),
	}
	return h, nil
}

func defaults(cfg *Config) {
	if cfg.MaxTickets == 0 {
		cfg.MaxTickets = MaxTickets
	}
	if cfg.Address == nil {
		cfg.Address = func(*http.Request) netip.Addr { return netip.Addr{} }
	}
	if cfg.RequestID == nil {
		cfg.RequestID = func(context.Context) string { return "" }
	}
	if cfg.Observe == nil {
		cfg.Observe = func(context.Context, Observation) {}
	}
	if cfg.Logger == nil {
		cfg.Logger = slog.New(slog.DiscardHandler)
	}
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
}

// Paths below the gateway's.
const (
	pathDesktop  = "/scan"
	pathState    = "/scan/state"
	pathPNG      = "/scan/code.png"
	pathSVG      = "/scan/code.svg"
	pathRenew    = "/scan/renew"
	pathCancel   = "/scan/cancel"
	pathConfirm  = "/scan/confirm"
	pathContinue = "/scan/continue"
	pathAnswer   = "/scan/answer"
	pathUndo     = "/scan/undo"
	pathSignIn   = "/sign-in" // of package signin: starts an app's request from the beginning
)

// Mount registers the routes. signIn finds and creates the sessions of browsers. It is a parameter
// and not a field of Config, since it is itself made with [Handler.Begin].
func (h *Handler) Mount(mux *route.Mux, signIn SignIn) {
	h.signIn = signIn
	for pattern, handler := range map[string]http.HandlerFunc{
		"GET " + pathDesktop: h.desktop, "GET " + pathState: h.state, "GET " + pathPNG: h.codePNG, "GET " +
			pathSVG: h.codeSVG,
		"POST " + pathRenew: h.renew, "POST " + pathCancel: h.cancel, "GET " + pathConfirm: h.confirm,
		"POST " + pathContinue: h.scan, "POST " + pathAnswer: h.answer, "POST " + pathUndo: h.undo,
		// A user may reload the page where a form ended.
		"GET " + pathRenew: h.toDesktop, "GET " + pathCancel: h.toDesktop,
		"GET " + pathContinue: h.toPhone, "GET " + pathAnswer: h.toPhone, "GET " + pathUndo: h.toPhone,
	} {
		method, path, _ := strings.Cut(pattern, " ")
		mux.HandleFunc(method+" "+h.path+path, guarded(handler), route.Limited)
	}
	mux.HandleFunc("GET "+h.path+pathDesktop+"/{ticket}", guarded(h.serveLink), route.Limited, route.Private)
	mux.HandleFunc(h.path+pathDesktop+"/", func(w http.ResponseWriter,
		r *http.Request) {
		h.cfg.Site.Fail(w, r, web.NotFound)
	}, route.Limited, route.Private)
}

// guarded sets headers that keep responses out of caches, and responds to HEAD without calling
// next: link previews send HEAD, and a GET may complete a sign-in.
func guarded(next http.HandlerFunc) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Cache-Control", "no-store")
		w.Header().Set("Referrer-Policy", "no-referrer")
		if r.Method == http.MethodHead {
			w.WriteHeader(http.StatusOK)
			return
		}
		next(w, r)
	}
}

// fail responds to a request that failed. The address may contain a ticket's id, so the log gets
// the pattern.
func (h *Handler) fail(w http.ResponseWriter, r *http.Request, err error) {
	r = r.Clone(r.Context())
	r.URL.Path, r.URL.RawPath = r.Pattern, ""
	h.cfg.Site.Error(w, r, err)
}

func (h *Handler) toDesktop(w http.ResponseWriter, r *http.Request) {
	route.SeeOther(w, h.path+pathDesktop+"?"+url.Values{"d": {r.URL.Query().Get("d")}}.Encode())
}

func (h *Handler) toPhone(w http.ResponseWriter, _ *http.Request) {
	route.SeeOther(w, h.path+pathConfirm)
}

// recordEvent writes an event about a ticket.
func (h *Handler) recordEvent(ctx context.Context, kind, outcome, user string, t gateway.Ticket) {
	h.events.Record(ctx, gateway.Event{
		Kind: kind, Outcome: outcome, UserID: user, App: t.App, Connector: t.Approver.Connector, Method: Method,
		Detail: t.Browser,
	})
}

func (h *Handler) observe(ctx context.Context, outcome string) {
	h.cfg.Observe(ctx, Observation{outcome})
}

// appName returns the name of the app, or of the gateway itself; "" = the app is not configured any
// more.
func (h *Handler) appName(id string) string {
	if id == "" {
		return h.cfg.Site.Title()
	}
	if app, ok := h.cfg.Apps(id); ok {
		return app.Name
	}
	return ""
}

// SignIn finds, creates and ends sessions of browsers. signin.Handler implements it.
type SignIn interface {
	session.Authenticator

	// CreateSession creates this browser's session and records the sign-in, or finds the session if
	// it was created already. It returns the session cookie. It returns gateway.ErrBlocked for a
	// blocked user, and gateway.ErrNotFound when there is no such user or, with Repeat, when that
	// session has ended.
	CreateSession(r *http.Request, a session.Authentication) (*http.Cookie, error)

	// SessionHash returns the hash under which CreateSession stores the session of a seed.
	SessionHash(seed []byte) ([32]byte, error)

	// End signs this browser out and clears its cookies with headers on w; it writes no status. A
	// browser that is signed out already is not an error.
	End(w http.ResponseWriter, r *http.Request) error
}

// Sessions ends sessions of other browsers. session.Manager implements it.
type Sessions interface {
	// End ends the session and revokes its grants. A session that does not exist any more is not an
	// error.
	End(ctx context.Context, hash [32]byte, now time.Time) error
}

// Users finds users. gateway.Users implements it.
type Users interface {
	// User is gateway.Users.User.
	User(ctx context.Context, id string) (gateway.User, error)
}

// Events stores events. gateway.Events implements it.
type Events interface {
	// AppendEvents is gateway.Events.AppendEvents.
	AppendEvents(ctx context.Context, events ...gateway.Event) error
}
