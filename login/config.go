package login

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/netip"
	"net/url"
	"path"
	"regexp"
	"strings"
	"time"

	"github.com/weigate/weigate/internal/cookie"
	"github.com/weigate/weigate/internal/flow"
	"github.com/weigate/weigate/internal/origin"
	"github.com/weigate/weigate/internal/seal"
	"github.com/weigate/weigate/wechat"
)

// Config is the configuration of a Handler. URL, Keys and one of OfficialAccount and WebsiteApp are
// required; the zero value of every other field works. "The program" means the program that
// uses this package, and "the callback" is the redirect URI to which WeChat returns the browser.
type Config struct {
	// URL is the program's public base URL, such as https://app.example.com. It may have a path,
	// below which the program and this handler are served. The callback is URL +
	// "/wechat/callback". Set the host of URL as the callback domain at WeChat (网页授权域名 or 授权回调域).
	// The URL must be https, except on loopback or with Insecure. The Host header is never used,
	// because the client chooses it.
	URL string

	// Keys encrypt the cookies of pending sign-ins. Each has at least 32 random bytes. The first
	// key encrypts and all keys decrypt, so that keys can be replaced. All processes need the same
	// keys. Do not generate them at startup: a restart would then end every pending sign-in.
	Keys [][]byte

	// Store stores sessions and attempts. An attempt records which request redeems the code of a
	// pending sign-in. nil is a new MemoryStore: a restart then signs all users out, and the program
	// must be one process. Package login/sqlstore has a Store for SQL databases.
	Store Store

	// OfficialAccount signs users in inside WeChat (服务号, or a 测试号); nil is none.
	OfficialAccount *wechat.Client

	// WebsiteApp signs users in everywhere else by WeChat's QR code (网站应用); nil is none.
	WebsiteApp *wechat.Client

	// AnyBrowser treats every browser as WeChat's, for development with a simulator of WeChat.
	// WeChat itself answers other browsers with an error page.
	AnyBrowser bool

	// Insecure allows plain http at an address that is not loopback, for testing a test account
	// (测试号) with a real phone in a private network. Everyone on the network path can then read and
	// set cookies.
	Insecure bool

	// ReturnHosts are the origins that a return address may have besides the origin of URL. A
	// return address is where the browser continues after the sign-in. An entry is an origin such
	// as "https://shop.example.com". A bare host means https.
	ReturnHosts []string

	// AvatarHosts are the origins of avatars besides WeChat's own (https, *.qlogo.cn), in the form
	// of ReturnHosts. The URL of an avatar from any other origin becomes "". In development, add
	// the origin of the simulator.
	AvatarHosts []string

	// CallbackPath is the path of the callback, below the path of URL. "" is "/wechat/callback";
	// any other path begins with "/wechat/callback/". A program with several official accounts uses
	// one Handler for each, with its own CallbackPath. Handlers with the same URL, Keys, Store and
	// CookieName share sessions and pending sign-ins.
	CallbackPath string

	// CookieName is the prefix of the names of all cookies: 1 to 20 letters, digits and hyphens. ""
	// is "weigate". Two programs on one https host need different names. On plain http the port is
	// added to the name.
	CookieName string

	// OnStart is called before a browser is sent to WeChat, with the Return, Scope and Method of
	// the sign-in. If OnStart returns true, the sign-in starts. It returns false if it has answered
	// the request itself, for example with a page that asks the user to accept terms. OnStart is
	// not called when a sign-in restarts automatically. With nil every sign-in starts. OnStart must
	// be safe for concurrent use.
	OnStart func(http.ResponseWriter, *http.Request, StartOptions) bool

	// OnSignIn is called once for each sign-in, before its session is created. It connects the user
	// with the program's own records by changing SignIn.Subject, Nickname, AvatarURL, ProfileAt and
	// Extra.
	//
	// It refuses the user with an error. For a *RefusalError the page shows its Text. For
	// ErrUnavailable the page asks the user to try again in a moment. For any other error the page
	// reports a failure of the program.
	//
	// The context is not cancelled when the client closes the connection; its deadline is at least
	// three seconds away. With nil every user is accepted. OnSignIn must be safe for concurrent
	// use.
	OnSignIn func(context.Context, *SignIn) error

	// RenderPage renders all pages; nil renders the built-in ones. A RenderPage function can call
	// Handler.WritePage for the pages that it does not change. It is not called for errors of API
	// calls, which get JSON.
	RenderPage func(http.ResponseWriter, *http.Request, Page)

	// SessionIdle is how long a session lives without use. 0 is 24 hours.
	SessionIdle time.Duration

	// SessionMax is how long any session lives. 0 is 720 hours.
	SessionMax time.Duration

	// ProfileMaxAge is the age at which RequireProfile requests nickname and avatar (头像昵称) again.
	// 0 is 720 hours.
	ProfileMaxAge time.Duration

	// ClientAddr returns the IP address of the client that sent a request. It is for programs
	// behind a proxy: read the address from the header that the proxy sets, such as
	// X-Forwarded-For, and only if the proxy removes that header from clients' requests. nil uses
	// the address of the peer.
	//
	// The handler counts refused codes by the network of this address. Everyone can send a made-up
	// code to the callback, and WeChat refuses it. If WeChat refused many codes from one network
	// lately, this handler sends fewer codes of that network to WeChat. Loopback and private
	// addresses are not counted, because they belong to proxies.
	ClientAddr func(*http.Request) netip.Addr

	// ExchangesPerMinute limits how many codes this handler sends to WeChat in a minute, for each
	// appid. 0 is 20,000. WeChat allows 50,000 for all processes with the same appid together
	// (WeChat's documentation, api_snsaccesstoken). Beyond the limit, users are asked to try again.
	ExchangesPerMinute int

	// RequestID returns the id of a request, which logs and error pages show. With nil each request
	// gets a random id.
	RequestID func(*http.Request) string

	// OnEvent is called for metrics: for each sign-in that starts, and for each response to a
	// callback (see Event.Outcome). OnEvent must not block, and must be safe for concurrent use.
	OnEvent func(context.Context, Event)

	// Logger gets one line for each sign-in and one for each error. No line contains a code, a
	// token, a secret or a whole openid. With nil nothing is logged.
	Logger *slog.Logger

	// Now is the clock; nil is time.Now.
	Now func() time.Time
}

// Event is one step of a sign-in, for metrics. It identifies no user, and each field has few
// different values.
type Event struct {
	// Outcome is "begun" if the browser was sent to WeChat. Otherwise Outcome is the result of a
	// callback. It is an OutcomeKind or one of these values:
	//
	//   - "denied": the user declined at WeChat.
	//   - "repeat": an earlier callback had the same state, and its outcome was used again.
	//   - "lost": the callback belongs to no sign-in of the browser.
	//   - "gave_up": WeChat refused codes several times in a row.
	//   - "suspect": WeChat refused many codes of the network, so this code was not sent.
	//   - "store_full": the store has reached its limit.
	//   - "unavailable": the store could not be reached.
	Outcome string
	Method  Method // "" when the sign-in is not known
}

// New checks the configuration and returns a Handler. The error joins all problems (errors.Join),
// in the order of the fields, each with the name of its field.
func New(c Config) (*Handler, error) {
	var problems []error
	problem := func(format string, v ...any) { problems = append(problems, fmt.Errorf("login: "+format, v...)) }

	h := &Handler{cfg: c}
	cookiePrefix := cmp.Or(c.CookieName, "weigate")
	if err := h.useURL(c.URL, cookiePrefix, c.Insecure); err != nil {
		problem("Config.URL %q: %w", redactPassword(c.URL), err)
	}
	if err := checkKeys(c.Keys); err != nil {
		problem("Config.Keys: %w", err)
	}
	if c.OfficialAccount == nil && c.WebsiteApp == nil {
		problem("Config: neither OfficialAccount nor WebsiteApp is set, so no user could sign in")
	}
	if app := c.OfficialAccount; app != nil && (app.AppID == "" || app.Secret == "") {
		problem("Config.OfficialAccount: AppID and Secret are both required")
	}
	if app := c.WebsiteApp; app != nil && (app.AppID == "" || app.Secret == "") {
		problem("Config.WebsiteApp: AppID and Secret are both required")
	}
	returnOrigins, errs := parseOrigins("ReturnHosts", c.ReturnHosts)
	problems = append(problems, errs...)
	avatarOrigins, errs := parseOrigins("AvatarHosts", c.AvatarHosts)
	problems = append(problems, errs...)
	h.returns.AllowedOrigins, h.avatarOrigins = returnOrigins, avatarOrigins
	if c.CallbackPath != "" && !regexp.MustCompile(`^`+pathCallback+`/[A-Za-z0-9_-]{1,40}$`).MatchString(c.CallbackPath) {
		problem("Config.CallbackPath: must be %s/ and 1 to 40 letters, digits, _ and -", pathCallback)
	}
	if !regexp.MustCompile(`^[A-Za-z0-9-]{1,20}$`).MatchString(cookiePrefix) {
		problem("Config.CookieName: must be 1 to 20 letters, digits and hyphens")
	}
	if c.SessionIdle < 0 || c.SessionMax < 0 || c.ProfileMaxAge < 0 {
		problem("Config: SessionIdle, SessionMax and ProfileMaxAge must not be negative")
	}
	if c.ExchangesPerMinute < 0 {
		problem("Config.ExchangesPerMinute: must not be negative")
	}
	if len(problems) > 0 {
		return nil, errors.Join(problems...)
	}
	return h, h.build()
}

// parseOrigins returns the origins in a field of Config, and an error for each invalid one.
func parseOrigins(field string, hosts []string) (map[string]bool, []error) {
	origins := map[string]bool{}
	var problems []error
	for _, host := range hosts {
		canonical, err := origin.Canonical(host)
		if err != nil {
			problems = append(problems, fmt.Errorf("login: Config.%s %q: %w", field, redactPassword(host), err))
			continue
		}
		origins[canonical] = true
	}
	return origins, problems
}

// useURL validates Config.URL. It then sets the cookies and the return policy, because both depend
// on the URL. The return policy decides where a browser may continue after the sign-in.
func (h *Handler) useURL(text, cookiePrefix string, insecure bool) error {
	u, err := url.Parse(text)
	if err != nil || u.Host == "" {
		return errors.New("is not an absolute address")
	}
	own, err := origin.Canonical(u.Scheme + "://" + u.Host)
	if err != nil {
		return err
	}
	if u.User != nil || u.RawQuery != "" || u.ForceQuery || u.Fragment != "" || u.RawPath != "" {
		return errors.New("may have a scheme, a host, a port and a path, nothing else")
	}
	prefix, err := cleanPrefix(u.Path)
	if err != nil {
		return err
	}
	if u.Scheme != "https" && !origin.IsLoopback(u.Hostname()) && !insecure {
		return errors.New("is plain http at an address that is not loopback; " +
			"use https, or Insecure for a test account in a private network")
	}
	h.returns.Origin, h.returns.Prefix = own, prefix
	// These pages belong to the sign-in itself: a user must not end there.
	h.returns.ReservedPaths = []string{pathStart + "/", pathCallback + "/", pathSignOut}
	h.cookies = cookie.For(u, cookiePrefix)
	return nil
}

// cleanPrefix validates the path of Config.URL and returns it without a slash at the end. The path
// is also the attribute Path of the cookies: a semicolon in it would begin the next attribute.
func cleanPrefix(p string) (string, error) {
	p = strings.TrimSuffix(p, "/")
	if p != "" && (path.Clean(p) != p || !strings.HasPrefix(p, "/") || strings.ContainsAny(p, "%;, ")) {
		return "", errors.New("has an unusual path")
	}
	if origin.CheckBytes(p) != nil {
		return "", errors.New("has a path with characters that must be percent-encoded")
	}
	return p, nil
}

// checkKeys returns an error unless there are keys and each is long enough.
func checkKeys(keys [][]byte) error {
	if len(keys) == 0 {
		return errors.New("at least one is required, of 32 random bytes")
	}
	for i, key := range keys {
		if len(key) < seal.MinKey {
			return fmt.Errorf("number %d has %d bytes, fewer than %d", i+1, len(key), seal.MinKey)
		}
	}
	return nil
}

// build sets the defaults, and then creates the parts of the handler that need a valid
// configuration.
func (h *Handler) build() (err error) {
	if h.cfg.Store == nil {
		h.cfg.Store = NewMemoryStore()
	}
	h.cfg.CallbackPath = cmp.Or(h.cfg.CallbackPath, pathCallback)
	if h.cfg.Logger == nil {
		h.cfg.Logger = slog.New(slog.DiscardHandler)
	}
	if h.cfg.Now == nil {
		h.cfg.Now = time.Now
	}
	if h.cfg.RequestID == nil {
		h.cfg.RequestID = newRequestID
	}
	h.cfg.SessionIdle = cmp.Or(h.cfg.SessionIdle, 24*time.Hour)
	h.cfg.SessionMax = cmp.Or(h.cfg.SessionMax, 720*time.Hour)
	h.cfg.ProfileMaxAge = cmp.Or(h.cfg.ProfileMaxAge, 720*time.Hour)
	// When the browser does not send Sec-Fetch-Site, the cross-origin check compares Origin with
	// Host. A proxy may change Host. Without a trusted origin, the check would then reject the
	// handler's own forms.
	if err := h.crossOrigin.AddTrustedOrigin(h.returns.Origin); err != nil {
		return fmt.Errorf("login: Config.URL: %w", err)
	}
	if h.pages, err = newPages(h.returns.Origin, h.returns.AllowedOrigins); err != nil {
		return err
	}
	h.engine, err = flow.New(flow.Config{
		Callback: h.address(h.cfg.CallbackPath), Cookies: h.cookies, Keys: h.cfg.Keys,
		OfficialAccount: h.cfg.OfficialAccount, WebsiteApp: h.cfg.WebsiteApp,
		Attempts: attempts{h.cfg.Store}, Limits: newLimits(cmp.Or(h.cfg.ExchangesPerMinute, defaultExchangesPerMinute)),
		AvatarHosts: h.avatarOrigins, OnEvent: h.sendEvent,
		Logger: h.cfg.Logger, Now: h.cfg.Now,
	})
	if err != nil {
		return fmt.Errorf("login: %w", err)
	}
	return nil
}

// sendEvent calls Config.OnEvent with an event of the engine.
func (h *Handler) sendEvent(ctx context.Context, e flow.Event) {
	if h.cfg.OnEvent != nil {
		h.cfg.OnEvent(ctx, Event{Outcome: e.Outcome, Method: Method(e.Method)})
	}
}

// redactPassword returns an address without its password, for error messages. For an address that
// cannot be parsed it returns "…", because the password cannot be found.
func redactPassword(address string) string {
	u, err := url.Parse(address)
	if err != nil {
		return "…"
	}
	return u.Redacted()
}
