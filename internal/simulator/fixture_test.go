package simulator_test

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"regexp"
	"strings"
	"testing"

	"github.com/weigate/weigate/internal/simulator"
	"github.com/weigate/weigate/wechat/wechattest"
)

// fixture is a simulated WeChat with its control page, each on its own address.
type fixture struct {
	t       *testing.T
	sim     *wechattest.Server
	base    string // base URL of the simulated WeChat
	control string // base URL of the control page
}

// newSim returns a simulator and its address.
func newSim(t *testing.T, cfg wechattest.Config) (*wechattest.Server, string) {
	t.Helper()
	sim, err := wechattest.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(sim.Close)
	return sim, serve(t, sim.ServeHTTP)
}

// serve serves a handler on loopback and returns its address.
func serve(t *testing.T, handler http.HandlerFunc) string {
	t.Helper()
	server := httptest.NewServer(handler)
	t.Cleanup(server.Close)
	return server.URL
}

func writeHTML(w http.ResponseWriter, format string, v ...any) {
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	fmt.Fprintf(w, format, v...)
}

func authorizeURL(base, appid, scope, callback string) string {
	return base + "/connect/oauth2/authorize?appid=" + appid + "&redirect_uri=" + url.QueryEscape(callback) +
		"&response_type=code&scope=" + scope + "&state=abc#wechat_redirect"
}

// openQRPage requests WeChat's page with the QR code for the website app (the third default app).
func (d *fixture) openQRPage(callback, state string) {
	d.t.Helper()
	d.send("GET", d.base+"/connect/qrconnect?appid="+d.sim.Apps()[2].AppID+"&redirect_uri="+url.QueryEscape(callback)+
		"&response_type=code&scope=snsapi_login&state="+state, "")
}

func open(t *testing.T, phone *wechattest.Phone, address string) {
	t.Helper()
	if _, err := phone.Open(t.Context(), address); err != nil {
		t.Fatal(err)
	}
}

func newFixture(t *testing.T, cfg wechattest.Config) *fixture {
	t.Helper()
	sim, base := newSim(t, cfg)
	server := httptest.NewServer(simulator.New(simulator.Config{Server: sim, Hosts: []string{"sim"}}))
	t.Cleanup(server.Close)
	return &fixture{t: t, sim: sim, base: base, control: server.URL}
}

// send sends a request and follows no redirect. header is a list of names and values in turn. A
// path without a host is a path of the control page.
func (d *fixture) send(method, path, body string, header ...string) (*http.Response, string) {
	d.t.Helper()
	if !strings.HasPrefix(path, "http") {
		path = d.control + path
	}
	req, err := http.NewRequestWithContext(context.Background(), method, path, strings.NewReader(body))
	if err != nil {
		d.t.Fatal(err)
	}
	if method == http.MethodPost {
		req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	for i := 0; i+1 < len(header); i += 2 {
		if req.Header.Set(header[i], header[i+1]); header[i] == "Host" {
			req.Host = header[i+1]
		}
	}
	client := &http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	res, err := client.Do(req)
	if err != nil {
		d.t.Fatal(err)
	}
	defer func() { _ = res.Body.Close() }()
	b, err := io.ReadAll(res.Body)
	if err != nil {
		d.t.Fatal(err)
	}
	return res, string(b)
}

// frame returns the path of the frame that shows a person's phone, such as /f/TOKEN.
func (d *fixture) frame(person string) string {
	d.t.Helper()
	_, body := d.send("GET", "/phones/"+person, "")
	m := regexp.MustCompile(`src="(/f/[a-z0-9]+)/view"`).FindStringSubmatch(body)
	if m == nil {
		d.t.Fatalf("the phone page of %s has no frame", person)
	}
	return m[1]
}
