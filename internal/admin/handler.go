package admin

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/netip"
	"net/url"
	"strings"
	"sync"
	"time"

	"github.com/weigate/weigate/internal/administration"
	"github.com/weigate/weigate/internal/route"
	"github.com/weigate/weigate/internal/session"
	"github.com/weigate/weigate/internal/web"
)

// Config is the configuration of a [Handler]. Fields are required unless marked optional.
type Config struct {
	URL     string // the gateway's own base URL; may have a path
	Service *administration.Service
	SignIn  session.Authenticator
	Site    *web.Site
	Keys    [][]byte // authenticate tokens of forms and confirmations: the first key signs, all keys verify

	ChatOnly  bool           // optional: all sign-ins are by chat, so administrators enter by links only
	Addresses []netip.Prefix // optional: networks from which the pages may be opened; empty = all

	TimeZone  *time.Location               // optional: the administrator's, for days and times; nil = time.Local
	RequestID func(context.Context) string // optional
	Logger    *slog.Logger                 // optional
	Now       func() time.Time             // optional
}

// Handler serves the pages. Make it with [New]; it is safe for concurrent use.
type Handler struct {
	cfg   Config
	root  string // path of the overview, such as "/admin"
	views *web.Views
}

// New checks the configuration and the embedded files, and returns a Handler.
func New(cfg Config) (*Handler, error) {
	var missing []string
	for field, set := range map[string]bool{
		"URL": cfg.URL != "", "Service": cfg.Service != nil, "SignIn": cfg.SignIn != nil, "Site": cfg.Site != nil,
		"Keys": len(cfg.Keys) > 0,
	} {
		if !set {
			missing = append(missing, field)
		}
	}
	if len(missing) > 0 {
		return nil, errors.New("admin: missing in Config: " + strings.Join(missing, ", "))
	}
	if cfg.RequestID == nil {
		cfg.RequestID = func(context.Context) string { return "" }
	}
	if cfg.Logger == nil {
		cfg.Logger = slog.New(slog.DiscardHandler)
	}
	if cfg.TimeZone == nil {
		cfg.TimeZone = time.Local
	}
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	u, err := url.Parse(cfg.URL)
	if err != nil {
		return nil, fmt.Errorf("admin: Config.URL: %w", err)
	}
	views, err := loadViews()
	if err != nil {
		return nil, fmt.Errorf("admin: %w", err)
	}
	return &Handler{cfg: cfg, root: strings.TrimSuffix(u.EscapedPath(), "/") + "/admin", views: views}, nil
}

// loadViews reads the embedded templates and texts. It reads them once for all handlers, because a
// reload of the configuration makes a new handler.
var loadViews = sync.OnceValues(func() (*web.Views, error) { return web.LoadViews(files, "files") })

// appName returns the name of an app, or the id of an app that is not configured now.
func (h *Handler) appName(id string) string {
	for _, app := range h.cfg.Service.Apps() {
		if app.ID == id {
			return app.Name
		}
	}
	return id
}

// Mount registers the routes on mux, under the path of the gateway's own base URL.
func (h *Handler) Mount(mux *route.Mux) {
	for _, each := range routes() {
		mux.HandleFunc(each.pattern(h.root), h.serve(each), route.Limited)
	}
	mux.HandleFunc(h.root+"/", func(w http.ResponseWriter, r *http.Request) {
		h.cfg.Site.Fail(w, r, web.NotFound)
	}, route.Limited)
}
