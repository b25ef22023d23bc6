package web_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/weigate/weigate/internal/gateway"
	"github.com/weigate/weigate/internal/lang"
	"github.com/weigate/weigate/internal/leaktest"
	"github.com/weigate/weigate/internal/web"
)

func newSite(t testing.TB, change ...func(*web.Config)) *web.Site {
	t.Helper()
	cfg := web.Config{RequestID: func(context.Context) string { return "REQ1" }, Logger: leaktest.Logger(t),
		Pictures: []string{"http://127.0.0.1:8090"}}
	for _, f := range change {
		f(&cfg)
	}
	s, err := web.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func show(s *web.Site, lang string, p web.Page) *httptest.ResponseRecorder {
	r := httptest.NewRequest(http.MethodGet, "/", nil)
	r.Header.Set("Accept-Language", lang)
	w := httptest.NewRecorder()
	s.Show(w, r, p)
	return w
}

// kinds reads the names of all kinds from the catalogue, so that a new one cannot be left out here.
// New has checked that they are the kinds.
func kinds(t testing.TB) (out []web.Kind) {
	t.Helper()
	raw, err := os.ReadFile("files/en.json")
	if err != nil {
		t.Fatal(err)
	}
	words := map[string]string{}
	if err := json.Unmarshal(raw, &words); err != nil {
		t.Fatal(err)
	}
	for key := range words {
		if kind, found := strings.CutSuffix(key, ".title"); found {
			out = append(out, web.Kind(kind))
		}
	}
	return out
}

const hostile = `<script>alert(1)</script>"'><img src=x onerror=alert(1)> {{.}} ` + "\u202e\u0000" + `小明`

// full is a page with every field filled with text.
func full(kind web.Kind, text string) web.Page {
	at := time.Date(2026, 11, 24, 12, 0, 0, 0, time.UTC)
	return web.Page{
		Kind: kind, App: text, User: &web.User{Nickname: text, Picture: text}, Copy: text, Go: text, Without: text,
		Back: text, Home: text, ContinueAfter: 5 * time.Second,
		Forms:   []web.Form{{Action: "/sign-out", Label: web.LabelSignOut, Fields: map[string]string{"return": text}}},
		Methods: []web.Method{{Name: "scan", Go: text}, {Name: "website", Go: text}},
		Links:   []web.Link{{Label: web.LabelOtherMethod, Go: text}},
		UserID:  &web.UserID{ID: text, Sessions: []web.Session{{Current: true, Since: at, Seen: at}}},
	}
}

var han = regexp.MustCompile(`\p{Han}`)

func TestEveryPageInBothLanguages(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	for _, kind := range kinds(t) {
		for _, language := range lang.All() {
			t.Run(string(kind)+"/"+language, func(t *testing.T) {
				t.Parallel()
				w := show(s, language, web.Page{Kind: kind})
				body := w.Body.String()
				for _, want := range []string{`<html lang="` + language + `">`, `id="` + string(kind) + `"`, "<h1>",
					"</html>"} {
					if !strings.Contains(body, want) {
						t.Errorf("no %s in %s", want, body)
					}
				}
				for _, not := range []string{"{app}", "{site}", "<a class", "<form", "ZgotmplZ", `http-equiv="refresh"`,
					`<p class="who">`} {
					if strings.Contains(body, not) {
						t.Errorf("an empty page has %s", not)
					}
				}
				if got := han.MatchString(body); got != (language == lang.Chinese) && kind != web.Snapshot &&
					kind != web.NoOpenID {
					t.Errorf("Chinese characters: %v in the %s page", got, language)
				}
				if w.Header().Get("Content-Language") != language ||
					w.Header().Get("Referrer-Policy") != "no-referrer" ||
					w.Header().Get("Cache-Control") != "no-store" {
					t.Errorf("headers: %v", w.Header())
				}
				if named := strings.Contains(body, "REQ1"); named != (w.Code >= 400 && kind != web.PleaseSignIn) {
					t.Errorf("status %d, request named: %v", w.Code, named)
				}
			})
		}
	}
}

func TestHostileTextStaysText(t *testing.T) {
	t.Parallel()
	s := newSite(t, func(c *web.Config) {
		c.Names = web.Names{Title: hostile, Footer: hostile, PrivacyURL: "javascript:alert(1)", ICP: hostile}
	})
	for _, kind := range kinds(t) {
		for _, text := range []string{hostile, "javascript:alert(1)", "data:text/html,<script>",
			strings.Repeat("长", 400)} {
			w := show(s, lang.Chinese, full(kind, text))
			body := w.Body.String()
			for _, not := range []string{"<script", "<img src=x", `href="javascript:`, `src="javascript:`,
				`href="data:`, `src="data:`} {
				if strings.Contains(body, not) {
					t.Errorf("%s: %q came through as %s", kind, text, not)
				}
			}
			if w.Header().Get("Referrer-Policy") != "same-origin" {
				t.Errorf("%s: a page with a form has the Referrer-Policy %q", kind, w.Header().Get("Referrer-Policy"))
			}
		}
	}
}

// A refresh is not an attribute that html/template knows: an address in it must not end it and
// begin another.
func TestRefreshHoldsOneAddress(t *testing.T) {
	t.Parallel()
	body := show(newSite(t), lang.English, web.Page{Kind: web.Waiting, Go: `/oauth2/authorize?a=1&b="><script>`,
		ContinueAfter: 10 * time.Second}).Body.String()
	if !strings.Contains(body, `content="10;url=/oauth2/authorize?a=1&amp;b=&#34;&gt;&lt;script&gt;"`) {
		t.Errorf("refresh: %s", body[:600])
	}
}

func TestPolicyAllowsNothingButOurs(t *testing.T) {
	t.Parallel()
	policy := show(newSite(t), lang.English, web.Page{Kind: web.Own}).Header().Get("Content-Security-Policy")
	for _, want := range []string{"default-src 'none'", "style-src 'sha256-",
		"img-src https://*.qlogo.cn http://127.0.0.1:8090", "form-action 'self'", "base-uri 'none'",
		"frame-ancestors 'none'"} {
		if !strings.Contains(policy, want) {
			t.Errorf("no %s in %s", want, policy)
		}
	}
	if strings.Contains(policy, "unsafe") || strings.Contains(policy, "script-src") {
		t.Errorf("policy: %s", policy)
	}
}

func TestErrorNeverShowsItsText(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	for _, k := range []struct {
		name   string
		err    error
		status int
		kind   web.Kind
	}{
		{"unknown", errors.New("dial tcp 10.0.0.1: secret detail"), 500, web.Fault},
		{"store", fmt.Errorf("secret detail: %w", gateway.ErrUnavailable), 503, web.Busy},
		{"deadline", fmt.Errorf("secret detail: %w", context.DeadlineExceeded), 503, web.Busy},
		{"blocked", fmt.Errorf("secret detail: %w", gateway.ErrBlocked), 403, web.Blocked},
		{"not found", fmt.Errorf("secret detail: %w", gateway.ErrExpired), 404, web.NotFound},
		{"too large", fmt.Errorf("secret detail: %w", &http.MaxBytesError{Limit: 1}), 413, web.TooLarge},
	} {
		for _, accept := range []string{"text/html", "application/json"} {
			r := httptest.NewRequest(http.MethodGet, "/", nil)
			r.Header.Set("Accept", accept)
			w := httptest.NewRecorder()
			s.Error(w, r, k.err)
			if w.Code != k.status || strings.Contains(w.Body.String(), "secret detail") ||
				!strings.Contains(w.Body.String(), "REQ1") {
				t.Errorf("%s as %s: %d %s", k.name, accept, w.Code, w.Body)
			}
			if accept == "application/json" {
				var got struct{ Error string }
				if err := json.Unmarshal(w.Body.Bytes(), &got); err != nil || got.Error != string(k.kind) {
					t.Errorf("%s: JSON %s, %v", k.name, w.Body, err)
				}
			}
		}
	}
}
