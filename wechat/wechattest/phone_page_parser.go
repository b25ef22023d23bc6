package wechattest

import (
	"html"
	"net/http"
	"net/url"
	"strings"

	"github.com/weigate/weigate/internal/simulator/link"
)

// pageParser finds the links, forms, buttons and fields of a [Page] in its HTML tokens. It builds
// no tree of elements. It stores only the open form and the open select (their start tag was read,
// their end tag was not).
type pageParser struct {
	page     *Page
	base     *url.URL // for relative addresses
	hasBase  bool     // the page has a base element; later ones are ignored
	form     *form    // the open form, nil for none
	formByID map[string]*form

	text   strings.Builder // text since startText
	onText func(string)    // receives text at the end of a link, button, option or textarea; nil for none

	selectField *field // of the open select, nil for none
	selectForm  *form  // its form
}

// startText begins to collect the text of an element such as a link. If the text of an earlier
// element is still open, startText first ends that text. endText calls onText with the text.
func (p *pageParser) startText(onText func(string)) {
	p.endText()
	p.text.Reset()
	p.onText = onText
}

// endText calls onText with the text since startText. Without a startText it does nothing.
func (p *pageParser) endText() {
	if p.onText != nil {
		p.onText(p.text.String())
	}
	p.onText = nil
}

// token processes the next token of the page.
func (p *pageParser) token(t *htmlToken) {
	switch t.kind {
	case textToken:
		p.text.WriteString(html.UnescapeString(t.text))
	case contentToken: // the whole text of a title or textarea, in which tags are text
		switch t.name {
		case "title":
			if p.page.Title == "" {
				p.page.Title = collapse(html.UnescapeString(t.text))
			}
		case "textarea":
			p.text.WriteString(html.UnescapeString(t.text))
		}
	case startToken:
		p.startTag(t)
	case endToken:
		switch t.name {
		case "a", "button", "option", "textarea":
			p.endText()
		case "select":
			p.endText()
			p.endSelect()
		case "form":
			p.endText()
			p.form = nil
		}
	}
}

func (p *pageParser) startTag(t *htmlToken) {
	switch t.name {
	case "base":
		if href, ok := t.attr("href"); ok && !p.hasBase {
			if u, ok := link.Resolve(p.base, href); ok {
				p.base, p.hasBase = u, true
			}
		}
	case "meta":
		p.meta(t)
	case "a", "area":
		p.link(t)
	case "img":
		p.text.WriteString(t.value("alt"))
	case "form":
		p.startForm(t)
	case "input":
		p.input(t)
	case "button":
		p.button(t)
	case "textarea":
		p.textarea(t)
	case "select":
		p.endSelect()
		p.selectField, p.selectForm = p.newField(t, "select"), p.formOf(t)
	case "option":
		p.option(t)
	}
}

func (p *pageParser) meta(t *htmlToken) {
	switch {
	case strings.EqualFold(t.value("http-equiv"), "refresh") && p.page.RefreshURL == "":
		p.page.parseRefresh(t.value("content"), p.base)
	case strings.EqualFold(t.value("name"), "referrer"):
		p.page.referrerPolicy = lastReferrerPolicy(t.value("content"), p.page.referrerPolicy)
	}
}

func (p *pageParser) link(t *htmlToken) {
	href, ok := t.attr("href")
	u, valid := link.Resolve(p.base, href)
	if !ok || !valid {
		return
	}
	p.page.Links = append(p.page.Links, Element{ID: t.value("id"), Text: collapse(t.value("alt")), URL: u.String()})
	if t.name == "a" {
		i := len(p.page.Links) - 1
		p.startText(func(s string) { p.page.Links[i].Text = collapse(s) })
	}
}

func (p *pageParser) startForm(t *htmlToken) {
	if p.form != nil {
		return // browsers ignore a form inside a form
	}
	f := &form{
		id: t.value("id"), name: t.value("name"), method: formMethod(t.value("method")), action: p.action(t.value("action")),
	}
	p.page.forms = append(p.page.forms, f)
	p.form = f
	if f.id != "" && p.formByID[f.id] == nil {
		p.formByID[f.id] = f
	}
}

// action returns the address of a form. An empty action means the page itself, even if the page has
// a base element.
func (p *pageParser) action(s string) string {
	base := p.base
	if strings.TrimSpace(s) == "" {
		base = p.page.address
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

// formOf returns the form of a control, or nil. A control with the attribute "form" belongs to the
// form with this id. Other controls belong to the form around them. An id of a form later in the
// page is not supported, because it is rare.
func (p *pageParser) formOf(t *htmlToken) *form {
	if id, ok := t.attr("form"); ok {
		return p.formByID[id]
	}
	return p.form
}

// newField returns the field of a control. It returns nil for a control that browsers do not send:
// it is disabled, has no name, or has no form.
func (p *pageParser) newField(t *htmlToken, kind string) *field {
	name := t.value("name")
	if _, disabled := t.attr("disabled"); disabled || name == "" || p.formOf(t) == nil {
		return nil
	}
	return &field{name: name, kind: kind, value: t.value("value"), sent: true}
}

func (p *pageParser) input(t *htmlToken) {
	kind := lowerASCII(t.value("type"))
	switch kind {
	case "submit", "image":
		p.addButton(t, t.value("value"))
		return
	case "button", "reset", "file":
		return
	}
	f, owner := p.newField(t, kind), p.formOf(t)
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
		if owner.addRadio(f) {
			return
		}
		f.options = []string{f.value}
	}
	owner.fields = append(owner.fields, *f)
}

// addRadio adds a radio button to the field of its group. A group is the radio buttons of one name.
// addRadio returns false if the form has no field for the group yet.
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

func (p *pageParser) textarea(t *htmlToken) {
	f, owner := p.newField(t, "textarea"), p.formOf(t)
	if f == nil {
		return
	}
	p.startText(func(s string) {
		f.value = strings.TrimPrefix(s, "\n") // browsers ignore a line break after the tag
		owner.fields = append(owner.fields, *f)
	})
}

func (p *pageParser) button(t *htmlToken) {
	p.endText()
	if kind := lowerASCII(t.value("type")); kind == "button" || kind == "reset" {
		return
	}
	if b := p.addButton(t, ""); b != nil {
		p.startText(func(s string) { b.Text = collapse(s) })
	}
}

// addButton adds a submit button to its form. It returns nil for a button that is disabled or has
// no form.
func (p *pageParser) addButton(t *htmlToken, text string) *button {
	f := p.formOf(t)
	if _, disabled := t.attr("disabled"); disabled || f == nil {
		return nil
	}
	b := &button{
		Element: Element{ID: t.value("id"), Name: t.value("name"), Value: t.value("value"), Text: text, URL: f.action},
		method:  f.method,
	}
	if v, ok := t.attr("formaction"); ok {
		if action := p.action(v); action != "" {
			b.URL = action
		}
	}
	if v, ok := t.attr("formmethod"); ok {
		b.method = formMethod(v)
	}
	f.buttons = append(f.buttons, b)
	return b
}

// option adds an option to the open select. The value of an option is its attribute "value", or its
// text. The first option is selected, unless a later option has the attribute "selected".
func (p *pageParser) option(t *htmlToken) {
	p.endText()
	f := p.selectField
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
	p.startText(func(s string) { add(collapse(s)) })
}

// endSelect adds the open select to its form. A select without options is not sent.
func (p *pageParser) endSelect() {
	if f := p.selectField; f != nil && len(f.options) > 0 {
		p.selectForm.fields = append(p.selectForm.fields, *f)
	}
	p.selectField = nil
}
