package web

import (
	"html/template"
	"net/url"
	"regexp"
	"slices"
	"strings"
)

// AppLink is a link to an app; the zero value has none. Links of pages are plain strings, of which
// only http, https and relative ones are rendered. A native app has a scheme of its own
// (com.example.app:/callback). If any string could become an AppLink, javascript: could too, so
// only [ToApp] returns one.
type AppLink struct {
	address string
	native  bool
}

// nativeScheme matches a reversed domain name, RFC 8252 section 7.1. Schemes that run in a browser
// (javascript, data, vbscript) have no dot.
var nativeScheme = regexp.MustCompile(`^[a-z][a-z0-9+-]*(\.[a-z0-9+-]+)+$`)

// ToApp returns a link to an address that an app registered, perhaps with parameters added. For an
// unregistered address with a scheme other than http and https it returns the zero AppLink.
func ToApp(address string, registered []string) AppLink {
	u, err := url.Parse(address)
	switch {
	case err != nil || address == "":
		return AppLink{}
	case u.Scheme == "http" || u.Scheme == "https":
		return AppLink{address: address}
	case nativeScheme.MatchString(u.Scheme) && slices.ContainsFunc(registered,
		func(own string) bool { return extends(address, own) }):
		return AppLink{address: address, native: true}
	}
	return AppLink{}
}

// extends reports whether address is own, or own with parameters added.
func extends(address, own string) bool {
	rest, found := strings.CutPrefix(address, own)
	if !found || own == "" {
		return false
	}
	return rest == "" || rest[0] == '?' || strings.Contains(own, "?") && (rest[0] == '&' || strings.HasSuffix(own, "?"))
}

// href returns the value for the attribute href: a string that the template filters, or a trusted
// URL if the address has been checked by ToApp.
func (l AppLink) href() any {
	if l.native {
		return template.URL(l.address)
	}
	return l.address
}
