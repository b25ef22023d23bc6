package signin

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/weigate/weigate/internal/gateway"
	"github.com/weigate/weigate/internal/route"
	"github.com/weigate/weigate/internal/session"
	"github.com/weigate/weigate/internal/web"
	"github.com/weigate/weigate/login"
	"github.com/weigate/weigate/wechat"
)

// Entry is an official account (服务号) or a website app (网站应用) through which people come in.
type Connector struct {
	Name         string // in the configuration; identities and events name it
	Client       *wechat.Client
	Website      bool     // a website app: WeChat shows its own QR code, in browsers that are not WeChat's
	OpenPlatform string   // name of the group of entries that share unionids; "" = none
	Group        []string // appids of that group, this one included
	AnyBrowser   bool     // development: every browser counts as WeChat's
}

// Config is what a [Handler] is made of. Every field is required unless it says otherwise.
type Config struct {
	URL        string      // the gateway's own address; may have a path
	Insecure   bool        // optional: plain http at a private address
	Keys       [][]byte    // seal the flow cookies: the first seals, all open
	Connectors []Connector // the first is where people come in, unless a demand names another
	Users      gateway.Users
	Attempts   gateway.Attempts
	Sessions   *session.Manager
	Events     gateway.Events
	Site       *web.Site

	// Again says where a request of an app begins anew, given the return address of its sign-in; ok is false for any other address. A person who comes
	// back later, from a page of ours or a link they copied, starts the app's request over instead of one of its halves.
	RestartURL func(returnTo string) (address string, ok bool)

	// Scan sends a browser that is not WeChat's to the door where a phone signs it in: our own QR code. It always answers the request; an error means that
	// nothing was written to w. Optional: nil is no such door.
	Scan func(w http.ResponseWriter, r *http.Request, d session.LoginRequest) error

	// Agreement is the address of what people agree to, by a box to tick, before their browser is sent to WeChat for the first time. Another address
	// asks everybody once more. Optional: "" asks nobody.
	Agreement string

	ProfileMaxAge time.Duration // optional: the age at which nickname and picture are asked for again; 0 = 720 h
	Pictures      []string      // optional: origins, besides WeChat's, that a picture may come from

	RequestID func(context.Context) string       // optional
	Observe   func(context.Context, login.Event) // optional
	Logger    *slog.Logger                       // optional
	Now       func() time.Time                   // optional
}

// Handler signs people in. Make it with [New]; it is safe for concurrent use.
type Handler struct {
	cfg        Config
	login      *login.Handler     // of the first entry; also for everything that no entry has to itself
	connectors []connectorHandler // one for each entry
	origin     string
	path       string // of the gateway's own address; "" at the root
	agreed     agreement
	prefer     preference

	session string // name of the cookie that package login sets for a session
}

// way is an entry with the handler that signs people in through it. All handlers share sessions and pending sign-ins; each has a callback of its own,
// so that a code is exchanged with the secret of the appid that it is for.
type connectorHandler struct {
	connector Connector
	login     *login.Handler
	callback  string
}

// New checks the configuration. All problems are reported at once, joined.
func New(cfg Config) (*Handler, error) {
	var problems []error
	for name, missing := range map[string]bool{
		"Accounts": cfg.Users == nil, "Claims": cfg.Attempts == nil, "Sessions": cfg.Sessions == nil, "Events": cfg.Events == nil,
		"Site": cfg.Site == nil, "Again": cfg.RestartURL == nil, "Entries": len(cfg.Connectors) == 0,
	} {
		if missing {
			problems = append(problems, fmt.Errorf("signin: Config.%s is missing", name))
		}
	}
	if len(problems) > 0 {
		return nil, errors.Join(problems...)
	}
	if cfg.RequestID == nil {
		cfg.RequestID = func(context.Context) string { return "" }
	}
	if cfg.Logger == nil {
		cfg.Logger = slog.New(slog.DiscardHandler)
	}
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	if cfg.ProfileMaxAge == 0 {
		cfg.ProfileMaxAge = 720 * time.Hour
	}
	h := &Handler{cfg: cfg}
	u, err := url.Parse(cfg.URL)
	if err != nil {
		return nil, errors.New("signin: Config.URL is no address")
	}
	h.path = strings.TrimSuffix(u.EscapedPath(), "/")
	h.agreed, h.prefer = newAgreement(cfg.Agreement, u), newPreference(u)
	h.session = route.Cookie(u, "s").Name
	for i, e := range cfg.Connectors {
		w, err := h.newConnectorHandler(i, e)
		if err != nil {
			return nil, fmt.Errorf("signin: entry %q: %w", e.Name, err)
		}
		h.connectors = append(h.connectors, w)
	}
	h.login = h.connectors[0].login
	home, err := h.login.CheckReturn("")
	if err != nil {
		return nil, fmt.Errorf("signin: Config.URL: %w", err)
	}
	h.origin = strings.TrimSuffix(home, h.path+"/") // as package login spells it
	return h, nil
}

// newWay makes the handler of an entry. The first one has the callback that people configure; the others have their name behind it.
func (h *Handler) newConnectorHandler(i int, e Connector) (w connectorHandler, err error) {
	cfg := &h.cfg
	path, callback := "", pathCallback
	if i > 0 {
		path = pathCallback + "/" + e.Name
		callback = path
	}
	user, website := e.Client, (*wechat.Client)(nil)
	if e.Website {
		user, website = nil, e.Client
	}
	w = connectorHandler{connector: e, callback: callback}
	w.login, err = login.New(login.Config{
		URL: cfg.URL, Insecure: cfg.Insecure, Keys: cfg.Keys, Store: &loginStore{h, e.Name}, OfficialAccount: user, WebsiteApp: website, AnyBrowser: e.AnyBrowser,
		CallbackPath: path, AvatarHosts: cfg.Pictures, RenderPage: h.pages(e), OnStart: h.checkAgreement,
		OnSignIn:    func(ctx context.Context, in *login.SignIn) error { return h.recordSignIn(ctx, e, in) },
		SessionIdle: cfg.Sessions.Idle, SessionMax: cfg.Sessions.Max, ProfileMaxAge: cfg.ProfileMaxAge,
		RequestID: func(r *http.Request) string { return cfg.RequestID(r.Context()) }, OnEvent: cfg.Observe, Logger: cfg.Logger, Now: cfg.Now,
	})
	return w, err
}

// way finds an entry by its name.
func (h *Handler) connector(connector string) (w connectorHandler, found bool) {
	for _, w := range h.connectors {
		if w.connector.Name == connector {
			return w, true
		}
	}
	return connectorHandler{}, false
}

// Paths below the gateway's own.
const (
	pathHome       = "/{$}"
	pathSignIn     = "/sign-in"
	pathProfile    = "/sign-in/profile"
	pathAgreement  = "/sign-in/agreement"
	pathCallback   = "/wechat/callback"
	pathSignOut    = "/sign-out"
	pathEverywhere = "/sign-out/everywhere"
)

// Mount registers the routes, under the path of the gateway's own address. Anonymous visitors make the gateway work at those that are limited.
func (h *Handler) Mount(mux *route.Mux) {
	mux.HandleFunc("GET "+h.path+pathHome, h.own)
	mux.HandleFunc("GET "+h.path+pathSignIn, h.signIn, route.Limited)
	mux.HandleFunc("POST "+h.path+pathProfile, h.declineProfile, route.Limited)
	mux.HandleFunc("POST "+h.path+pathAgreement, h.agree, route.Limited)
	mux.HandleFunc("POST "+h.path+pathEverywhere, h.endEverywhere)
	mux.Handle(h.path+pathSignIn, h.login, route.Limited)
	mux.Handle(h.path+pathSignIn+"/", h.login, route.Limited)
	mux.Handle(h.path+pathSignOut, h.login)
	for _, w := range h.connectors {
		mux.Handle(h.path+w.callback, w.login, route.Limited)
	}
}

// SessionCookie is the name of the cookie by which a browser is signed in.
func (h *Handler) SessionCookie() string { return h.session }
