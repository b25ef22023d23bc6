package login

import (
	"bytes"
	"crypto/sha256"
	"embed"
	"encoding/base64"
	"fmt"
	"html/template"
	"maps"
	"net/http"
	"slices"
	"strings"
	"sync"

	"github.com/weigate/weigate/internal/lang"
)

// PageKind is the kind of a page of the sign-in.
type PageKind string

// The pages.
const (
	PageOpenInWeChat   PageKind = "open_in_wechat"  // the user should open CopyURL in WeChat
	PageOpenElsewhere  PageKind = "open_elsewhere"  // in WeChat, where a website app cannot sign in
	PageMiniProgram    PageKind = "mini_program"    // in a mini-program; the user should open CopyURL in a chat
	PageProfile        PageKind = "profile"         // asks for nickname and avatar (头像昵称)
	PageSnapshot       PageKind = "snapshot"        // explains 使用完整服务 on a snapshot page (快照页)
	PageDenied         PageKind = "denied"          // the user declined at WeChat
	PageSignOut        PageKind = "sign_out"        // asks whether to sign out
	PageSignedOut      PageKind = "signed_out"      // a form was sent without a session
	PageLost           PageKind = "lost"            // the callback is not this browser's, or has expired
	PageNoCookies      PageKind = "no_cookies"      // the browser keeps no cookies
	PageLoop           PageKind = "loop"            // sign-ins succeed, but the sessions are not found
	PageAgain          PageKind = "again"           // WeChat refused codes several times in a row
	PageSuspect        PageKind = "suspect"         // too many sign-ins from the user's network failed
	PageConsent        PageKind = "consent"         // the user has to agree in WeChat, and has not
	PageRefused        PageKind = "refused"         // Config.OnSignIn refused the user; Text may explain why
	PageUserRestricted PageKind = "user_restricted" // WeChat has restricted the user
	PageBusy           PageKind = "busy"            // WeChat or the store is unavailable
	PageFault          PageKind = "fault"           // wrong configuration, or an error of the program
	PageBadReturn      PageKind = "bad_return"      // the return address was refused
	PageBadRequest     PageKind = "bad_request"     // the request is malformed
	PageForeignForm    PageKind = "foreign_form"    // the form came from another site
	PageNotFound       PageKind = "not_found"
	PageMethod         PageKind = "method_not_allowed" // the address does not support the HTTP method
)

// Page is the content of a page. Config.RenderPage can render it in the style of your program.
// RenderPage must respond with Status, and escape every field, as html/template does. It must not
// set the headers Cache-Control and Referrer-Policy: the handler has set both. Fields that a kind
// does not need are empty. All URLs are absolute and safe to link to.
type Page struct {
	Kind      PageKind
	Status    int    // HTTP status to answer with
	Lang      string // "en" or "zh-CN", by the browser's Accept-Language
	RequestID string // for error pages; also in the log

	AgainURL   string // the main button: starts the sign-in (again), or on some errors opens the home page
	WithoutURL string // the target of a link: continues without nickname and avatar
	WebsiteURL string // signs in by a QR code instead
	CancelURL  string // on PageSignOut: where the user continues without signing out
	CopyURL    string // the URL that the user should open in WeChat, or in another browser

	// DeclineURL and SignOutURL are each the action of a form (POST). The form has one field,
	// "return", with the value Return. A page with a form needs the Referrer-Policy "same-origin".
	// With "no-referrer", the policy of all other pages, a browser sends "Origin: null" with the
	// form. The handler rejects this origin, because a form of another site may have it too.
	DeclineURL string
	SignOutURL string
	Return     string

	Nickname string // of the session, on PageSignOut
	Text     string // on PageRefused: RefusalError.Text
}

// status returns the HTTP status of a kind of page.
func (k PageKind) status() int {
	switch k {
	case PageSignedOut:
		return http.StatusUnauthorized
	case PageRefused, PageUserRestricted, PageForeignForm:
		return http.StatusForbidden
	case PageLost, PageNoCookies, PageBadReturn, PageBadRequest:
		return http.StatusBadRequest
	case PageNotFound:
		return http.StatusNotFound
	case PageMethod:
		return http.StatusMethodNotAllowed
	case PageAgain:
		return http.StatusBadGateway
	case PageSuspect:
		return http.StatusTooManyRequests
	case PageBusy:
		return http.StatusServiceUnavailable
	case PageFault, PageLoop:
		return http.StatusInternalServerError
	}
	return http.StatusOK
}

// isError reports whether the page is about an error. An error page shows the request id, for users
// who ask for help.
func (k PageKind) isError() bool { return k.status() >= http.StatusBadRequest && k != PageSignedOut }

// retryAfter is the value of Retry-After, in seconds, while the store is unavailable.
const retryAfter = "5"

// showPage fills in the fields that every page has and renders the page, with Config.RenderPage if
// set. An API call gets JSON instead of a page about an error.
func (h *Handler) showPage(w http.ResponseWriter, r *http.Request, p Page) {
	p.Status, p.Lang = p.Kind.status(), lang.FromHeader(r.Header, lang.English)
	if p.Kind.isError() {
		if p.RequestID == "" {
			p.RequestID = h.requestID(r)
		}
		if p.AgainURL == "" {
			p.AgainURL = h.address("/")
		}
	}
	if p.Kind.isError() && isAPICall(r) {
		kind := string(p.Kind)
		if p.Kind == PageBusy {
			kind = errorUnavailable
		}
		h.writeError(w, r, p.Status, errorResponse{Error: kind})
		return
	}
	if p.Status == http.StatusUnauthorized {
		w.Header().Set("WWW-Authenticate", challenge)
	}
	if p.Kind == PageBusy && w.Header().Get("Retry-After") == "" {
		w.Header().Set("Retry-After", retryAfter)
	}
	if p.DeclineURL != "" || p.SignOutURL != "" {
		w.Header().Set("Referrer-Policy", "same-origin")
	}
	if h.cfg.RenderPage != nil {
		h.cfg.RenderPage(w, r, p)
		return
	}
	h.WritePage(w, r, p)
}

// WritePage renders the built-in page for p, in p.Lang and with p.Status. A Config.RenderPage
// function calls it for the kinds that it does not render itself.
func (h *Handler) WritePage(w http.ResponseWriter, r *http.Request, p Page) {
	body, err := h.pages.render(p)
	if err != nil {
		// Only Config.RenderPage can pass a kind or language that does not exist.
		h.cfg.Logger.ErrorContext(r.Context(), "page not rendered", "kind", string(p.Kind), "error", err)
		http.Error(w, http.StatusText(http.StatusInternalServerError), http.StatusInternalServerError)
		return
	}
	header := w.Header()
	header.Set("Content-Type", "text/html; charset=utf-8")
	header.Set("Content-Language", p.Lang)
	header.Set("Content-Security-Policy", h.pages.policy)
	if p.CopyURL != "" {
		header.Set("Content-Security-Policy", h.pages.copyPolicy)
	}
	header.Add("Vary", "Accept-Language")
	w.WriteHeader(p.Status)
	if r.Method != http.MethodHead {
		_, _ = w.Write(body) // it fails only when the client closed the connection
	}
}

//go:embed pages
var pageFiles embed.FS

// pages renders the built-in pages. Each page contains its style sheet, script and icon, so that
// the handler serves no other files. The Content Security Policy allows the style sheet and script
// by their hashes.
type pages struct {
	layout     *template.Template
	texts      *lang.Catalogue
	policy     string // Content Security Policy
	copyPolicy string // Content Security Policy of pages with a link to copy, which have a script
}

// newPages makes the built-in pages. own is the program's origin. The Content Security Policy
// (form-action) allows forms to own. It also allows the origins of return addresses, because
// Chromium applies form-action to the redirect after a form too.
func newPages(own string, returnOrigins map[string]bool) (*pages, error) {
	embedded, err := readPageFiles()
	if err != nil {
		return nil, fmt.Errorf("login: pages: %w", err)
	}
	formTargets := []string{own}
	for _, origin := range slices.Sorted(maps.Keys(returnOrigins)) {
		if origin != own {
			formTargets = append(formTargets, origin)
		}
	}
	p := &pages{
		layout: embedded.layout, texts: embedded.texts,
		policy: "default-src 'none'; style-src " + hashSource(embedded.style) + "; img-src data:; form-action 'self' " +
			strings.Join(formTargets, " ") + "; base-uri 'none'; frame-ancestors 'none'",
	}
	p.copyPolicy = p.policy + "; script-src " + hashSource(embedded.script)
	return p, nil
}

// embeddedPages is the content of the embedded files.
type embeddedPages struct {
	style, script, icon []byte
	layout              *template.Template
	texts               *lang.Catalogue
}

// readPageFiles reads the embedded files, once for all handlers.
var readPageFiles = sync.OnceValues(func() (e embeddedPages, err error) {
	for name, to := range map[string]*[]byte{"style.css": &e.style, "page.js": &e.script, "icon.svg": &e.icon} {
		if *to, err = pageFiles.ReadFile("pages/" + name); err != nil {
			return e, err
		}
	}
	e.layout, err = template.New("page.html").Funcs(template.FuncMap{
		"style":  func() template.CSS { return template.CSS(e.style) },
		"script": func() template.JS { return template.JS(e.script) },
		"icon": func() template.URL {
			return template.URL("data:image/svg+xml;base64," + base64.StdEncoding.EncodeToString(e.icon))
		},
	}).ParseFS(pageFiles, "pages/page.html")
	if err != nil {
		return e, err
	}
	e.texts, err = lang.Load(pageFiles, "pages")
	return e, err
})

// hashSource returns the source expression of a Content Security Policy that allows an inline style
// or script with this content.
func hashSource(content []byte) string {
	sum := sha256.Sum256(content)
	return "'sha256-" + base64.StdEncoding.EncodeToString(sum[:]) + "'"
}

// view is the data of the template: a page and its texts.
type view struct {
	Page
	Title string
	Lines []string // paragraphs
	Main  string   // text of the main button; "" = none
	Tone  string   // "plain" or "bad": the colour of the symbol
	texts lang.Texts
}

// Word returns the text for a key. The template calls it for labels that several pages share.
func (v view) Word(key string) (string, error) { return v.texts.Text(key) }

// render returns the HTML of the built-in page.
func (p *pages) render(page Page) ([]byte, error) {
	texts := p.texts.In(page.Lang)
	if texts.Lang != page.Lang {
		return nil, fmt.Errorf("login: no language %q", page.Lang)
	}
	kind := string(page.Kind)
	v := view{Page: page, Tone: "plain", texts: texts}
	var err error
	if v.Title, err = texts.Text(kind + ".title"); err != nil {
		return nil, fmt.Errorf("login: no page %q: %w", kind, err)
	}
	if v.Lines, err = texts.Lines(kind + ".text"); err != nil {
		return nil, fmt.Errorf("login: page %q: %w", kind, err)
	}
	if page.Kind == PageRefused && page.Text != "" {
		v.Lines = []string{page.Text}
	}
	if button := kind + ".button"; page.AgainURL != "" && texts.Has(button) {
		if v.Main, err = texts.Text(button); err != nil {
			return nil, fmt.Errorf("login: page %q: %w", kind, err)
		}
	}
	if page.Kind.isError() {
		v.Tone = "bad"
	}
	var b bytes.Buffer
	if err := p.layout.Execute(&b, v); err != nil {
		return nil, fmt.Errorf("login: page %q: %w", kind, err)
	}
	return b.Bytes(), nil
}
