package phoneview

import (
	"net/http"
	"net/url"
	"slices"
	"strings"

	"golang.org/x/net/html"

	"github.com/weigate/weigate/internal/simulator/link"
)

// frameLinks returns the paths that replace addresses in the app's page. followPath is for a link,
// loadPath for an image or another file, submitPath for a form. [View] implements frameLinks.
type frameLinks interface {
	followPath(address string) string
	loadPath(address string) string
	submitPath(address, method string) string
}

// rewriter makes the page of an untrusted app safe to show in the frame. No script remains, and the
// phone sends the requests of all links, forms and images. The rewriter does not search and
// replace. It reads the tokens of x/net/html and writes a new page: only allowed attributes, all
// values quoted and escaped.
//
// The frame's sandbox and its Content-Security-Policy are two more defences. Each defence would be
// enough alone.
type rewriter struct {
	page  *url.URL // address of the page
	base  *url.URL // for relative addresses: the page, or the address in its base element
	links frameLinks

	out     strings.Builder
	hasBase bool   // the page has a base element; later ones are ignored
	raw     string // name of the open element if hasRawText, such as "style"; else ""
}

// rewrite returns the page as the frame shows it.
func (w *rewriter) rewrite(src string) string {
	w.out.WriteString("<!doctype html>\n")
	z := html.NewTokenizer(strings.NewReader(src))
	for {
		switch z.Next() {
		case html.ErrorToken:
			return w.out.String() // io.EOF: reading from a string cannot fail otherwise
		case html.TextToken:
			w.text(z.Token().Data)
		case html.StartTagToken, html.SelfClosingTagToken:
			t := z.Token()
			if t.Data == "noscript" {
				z.NextIsNotRawText() // scripts are disabled in the frame, so noscript contains markup
			}
			w.raw = ""
			if hasRawText(t.Data) {
				w.raw = t.Data
			}
			w.start(&t)
			if t.Type == html.SelfClosingTagToken && isSVGShape(t.Data) { // "/>" is not written
				w.out.WriteString("</" + t.Data + ">")
			}
		case html.EndTagToken:
			w.raw = ""
			if name := outputName(z.Token().Data); validTagName(name) {
				w.out.WriteString("</" + name + ">")
			}
		}
	}
}

// hasRawText reports whether tags inside an element are text. The tokenizer returns the content of
// this element as one text token.
func hasRawText(name string) bool {
	switch name {
	case "iframe", "noembed", "noframes", "plaintext", "script", "style", "textarea", "title", "xmp":
		return true
	}
	return false
}

// text writes a text. The text is escaped in every element: a browser that parses the page
// differently must not find a tag in the text. The content of scripts and frames is dropped.
func (w *rewriter) text(s string) {
	switch w.raw {
	case "script", "iframe", "noembed", "noframes":
	case "style":
		w.out.WriteString(rewriteCSS(s, w.loadRef))
	default:
		w.out.WriteString(escape(s))
	}
}

// escape escapes markup characters. It also replaces NUL, because browsers drop NUL in some
// contexts and replace it in others.
func escape(s string) string { return html.EscapeString(strings.ReplaceAll(s, "\x00", "\uFFFD")) }

// outputName returns the new name of an element in the rewritten page. "" means that its tags are
// removed. The method start writes a replacement for some removed tags, such as iframe.
func outputName(name string) string {
	switch name {
	case "script", "base", "meta", "object", "embed", "applet", "frame", "frameset", "iframe", "portal", "fencedframe",
		"noembed", "noframes", "noscript", "param", "source", "track", "link":
		return ""
	case "xmp", "plaintext", "listing":
		return "pre"
	case "template":
		return "div" // the content would be hidden, or become a shadow root
	}
	return name
}

// start writes a start tag, or the tag that replaces it. A frame becomes a link to its page.
func (w *rewriter) start(t *html.Token) {
	switch t.Data {
	case "base":
		if href, ok := attribute(t, "href"); ok && !w.hasBase {
			if u, ok := link.Resolve(w.page, href); ok {
				w.base, w.hasBase = u, true
			}
		}
		return
	case "meta":
		if strings.EqualFold(value(t, "name"), "viewport") {
			w.tag("meta", []html.Attribute{{Key: "name", Val: "viewport"}, {Key: "content", Val: value(t, "content")}})
		}
		return
	case "link":
		w.styleSheet(t)
		return
	case "iframe", "frame":
		if u := w.followRef(value(t, "src")); u != "" {
			w.tag("a", []html.Attribute{{Key: "href", Val: u}})
			w.out.WriteString("[frame]</a>")
		}
		return
	}
	name := outputName(t.Data)
	if !validTagName(name) {
		return
	}
	var attrs []html.Attribute
	seen := map[string]bool{}
	for _, a := range t.Attr {
		if seen[a.Key] {
			continue // browsers ignore a repeated attribute
		}
		seen[a.Key] = true
		if v, keep := w.rewriteAttribute(t.Data, a); keep {
			attrs = append(attrs, html.Attribute{Key: a.Key, Val: v})
		}
	}
	if t.Data == "form" {
		attrs = w.form(t, attrs)
	}
	if action, ok := attribute(t, "formaction"); ok && (t.Data == "button" || t.Data == "input") {
		attrs = append(attrs, html.Attribute{Key: "formaction", Val: w.submitRef(action, value(t, "formmethod"))})
	}
	w.tag(name, attrs)
}

// attribute returns the value of an attribute, and whether the tag has it.
func attribute(t *html.Token, name string) (string, bool) {
	for _, a := range t.Attr {
		if a.Key == name {
			return a.Val, true
		}
	}
	return "", false
}

// value returns the value of an attribute, "" if the tag does not have it.
func value(t *html.Token, name string) string {
	v, _ := attribute(t, name)
	return v
}

// isSVGShape reports whether an element is an SVG shape. Pages close a shape with "/>". The
// rewritten page has an end tag instead of "/>". Without the end tag, the shape would contain all
// later elements.
func isSVGShape(name string) bool {
	switch name {
	case "path", "circle", "ellipse", "line", "polygon", "polyline", "rect", "stop", "use":
		return true
	}
	return false
}

// styleSheet writes a link element for a style sheet, and drops link elements of other kinds.
func (w *rewriter) styleSheet(t *html.Token) {
	rels := strings.Fields(strings.ToLower(value(t, "rel")))
	if !slices.Contains(rels, "stylesheet") || slices.Contains(rels, "alternate") {
		return
	}
	if u := w.loadRef(value(t, "href")); u != "" {
		w.tag("link", []html.Attribute{{Key: "rel", Val: "stylesheet"}, {Key: "href", Val: u},
			{Key: "media", Val: value(t, "media")}})
	}
}

// form appends the attributes that send a form to the frame's submit path. The query of this path
// contains the original action and method. The method is always POST: with GET, the browser would
// replace the query.
func (w *rewriter) form(t *html.Token, attrs []html.Attribute) []html.Attribute {
	return append(attrs,
		html.Attribute{Key: "method", Val: "post"},
		html.Attribute{Key: "enctype", Val: "application/x-www-form-urlencoded"},
		html.Attribute{Key: "action", Val: w.submitRef(value(t, "action"), value(t, "method"))})
}

// submitRef returns the frame's path for a form. If the action is not http or https, the path
// contains the address "". The phone then shows an error.
func (w *rewriter) submitRef(action, method string) string {
	base := w.base
	if strings.TrimSpace(action) == "" {
		base = w.page // an empty action means the page itself, even with a base element
	}
	u, ok := link.Resolve(base, action)
	if !ok {
		return w.links.submitPath("", formMethod(method))
	}
	return w.links.submitPath(u.String(), formMethod(method))
}

// formMethod returns the method of a form: POST, or GET for every other value.
func formMethod(s string) string {
	if strings.EqualFold(s, http.MethodPost) {
		return http.MethodPost
	}
	return http.MethodGet
}

// tag writes a start tag.
func (w *rewriter) tag(name string, attrs []html.Attribute) {
	w.out.WriteString("<" + name)
	for _, a := range attrs {
		w.out.WriteString(" " + a.Key + `="` + escape(a.Val) + `"`)
	}
	w.out.WriteString(">")
}

// rewriteAttribute returns the new value of an attribute, and whether the attribute is kept.
func (w *rewriter) rewriteAttribute(element string, a html.Attribute) (value string, keep bool) {
	switch a.Key {
	case "href":
		return w.rewriteHref(element, a.Val)
	case "src":
		if element != "img" && element != "input" {
			return "", false
		}
		u := w.loadRef(a.Val)
		return u, u != ""
	case "srcset":
		if element != "img" {
			return "", false
		}
		return w.srcset(a.Val), true
	case "background":
		u := w.loadRef(a.Val)
		return u, u != ""
	case "style":
		return rewriteCSS(a.Val, w.loadRef), true
	}
	return a.Val, allowedAttribute(a.Key)
}

func (w *rewriter) rewriteHref(element, ref string) (value string, keep bool) {
	switch element {
	case "a", "area":
		if fragment := strings.TrimSpace(ref); strings.HasPrefix(fragment, "#") {
			return fragment, true
		}
		u := w.followRef(ref)
		return u, u != ""
	case "image": // SVG
		u := w.loadRef(ref)
		return u, u != ""
	case "use", "lineargradient", "radialgradient", "pattern", "textpath":
		return ref, strings.HasPrefix(ref, "#")
	}
	return "", false
}

// followRef returns the frame's path for a link, "" for a link that is not http or https.
func (w *rewriter) followRef(ref string) string {
	u, ok := link.Resolve(w.base, ref)
	if !ok {
		return ""
	}
	return w.links.followPath(u.String())
}

// loadRef returns the frame's path for an image, a style sheet or a font:
//
//   - Embedded images and fonts (data: addresses) and fragments are returned unchanged.
//   - An http or https address becomes a load path.
//   - All other addresses become "".
func (w *rewriter) loadRef(ref string) string {
	trimmed := strings.TrimSpace(ref)
	if hasPrefixFold(trimmed, "data:image/") || hasPrefixFold(trimmed, "data:font/") ||
		strings.HasPrefix(trimmed, "#") {
		return trimmed
	}
	u, ok := link.Resolve(w.base, ref)
	if !ok {
		return ""
	}
	u.Fragment, u.RawFragment = "", ""
	return w.links.loadPath(u.String())
}

// srcset rewrites a srcset attribute, a list such as "a.png 1x, b.png 2x". An address ends at white
// space. A comma inside an address is part of the address. A comma at the end of an address ends
// the item of the list. Commas in a rewritten address are escaped, because one could be at the end.
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

// allowedAttribute reports whether an attribute is kept unchanged. The list contains attributes for
// the look of a page and for its forms. It contains no attribute that runs code, loads a file or
// navigates. Unknown attributes are dropped.
func allowedAttribute(name string) bool {
	switch name {
	case "abbr", "accept", "accept-charset", "align", "alt", "autocapitalize", "autocomplete", "bgcolor",
		"border", "cellpadding", "cellspacing", "checked", "class", "color", "cols", "colspan", "content",
		"controls", "datetime", "dir", "disabled", "enterkeyhint", "face", "for", "form", "headers", "height",
		"hidden", "high", "hspace", "id", "inert", "inputmode", "itemprop", "kind", "label", "lang", "list",
		"low", "max", "maxlength", "min", "minlength", "multiple", "name", "novalidate", "formnovalidate",
		"open", "optimum", "pattern", "placeholder", "readonly", "required", "reversed", "role", "rows",
		"rowspan", "scope", "selected", "shape", "size", "sizes", "span", "spellcheck", "start", "step",
		"tabindex", "text", "title", "translate", "type", "valign", "value", "vspace", "width", "wrap",
		// SVG
		"cx", "cy", "d", "dx", "dy", "fill-opacity", "fill-rule", "clip-rule", "font-family", "font-size",
		"font-weight", "gradienttransform", "gradientunits", "offset", "opacity", "pathlength", "points",
		"preserveaspectratio", "r", "rx", "ry", "shape-rendering", "stop-color", "stop-opacity",
		"stroke-dasharray", "stroke-dashoffset", "stroke-linecap", "stroke-linejoin", "stroke-opacity",
		"stroke-width", "text-anchor", "transform", "vector-effect", "version", "viewbox", "x", "x1", "x2",
		"xmlns", "y", "y1", "y2":
		return true
	case "fill", "stroke", "mask", "filter", "clip-path": // may contain url(#id), a reference within the page
		return true
	}
	return (strings.HasPrefix(name, "data-") || strings.HasPrefix(name, "aria-")) && validName(name)
}

// validName reports whether the name of a tag or attribute has only letters, digits, "-", "_" and
// ".". The tokenizer accepts more characters, but a browser could parse them differently in the
// rewritten page.
func validName(s string) bool {
	for i := 0; i < len(s); i++ {
		if c := s[i]; !isLetter(c) && (c < '0' || c > '9') && c != '-' && c != '_' && c != '.' {
			return false
		}
	}
	return s != ""
}

func validTagName(s string) bool { return s != "" && isLetter(s[0]) && validName(s) }

func isLetter(c byte) bool { return 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' }

func hasPrefixFold(s, prefix string) bool {
	return len(s) >= len(prefix) && strings.EqualFold(s[:len(prefix)], prefix)
}
