package route_test

import (
	"net/http"
	"net/url"
	"testing"

	"github.com/weigate/weigate/internal/route"
)

func TestCookie(t *testing.T) {
	t.Parallel()
	for address, want := range map[string]string{
		"https://login.example.com":         "__Host-weigate-x; Path=/; HttpOnly; Secure; SameSite=Lax",
		"https://login.example.com:8443":    "__Host-weigate-x; Path=/; HttpOnly; Secure; SameSite=Lax",
		"https://login.example.com/":        "__Host-weigate-x; Path=/; HttpOnly; Secure; SameSite=Lax",
		"https://www.example.com/login":     "__Secure-weigate-x; Path=/login; HttpOnly; Secure; SameSite=Lax",
		"http://127.0.0.1:8080":             "weigate8080-x; Path=/; HttpOnly; SameSite=Lax",
		"http://localhost/login":            "weigate-x; Path=/login; HttpOnly; SameSite=Lax",
		"https://www.example.com/%E7%99%BB": "__Secure-weigate-x; Path=/%E7%99%BB; HttpOnly; Secure; SameSite=Lax",
	} {
		own, err := url.Parse(address)
		if err != nil {
			t.Fatal(err)
		}
		c := route.Cookie(own, "x")
		if c.SameSite != http.SameSiteLaxMode {
			t.Errorf("%s: %+v", address, c)
		}
		c.Value = "v"
		if got := c.String(); got != c.Name+"=v"+want[len(c.Name):] || want[:len(c.Name)] != c.Name {
			t.Errorf("%s: %s, want %s", address, got, want)
		}
	}
}
