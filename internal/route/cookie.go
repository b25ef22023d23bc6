package route

import (
	"net/http"
	"net/url"
	"strings"
)

// Cookie returns a cookie of the gateway without a value, for the browser's session. Its name
// follows package login's: no other host, and no page on plain http, can set a "__Host-" cookie;
// below a path the prefix is "__Secure-", and the cookie is limited to that path; on plain http
// there is no prefix, and since cookies ignore ports the name contains the port.
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
