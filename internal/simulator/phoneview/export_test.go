package phoneview

import "net/url"

// Rewrite returns the HTML page src, with this address, as the frame shows it.
func Rewrite(address, src string) string {
	u, _ := url.Parse(address)
	w := &rewriter{page: u, base: u, links: &View{path: "/f/TOKEN"}}
	return w.rewrite(src)
}

// RewriteCSS returns the style sheet src rewritten, with "[x]" as the replacement of an address x.
func RewriteCSS(src string) string {
	return rewriteCSS(src, func(s string) string { return "[" + s + "]" })
}
