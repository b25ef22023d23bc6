// Package cookie names, creates and reads the cookies of a server. No other host receives them.
//
// [For] returns the [Set] for the server's base URL. The package imports the standard library only,
// so that the public packages of this module may use it.
package cookie

import (
	"net/http"
	"net/url"
	"strings"
	"time"
)

// Set creates and reads the cookies of one base URL. They are HttpOnly, SameSite=Lax, and Secure on
// https. Methods take the short name of a cookie, to which the Set adds a prefix.
//
// The prefix depends on the base URL. On https at the root of a host it begins with "__Host-": no
// other host, and no page on plain http, can set such a cookie (RFC 6265bis, section 4.1.3.2). On
// https below a path it begins with "__Secure-", and browsers send the cookies for that path only.
// On plain http it contains the port, because browsers send the cookies of one port to all others.
type Set struct {
	prefix string // of the full names
	path   string // the attribute Path
	secure bool   // the attribute Secure
}

// For returns the Set for an http or https URL. prefix is a part of the prefix of the Set, and
// distinguishes programs on one host.
func For(base *url.URL, prefix string) Set {
	s := Set{path: strings.TrimSuffix(base.EscapedPath(), "/"), secure: base.Scheme == "https"}
	switch {
	case s.secure && s.path == "":
		s.prefix = "__Host-" + prefix + "-"
	case s.secure:
		s.prefix = "__Secure-" + prefix + "-"
	default:
		s.prefix = prefix + base.Port() + "-"
	}
	if s.path == "" {
		s.path = "/"
	}
	return s
}

// Name returns the full name of the cookie called name, with the prefix.
func (s Set) Name(name string) string { return s.prefix + name }

// HostOnly reports whether the names begin with "__Host-", so that no other host can set a cookie
// of the Set.
func (s Set) HostOnly() bool { return strings.HasPrefix(s.prefix, "__Host-") }

// New returns a cookie that expires after age, at least one second.
func (s Set) New(name, value string, age time.Duration) *http.Cookie {
	return s.make(s.prefix+name, value, max(1, int(age/time.Second)))
}

// Clear returns a cookie that removes the cookie called name from the browser.
func (s Set) Clear(name string) *http.Cookie { return s.make(s.prefix+name, "", -1) }

// make returns a cookie with the full name name. It lives age seconds; with -1 it is removed.
func (s Set) make(name, value string, age int) *http.Cookie {
	return &http.Cookie{
		Name: name, Value: value, Path: s.path, MaxAge: age,
		Secure: s.secure, HttpOnly: true, SameSite: http.SameSiteLaxMode,
	}
}

// Has reports whether the browser sent the cookie called name.
func (s Set) Has(r *http.Request, name string) bool {
	_, err := r.Cookie(s.prefix + name)
	return err == nil
}

// Value returns the value of the cookie called name, or "". It also returns "" when the browser
// sent two different values: another host below the same domain has set one of them, and it is
// unknown which. This cannot happen when HostOnly is true.
func (s Set) Value(r *http.Request, name string) string {
	value := ""
	for _, c := range r.CookiesNamed(s.prefix + name) {
		if value != "" && c.Value != value {
			return ""
		}
		value = c.Value
	}
	return value
}

// WithPrefix returns the short names of the cookies of the Set that the browser sent, as far as
// they begin with prefix. Each name occurs once.
func (s Set) WithPrefix(r *http.Request, prefix string) (names []string) {
	seen := map[string]bool{}
	for _, c := range r.Cookies() {
		name, found := strings.CutPrefix(c.Name, s.prefix)
		if found && strings.HasPrefix(name, prefix) && !seen[name] {
			seen[name] = true
			names = append(names, name)
		}
	}
	return names
}
