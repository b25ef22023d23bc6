package simulator

import (
	"bytes"
	"html/template"
	"net/http"
	"net/url"
	"path"
	"slices"
	"strings"
	"time"

	"github.com/weigate/weigate/internal/lang"
	"github.com/weigate/weigate/internal/simulator/link"
	"github.com/weigate/weigate/internal/simulator/phoneview"
	"github.com/weigate/weigate/wechat/wechattest"
)

// contentPolicy is the Content-Security-Policy of the control page. frame-src 'self' allows the
// frame that shows a person's phone.
const contentPolicy = "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self'; connect-src 'self'; " +
	"frame-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"

// setHeaders sets the security headers of every response, except for the frame that shows a phone
// (see package phoneview).
func setHeaders(w http.ResponseWriter) {
	phoneview.SetHeaders(w, contentPolicy)
	w.Header().Set("Cross-Origin-Resource-Policy", "same-origin")
}

// parseTemplates returns the pages with the texts of one language.
func parseTemplates(texts lang.Texts) *template.Template {
	return template.Must(template.New("").Funcs(template.FuncMap{
		"t":     texts.Text,
		"lang":  func() string { return texts.Lang },
		"clock": func(t time.Time) string { return t.Local().Format(time.DateTime) },
		"hms":   func(t time.Time) string { return t.Local().Format(time.TimeOnly) },
	}).ParseFS(files, "files/*.html"))
}

// layout is the data of layout.html, the template around every page.
type layout struct {
	Part  string // name of the page's template; the navigation highlights its link
	Path  string // path of the page; the form of the clock returns there
	Title string
	Now   time.Time
	Seed  uint64
	Page  any // the data of the page's own template
}

// render serves the page of the template NAME.html; page is its data.
func (c *control) render(w http.ResponseWriter, r *http.Request, status int, name, title string, page any) {
	var b bytes.Buffer
	err := c.templates[c.texts(r).Lang].ExecuteTemplate(&b, name+".html", layout{
		Part: name, Path: r.URL.Path, Title: title, Now: c.server.Now(), Seed: c.server.Seed(), Page: page,
	})
	setHeaders(w)
	if err != nil {
		http.Error(w, "render page: internal error", http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.Header().Set("Vary", "Accept-Language")
	w.WriteHeader(status)
	_, _ = w.Write(b.Bytes())
}

// errorPage serves an error page, or a JSON error for a path of the API. key is the key of the
// text.
func (c *control) errorPage(w http.ResponseWriter, r *http.Request, status int, key string) {
	if isAPI(r.URL.Path) {
		name := map[string]string{"error-host": "wrong_host", "error-origin": "other_origin"}[key]
		writeError(w, &apiError{status: status, Name: name, Message: c.catalogue.In(lang.English).MustText(key)})
		return
	}
	texts := c.texts(r)
	c.render(w, r, status, "error", texts.MustText("error-title"), texts.MustText(key))
}

func (c *control) redirect(w http.ResponseWriter, r *http.Request, to string) {
	setHeaders(w)
	http.Redirect(w, r, to, http.StatusSeeOther)
}

// asset serves the style sheet and the script.
func (c *control) asset(w http.ResponseWriter, r *http.Request) {
	name := path.Base(r.URL.Path)
	b, err := files.ReadFile("files/" + name)
	if err != nil {
		http.NotFound(w, r)
		return
	}
	setHeaders(w)
	kind := "text/css; charset=utf-8"
	if path.Ext(name) == ".js" {
		kind = "text/javascript; charset=utf-8"
	}
	w.Header().Set("Content-Type", kind)
	_, _ = w.Write(b)
}

// personCard is a person (a simulated WeChat user) as the pages show them.
type personCard struct {
	ID, Nickname string
	Tags         []string // keys of texts such as "tag-frozen"
	At           string   // title of the page on the phone, or its address without codes and tokens
}

func (c *control) personCard(p *wechattest.Person) personCard {
	card := personCard{ID: p.ID, Nickname: printable(p.Nickname)}
	for _, tag := range []struct {
		key string
		on  bool
	}{
		{"tag-deregistered", p.Deregistered},
		{"tag-follows-none", len(p.Follows) == 0},
		{"tag-frozen", p.Frozen},
		{"tag-snapshot", p.Snapshot}, // snapshot mode (快照页): apps get a virtual user
	} {
		if tag.on {
			card.Tags = append(card.Tags, tag.key)
		}
	}
	if page := c.server.Phone(p.ID).Page(); page != nil {
		if card.At = page.Title; card.At == "" {
			card.At = link.Mask(page.URL)
		}
	}
	return card
}

func (c *control) personCards() []personCard {
	people := c.server.People()
	out := make([]personCard, len(people))
	for i := range people {
		out[i] = c.personCard(&people[i])
	}
	return out
}

// printable replaces control characters and malformed UTF-8. Some people of the simulator have such
// bytes in their nicknames, as WeChat users do.
func printable(s string) string {
	return strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f {
			return '\uFFFD'
		}
		return r
	}, strings.ToValidUTF8(s, "\uFFFD"))
}

// recentCalls returns the last n calls, newest first: the calls of one person, or all calls if
// person is "".
func (c *control) recentCalls(n int, person string) []wechattest.Call {
	var out []wechattest.Call
	for _, call := range slices.Backward(c.server.Calls()) {
		if person != "" && call.Person != person {
			continue
		}
		call.Answer = printable(call.Answer)
		if out = append(out, call); len(out) == n {
			break
		}
	}
	return out
}

func (c *control) peoplePage(w http.ResponseWriter, r *http.Request) {
	c.render(w, r, http.StatusOK, "people", c.texts(r).MustText("nav-people"), map[string]any{
		"People": c.personCards(), "Codes": c.server.QRCodes(), "Scenes": c.sceneCodes(""), // of all accounts
		"Calls": c.recentCalls(8, ""),
	})
}

// picture serves a person's picture. The simulated WeChat draws the picture: its handler is called
// with the address that the picture has at WeChat.
func (c *control) picture(w http.ResponseWriter, r *http.Request) {
	req := r.Clone(r.Context())
	req.Method, req.Body = http.MethodGet, http.NoBody
	req.URL = &url.URL{Path: "/mmopen/vi_32/" + url.PathEscape(r.PathValue("person")) + "/132"}
	req.Host = "thirdwx.qlogo.cn"
	c.server.ServeHTTP(w, req)
}

func (c *control) appsPage(w http.ResponseWriter, r *http.Request) {
	c.render(w, r, http.StatusOK, "apps", c.texts(r).MustText("nav-apps"), map[string]any{
		"Apps": c.server.Apps(), "Open": c.openURL,
	})
}

func (c *control) logPage(w http.ResponseWriter, r *http.Request) {
	c.render(w, r, http.StatusOK, "log", c.texts(r).MustText("nav-log"), c.recentCalls(200, ""))
}

// advanceClock handles the form of the clock. Every page has this form, and its field "to" is the
// path of the page. advanceClock redirects back to the page. It ignores addresses of other hosts,
// or it would be an open redirect.
func (c *control) advanceClock(w http.ResponseWriter, r *http.Request) {
	if d, err := time.ParseDuration(r.PostFormValue("advance")); err == nil {
		c.server.Advance(d)
		c.changed()
	}
	to := r.PostFormValue("to")
	if !strings.HasPrefix(to, "/") || strings.HasPrefix(to, "//") || strings.ContainsAny(to, "\\\r\n") {
		to = "/"
	}
	c.redirect(w, r, to)
}
