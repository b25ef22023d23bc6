// Package chat signs a desktop in through a person's chat with an official account (公众号). The
// desktop is the browser that shows the page; it may itself be on a phone. Neither web sign-in
// (网页授权) nor a website app (网站应用) at WeChat is needed. Every kind of account has the method
// message.
//
// [New] makes a [Handler] from a [Config], and [Handler.Mount] registers its routes. Package signin
// calls [Handler.Begin] when a browser is to sign in by one of the two methods. The handler of the
// account's message push (package wechat/push) calls [Handler.Receive] for each message.
//
// With the method message (发消息登录), the desktop shows a number, and the person sends it to the
// account. With the method follow (扫码关注登录), the desktop shows a QR code with a scene (参数二维码), and
// the person scans it. A person who does not follow the account follows it in this way. With both
// methods, WeChat pushes the person's openid to the gateway. The account answers in the chat with a
// confirmation code of four digits, and names the app and the desktop. The person types the code on
// the desktop.
//
// A chat sign-in ([gateway.ChatSignIn]) is the row in the store for one number or scene. Its state
// changes from waiting to answered and completed.
//
//	desktop: a sealed cookie for each sign-in, selected by the parameter d
//	GET  /chat           the page for the state: the number or the QR code, and the field for the code
//	GET  /chat/state     long poll: responds when the state is no longer the state that the page shows
//	GET  /chat/code.png  the QR code of the method follow as a picture, to be saved
//	POST /chat/code      the typed confirmation code: the right code signs the desktop in
//	POST /chat/renew     a new number or QR code
//	POST /chat/cancel    cancels; after signing in: "not me", which ends the session
//
// The number is not a secret: everybody who sees the screen can read it. It only finds the row. The
// desktop must have the secret in its cookie. The confirmation code protects from phishing: an
// attacker may show a victim the number of the attacker's own desktop. The victim then gets the
// code, with a warning, and the attacker has to ask for it. A wrong code ends the sign-in. No URL
// alone grants access. A GET request changes no state of a chat sign-in.
//
// A process may be killed at any moment. Therefore the store completes the chat sign-in and stores
// the session in one transaction. The id of the session is derived from the browser's cookie: a
// repeated request gets the same session. After that session has ended, a repeated request gets no
// session, so a sign-out is not undone.
package chat

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
	"github.com/weigate/weigate/wechat"
	"github.com/weigate/weigate/wechat/push"
)

// Kinds of the events that this package stores.
const (
	EventWrongCode  = "chat_wrong_code"              // another code than the confirmation code was typed on the desktop
	EventRefuse     = "chat_refused"                 // the person declined in the chat
	EventUnfollow   = "chat_unfollowed"              // a user stopped following the account; their profile was deleted
	EventUndo       = "chat_undone"                  // "not me": the session was ended
	EventRevoked    = "wechat_authorization_revoked" // a user withdrew their consent at WeChat
	EventCancelled  = "wechat_account_closed"        // a user closed their WeChat account
	EventProfileOld = "wechat_profile_changed"       // a user changed their profile at WeChat
)

// Observation is the start or the end of a sign-in, for metrics. The outcomes are named as in
// package flow. Only "wrong_code" is specific to chat.
type Observation struct {
	Method string // gateway.MethodMessage or gateway.MethodFollow
	// Outcome is "begun", "signed_in", "denied", "wrong_code", "refused" (the user is blocked),
	// "consent_missing" or "agreement_missing".
	Outcome string
}

// SignIn finds, creates and ends sessions of browsers. signin.Handler implements it.
type SignIn interface {
	// Session is session.Authenticator.Session.
	Session(r *http.Request) (b session.Browser, ok bool, err error)

	// AgreementRule returns what the sign-in requires of the user's agreement. AskToAgree renders the
	// page on which the user agrees, before the sign-in starts again.
	AgreementRule(tick *session.Tick, withoutAgreement bool) gateway.AgreementRule
	AskToAgree(w http.ResponseWriter, r *http.Request, login session.LoginRequest)

	// NewSession returns the session and the event that are stored with a completed sign-in.
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

// Sessions finds and ends sessions. session.Manager implements it.
type Sessions interface {
	// Find returns the session with this hash and its user, or gateway.ErrNotFound.
	Find(ctx context.Context, hash [32]byte, now time.Time) (gateway.Session, gateway.User, error)

	// End ends the session and revokes its grants. A session that does not exist any more is not an
	// error.
	End(ctx context.Context, hash [32]byte, now time.Time) error

	// EndEverywhere ends all sessions of a user and revokes their grants.
	EndEverywhere(ctx context.Context, userID string, now time.Time) (int, error)
}

// Users finds and changes users. gateway.Users implements it.
type Users interface {
	// Users, Identities and UpdateUser are those of gateway.Users.
	Users(ctx context.Context, q gateway.UserQuery) ([]gateway.User, error)
	Identities(ctx context.Context, userID string) ([]gateway.Identity, error)
	UpdateUser(ctx context.Context, id string, now time.Time, change func(*gateway.User) error) (gateway.User, error)
}

// API makes calls of an official account. wechat.StableToken implements it.
type API interface {
	CreateQRCode(ctx context.Context, q wechat.QRCodeRequest) (*wechat.QRCode, error)
	AccountUser(ctx context.Context, openID string) (*wechat.AccountUser, error)
}

// Account is an official account with message push.
type Account struct {
	Connector    string   // name of its connector in the configuration
	AppID        string   // of the account
	OpenPlatform string   // Open Platform account of the connector, by its name here; "" = none
	Group        []string // appids of all connectors of OpenPlatform, including AppID: they share unionids
	Name         string   // of the account in WeChat, shown to users
	ID           string   // 微信号, by which users can search for the account; "" = not shown
	QRCode       string   // content of the account's own QR code; "" = not shown
	Language     string   // of its answers in the chat
	Simulator    string   // address of the WeChat simulator, whose simulated phones open the chat; "" = none
	API          API      // nil = the account has no secret, or may make no calls: it has the method message only
}

// needsUnionID reports whether a user of the account is identified by the unionid too.
func (a *Account) needsUnionID() bool { return a.OpenPlatform != "" && len(a.Group) > 1 }

// simulatedPhone returns the address at which the simulator shows the chat of a person with the
// account. The person there sends the text, or scans the QR code, by a button. Without a simulator,
// the address is "".
func (a *Account) simulatedPhone(action, value string) string {
	if a.Simulator == "" {
		return ""
	}
	return a.Simulator + "/chat?" + url.Values{"account": {a.AppID}, action: {value}}.Encode()
}

// Config holds the settings of a [Handler]. Every field is required unless it says otherwise.
type Config struct {
	URL      string    // of the gateway; may have a path
	Keys     [][]byte  // encrypt cookies: the first key encrypts, all decrypt; must equal scan.Config.Keys
	Accounts []Account // at least one
	SignIns  gateway.ChatSignIns
	Limits   *limit.Limiter     // optional: counts wrong numbers by person, and QR codes by network
	Total    gateway.ChatLimits // optional: zero = the limits of package limit
	Users    Users
	Events   Events
	Sessions Sessions
	Apps     func(id string) (gateway.App, bool) // the apps of the configuration
	Site     *web.Site

	// Other answers messages that belong to no sign-in. If hint is not empty, it is the reply to a
	// text for which Other has no reply of its own. Optional.
	Other func(ctx context.Context, connector string, m push.Message, hint string) (push.Reply, error)

	Zone      *time.Location                           // of times in the chat; nil = the local zone
	Address   func(*http.Request) netip.Addr           // optional: the client's IP address; zero = not known
	Stopping  <-chan struct{}                          // optional: closed when the process stops; ends long polls
	RequestID func(context.Context) string             // optional
	Observe   func(ctx context.Context, o Observation) // optional
	Logger    *slog.Logger                             // optional
	Now       func() time.Time                         // optional
}

// Events stores events. gateway.Events implements it.
type Events interface {
	// AppendEvents is gateway.Events.AppendEvents.
	AppendEvents(ctx context.Context, events ...gateway.Event) error
}

// Handler signs desktops in. Make it with [New]; it is safe for concurrent use.
type Handler struct {
	cfg      Config
	signIn   SignIn // set by Mount
	accounts map[string]*Account
	events   audit.Recorder
	path     string // of the gateway's own address; "" at the root
	tabs     *tabs.Cookies
	network  []byte // key of the hashes of networks
	watcher  *longpoll.Watcher[gateway.ChatState]
	pictures *qr.Pictures
}

// New validates the configuration. It returns all problems, joined.
func New(cfg Config) (*Handler, error) {
	var problems []error
	if len(cfg.Keys) == 0 {
		problems = append(problems, errors.New("chat: Config.Keys is empty"))
	}
	for i, key := range cfg.Keys {
		if len(key) < seal.MinKey {
			problems = append(problems, fmt.Errorf("chat: Config.Keys[%d] has %d bytes, want at least %d", i, len(key),
				seal.MinKey))
		}
	}
	u, err := url.Parse(cfg.URL)
	if err != nil || u.Host == "" || u.Scheme != "https" && u.Scheme != "http" {
		problems = append(problems, errors.New("chat: Config.URL is not an address"))
	}
	accounts := map[string]*Account{}
	for _, a := range cfg.Accounts {
		if a.Connector == "" || a.AppID == "" || a.Name == "" {
			problems = append(problems, errors.New("chat: an account needs a connector, an appid and a name"))
		}
		accounts[a.Connector] = &a
	}
	if len(problems) > 0 {
		return nil, errors.Join(problems...)
	}
	defaults(&cfg)
	sealer, err := tabs.NewSealer(cfg.Keys)
	if err != nil {
		return nil, err
	}
	network, err := networkKey(cfg.Keys[0])
	if err != nil {
		return nil, err
	}
	return &Handler{
		cfg: cfg, accounts: accounts, path: u.EscapedPath(), tabs: tabs.New(u, sealer, tabs.Chat), network: network,
		pictures: qr.NewPictures(),
		events:   audit.Recorder{Events: cfg.Events, Logger: cfg.Logger, Now: cfg.Now, RequestID: cfg.RequestID},
		watcher:  longpoll.New(cfg.SignIns.ChatSignInStates, "chat sign-in", cfg.Now, cfg.Logger),
	}, nil
}

// defaults sets the optional fields that are missing.
func defaults(cfg *Config) {
	if cfg.Total == (gateway.ChatLimits{}) {
		cfg.Total = gateway.ChatLimits{Total: limit.ChatSignIns.Max, PerNetwork: limit.ChatSignInsPerNetwork.Max}
	}
	if cfg.Other == nil {
		cfg.Other = func(context.Context, string, push.Message, string) (push.Reply, error) { return push.Reply{}, nil }
	}
	if cfg.Zone == nil {
		cfg.Zone = time.Local
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
	pathDesktop = "/chat"
	pathState   = "/chat/state"
	pathPNG     = "/chat/code.png"
	pathCode    = "/chat/code"
	pathRenew   = "/chat/renew"
	pathCancel  = "/chat/cancel"
)

// Mount registers the routes. signIn finds and creates the sessions of browsers. The order is:
// chat.New first, then signin.New with Begin, then Mount with the signin.Handler.
func (h *Handler) Mount(mux *route.Mux, signIn SignIn) {
	h.signIn = signIn
	for pattern, handler := range map[string]http.HandlerFunc{
		"GET " + pathDesktop: h.desktop,
		"GET " + pathState:   h.state,
		"GET " + pathPNG:     h.codePNG,
		"POST " + pathCode:   h.enter,
		"POST " + pathRenew:  h.renew,
		"POST " + pathCancel: h.cancel,

		// The page after a form has the address of the form. A browser may request that address with
		// GET, for example when it restores its tabs.
		"GET " + pathCode:   h.redirectToDesktop,
		"GET " + pathRenew:  h.redirectToDesktop,
		"GET " + pathCancel: h.redirectToDesktop,
	} {
		method, path, _ := strings.Cut(pattern, " ")
		mux.HandleFunc(method+" "+h.path+path, route.Unshared(handler), route.Limited)
	}
	notFound := func(w http.ResponseWriter, r *http.Request) { h.cfg.Site.Fail(w, r, web.NotFound) }
	mux.HandleFunc(h.path+pathDesktop+"/", notFound, route.Limited)
}

func (h *Handler) fail(w http.ResponseWriter, r *http.Request, err error) {
	h.cfg.Site.Error(w, r, err)
}

func (h *Handler) redirectToDesktop(w http.ResponseWriter, r *http.Request) {
	route.SeeOther(w, h.path+pathDesktop+"?"+url.Values{"d": {r.URL.Query().Get("d")}}.Encode())
}

// recordEvent stores an event about a sign-in of the flow.
func (h *Handler) recordEvent(ctx context.Context, kind, outcome, user string, f *desktopFlow, browser string) {
	h.events.Record(ctx, gateway.Event{
		Kind: kind, Outcome: outcome, UserID: user, App: f.LoginRequest.App, Connector: f.Connector, Method: f.Method,
		Detail: gateway.BrowserDetail(browser),
	})
}

func (h *Handler) observe(ctx context.Context, f *desktopFlow, outcome string) {
	h.cfg.Observe(ctx, Observation{Method: f.Method, Outcome: outcome})
}

// appName returns the name of the app with this id in a language. For the id "" it returns the name
// of the gateway. If the app is no longer configured, it returns "".
func (h *Handler) appName(language, id string) string {
	if id == "" {
		return h.cfg.Site.Title(language)
	}
	if app, ok := h.cfg.Apps(id); ok {
		return app.Name
	}
	return ""
}

func (h *Handler) pageApp(r *http.Request, f *desktopFlow) string {
	return h.appName(lang.FromRequest(r), f.LoginRequest.App)
}
