// Package cookie creates and reads the cookies of a server, and determines their names. Browsers send
// these cookies to no other host.
//
// [For] returns the [Set] for the server's base URL. [Sent] reads cookies from a request. The
// package imports the standard library only, so that the public packages of this module may use it.
package cookie

import (
	"iter"
	"net/http"
	"net/url"
	"strings"
	"time"
)

// Set creates and reads the cookies of one base URL. They are HttpOnly, SameSite=Lax, and Secure on
// https. Methods take the short name of a cookie, to which the Set adds a prefix.
//
// The prefix depends on the base URL:
//
//   - https without a path: it begins with "__Host-". Other hosts and pages on plain http cannot set
//     a cookie with this prefix (RFC 6265bis, section 4.1.3.2).
//   - https with a path: it begins with "__Secure-". Browsers send the cookies for that path only.
//   - plain http: it contains the port, because browsers send cookies to every port of a host.
type Set struct {
	prefix string // of the full names
	path   string // the attribute Path
	secure bool   // the attribute Secure
}

// For returns the Set for an http or https URL. The cookie names contain the name of the program:
// two programs on one host use different names.
func For(base *url.URL, program string) Set {
	s := Set{path: strings.TrimSuffix(base.EscapedPath(), "/"), secure: base.Scheme == "https"}
	switch {
	case s.secure && s.path == "":
		s.prefix = "__Host-" + program + "-"
	case s.secure:
		s.prefix = "__Secure-" + program + "-"
	default:
		s.prefix = program + base.Port() + "-"
	}
	if s.path == "" {
		s.path = "/"
	}
	return s
}

// Name returns the full name of the cookie called name, with the prefix.
func (s Set) Name(name string) string { return s.prefix + name }

// HasHostPrefix reports whether the names begin with "__Host-", so that no other host can set a cookie
// of the Set.
func (s Set) HasHostPrefix() bool { return strings.HasPrefix(s.prefix, "__Host-") }

// New returns a cookie that expires after age, at least one second.
func (s Set) New(name, value string, age time.Duration) *http.Cookie {
	return s.make(s.prefix+name, value, max(1, int(age/time.Second)))
}

// Clear returns a cookie that removes the cookie called name from the browser.
func (s Set) Clear(name string) *http.Cookie { return s.make(s.prefix+name, "", -1) }

// make returns a cookie that the browser keeps for age seconds. If age is -1, the browser removes
// the cookie.
func (s Set) make(fullName, value string, age int) *http.Cookie {
	return &http.Cookie{
		Name: fullName, Value: value, Path: s.path, MaxAge: age,
		Secure: s.secure, HttpOnly: true, SameSite: http.SameSiteLaxMode,
	}
}

// MaxSent is how many cookies with one prefix [Sent] reads from a request. A browser has about ten
// cookies of the gateway, at most thirty. An attacker can send thousands. Without the limit, the
// server would decrypt all of them.
const MaxSent = 50

// Sent returns the cookies of a request whose names begin with prefix, in the order of the header.
// It stops after [MaxSent] cookies and does not read the rest of the header. So a client cannot
// raise the cost of a request by sending more cookies. All packages of the gateway read cookies
// through Sent.
func Sent(r *http.Request, prefix string) iter.Seq[*http.Cookie] {
	return func(yield func(*http.Cookie) bool) {
		count := 0
		for _, line := range r.Header["Cookie"] {
			for part := range strings.SplitSeq(line, ";") {
				part = strings.Trim(part, " \t")
				if !strings.HasPrefix(part, prefix) {
					continue
				}
				if count++; count > MaxSent {
					return
				}
				// The part has no semicolon, so it is one cookie. A malformed one is skipped, as
				// in http.Request.Cookies.
				if cookies, err := http.ParseCookie(part); err == nil && !yield(cookies[0]) {
					return
				}
			}
		}
	}
}

// Named returns the cookies called name, in the order of the header. When another host of the
// domain has set a cookie with this name too, there are several. This cannot happen when HasHostPrefix
// is true.
func (s Set) Named(r *http.Request, name string) iter.Seq[*http.Cookie] {
	return func(yield func(*http.Cookie) bool) {
		for c := range Sent(r, s.prefix) {
			if c.Name == s.prefix+name && !yield(c) {
				return
			}
		}
	}
}

// WithPrefix returns the cookies whose short names begin with prefix, each with its short name, in
// the order of the header.
func (s Set) WithPrefix(r *http.Request, prefix string) iter.Seq2[string, *http.Cookie] {
	return func(yield func(string, *http.Cookie) bool) {
		for c := range Sent(r, s.prefix) {
			short := strings.TrimPrefix(c.Name, s.prefix)
			if strings.HasPrefix(short, prefix) && !yield(short, c) {
				return
			}
		}
	}
}

// Has reports whether the browser sent the cookie called name.
func (s Set) Has(r *http.Request, name string) bool {
	for range s.Named(r, name) {
		return true
	}
	return false
}

// Value returns the value of the cookie called name, or "". When the browser sent two different
// values, another host of the domain has set one of the cookies. The server cannot know which value
// is its own, so Value returns "". This cannot happen when HasHostPrefix is true.
func (s Set) Value(r *http.Request, name string) string {
	value := ""
	for c := range s.Named(r, name) {
		if value != "" && c.Value != value {
			return ""
		}
		value = c.Value
	}
	return value
}
