package wechattest

import (
	"html"
	"net/url"
	"slices"
	"strings"
)

// A rewriter makes a page fit for the frame in which the control page shows it: every address leads back through the
// phone, nothing in it can run, and nothing is loaded from anywhere else. The page is not patched but written anew
// from its tokens: only listed attributes, all values quoted and escaped. What the frame may do is limited a second
// time by its sandbox and by the content policy of its answer; this is so that pages work, and work without either.
type rewriter struct {
	page *url.URL
	base *url.URL
	// follow, load and submit make the address in the frame for a link, for a picture or style sheet, and for a form.
	follow func(u string) string
	load   func(u string) string
	submit func(u, method string) string

	out   strings.Builder
	based bool
}

// rewrite gives back the page as the frame shows it.
func (w *rewriter) rewrite(src string) string {
	w.base = w.page
	w.out.WriteString("<!doctype html>\n")
	scanHTML(src, func(t htmlToken) bool {
		w.token(&t)
		return true
	})
	return w.out.String()
}

func (w *rewriter) token(t *htmlToken) {
	switch t.kind {
	case textToken:
		w.out.WriteString(escapeText(t.text))
	case rawToken:
		w.raw(t)
	case startToken:
		w.start(t)
	case endToken:
		if name := renamed(t.name); name != "" && tagName(name) {
			w.out.WriteString("</" + name + ">")
		}
	}
}

// raw writes the inside of style, title and textarea; that of scripts and of what was dropped is lost.
func (w *rewriter) raw(t *htmlToken) {
	switch t.name {
	case "style":
		w.out.WriteString(rewriteCSS(t.text, w.loadRef))
	case "title", "textarea":
		w.out.WriteString(escapeText(t.text)) // references in it stay as they are
	case "xmp", "plaintext":
		w.out.WriteString(html.EscapeString(t.text))
	}
}

// escapeText makes sure that a text holds no tag whatever element a browser takes it to be in. Its references stay.
func escapeText(s string) string {
	return strings.NewReplacer("<", "&lt;", ">", "&gt;", "\x00", "\uFFFD").Replace(s)
}

// renamed is the name under which an element is shown, "" for one that is not.
func renamed(name string) string {
	switch name {
	case "script", "base", "meta", "object", "embed", "applet", "frame", "frameset", "iframe", "portal", "fencedframe",
		"noembed", "noframes", "noscript", "param", "source", "track", "link":
		// noscript: scripts are off in the frame, so its content is content.
		return ""
	case "xmp", "plaintext", "listing":
		return "pre"
	case "template":
		return "div" // its content would never show, and shadow roots are not for strangers
	}
	return name
}

func (w *rewriter) start(t *htmlToken) {
	switch t.name {
	case "base":
		if u, ok := resolve(w.page, t.value("href")); ok && !w.based {
			if _, has := t.attr("href"); has {
				w.base, w.based = u, true
			}
		}
		return
	case "meta":
		if strings.EqualFold(t.value("name"), "viewport") {
			w.tag("meta", []htmlAttr{{"name", "viewport"}, {"content", t.value("content")}})
		}
		return
	case "link":
		w.link(t)
		return
	case "iframe", "frame":
		if u := w.followRef(t.value("src")); u != "" {
			w.tag("a", []htmlAttr{{"href", u}})
			w.out.WriteString("[frame]</a>")
		}
		return
	}
	name := renamed(t.name)
	if name == "" || !tagName(name) {
		return
	}
	var attrs []htmlAttr
	for _, a := range t.attrs {
		if v, keep := w.attribute(t.name, a); keep {
			attrs = append(attrs, htmlAttr{a.name, v})
		}
	}
	if t.name == "form" {
		attrs = w.form(t, attrs)
	}
	if action, ok := t.attr("formaction"); ok && (t.name == "button" || t.name == "input") {
		attrs = append(attrs, htmlAttr{"formaction", w.submitRef(action, t.value("formmethod"))})
	}
	w.tag(name, attrs)
	if t.empty && shape(name) {
		w.out.WriteString("</" + name + ">")
	}
}

// shape reports whether an element is one of SVG that is mostly written with "/>", which ends it there. Left open, it would swallow those after it.
func shape(name string) bool {
	switch name {
	case "path", "circle", "ellipse", "line", "polygon", "polyline", "rect", "stop", "use":
		return true
	}
	return false
}

// link keeps style sheets and drops every other kind.
func (w *rewriter) link(t *htmlToken) {
	rels := strings.Fields(lowerASCII(t.value("rel")))
	if !slices.Contains(rels, "stylesheet") || slices.Contains(rels, "alternate") {
		return
	}
	if u := w.loadRef(t.value("href")); u != "" {
		w.tag("link", []htmlAttr{{"rel", "stylesheet"}, {"href", u}, {"media", t.value("media")}})
	}
}

// form sends every form by POST: with GET the browser would put the fields where the frame's own parameters are.
// The method that the page asked for rides in the address.
func (w *rewriter) form(t *htmlToken, attrs []htmlAttr) []htmlAttr {
	return append(attrs,
		htmlAttr{"method", "post"},
		htmlAttr{"enctype", "application/x-www-form-urlencoded"},
		htmlAttr{"action", w.submitRef(t.value("action"), t.value("method"))})
}

func (w *rewriter) submitRef(action, method string) string {
	base := w.base
	if strings.TrimSpace(action) == "" {
		base = w.page
	}
	u, ok := resolve(base, action)
	if !ok {
		return w.submit("", formMethod(method))
	}
	return w.submit(u.String(), formMethod(method))
}

func (w *rewriter) tag(name string, attrs []htmlAttr) {
	w.out.WriteString("<" + name)
	for _, a := range attrs {
		w.out.WriteString(" " + a.name + `="` + html.EscapeString(strings.ReplaceAll(a.value, "\x00", "\uFFFD")) + `"`)
	}
	w.out.WriteString(">")
}

// attribute is the value that an attribute has in the frame, and whether it is kept at all.
func (w *rewriter) attribute(element string, a htmlAttr) (value string, keep bool) {
	switch a.name {
	case "href":
		switch element {
		case "a", "area":
			if strings.HasPrefix(strings.TrimSpace(a.value), "#") {
				return strings.TrimSpace(a.value), true
			}
			u := w.followRef(a.value)
			return u, u != ""
		case "image": // of SVG
			u := w.loadRef(a.value)
			return u, u != ""
		case "use", "lineargradient", "radialgradient", "pattern", "textpath":
			return a.value, strings.HasPrefix(a.value, "#")
		}
		return "", false
	case "src":
		if element != "img" && element != "input" {
			return "", false
		}
		u := w.loadRef(a.value)
		return u, u != ""
	case "srcset":
		if element != "img" {
			return "", false
		}
		return w.srcset(a.value), true
	case "background":
		u := w.loadRef(a.value)
		return u, u != ""
	case "style":
		return rewriteCSS(a.value, w.loadRef), true
	}
	return a.value, plainAttribute(a.name)
}

// followRef is the frame's address for a link, "" for one that leads nowhere that a phone goes.
func (w *rewriter) followRef(ref string) string {
	u, ok := resolve(w.base, ref)
	if !ok {
		return ""
	}
	return w.follow(u.String())
}

// loadRef is the frame's address for something that a page shows; pictures inside the page stay inside it.
func (w *rewriter) loadRef(ref string) string {
	if trimmed := strings.TrimSpace(ref); hasFold(trimmed, "data:image/") || hasFold(trimmed, "data:font/") {
		return trimmed
	} else if strings.HasPrefix(trimmed, "#") {
		return trimmed // a piece of the page's own SVG
	}
	u, ok := resolve(w.base, ref)
	if !ok {
		return ""
	}
	u.Fragment, u.RawFragment = "", ""
	return w.load(u.String())
}

// srcset rewrites each candidate of a srcset attribute: addresses end at white space, and a comma at their end
// belongs to the list.
func (w *rewriter) srcset(s string) string {
	var out []string
	for {
		s = strings.TrimLeft(s, " \t\n\f\r,")
		if s == "" {
			return strings.Join(out, ", ")
		}
		end := strings.IndexAny(s, " \t\n\f\r")
		if end < 0 {
			end = len(s)
		}
		ref, rest := s[:end], s[end:]
		size := ""
		if trimmed := strings.TrimRight(ref, ","); trimmed != ref {
			ref = trimmed
		} else {
			size, rest, _ = strings.Cut(rest, ",")
		}
		s = rest
		if u := w.loadRef(ref); u != "" && !strings.ContainsAny(size, "()\"'<>") {
			out = append(out, strings.TrimSpace(strings.ReplaceAll(u, ",", "%2C")+" "+strings.TrimSpace(size)))
		}
	}
}

// plainAttribute reports whether an attribute can be kept as it is. The list is of what shapes a page; what runs,
// loads or leads anywhere is not on it, nor is anything unknown.
func plainAttribute(name string) bool {
	switch name {
	case "abbr", "accept", "accept-charset", "align", "alt", "autocapitalize", "autocomplete", "bgcolor", "border",
		"cellpadding", "cellspacing", "checked", "class", "color", "cols", "colspan", "content", "controls", "datetime",
		"dir", "disabled", "enterkeyhint", "face", "for", "form", "headers", "height", "hidden", "high", "hspace", "id",
		"inert", "inputmode", "itemprop", "kind", "label", "lang", "list", "low", "max", "maxlength", "min", "minlength",
		"multiple", "name", "novalidate", "formnovalidate", "open", "optimum", "pattern", "placeholder", "readonly",
		"required", "reversed", "role", "rows", "rowspan", "scope", "selected", "shape", "size", "sizes", "span",
		"spellcheck", "start", "step", "tabindex", "text", "title", "translate", "type", "valign", "value", "vspace",
		"width", "wrap",
		// of SVG
		"cx", "cy", "d", "dx", "dy", "fill-opacity", "fill-rule", "clip-rule", "font-family", "font-size", "font-weight",
		"gradienttransform", "gradientunits", "offset", "opacity", "pathlength", "points", "preserveaspectratio", "r",
		"rx", "ry", "shape-rendering", "stop-color", "stop-opacity", "stroke-dasharray", "stroke-dashoffset",
		"stroke-linecap", "stroke-linejoin", "stroke-opacity", "stroke-width", "text-anchor", "transform",
		"vector-effect", "version", "viewbox", "x", "x1", "x2", "xmlns", "y", "y1", "y2":
		return true
	case "fill", "stroke", "mask", "filter", "clip-path": // may hold url(#id), which stays in the page
		return true
	}
	return (strings.HasPrefix(name, "data-") || strings.HasPrefix(name, "aria-")) && attributeName(name)
}

// attributeName and tagName keep out the names that would mean something else when they are written again.
func attributeName(s string) bool {
	for i := 0; i < len(s); i++ {
		if c := s[i]; !isLetter(c) && (c < '0' || c > '9') && c != '-' && c != '_' && c != '.' {
			return false
		}
	}
	return s != ""
}

func tagName(s string) bool { return s != "" && isLetter(s[0]) && attributeName(s) }
