package relay

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/netip"
	"net/url"
	"path"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/weigate/weigate/internal/access"
	"github.com/weigate/weigate/internal/accessrequest"
	"github.com/weigate/weigate/internal/gateway"
	"github.com/weigate/weigate/internal/keys"
	"github.com/weigate/weigate/internal/limit"
	"github.com/weigate/weigate/internal/route"
	"github.com/weigate/weigate/internal/savedrequest"
	"github.com/weigate/weigate/internal/session"
	"github.com/weigate/weigate/internal/web"
)

// Config holds the settings of a [Handler]. Every field is required unless it says otherwise.
type Config struct {
	URL         string   // the gateway's URL; may have a path, no slash at the end
	Apps        []App    // optional: without one only VerifyFiles are served
	VerifyFiles []string // optional: WeChat's domain verification files, such as MP_verify_0123456789abcdef.txt
	SignIn      session.Authenticator
	Access      access.Policy
	Site        *web.Site
	Saved       *savedrequest.Requests  // keeps requests that are too long for a cookie
	Requests    accessrequest.Responder // responds to users whom the access rule of an app does not admit
	Users       access.Users
	AppIDs      gateway.AppIDs // optional: the appid at WeChat of each connector
	Grants      gateway.Grants // stores codes, tokens, and the grants that they belong to
	Sealer      *keys.Sealer   // derives refresh tokens

	InWeChat  func(*http.Request) bool       // optional: reports whether a browser is WeChat's own; nil = none is
	Address   func(*http.Request) netip.Addr // optional: the client's address; nil = route.Address
	RequestID func(context.Context) string   // optional: for logs, and for the rid in WeChat's error format
	Observe   func(Observation)              // optional: called for every response, for metrics
	Limits    *limit.Limiter                 // optional: counts wrong secrets; nil counts nothing
	Logger    *slog.Logger                   // optional: nil discards
	Now       func() time.Time               // optional: nil = time.Now
}

// Observation is one response, for metrics. It contains no secret and only values from small sets.
type Observation struct {
	Endpoint string // "authorize", "qrconnect", "access_token", "refresh_token", "userinfo", "auth", "global"
	App      string // id of a configured app; "" = the request identified none
	Outcome  string // "ok", the kind of the error page (authorize, qrconnect), or an errcode (the others)
}

// Handler serves WeChat's protocol. Make it with [New]; it is safe for concurrent use.
type Handler struct {
	cfg      Config
	path     string          // of Config.URL; "" at the root
	byAppID  map[string]*App // by the appid that the app sends
	byID     map[string]*App // by the id in the configuration
	failures route.Failures  // wrong secrets of apps
}

// New validates the configuration and makes a Handler. It returns all problems, joined.
func New(cfg Config) (*Handler, error) {
	var problems []error
	u, err := url.Parse(cfg.URL)
	if err != nil || u.Host == "" || strings.HasSuffix(cfg.URL, "/") {
		problems = append(problems,
			errors.New("relay: Config.URL: want scheme, host and perhaps a path, without a slash at the end"))
	}
	h := &Handler{byAppID: map[string]*App{}, byID: map[string]*App{}, failures: route.Failures{Limits: cfg.Limits}}
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

// WeChat's paths. The path of the gateway precedes them.
const (
	pathAuthorize    = "/connect/oauth2/authorize"
	pathQRConnect    = "/connect/qrconnect"
	pathAccessToken  = "/sns/oauth2/access_token"
	pathRefreshToken = "/sns/oauth2/refresh_token"
	pathUserInfo     = "/sns/userinfo"
	pathAuth         = "/sns/auth"
)

// Mount registers the verification files, and WeChat's paths below the path of the gateway. Without
// an app, WeChat's paths do not exist.
func (h *Handler) Mount(mux *route.Mux) {
	h.mountVerify(mux)
	if len(h.byID) == 0 {
		return
	}
	mux.HandleFunc(h.path+pathAuthorize, h.authorize, route.LimitedSignedIn)
	mux.HandleFunc(h.path+pathQRConnect, h.qrConnect, route.LimitedSignedIn)
	for fullPath, run := range map[string]call{pathAccessToken: h.accessToken, pathRefreshToken: h.refreshToken,
		pathUserInfo: h.userInfo, pathAuth: h.auth} {
		mux.HandleFunc(h.path+fullPath, h.sns(path.Base(fullPath), run), route.LimitedApp)
	}
	// All other paths of WeChat's API get its error for an address that does not exist.
	unknown := func(r *http.Request, _ url.Values) (*App, *orderedJSON, error) {
		return nil, nil, errBadURL.because("not_served", slog.String("path", web.LoggedURL(r.URL.Path)))
	}
	for _, folder := range apiFolders {
		mux.HandleFunc(h.path+folder, h.sns("global", unknown), route.LimitedApp)
	}
}

// apiFolders are the folders of WeChat's API. The calls in the folders other than /sns/ (messages,
// menus, JS-SDK tickets and others) need the global access token. An app behind the gateway cannot
// get that token, because it needs the AppSecret that WeChat issued.
var apiFolders = []string{"/sns/", "/cgi-bin/", "/card/", "/customservice/", "/datacube/", "/semantic/", "/wxa/",
	"/wxaapi/"}

// App is an app that was written for WeChat's protocol. The embedded App has what apps of all
// protocols have: id, name, access rule and allowed sign-in methods.
type App struct {
	gateway.App
	AppID   string             // the appid that the app sends; assigned by the gateway, not by WeChat
	Secrets []route.SecretHash // one, or two while a secret is replaced
	// Connector is the id of the official account or website app at WeChat whose openids the app
	// receives; "" = the app uses qrconnect only
	Connector        string
	WebsiteConnector string // used at qrconnect instead of Connector; "" = Connector is used
	// prefixes of the addresses to which codes may be sent: an http or https URL with an optional
	// path; see redirectAllowed
	ReturnURLs []string

	returns []returnURL // ReturnURLs, parsed by prepare
}

// prepare validates the app, copies its slices, and sets returns. It returns all problems.
func (a *App) prepare() (problems []error) {
	add := func(format string, args ...any) { problems = append(problems, fmt.Errorf(format, args...)) }
	a.Secrets, a.ReturnURLs = slices.Clone(a.Secrets), slices.Clone(a.ReturnURLs)
	if a.ID == "" || a.AppID == "" || strings.ContainsFunc(a.AppID, func(r rune) bool { return r <= ' ' || r > '~' }) {
		add("the id and the appid must be printable ASCII without spaces")
	}
	if n := len(a.Secrets); n < 1 || n > 2 {
		add("it has %d secrets, want one, or two during a roll-over", n)
	}
	if slices.Contains(a.Secrets, route.SecretHash{}) || slices.Contains(a.Secrets, route.HashSecret("")) {
		add("a secret is empty")
	}
	if a.Connector == "" && a.WebsiteConnector == "" {
		add("it has no connector, so it has no openids")
	}
	if len(a.ReturnURLs) == 0 {
		add("it has no return_urls")
	}
	for _, address := range a.ReturnURLs {
		prefix, ok := parseReturnURL(address)
		if !ok || strings.ContainsAny(address, "?#") || hasDotSegment(prefix.path) || strings.HasSuffix(prefix.host, ".") ||
			!strings.HasPrefix(address, prefix.scheme+"://"+prefix.host) {
			add("return URL %q: want http or https, a host in lower case and perhaps a path, and nothing else", address)
		}
		a.returns = append(a.returns, prefix)
	}
	return problems
}

// secretMatches reports whether sent is a secret of the app. For an app that does not exist, a is
// nil. The comparison then takes the same time, so the time does not reveal which appids exist.
func (a *App) secretMatches(sent string) bool {
	var known []route.SecretHash
	if a != nil {
		known = a.Secrets
	}
	return route.SecretMatches(known, sent)
}

// verifyName matches the name of a domain verification file. WeChat requests this file to check who
// owns a domain. The content of the file is the part of the name between "MP_verify_" and ".txt"
// (field reports). In all known names, this part has 16 characters; other lengths are accepted too.
var verifyName = regexp.MustCompile(`^MP_verify_([A-Za-z0-9]{1,64})\.txt$`)

// mountVerify registers the verification files at the root, where WeChat requests them. It also
// registers them below the path of the gateway, since a proxy may pass only this path to the
// gateway.
func (h *Handler) mountVerify(mux *route.Mux) {
	folders := []string{""}
	if h.path != "" {
		folders = append(folders, h.path)
	}
	names := slices.Clone(h.cfg.VerifyFiles)
	slices.Sort(names)
	for _, name := range slices.Compact(names) {
		text := verifyName.FindStringSubmatch(name)[1]
		for _, folder := range folders {
			mux.HandleFunc("GET "+folder+"/"+name, func(w http.ResponseWriter, _ *http.Request) {
				w.Header().Set("Content-Type", "text/plain")
				w.Header().Set("Cache-Control", "no-store")
				_, _ = io.WriteString(w, text) // fails when the client has disconnected
			}, route.LimitedOther)
		}
	}
}
