package portal

import (
	"context"
	"crypto/rand"
	"embed"
	"errors"
	"log/slog"
	"net/http"
	"net/netip"
	"net/url"
	"strings"
	"sync"
	"time"

	"github.com/weigate/weigate/internal/access"
	"github.com/weigate/weigate/internal/audit"
	"github.com/weigate/weigate/internal/gateway"
	"github.com/weigate/weigate/internal/lang"
	"github.com/weigate/weigate/internal/route"
	"github.com/weigate/weigate/internal/session"
	"github.com/weigate/weigate/internal/web"
)

//go:embed files
var files embed.FS

// loadViews reads the embedded templates and texts once for all handlers: a reload of the
// configuration makes a new handler.
var loadViews = sync.OnceValues(func() (*web.Views, error) { return web.LoadViews(files, "files") })

// Store is the part of gateway.Store that a [Handler] uses.
type Store interface {
	access.Identities
	session.Revoker
	audit.Events

	// UserRequests is gateway.AccessRequests.UserRequests.
	UserRequests(ctx context.Context, userID string) ([]gateway.AccessRequest, error)
	// UserSubjects is gateway.Subjects.UserSubjects.
	UserSubjects(ctx context.Context, userID string) ([]gateway.Pin, error)
	// UserGrants is gateway.Grants.UserGrants.
	UserGrants(ctx context.Context, userID string, now time.Time) ([]gateway.AppGrants, error)
	// UserAppSessions is gateway.Deliveries.UserAppSessions.
	UserAppSessions(ctx context.Context, userID string) ([]gateway.AppSession, error)
	// Events is gateway.Events.Events.
	Events(ctx context.Context, q gateway.EventQuery) ([]gateway.Event, error)
	// JoinedUsers is gateway.UserAdministration.JoinedUsers.
	JoinedUsers(ctx context.Context, userID string) ([]string, error)
	// CountWaiting is gateway.AccessRequests.CountWaiting.
	CountWaiting(ctx context.Context, limit int) (int, error)
	// CountAdmins is gateway.UserAdministration.CountAdmins.
	CountAdmins(ctx context.Context) (int, error)
	// DeleteUserIf is gateway.UserAdministration.DeleteUserIf.
	DeleteUserIf(
		ctx context.Context, userID string, now time.Time, e gateway.Event, allowed func(gateway.User) error,
	) error
}

// SignIn signs users in and out. signin.Handler implements it.
type SignIn interface {
	session.Authenticator

	// SignInURL returns the address of the button that signs in and continues at the home page.
	SignInURL() string
	// ProfileURL returns the address at which the user shares nickname and avatar; "" = not possible
	// in this session. known reports whether they are known and not too old.
	ProfileURL(b session.Browser) (address string, known bool)
	// End signs this browser out: it deletes the session and sets headers that clear the cookies.
	End(w http.ResponseWriter, r *http.Request) error
}

// Config holds the settings of a [Handler]. Every field is required unless it says otherwise.
type Config struct {
	URL      string        // the gateway's URL; may have a path, no slash at the end
	Apps     []gateway.App // all configured apps
	Store    Store
	Sessions *session.Manager
	SignIn   SignIn
	Site     *web.Site
	Keys     [][]byte // the first key makes the addresses of icons, and signs confirmations; all keys verify them

	// ChatOnly is set if users can sign in only in the chat of an official account. They confirm their
	// own deletion there.
	ChatOnly bool

	Address   func(*http.Request) netip.Addr // optional: the client's address; nil = route.Address
	RequestID func(context.Context) string   // optional: for events and logs
	Logger    *slog.Logger                   // optional: nil discards
	Now       func() time.Time               // optional: nil = time.Now
}

// Handler serves the user's own pages. Make it with [New]; it is safe for concurrent use.
type Handler struct {
	cfg    Config
	path   string // of Config.URL; "" at the root
	views  *web.Views
	events audit.Recorder
	tiles  []tile                     // of the apps on the portal, sorted by name
	names  map[string]string          // of all apps, by id
	icons  map[string]gateway.Picture // by the last part of their address
}

// New checks the configuration and the embedded files, and returns a Handler.
func New(cfg Config) (*Handler, error) {
	u, err := url.Parse(cfg.URL)
	if err != nil || u.Host == "" || strings.HasSuffix(cfg.URL, "/") {
		return nil, errors.New("portal: Config.URL: want scheme, host and perhaps a path, without a slash at the end")
	}
	if cfg.Store == nil || cfg.Sessions == nil || cfg.SignIn == nil || cfg.Site == nil || len(cfg.Keys) == 0 {
		return nil, errors.New("portal: Config.Store, Sessions, SignIn, Site and Keys are required")
	}
	if cfg.Address == nil {
		cfg.Address = route.Address
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
	h := &Handler{cfg: cfg, path: u.EscapedPath()}
	if h.views, err = loadViews(); err != nil {
		return nil, err
	}
	h.events = audit.Recorder{Events: cfg.Store, Logger: cfg.Logger, Now: cfg.Now, RequestID: cfg.RequestID}
	h.addTiles()
	return h, nil
}

// Paths below the path of Config.URL.
const (
	pathHome       = "/{$}" // a pattern of net/http: the path "/" only
	pathIcon       = "/app-icon/"
	pathEverywhere = "/sign-out/everywhere"
	pathOthers     = "/sign-out/others"
	pathBrowser    = "/sign-out/browser"
	pathWithdraw   = "/withdraw"
	pathData       = "/my-data"
	pathDelete     = "/delete-account"
	pathSignOut    = "/sign-out" // of package signin
	pathAdmin      = "/admin"    // of package admin
)

// Mount registers the routes on mux, under the path of the gateway's own base URL.
func (h *Handler) Mount(mux *route.Mux) {
	for _, each := range []struct {
		path      string
		get, post http.HandlerFunc
	}{
		{pathHome, h.home, nil},
		{pathIcon + "{icon}", h.icon, nil},
		{pathEverywhere, nil, h.endEverywhere},
		{pathOthers, nil, h.endOthers},
		{pathBrowser, nil, h.endBrowser},
		{pathWithdraw, nil, h.withdraw},
		{pathData, h.showData, h.download},
		{pathDelete, h.showDelete, h.delete},
	} {
		mux.HandleFunc(h.path+each.path, h.methods(each.get, each.post), route.Limited)
	}
}

// methods serves GET and HEAD with the handler get, and POST with the handler post. A method whose
// handler is nil gets status 405. Package route has already rejected POST requests from other
// sites.
func (h *Handler) methods(get, post http.HandlerFunc) http.HandlerFunc {
	handlers := map[string]http.HandlerFunc{}
	var allow []string
	if get != nil {
		handlers[http.MethodGet], handlers[http.MethodHead] = get, get
		allow = append(allow, http.MethodGet, http.MethodHead)
	}
	if post != nil {
		handlers[http.MethodPost] = post
		allow = append(allow, http.MethodPost)
	}
	return func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Cache-Control", "no-store")
		w.Header().Set("Referrer-Policy", "no-referrer") // for redirects; pages set their own
		w.Header().Add("Vary", "Cookie")
		serve, found := handlers[r.Method]
		if !found {
			w.Header().Set("Allow", strings.Join(allow, ", "))
			h.cfg.Site.Fail(w, r, web.MethodNotAllowed)
			return
		}
		serve(w, r)
	}
}

// signedIn returns the signed-in browser that sent r. Without one it writes the response and
// returns false: a page begins a sign-in, and a form is rejected.
func (h *Handler) signedIn(w http.ResponseWriter, r *http.Request) (b session.Browser, ok bool) {
	b, found, err := h.cfg.SignIn.Session(r)
	switch {
	case err != nil:
		h.cfg.Site.Error(w, r, err)
	case !found && r.Method == http.MethodGet:
		h.begin(w, r, r.URL.EscapedPath(), nil, false)
	case !found:
		h.cfg.Site.Show(w, r, web.Page{Kind: web.PleaseSignIn, Go: h.path + "/"})
	}
	return b, err == nil && found
}

// begin begins a sign-in by one of the methods (nil = any), after which the browser returns to a
// page. again requires a new sign-in of a user who is signed in already.
func (h *Handler) begin(w http.ResponseWriter, r *http.Request, page string, methods []string, again bool) {
	restart := page
	if again {
		restart += "?" + paramSignIn + "=1"
	}
	id, deletion := strings.ToLower(rand.Text()), again && page == h.path+pathDelete
	if deletion {
		id = deletionID + id
	}
	// Users who do not agree to changed documents download their data or delete themselves
	// nevertheless, also if they are signed out by now.
	withoutAgreement := page == h.path+pathData || page == h.path+pathDelete
	err := h.cfg.SignIn.Begin(w, r, session.LoginRequest{
		ID: id, Deletion: deletion, WithoutAgreement: withoutAgreement,
		App:       gateway.App{Name: h.cfg.Site.Title(lang.FromRequest(r)), Methods: methods},
		ReturnURL: page, RestartURL: restart, CopyURL: page, CancelURL: h.path + "/", Reauthenticate: again,
	})
	if err != nil {
		h.cfg.Site.Error(w, r, err)
	}
}

// form returns the signed-in browser that sent a form, which must be a form of a page of this
// session. The field session proves it. So a form is not accepted for another user who has signed
// in since the page was opened. If the form is invalid, form writes the response and returns false.
func (h *Handler) form(w http.ResponseWriter, r *http.Request, page string) (b session.Browser, ok bool) {
	if b, ok = h.signedIn(w, r); !ok {
		return b, false
	}
	if err := r.ParseForm(); err != nil {
		h.cfg.Site.Fail(w, r, web.BadRequest)
		return b, false
	}
	if r.PostForm.Get("session") != session.FormID(b.Hash) {
		route.SeeOther(w, h.path+page) // shows the present user
		return b, false
	}
	return b, true
}

// storeTimeout limits how long a change waits for the store.
const storeTimeout = 10 * time.Second

// lasting returns the context for a change: the change is completed even if the user closes the
// page.
func lasting(r *http.Request) (context.Context, context.CancelFunc) {
	return context.WithTimeout(context.WithoutCancel(r.Context()), storeTimeout)
}

// event returns an event that the user of a browser has caused.
func (h *Handler) event(r *http.Request, kind string, b session.Browser) gateway.Event {
	return gateway.Event{
		At: h.cfg.Now(), Kind: kind, UserID: b.User.ID, Connector: b.Connector, Method: b.Method, Outcome: "ok",
		RequestID: h.cfg.RequestID(r.Context()), Address: route.MaskedAddress(h.cfg.Address(r)),
	}
}

// texts returns the texts in the language of a request.
func (h *Handler) texts(r *http.Request) lang.Texts { return h.views.Texts(lang.FromRequest(r)) }

// write writes a page of the portal. title is the key of its title.
func (h *Handler) write(w http.ResponseWriter, r *http.Request, d web.Document, title string) {
	var err error
	if d.Title, err = h.texts(r).Text(title); err != nil {
		h.cfg.Site.Error(w, r, err)
		return
	}
	h.cfg.Site.Write(w, r, h.views, d)
}

// trail returns the breadcrumb of a page: a link to the home page.
func (h *Handler) trail(r *http.Request) []web.Step {
	return []web.Step{{Label: h.texts(r).MustText("apps"), URL: h.path + "/"}}
}
