package demo

import (
	"net/http"
	"net/url"
)

// fact is a line of a page: a name of a protocol, and what it holds.
type fact struct{ Name, Value string }

// wiki is a site without a sign-in. It trusts what the proxy in front of it says; nobody reaches it but through the proxy.
func (a *app) wiki() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /{$}", a.wikiPage)
	mux.HandleFunc("GET /page", a.wikiPage)
	a.assets(mux)
	mux.HandleFunc("/", a.notFound)
	return mux
}

// wikiPage shows what the proxy told. Values are percent-encoded there, since headers know no Chinese.
func (a *app) wikiPage(w http.ResponseWriter, r *http.Request) {
	words := wordsFor(r)
	p := page{Heading: words.Wiki, Inner: r.URL.Path != "/"}
	for _, name := range []string{"X-Weigate-User", "X-Weigate-Name", "X-Weigate-Openid", "X-Weigate-Unionid", "X-Weigate-Groups", "X-Weigate-Assertion"} {
		value := r.Header.Get(name)
		if text, err := url.PathUnescape(value); err == nil {
			value = text
		}
		if name == "X-Weigate-Assertion" && len(value) > 12 {
			value = value[:12] + "…" // it is for programs, and long
		}
		p.Facts = append(p.Facts, fact{name, value})
	}
	a.show(w, r, http.StatusOK, "wiki", p)
}
