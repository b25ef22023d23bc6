package demo

import (
	"bytes"
	"crypto/rand"
	"embed"
	"errors"
	"fmt"
	"html/template"
	"log/slog"
	"net/http"
	"net/url"
	"strings"

	"github.com/weigate/weigate/login"
	"github.com/weigate/weigate/wechat"
)

//go:embed pages
var files embed.FS

// Config says where the app is and which WeChat it asks.
type Config struct {
	// URL is the app's own address, as in http://127.0.0.1:8080.
	URL string
	// SimulatorURL is the address of the WeChat that OfficialAccount and WebsiteApp name. Pictures come from there.
	SimulatorURL string
	// ControlURL is where the pages lead for a look behind the scenes.
	ControlURL string
	// OfficialAccount is required; WebsiteApp nil leaves out the QR code.
	OfficialAccount, WebsiteApp *wechat.Client
	// Gateway nil leaves out the apps that sign in by OpenID Connect.
	Gateway *Gateway
	// Logger hears what package login has to say. Nil discards.
	Logger *slog.Logger
}

// app is the sample app.
type app struct {
	conf  Config
	login *login.Handler
	pages *template.Template
	log   *slog.Logger
	host  string
}

// New returns the sample app as a handler. The error tells what is wrong with the configuration.
func New(conf Config) (http.Handler, error) {
	self, err := url.Parse(conf.URL)
	if err != nil {
		return nil, fmt.Errorf("demo: the address of the app: %w", err)
	}
	// The key seals cookies. It lives as long as the process, as the sessions do.
	key := make([]byte, 32)
	rand.Read(key)
	signIn, err := login.New(login.Config{
		URL:             conf.URL,
		AvatarHosts:     []string{conf.SimulatorURL},
		Keys:            [][]byte{key},
		OfficialAccount: conf.OfficialAccount,
		WebsiteApp:      conf.WebsiteApp,
		CookieName:      "sample", // the gateway may be on the same host, and cookies know no ports
		AnyBrowser:      true,     // the person tries it in a desktop browser
		Logger:          conf.Logger,
	})
	if err != nil {
		return nil, err
	}
	pages, err := template.New("").Funcs(template.FuncMap{"lines": func(s string) []string { return strings.Split(s, "\n") }}).ParseFS(files, "pages/*.html")
	if err != nil {
		return nil, fmt.Errorf("demo: %w", err)
	}
	a := &app{conf: conf, login: signIn, pages: pages, log: conf.Logger, host: self.Host}
	if a.log == nil {
		a.log = slog.New(slog.DiscardHandler)
	}

	mux := http.NewServeMux()
	mux.HandleFunc("GET /{$}", a.tour)
	mux.HandleFunc("GET "+samplePath+"{$}", a.sample)
	mux.HandleFunc("GET /base", a.begin(login.StartOptions{Return: samplePath, Scope: wechat.ScopeBase}))
	mux.HandleFunc("GET /profile", a.begin(login.StartOptions{Return: samplePath, Scope: wechat.ScopeUserInfo}))
	mux.HandleFunc("GET /qr", a.begin(login.StartOptions{Return: samplePath, Method: login.MethodWebsite}))
	for _, path := range []string{"/sign-in", "/sign-in/", "/wechat/callback", "/sign-out"} {
		mux.Handle(path, signIn)
	}
	a.assets(mux)
	mux.HandleFunc("/", a.notFound)
	if conf.Gateway == nil {
		return a.oneAddress(mux), nil
	}
	a.clients(mux)
	wiki, err := newProxy(conf.Gateway.Issuer, WikiURL(conf.URL), a.wiki(), a.log)
	if err != nil {
		return nil, err
	}
	return a.hosts(a.oneAddress(mux), map[string]http.Handler{
		Host(WikiURL(conf.URL)): wiki,
		Host(ShopURL(conf.URL)): newShop(a, conf.Gateway).handler(),
	}), nil
}

// hosts sends a request to the site of the host that it names. All listen at one port.
func (a *app) hosts(apps http.Handler, others map[string]http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if site := others[strings.ToLower(r.Host)]; site != nil {
			site.ServeHTTP(w, r)
			return
		}
		apps.ServeHTTP(w, r)
	})
}

// assets are on every site of the demo.
func (a *app) assets(mux *http.ServeMux) {
	mux.HandleFunc("GET /demo.css", a.file("text/css; charset=utf-8"))
	mux.HandleFunc("GET /demo.svg", a.file("image/svg+xml"))
}

// samplePath is where the app on package login is.
const samplePath = "/sample/"

// leave sends the browser on. No address of ours goes with it.
func (a *app) leave(w http.ResponseWriter, address string) {
	w.Header().Set("Location", address)
	w.Header().Set("Cache-Control", "no-store")
	w.Header().Set("Referrer-Policy", "no-referrer")
	w.WriteHeader(http.StatusSeeOther)
}

// begin sends the browser to WeChat.
func (a *app) begin(options login.StartOptions) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) { a.login.Start(w, r, options) }
}

// sample is the page of the app on package login, before and after sign-in.
func (a *app) sample(w http.ResponseWriter, r *http.Request) {
	in, err := a.login.Session(r)
	if err != nil && !errors.Is(err, login.ErrNoSession) {
		a.log.ErrorContext(r.Context(), "session", "error", err)
		words := wordsFor(r)
		a.show(w, r, http.StatusInternalServerError, "notice", page{Heading: words.Trouble, Text: words.TroubleNote})
		return
	}
	words := wordsFor(r)
	if in == nil {
		a.show(w, r, http.StatusOK, "signed-out", page{Heading: words.ByLibrary, QR: a.conf.WebsiteApp != nil})
		return
	}
	var scopes []string
	for _, s := range in.Scopes {
		scopes = append(scopes, string(s))
	}
	a.show(w, r, http.StatusOK, "signed-in", page{
		Heading: words.SignedIn, Nickname: in.Nickname, AvatarURL: in.AvatarURL, HasProfile: !in.ProfileAt.IsZero(),
		OpenID: in.OpenID, UnionID: in.UnionID, AppID: in.AppID, Scope: strings.Join(scopes, ", "), Method: string(in.Method),
		At: in.SignedInAt.Format("2006-01-02 15:04:05"),
	})
}

func (a *app) notFound(w http.ResponseWriter, r *http.Request) {
	words := wordsFor(r)
	a.show(w, r, http.StatusNotFound, "notice", page{Heading: words.NotFound, Text: words.NotFoundNote})
}

// page is what the templates are given.
type page struct {
	Words      *words
	ControlURL string
	Home       string // address of the first screen, from every host
	Heading    string
	Wide       bool

	Cards []card // tour
	Facts []fact // wiki, shop
	Inner bool   // wiki: not its first page

	Text string // notice
	QR   bool   // signed-out

	Nickname, AvatarURL, OpenID, UnionID, AppID, Scope, Method, At string // signed-in
	HasProfile                                                     bool

	Issuer              string  // of the gateway; "" leaves it out
	App, AppName, Other string  // client-in, client-out
	Ended               bool    // client-out
	Person              *person // client-in
}

// show writes a page. It is rendered whole before the first byte is sent, so that no half
// page goes out.
func (a *app) show(w http.ResponseWriter, r *http.Request, status int, name string, p page) {
	p.Words, p.ControlURL, p.Home = wordsFor(r), a.conf.ControlURL, a.conf.URL+"/"
	forms := "'self'"
	if g := a.conf.Gateway; g != nil {
		p.Issuer = g.Issuer
		forms += " " + g.Issuer // a sign-out goes on there
	}
	var out bytes.Buffer
	if err := a.pages.ExecuteTemplate(&out, name, p); err != nil {
		a.log.ErrorContext(r.Context(), "page", "name", name, "error", err)
		http.Error(w, http.StatusText(http.StatusInternalServerError), http.StatusInternalServerError)
		return
	}
	h := w.Header()
	h.Set("Content-Type", "text/html; charset=utf-8")
	h.Set("Content-Language", p.Words.Lang)
	h.Set("Vary", "Accept-Language, Cookie")
	h.Set("Cache-Control", "no-store")
	// Not "no-referrer": the page has a sign-out form, and with that policy a browser sends "Origin: null".
	h.Set("Referrer-Policy", "same-origin")
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Content-Security-Policy", "default-src 'none'; style-src 'self'; img-src 'self' "+a.conf.SimulatorURL+
		"; form-action "+forms+"; base-uri 'none'; frame-ancestors 'none'")
	w.WriteHeader(status)
	out.WriteTo(w)
}

// file serves an embedded file under its own name.
func (a *app) file(contentType string) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", contentType)
		w.Header().Set("X-Content-Type-Options", "nosniff")
		w.Header().Set("Cache-Control", "max-age=300")
		http.ServeFileFS(w, r, files, "pages"+r.URL.Path)
	}
}

// oneAddress leads a browser that came by another name of this machine (localhost for
// 127.0.0.1) to the app's own: a cookie of one name does not come back at the other.
func (a *app) oneAddress(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Host != a.host && (r.Method == http.MethodGet || r.Method == http.MethodHead) {
			http.Redirect(w, r, a.conf.URL+r.URL.RequestURI(), http.StatusFound)
			return
		}
		next.ServeHTTP(w, r)
	})
}
