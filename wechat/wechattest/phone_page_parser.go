package wechattest

import (
	"html"
	"net/http"
	"net/url"
	"strings"

	"github.com/weigate/weigate/internal/simulator/link"
)

// pageReader collects the links and forms of a page from its tokens.
type pageReader struct {
	page   *Page
	base   *url.URL
	based  bool // the page has a base element; later ones are ignored
	form   int  // index+1 of the open form, 0 for none
	text   strings.Builder
	sink   func(string) // receives the text collected since it was set
	option struct {     // the open select
		field *field
		form  int
	}
	byID map[string]int // form index+1 by id
}

// collect sends the text up to the next endText to sink.
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

func (r *pageReader) token(t htmlToken) {
	switch t.kind {
	case textToken:
		r.text.WriteString(html.UnescapeString(t.text))
	case contentToken:
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
}

func (r *pageReader) start(t *htmlToken) {
	switch t.name {
	case "base":
		if href, ok := t.attr("href"); ok && !r.based {
			if u, ok := link.Resolve(r.base, href); ok {
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
		f, i := r.newField(t, "textarea"), r.formOf(t)
		if f != nil {
			r.collect(func(string) {
				f.value = strings.TrimPrefix(r.text.String(), "\n")
				r.addField(i, *f)
			})
		}
	case "select":
		r.endSelect()
		r.option.field, r.option.form = r.newField(t, "select"), r.formOf(t)
	case "option":
		r.openOption(t)
	}
}

func (r *pageReader) meta(t *htmlToken) {
	switch {
	case strings.EqualFold(t.value("http-equiv"), "refresh") && r.page.RefreshURL == "":
		r.page.parseRefresh(t.value("content"), r.base)
	case strings.EqualFold(t.value("name"), "referrer"):
		r.page.referrerPolicy = lastReferrerPolicy(t.value("content"), r.page.referrerPolicy)
	}
}

func (r *pageReader) anchor(t *htmlToken) {
	href, ok := t.attr("href")
	u, valid := link.Resolve(r.base, href)
	if !ok || !valid {
		return
	}
	r.page.Links = append(r.page.Links, Element{ID: t.value("id"), Text: collapse(t.value("alt")), URL: u.String()})
	if i := len(r.page.Links) - 1; t.name == "a" {
		r.collect(func(s string) { r.page.Links[i].Text = s })
	}
}

func (r *pageReader) openForm(t *htmlToken) {
	if r.form != 0 {
		return // browsers ignore a form inside a form
	}
	f := form{id: t.value("id"), name: t.value("name"), method: formMethod(t.value("method"))}
	f.action = r.action(t.value("action"))
	r.page.forms = append(r.page.forms, f)
	r.form = len(r.page.forms)
	if r.byID == nil {
		r.byID = map[string]int{}
	}
	if f.id != "" && r.byID[f.id] == 0 {
		r.byID[f.id] = r.form
	}
}

// action returns the address of a form. An empty action is the page itself, whatever its base
// element says.
func (r *pageReader) action(s string) string {
	base := r.base
	if strings.TrimSpace(s) == "" {
		base = r.page.address
	}
	if u, ok := link.Resolve(base, s); ok {
		return u.String()
	}
	return ""
}

// formMethod returns the method of a form: POST, or GET for every other value.
func formMethod(s string) string {
	if strings.EqualFold(s, "post") {
		return http.MethodPost
	}
	return http.MethodGet
}

// formOf returns the index+1 of the form that a control belongs to. A control that stands before
// the form that it names is not supported: pages hardly do that.
func (r *pageReader) formOf(t *htmlToken) int {
	if id, ok := t.attr("form"); ok {
		return r.byID[id]
	}
	return r.form
}

// newField returns the field of a control; nil for one that is never sent.
func (r *pageReader) newField(t *htmlToken, kind string) *field {
	name := t.value("name")
	if _, off := t.attr("disabled"); off || name == "" || r.formOf(t) == 0 {
		return nil
	}
	return &field{name: name, kind: kind, value: t.value("value"), sent: true}
}

func (r *pageReader) addField(form int, f field) {
	if form > 0 {
		to := &r.page.forms[form-1]
		to.fields = append(to.fields, f)
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
	f := r.newField(t, kind)
	if f == nil {
		return
	}
	if kind == "checkbox" || kind == "radio" {
		_, f.sent = t.attr("checked")
		if _, ok := t.attr("value"); !ok {
			f.value = "on"
		}
	}
	i := r.formOf(t)
	if kind == "radio" {
		if r.mergeRadio(i, f) {
			return
		}
		f.options = []string{f.value}
	}
	r.addField(i, *f)
}

// mergeRadio adds a radio button to the field of its group, and reports whether there is one.
func (r *pageReader) mergeRadio(form int, f *field) bool {
	fields := r.page.forms[form-1].fields
	for i := range fields {
		if g := &fields[i]; g.kind == "radio" && g.name == f.name {
			g.options = append(g.options, f.value)
			if f.sent {
				g.value, g.sent = f.value, true
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
	i := len(r.page.forms[form-1].buttons) - 1
	r.collect(func(s string) { r.page.forms[form-1].buttons[i].Text = s })
}

// addButton adds a submit button and returns the index+1 of its form; 0 when it has no form or is
// disabled.
func (r *pageReader) addButton(t *htmlToken, text string) int {
	form := r.formOf(t)
	if _, off := t.attr("disabled"); off || form == 0 {
		return 0
	}
	f := &r.page.forms[form-1]
	b := button{
		Element: Element{ID: t.value("id"), Name: t.value("name"), Value: t.value("value"), Text: text, URL: f.action},
		method:  f.method,
	}
	if v, ok := t.attr("formaction"); ok {
		if action := r.action(v); action != "" {
			b.URL = action
		}
	}
	if v, ok := t.attr("formmethod"); ok {
		b.method = formMethod(v)
	}
	f.buttons = append(f.buttons, b)
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
		if selected || len(f.options) == 0 {
			f.value = v
		}
		f.options = append(f.options, v)
	}
	if has {
		take(value)
		return
	}
	r.collect(take)
}

func (r *pageReader) endSelect() {
	if f := r.option.field; f != nil && len(f.options) > 0 {
		r.addField(r.option.form, *f)
	}
	r.option.field = nil
}
