package phoneview

import "net/url"

// Rewrite returns an HTML page as the frame shows it.
func Rewrite(address, src string) string {
	u, _ := url.Parse(address)
	w := &rewriter{page: u, base: u, links: &View{path: "/f/TOKEN"}}
	return w.rewrite(src)
}

// RewriteCSS returns a style sheet with every address in brackets.
func RewriteCSS(src string) string {
	return rewriteCSS(src, func(s string) string { return "[" + s + "]" })
}
