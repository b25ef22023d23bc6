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

	method    string // how it was got, for Reload
	sent      string // the body that was sent for it
	simulator bool   // it is a page of the simulator, seen with the person's identity
	referrer  string // the page's referrer policy
	initiator *url.URL
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

// pageReader collects links and forms from the tokens of a page.
type pageReader struct {
	page   *Page
	base   *url.URL
	based  bool // a base element was seen; later ones do not count
	form   int  // index+1 of the open form, 0 for none
	text   strings.Builder
	sink   func(string) // gets the text collected since it was set
	option struct {     // the open select
		field    *Field
		selected bool
		form     int
	}
	byID map[string]int // form index+1 by id
}

func (r *pageReader) collect(sink func(string)) {
	r.endText()
	r.text.Reset()
	r.sink = sink
}

func (r *pageReader) endText() {
	if r.sink != nil {
		r.sink(collapse(r.text.String()))
	}
	r.sink = nil
}

func (r *pageReader) token(t htmlToken) bool {
	switch t.kind {
	case textToken:
		r.text.WriteString(html.UnescapeString(t.text))
	case rawToken:
		switch t.name {
		case "title":
			if r.page.Title == "" {
				r.page.Title = collapse(html.UnescapeString(t.text))
			}
		case "textarea":
			r.text.WriteString(html.UnescapeString(t.text))
		}
	case startToken:
		r.start(&t)
	case endToken:
		switch t.name {
		case "a", "button", "option", "textarea":
			r.endText()
		case "select":
			r.endText()
			r.endSelect()
		case "form":
			r.endText()
			r.form = 0
		}
	}
	return true
}

func (r *pageReader) start(t *htmlToken) {
	switch t.name {
	case "base":
		if href, ok := t.attr("href"); ok && !r.based {
			if u, ok := resolve(r.base, href); ok {
				r.base, r.based = u, true
			}
		}
	case "meta":
		r.meta(t)
	case "a", "area":
		r.anchor(t)
	case "img":
		r.text.WriteString(t.value("alt"))
	case "form":
		r.openForm(t)
	case "input":
		r.input(t)
	case "button":
		r.button(t)
	case "textarea":
		f, i := r.field(t, "textarea"), r.formOf(t)
		if f != nil {
			r.collect(func(string) {
				f.Value = strings.TrimPrefix(r.text.String(), "\n")
				r.addField(i, *f)
			})
		}
	case "select":
		r.endSelect()
		r.option.field, r.option.form, r.option.selected = r.field(t, "select"), r.formOf(t), false
	case "option":
		r.openOption(t)
	}
}

func (r *pageReader) meta(t *htmlToken) {
	switch {
	case strings.EqualFold(t.value("http-equiv"), "refresh") && r.page.Refresh == nil:
		r.page.Refresh = parseRefresh(t.value("content"), r.base)
	case strings.EqualFold(t.value("name"), "referrer"):
		r.page.referrer = lastPolicy(t.value("content"), r.page.referrer)
	}
}

func (r *pageReader) anchor(t *htmlToken) {
	href, ok := t.attr("href")
	u, valid := resolve(r.base, href)
	if !ok || !valid {
		return
	}
	r.page.Links = append(r.page.Links, Link{ID: t.value("id"), Text: collapse(t.value("alt")), URL: u.String()})
	if i := len(r.page.Links) - 1; t.name == "a" {
		r.collect(func(s string) { r.page.Links[i].Text = s })
	}
}

func (r *pageReader) openForm(t *htmlToken) {
	if r.form != 0 {
		return // browsers ignore a form inside a form
	}
	f := Form{ID: t.value("id"), Name: t.value("name"), Method: formMethod(t.value("method"))}
	f.Action = r.action(t.value("action"))
	r.page.Forms = append(r.page.Forms, f)
	r.form = len(r.page.Forms)
	if f.ID != "" {
		if r.byID == nil {
			r.byID = map[string]int{}
		}
		if r.byID[f.ID] == 0 {
			r.byID[f.ID] = r.form
		}
	}
}

// action resolves the address of a form; an empty one is the page itself, whatever base says.
func (r *pageReader) action(s string) string {
	base := r.base
	if strings.TrimSpace(s) == "" {
		base, _ = url.Parse(r.page.URL)
	}
	if u, ok := resolve(base, s); ok {
		return u.String()
	}
	return ""
}

func formMethod(s string) string {
	if strings.EqualFold(s, "post") {
		return http.MethodPost
	}
	return http.MethodGet
}

// formOf is the index+1 of the form that a control belongs to.
func (r *pageReader) formOf(t *htmlToken) int {
	if id, ok := t.attr("form"); ok {
		return r.byID[id] // a control before the form that it names is not found; pages seldom do that
	}
	return r.form
}

func (r *pageReader) field(t *htmlToken, kind string) *Field {
	name := t.value("name")
	if _, off := t.attr("disabled"); off || name == "" || r.formOf(t) == 0 {
		return nil
	}
	return &Field{Name: name, Type: kind, Value: t.value("value"), Sent: true}
}

func (r *pageReader) addField(form int, f Field) {
	if form > 0 {
		to := &r.page.Forms[form-1]
		to.Fields = append(to.Fields, f)
	}
}

func (r *pageReader) input(t *htmlToken) {
	kind := lowerASCII(t.value("type"))
	switch kind {
	case "submit", "image":
		r.addButton(t, t.value("value"))
		return
	case "button", "reset", "file":
		return
	}
	f := r.field(t, kind)
	if f == nil {
		return
	}
	if kind == "checkbox" || kind == "radio" {
		_, f.Sent = t.attr("checked")
		if _, ok := t.attr("value"); !ok {
			f.Value = "on"
		}
	}
	i := r.formOf(t)
	if kind == "radio" && r.mergeRadio(i, f) {
		return
	}
	f.Options = radioOptions(f)
	r.addField(i, *f)
}

func radioOptions(f *Field) []string {
	if f.Type == "radio" {
		return []string{f.Value}
	}
	return nil
}

// mergeRadio makes one field of the buttons of a radio group.
func (r *pageReader) mergeRadio(form int, f *Field) bool {
	fields := r.page.Forms[form-1].Fields
	for i := range fields {
		if g := &fields[i]; g.Type == "radio" && g.Name == f.Name {
			g.Options = append(g.Options, f.Value)
			if f.Sent {
				g.Value, g.Sent = f.Value, true
			}
			return true
		}
	}
	return false
}

func (r *pageReader) button(t *htmlToken) {
	r.endText()
	if k := lowerASCII(t.value("type")); k == "button" || k == "reset" {
		return
	}
	form := r.addButton(t, "")
	if form == 0 {
		return
	}
	f := &r.page.Forms[form-1]
	i := len(f.Buttons) - 1
	r.collect(func(s string) { r.page.Forms[form-1].Buttons[i].Text = s })
}

// addButton adds a submit button and returns the index+1 of its form, 0 when it has none or is switched off.
func (r *pageReader) addButton(t *htmlToken, text string) int {
	form := r.formOf(t)
	if _, off := t.attr("disabled"); off || form == 0 {
		return 0
	}
	b := Button{ID: t.value("id"), Name: t.value("name"), Value: t.value("value"), Text: text}
	if v, ok := t.attr("formaction"); ok {
		b.action = r.action(v)
	}
	if v, ok := t.attr("formmethod"); ok {
		b.method = formMethod(v)
	}
	f := &r.page.Forms[form-1]
	f.Buttons = append(f.Buttons, b)
	return form
}

func (r *pageReader) openOption(t *htmlToken) {
	r.endText()
	f := r.option.field
	if f == nil {
		return
	}
	_, selected := t.attr("selected")
	value, has := t.attr("value")
	take := func(v string) {
		if selected || len(f.Options) == 0 {
			f.Value = v
		}
		f.Options = append(f.Options, v)
	}
	if has {
		take(value)
		return
	}
	r.collect(take)
}

func (r *pageReader) endSelect() {
	if f := r.option.field; f != nil && len(f.Options) > 0 {
		r.addField(r.option.form, *f)
	}
	r.option.field = nil
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

// resolve makes an address of a page absolute, forgiving what browsers forgive: blanks around it, line ends inside it,
// backslashes, stray percent signs. ok is false for whatever is not http or https.
func resolve(base *url.URL, ref string) (u *url.URL, ok bool) {
	ref = strings.TrimFunc(ref, func(r rune) bool { return r <= ' ' })
	path, fragment, _ := strings.Cut(ref, "#")
	path, query, asked := strings.Cut(path, "?")
	if s, _, has := strings.Cut(path, ":"); !has || hasFold(s, "http") {
		path = strings.ReplaceAll(path, `\`, "/")
	}
	ref = path
	if asked {
		ref += "?" + query
	}
	if fragment != "" {
		ref += "#" + fragment
	}
	var b strings.Builder
	for i := 0; i < len(ref); i++ {
		switch c := ref[i]; {
		case c == '\t' || c == '\n' || c == '\r':
		case c == '%' && !percentEscape(ref[i:]):
			b.WriteString("%25")
		case c <= ' ' || c == '"' || c == '<' || c == '>' || c == '`' || c == 0x7f:
			b.WriteString("%" + strings.ToUpper(strconv.FormatUint(uint64(c)|0x100, 16)[1:]))
		default:
			b.WriteByte(c)
		}
	}
	u, err := url.Parse(b.String())
	if err != nil {
		return nil, false
	}
	if base != nil {
		u = base.ResolveReference(u)
	}
	if u.Scheme != "http" && u.Scheme != "https" || u.Host == "" {
		return nil, false
	}
	if u.Path == "" {
		u.Path = "/"
	}
	return u, true
}

func percentEscape(s string) bool {
	if len(s) < 3 {
		return false
	}
	_, a := hexDigit(s[1])
	_, b := hexDigit(s[2])
	return a && b
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
