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
)

// A Page is what a phone shows: the last answer of a journey, and what a person could press on it. A Page is not
// changed once it was handed out.
type Page struct {
	URL     string      // where the journey ended, as the address bar has it
	Status  int         // of the answer, e.g. 200
	Header  http.Header // of the answer
	Body    string      // of the answer, as it came, at most 4 MiB
	Title   string      // of an HTML page
	Links   []Link      // in the order of the page
	Forms   []Form      // in the order of the page
	Refresh *Refresh    // where the page says it will go by itself, or nil
	Hops    []Hop       // the redirects on the way here, the first one first
	// Snapshot says that WeChat opened this page in snapshot mode (快照页): the app was given a virtual account. See
	// [Phone.UseFullService].
	Snapshot bool

	method    string // how it was got, for Reload
	sent      string // the body that was sent for it
	simulator bool   // it is a page of the simulator, seen with the person's identity
	referrer  string // the page's referrer policy
	initiator *url.URL
	asked     string // the appid whose authorize page led here in snapshot mode
}

// A Hop is one redirect of a journey.
type Hop struct {
	Status   int    // e.g. 302
	From, To string // addresses
}

// A Link is a place that a page leads to.
type Link struct {
	ID, Text string // the text with white space collapsed; of a picture its alt text
	URL      string // absolute
}

// A Refresh is a page's word that it goes elsewhere by itself, from a Refresh header or a meta element. A phone waits
// for [Phone.FollowRefresh], so that a test sees every page.
type Refresh struct {
	After time.Duration
	URL   string // absolute; of the page itself when it only loads again
}

// A Form is a form on a page.
type Form struct {
	ID, Name string
	Action   string // absolute
	Method   string // "GET" or "POST"
	Fields   []Field
	Buttons  []Button
}

// A Field is one named control of a form with the value that it would send if nobody touched it.
type Field struct {
	Name, Type, Value string
	Options           []string // the values to choose from, of a select or a radio group
	Sent              bool     // false for what is sent only once chosen: an unticked box
}

// A Button is a submit button. Value is sent under Name when it has one.
type Button struct {
	ID, Name, Value, Text string
	action, method        string // formaction and formmethod
}

// Link finds a link by its id, its text or its address, and nil when there is none.
func (p *Page) Link(what string) *Link {
	for i, l := range p.Links {
		if what != "" && (l.ID == what || l.Text == what || l.URL == what) {
			return &p.Links[i]
		}
	}
	return nil
}

// Text is what a reader sees of the page, white space collapsed, without scripts and styles.
func (p *Page) Text() string {
	if !p.isHTML() {
		return p.Body
	}
	var b strings.Builder
	scanHTML(p.Body, func(t htmlToken) bool {
		switch t.kind {
		case textToken:
			b.WriteString(html.UnescapeString(t.text))
		case rawToken:
			if t.name == "textarea" {
				b.WriteString(html.UnescapeString(t.text))
			}
		default:
			if !inlineElement(t.name) {
				b.WriteByte(' ')
			}
		}
		return true
	})
	return collapse(b.String())
}

func (p *Page) isHTML() bool {
	t, _, _ := mime.ParseMediaType(p.Header.Get("Content-Type"))
	return t == "text/html" || t == "application/xhtml+xml"
}

// read fills in what a person could see and press.
func (p *Page) read() {
	u, err := url.Parse(p.URL)
	if err != nil {
		return
	}
	p.referrer = lastPolicy(p.Header.Get("Referrer-Policy"), "")
	r := pageReader{page: p, base: u}
	if p.isHTML() {
		scanHTML(p.Body, r.token)
		r.endText()
	}
	if v := p.Header.Get("Refresh"); v != "" {
		p.Refresh = parseRefresh(v, u)
	}
}

// parseRefresh reads "5" and "5; url=/next".
func parseRefresh(s string, base *url.URL) *Refresh {
	s = strings.TrimSpace(s)
	n := strings.IndexFunc(s, func(r rune) bool { return (r < '0' || r > '9') && r != '.' })
	if n < 0 {
		n = len(s)
	}
	seconds, err := strconv.ParseFloat(s[:n], 64)
	if err != nil || seconds > 1e6 {
		return nil
	}
	out := &Refresh{After: time.Duration(seconds * float64(time.Second)), URL: base.String()}
	rest := strings.TrimLeft(s[n:], " \t\n\f\r;,")
	if hasFold(rest, "url") {
		if after := strings.TrimLeft(rest[3:], " \t\n\f\r"); strings.HasPrefix(after, "=") {
			rest = strings.TrimLeft(after[1:], " \t\n\f\r")
		}
	}
	if rest != "" && (rest[0] == '"' || rest[0] == '\'') {
		q := rest[0]
		rest = rest[1:]
		if i := strings.IndexByte(rest, q); i >= 0 {
			rest = rest[:i]
		}
	}
	if rest == "" {
		return out
	}
	u, ok := resolve(base, rest)
	if !ok {
		return nil
	}
	out.URL = u.String()
	return out
}

// lastPolicy is the last referrer policy of a list that is known, or the one before.
func lastPolicy(list, before string) string {
	known := []string{"no-referrer", "no-referrer-when-downgrade", "same-origin", "origin", "strict-origin",
		"origin-when-cross-origin", "strict-origin-when-cross-origin", "unsafe-url"}
	for _, p := range strings.Split(list, ",") {
		if p = lowerASCII(strings.TrimSpace(p)); slices.Contains(known, p) {
			before = p
		}
	}
	return before
}

func collapse(s string) string { return strings.Join(strings.Fields(s), " ") }

// inlineElement reports whether an element runs on within a line, so that its tags part no words.
func inlineElement(name string) bool {
	switch name {
	case "a", "abbr", "b", "bdi", "bdo", "code", "em", "font", "i", "kbd", "mark", "q", "s", "small", "span", "strong", "sub", "sup", "u", "wbr":
		return true
	}
	return false
}
