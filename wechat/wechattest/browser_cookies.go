package wechattest

import (
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"strings"
	"sync"
)

// A cookieStore is what a phone's browser remembers. [cookiejar.Jar] knows domains, paths and expiry, and (since Go
// 1.25) sends Secure cookies to loopback over plain http as browsers do; it does not know the name prefixes, takes
// Secure cookies from anywhere, and forgets SameSite. Those are added here: one jar for each value of SameSite.
// As in every browser, ports make no difference: two servers on one host share their cookies.
type cookieStore struct {
	mu                sync.Mutex // a cookie is in one jar only, whoever looks
	strict, lax, none *cookiejar.Jar
}

func newCookieStore() *cookieStore {
	c := &cookieStore{}
	c.clear()
	return c
}

// clear forgets everything.
func (c *cookieStore) clear() {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, jar := range []**cookiejar.Jar{&c.strict, &c.lax, &c.none} {
		*jar, _ = cookiejar.New(&cookiejar.Options{PublicSuffixList: lastLabel{}}) // it has no way to fail
	}
}

// lastLabel takes the last label of a name for its public suffix. It is what the default rule of the public suffix
// list says, and what makes app.localhost and login.localhost strangers to one another, as they are in Chromium.
type lastLabel struct{}

func (lastLabel) PublicSuffix(domain string) string {
	return domain[strings.LastIndexByte(domain, '.')+1:]
}

func (lastLabel) String() string { return "the last label" }

// set keeps what a browser would keep of the cookies that came with an answer from u.
func (c *cookieStore) set(u *url.URL, cookies []*http.Cookie) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, k := range cookies {
		if !acceptable(u, k) {
			continue
		}
		home := c.lax
		switch k.SameSite {
		case http.SameSiteStrictMode:
			home = c.strict
		case http.SameSiteNoneMode:
			home = c.none
		}
		gone := *k
		gone.MaxAge, gone.Value = -1, ""
		for _, jar := range []*cookiejar.Jar{c.strict, c.lax, c.none} {
			if jar != home {
				jar.SetCookies(u, []*http.Cookie{&gone})
			}
		}
		home.SetCookies(u, []*http.Cookie{k})
	}
}

// acceptable is RFC 6265bis, 5.7: a Secure cookie comes from a secure origin, the prefixes keep their promises, and
// SameSite=None needs Secure. Browsers drop what breaks one of these without a word.
func acceptable(u *url.URL, k *http.Cookie) bool {
	if k.Secure && !trustworthy(u) {
		return false
	}
	if k.SameSite == http.SameSiteNoneMode && !k.Secure {
		return false
	}
	if hasFold(k.Name, "__Secure-") && !k.Secure {
		return false
	}
	if hasFold(k.Name, "__Host-") && (!k.Secure || k.Domain != "" || k.Path != "/") {
		return false
	}
	return true
}

// A siteRelation says how the page that a request comes from and the request's address belong together.
type siteRelation int

const (
	sameSite      siteRelation = iota // or nobody but the person asked for it: typed, scanned, reloaded
	crossNavigate                     // a link or a redirect from elsewhere, by GET, shown in the address bar
	crossOther                        // a POST, a picture, a style sheet of elsewhere
)

// get is the value of the Cookie header for a request to u, or "".
func (c *cookieStore) get(u *url.URL, rel siteRelation) string {
	c.mu.Lock()
	defer c.mu.Unlock()
	jars := []*cookiejar.Jar{c.none}
	if rel != crossOther {
		jars = append(jars, c.lax)
	}
	if rel == sameSite {
		jars = append(jars, c.strict)
	}
	r := http.Request{Header: http.Header{}}
	for _, jar := range jars {
		for _, k := range jar.Cookies(u) {
			r.AddCookie(k)
		}
	}
	return r.Header.Get("Cookie")
}

// all are the cookies that a page at u would find, whatever their SameSite.
func (c *cookieStore) all(u *url.URL) []*http.Cookie {
	c.mu.Lock()
	defer c.mu.Unlock()
	var out []*http.Cookie
	for _, jar := range []*cookiejar.Jar{c.strict, c.lax, c.none} {
		out = append(out, jar.Cookies(u)...)
	}
	return out
}
