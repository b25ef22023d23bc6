package wechattest

import "net/url"

// What follows opens the inside of the package to its tests.

// Rewrite is what the frame shows of an HTML page at address.
func Rewrite(address, src string) string {
	u, _ := url.Parse(address)
	f := &frame{path: "/f/TOKEN"}
	return (&rewriter{page: u, follow: f.goAddress, load: f.loadAddress, submit: f.submitAddress}).rewrite(src)
}

// RewriteCSS is a style sheet with every address in brackets.
func RewriteCSS(src string) string {
	return rewriteCSS(src, func(s string) string { return "[" + s + "]" })
}

// Read is a page as the phone reads it.
func Read(address, contentType, src string) *Page {
	p := &Page{URL: address, Body: src, Header: map[string][]string{"Content-Type": {contentType}}}
	p.read()
	return p
}

// Tokens are the tags of a page with their attributes, and its texts.
func Tokens(src string) (out []string) {
	scanHTML(src, func(t htmlToken) bool {
		switch t.kind {
		case startToken:
			s := "<" + t.name
			for _, a := range t.attrs {
				s += " " + a.name + "=[" + a.value + "]"
			}
			out = append(out, s+">")
		case endToken:
			out = append(out, "</"+t.name+">")
		case rawToken:
			out = append(out, t.name+"{"+t.text+"}")
		default:
			out = append(out, t.text)
		}
		return true
	})
	return out
}

// ControlTexts are the words of the control page, English and Chinese.
func ControlTexts() (en, zh map[string]string) { return controlEnglish(), controlChinese() }

// SwitchFieldNames are the names of all switches, and the keys of their choices.
func SwitchFieldNames() (names, jsonNames []string) {
	for _, f := range switchFields() {
		names, jsonNames = append(names, f.field), append(jsonNames, f.json)
	}
	return names, jsonNames
}

// A Tag is a start tag.
type Tag struct {
	Name  string
	Attrs map[string]string
}

// Tags are the start tags of a page.
func Tags(src string) (out []Tag) {
	scanHTML(src, func(t htmlToken) bool {
		if t.kind == startToken {
			tag := Tag{Name: t.name, Attrs: map[string]string{}}
			for _, a := range t.attrs {
				tag.Attrs[a.name] = a.value
			}
			out = append(out, tag)
		}
		return true
	})
	return out
}
