package login

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"regexp"
	"time"

	"github.com/weigate/weigate/internal/origin"
	"github.com/weigate/weigate/internal/seal"
	"github.com/weigate/weigate/wechat"
)

// Config is what New makes a Handler from. URL, Keys and one of OfficialAccount
// and WebsiteApp are required; the zero value of every other field works.
type Config struct {
	// URL is the app's own public address, such as https://app.example.com; it
	// may have a path, below which the app (and this handler) then lives. The
	// callback is URL + "/wechat/callback", and URL's host is what WeChat must
	// have as callback domain (网页授权域名 or 授权回调域). It must be https,
	// except on loopback or with Insecure. The request's Host is never used.
	URL string

	// Keys seal the flow cookies: random, at least 32 bytes each. The first
	// seals and all open, so that keys can be rolled over. Required: a key made
	// at start would end every pending sign-in at each restart and would not be
	// shared between processes.
	Keys [][]byte

	// Store keeps sessions and claims; nil is a new MemoryStore.
	Store Store

	// OfficialAccount signs people in inside WeChat (服务号, or a 测试号); nil is
	// none.
	OfficialAccount *wechat.Client

	// WebsiteApp signs people in everywhere else by WeChat's QR code (网站应用);
	// nil is none.
	WebsiteApp *wechat.Client

	// AnyBrowser takes every browser for WeChat's. It is for development with a
	// simulator; WeChat itself shows its own error page to other browsers.
	AnyBrowser bool

	// Insecure allows plain http at an address that is not loopback: a test
	// account (测试号) tried with a real phone in a private network. Cookies then
	// can be read and planted by anybody on the way.
	Insecure bool

	// ReturnHosts are other places that a return address may name, each an
	// origin such as "https://shop.example.com", or a bare host, which means
	// https. The own origin always is allowed.
	ReturnHosts []string

	// AvatarHosts are places, besides WeChat's own (https, *.qlogo.cn), that
	// an avatar may be shown from; written as ReturnHosts are. An avatar from
	// anywhere else becomes "". Name the simulator here.
	AvatarHosts []string

	// CallbackPath is the path of the callback, below the path of URL; "" is
	// "/wechat/callback", others begin with "/wechat/callback/". It is for
	// programs with several official accounts: a Handler for each, with a path
	// for each, and all else alike. They share sessions and pending sign-ins
	// when they share URL, Keys, Store and CookieName.
	CallbackPath string

	// CookieName is the stem of the names of our cookies: letters, digits and
	// "-", 1 to 20 of them. "" is "weigate". Two apps below one https host need
	// two names; on plain http the port is added.
	CookieName string

	// Before is asked when a browser is about to be sent to WeChat. false means
	// that Before has answered the request itself, for example with a page that
	// has a box to tick; the sign-in has then not begun. It is not asked where a
	// sign-in that has begun goes round once more. Its options have Return and
	// Scope filled in. nil lets everybody on. It must be safe for concurrent use.
	OnStart func(http.ResponseWriter, *http.Request, StartOptions) bool

	// OnSignIn hears of each sign-in before its session is made. It may change
	// SignIn.Subject, Nickname, AvatarURL, ProfileAt and Extra, and so connect the
	// person with the app's own records; and it may refuse by an error: a
	// *Refusal is a page that says why, ErrUnavailable one that says to try again
	// in a moment, any other error one that says the app could not finish. It is called once per sign-in, in the request that
	// exchanged the code, with a context that outlives that request, and has
	// three seconds or more. nil accepts everybody. It must be safe for concurrent use.
	OnSignIn func(context.Context, *SignIn) error

	// Page shows all pages; nil shows the built-in ones, which a Page function
	// can fall back on with Handler.WritePage.
	RenderPage func(http.ResponseWriter, *http.Request, Page)

	// SessionIdle ends a session that was not used for that long (0: 24 hours);
	// SessionMax ends any session (0: 720 hours). ProfileMaxAge is the age at
	// which a nickname and avatar (头像昵称) are asked for again where they are
	// required (0: 720 hours).
	SessionIdle, SessionMax, ProfileMaxAge time.Duration

	// RequestID names a request in logs and on error pages; nil makes a random
	// name for each.
	RequestID func(*http.Request) string

	// Observe hears of each sign-in that begins and of each answer to a callback,
	// for metrics: begun minus ended are those who did not come back. It is
	// called often, must not block, and must be safe for concurrent use. nil is
	// nobody.
	OnEvent func(context.Context, Event)

	// Logger gets one line per sign-in, and one per error. No line holds a code,
	// a token, a secret or a whole openid. nil discards.
	Logger *slog.Logger

	// Now is the clock; nil is time.Now.
	Now func() time.Time
}

// New checks the configuration and returns a Handler. The error joins all that
// is wrong (errors.Join), each with the name of its field.
func New(c Config) (*Handler, error) {
	var problems []error
	fault := func(format string, v ...any) { problems = append(problems, fmt.Errorf("login: "+format, v...)) }

	h := &Handler{cfg: c}
	stem := c.CookieName
	if stem == "" {
		stem = "weigate"
	} else if !regexp.MustCompile(`^[A-Za-z0-9-]{1,20}$`).MatchString(stem) {
		fault("Config.CookieName: must be 1 to 20 letters, digits and hyphens")
	}
	if c.CallbackPath != "" && !regexp.MustCompile(`^`+pathCallback+`/[A-Za-z0-9_-]{1,40}$`).MatchString(c.CallbackPath) {
		fault("Config.CallbackPath: must be %s/ and 1 to 40 letters, digits, _ and -", pathCallback)
	}
	if err := h.useURL(c.URL, stem, c.Insecure); err != nil {
		fault("Config.URL %q: %w", redactUser(c.URL), err)
	}
	origins := func(field string, hosts []string, into map[string]bool) {
		for _, host := range hosts {
			allowed, err := origin.Canonical(host)
			if err != nil {
				fault("Config.%s %q: %w", field, redactUser(host), err)
				continue
			}
			into[allowed] = true
		}
	}
	h.returns.allowed, h.avatars = map[string]bool{h.returns.own: true}, map[string]bool{}
	origins("ReturnHosts", c.ReturnHosts, h.returns.allowed)
	origins("AvatarHosts", c.AvatarHosts, h.avatars)
	if err := h.useKeys(c.Keys); err != nil {
		fault("Config.Keys: %w", err)
	}
	if c.OfficialAccount == nil && c.WebsiteApp == nil {
		fault("Config: neither OfficialAccount nor WebsiteApp is set, so nobody could sign in")
	}
	for i, app := range []*wechat.Client{c.OfficialAccount, c.WebsiteApp} {
		if app != nil && (app.AppID == "" || app.Secret == "") {
			fault("Config.%s: AppID and Secret are both needed", [...]string{"OfficialAccount", "WebsiteApp"}[i])
		}
	}
	if c.SessionIdle < 0 || c.SessionMax < 0 || c.ProfileMaxAge < 0 {
		fault("Config: SessionIdle, SessionMax and ProfileMaxAge must not be negative")
	}
	if len(problems) > 0 {
		return nil, errors.Join(problems...)
	}
	return h, h.finish()
}

// useURL takes the public address apart.
func (h *Handler) useURL(text, stem string, insecure bool) error {
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
	h.returns.own, h.returns.prefix = own, prefix
	h.cookies.path = prefix
	if prefix == "" {
		h.cookies.path = "/"
	}
	switch {
	case u.Scheme == "https" && prefix == "":
		h.cookies.stem, h.cookies.secure = "__Host-"+stem, true
	case u.Scheme == "https":
		h.cookies.stem, h.cookies.secure = "__Secure-"+stem, true
	case origin.IsLoopback(u.Hostname()) || insecure:
		h.cookies.stem = stem + u.Port()
	default:
		return errors.New("is plain http at an address that is not loopback; use https, or Insecure for a test account in a private network")
	}
	return nil
}

func (h *Handler) useKeys(keys [][]byte) (err error) {
	if len(keys) == 0 {
		return errors.New("at least one is needed, of 32 random bytes")
	}
	for i, key := range keys {
		if len(key) < seal.MinKey {
			return fmt.Errorf("number %d has %d bytes, fewer than %d", i+1, len(key), seal.MinKey)
		}
	}
	if h.cookies.flows, err = seal.New(keys, "login flow"); err != nil {
		return err
	}
	if h.cookies.traces, err = seal.New(keys, "login trace"); err != nil {
		return err
	}
	h.endings, err = seal.New(keys, "login ending")
	return err
}

// finish fills in the defaults and the parts that need a good configuration.
func (h *Handler) finish() error {
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
	if h.cfg.OnEvent == nil {
		h.cfg.OnEvent = func(context.Context, Event) {}
	}
	if h.cfg.RequestID == nil {
		h.cfg.RequestID = randomRequestID
	}
	h.cfg.SessionIdle = cmp.Or(h.cfg.SessionIdle, 24*time.Hour)
	h.cfg.SessionMax = cmp.Or(h.cfg.SessionMax, 720*time.Hour)
	h.cfg.ProfileMaxAge = cmp.Or(h.cfg.ProfileMaxAge, 720*time.Hour)
	// Behind a proxy that changes Host, our own pages would look foreign to the
	// check, which compares Origin with Host where Sec-Fetch-Site is missing.
	if err := h.crossOrigin.AddTrustedOrigin(h.returns.own); err != nil {
		return fmt.Errorf("login: Config.URL: %w", err)
	}
	pages, err := newPages(h.returns.own, h.returns.allowed)
	if err != nil {
		return err
	}
	h.pages = pages
	return nil
}

// redactUser keeps a password that was put into an address out of the error.
func redactUser(text string) string {
	u, err := url.Parse(text)
	if err != nil {
		return "…"
	}
	return u.Redacted()
}
