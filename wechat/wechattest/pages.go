package wechattest

import (
	"bytes"
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

// catalogue returns the texts of the pages. Keys with "text-" are sentences of WeChat, those with
// "hint-" are explanations for the developer.
var catalogue = sync.OnceValue(func() *lang.Catalogue { return lang.MustLoad(pageFiles, "pages") })

// pageTexts returns the texts in the language of WeChat's parameter lang, else of the browser.
// WeChat's pages are Chinese unless the browser prefers English.
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
	code int
	text string // key
	hint string // key
	args []any  // names and values of the hint's placeholders
}

// view is the data of all templates.
type view struct {
	T          lang.Texts
	Title      string
	Text, Hint string
	Code       int
	App        string
	Person     *personView
	People     []personView
	Fields     []Param // hidden fields of the form
	Next       string  // the page to which the choice of a person redirects
	QR         *qrFields
	RefreshURL string // for browsers without JavaScript
}

type personView struct{ ID, Nickname, Picture string }

type qrFields struct {
	UUID, Link, Target, State, SelfRedirect string
	Picture                                 bool
	Status                                  QRStatus
	Phone                                   string // address at which a phone of the control page scans the code
	Here                                    bool   // the link can be opened in this browser
	Embedded                                bool   // shown in a small frame of the app
}

// pagePolicy is the Content-Security-Policy of the pages. It has no form-action, which Chromium
// also applies to the redirect to the app after the form. The page with the QR code may be
// embedded, as wxLogin.js does.
const (
	embeddedPolicy = "default-src 'none'; style-src 'self'; img-src 'self'; script-src 'self'; " +
		"connect-src 'self'; base-uri 'none'"
	pagePolicy = embeddedPolicy + "; frame-ancestors 'none'"
)

func (s *Server) render(r *request, name string, v view) answer {
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
	return answer{status: http.StatusOK, body: b.Bytes(), header: http.Header{
		"Content-Type": {"text/html; charset=utf-8"}, "Cache-Control": {"no-store"},
		"Content-Security-Policy": {policy}, "Referrer-Policy": {"no-referrer"},
		"X-Content-Type-Options": {"nosniff"}}}
}

// errorPage returns an error page, with status 200 as WeChat's are believed to have.
func (s *Server) errorPage(r *request, p problem) answer {
	t := pageTexts(r.params.Get("lang"), r.Request)
	v := view{T: t, Title: t.MustText("error-title"), Text: t.MustText(p.text), Code: p.code,
		Hint: t.MustText(p.hint, p.args...)}
	r.call.Errcode, r.call.Answer = p.code, "error page: "+catalogue().In(lang.Chinese).MustText(p.text)
	return s.render(r, "error", v)
}

func (s *Server) notInWeChat(r *request) answer {
	return s.errorPage(r, problem{text: "text-not-in-wechat", hint: "hint-not-in-wechat"})
}

// messageView returns a page with a sentence and an explanation, both by their key of the texts.
func (s *Server) messageView(r *request, text, hint string) answer {
	t := pageTexts("", r.Request)
	return s.render(r, "message", view{T: t, Title: t.MustText("login-title"), Text: t.MustText(text),
		Hint: t.MustText(hint)})
}

func (s *Server) consentView(r *request, app *App, who *Person, uuid string) answer {
	t := pageTexts("", r.Request)
	return s.render(r, "consent", view{
		T: t, Title: t.MustText("consent-title"), App: app.title(), Person: s.personView(who), Next: r.ownPath(),
		Fields: append([]Param{{scopeUserInfo, "on"}, {"uuid", uuid}}, s.identity(who.ID)...),
	})
}

func (s *Server) confirmView(r *request, q *qrCode, who *Person) answer {
	t := pageTexts("", r.Request)
	return s.render(r, "confirm", view{
		T: t, Title: t.MustText("confirm-title"), App: q.app.title(), Person: s.personView(who), Next: r.ownPath(),
		Fields: append([]Param{{scopeLogin, "on"}, {"uuid", q.uuid}}, s.identity(who.ID)...),
	})
}

// choosePage returns the page that asks for the person in a browser that is not a phone of the
// simulator.
func (s *Server) choosePage(r *request, next string) answer {
	t := pageTexts("", r.Request)
	v := view{T: t, Title: t.MustText("choose-title"), Next: next}
	for _, p := range s.people {
		v.People = append(v.People, *s.personView(p))
	}
	return s.render(r, "choose", v)
}

func (s *Server) qrView(r *request, q *qrCode) answer {
	t, phone := pageTexts(q.lang, r.Request), ""
	if s.cfg.ControlURL != "" {
		phone = strings.TrimSuffix(s.cfg.ControlURL, "/") + "/phone?open=" + url.QueryEscape(q.link)
	}
	return s.render(r, "qrconnect", view{
		T: t, Title: t.MustText("qr-title"), App: q.app.title(), RefreshURL: assetBase + "qr?uuid=" + q.uuid,
		QR: &qrFields{
			UUID: q.uuid, Link: q.link, Picture: s.cfg.QR != nil, Status: s.qrStatus(q), SelfRedirect: q.selfRedirect,
			Target: q.redirectURI, State: q.state, Phone: phone, Here: s.quirks.AnyBrowser, Embedded: q.embedded,
		},
	})
}

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

// ownPath returns the address of the page for the button that changes the person; "" on a phone of
// the simulator, whose person is fixed.
func (r *request) ownPath() string {
	q, _ := url.ParseQuery(r.URL.RawQuery)
	if q.Has("uin") {
		return ""
	}
	return r.URL.RequestURI()
}

// asset serves the files of the pages and a front page.
func (s *Server) asset(r *request) answer {
	name, kind := "", ""
	switch p := r.URL.Path; {
	case p == "/":
		t := pageTexts("", r.Request)
		return s.render(r, "message", view{T: t, Title: t.MustText("home-title"), Text: t.MustText("home-title"),
			Hint: t.MustText("home-text")})
	case p == "/connect/zh_CN/htmledition/js/wxLogin.js":
		name = "wxLogin.js"
	case strings.HasPrefix(p, assetBase+"wechat-"):
		name = path.Base(p)
	}
	switch path.Ext(name) {
	case ".js":
		kind = "text/javascript; charset=utf-8"
	case ".css":
		kind = "text/css; charset=utf-8"
	}
	b, err := pageFiles.ReadFile("pages/" + name)
	if err != nil || kind == "" {
		return plain(http.StatusNotFound, "wechattest: not found")
	}
	return answer{status: http.StatusOK, body: b, header: http.Header{
		"Content-Type": {kind}, "Cache-Control": {"max-age=300"}, "X-Content-Type-Options": {"nosniff"}}}
}
