package wechattest

import (
	"html"
	"net/http"
	"net/url"
	"strings"

	"github.com/weigate/weigate/internal/simulator/link"
)

// pageParser finds the links, forms, buttons and fields of a page in its tokens, for [Page]. It
// needs no tree of elements: it only remembers the form and the select that are open.
type pageParser struct {
	page     *Page
	base     *url.URL // for relative addresses
	hasBase  bool     // the page has a base element; later ones are ignored
	form     *form    // the open form, nil for none
	formByID map[string]*form

	text   strings.Builder
	onText func(string) // receives the text of the open link, button, option or textarea; nil for none

	selectField *field // of the open select, nil for none
	selectForm  *form
}

// startText begins the text of an element. At its end onText is called with the text.
func (r *pageParser) startText(onText func(string)) {
	r.endText()
	r.text.Reset()
	r.onText = onText
}

func (r *pageParser) endText() {
	if r.onText != nil {
		r.onText(r.text.String())
	}
	r.onText = nil
}

func (r *pageParser) token(t *htmlToken) {
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
		r.startTag(t)
	case endToken:
		switch t.name {
		case "a", "button", "option", "textarea":
			r.endText()
		case "select":
			r.endText()
			r.endSelect()
		case "form":
			r.endText()
			r.form = nil
		}
	}
}

func (r *pageParser) startTag(t *htmlToken) {
	switch t.name {
	case "base":
		if href, ok := t.attr("href"); ok && !r.hasBase {
			if u, ok := link.Resolve(r.base, href); ok {
				r.base, r.hasBase = u, true
			}
		}
	case "meta":
		r.meta(t)
	case "a", "area":
		r.link(t)
	case "img":
		r.text.WriteString(t.value("alt"))
	case "form":
		r.startForm(t)
	case "input":
		r.input(t)
	case "button":
		r.button(t)
	case "textarea":
		r.textarea(t)
	case "select":
		r.endSelect()
		r.selectField, r.selectForm = r.newField(t, "select"), r.formOf(t)
	case "option":
		r.option(t)
	}
}

func (r *pageParser) meta(t *htmlToken) {
	switch {
	case strings.EqualFold(t.value("http-equiv"), "refresh") && r.page.RefreshURL == "":
		r.page.parseRefresh(t.value("content"), r.base)
	case strings.EqualFold(t.value("name"), "referrer"):
		r.page.referrerPolicy = lastReferrerPolicy(t.value("content"), r.page.referrerPolicy)
	}
}

func (r *pageParser) link(t *htmlToken) {
	href, ok := t.attr("href")
	u, valid := link.Resolve(r.base, href)
	if !ok || !valid {
		return
	}
	r.page.Links = append(r.page.Links, Element{ID: t.value("id"), Text: collapse(t.value("alt")), URL: u.String()})
	if i := len(r.page.Links) - 1; t.name == "a" {
		r.startText(func(s string) { r.page.Links[i].Text = collapse(s) })
	}
}

func (r *pageParser) startForm(t *htmlToken) {
	if r.form != nil {
		return // browsers ignore a form inside a form
	}
	f := &form{
		id: t.value("id"), name: t.value("name"), method: formMethod(t.value("method")), action: r.action(t.value("action")),
	}
	r.page.forms = append(r.page.forms, f)
	r.form = f
	if f.id != "" && r.formByID[f.id] == nil {
		r.formByID[f.id] = f
	}
}

// action returns the address of a form. An empty action means the page itself, even if the page has
// a base element.
func (r *pageParser) action(s string) string {
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

// formOf returns the form of a control, nil for none: the form named by its attribute "form", else
// the form around it. An attribute that names a later form is not supported; it is rare.
func (r *pageParser) formOf(t *htmlToken) *form {
	if id, ok := t.attr("form"); ok {
		return r.formByID[id]
	}
	return r.form
}

// newField returns the field of a control; nil for a control that is never sent: one that is
// disabled, or has no name or no form.
func (r *pageParser) newField(t *htmlToken, kind string) *field {
	name := t.value("name")
	if _, disabled := t.attr("disabled"); disabled || name == "" || r.formOf(t) == nil {
		return nil
	}
	return &field{name: name, kind: kind, value: t.value("value"), sent: true}
}

func (r *pageParser) input(t *htmlToken) {
	kind := lowerASCII(t.value("type"))
	switch kind {
	case "submit", "image":
		r.addButton(t, t.value("value"))
		return
	case "button", "reset", "file":
		return
	}
	f, form := r.newField(t, kind), r.formOf(t)
	if f == nil {
		return
	}
	if kind == "checkbox" || kind == "radio" {
		_, f.sent = t.attr("checked")
		if _, ok := t.attr("value"); !ok {
			f.value = "on"
		}
	}
	if kind == "radio" {
		if form.addRadio(f) {
			return
		}
		f.options = []string{f.value}
	}
	form.fields = append(form.fields, *f)
}

// addRadio adds a radio button to the field of the radio buttons with the same name. It returns
// false if the form has no such field yet.
func (f *form) addRadio(radio *field) bool {
	for i := range f.fields {
		if g := &f.fields[i]; g.kind == "radio" && g.name == radio.name {
			g.options = append(g.options, radio.value)
			if radio.sent {
				g.value, g.sent = radio.value, true
			}
			return true
		}
	}
	return false
}

func (r *pageParser) textarea(t *htmlToken) {
	f, form := r.newField(t, "textarea"), r.formOf(t)
	if f == nil {
		return
	}
	r.startText(func(s string) {
		f.value = strings.TrimPrefix(s, "\n") // browsers ignore a line break after the tag
		form.fields = append(form.fields, *f)
	})
}

func (r *pageParser) button(t *htmlToken) {
	r.endText()
	if kind := lowerASCII(t.value("type")); kind == "button" || kind == "reset" {
		return
	}
	if b := r.addButton(t, ""); b != nil {
		r.startText(func(s string) { b.Text = collapse(s) })
	}
}

// addButton adds a submit button to its form. It returns nil for a button that is disabled or has no
// form.
func (r *pageParser) addButton(t *htmlToken, text string) *button {
	f := r.formOf(t)
	if _, disabled := t.attr("disabled"); disabled || f == nil {
		return nil
	}
	b := &button{
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
	return b
}

// option adds an option to the open select. Without an attribute "value" its value is its text.
func (r *pageParser) option(t *htmlToken) {
	r.endText()
	f := r.selectField
	if f == nil {
		return
	}
	_, selected := t.attr("selected")
	add := func(value string) {
		if selected || len(f.options) == 0 {
			f.value = value
		}
		f.options = append(f.options, value)
	}
	if value, ok := t.attr("value"); ok {
		add(value)
		return
	}
	r.startText(func(s string) { add(collapse(s)) })
}

func (r *pageParser) endSelect() {
	if f := r.selectField; f != nil && len(f.options) > 0 {
		r.selectForm.fields = append(r.selectForm.fields, *f)
	}
	r.selectField = nil
}
