package oidc_test

import (
	"strings"
	"testing"
	"time"

	"github.com/weigate/weigate/internal/gateway"
	"github.com/weigate/weigate/internal/oidc"
	"github.com/weigate/weigate/internal/route"
)

func TestRegistryTellsEveryProblemAtOnce(t *testing.T) {
	t.Parallel()
	one := []route.SecretHash{route.HashSecret("x")}
	good := []string{redirectURI}
	_, err := oidc.NewRegistry([]oidc.Client{
		{App: gateway.App{ID: "a"}, Secrets: one, RedirectURIs: good},
		{App: gateway.App{ID: "a"}, Secrets: one, RedirectURIs: good},
		{App: gateway.App{ID: "with space"}, Secrets: one, RedirectURIs: good},
		{App: gateway.App{ID: "none"}, RedirectURIs: good},
		{App: gateway.App{ID: "three"}, Secrets: []route.SecretHash{{1}, {2}, {3}}, RedirectURIs: good},
		{App: gateway.App{ID: "empty"}, Secrets: []route.SecretHash{route.HashSecret("")}, RedirectURIs: good},
		{App: gateway.App{ID: "unset"}, Secrets: []route.SecretHash{{}}, RedirectURIs: good},
		{App: gateway.App{ID: "open"}, Public: true, Secrets: one, RedirectURIs: good},
		{App: gateway.App{ID: "nowhere"}, Secrets: one},
		{App: gateway.App{ID: "kind"}, Secrets: one, RedirectURIs: good, Subject: "nickname"},
		{App: gateway.App{ID: "connector"}, Secrets: one, RedirectURIs: good, Subject: "openid:"},
		{App: gateway.App{ID: "mail"}, Secrets: one, RedirectURIs: good, Email: oidc.EmailPolicy{Policy: "real"}},
		{App: gateway.App{ID: "domain"}, Secrets: one, RedirectURIs: good,
			Email: oidc.EmailPolicy{Policy: oidc.EmailSynthetic}},
		{App: gateway.App{ID: "alg"}, Secrets: one, RedirectURIs: good, IDTokenAlg: "none"},
		{App: gateway.App{ID: "life"}, Secrets: one, RedirectURIs: good, Lifetimes: oidc.Lifetimes{Code: -time.Second}},
		{App: gateway.App{ID: "after"}, Secrets: one, RedirectURIs: good, PostLogoutRedirectURIs: []string{"/bye"}},
	})
	if err == nil {
		t.Fatal("no error")
	}
	for _, want := range []string{`"a": there are two`, `"with space": the id`, `"none": it has 0 secrets`,
		`"three": it has 3 secrets`, `"empty": a secret is empty`, `"unset": a secret is empty`,
		`"open": a public app has no secret`,
		`"nowhere": it has no redirect_uris`, `"kind": subject`, `"connector": subject`, `"mail": email policy`,
		`"domain": synthetic email`, `"alg": id_token_alg`,
		`"life": a lifetime is negative`, `"after": redirect address "/bye" is not an absolute`} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("no word of %s in:\n%v", want, err)
		}
	}
	if lines := strings.Count(err.Error(), "\n") + 1; lines != 15 {
		t.Errorf("%d problems, want 15:\n%v", lines, err)
	}
}

func TestRedirectAddressesThatNoAppMayHave(t *testing.T) {
	t.Parallel()
	for uri, good := range map[string]bool{
		"https://app.example.com/cb": true, "http://grafana.lan/login": true, "com.example.app:/cb": true,
		"https://app.example.com/cb?x=1": true, "http://127.0.0.1:8080/cb": true,
		"": false, "/cb": false, "//app.example.com/cb": false, "https:///cb": false,
		"https://app.example.com/cb#x": false, "https://app.example.com/#": false,
		"https://user@app.example.com/cb": false, "https://*.example.com/cb": false,
		"https://app.example.com/c b": false, "https://app.example.com/\u00e9": false,
		`https://app.example.com\@evil.example.com/`: false, "javascript:alert(1)": false, "data:text/html,x": false,
		"JavaScript:alert(1)": false, "file:///etc/passwd": false,
	} {
		_, err := oidc.NewRegistry([]oidc.Client{{App: gateway.App{ID: "a"}, Secrets: []route.SecretHash{{1}},
			RedirectURIs: []string{uri}}})
		if (err == nil) != good {
			t.Errorf("%q: %v", uri, err)
		}
	}
}

func TestIssuer(t *testing.T) {
	t.Parallel()
	if _, err := oidc.New(oidc.Config{Issuer: "http://login.example.com/"}); err == nil ||
		!strings.Contains(err.Error(), "must not end in a slash") {
		t.Errorf("an issuer with a slash at the end: %v", err)
	}
	good := newFixture(t, newMemory(t), "")
	for issuer, ok := range map[string]bool{
		"https://login.example.com": true, "https://www.example.com/login": true, "http://127.0.0.1:8080": true,
		"http://login.localhost:8080": true, "http://[::1]:80": true,
		"http://login.example.com": false, "http://192.168.1.5": false, "login.example.com": false, "https://": false,
		"https://x@login.example.com": false,
		"https://login.example.com?x": false, "https://login.example.com#x": false, "ftp://login.example.com": false,
		"http://localhost.example.com": false, ":": false,
	} {
		cfg := good.cfg
		cfg.Issuer = issuer
		if _, err := oidc.New(cfg); (err == nil) != ok {
			t.Errorf("issuer %q: %v", issuer, err)
		}
	}
	cfg := good.cfg
	cfg.Issuer, cfg.Insecure = "http://192.168.1.5:8080", true
	if _, err := oidc.New(cfg); err != nil {
		t.Errorf("insecure on purpose: %v", err)
	}
}
