package admin

import (
	"embed"
	"html/template"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/weigate/weigate/internal/administration"
	"github.com/weigate/weigate/internal/gateway"
	"github.com/weigate/weigate/internal/lang"
	"github.com/weigate/weigate/internal/web"
)

//go:embed files
var files embed.FS

// screen is the data of every page. The data of a page embeds it.
type screen struct {
	Root   string       // path of the overview
	Token  string       // CSRF token of the forms
	Me     gateway.User // the administrator
	Link   bool         // signed in by an administrator's link, without WeChat
	Query  url.Values   // of the address
	Action string       // path of the page
	texts  lang.Texts
	app    func(id string) string // name of an app
}

// screen returns the data that every page needs.
func (h *Handler) screen(v *visit) *screen {
	return &screen{
		Root: h.root, Token: h.token(v.browser.Hash), Me: v.browser.User, Link: v.browser.Method == gateway.MethodLink,
		Query: v.r.URL.Query(), Action: v.r.URL.EscapedPath(), texts: h.views.Texts(v.lang), app: h.appName,
	}
}

// part is the data of a template that several pages use: the methods of the page, and a value.
type part struct {
	web.Content
	*screen
	V any // the value
}

// With returns the data for a template that several pages use. Templates call it.
func (s *screen) With(c web.Content, value any) part { return part{Content: c, screen: s, V: value} }

// Or returns the text of a key, or fallback if there is none. It is for words that other packages
// choose, such as the kind of an event.
func (s *screen) Or(key, fallback string) (string, error) {
	if !s.texts.Has(key) {
		return web.Shown(fallback, 100), nil
	}
	return s.texts.Text(key)
}

// Tail returns the last characters of an id. Lists show it beside names: names are chosen freely,
// and many users may have the same one.
func (s *screen) Tail(id string) string {
	if len(id) <= idTail {
		return id
	}
	return "…" + id[len(id)-idTail:]
}

const idTail = 6

// Called returns what a user is called on a page: the real name, else the nickname. "" = neither.
func (s *screen) Called(u gateway.User) string { return called(u) }

func called(u gateway.User) string {
	if web.Shown(u.RealName, 1) != "" {
		return u.RealName
	}
	return u.Nickname
}

// Status returns the words for the status of a user. For a pending user whom an administrator has
// allowed some apps, the words are about these apps, not about waiting.
func (s *screen) Status(u gateway.User) (string, error) {
	switch n := len(u.AllowedApps); {
	case u.Status != gateway.Pending || n == 0:
		return s.texts.Text("status." + string(u.Status))
	case n == 1:
		return s.texts.Text("status.one_app")
	default:
		return s.texts.Text("status.some_apps", "n", n)
	}
}

// StatusTone returns the color of Status.
func (s *screen) StatusTone(u gateway.User) web.Tone {
	if u.Status == gateway.Pending && len(u.AllowedApps) > 0 {
		return web.Good
	}
	return s.Tone(string(u.Status))
}

// NameOfApp returns the name of an app, or the id of an app that is not configured now.
func (s *screen) NameOfApp(id string) string { return web.Shown(s.app(id), 60) }

// MaskedID returns an openid or unionid without its middle.
func (s *screen) MaskedID(id string) string {
	if len(id) < 12 {
		return "…"
	}
	return id[:4] + "…" + id[len(id)-4:]
}

// DeliveryKey returns the key of the text that names the kind of a delivery.
func (s *screen) DeliveryKey(d gateway.Delivery) string {
	if administration.IsTest(d) {
		return "delivery.test"
	}
	return "delivery." + string(d.Kind)
}

// Has reports whether a list contains a word.
func (s *screen) Has(list []string, word string) bool { return slices.Contains(list, word) }

// Encoded returns a query string of pairs of name and value, without the pairs whose value is
// empty.
func (s *screen) Encoded(pairs ...string) template.URL {
	query := url.Values{}
	for i := 0; i+1 < len(pairs); i += 2 {
		if pairs[i+1] != "" {
			query.Set(pairs[i], pairs[i+1])
		}
	}
	return template.URL(query.Encode())
}

// Lasts returns words for a number of hours, such as "7 days".
func (s *screen) Lasts(hours int) (string, error) {
	switch {
	case hours == 1:
		return s.texts.Text("hour")
	case hours <= 24:
		return s.texts.Text("hours", "n", hours)
	}
	return s.Days(hours / 24)
}

// Days returns words for a number of days.
func (s *screen) Days(n int) (string, error) {
	if n == 1 {
		return s.texts.Text("day")
	}
	return s.texts.Text("days", "n", n)
}

// Explain returns what an errcode of WeChat means, what causes it, and what to do.
func (s *screen) Explain(code string) string {
	return administration.Explain(s.texts.Lang, "wechat:", code)
}

// Failure returns why a request to another server failed, or the detail of a problem.
func (s *screen) Failure(stored string) string {
	return administration.DescribeFailure(s.texts.Lang, stored)
}

// Join returns the elements of a list in the punctuation of the language, without characters that
// could change the page.
func (s *screen) Join(list []string) string {
	var shown []string
	for _, each := range list {
		shown = append(shown, web.Shown(each, 64))
	}
	if s.texts.Lang == lang.Chinese {
		return strings.Join(shown, "、")
	}
	return strings.Join(shown, ", ")
}

// Shown returns a text of a user or an administrator, cut to a number of characters. Control
// characters and characters that change the direction of text are removed.
func (s *screen) Shown(text string, characters int) string { return web.Shown(text, characters) }

// Tone returns the color of a word: a status, an outcome, a decision or a state.
func (s *screen) Tone(word string) web.Tone {
	switch word {
	case "active", "ok", "allowed", "sent", "usable":
		return web.Good
	case "pending", "waiting", "expired", "expiring":
		return web.Warn
	case "blocked", "refused", "failed", "denied", "revoked":
		return web.Bad
	}
	return web.Plain
}

// sections are the entries of the navigation: the path below the root, and the icon. The key of the
// label is nav.PATH. On a phone, only the first entries fit into the bar.
var sections = []struct{ path, icon string }{
	{"", "home"}, {"waiting", "waiting"}, {"users", "users"}, {"events", "events"}, {"invitations", "invitations"},
	{"apps", "apps"}, {"health", "health"}, {"notifications", "other"}, {"api-keys", "keys"},
}

// nav returns the navigation. On every page, it shows the number of users who wait.
func (h *Handler) nav(v *visit) []web.NavItem {
	section, _, _ := strings.Cut(strings.TrimPrefix(v.page.path, "/"), "/")
	var items []web.NavItem
	for _, each := range sections {
		item := web.NavItem{
			Label: h.text(v, "nav."+each.path), URL: h.root, Icon: each.icon, Current: each.path == section,
		}
		if each.path != "" {
			item.URL += "/" + each.path
		}
		if each.path == "waiting" {
			item.Count = v.waiting
		}
		items = append(items, item)
	}
	return items
}

// text returns a text in the language of a request. A key that has no text is a mistake in this
// package, which its tests find; the page then shows the key.
func (h *Handler) text(v *visit, key string, pairs ...any) string {
	text, err := h.views.Texts(v.lang).Text(key, pairs...)
	if err != nil {
		return key
	}
	return text
}

// textOr returns the text of a key, or fallback if there is none.
func (h *Handler) textOr(v *visit, key, fallback string, pairs ...any) string {
	if !h.views.Texts(v.lang).Has(key) {
		return web.Shown(fallback, 100)
	}
	return h.text(v, key, pairs...)
}

// show writes a page with its template. title is the key of its title.
func (h *Handler) show(v *visit, view, title string, data any) error {
	return h.write(v, web.Document{View: view, Title: h.text(v, title), Data: data})
}

// write completes a document with what every page has, and writes it.
func (h *Handler) write(v *visit, d web.Document) error {
	d.Lang, d.Wide, d.Nav, d.User = v.lang, true, h.nav(v), web.UserOf(v.browser.User)
	if v.browser.User.RealName != "" { // the page shows the real name instead of the nickname
		d.User.Nickname = v.browser.User.RealName
	}
	if text := h.notice(v); text != "" && v.r.Method == http.MethodGet {
		d.Notices = append(d.Notices, web.Notice{Tone: web.Good, Text: text})
	}
	// The page with the reason "link" contains this text already.
	if v.browser.Method == gateway.MethodLink && d.Rejection.Reason != "link" {
		d.Notices = append(d.Notices, web.Notice{Tone: web.Warn, Text: h.advice(v, "link.notice")})
	}
	h.cfg.Site.Write(v.w, v.r, h.views, d)
	return nil
}

// trail returns the breadcrumb of a page: the link to its section.
func (h *Handler) trail(v *visit, section string) []web.Step {
	return []web.Step{{Label: h.text(v, "nav."+section), URL: h.root + "/" + section}}
}

// advice returns a text in the language of a request. Some texts have a variant for gateways where
// nobody can sign in at WeChat: the advice to do so would lead nowhere.
func (h *Handler) advice(v *visit, key string) string {
	if variant := key + ".chat_only"; h.cfg.ChatOnly && h.views.Texts(v.lang).Has(variant) {
		key = variant
	}
	return h.text(v, key)
}

// refusal is the data of a page that refuses a request.
type refusal struct {
	*screen
	Text    string // the reason, and what to do
	Command string // the command to run on the server; "" = none
	SignIn  string // address of the sign-in; "" = no button
	Back    string // address of the page to go back to; "" = no button
}

// refuse writes the page that refuses a request. The page names the reason, and what to do. Each
// state that can lock administrators out has a command on the server, and the page names it.
func (h *Handler) refuse(v *visit, status int, reason, text string) error {
	p := refusal{screen: h.screen(v), Text: text}
	if text == "" {
		p.Text = h.advice(v, "refused."+reason+".text")
	}
	isAdmin := v.browser.User.Admin && v.browser.User.Status == gateway.Active
	withNav := false // the administrator may open other pages
	switch reason {
	case "scan", "chat", "address":
	default:
		withNav = isAdmin
	}
	switch reason {
	case "signed_out", "not_admin", "scan", "chat":
		if !h.cfg.ChatOnly {
			p.SignIn = h.root + "/sign-in"
		}
	}
	p.Command = h.command(v, reason, isAdmin)
	if withNav {
		p.Back = h.formPage(v)
	}
	d := web.Document{
		View: "refused", Title: h.advice(v, "refused."+reason+".title"), Status: status, Data: p, Lang: v.lang,
		Rejection: web.Rejection{Request: "admin", Reason: reason},
	}
	if withNav {
		if v.waiting == 0 { // the navigation shows the number; a refused request has perhaps not read it
			if n, err := h.cfg.Service.CountWaiting(v.r.Context()); err == nil {
				v.waiting = n
			}
		}
		return h.write(v, d)
	}
	d.Tone = web.Bad
	h.cfg.Site.Write(v.w, v.r, h.views, d)
	return nil
}

// command returns the command that prints a link with which an administrator signs in, or "" if such
// a link does not help. With --user, the link makes this user an administrator, and the events have
// the user's name.
func (h *Handler) command(v *visit, reason string, isAdmin bool) string {
	const command = "weigate admin invite"
	named := isAdmin || h.cfg.ChatOnly && v.browser.User.Status != gateway.Blocked
	switch reason {
	case "scan", "chat", "not_admin":
		if named {
			return command + " --user " + v.browser.User.ID
		}
		return command
	case "link", "signed_out", "link_only":
		if h.cfg.ChatOnly == (reason != "link") {
			return command
		}
	}
	return ""
}

// formPage returns the address of the page whose form was sent. For POST /admin/users/ID/block, it is
// the page of the user.
func (h *Handler) formPage(v *visit) string {
	path := v.page.formPage()
	return h.root + strings.ReplaceAll(path, "{id}", url.PathEscape(v.r.PathValue("id")))
}

// Input returns a field of a form. The key of its label is field.LABEL. If there is a text hint.LABEL,
// the field has this hint. Templates call it.
func (s *screen) Input(name, kind, label, value string, length int, wrong problems) (web.Field, error) {
	value = gateway.CleanParagraph(value)
	f := web.Field{Name: name, Type: kind, Value: value, MaxLength: length, Error: wrong[name], Autocomplete: "off"}
	f.Required = label == "name" || label == "other" || label == "max_uses"
	var err error
	if f.Label, err = s.texts.Text("field." + label); err != nil {
		return f, err
	}
	if s.texts.Has("hint." + label) {
		f.Hint, err = s.texts.Text("hint." + label)
	}
	return f, err
}

// Choice returns a field with options. Each option is a value and its label. Templates call it.
func (s *screen) Choice(name, kind, label, value string, wrong problems, options ...web.Option) (web.Field, error) {
	f, err := s.Input(name, kind, label, value, 0, wrong)
	for _, o := range options {
		// Of checkboxes, several can be selected: their caller sets Selected.
		o.Selected = o.Selected || o.Value == value && kind != "checkboxes"
		f.Options = append(f.Options, o)
	}
	return f, err
}

// Option returns an option of a field. Templates call it.
func (s *screen) Option(value, label string) web.Option {
	return web.Option{Value: value, Label: label}
}

// MaxRead returns how many rows a search reads at most. Templates call it.
func (*screen) MaxRead() int { return gateway.MaxRead }
