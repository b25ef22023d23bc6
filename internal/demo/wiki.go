package demo

import (
	"net/http"
	"net/url"
)

// fact is one row of a page: a name that is the same in every language, and its value.
type fact struct{ Name, Value string }

// wiki returns a site without a sign-in. It trusts the headers of the proxy in front of it, and is
// reachable only through that proxy.
func (a *app) wiki() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /{$}", a.wikiPage)
	mux.HandleFunc("GET /page", a.wikiPage)
	a.mountAssets(mux)
	mux.HandleFunc("/", a.notFound)
	return mux
}

// wikiPage shows the identity headers. Their values are percent-encoded, because headers are ASCII.
func (a *app) wikiPage(w http.ResponseWriter, r *http.Request) {
	p := page{Heading: "wiki", Inner: r.URL.Path != "/"}
	for _, name := range []string{
		"X-Weigate-User", "X-Weigate-Name", "X-Weigate-Openid", "X-Weigate-Unionid",
		"X-Weigate-Groups", "X-Weigate-Assertion",
	} {
		value := r.Header.Get(name)
		if text, err := url.PathUnescape(value); err == nil {
			value = text
		}
		if name == "X-Weigate-Assertion" && len(value) > 12 {
			value = value[:12] + "…" // a JWT, too long to read
		}
		p.Facts = append(p.Facts, fact{name, value})
	}
	a.show(w, r, http.StatusOK, "wiki", p)
}
