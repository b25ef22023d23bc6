package app_test

import (
	"html"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"regexp"
	"strings"
	"testing"

	"github.com/weigate/weigate/internal/config"
	"github.com/weigate/weigate/internal/fixture"
	"github.com/weigate/weigate/wechat"
)

const (
	uaDesktop = "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 Chrome/140.0 Safari/537.36"
	uaPhone   = "Mozilla/5.0 (iPhone; CPU iPhone OS 18_0 like Mac OS X) AppleWebKit/605.1.15 Mobile/15E148 Safari/604.1"
)

// plainBrowser is a browser that is not WeChat's. It follows redirects and stores cookies.
type plainBrowser struct {
	w       *gatewayFixture
	agent   string
	headers http.Header
	jar     http.CookieJar

	url    string // of the page
	status int
	body   string
	hops   []string
}

func (w *gatewayFixture) plainBrowser(agent string) *plainBrowser {
	jar, err := cookiejar.New(nil)
	if err != nil {
		w.t.Fatal(err)
	}
	return &plainBrowser{w: w, agent: agent, jar: jar, headers: http.Header{"Accept-Language": {"en"}}}
}

// tab returns another tab of the same browser.
func (s *plainBrowser) tab() *plainBrowser {
	return &plainBrowser{w: s.w, agent: s.agent, jar: s.jar, headers: s.headers.Clone()}
}

// open requests an address, which may be relative to the page.
func (s *plainBrowser) open(address string) *plainBrowser {
	s.w.t.Helper()
	if base, err := url.Parse(s.url); err == nil && s.url != "" {
		to, err := base.Parse(address)
		if err != nil {
			s.w.t.Fatal(err)
		}
		address = to.String()
	}
	r, err := http.NewRequestWithContext(s.w.t.Context(), http.MethodGet, address, nil)
	if err != nil {
		s.w.t.Fatal(err)
	}
	s.send(r)
	return s
}

func (s *plainBrowser) send(r *http.Request) {
	s.w.t.Helper()
	r.Header = s.headers.Clone()
	r.Header.Set("User-Agent", s.agent)
	r.Header.Set("Accept", "text/html")
	if r.Method == http.MethodPost {
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		r.Header.Set("Sec-Fetch-Site", "same-origin")
	}
	s.hops = []string{r.URL.String()}
	client := &http.Client{Transport: localhost, Jar: s.jar}
	client.CheckRedirect = func(next *http.Request, _ []*http.Request) error {
		s.hops = append(s.hops, next.URL.String())
		if len(s.hops) > 12 {
			s.w.t.Errorf("redirect loop: %v", s.hops)
			return http.ErrUseLastResponse
		}
		return nil
	}
	res, err := client.Do(r)
	if err != nil {
		s.w.t.Fatal(err)
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	if err != nil {
		s.w.t.Fatal(err)
	}
	s.url, s.status, s.body = res.Request.URL.String(), res.StatusCode, string(body)
	if _, page, found := strings.Cut(s.body, "</head>"); found && !strings.Contains(s.body, "<noscript>") {
		s.body = page // without the style sheet, for the reports
	}
}

// link returns the target of the link with this id, or "".
func (s *plainBrowser) link(id string) string {
	m := regexp.MustCompile(`<a [^>]*id="` + regexp.QuoteMeta(id) + `" href="([^"]*)"`).FindStringSubmatch(s.body)
	if m == nil {
		return ""
	}
	return html.UnescapeString(m[1])
}

func (s *plainBrowser) press(id string) *plainBrowser {
	s.w.t.Helper()
	to := s.link(id)
	if to == "" {
		s.w.t.Fatalf("no link %q on the page at %s: %s", id, s.url, s.body)
	}
	return s.open(to)
}

func (s *plainBrowser) want(kind string, status int) *plainBrowser {
	s.w.t.Helper()
	if s.status != status || !strings.Contains(s.body, `" id="`+kind+`"`) {
		s.w.t.Fatalf("the browser is at %s (%d), want page %s with %d; redirects: %v: %s", s.url, s.status, kind, status,
			s.hops, s.body)
	}
	return s
}

func (s *plainBrowser) at(prefix string) *plainBrowser {
	s.w.t.Helper()
	if !strings.HasPrefix(s.url, prefix) {
		s.w.t.Fatalf("the browser is at %s (%d), want %s; redirects: %v: %s", s.url, s.status, prefix, s.hops, s.body)
	}
	return s
}

// confirmed lets a user scan WeChat's QR code on the page and confirm, and follows the redirect of
// WeChat's page.
func (s *plainBrowser) confirmed(user string) *plainBrowser {
	s.w.t.Helper()
	s.scanned(phone{fixture.Phone{Phone: s.w.wechat.Phone(user).Tab(), T: s.w.t}}, true)
	m := regexp.MustCompile(`<noscript><meta http-equiv="refresh" content="3;url=([^"]*)"`).FindStringSubmatch(s.body)
	if m == nil {
		s.w.t.Fatalf("no page with a code: %s", s.body)
	}
	return s.open(html.UnescapeString(m[1]))
}

// scanned lets a phone scan WeChat's QR code on the page, and then allow or deny.
func (s *plainBrowser) scanned(p phone, yes bool) {
	s.w.t.Helper()
	s.at(s.w.wechat.URL + "/connect/qrconnect")
	for _, code := range s.w.wechat.QRCodes() {
		if !strings.Contains(s.body, code.UUID) {
			continue
		}
		p.Must(p.Scan(s.w.t.Context(), code.Link))
		if yes {
			p.Must(p.Allow(s.w.t.Context()))
		} else {
			p.Must(p.Deny(s.w.t.Context()))
		}
		return
	}
	s.w.t.Fatalf("no code on the page at %s", s.url)
}

const websiteID = "wx3eb517e000000003"

// withWebsite adds WeChat's website app, in the group of the official account.
func withWebsite(w *gatewayFixture) {
	w.sendUnionIDs()
	site := w.config.WeChat[0]
	for _, a := range w.wechat.Apps() {
		if a.AppID == websiteID {
			site.Name, site.Kind, site.AppID, site.Secret = "site", config.Website, a.AppID, wechat.Secret(a.Secret)
		}
	}
	w.config.WeChat = append(w.config.WeChat, site)
	for i := range w.config.Apps {
		// Without scan: with two QR codes the user would have to choose.
		w.config.Apps[i].Methods = []string{"wechat", "website"}
	}
}

// onlyWebsite leaves the website app as the only connector.
func onlyWebsite(w *gatewayFixture) {
	withWebsite(w)
	w.config.WeChat = w.config.WeChat[1:]
}

func methods(t *testing.T, names ...string) option {
	t.Helper()
	return func(w *gatewayFixture) { w.config.Apps[0].Methods = names }
}

// submit sends the form that goes to a path of the gateway, with its hidden fields.
func (s *plainBrowser) submit(path string, fill url.Values) *plainBrowser {
	s.w.t.Helper()
	m := regexp.MustCompile(`(?s)<form(?: class="(?:answer|give|form)")? method="post" action="([^"]*` +
		regexp.QuoteMeta(path) + `[^"]*)">(.*?)</form>`).FindStringSubmatch(s.body)
	if m == nil {
		s.w.t.Fatalf("no form for %s: %s", path, s.body)
	}
	values := url.Values{}
	for _, field := range regexp.MustCompile(`<input type="hidden" name="([^"]*)" value="([^"]*)">`).FindAllStringSubmatch(
		m[2], -1) {
		values.Set(field[1], html.UnescapeString(field[2]))
	}
	for name, v := range fill {
		values[name] = v
	}
	base, err := url.Parse(s.url)
	if err != nil {
		s.w.t.Fatal(err)
	}
	to, err := base.Parse(html.UnescapeString(m[1]))
	if err != nil {
		s.w.t.Fatal(err)
	}
	r, err := http.NewRequestWithContext(s.w.t.Context(), http.MethodPost, to.String(),
		strings.NewReader(values.Encode()))
	if err != nil {
		s.w.t.Fatal(err)
	}
	s.send(r)
	return s
}
