package route

import (
	"net/http"
	"net/url"
	"strings"
)

// Cookie returns a session cookie of the gateway without a value. Its name follows the rules of
// package login. No other host, and no page on plain http, can set a "__Host-" cookie. When the
// gateway has a path, the prefix is "__Secure-", and the cookie is limited to that path. On plain
// http there is no prefix, and the name contains the port, since cookies do not distinguish ports.
func Cookie(own *url.URL, name string) http.Cookie {
	c := http.Cookie{Path: strings.TrimSuffix(own.EscapedPath(), "/"), Secure: own.Scheme == "https", HttpOnly: true,
		SameSite: http.SameSiteLaxMode}
	switch {
	case c.Secure && c.Path == "":
		c.Name = "__Host-weigate-" + name
	case c.Secure:
		c.Name = "__Secure-weigate-" + name
	default:
		c.Name = "weigate" + own.Port() + "-" + name
	}
	if c.Path == "" {
		c.Path = "/"
	}
	return c
}
