package web_test

import (
	"encoding/json"
	"image/png"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/weigate/weigate/internal/brand"
	"github.com/weigate/weigate/internal/lang"
	"github.com/weigate/weigate/internal/web"
)

const svg = `<svg xmlns="http://www.w3.org/2000/svg"><script>alert(1)</script></svg>`

// configured returns a site with every text and picture.
func configured(t testing.TB) *web.Site {
	return newSite(t, func(c *web.Config) {
		c.Home = "https://login.example.com/id/"
		c.Texts = web.SiteTexts{Title: "Example", Contact: "mailto:admin@example.com",
			PrivacyURL: "https://example.com/privacy", TermsURL: "https://example.com/terms", ICP: "ICP 1",
			ICPHosts: map[string]string{"wiki.example.com": "ICP 2"}, Police: "11010502030000",
			PoliceURL: "https://beian.mps.gov.cn/#/query/webSearch?code=11010502030000"}
		c.TextsIn = map[string]web.SiteTexts{
			lang.Chinese: {Title: "示例", Welcome: "欢迎", TermsURL: "https://example.com/zh/terms"},
		}
		c.Look = web.Look{Logo: brand.Picture{Type: "image/svg+xml", Content: svg}, Color: "#0b5cad",
			LogoDark: brand.Picture{Type: "image/png", Content: "dark"},
			Police:   brand.Picture{Type: "image/png", Content: "police"}}
	})
}

// The filing numbers and their links are on every page, errors included.
func TestEveryPageHasTheFooter(t *testing.T) {
	t.Parallel()
	s := configured(t)
	for language, wants := range map[string][]string{
		lang.English: {"Example</span>", `<a href="https://example.com/terms" rel="noreferrer">Terms</a>`},
		lang.Chinese: {"示例</span>", `<a href="https://example.com/zh/terms" rel="noreferrer">用户协议</a>`},
	} {
		wants = append(wants, `href="https://beian.miit.gov.cn/" rel="noreferrer">ICP 1</a>`,
			`href="https://beian.mps.gov.cn/#/query/webSearch?code=11010502030000"`, ` height="18">11010502030000</a>`,
			`src="https://login.example.com/id/site/police?v=`,
			`href="https://example.com/privacy"`, `src="https://login.example.com/id/site/logo?v=`,
			`srcset="https://login.example.com/id/site/logo-dark?v=`, "--main:#0b5cad")
		bodies := map[string]string{"document": write(t, s, language, listDocument("text")).Body.String()}
		for _, kind := range kinds(t) {
			bodies[string(kind)] = show(s, language, web.Page{Kind: kind}).Body.String()
		}
		for name, body := range bodies {
			for _, want := range wants {
				if !strings.Contains(body, want) {
					t.Errorf("%s in %s: no %s", name, language, want)
				}
			}
		}
	}
	if body := show(s, lang.Chinese, web.Page{Kind: web.Welcome}).Body.String(); !strings.Contains(body, "<p>欢迎</p>") {
		t.Errorf("no welcome: %s", body)
	}
}

// TestEachHostHasItsOwnNumber: each website in China shows the number of its own filing.
func TestEachHostHasItsOwnNumber(t *testing.T) {
	t.Parallel()
	s := configured(t)
	for host, want := range map[string]string{
		"wiki.example.com": "ICP 2", "Wiki.example.com:8443": "ICP 2", "login.example.com": "ICP 1",
	} {
		r, w := httptest.NewRequest(http.MethodGet, "/", nil), httptest.NewRecorder()
		r.Host = host
		s.Show(w, r, web.Page{Kind: web.Welcome})
		if !strings.Contains(w.Body.String(), ">"+want+"</a>") {
			t.Errorf("%s: no %s", host, want)
		}
	}
}

// TestPoliceNumberWithoutAPicture: the badge is the official picture, or none.
func TestPoliceNumberWithoutAPicture(t *testing.T) {
	t.Parallel()
	s := newSite(t, func(c *web.Config) {
		c.Texts = web.SiteTexts{Police: "11010502030000", PoliceURL: "https://x.example/"}
	})
	body := show(s, lang.English, web.Page{Kind: web.Welcome}).Body.String()
	if !strings.Contains(body, `<a href="https://x.example/" rel="noreferrer">11010502030000</a>`) {
		t.Errorf("no number alone: %s", body)
	}
}

// A user who cannot continue reads whom to ask.
func TestPagesWithoutAWayForwardNameTheContact(t *testing.T) {
	t.Parallel()
	s := configured(t)
	const contact = `<a href="mailto:admin@example.com" rel="noreferrer">admin@example.com</a>`
	for kind, want := range map[web.Kind]bool{
		web.Waiting: true, web.Refused: true, web.Blocked: true, web.Fault: true, web.NotFound: true, web.UnknownApp: true,
		web.Welcome: false, web.ScanCode: false,
	} {
		body := show(s, lang.English, web.Page{Kind: kind, Contact: kind == web.Waiting}).Body.String()
		if got := strings.Contains(body, contact); got != want {
			t.Errorf("%s has the contact: %v, want %v", kind, got, want)
		}
	}
}

func get(s *web.Site, address string) *httptest.ResponseRecorder {
	r := httptest.NewRequest(http.MethodGet, address, nil)
	r.Host = "evil.example.com"
	r.Header.Set("X-Forwarded-Host", "evil.example.com")
	w := httptest.NewRecorder()
	s.ServeFile(w, r)
	return w
}

// A picture cannot run a script when a browser opens its address (sebadob/rauthy#1168).
func TestPicturesHaveAPolicyOfTheirOwn(t *testing.T) {
	t.Parallel()
	s := configured(t)
	w := get(s, "/id/site/logo")
	if w.Code != 200 || w.Header().Get("Content-Type") != "image/svg+xml" || w.Body.String() != svg ||
		w.Header().Get("Content-Security-Policy") != "default-src 'none'; style-src 'unsafe-inline'; sandbox" ||
		w.Header().Get("X-Content-Type-Options") != "nosniff" {
		t.Errorf("logo: %d %v", w.Code, w.Header())
	}
	for path, size := range map[string]int{
		"/favicon.ico": 48, "/id/favicon.ico": 48, "/id/apple-touch-icon.png": 180, "/id/site/icon-192.png": 192,
		"/id/site/icon-512.png": 512,
	} {
		w := get(s, path)
		icon, err := png.DecodeConfig(w.Body)
		if err != nil || icon.Width != size || w.Header().Get("Content-Type") != "image/png" {
			t.Errorf("%s: %d pixels, %v, %v", path, icon.Width, err, w.Header())
		}
	}
	if w := get(newSite(t), "/site/logo"); w.Code != 404 {
		t.Errorf("a site without a logo: %d", w.Code)
	}
}

// Addresses in the manifest come from the configuration, not from the header Host (Zitadel
// CVE-2025-64101).
func TestManifestHasTheConfiguredAddress(t *testing.T) {
	t.Parallel()
	w := get(configured(t), "/id/site/manifest.webmanifest")
	var got struct {
		Name  string `json:"name"`
		Start string `json:"start_url"`
		Icons []struct{ Src, Sizes string }
	}
	if err := json.Unmarshal(w.Body.Bytes(), &got); err != nil || got.Name != "Example" ||
		got.Start != "https://login.example.com/id/" || len(got.Icons) != 2 ||
		!strings.HasPrefix(got.Icons[1].Src, "https://login.example.com/id/site/icon-512.png?v=") {
		t.Errorf("manifest: %s, %v", w.Body, err)
	}
	if strings.Contains(w.Body.String(), "evil") {
		t.Errorf("manifest: %s", w.Body)
	}
}
