// Package demo contains the sample apps of "weigate demo". They are small and meant to be read.
//
// [New] returns all of them as one handler:
//   - sample.go is an app that uses package login directly: one login.Config, and calls of
//     Handler.Start and Handler.Session.
//   - client.go and relying_party.go are five apps, Notes, Photos, Board, Forum and Plans, that sign
//     users in at the gateway with OpenID Connect. They contain nothing about WeChat. Users of Forum sign
//     in through the chat of the official account. Plans is for users whom an administrator has approved.
//   - wiki.go is a website without a sign-in of its own, and the reverse proxy in front of the
//     wiki. The proxy checks every request with the gateway (forward auth).
//   - shop.go is an app that uses WeChat's own protocol. Its base URLs point to the gateway's
//     relay, which serves this protocol to apps.
//
// The routes:
//
//	GET  /                             tour: what each app is, and what to try
//	GET  /sample/                      the app on package login
//	GET  /base                         starts a sign-in with snsapi_base
//	GET  /profile                      starts a sign-in with snsapi_userinfo
//	GET  /qr                           starts a sign-in with a website app's QR code
//	     /sign-in …                    package login: see its route table
//	GET  /notes/                       Notes; /photos/, /board/, /forum/ and /plans/ have the same routes
//	GET  /notes/sign-in                redirects to the gateway
//	GET  /notes/callback               redirect URI
//	POST /notes/sign-out               ends the session of Notes
//	POST /notes/sign-out-of-weigate    ends the session of the gateway too
//	GET  /demo.css, /demo.svg          style and icon, on every host
//
//	wiki.localhost
//	GET  /, /page                      the wiki, for requests that the gateway allows
//	     /.weigate/…                   passed on to the gateway
//
//	shop.localhost
//	GET  /                             the shop
//	GET  /sign-in                      redirects to the relay's authorize page
//	GET  /callback                     redirect URI
//	POST /sign-out
//
// Sessions are kept in memory. The apps are not a template for production: use your language's
// OpenID Connect library instead of relying_party.go.
package demo

import (
	"bytes"
	"crypto/rand"
	"embed"
	"fmt"
	"html/template"
	"log/slog"
	"net/http"
	"net/url"
	"strings"

	"github.com/weigate/weigate/internal/lang"
	"github.com/weigate/weigate/login"
	"github.com/weigate/weigate/wechat"
)

//go:embed pages
var files embed.FS

// Config configures the sample apps.
type Config struct {
	// URL is the base URL of the apps, as in http://127.0.0.1:8080.
	URL string
	// SimulatorURL is the base URL of the simulated WeChat. OfficialAccount and WebsiteApp use this
	// WeChat. Pages load profile pictures from this URL.
	SimulatorURL string
	// ControlURL is the simulator's control page. Every page links to it.
	ControlURL string
	// OfficialAccount is required. WebsiteApp is optional: nil leaves out the QR code.
	OfficialAccount, WebsiteApp *wechat.Client
	// Gateway is optional: nil leaves out the apps that need the gateway.
	Gateway *GatewayConfig
	// Logger receives errors, and the log of package login. Nil discards them.
	Logger *slog.Logger
}

// GatewayConfig has the URL of the gateway and the secrets of the apps at the gateway.
type GatewayConfig struct {
	// Issuer is the gateway's base URL.
	Issuer string
	// NotesSecret, PhotosSecret, BoardSecret, ForumSecret and PlansSecret are the client secrets of
	// [NotesID], [PhotosID], [BoardID], [ForumID] and [PlansID].
	NotesSecret, PhotosSecret, BoardSecret, ForumSecret, PlansSecret string
	// ShopSecret is the secret of [ShopAppID] at the gateway's relay.
	ShopSecret string
	// AdminURL is a link that makes the user who opens it an administrator.
	AdminURL string
}

// app has what all sample apps share: configuration, texts and templates. Its field login belongs
// to the app in sample.go.
type app struct {
	config    Config
	login     *login.Handler
	catalogue *lang.Catalogue
	pages     *template.Template
	log       *slog.Logger
	host      string // host and port of Config.URL
}

// New returns the sample apps as one handler. It returns an error if the configuration is invalid.
func New(conf Config) (http.Handler, error) {
	self, err := url.Parse(conf.URL)
	if err != nil {
		return nil, fmt.Errorf("demo: URL: %w", err)
	}
	// The key encrypts cookies. A new key at each start is enough, because sessions are in memory and
	// end with the process.
	key := make([]byte, 32)
	rand.Read(key)
	signIn, err := login.New(login.Config{
		URL:             conf.URL,
		AvatarHosts:     []string{conf.SimulatorURL},
		Keys:            [][]byte{key},
		OfficialAccount: conf.OfficialAccount,
		WebsiteApp:      conf.WebsiteApp,
		// The gateway is often on the same host, and browsers do not separate cookies by port. The
		// default name could overwrite a cookie of the gateway.
		CookieName: "sample",
		AnyBrowser: true, // accept other browsers than WeChat's: the demo is opened on a desktop
		Logger:     conf.Logger,
	})
	if err != nil {
		return nil, err
	}
	a := &app{config: conf, login: signIn, log: conf.Logger, host: self.Host}
	if a.log == nil {
		a.log = slog.New(slog.DiscardHandler)
	}
	if a.catalogue, err = lang.Load(files, "pages"); err != nil {
		return nil, fmt.Errorf("demo: %w", err)
	}
	if a.pages, err = template.ParseFS(files, "pages/*.html"); err != nil {
		return nil, fmt.Errorf("demo: %w", err)
	}

	mux := http.NewServeMux()
	mux.HandleFunc("GET /{$}", a.tour)
	a.mountSample(mux)
	a.mountAssets(mux)
	mux.HandleFunc("/", a.notFound)
	if conf.Gateway == nil {
		return a.redirectToOwnHost(mux), nil
	}
	a.mountClients(mux)
	wiki, err := newProxy(conf.Gateway.Issuer, WikiURL(conf.URL), a.wiki(), a.log)
	if err != nil {
		return nil, err
	}
	return byHost(a.redirectToOwnHost(mux), map[string]http.Handler{
		Host(WikiURL(conf.URL)): wiki,
		Host(ShopURL(conf.URL)): newShop(a, conf.Gateway).handler(),
	}), nil
}

// byHost returns a handler that calls the handler of the request's host, or fallback for other
// hosts. All hosts share one port.
func byHost(fallback http.Handler, hosts map[string]http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if h := hosts[strings.ToLower(r.Host)]; h != nil {
			h.ServeHTTP(w, r)
			return
		}
		fallback.ServeHTTP(w, r)
	})
}

// redirectToOwnHost redirects a request for another name of this machine to Config.URL: for
// example, from localhost to 127.0.0.1. Otherwise the sign-in would fail. The cookies would be for
// localhost, but the callback is at 127.0.0.1.
func (a *app) redirectToOwnHost(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Host != a.host && (r.Method == http.MethodGet || r.Method == http.MethodHead) {
			http.Redirect(w, r, a.config.URL+r.URL.RequestURI(), http.StatusFound)
			return
		}
		next.ServeHTTP(w, r)
	})
}

// mountAssets adds the style sheet and the icon, which every host of the demo serves.
func (a *app) mountAssets(mux *http.ServeMux) {
	mux.HandleFunc("GET /demo.css", serveFile("text/css; charset=utf-8"))
	mux.HandleFunc("GET /demo.svg", serveFile("image/svg+xml"))
}

// serveFile serves the embedded file with the name in the request's path.
func serveFile(contentType string) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", contentType)
		w.Header().Set("X-Content-Type-Options", "nosniff")
		w.Header().Set("Cache-Control", "max-age=300")
		http.ServeFileFS(w, r, files, "pages"+r.URL.Path)
	}
}

// redirect sends the browser to another address. The browser sends no Referer, because the current
// address may contain a code.
func redirect(w http.ResponseWriter, address string) {
	w.Header().Set("Location", address)
	w.Header().Set("Cache-Control", "no-store")
	w.Header().Set("Referrer-Policy", "no-referrer")
	w.WriteHeader(http.StatusSeeOther)
}

// page is the data of all templates. Each template uses some of the fields.
type page struct {
	// For all templates.
	lang.Texts
	ControlURL string
	Home       string // URL of the tour, which is on another host than the wiki and the shop
	Issuer     string // URL of the gateway; "" leaves out links to it
	Heading    string // key of a text in the catalogue
	Wide       bool   // the page is wider than one column of text

	Notice string // for notice.html: key of a text
	Cards  []card // for tour.html
	Facts  []fact // for wiki.html and shop.html
	Inner  bool   // for wiki.html: the page is not the home page
	QR     bool   // for signed-out.html: the website app's QR code is available

	// For signed-in.html and shop.html.
	Nickname, AvatarURL, OpenID, UnionID, AppID, Scope, Method, At string

	HasProfile bool // for signed-in.html: the session has nickname and picture

	// For client-in.html and client-out.html.
	App, Other string    // client IDs of the app, and of another app to try next
	Ended      bool      // the gateway has ended the session
	User       *userInfo // the signed-in user
}

// show serves a page. It renders the whole page before it sends the first byte. So an error in the
// template becomes a complete error page, not half a page.
func (a *app) show(w http.ResponseWriter, r *http.Request, status int, name string, p page) {
	p.Texts = a.catalogue.In(lang.FromHeader(r.Header, lang.English))
	p.ControlURL, p.Home = a.config.ControlURL, a.config.URL+"/"
	forms := "'self'"
	if g := a.config.Gateway; g != nil {
		p.Issuer = g.Issuer
		forms += " " + g.Issuer // Chromium applies form-action to the redirect after the form too
	}
	var out bytes.Buffer
	if err := a.pages.ExecuteTemplate(&out, name, p); err != nil {
		a.log.ErrorContext(r.Context(), "page not rendered", "name", name, "error", err)
		http.Error(w, http.StatusText(http.StatusInternalServerError), http.StatusInternalServerError)
		return
	}
	h := w.Header()
	h.Set("Content-Type", "text/html; charset=utf-8")
	h.Set("Content-Language", p.Lang)
	h.Set("Vary", "Accept-Language, Cookie")
	h.Set("Cache-Control", "no-store")
	// Not "no-referrer": the browser would send "Origin: null" with the sign-out form.
	// http.CrossOriginProtection could then reject the form as cross-site.
	h.Set("Referrer-Policy", "same-origin")
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Content-Security-Policy", "default-src 'none'; style-src 'self'; img-src 'self' "+a.config.SimulatorURL+
		"; form-action "+forms+"; base-uri 'none'; frame-ancestors 'none'")
	w.WriteHeader(status)
	_, _ = out.WriteTo(w) // an error here means that the browser has closed the connection
}

// notice serves a page with a heading and a sentence: the texts with the keys name and name.text.
func (a *app) notice(w http.ResponseWriter, r *http.Request, status int, name string) {
	a.show(w, r, status, "notice", page{Heading: name, Notice: name + ".text"})
}

func (a *app) notFound(w http.ResponseWriter, r *http.Request) {
	a.notice(w, r, http.StatusNotFound, "not_found")
}

// The hosts of the wiki and the shop. Chrome, Edge and Firefox resolve names under .localhost to
// this machine.
const (
	wikiHost = "wiki.localhost"
	shopHost = "shop.localhost"
)

// WikiURL returns the URL of the wiki. It has the scheme and the port of appsURL, and the host
// wiki.localhost.
func WikiURL(appsURL string) string { return withHost(appsURL, wikiHost) }

// ShopURL returns the URL of the shop. It has the scheme and the port of appsURL, and the host
// shop.localhost.
func ShopURL(appsURL string) string { return withHost(appsURL, shopHost) }

// Host returns the host of a URL with its port, as the gateway's configuration lists it.
func Host(address string) string {
	u, err := url.Parse(address)
	if err != nil {
		return ""
	}
	return u.Host
}

func withHost(address, host string) string {
	u, err := url.Parse(address)
	if err != nil {
		return ""
	}
	if port := u.Port(); port != "" {
		host += ":" + port
	}
	return u.Scheme + "://" + host
}

// card is one app on the tour. Its texts have the keys tour.APP, tour.APP.note, tour.APP.steps and
// APP.open.
type card struct {
	App    string
	URL    string
	Second string // client ID of an app to try next, "" for none
	Admin  string // link for the administrator, "" for none
}

// tour serves the home page, a list of the apps. Without a gateway there is only the app of
// sample.go, so tour redirects there.
func (a *app) tour(w http.ResponseWriter, r *http.Request) {
	if a.config.Gateway == nil {
		http.Redirect(w, r, samplePath, http.StatusFound)
		return
	}
	a.show(w, r, http.StatusOK, "tour", page{Heading: "tour", Wide: true, Cards: []card{
		{App: NotesID, URL: "/notes/", Second: PhotosID},
		{App: "wiki", URL: WikiURL(a.config.URL) + "/"},
		{App: "shop", URL: ShopURL(a.config.URL) + "/"},
		{App: BoardID, URL: "/board/"},
		{App: ForumID, URL: "/forum/"},
		{App: PlansID, URL: a.phoneURL("bob", "/"+PlansID+"/sign-in"), Admin: a.config.Gateway.AdminURL},
	}})
}

// phoneURL returns the address of a simulated phone, with a page of the demo in its address line.
// The phone has its own cookies. So one person can try both roles in one browser: the user who
// waits is on the phone, and the administrator is in the browser.
func (a *app) phoneURL(person, path string) string {
	return a.config.ControlURL + "/phone?" + url.Values{"person": {person}, "open": {a.config.URL + path}}.Encode()
}
