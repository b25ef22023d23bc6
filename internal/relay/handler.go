package relay

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

	"github.com/weigate/weigate/internal/access"
	"github.com/weigate/weigate/internal/gateway"
	"github.com/weigate/weigate/internal/keys"
	"github.com/weigate/weigate/internal/route"
	"github.com/weigate/weigate/internal/session"
	"github.com/weigate/weigate/internal/web"
)

// Config holds the settings of a [Handler]. Every field is required unless it says otherwise.
type Config struct {
	URL         string   // the gateway's URL; may have a path, no slash at the end
	Apps        []App    // optional: without one only VerifyFiles are served
	VerifyFiles []string // optional: names such as MP_verify_0123456789abcdef.txt
	SignIn      session.Authenticator
	Access      access.Policy
	Site        *web.Site
	Users       access.Users
	Grants      gateway.Grants
	Sealer      *keys.Sealer // derives refresh tokens

	InWeChat  func(*http.Request) bool       // optional: whether a browser is WeChat's own; nil = no browser is
	Address   func(*http.Request) netip.Addr // optional: the client's address; nil = route.Address
	RequestID func(context.Context) string   // optional: for logs, and for the rid of errors
	Observe   func(Observation)              // optional: called for every response, for metrics
	Logger    *slog.Logger                   // optional: nil discards
	Now       func() time.Time               // optional: nil = time.Now
}

// Observation is one response, for metrics. It contains no secret and only values from small sets.
type Observation struct {
	Endpoint string // "authorize", "qrconnect", "access_token", "refresh_token", "userinfo", "auth"
	App      string // a configured app's id; "" = none was recognized
	Outcome  string // "ok"; else the page's kind at the first two, an errcode at the others
}

// Handler serves WeChat's protocol. Make it with [New]; it is safe for concurrent use.
type Handler struct {
	cfg      Config
	path     string // of the gateway's own address; "" at the root
	byAppID  map[string]*App
	byID     map[string]*App
	failures *route.Failures
}

// New validates the configuration and makes a Handler. It returns all problems, joined.
func New(cfg Config) (*Handler, error) {
	var problems []error
	u, err := url.Parse(cfg.URL)
	if err != nil || u.Host == "" || strings.HasSuffix(cfg.URL, "/") {
		problems = append(problems,
			errors.New("relay: Config.URL: want scheme, host and perhaps a path, without a slash at the end"))
	}
	h := &Handler{byAppID: map[string]*App{}, byID: map[string]*App{}, failures: route.NewFailures()}
	for i := range cfg.Apps {
		a := cfg.Apps[i]
		for _, p := range a.prepare() {
			problems = append(problems, fmt.Errorf("relay: app %q: %w", a.ID, p))
		}
		if h.byID[a.ID] != nil || h.byAppID[a.AppID] != nil {
			problems = append(problems, fmt.Errorf("relay: app %q: there are two with this id or appid", a.ID))
		}
		h.byID[a.ID], h.byAppID[a.AppID] = &a, &a
	}
	for _, name := range cfg.VerifyFiles {
		if !verifyName.MatchString(name) {
			problems = append(problems,
				fmt.Errorf("relay: verify file %q: want MP_verify_, the 16 letters and digits from WeChat, and .txt",
					name))
		}
	}
	if len(problems) > 0 {
		return nil, errors.Join(problems...)
	}
	if cfg.InWeChat == nil {
		cfg.InWeChat = func(*http.Request) bool { return false }
	}
	if cfg.Address == nil {
		cfg.Address = route.Address
	}
	if cfg.RequestID == nil {
		cfg.RequestID = func(context.Context) string { return "" }
	}
	if cfg.Observe == nil {
		cfg.Observe = func(Observation) {}
	}
	if cfg.Logger == nil {
		cfg.Logger = slog.New(slog.DiscardHandler)
	}
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	h.cfg, h.path = cfg, u.EscapedPath()
	return h, nil
}

// WeChat's paths, below that of the gateway.
const (
	pathAuthorize    = "/connect/oauth2/authorize"
	pathQRConnect    = "/connect/qrconnect"
	pathAccessToken  = "/sns/oauth2/access_token"
	pathRefreshToken = "/sns/oauth2/refresh_token"
	pathUserInfo     = "/sns/userinfo"
	pathAuth         = "/sns/auth"
)

// Mount registers the routes, below the path of the gateway. Without an app, WeChat's paths do not
// exist.
func (h *Handler) Mount(mux *route.Mux) {
	h.mountVerify(mux)
	if len(h.byID) == 0 {
		return
	}
	mux.HandleFunc(h.path+pathAuthorize, h.authorize, route.LimitedSignedIn)
	mux.HandleFunc(h.path+pathQRConnect, h.qrConnect, route.LimitedSignedIn)
	for path, call := range map[string]call{pathAccessToken: h.accessToken, pathRefreshToken: h.refreshToken,
		pathUserInfo: h.userInfo, pathAuth: h.auth} {
		mux.HandleFunc(h.path+path, h.sns(path[strings.LastIndexByte(path, '/')+1:], call))
	}
	mux.HandleFunc(h.path+"/sns/", h.sns("other", func(*http.Request, url.Values) (*App, *wire, error) {
		return nil, nil, errBadURL
	}))
}
