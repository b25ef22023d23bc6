// Package cookie names, creates and reads the cookies of one base URL. No other host receives them.
//
// [For] returns the [Set] of a base URL. The package imports the standard library only, so that the
// public packages of this module may use it.
package cookie

import (
	"net/http"
	"net/url"
	"strings"
	"time"
)

// Set creates cookies with the attributes of one base URL: HttpOnly, SameSite=Lax, and Secure on
// https.
//
// On https at the root of a host their names begin with "__Host-": no other host, and no page on
// plain http, can set such a cookie (RFC 6265bis, section 4.1.3.2). Under a path the prefix is
// "__Secure-", and the cookies are limited to the path. On plain http there is neither, and since
// cookies ignore ports the name contains the port.
type Set struct {
	prefix string
	path   string
	secure bool
}

// For returns the Set of an http or https URL. prefix is the common beginning of the names.
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

// Name returns the whole name of the cookie called name.
func (s Set) Name(name string) string { return s.prefix + name }

// HostOnly reports whether browsers stop other hosts from setting cookies of the Set.
func (s Set) HostOnly() bool { return strings.HasPrefix(s.prefix, "__Host-") }

// New returns a cookie that lives for age, at least one second.
func (s Set) New(name, value string, age time.Duration) *http.Cookie {
	return s.make(s.prefix+name, value, max(1, int(age/time.Second)))
}

// Clear returns a cookie that removes the one called name.
func (s Set) Clear(name string) *http.Cookie { return s.make(s.prefix+name, "", -1) }

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

// Value returns the value of the cookie called name, or "". Two different values mean that another
// host set one of them (which browsers prevent where HostOnly is true): then neither is returned.
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

// WithPrefix returns the names of the cookies that the browser sent and that begin with prefix. The
// names are without the common beginning of the Set, and each occurs once.
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
