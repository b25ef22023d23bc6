// Package web renders the pages of the gateway, in English and Chinese, and turns errors into
// responses.
//
// [New] makes a [Site] and checks the embedded template and texts. [Site.Show] writes a [Page].
// [Site.Error] responds to an error: with a status, a page or JSON, and a log line.
//
// A [Page] is data. Its [Kind] selects the texts, the status and the color. Its fields contain the
// addresses of the buttons. All texts are in two catalogues: one file for each language. Pages work
// without JavaScript; a page has a script only if it needs one. The pictures of users come from
// WeChat's hosts only, and no address of the gateway is sent to them as Referer.
package web

import (
	"bytes"
	"cmp"
	"context"
	"embed"
	"encoding/json"
	"errors"
	"fmt"
	"html/template"
	"log/slog"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"

	"github.com/weigate/weigate/internal/gateway"
	"github.com/weigate/weigate/internal/lang"
)

//go:embed files
var files embed.FS

// Config holds the settings of a [Site]. The zero value works.
type Config struct {
	Texts   SiteTexts            // in all languages
	TextsIn map[string]SiteTexts // by language; each text takes precedence over the same text in Texts
	Look    Look
	// origins from which pages may load users' pictures, in addition to WeChat's hosts; for example
	// the origin of a WeChat simulator
	Pictures  []string
	Home      string                       // address of the home page, for pages without another button; "" = none
	RequestID func(context.Context) string // nil = pages without a request id
	Logger    *slog.Logger                 // nil = discards
	TimeZone  *time.Location               // of times on pages; nil = the local zone
}

// Site renders pages. Make it with [New]; it is safe for concurrent use.
type Site struct {
	cfg    Config
	layout *template.Template
	texts  *lang.Catalogue

	// page.js shows times and copies links. scan.js waits for the phone in a sign-in by scan.
	// form.js sends the form of Page.Post. wait.js waits for the approval of the user.
	pageScript, scanScript, formScript, waitScript template.JS
	policies                                       policies

	// style sheets with the administrator's color: of pages, and of documents
	style, documentStyle styleSheet
	files                map[string]file // by path
	pictures             string          // sources of img-src in each Content-Security-Policy
}

// New makes a site from the embedded files. It returns an error unless every kind has its texts in
// both languages and every text is used.
func New(cfg Config) (*Site, error) {
	if cfg.RequestID == nil {
		cfg.RequestID = func(context.Context) string { return "" }
	}
	if cfg.Logger == nil {
		cfg.Logger = slog.New(slog.DiscardHandler)
	}
	if cfg.TimeZone == nil {
		cfg.TimeZone = time.Local
	}
	e, err := readEmbedded()
	if err != nil {
		return nil, fmt.Errorf("web: %w", err)
	}
	s := &Site{cfg: cfg, layout: e.layout, texts: e.texts, pageScript: e.pageScript, scanScript: e.scanScript,
		formScript: e.formScript, waitScript: e.waitScript}
	colors, err := cfg.Look.colors()
	if err != nil {
		return nil, fmt.Errorf("web: %w", err)
	}
	s.style = newStyleSheet(template.CSS(e.style) + colors)
	s.documentStyle = newStyleSheet(s.style.text + template.CSS(e.documentStyle))
	s.makeFiles(e.icon)
	s.makePolicies()
	return s, nil
}

// embedded is the content of the embedded files.
type embedded struct {
	style, documentStyle, icon                     []byte
	pageScript, scanScript, formScript, waitScript template.JS
	layout                                         *template.Template
	texts                                          *lang.Catalogue
}

// readEmbedded reads the embedded files, once for all sites: a reload makes a new Site.
var readEmbedded = sync.OnceValues(func() (e embedded, err error) {
	if e.style, err = files.ReadFile("files/style.css"); err != nil {
		return e, err
	}
	if e.documentStyle, err = files.ReadFile("files/document.css"); err != nil {
		return e, err
	}
	if err := e.readScripts(); err != nil {
		return e, err
	}
	if e.icon, err = files.ReadFile("files/icon.png"); err != nil {
		return e, err
	}
	icon, err := files.ReadFile("files/icon.svg")
	if err != nil {
		return e, err
	}
	e.layout, err = template.New("page.html").Funcs(template.FuncMap{
		"href": href,
		"icon": func() template.URL { return iconURL(icon) },
		"svg":  svgIcon,
	}).ParseFS(files, "files/*.html")
	if err != nil {
		return e, err
	}
	e.texts, err = loadTexts()
	return e, err
})

// loadTexts reads the catalogues. Each kind of page must have a title and a text, and may have a
// button. The texts that the function shared lists are required too. Any other text is an error.
func loadTexts() (*lang.Catalogue, error) {
	texts, err := lang.Load(files, "files")
	if err != nil {
		return nil, err
	}
	required, optional := shared(), []string(nil)
	for kind := range kindInfos {
		required = append(required, string(kind)+".title", string(kind)+".text")
		optional = append(optional, string(kind)+".button")
	}
	return texts, texts.Check(required, optional)
}

// view is the data of the template page.html.
type view struct {
	Page
	frame
	Lang      string // hides Page.Lang
	Home      string // hides frame.Home
	Tone      tone
	Lines     []string   // the paragraphs of the text
	Main      string     // label of the main button; "" = no button
	BackWord  string     // label of the button back to the app
	GoLink    any        // address of the main button: a string or an AppLink; see href
	BackLink  any        // address of the button back to the app, a value as in GoLink
	Refresh   string     // content of <meta http-equiv="refresh">; "" = none
	RequestID string     // request id that the page shows; "" = none. It hides Page.RequestID.
	policy    string     // Content-Security-Policy
	texts     lang.Texts // in the language of the page
}

// Who returns the name of Page.User. The template calls it.
func (v view) Who() (template.HTML, error) { return v.parts.Name(v.User.Nickname) }

// ShowsWho reports whether the page shows Page.User. The words for a missing nickname would
// contradict the name that the user gave. The template calls it.
func (v view) ShowsWho() bool {
	return v.User.Nickname != "" || v.Name == nil || !v.Name.Given
}

// Show writes a page with all its headers. It renders the whole page before it sends the first
// byte. Therefore an error of the template results in a response with the status 500.
func (s *Site) Show(w http.ResponseWriter, r *http.Request, p Page) {
	v, err := s.view(r, p)
	var body bytes.Buffer
	if err == nil {
		err = s.layout.Execute(&body, v)
	}
	if err != nil {
		// New has checked the texts of every kind, so this is a mistake of the caller, such as an
		// unknown kind.
		s.cfg.Logger.ErrorContext(r.Context(), "page not rendered", "kind", string(p.Kind), "error", err)
		http.Error(w, http.StatusText(http.StatusInternalServerError), http.StatusInternalServerError)
		return
	}
	header := w.Header()
	setPageHeaders(header, v.Lang, v.policy)
	header.Set("Referrer-Policy", "no-referrer")
	// With "no-referrer" a browser sends a form with "Origin: null". Package route would reject this
	// form as a form of another site. An app that gets the form Page.Post may also require the
	// gateway's origin.
	if p.Post != nil {
		header.Set("Referrer-Policy", "strict-origin") // without the query, which has the app's state
	}
	switch {
	case p.Secret:
		header.Set("Referrer-Policy", "strict-origin") // without the path, which has the secret
	case len(p.Forms) > 0 || p.Name != nil:
		header.Set("Referrer-Policy", "same-origin")
	}
	setRetryAfter(header, p.Kind)
	if p.RequestID != "" {
		header.Set("X-Request-Id", p.RequestID)
	}
	s.logPage(r, p, v.Status)
	w.WriteHeader(v.Status)
	if r.Method != http.MethodHead {
		_, _ = body.WriteTo(w) // fails when the browser has disconnected
	}
}

// view returns the data of the template for a page.
func (s *Site) view(r *http.Request, p Page) (view, error) {
	info, known := kindInfos[p.Kind]
	if !known {
		return view{}, fmt.Errorf("web: no page %q", p.Kind)
	}
	if p.Status == 0 {
		p.Status = info.status
	}
	language := cmp.Or(p.Lang, lang.FromRequest(r))
	texts := s.texts.In(language)
	if p.ContinueAfter == 0 && !texts.Has(string(p.Kind)+".button") {
		p.Go = "" // the page has no main button, so addNextStep must add another button
	}
	s.addNextStep(r, &p)
	v := view{Page: p, frame: s.frame(r.Host, language, ""), Lang: language, Home: p.Home, Tone: info.tone, texts: texts}
	v.Scripts, v.policy = s.scripts(p)
	textOf, err := v.textsFor(p.App, v.Site.Title)
	if err != nil {
		return view{}, err
	}
	if v.Heading, err = textOf(string(p.Kind) + ".title"); err != nil {
		return view{}, err
	}
	text, err := textOf(string(p.Kind) + ".text")
	if err != nil {
		return view{}, err
	}
	if p.Kind == Welcome && v.Site.Welcome != "" {
		text = v.Site.Welcome
	}
	v.Lines = strings.Split(text, "\n")
	v.GoLink, v.BackLink = any(p.Go), any(p.Back)
	if p.GoToApp != (AppLink{}) {
		v.GoLink = p.GoToApp
	}
	if p.BackToApp != (AppLink{}) {
		v.BackLink = p.BackToApp
	}
	if to := cmp.Or(p.GoToApp.address, p.Go); to != "" || p.reload {
		if button := string(p.Kind) + ".button"; v.texts.Has(button) {
			if v.Main, err = textOf(button); err != nil {
				return view{}, err
			}
		}
		if p.ContinueAfter > 0 && mayContinue(p) {
			v.Refresh = fmt.Sprintf("%d;url=%s", int(p.ContinueAfter/time.Second), to)
		}
	}
	back := "back"
	if p.App != "" {
		back = "back.app"
	}
	if v.BackWord, err = textOf(back); err != nil {
		return view{}, err
	}
	v.AskWhom = p.Status >= http.StatusBadRequest && p.Kind != PleaseSignIn && !p.Contact
	if p.Status >= http.StatusBadRequest && info.tone == bad {
		v.RequestID = cmp.Or(p.RequestID, s.cfg.RequestID(r.Context()))
	}
	return v, nil
}

// mayContinue reports whether a page may open its address automatically. Package html/template
// checks the address of a link, but not of a refresh. It must not be a data: or javascript:
// address.
func mayContinue(p Page) bool {
	u, err := url.Parse(p.Go)
	return p.GoToApp != (AppLink{}) || err == nil && (u.Scheme == "" || u.Scheme == "http" || u.Scheme == "https")
}

// textsFor returns a function that looks up a text and inserts two names: app, and site, which is
// the name of the gateway. If app is "", the function inserts "the app" (该应用). In Chinese it then
// removes the quotation marks “”, which belong around a name only.
func (v view) textsFor(app, site string) (func(key string) (string, error), error) {
	unnamed, err := v.texts.Text("app")
	return func(key string) (string, error) {
		text, err := v.texts.Text(key, "app", cmp.Or(app, unnamed), "site", site)
		if app == "" {
			text = strings.ReplaceAll(text, "“"+unnamed+"”", unnamed)
		}
		return text, err
	}, err
}

// Error responds to a request that failed. The text of the error is logged and not sent. A browser
// gets a page with the request id. A program (see isProgram) gets JSON. If the client has
// disconnected, the line "request failed" is not logged.
//
//	gateway.ErrUnavailable                  503, with Retry-After
//	a context has expired or was cancelled  503, with Retry-After
//	gateway.ErrBlocked                      403
//	gateway.ErrNotFound                     404
//	a body over its limit                   413
//	anything else                           500
func (s *Site) Error(w http.ResponseWriter, r *http.Request, err error) {
	kind, isFault := classify(err)
	if isFault && r.Context().Err() == nil { // the context has an error if the client has disconnected
		// The pattern and not the path: the path of an invitation contains its secret.
		s.cfg.Logger.ErrorContext(r.Context(), "request failed", "route", r.Pattern, "error", err, "request_id",
			s.cfg.RequestID(r.Context()))
	}
	s.fail(w, r, Page{Kind: kind, Rejection: Rejection{Attrs: []slog.Attr{slog.Any("error", err)}}})
}

// Fail responds with the page of a kind of error. A program (see isProgram) gets JSON instead.
func (s *Site) Fail(w http.ResponseWriter, r *http.Request, kind Kind) {
	s.fail(w, r, Page{Kind: kind})
}

func (s *Site) fail(w http.ResponseWriter, r *http.Request, p Page) {
	if !isProgram(r) {
		s.Show(w, r, p)
		return
	}
	kind := p.Kind
	s.logPage(r, p, kind.Status())
	header := w.Header()
	setRetryAfter(header, kind)
	header.Set("Content-Type", "application/json; charset=utf-8")
	header.Set("Cache-Control", "no-store")
	header.Set("X-Content-Type-Options", "nosniff")
	w.WriteHeader(kind.Status())
	// Fails when the client has disconnected.
	_ = json.NewEncoder(w).Encode(struct {
		Error     string `json:"error"`
		RequestID string `json:"request_id,omitempty"`
	}{string(kind), s.cfg.RequestID(r.Context())})
}

func setRetryAfter(header http.Header, kind Kind) {
	switch kind {
	case Busy:
		header.Set("Retry-After", "5")
	case TooMany:
		header.Set("Retry-After", "60")
	}
}

// KindOf returns the kind of page that [Site.Error] shows for an error.
func KindOf(err error) Kind {
	kind, _ := classify(err)
	return kind
}

// classify returns the kind of page for an error. isFault is true if the gateway or its store has
// failed. It is false if the request was rejected.
func classify(err error) (kind Kind, isFault bool) {
	var large *http.MaxBytesError
	switch {
	case errors.Is(err, gateway.ErrUnavailable), errors.Is(err, context.DeadlineExceeded),
		errors.Is(err, context.Canceled):
		return Busy, true
	case errors.Is(err, gateway.ErrBlocked):
		return Blocked, false
	case errors.Is(err, gateway.ErrNotFound):
		return NotFound, false
	case errors.As(err, &large):
		return TooLarge, false
	}
	return Fault, true
}

// isProgram reports whether a program or a script sent the request. It returns false for a browser
// that opens a page. Older browsers (before 2020, on iOS before 2023) do not send Sec-Fetch-Mode;
// the Accept header identifies them.
func isProgram(r *http.Request) bool {
	if mode := r.Header.Get("Sec-Fetch-Mode"); mode != "" {
		return mode != "navigate"
	}
	return !strings.Contains(r.Header.Get("Accept"), "text/html")
}
