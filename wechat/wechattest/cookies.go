package wechattest

import (
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"strings"
	"sync"
)

// cookieStore holds the cookies of a browser. [cookiejar.Jar] implements domains, paths and expiry,
// and (since Go 1.25) sends Secure cookies to loopback over plain http as browsers do. It lacks the
// name prefixes and SameSite, and accepts Secure cookies from every origin; cookieStore adds these,
// with one jar for each value of SameSite. As in browsers, the port does not matter: two servers on
// one host share their cookies.
type cookieStore struct {
	mu                sync.Mutex // so that a cookie is in exactly one jar
	strict, lax, none *cookiejar.Jar
}

func newCookieStore() *cookieStore {
	c := &cookieStore{}
	c.clear()
	return c
}

// clear deletes all cookies.
func (c *cookieStore) clear() {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, jar := range []**cookiejar.Jar{&c.strict, &c.lax, &c.none} {
		*jar, _ = cookiejar.New(&cookiejar.Options{PublicSuffixList: lastLabel{}}) // never fails
	}
}

// lastLabel treats the last label of a name as its public suffix, which is the default rule of the
// public suffix list. So app.localhost and login.localhost share no cookies, as in Chromium.
type lastLabel struct{}

func (lastLabel) PublicSuffix(domain string) string {
	return domain[strings.LastIndexByte(domain, '.')+1:]
}

func (lastLabel) String() string { return "the last label" }

// set stores those cookies of a response from u that a browser would store.
func (c *cookieStore) set(u *url.URL, cookies []*http.Cookie) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, k := range cookies {
		if !acceptable(u, k) {
			continue
		}
		jar := c.lax
		switch k.SameSite {
		case http.SameSiteStrictMode:
			jar = c.strict
		case http.SameSiteNoneMode:
			jar = c.none
		}
		deleted := *k
		deleted.MaxAge, deleted.Value = -1, ""
		for _, other := range []*cookiejar.Jar{c.strict, c.lax, c.none} {
			if other != jar {
				other.SetCookies(u, []*http.Cookie{&deleted})
			}
		}
		jar.SetCookies(u, []*http.Cookie{k})
	}
}

// acceptable applies the storage rules of RFC 6265bis, section 5.7: a Secure cookie needs a secure
// origin, the name prefixes need their attributes, and SameSite=None needs Secure. Browsers ignore
// other cookies silently.
func acceptable(u *url.URL, k *http.Cookie) bool {
	if k.Secure && !potentiallyTrustworthy(u) {
		return false
	}
	if k.SameSite == http.SameSiteNoneMode && !k.Secure {
		return false
	}
	if hasPrefixFold(k.Name, "__Secure-") && !k.Secure {
		return false
	}
	if hasPrefixFold(k.Name, "__Host-") && (!k.Secure || k.Domain != "" || k.Path != "/") {
		return false
	}
	return true
}

// siteRelation is the relation between the initiator of a request and its address.
type siteRelation int

const (
	sameSite      siteRelation = iota // the same site, or initiated by the person: typed, scanned, reloaded
	crossNavigate                     // a GET navigation from another site
	crossOther                        // a POST or a subresource from another site
)

// get returns the Cookie header for a request to u, "" for none.
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

// all returns the cookies for u, whatever their SameSite.
func (c *cookieStore) all(u *url.URL) []*http.Cookie {
	c.mu.Lock()
	defer c.mu.Unlock()
	var out []*http.Cookie
	for _, jar := range []*cookiejar.Jar{c.strict, c.lax, c.none} {
		out = append(out, jar.Cookies(u)...)
	}
	return out
}

func hasPrefixFold(s, prefix string) bool {
	return len(s) >= len(prefix) && strings.EqualFold(s[:len(prefix)], prefix)
}
