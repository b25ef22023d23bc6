package web

import (
	"bytes"
	"cmp"
	"context"
	"crypto/sha256"
	"embed"
	"encoding/base64"
	"fmt"
	"html/template"
	"log/slog"
	"net/http"
	"strings"
	"time"

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
	policy string
	script template.JS
	watch  string // policy of the pages that run it
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
	// The style sheet is embedded in each page, and the policy has its hash. That saves a request.
	sum := sha256.Sum256(style)
	pictures := strings.Join(append([]string{"https://*.qlogo.cn"}, cfg.Pictures...), " ")
	s.policy = "default-src 'none'; style-src 'sha256-" + base64.StdEncoding.EncodeToString(sum[:]) + "'; img-src " +
		pictures +
		"; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
	sum = sha256.Sum256(script)
	// The images are the code to save; the connections are the long polls.
	s.watch = strings.Replace(s.policy, "img-src ",
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

// User is the data of a user that a page shows.
type User struct {
	Nickname string // "" = not known
	Picture  string // "" = none
}

// Form is a button that sends a form to an address of the gateway.
type Form struct {
	Action string
	Label  string // one of the labels
	Fields map[string]string
	Quiet  bool
	Tick   bool // has a box to tick, beside a link to Names.PrivacyURL; the ticked box is sent as agree=1
	Missed bool // with Tick: it was sent before without the tick
}

// UserID is the record of a user as shown to themselves.
type UserID struct {
	ID       string
	Sessions []Session
}

// Session is one signed-in browser of a user.
type Session struct {
	Here        bool // it is this browser
	Since, Seen time.Time
}

// Method is a sign-in method that a user may choose. Its texts are under method.NAME and
// method.NAME.text.
type Method struct {
	Name string // scan, website
	Go   string
}

// Link is a quiet button that leads to an address.
type Link struct {
	Label string // LabelUpdateProfile, LabelByWebsite, LabelOtherMethod
	Go    string
}

// Page is a page. Only Kind is required; a button without an address is left out.
type Page struct {
	Kind          Kind
	Status        int    // 0 = that of the kind
	Lang          string // "" = by the request
	App           string // name of the app that the page is about
	User          *User
	Copy          string // a link to copy
	Go            string // where the main button leads
	Without       string // where "Continue without" leads, when it is a link
	Back          string // where the button back to the app leads
	Home          string // the home page, for users who cannot go back
	Forms         []Form
	Methods       []Method // to choose from
	Links         []Link
	UserID        *UserID
	ContinueAfter time.Duration // with Go: the page loads it automatically after that long
	Scan          *Scan         // of the pages of sign-in by scan

	// GoToApp and BackToApp replace Go and Back if the address belongs to an app and may have the
	// scheme of a native app.
	GoToApp, BackToApp AppLink
}

// view is the data of the template.
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
		// All kinds are tested, so the caller used an unknown one.
		s.cfg.Logger.ErrorContext(r.Context(), "page not rendered", "kind", string(p.Kind), "error", err)
		http.Error(w, http.StatusText(http.StatusInternalServerError), http.StatusInternalServerError)
		return
	}
	header := w.Header()
	header.Set("Content-Type", "text/html; charset=utf-8")
	header.Set("Content-Language", v.Lang)
	header.Set("Content-Security-Policy", s.policy)
	if p.Scan != nil {
		header.Set("Content-Security-Policy", s.watch)
	}
	header.Set("Cache-Control", "no-store")
	header.Set("X-Content-Type-Options", "nosniff")
	// With "no-referrer" browsers send "Origin: null" with a form, as if it came from another site.
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

// names returns a lookup of texts that inserts the names of the app and of the gateway. An app
// without a name is "the app", not quoted.
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
