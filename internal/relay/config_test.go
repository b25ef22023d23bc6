package relay_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/weigate/weigate/internal/gateway"
	"github.com/weigate/weigate/internal/relay"
	"github.com/weigate/weigate/internal/route"
)

func TestVerifyFiles(t *testing.T) {
	t.Parallel()
	g := newFixture(t, func(c *relay.Config) { c.URL = "https://www.example.com/login" })
	for path, want := range map[string]string{"/MP_verify_0123456789abcdef.txt": "0123456789abcdef",
		"/login/MP_verify_0123456789abcdef.txt": "0123456789abcdef"} {
		if w := g.get(path); w.Code != 200 || w.Body.String() != want {
			t.Errorf("%s: %d %q", path, w.Code, w.Body)
		}
	}
	for _, path := range []string{"/MP_verify_0000000000000000.txt", "/MP_verify_0123456789abcdef.txt/x",
		"/connect/oauth2/authorize", "/login/MP_verify_.txt"} {
		if w := g.get(path); w.Code != http.StatusNotFound {
			t.Errorf("%s: %d", path, w.Code)
		}
	}
}

func TestConfigIsChecked(t *testing.T) {
	t.Parallel()
	_, err := relay.New(relay.Config{URL: "login.example.com/", VerifyFiles: []string{"../MP_verify_a.txt"},
		Apps: []relay.App{
			{App: gateway.App{ID: "a"}, AppID: "wx1", Secrets: []route.SecretHash{route.HashSecret("")},
				ReturnURLs: []string{"x.example.com", "https://*.example.com", "https://X.example.com", "https://a@b",
					"https://a/b/../c", "ftp://a", "https://a/?b", ""}},
			{App: gateway.App{ID: "a"}, AppID: "wx1", Connector: "main"},
		}})
	if err == nil {
		t.Fatal("taken")
	}
	for _, want := range []string{"Config.URL", "verify file", "a secret is empty", "no connector", `"x.example.com"`,
		`"https://*.example.com"`, `"https://X.example.com"`, `"https://a@b"`, `"https://a/b/../c"`, `"ftp://a"`,
		`"https://a/?b"`, `""`, "0 secrets", "no return_urls", "two with this id"} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("nothing about %s in: %v", want, err)
		}
	}
}
