package wechattest

import (
	"html"
	"mime"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/weigate/weigate/internal/simulator/link"
)

// Page is what a phone shows: the last response of a navigation, with its links and buttons. A Page
// does not change after a phone has returned it.
type Page struct {
	URL          string        // the address in the address bar
	Status       int           // of the response, for example 200
	Header       http.Header   // of the response
	Body         string        // of the response, at most 4 MiB
	Title        string        // of an HTML page
	Links        []Element     // in page order
	Buttons      []Element     // submit buttons of all forms, in page order
	RefreshURL   string        // target of a Refresh header or meta element, "" for none; see [Phone.FollowRefresh]
	RefreshAfter time.Duration // delay of the refresh
	Hops         []Hop         // redirects that led to the page, in order
	// Snapshot reports whether WeChat opened this page in snapshot mode (快照页): the app received a
	// virtual account, not the person's. See [Phone.UseFullService].
	Snapshot bool

	address        *url.URL // URL, parsed
	forms          []*form
	requestMethod  string   // of the request, for Reload
	requestBody    string   // body of the request
	fromSimulator  bool     // the simulator served the page
	referrerPolicy string   // set by the page; "" for the default of browsers
	initiator      *url.URL // page whose link or form led here; nil for none
	snapshotApp    string   // appid whose authorize page led here in snapshot mode
}

// Hop is one redirect.
type Hop struct {
	Status   int
	From, To string // addresses
}

// Element is a link or a submit button of a page.
type Element struct {
	ID, Name, Value string // attributes
	Text            string // visible text, white space collapsed; the alt text of an image
	URL             string // absolute address of the link, or of the form that the button sends
}

// form is a form of a page.
type form struct {
	id, name string
	action   string // absolute address, "" if it is not http or https
	method   string
	fields   []field
	buttons  []*button
}

// field is a control of a form, with a name. All radio buttons of one name are one field.
type field struct {
	name, kind, value string
	options           []string // values of a select or of radio buttons
	sent              bool     // false for an unchecked checkbox, and for radio buttons without a checked one
}

// button is a submit button. URL and method are from the attributes formaction and formmethod of
// the button, or else from the form.
type button struct {
	Element
	method string
}

// Link returns the first link with this id, text or address; nil for none.
func (p *Page) Link(what string) *Element {
	for i, l := range p.Links {
		if what != "" && (l.ID == what || l.Text == what || l.URL == what) {
			return &p.Links[i]
		}
	}
	return nil
}

// Text returns the visible text, white space collapsed, without scripts and styles.
func (p *Page) Text() string {
	if !p.isHTML() {
		return p.Body
	}
	var b strings.Builder
	for _, t := range htmlTokens(p.Body) {
		switch t.kind {
		case textToken:
			b.WriteString(html.UnescapeString(t.text))
		case contentToken: // content of script, style, title or textarea
			if t.name == "textarea" {
				b.WriteString(html.UnescapeString(t.text))
			}
		default: // a tag
			if !isInline(t.name) {
				b.WriteByte(' ')
			}
		}
	}
	return collapse(b.String())
}

// AsksConsent reports whether the page is WeChat's consent page, or WeChat's page after the scan of
// a QR code. [Phone.Allow] and [Phone.Deny] press a button on these pages.
func (p *Page) AsksConsent() bool {
	f, _ := p.consentButton(true)
	return f != nil
}

// consentButton returns a button and its form: the button that allows if allow is true, else the
// button that refuses. It returns nil on a page that does not ask for consent.
func (p *Page) consentButton(allow bool) (*form, *button) {
	if !p.fromSimulator {
		return nil, nil
	}
	for _, f := range p.forms {
		u, err := url.Parse(f.action)
		if err != nil || u.Path != "/connect/oauth2/authorize_reply" && u.Path != "/connect/confirm_reply" {
			continue
		}
		for _, b := range f.buttons {
			// "1" on the consent page, "allow" after the scan of a QR code.
			if isAllow := b.Name == "allow" && (b.Value == "1" || b.Value == "allow"); isAllow == allow {
				return f, b
			}
		}
	}
	return nil, nil
}

// submitButton returns the button that [Phone.Submit] presses, and its form. The form is nil if no
// button and no form matches what. The button is nil if the form has no button.
func (p *Page) submitButton(what string) (*form, *button) {
	if what == "" {
		if len(p.forms) == 1 {
			return p.forms[0], p.forms[0].firstButton()
		}
		return nil, nil
	}
	for _, f := range p.forms {
		for _, b := range f.buttons {
			if b.matches(what) {
				return f, b
			}
		}
	}
	for _, f := range p.forms {
		u, err := url.Parse(f.action)
		if what == f.id || what == f.name || err == nil && (what == u.Path || strings.HasSuffix(u.Path, "/"+what)) {
			return f, f.firstButton()
		}
	}
	return nil, nil
}

func (b *button) matches(what string) bool {
	return what == b.Text || what == b.ID || what == b.Value ||
		b.Name != "" && (what == b.Name || what == b.Name+"="+b.Value)
}

func (f *form) firstButton() *button {
	if len(f.buttons) == 0 {
		return nil
	}
	return f.buttons[0]
}

// encode returns the form's fields and the pressed button, urlencoded. Values in fill replace the
// values of the page. The fields are in page order, as in browsers. (url.Values.Encode would sort
// them.)
func (f *form) encode(fill url.Values, pressed *button) string {
	var pairs []string
	add := func(name, value string) {
		pairs = append(pairs, url.QueryEscape(name)+"="+url.QueryEscape(value))
	}
	used := map[string]bool{}
	for _, d := range f.fields {
		values, filled := fill[d.name]
		switch {
		case filled && used[d.name]: // a second field of this name; the values are already added
		case filled:
			used[d.name] = true
			for _, v := range values {
				add(d.name, v)
			}
		case d.sent:
			add(d.name, d.value)
		}
	}
	for name, values := range fill { // fields that are not on the page: a script could have added them
		if !used[name] {
			for _, v := range values {
				add(name, v)
			}
		}
	}
	if pressed != nil && pressed.Name != "" {
		add(pressed.Name, pressed.Value)
	}
	return strings.Join(pairs, "&")
}

// quotedTexts returns the texts of elements for an error message, or none if there are no elements.
func quotedTexts(elements []Element, none string) string {
	if len(elements) == 0 {
		return none
	}
	quoted := make([]string, len(elements))
	for i, e := range elements {
		quoted[i] = strconv.Quote(e.Text)
	}
	return strings.Join(quoted, ", ")
}

func (p *Page) isHTML() bool {
	t, _, _ := mime.ParseMediaType(p.Header.Get("Content-Type"))
	return t == "text/html" || t == "application/xhtml+xml"
}

// parse sets the fields that come from the body and the header.
func (p *Page) parse() {
	p.referrerPolicy = lastReferrerPolicy(p.Header.Get("Referrer-Policy"), "")
	if p.isHTML() {
		parser := pageParser{page: p, base: p.address, formByID: map[string]*form{}}
		for _, t := range htmlTokens(p.Body) {
			parser.token(&t)
		}
		parser.endText()
	}
	for _, f := range p.forms {
		for _, b := range f.buttons {
			p.Buttons = append(p.Buttons, b.Element)
		}
	}
	if v := p.Header.Get("Refresh"); v != "" { // replaces the refresh of a meta element
		p.parseRefresh(v, p.address)
	}
}

// parseRefresh parses the value of a refresh, such as "5" or "5; url=/next": seconds and an
// address. A malformed value is ignored.
func (p *Page) parseRefresh(s string, base *url.URL) {
	s = strings.TrimSpace(s)
	n := strings.IndexFunc(s, func(r rune) bool { return (r < '0' || r > '9') && r != '.' })
	if n < 0 {
		n = len(s)
	}
	seconds, err := strconv.ParseFloat(s[:n], 64)
	if err != nil || seconds > 1e6 {
		return
	}
	address := base.String()
	if ref := refreshTarget(s[n:]); ref != "" {
		u, ok := link.Resolve(base, ref)
		if !ok {
			return
		}
		address = u.String()
	}
	p.RefreshURL, p.RefreshAfter = address, time.Duration(seconds*float64(time.Second))
}

// refreshTarget returns the address that follows the delay, as in "; url=/next". "url=" and quotes
// may be missing.
func refreshTarget(s string) string {
	const blanks = " \t\n\f\r"
	s = strings.TrimLeft(s, blanks+";,")
	if len(s) >= 3 && strings.EqualFold(s[:3], "url") {
		if after, ok := strings.CutPrefix(strings.TrimLeft(s[3:], blanks), "="); ok {
			s = strings.TrimLeft(after, blanks)
		}
	}
	if s != "" && (s[0] == '"' || s[0] == '\'') {
		s, _, _ = strings.Cut(s[1:], s[:1])
	}
	return s
}

// lastReferrerPolicy returns the last known policy of a comma-separated list, or fallback if the
// list has no known policy.
func lastReferrerPolicy(list, fallback string) string {
	known := []string{"no-referrer", "no-referrer-when-downgrade", "same-origin", "origin", "strict-origin",
		"origin-when-cross-origin", "strict-origin-when-cross-origin", "unsafe-url"}
	for p := range strings.SplitSeq(list, ",") {
		if p = lowerASCII(strings.TrimSpace(p)); slices.Contains(known, p) {
			fallback = p
		}
	}
	return fallback
}

// collapse returns a text with each run of white space replaced by one space.
func collapse(s string) string { return strings.Join(strings.Fields(s), " ") }

// isInline reports whether an element is within a line of text. Tags of inline elements do not
// separate words.
func isInline(name string) bool {
	switch name {
	case "a", "abbr", "b", "bdi", "bdo", "code", "em", "font", "i", "kbd", "mark", "q", "s", "small", "span", "strong",
		"sub", "sup", "u", "wbr":
		return true
	}
	return false
}
