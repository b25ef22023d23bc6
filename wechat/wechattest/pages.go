package wechattest

import (
	"bytes"
	"cmp"
	"embed"
	"html/template"
	"net/http"
	"net/url"
	"path"
	"strings"
	"sync"
	"unicode"

	"github.com/weigate/weigate/internal/lang"
)

//go:embed pages
var pageFiles embed.FS

// pages returns the templates, parsed at the first call.
var pages = sync.OnceValue(func() *template.Template {
	return template.Must(template.ParseFS(pageFiles, "pages/wechat-*.html"))
})

// catalogue returns the texts of the pages, by key. The keys of WeChat's own sentences begin with
// "text-". The keys of explanations for the developer begin with "hint-".
var catalogue = sync.OnceValue(func() *lang.Catalogue { return lang.MustLoad(pageFiles, "pages") })

// pageTexts returns the texts in one language: the value of WeChat's parameter lang, or the
// language that the browser prefers, or Chinese.
func pageTexts(parameter string, r *http.Request) lang.Texts {
	switch strings.ToLower(parameter) {
	case "en":
		return catalogue().In(lang.English)
	case "cn", "zh_cn", "zh-cn":
		return catalogue().In(lang.Chinese)
	}
	return catalogue().In(lang.FromHeader(r.Header, lang.Chinese))
}

// assetBase is the path of the simulator's own files and forms.
const assetBase = "/connect/simulator/"

// problem is the content of an error page: WeChat's sentence and code, and an explanation for the
// developer.
type problem struct {
	blank bool   // WeChat shows an empty page; only the log has the explanation
	code  int    // WeChat's error code, 0 for none
	text  string // key of WeChat's sentence in the catalogue
	// sentence replaces the sentence of text. "" means the sentence of text.
	sentence string
	hint     string // key of the explanation
	args     []any  // names and values of the placeholders in the explanation
}

// pageData is the data of all templates. A page leaves the fields that it does not need empty.
type pageData struct {
	T          lang.Texts // the texts in the language of the page
	Title      string
	Text, Hint string // see problem
	Code       int    // WeChat's error code
	App        string // name of the app
	Person     *personView
	People     []personView
	Fields     []Param // hidden fields of the form
	Next       string  // the page that follows the form for the choice of a person
	QR         *qrFields
	RefreshURL string // reloaded by browsers without JavaScript
}

type personView struct{ ID, Nickname, Picture string }

// qrFields is the data of the page with the QR code.
type qrFields struct {
	UUID, Link    string
	Target, State string // redirect_uri and state of the app
	SelfRedirect  string // parameter self_redirect: the redirect happens in the frame, not in the whole window
	HasImage      bool   // the QR code can be drawn
	Status        QRStatus
	PhoneURL      string // address at which a phone of the control page scans the QR code
	OpenHere      bool   // the link of the QR code can be opened in this browser
	Embedded      bool   // shown in a frame of the app, as wxLogin.js does
}

// pagePolicy is the Content-Security-Policy of most pages. embeddedPolicy is for the page with the
// QR code, because apps may show that page in a frame. Neither has form-action: Chromium would also
// apply it to the redirect that follows a form, and block the redirect to the app.
const (
	embeddedPolicy = "default-src 'none'; style-src 'self'; img-src 'self'; script-src 'self'; " +
		"connect-src 'self'; base-uri 'none'"
	pagePolicy = embeddedPolicy + "; frame-ancestors 'none'"
)

// render returns the page of the template wechat-NAME.html.
func (s *Server) render(r *request, name string, v pageData) response {
	var b bytes.Buffer
	if err := pages().ExecuteTemplate(&b, "wechat-"+name+".html", v); err != nil {
		return plain(http.StatusInternalServerError, "render page: internal error")
	}
	if r.call.Answer == "" {
		r.call.Answer = "page " + name
	}
	policy := pagePolicy
	if name == "qrconnect" {
		policy = embeddedPolicy
	}
	return response{status: http.StatusOK, body: b.Bytes(), header: http.Header{
		"Content-Type": {"text/html; charset=utf-8"}, "Cache-Control": {"no-store"},
		"Content-Security-Policy": {policy}, "Referrer-Policy": {"no-referrer"},
		"X-Content-Type-Options": {"nosniff"}}}
}

// errorPage returns an error page with status 200. It is assumed, not known, that WeChat uses this
// status.
func (s *Server) errorPage(r *request, p problem) response {
	if p.blank {
		r.call.Answer = "blank page: " + catalogue().In(lang.English).MustText(p.hint, p.args...)
		return response{status: http.StatusOK, header: http.Header{
			"Content-Type": {"text/html; charset=utf-8"}, "Cache-Control": {"no-store"}}}
	}
	t := pageTexts(r.params.Get("lang"), r.Request)
	v := pageData{T: t, Title: t.MustText("error-title"), Text: cmp.Or(p.sentence, t.MustText(p.text)), Code: p.code,
		Hint: t.MustText(p.hint, p.args...)}
	r.call.Errcode = p.code
	r.call.Answer = "error page: " + cmp.Or(p.sentence, catalogue().In(lang.Chinese).MustText(p.text))
	return s.render(r, "error", v)
}

func (s *Server) notInWeChat(r *request) response {
	return s.errorPage(r, problem{text: "text-not-in-wechat", hint: "hint-not-in-wechat"})
}

// messageView returns a page with a sentence of WeChat and an explanation, given by their keys.
func (s *Server) messageView(r *request, text, hint string) response {
	t := pageTexts("", r.Request)
	return s.render(r, "message", pageData{T: t, Title: t.MustText("login-title"), Text: t.MustText(text),
		Hint: t.MustText(hint)})
}

// consentView returns the consent page. Its form sends the scope, the uuid of the page (see
// consentPage), and the parameters that identify the person.
func (s *Server) consentView(r *request, app *App, person *Person, uuid string) response {
	t := pageTexts("", r.Request)
	return s.render(r, "consent", pageData{
		T: t, Title: t.MustText("consent-title"), App: app.title(), Person: s.personView(person), Next: r.ownPath(),
		Fields: append([]Param{{scopeUserInfo, "on"}, {"uuid", uuid}}, s.clientParams(person.ID)...),
	})
}

// confirmView returns the page on the phone after the scan of a QR code. Its form sends the scope,
// the uuid of the QR code, and the parameters that identify the person.
func (s *Server) confirmView(r *request, q *qrCode, person *Person) response {
	t := pageTexts("", r.Request)
	return s.render(r, "confirm", pageData{
		T: t, Title: t.MustText("confirm-title"), App: q.app.title(), Person: s.personView(person), Next: r.ownPath(),
		Fields: append([]Param{{scopeLogin, "on"}, {"uuid", q.uuid}}, s.clientParams(person.ID)...),
	})
}

// choosePage returns the page that asks for the person to sign in as. Ordinary browsers get it; a
// [Phone] identifies its person by parameters. After the choice, the browser continues at next.
func (s *Server) choosePage(r *request, next string) response {
	t := pageTexts("", r.Request)
	v := pageData{T: t, Title: t.MustText("choose-title"), Next: next}
	for _, p := range s.people {
		v.People = append(v.People, *s.personView(p))
	}
	return s.render(r, "choose", v)
}

func (s *Server) qrView(r *request, q *qrCode) response {
	t, phone := pageTexts(q.lang, r.Request), ""
	if s.cfg.ControlURL != "" {
		phone = strings.TrimSuffix(s.cfg.ControlURL, "/") + "/phone?open=" + url.QueryEscape(q.link)
	}
	return s.render(r, "qrconnect", pageData{
		T: t, Title: t.MustText("qr-title"), App: q.app.title(), RefreshURL: assetBase + "qr?uuid=" + q.uuid,
		QR: &qrFields{
			UUID: q.uuid, Link: q.link, HasImage: s.cfg.QR != nil, Status: s.qrStatus(q),
			SelfRedirect: q.selfRedirect, Target: q.redirectURI, State: q.state, PhoneURL: phone,
			OpenHere: s.quirks.AnyBrowser, Embedded: q.embedded,
		},
	})
}

// personView returns a person as pages show them, without the control bytes that a nickname may
// contain.
func (s *Server) personView(p *Person) *personView {
	name := p.Nickname
	if p.Deregistered {
		name = "用户已经注销"
	}
	name = strings.Map(func(r rune) rune {
		if unicode.IsControl(r) {
			return ' '
		}
		return r
	}, strings.ToValidUTF8(name, "\uFFFD"))
	return &personView{ID: p.ID, Nickname: name, Picture: "/mmopen/vi_32/" + p.ID + "/96"}
}

// ownPath returns the path and query of the page. The browser returns there when the person is
// changed. It is "" for a [Phone], because the person of a phone cannot be changed. A request of a
// phone has the parameter uin.
func (r *request) ownPath() string {
	q, _ := url.ParseQuery(r.URL.RawQuery)
	if q.Has("uin") {
		return ""
	}
	return r.URL.RequestURI()
}

// asset serves the script, the style sheet and the home page.
func (s *Server) asset(r *request) response {
	name, mediaType := "", ""
	switch p := r.URL.Path; {
	case p == "/":
		t := pageTexts("", r.Request)
		return s.render(r, "message", pageData{T: t, Title: t.MustText("home-title"), Text: t.MustText("home-title"),
			Hint: t.MustText("home-text")})
	case p == loginScript:
		name = "wxLogin.js"
	case strings.HasPrefix(p, assetBase+"wechat-"):
		name = path.Base(p)
	}
	switch path.Ext(name) {
	case ".js":
		mediaType = "text/javascript; charset=utf-8"
	case ".css":
		mediaType = "text/css; charset=utf-8"
	}
	b, err := pageFiles.ReadFile("pages/" + name)
	if err != nil || mediaType == "" {
		return plain(http.StatusNotFound, "wechattest: not found")
	}
	return response{status: http.StatusOK, body: b, header: http.Header{
		"Content-Type": {mediaType}, "Cache-Control": {"max-age=300"}, "X-Content-Type-Options": {"nosniff"}}}
}
