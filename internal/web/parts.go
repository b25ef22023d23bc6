package web

import (
	"bytes"
	"html/template"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/weigate/weigate/internal/lang"
)

// parts renders the parts that pages share. Its methods are called from templates. The templates of
// the parts are in components.html.
type parts struct {
	layout *template.Template
	own    lang.Texts // the texts of package web, in the language of the page
	zone   *time.Location
}

// render executes a template of components.html.
func (p parts) render(name string, data any) (template.HTML, error) {
	var out bytes.Buffer
	err := p.layout.ExecuteTemplate(&out, name, data)
	return template.HTML(out.String()), err // html/template has escaped it
}

// Time returns a time in the administrator's time zone, with the zone. The script of the page shows
// the time in the zone of the browser.
func (p parts) Time(t time.Time) (template.HTML, error) {
	return p.render("time", struct{ UTC, Text string }{t.UTC().Format(time.RFC3339), p.TimeText(t)})
}

// TimeText returns a time with its zone as text, such as "1 Sep 2026, 15:04 (UTC+8)".
func (p parts) TimeText(t time.Time) string {
	t = t.In(p.zone)
	format := "2 Jan 2006, 15:04"
	if p.own.Lang == lang.Chinese {
		format = "2006年1月2日 15:04"
	}
	return t.Format(format) + " (" + lang.Zone(t) + ")"
}

// maxShown is how many characters of a user's name a page shows.
const maxShown = 60

// Name returns the name of a user, isolated from the direction of the text around it. A long name
// is cut, and has its full text as a title. A user without a name gets words that say so.
func (p parts) Name(name string) (template.HTML, error) {
	text := Shown(name, maxShown)
	if text == "" {
		var err error
		if text, err = p.own.Text("nameless"); err != nil {
			return "", err
		}
	}
	title := ""
	if full := Shown(name, maxTitle); full != text && full != "" && strings.HasSuffix(text, "…") {
		title = full
	}
	return p.render("name", struct{ Text, Title string }{text, title})
}

// maxTitle is how many characters of a cut name its title shows.
const maxTitle = 1000

// Shown prepares a text from a user for a page, and cuts it to a number of characters. It replaces
// control characters and line breaks by spaces. It removes characters that change the direction of
// text, such as U+202E.
func Shown(text string, characters int) string {
	var out strings.Builder
	n := 0
	for _, r := range text {
		if n == characters {
			out.WriteRune('…')
			break
		}
		n++
		switch {
		case isDirection(r):
			n-- // removed
		case r == utf8.RuneError, unicode.IsControl(r), r == '\u2028', r == '\u2029':
			out.WriteRune(' ')
		default:
			out.WriteRune(r)
		}
	}
	return strings.TrimSpace(out.String())
}

// isDirection reports whether a character changes the direction of the text after it (Unicode
// Standard Annex 9).
func isDirection(r rune) bool {
	return r == '\u061c' || r == '\u200e' || r == '\u200f' || r >= '\u202a' && r <= '\u202e' ||
		r >= '\u2066' && r <= '\u2069'
}

// Masked returns an id of which only the ends are shown. The title has the whole id.
func (p parts) Masked(id string) (template.HTML, error) {
	return p.render("id", struct{ Full, Text string }{id, MaskedID(id)})
}

// MaskedID returns the first six and the last four characters of an id, and a short id unchanged.
func MaskedID(id string) string {
	if len(id) <= 12 {
		return id
	}
	return id[:6] + "…" + id[len(id)-4:]
}

// Avatar returns the picture of a user. Without a picture, or if the browser cannot load it, it has
// the first letter of the name.
func (p parts) Avatar(name, picture string) (template.HTML, error) {
	letter := "?"
	if shown := Shown(name, 1); shown != "" {
		first, _ := utf8.DecodeRuneInString(shown)
		letter = string(unicode.ToUpper(first))
	}
	return p.render("avatar", struct{ Picture, Letter string }{picture, letter})
}

// Icon returns the built-in icon with a name, which is a key of iconPaths.
func (p parts) Icon(name string) template.HTML { return svgIcon(name) }

// Badge returns a short word in a color, such as the status of a user.
func (p parts) Badge(tone Tone, text string) (template.HTML, error) {
	return p.render("badge", struct {
		Tone Tone
		Text string
	}{tone, text})
}

// Empty returns the content of a list without entries. text is the next step for the user. A button
// has the label and leads to url; "" = no button.
func (p parts) Empty(title, text, url, label string) (template.HTML, error) {
	return p.render("empty", struct{ Title, Text, URL, Label string }{title, text, url, label})
}

// Pages returns the links below a list: to its beginning, and to the next page. An address ""
// omits the link.
func (p parts) Pages(first, next string) (template.HTML, error) {
	words := struct{ Label, First, Next string }{}
	for key, to := range map[string]*string{
		"pages": &words.Label, "pages.first": &words.First, "pages.next": &words.Next,
	} {
		var err error
		if *to, err = p.own.Text(key); err != nil {
			return "", err
		}
	}
	return p.render("pages", struct {
		First, Next string
		Words       any
	}{first, next, words})
}

// Code returns text to be copied, such as configuration, with a button. id identifies it on the
// page.
func (p parts) Code(id, label, text string) (template.HTML, error) {
	button, err := p.own.Text("code.copy")
	if err != nil {
		return "", err
	}
	done, err := p.own.Text("copy.done")
	if err != nil {
		return "", err
	}
	return p.render("code", struct{ ID, Label, Text, Copy, Done string }{id, label, text, button, done})
}

// Word returns a text of package web. The templates of package web call it.
func (p parts) Word(key string) (string, error) { return p.own.Text(key) }
