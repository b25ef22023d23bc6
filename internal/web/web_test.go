package web_test

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
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

// hostileTexts are hostile texts of the configuration.
func hostileTexts() web.SiteTexts {
	return web.SiteTexts{Title: hostile, Welcome: hostile, Footer: hostile, Contact: hostile, ICP: hostile,
		Police: hostile, PrivacyURL: "javascript:alert(1)", TermsURL: "javascript:alert(1)", PoliceURL: "javascript:alert(1)"}
}

// full is a page with every field filled with text.
func full(kind web.Kind, text string) web.Page {
	return web.Page{
		Kind: kind, App: text, User: &web.User{Nickname: text, Picture: text}, Copy: text, Go: text, Without: text,
		Back: text, Home: text, ContinueAfter: 5 * time.Second,
		Forms: []web.Form{{Action: "/sign-out", Label: web.LabelSignOut, Fields: map[string]string{"return": text}}},
		Methods: []web.Method{{Name: "scan", Go: text}, {Name: "website", Go: text}, {Name: "message", Go: text},
			{Name: "follow", Go: text}},
		Links:  []web.Link{{Label: web.LabelOtherMethod, Go: text}},
		UserID: &web.UserID{ID: text},
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

// ownIcon matches the icon of the pages.
var ownIcon = regexp.MustCompile(`<link rel="icon" href="data:image/svg&#43;xml;base64,[0-9A-Za-z/=&#;]*">`)

func TestHostileTextStaysText(t *testing.T) {
	t.Parallel()
	script, err := os.ReadFile("files/page.js")
	if err != nil {
		t.Fatal(err)
	}
	ownScript := "<script>" + string(script) + "</script>"
	s := newSite(t, func(c *web.Config) {
		c.Texts = hostileTexts()
	})
	for _, kind := range kinds(t) {
		for _, text := range []string{hostile, "javascript:alert(1)", "data:text/html,<script>",
			strings.Repeat("长", 400)} {
			w := show(s, lang.Chinese, full(kind, text))
			body := strings.Replace(ownIcon.ReplaceAllString(w.Body.String(), ""), ownScript, "", 1)
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
	policy := show(newSite(t), lang.English, web.Page{Kind: web.Welcome}).Header().Get("Content-Security-Policy")
	for _, want := range []string{"default-src 'none'", "style-src 'sha256-",
		"img-src data: https://*.qlogo.cn 'self' http://127.0.0.1:8090", "form-action 'self'", "base-uri 'none'",
		"frame-ancestors 'none'"} {
		if !strings.Contains(policy, want) {
			t.Errorf("no %s in %s", want, policy)
		}
	}
	if strings.Contains(policy, "unsafe") || strings.Contains(policy, "script-src") {
		t.Errorf("policy: %s", policy)
	}
}

// Only a page with an id or a link to copy has a script. Its policy allows this script and no other.
func TestPolicyAllowsTheScriptOfThePage(t *testing.T) {
	t.Parallel()
	for name, p := range map[string]web.Page{
		"a link to copy": {Kind: web.OpenInWeChat, Copy: "https://login.example.com/sign-in"},
		"an id to copy":  {Kind: web.Waiting, UserID: &web.UserID{ID: "u"}},
	} {
		w := show(newSite(t), lang.English, p)
		script := regexp.MustCompile(`(?s)<script>(.*?)</script>`).FindStringSubmatch(w.Body.String())
		if script == nil {
			t.Fatalf("%s: no script", name)
		}
		sum := sha256.Sum256([]byte(script[1]))
		want := "; script-src 'sha256-" + base64.StdEncoding.EncodeToString(sum[:]) + "'; manifest-src 'self'; img-src "
		if got := w.Header().Get("Content-Security-Policy"); !strings.Contains(got, want) {
			t.Errorf("%s: policy %s, want %s", name, got, want)
		}
	}
}

// Without JavaScript a page shows the time in the zone of the operator, with the offset from UTC. The
// script replaces it by the time in the zone of the browser.
func TestTimesHaveTheirZone(t *testing.T) {
	t.Parallel()
	at := time.Date(2026, 8, 31, 23, 5, 0, 0, time.UTC)
	for _, k := range []struct {
		language string
		zone     *time.Location
		want     string
	}{
		{lang.Chinese, time.FixedZone("", 8*3600), "2026年9月1日 07:05 (UTC&#43;8)"},
		{lang.English, time.FixedZone("", 8*3600), "1 Sep 2026, 07:05 (UTC&#43;8)"},
		{lang.English, time.FixedZone("", -7*1800), "31 Aug 2026, 19:35 (UTC-3:30)"},
		{lang.English, time.UTC, "31 Aug 2026, 23:05 (UTC)"},
	} {
		s := newSite(t, func(c *web.Config) { c.TimeZone = k.zone })
		body := show(s, k.language, web.Page{Kind: web.Invite,
			Invitation: &web.Invitation{Expires: at}}).Body.String()
		want := `<time datetime="2026-08-31T23:05:00Z">` + k.want + `</time>`
		if strings.Count(body, want) != 1 {
			t.Errorf("no %s: %s", want, body)
		}
	}
}

// A page on which the user cannot continue is a dead end, such as a 404 without a link.
func TestEveryPageHasANextStep(t *testing.T) {
	t.Parallel()
	const home = "https://login.example.com/"
	s := newSite(t, func(c *web.Config) { c.Home = home })
	for _, kind := range kinds(t) {
		body := show(s, lang.English, web.Page{Kind: kind}).Body.String()
		want := `href="` + home + `"`
		if kind == web.Busy || kind == web.Fault || kind == web.TooMany {
			want = `<a class="button" id="go" href="">Try again</a>`
		}
		if !strings.Contains(body, want) {
			t.Errorf("%s: no %s in %s", kind, want, body)
		}
	}
	// A form that failed cannot be sent again by a link.
	r := httptest.NewRequest(http.MethodPost, "/sign-out", nil)
	r.Header.Set("Accept", "text/html")
	w := httptest.NewRecorder()
	s.Fail(w, r, web.Busy)
	if body := w.Body.String(); !strings.Contains(body, `id="home" href="`+home+`"`) || strings.Contains(body, `id="go"`) {
		t.Errorf("after a form: %s", body)
	}
	// The page of a blocked user has no main button, so its address is not a next step.
	blocked := show(s, lang.English, web.Page{Kind: web.Blocked, Go: "/sign-in"}).Body.String()
	if !strings.Contains(blocked, home) {
		t.Errorf("blocked: %s", blocked)
	}
	// A page with a button of its own gets no other.
	body := show(s, lang.English, web.Page{Kind: web.Lost, Go: "/sign-in"}).Body.String()
	if strings.Contains(body, `href="`+home+`"`) {
		t.Errorf("a second button: %s", body)
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
