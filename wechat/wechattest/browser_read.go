package wechattest

import (
	"html"
	"net/http"
	"net/url"
	"strings"
)

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
