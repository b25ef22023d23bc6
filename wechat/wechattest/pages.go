package wechattest

import (
	"bytes"
	"embed"
	"fmt"
	"html/template"
	"net/http"
	"net/url"
	"path"
	"strings"
	"sync"
	"unicode"
)

//go:embed pages
var pageFiles embed.FS

// pages are parsed once. Templates are not changed afterwards and may run at the same time.
var pages = sync.OnceValue(func() *template.Template {
	return template.Must(template.ParseFS(pageFiles, "pages/wechat-*.html"))
})

// assetBase is where the pages' own files live, out of the way of WeChat's paths.
const assetBase = "/connect/simulator/"

// problem is an error page: WeChat's sentence and code, and what the simulator knows about the cause.
type problem struct {
	code int
	text textKey
	hint hintKey
	args []any
}

// view is what every page's template gets.
type view struct {
	T          words
	Title      string
	Text, Hint string
	Code       int
	App        string
	Person     *personView
	People     []personView
	Fields     []Param // hidden fields of the form
	Next       string  // where the choice of a person leads
	QR         *qrFields
	RefreshURL string // for browsers without JavaScript
}

type personView struct{ ID, Nickname, Picture string }

type qrFields struct {
	UUID, Link, Target, State, SelfRedirect string
	Picture                                 bool
	Status                                  QRStatus
	Phone                                   string // where a phone of the control page takes the link
	Here                                    bool   // the link opens in this browser as well
	Embedded                                bool   // in a small frame of the app
}

// The policy of the pages. There is no form-action: Chromium applies it to the redirect that follows a form, and that leads to the app.
const (
	pagePolicy     = "default-src 'none'; style-src 'self'; img-src 'self'; script-src 'self'; connect-src 'self'; base-uri 'none'; frame-ancestors 'none'"
	embeddedPolicy = "default-src 'none'; style-src 'self'; img-src 'self'; script-src 'self'; connect-src 'self'; base-uri 'none'"
)

func (s *Server) render(r *request, name string, v view) answer {
	var b bytes.Buffer
	if err := pages().ExecuteTemplate(&b, "wechat-"+name+".html", v); err != nil {
		return plain(http.StatusInternalServerError, "the page cannot be shown")
	}
	if r.call.Answer == "" {
		r.call.Answer = "page " + name
	}
	policy := pagePolicy
	if name == "qrconnect" {
		policy = embeddedPolicy // wxLogin.js shows it in a frame of the app
	}
	return answer{status: http.StatusOK, body: b.Bytes(), header: http.Header{
		"Content-Type": {"text/html; charset=utf-8"}, "Cache-Control": {"no-store"}, "Content-Security-Policy": {policy},
		"Referrer-Policy": {"no-referrer"}, "X-Content-Type-Options": {"nosniff"}}}
}

// errorPage has status 200, as WeChat's are believed to have.
func (s *Server) errorPage(r *request, p problem) answer {
	t := language(r.params.Get("lang"), r.Request)
	v := view{T: t, Title: t.ErrorTitle, Text: t.texts[p.text], Code: p.code, Hint: fmt.Sprintf(t.hints[p.hint], p.args...)}
	r.call.Errcode, r.call.Answer = p.code, "error page: "+chinese().texts[p.text]
	return s.render(r, "error", v)
}

func (s *Server) notInWeChat(r *request) answer {
	return s.errorPage(r, problem{text: textNotInWeChat, hint: hintNotInWeChat})
}

// messageView is a page that says one thing and has nothing to press.
func (s *Server) messageView(r *request, text textKey, hint hintKey) answer {
	t := language("", r.Request)
	return s.render(r, "message", view{T: t, Title: t.LoginTitle, Text: t.texts[text], Hint: t.hints[hint]})
}

func (s *Server) consentView(r *request, app *App, who *Person, uuid string) answer {
	t := language("", r.Request)
	return s.render(r, "consent", view{T: t, Title: t.ConsentTitle, App: app.title(), Person: s.personView(who), Next: r.ownPath(),
		Fields: append([]Param{{scopeUserInfo, "on"}, {"uuid", uuid}}, s.identity(who.ID)...)})
}

func (s *Server) confirmView(r *request, q *qrCode, who *Person) answer {
	t := language("", r.Request)
	return s.render(r, "confirm", view{T: t, Title: t.ConfirmTitle, App: q.app.title(), Person: s.personView(who), Next: r.ownPath(),
		Fields: append([]Param{{scopeLogin, "on"}, {"uuid", q.uuid}}, s.identity(who.ID)...)})
}

// choosePage is the simulator's own: a browser that is not a phone says whose phone it plays.
func (s *Server) choosePage(r *request, next string) answer {
	t := language("", r.Request)
	v := view{T: t, Title: t.ChooseTitle, Next: next}
	for _, p := range s.people {
		v.People = append(v.People, *s.personView(p))
	}
	return s.render(r, "choose", v)
}

func (s *Server) qrView(r *request, q *qrCode) answer {
	t, phone := language(q.lang, r.Request), ""
	if s.cfg.ControlURL != "" {
		phone = strings.TrimSuffix(s.cfg.ControlURL, "/") + "/phone?open=" + url.QueryEscape(q.link)
	}
	return s.render(r, "qrconnect", view{T: t, Title: t.QRTitle, App: q.app.title(),
		RefreshURL: assetBase + "qr?uuid=" + q.uuid,
		QR: &qrFields{UUID: q.uuid, Link: q.link, Picture: s.cfg.QR != nil, Status: s.qrStatus(q), SelfRedirect: q.selfRedirect,
			Target: q.redirectURI, State: q.state, Phone: phone, Here: s.switches.AnyBrowser, Embedded: q.embedded}})
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

// ownPath is the address of this page without who is looking at it, for "somebody else".
func (r *request) ownPath() string {
	q, _ := url.ParseQuery(r.URL.RawQuery)
	if q.Has("uin") {
		return "" // a phone of the simulator stays whose it is
	}
	return r.URL.RequestURI()
}

// asset serves the pages' own files and a front page.
func (s *Server) asset(r *request) answer {
	name, kind := "", ""
	switch p := r.URL.Path; {
	case p == "/":
		t := language("", r.Request)
		return s.render(r, "message", view{T: t, Title: t.HomeTitle, Text: t.HomeTitle, Hint: t.HomeText})
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
		return plain(http.StatusNotFound, "wechattest: the simulator has nothing at this path")
	}
	return answer{status: http.StatusOK, body: b, header: http.Header{"Content-Type": {kind}, "Cache-Control": {"max-age=300"}, "X-Content-Type-Options": {"nosniff"}}}
}
