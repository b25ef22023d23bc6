// Package accessrequest records which users want to use which apps. It shows each user a page: the
// request waits, an administrator has refused it, or the user can ask for access.
//
// [New] makes [Requests]. A feature (a package that serves apps, such as oidc) calls
// [Requests.Respond] for a signed-in user whom the access rule of its app does not admit. The page
// of a user who waits asks for the user's name, because nicknames at WeChat can be chosen freely.
// The page continues automatically once an administrator has decided.
//
// What the package guarantees:
//
//   - A request is recorded before the user reads that it waits. It is recorded once for each user
//     and app, and administrators are notified once.
//   - Users change nothing but their own two names. They can change the name that administrators
//     see until an administrator has approved them, and the name that apps see if WeChat sent none. An invited user is
//     approved from the beginning, and can give the name for administrators once.
//   - A request never approves anybody. Only an administrator decides.
package accessrequest

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"net/netip"
	"net/url"
	"strings"
	"time"

	"github.com/weigate/weigate/internal/access"
	"github.com/weigate/weigate/internal/audit"
	"github.com/weigate/weigate/internal/gateway"
	"github.com/weigate/weigate/internal/route"
	"github.com/weigate/weigate/internal/session"
	"github.com/weigate/weigate/internal/web"
)

// Store is the part of gateway.Store that [Requests] needs.
type Store interface {
	audit.Events

	// RequestAccess is gateway.AccessRequests.RequestAccess.
	RequestAccess(ctx context.Context, r gateway.AccessRequest) (gateway.AccessRequest, bool, error)
	// UserRequests is gateway.AccessRequests.UserRequests.
	UserRequests(ctx context.Context, userID string) ([]gateway.AccessRequest, error)
	// UpdateUser is gateway.Users.UpdateUser.
	UpdateUser(ctx context.Context, id string, now time.Time, change func(*gateway.User) error) (gateway.User, error)
}

// Config holds the settings of [Requests]. Every field is required unless it says otherwise.
type Config struct {
	URL      string // the gateway's URL; may have a path, no slash at the end
	Store    Store
	Sessions *session.Manager
	Access   access.Policy
	Apps     func(id string) (gateway.App, bool) // returns a configured app of any kind
	Site     *web.Site

	Notify    func(context.Context, gateway.Notice) // optional: notifies administrators
	Named     func(ctx context.Context, id string)  // optional: is called when a user gave a name, or declined
	Address   func(*http.Request) netip.Addr        // optional: returns the client's IP address; nil = route.Address
	RequestID func(context.Context) string          // optional: for events and logs
	Logger    *slog.Logger                          // optional: nil discards
	Now       func() time.Time                      // optional: nil = time.Now
}

// Requests records access requests and serves their pages. Make it with [New]; it is safe for
// concurrent use.
type Requests struct {
	cfg    Config
	path   string // the path of Config.URL; "" = none
	events audit.Recorder
}

// Kinds of the events of this package.
const (
	EventRequested = "access_requested" // a user waits for approval, or asked for access to an app
	EventNameGiven = "name_given"       // a user gave a name: while waiting, or for apps
)

// New validates the configuration and returns Requests.
func New(cfg Config) (*Requests, error) {
	u, err := url.Parse(cfg.URL)
	if err != nil || u.Host == "" || strings.HasSuffix(cfg.URL, "/") {
		return nil, errors.New(
			"accessrequest: Config.URL: want scheme, host and perhaps a path, without a slash at the end")
	}
	if cfg.Store == nil || cfg.Sessions == nil || cfg.Access == nil || cfg.Apps == nil || cfg.Site == nil {
		return nil, errors.New("accessrequest: Config.Store, Sessions, Access, Apps and Site are required")
	}
	if cfg.Notify == nil {
		cfg.Notify = func(context.Context, gateway.Notice) {}
	}
	if cfg.Named == nil {
		cfg.Named = func(context.Context, string) {}
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
	return &Requests{
		cfg: cfg, path: u.EscapedPath(),
		events: audit.Recorder{Events: cfg.Store, Logger: cfg.Logger, Now: cfg.Now, RequestID: cfg.RequestID},
	}, nil
}

// The paths of the package, relative to the path of Config.URL.
const (
	pathName  = session.NamePath
	pathAsk   = "/access/ask"
	pathState = "/access/state"
)

// Mount registers the routes.
func (q *Requests) Mount(mux *route.Mux) {
	mux.HandleFunc("GET "+q.path+pathName, q.askName, route.Limited)
	mux.HandleFunc("POST "+q.path+pathName, q.giveName, route.Limited)
	mux.HandleFunc("POST "+q.path+pathAsk, q.ask, route.Limited)
	mux.HandleFunc("GET "+q.path+pathState, q.state, route.LimitedSignedIn)
}

// Record records that a user wants to use an app, and notifies administrators when the request is
// new.
func (q *Requests) Record(ctx context.Context, browser session.Browser, app gateway.App) (
	gateway.AccessRequest, error) {
	user, now := browser.User, q.cfg.Now()
	stored, created, err := q.cfg.Store.RequestAccess(ctx, gateway.AccessRequest{
		UserID: user.ID, App: app.ID, Method: browser.Method, State: gateway.RequestWaiting, RequestedAt: now,
	})
	if err != nil || !created {
		return stored, err
	}
	q.events.Record(ctx, gateway.Event{
		At: now, Kind: EventRequested, UserID: user.ID, App: app.ID, Method: browser.Method, Outcome: "waiting",
	})
	q.cfg.Notify(ctx, gateway.Notice{
		Kind: gateway.NoticeWaiting, At: now, User: user.DisplayName(), UserID: user.ID, App: app.Name,
		NameFollows: asksName(browser), // the notice waits a moment for the name
	})
	return stored, nil
}

// find returns the request of a user for an app. found is false if there is none.
func (q *Requests) find(ctx context.Context, userID, app string) (r gateway.AccessRequest, found bool, err error) {
	all, err := q.cfg.Store.UserRequests(ctx, userID)
	for _, r := range all {
		if r.App == app {
			return r, true, err
		}
	}
	return gateway.AccessRequest{}, false, err
}
