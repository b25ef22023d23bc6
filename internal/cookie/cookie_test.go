package cookie_test

import (
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"testing"
	"time"

	"github.com/weigate/weigate/internal/cookie"
)

func setFor(t *testing.T, address string) cookie.Set {
	t.Helper()
	u, err := url.Parse(address)
	if err != nil {
		t.Fatal(err)
	}
	return cookie.For(u, "app")
}

func TestNamesAndAttributes(t *testing.T) {
	t.Parallel()
	for address, want := range map[string]struct {
		name, path       string
		secure, hostOnly bool
	}{
		"https://app.example.com":         {"__Host-app-s", "/", true, true},
		"https://app.example.com/":        {"__Host-app-s", "/", true, true},
		"https://app.example.com:8443":    {"__Host-app-s", "/", true, true},
		"https://www.example.com/login":   {"__Secure-app-s", "/login", true, false},
		"https://www.example.com/login/":  {"__Secure-app-s", "/login", true, false},
		"http://127.0.0.1:8080":           {"app8080-s", "/", false, false},
		"http://app.localhost:8081/x/y":   {"app8081-s", "/x/y", false, false},
		"http://192.168.1.7":              {"app-s", "/", false, false},
		"https://www.example.com/a%20b/c": {"__Secure-app-s", "/a%20b/c", true, false},
	} {
		s := setFor(t, address)
		c := s.New("s", "v", time.Hour)
		if c.Name != want.name || s.Name("s") != want.name || c.Path != want.path || c.Secure != want.secure ||
			s.HasHostPrefix() != want.hostOnly ||
			c.Value != "v" || c.MaxAge != 3600 || !c.HttpOnly || c.SameSite != http.SameSiteLaxMode || c.Domain != "" {
			t.Errorf("%s: %+v", address, c)
		}
	}
	s := setFor(t, "https://app.example.com")
	if c := s.New("s", "v", 0); c.MaxAge != 1 {
		t.Errorf("a cookie without an age has Max-Age %d", c.MaxAge)
	}
	if c := s.Clear("s"); c.MaxAge != -1 || c.Value != "" || c.Name != "__Host-app-s" {
		t.Errorf("Clear: %+v", c)
	}
}

func TestValue(t *testing.T) {
	t.Parallel()
	s := setFor(t, "https://app.example.com")
	for header, want := range map[string]string{
		"": "", "__Host-app-s=a": "a", "x=1; __Host-app-s=a; y=2": "a", "__Host-app-s=a; __Host-app-s=a": "a",
		"__Host-app-s=a; __Host-app-s=b": "", "app-s=a": "",
	} {
		r := httptest.NewRequest("GET", "/", nil)
		r.Header.Set("Cookie", header)
		if got := s.Value(r, "s"); got != want {
			t.Errorf("%q: %q, want %q", header, got, want)
		}
	}
	r := httptest.NewRequest("GET", "/", nil)
	r.Header.Set("Cookie", "__Host-app-f-1=a; __Host-app-s=b; __Host-app-f-2=c; app-f-3=d; __Host-app-f-1=e")
	var got []string
	for name, c := range s.WithPrefix(r, "f-") {
		got = append(got, name+"="+c.Value)
	}
	if !slices.Equal(got, []string{"f-1=a", "f-2=c", "f-1=e"}) {
		t.Errorf("WithPrefix: %q", got)
	}
	if !s.Has(r, "s") || s.Has(r, "x") {
		t.Error("Has is wrong")
	}
}
