package web

import (
	"html/template"
	"net/url"
	"regexp"
	"slices"
	"strings"
)

// AppLink leads to an app. The zero value leads nowhere. Links of pages are plain strings, and only http, https and relative ones of those come through; a
// native app has a scheme of its own (com.example.app:/callback), which could as well be javascript: if any string could become an AppLink. So only
// [ToApp] makes one.
type AppLink struct {
	address string
	native  bool
}

// nativeScheme is a domain name turned round, RFC 8252 section 7.1. What runs in a browser (javascript, data, vbscript) has no dot.
var nativeScheme = regexp.MustCompile(`^[a-z][a-z0-9+-]*(\.[a-z0-9+-]+)+$`)

// ToApp makes a link of an address that an app registered, perhaps with parameters behind it. An address with another scheme than http and https that is
// none of registered leads nowhere.
func ToApp(address string, registered []string) AppLink {
	u, err := url.Parse(address)
	switch {
	case err != nil || address == "":
		return AppLink{}
	case u.Scheme == "http" || u.Scheme == "https":
		return AppLink{address: address}
	case nativeScheme.MatchString(u.Scheme) && slices.ContainsFunc(registered, func(own string) bool { return begins(address, own) }):
		return AppLink{address: address, native: true}
	}
	return AppLink{}
}

// begins tells whether address is own, or own with parameters added.
func begins(address, own string) bool {
	rest, found := strings.CutPrefix(address, own)
	if !found || own == "" {
		return false
	}
	return rest == "" || rest[0] == '?' || strings.Contains(own, "?") && (rest[0] == '&' || strings.HasSuffix(own, "?"))
}

// href is what a template may put into a link: text that it filters, or an address that was checked here.
func (l AppLink) href() any {
	if l.native {
		return template.URL(l.address)
	}
	return l.address
}
