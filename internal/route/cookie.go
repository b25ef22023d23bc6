package route

import (
	"net/http"
	"net/url"
	"strings"
)

// Cookie is a cookie of the gateway at its own address, without a value and for the browser's session. Its whole name follows package login's: no other
// host, and no page on plain http, can plant a "__Host-" cookie; under a path the prefix is "__Secure-", and the cookie keeps to that path; on plain
// http there is neither, and since cookies ignore ports the name holds the port.
func Cookie(own *url.URL, name string) http.Cookie {
	c := http.Cookie{Path: strings.TrimSuffix(own.EscapedPath(), "/"), Secure: own.Scheme == "https", HttpOnly: true, SameSite: http.SameSiteLaxMode}
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
