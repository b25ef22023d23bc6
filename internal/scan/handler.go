// Package scan signs a desktop in with a phone. The desktop is the browser that shows a QR code; it
// may itself be on a phone. The phone opens the QR code in WeChat, signs in there through an
// official account (服务号), and confirms. A website app (网站应用) at WeChat is not needed.
//
// [New] makes a [Handler] from a [Config], and [Handler.Mount] registers its routes. Package signin
// calls [Handler.Begin] when a browser is to sign in by this method.
//
// A ticket ([gateway.Ticket]) is the row in the store for one QR code. Its state changes from open
// to opened, scanned, approved and redeemed. Desktop and phone communicate only through the ticket.
//
//	desktop: a sealed cookie for each sign-in, selected by the parameter d
//	GET  /scan             the page for the ticket's state: the QR code; then a number; then the result.
//	                       Once the phone has approved, this request redeems the ticket
//	GET  /scan/state       long poll: responds when the ticket's state is no longer the state that the page
//	                       shows (the parameter seen), or after 25 seconds
//	GET  /scan/code.png    this browser's QR code as a picture, to be saved (also code.svg)
//	POST /scan/renew       a new QR code
//	POST /scan/cancel      cancels; after signing in: "not me", which ends the session
//
//	phone: a sealed cookie with the ticket's id, and a session
//	GET  /scan/{ticket}    the link in the QR code. In WeChat: stores the id in the cookie and redirects to
//	                       /scan/confirm. Elsewhere: a page that explains how to open the link in WeChat
//	GET  /scan/confirm     the page for the ticket's state: the app and the desktop that want to sign in;
//	                       then a field for the number; then the result
//	POST /scan/opened      the script of that page: the desktop then shows 扫描成功 (scanned)
//	POST /scan/continue    "Continue": no other phone can answer the ticket any more
//	POST /scan/answer      the typed number, or a refusal
//	POST /scan/undo        "not me": ends the session of the desktop. It finds the ticket and the session
//	                       by the phone's user, also after the phone has opened another QR code
//
// A ticket's id is not a secret: everybody who sees the QR code can read it. The desktop shows a
// number, which the user types on the signed-in phone. Then the browser with the secret in its
// cookie is signed in, and no other browser. No URL alone grants access. A GET request of a phone
// does not change the ticket.
//
// A process may be killed at any moment. Therefore the store redeems the ticket and stores the
// session in one transaction. The id of the session is derived from the browser's cookie, so a
// repeated request gets the same session. After that session has ended, a repeated request gets no
// session: a sign-out is not undone.
//
// The number protects from phishing. An attacker may send the QR code of the attacker's own browser
// to a victim. The victim does not see the number on the attacker's screen. The number does not
// help if the attacker tells the number to the victim by telephone. Therefore the pages explain
// what the user confirms, and an app may exclude this sign-in method.
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
	"github.com/weigate/weigate/internal/lang"
	"github.com/weigate/weigate/internal/limit"
	"github.com/weigate/weigate/internal/longpoll"
	"github.com/weigate/weigate/internal/qr"
	"github.com/weigate/weigate/internal/route"
	"github.com/weigate/weigate/internal/seal"
	"github.com/weigate/weigate/internal/session"
	"github.com/weigate/weigate/internal/tabs"
	"github.com/weigate/weigate/internal/web"
)

// Method is the sign-in method of the sessions that this package creates.
const Method = "scan"

// methodWeChat is how a phone has to be signed in: by WeChat itself, not by another phone.
const methodWeChat = "wechat"

// Kinds of the events that this package stores.
const (
	EventRefuse = "scan_refused"      // the phone declined
	EventWrong  = "scan_wrong_number" // the number typed on the phone is not the desktop's
	EventUndo   = "scan_undone"       // "not me": the session was ended
)

// Observation is the start or the end of a sign-in, for metrics. Only the outcome "wrong_number" is
// specific to scan.
type Observation struct {
	Outcome string // "begun", "signed_in", "denied", "wrong_number", "refused" (the user is blocked)
}

// SignIn finds, creates and ends sessions of browsers. signin.Handler implements it.
type SignIn interface {
	session.Authenticator // Session, Begin and AskProfile

	// NewSession returns the session and the event that are stored when the ticket is redeemed.
	NewSession(a session.Authentication) (gateway.Session, gateway.Event, error)

	// ResumeSession returns the cookie of the session that was stored for a. It returns
	// gateway.ErrNotFound when that session has ended, and gateway.ErrBlocked for a blocked user.
	ResumeSession(r *http.Request, a session.Authentication) (*http.Cookie, error)

	// SessionHash returns the hash of the id of the session that NewSession returns for a seed.
	SessionHash(seed []byte) ([32]byte, error)

	// End signs this browser out and clears its cookies with headers on w; it writes no status. A
	// browser that is signed out already is not an error.
	End(w http.ResponseWriter, r *http.Request) error
}

// Sessions lists and ends sessions of other browsers. session.Manager implements it.
type Sessions interface {
	// UserSessions returns the user's sessions, the one used last first.
	UserSessions(ctx context.Context, userID string, now time.Time) ([]gateway.Session, error)

	// Find returns the session with this hash and its user, or gateway.ErrNotFound.
	Find(ctx context.Context, hash [32]byte, now time.Time) (gateway.Session, gateway.User, error)

	// End ends the session and revokes its grants. A session that does not exist any more is not an
	// error.
	End(ctx context.Context, hash [32]byte, now time.Time) error
}

// Users finds users. gateway.Users implements it.
type Users interface {
	// User returns the user with this id, or gateway.ErrNotFound. If the user was joined into another
	// user, it returns that other user.
	User(ctx context.Context, id string) (gateway.User, error)
}

// Events stores events. gateway.Events implements it.
type Events interface {
	// AppendEvents stores events, all or none.
	AppendEvents(ctx context.Context, events ...gateway.Event) error
}

// Config holds the settings of a [Handler]. Every field is required unless it says otherwise.
type Config struct {
	URL  string   // of the gateway; may have a path
	Keys [][]byte // encrypt the cookies: the first key encrypts, every key decrypts; at least 32 bytes each
	// InWeChat reports whether the browser is WeChat's own. An official account can sign users in
	// there only.
	InWeChat     func(*http.Request) bool
	Tickets      gateway.Tickets
	TicketLimits gateway.TicketLimits // optional: zero = the limits of package limit
	Limits       *limit.Limiter       // optional: counts wrong numbers by user
	Users        Users
	Events       Events
	Sessions     Sessions
	Apps         func(id string) (gateway.App, bool) // finds an app in the configuration by its id
	Site         *web.Site
	Phone        string // optional: address of the WeChat simulator, whose simulated phones open the QR code

	Address   func(*http.Request) netip.Addr           // optional: the client's IP address; zero = not known
	Stopping  <-chan struct{}                          // optional: closed when the process stops; ends long polls
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
	origin   string // of Config.URL
	path     string // of Config.URL; "" at the root
	cookies  cookies
	tabs     *tabs.Cookies // of the desktops
	networks networkKeys   // compares the network of the desktop with the network of the phone
	watcher  *longpoll.Watcher[gateway.TicketState]
	pictures *qr.Pictures
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
	tabSealer, err := tabs.NewSealer(cfg.Keys)
	if err != nil {
		return nil, err
	}
	netKeys, err := newNetworkKeys(cfg.Keys)
	if err != nil {
		return nil, err
	}
	h := &Handler{
		cfg: cfg, origin: u.Scheme + "://" + u.Host, path: u.EscapedPath(), cookies: newCookies(u, sealer),
		tabs:     tabs.New(u, tabSealer, tabs.Scan),
		networks: netKeys, pictures: qr.NewPictures(),
		events:  audit.Recorder{Events: cfg.Events, Logger: cfg.Logger, Now: cfg.Now, RequestID: cfg.RequestID},
		watcher: longpoll.New(cfg.Tickets.TicketStates, "ticket", cfg.Now, cfg.Logger),
	}
	return h, nil
}

// defaults sets the optional fields that are missing.
func defaults(cfg *Config) {
	if cfg.TicketLimits == (gateway.TicketLimits{}) {
		cfg.TicketLimits = gateway.TicketLimits{Total: limit.Tickets.Max, PerNetwork: limit.TicketsPerNetwork.Max}
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

// Paths below the path of Config.URL.
const (
	pathDesktop  = "/scan"
	pathState    = "/scan/state"
	pathPNG      = "/scan/code.png"
	pathSVG      = "/scan/code.svg"
	pathRenew    = "/scan/renew"
	pathCancel   = "/scan/cancel"
	pathConfirm  = "/scan/confirm"
	pathOpened   = "/scan/opened"
	pathContinue = "/scan/continue"
	pathAnswer   = "/scan/answer"
	pathUndo     = "/scan/undo"
)

// Mount registers the routes. signIn finds and creates the sessions of browsers.
//
// signIn is not a field of Config, because the two handlers need each other. A scan.Handler creates
// sessions with signin.Handler. signin.Handler starts a sign-in by scan with [Handler.Begin]. The
// order is: scan.New first, then signin.New with Begin, then Mount with the signin.Handler.
func (h *Handler) Mount(mux *route.Mux, signIn SignIn) {
	h.signIn = signIn
	for pattern, handler := range map[string]http.HandlerFunc{
		"GET " + pathDesktop: h.desktop,
		"GET " + pathState:   h.state,
		"GET " + pathPNG:     h.codePNG,
		"GET " + pathSVG:     h.codeSVG,
		"POST " + pathRenew:  h.renew,
		"POST " + pathCancel: h.cancel,

		"GET " + pathConfirm:   h.confirm,
		"POST " + pathOpened:   h.opened,
		"POST " + pathContinue: h.continueScan,
		"POST " + pathAnswer:   h.answer,
		"POST " + pathUndo:     h.undo,

		// The page after a form has the address of the form. A browser may request that address with
		// GET, for example when it restores its tabs.
		"GET " + pathRenew:    h.redirectToDesktop,
		"GET " + pathCancel:   h.redirectToDesktop,
		"GET " + pathOpened:   h.redirectToPhone,
		"GET " + pathContinue: h.redirectToPhone,
		"GET " + pathAnswer:   h.redirectToPhone,
		"GET " + pathUndo:     h.redirectToPhone,
	} {
		method, path, _ := strings.Cut(pattern, " ")
		mux.HandleFunc(method+" "+h.path+path, route.Unshared(handler), route.Limited)
	}
	mux.HandleFunc("GET "+h.path+pathDesktop+"/{ticket}", route.Unshared(h.serveLink), route.Limited, route.Private)
	notFound := func(w http.ResponseWriter, r *http.Request) { h.cfg.Site.Fail(w, r, web.NotFound) }
	mux.HandleFunc(h.path+pathDesktop+"/", notFound, route.Limited, route.Private)
}

// fail responds when the gateway or its store has failed. The path may contain a ticket's id.
// Therefore fail logs the pattern of the route instead of the path.
func (h *Handler) fail(w http.ResponseWriter, r *http.Request, err error) {
	r = r.Clone(r.Context())
	r.URL.Path, r.URL.RawPath = r.Pattern, ""
	h.cfg.Site.Error(w, r, err)
}

func (h *Handler) redirectToDesktop(w http.ResponseWriter, r *http.Request) {
	route.SeeOther(w, h.path+pathDesktop+"?"+url.Values{"d": {r.URL.Query().Get("d")}}.Encode())
}

func (h *Handler) redirectToPhone(w http.ResponseWriter, _ *http.Request) {
	route.SeeOther(w, h.path+pathConfirm)
}

// recordEvent stores an event about a ticket.
func (h *Handler) recordEvent(ctx context.Context, kind, outcome, user string, t gateway.Ticket) {
	h.events.Record(ctx, gateway.Event{
		Kind: kind, Outcome: outcome, UserID: user, App: t.App, Connector: t.Approver.Connector, Method: Method,
		Detail: gateway.BrowserDetail(t.Browser),
	})
}

func (h *Handler) observe(ctx context.Context, outcome string) {
	h.cfg.Observe(ctx, Observation{outcome})
}

// appName returns the name of the app with this id. For the id "" it returns the name of the
// gateway, in the language of the request. If the app is no longer configured, it returns "".
func (h *Handler) appName(r *http.Request, id string) string {
	if id == "" {
		return h.cfg.Site.Title(lang.FromRequest(r))
	}
	if app, ok := h.cfg.Apps(id); ok {
		return app.Name
	}
	return ""
}
