// Package web renders the pages of the gateway, in English and Chinese, and turns errors into
// responses.
//
// [New] makes a [Site] and checks everything that is embedded. [Site.Show] writes a [Page].
// [Site.Error] is the one place where an error becomes a status, a page or JSON, and a log line.
//
// A page is data: its [Kind] chooses text, status and color, and its fields have the addresses of
// its buttons. All text is in two catalogues with the same keys. Pages work without JavaScript;
// pictures come from WeChat's hosts only, and no address of the gateway is sent as Referer.
package web

import (
	"bytes"
	"cmp"
	"context"
	"crypto/sha256"
	"embed"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"html/template"
	"log/slog"
	"net/http"
	"strings"
	"time"

	"github.com/weigate/weigate/internal/gateway"
	"github.com/weigate/weigate/internal/lang"
)

//go:embed files
var files embed.FS

// Names are the administrator's texts on every page. All are optional.
type Names struct {
	Title      string // "" = Weigate
	Footer     string
	PrivacyURL string // https
	ICP        string // the registration number that sites in China show
}

// HasFooter reports whether the page has a footer.
func (n Names) HasFooter() bool { return n.Footer != "" || n.PrivacyURL != "" || n.ICP != "" }

// Config holds the settings of a [Site]. The zero value works.
type Config struct {
	Names Names
	// origins, besides WeChat's own hosts, that a picture may come from: the simulator's
	Pictures  []string
	RequestID func(context.Context) string // nil = pages without a request id
	Logger    *slog.Logger                 // nil = discards
}

// Site renders pages. Make it with [New]; it is safe for concurrent use.
type Site struct {
	cfg    Config
	layout *template.Template
	texts  *lang.Catalogue
	policy string // Content-Security-Policy of pages without a script

	script       template.JS // scan.js, of the pages of sign-in by scan
	scriptPolicy string      // Content-Security-Policy of these pages
}

// New reads the embedded files and checks them: every kind has its texts in both languages, and no
// text is unused.
func New(cfg Config) (*Site, error) {
	if cfg.Names.Title == "" {
		cfg.Names.Title = "Weigate"
	}
	if cfg.RequestID == nil {
		cfg.RequestID = func(context.Context) string { return "" }
	}
	if cfg.Logger == nil {
		cfg.Logger = slog.New(slog.DiscardHandler)
	}
	s := &Site{cfg: cfg}
	style, err := files.ReadFile("files/style.css")
	if err != nil {
		return nil, fmt.Errorf("web: %w", err)
	}
	script, err := files.ReadFile("files/scan.js")
	if err != nil {
		return nil, fmt.Errorf("web: %w", err)
	}
	s.script = template.JS(script)
	// The style sheet is part of each page, which saves a request. The policy allows it by its
	// hash.
	sum := sha256.Sum256(style)
	pictures := strings.Join(append([]string{"https://*.qlogo.cn"}, cfg.Pictures...), " ")
	s.policy = "default-src 'none'; style-src 'sha256-" + base64.StdEncoding.EncodeToString(sum[:]) + "'; img-src " +
		pictures +
		"; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
	sum = sha256.Sum256(script)
	// These pages load the image of the QR code, and send long polls, from the gateway ('self').
	s.scriptPolicy = strings.Replace(s.policy, "img-src ",
		"script-src 'sha256-"+base64.StdEncoding.EncodeToString(sum[:])+"'; connect-src 'self'; img-src 'self' ", 1)
	s.layout, err = template.New("page.html").Funcs(template.FuncMap{
		"style": func() template.CSS { return template.CSS(style) },
	}).ParseFS(files, "files/page.html")
	if err != nil {
		return nil, fmt.Errorf("web: %w", err)
	}
	if s.texts, err = loadTexts(); err != nil {
		return nil, fmt.Errorf("web: %w", err)
	}
	return s, nil
}

// Title returns the name of the gateway.
func (s *Site) Title() string { return s.cfg.Names.Title }

// loadTexts reads the catalogue and checks that it has the texts of every kind, and no others.
func loadTexts() (*lang.Catalogue, error) {
	texts, err := lang.Load(files, "files")
	if err != nil {
		return nil, err
	}
	required, optional := shared(), []string(nil)
	for kind := range styles {
		required = append(required, string(kind)+".title", string(kind)+".text")
		optional = append(optional, string(kind)+".button")
	}
	return texts, texts.Check(required, optional)
}

// view is the data of the template page.html.
type view struct {
	Page
	Site      Names
	Lang      string
	Tone      tone
	Heading   string
	Lines     []string
	Main      string
	BackWord  string
	GoLink    any
	BackLink  any
	Refresh   string
	RequestID string
	texts     lang.Texts
	script    template.JS
}

// Word returns a text of the catalogue.
func (v view) Word(key string) (string, error) { return v.texts.Text(key) }

// Show writes a page with all its headers. It is rendered completely before the first byte is sent.
func (s *Site) Show(w http.ResponseWriter, r *http.Request, p Page) {
	v, err := s.view(r, p)
	var body bytes.Buffer
	if err == nil {
		err = s.layout.Execute(&body, v)
	}
	if err != nil {
		// New has checked the texts of every kind, so this is a mistake of the caller.
		s.cfg.Logger.ErrorContext(r.Context(), "page not rendered", "kind", string(p.Kind), "error", err)
		http.Error(w, http.StatusText(http.StatusInternalServerError), http.StatusInternalServerError)
		return
	}
	header := w.Header()
	header.Set("Content-Type", "text/html; charset=utf-8")
	header.Set("Content-Language", v.Lang)
	header.Set("Content-Security-Policy", s.policy)
	if p.Scan != nil {
		header.Set("Content-Security-Policy", s.scriptPolicy)
	}
	header.Set("Cache-Control", "no-store")
	header.Set("X-Content-Type-Options", "nosniff")
	// With "no-referrer" browsers send "Origin: null" with a form, which package route would reject
	// as a form of another site.
	header.Set("Referrer-Policy", "no-referrer")
	if len(p.Forms) > 0 {
		header.Set("Referrer-Policy", "same-origin")
	}
	header.Add("Vary", "Accept-Language")
	setRetryAfter(header, p.Kind)
	w.WriteHeader(v.Status)
	if r.Method != http.MethodHead {
		_, _ = body.WriteTo(w) // fails when the browser has disconnected
	}
}

func (s *Site) view(r *http.Request, p Page) (view, error) {
	style, known := styles[p.Kind]
	if !known {
		return view{}, fmt.Errorf("web: no page %q", p.Kind)
	}
	if p.Status == 0 {
		p.Status = style.status
	}
	language := cmp.Or(p.Lang, lang.FromRequest(r))
	v := view{Page: p, Site: s.cfg.Names, Lang: language, Tone: style.tone, texts: s.texts.In(language),
		script: s.script}
	say, err := v.names(p.App, s.cfg.Names.Title)
	if err != nil {
		return view{}, err
	}
	if v.Heading, err = say(string(p.Kind) + ".title"); err != nil {
		return view{}, err
	}
	text, err := say(string(p.Kind) + ".text")
	if err != nil {
		return view{}, err
	}
	v.Lines = strings.Split(text, "\n")
	v.GoLink, v.BackLink = any(p.Go), any(p.Back)
	if p.GoToApp != (AppLink{}) {
		v.GoLink = p.GoToApp.href()
	}
	if p.BackToApp != (AppLink{}) {
		v.BackLink = p.BackToApp.href()
	}
	if to := cmp.Or(p.GoToApp.address, p.Go); to != "" {
		if button := string(p.Kind) + ".button"; v.texts.Has(button) {
			if v.Main, err = say(button); err != nil {
				return view{}, err
			}
		}
		if p.ContinueAfter > 0 {
			v.Refresh = fmt.Sprintf("%d;url=%s", int(p.ContinueAfter/time.Second), to)
		}
	}
	back := "back"
	if p.App != "" {
		back = "back.app"
	}
	if v.BackWord, err = say(back); err != nil {
		return view{}, err
	}
	if p.Status >= http.StatusBadRequest && style.tone == bad {
		v.RequestID = s.cfg.RequestID(r.Context())
	}
	return v, nil
}

// names returns a function that looks up a text and inserts the names of the app and of the
// gateway. For an app without a name it inserts "the app" (该应用), and removes the quotation marks 「」
// around it.
func (v view) names(app, site string) (func(key string) (string, error), error) {
	unnamed, err := v.texts.Text("app")
	return func(key string) (string, error) {
		text, err := v.texts.Text(key, "app", cmp.Or(app, unnamed), "site", site)
		if app == "" {
			text = strings.ReplaceAll(text, "「"+unnamed+"」", unnamed)
		}
		return text, err
	}, err
}

// Error responds to a request that failed. The text of the error never reaches the browser: users
// get a sentence and the request id, programs get JSON, the log gets the cause.
//
//	gateway.ErrUnavailable, a deadline      503, with Retry-After
//	the client has disconnected             503, and nothing in the log
//	gateway.ErrBlocked                      403
//	gateway.ErrNotFound                     404
//	a body over its limit                   413
//	anything else                           500
func (s *Site) Error(w http.ResponseWriter, r *http.Request, err error) {
	kind, isFault := classify(err)
	switch {
	case r.Context().Err() != nil: // the client has disconnected: nothing is logged
	case isFault:
		s.cfg.Logger.ErrorContext(r.Context(), "request failed", "path", r.URL.Path, "error", err, "request_id",
			s.cfg.RequestID(r.Context()))
	default:
		s.cfg.Logger.InfoContext(r.Context(), "request rejected", "path", r.URL.Path, "error", err, "request_id",
			s.cfg.RequestID(r.Context()))
	}
	s.Fail(w, r, kind)
}

// Fail responds with an error of a kind, as a page or, to a program, as JSON.
func (s *Site) Fail(w http.ResponseWriter, r *http.Request, kind Kind) {
	if !isProgram(r) {
		s.Show(w, r, Page{Kind: kind})
		return
	}
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

// KindOf returns the page for an error: see [Site.Error].
func KindOf(err error) Kind {
	kind, _ := classify(err)
	return kind
}

// classify returns the page for an error. isFault is true for an error of the gateway or its store,
// and false for a request that was rejected.
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

// isProgram reports whether a program sent the request, and not a browser that opens a page.
// Browsers send Sec-Fetch-Mode since 2020 (iOS since 2023).
func isProgram(r *http.Request) bool {
	if mode := r.Header.Get("Sec-Fetch-Mode"); mode != "" {
		return mode != "navigate"
	}
	return !strings.Contains(r.Header.Get("Accept"), "text/html")
}
