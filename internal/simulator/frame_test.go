package simulator_test

import (
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/weigate/weigate/wechat/wechattest"
)

func TestFrameShowsThePageAndFollowsItsLinks(t *testing.T) {
	t.Parallel()
	d := newFixture(t, wechattest.Config{})
	app := serve(t, func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/s.css":
			w.Header().Set("Content-Type", "text/css")
			fmt.Fprint(w, "a{b:url(p.png)}")
		case "/p.png":
			w.Header().Set("Content-Type", "image/png")
			fmt.Fprint(w, "PNG")
		case "/secret":
			fmt.Fprint(w, "not for frames")
		default:
			writeHTML(w, `%s %s %s|<script>evil()</script><a href=/two>two</a>`, r.Method, r.URL.Path, r.FormValue("q"))
		}
	})
	frame := d.frame("alice")
	if _, body := d.send("GET", frame+"/view", ""); !strings.Contains(body, "No page open") {
		t.Errorf("the phone without a page shows %q", body)
	}
	d.send("POST", "/phones/alice", url.Values{"do": {"open"},
		"at": {strings.TrimPrefix(app, "http://") + "/one"}}.Encode())
	res, body := d.send("GET", frame+"/view", "")
	if !strings.Contains(body, "GET /one ") || strings.Contains(body, "evil()") {
		t.Errorf("the frame shows %q", body)
	}
	policy := res.Header.Get("Content-Security-Policy")
	for _, part := range []string{"default-src 'none'", "sandbox allow-forms", "base-uri 'none'",
		"form-action " + d.control + frame + "/submit", "frame-ancestors " + d.control} {
		if !strings.Contains(policy, part) {
			t.Errorf("the frame's policy %q lacks %q", policy, part)
		}
	}
	// The headers that browsers send from a sandboxed frame with an opaque origin.
	foreign := []string{"Origin", "null", "Sec-Fetch-Site", "cross-site"}
	res, _ = d.send("GET", frame+"/go?u="+url.QueryEscape(app+"/two"), "", foreign...)
	if _, body = d.send("GET", res.Header.Get("Location"), ""); res.StatusCode != http.StatusSeeOther ||
		!strings.Contains(body, "GET /two ") {
		t.Errorf("a link: %d, then %q", res.StatusCode, body)
	}
	for method, want := range map[string]string{"get": "GET /f 1 2", "post": "POST /f 1 2"} {
		d.send("POST", frame+"/submit?m="+method+"&u="+url.QueryEscape(app+"/f"), "q=1+2", foreign...)
		if _, body = d.send("GET", frame+"/view", ""); !strings.Contains(body, want+"|") {
			t.Errorf("a form by %s: %q, want %q", method, body, want)
		}
	}
	if _, body = d.send("GET", frame+"/load?u="+url.QueryEscape(app+"/s.css"), ""); !strings.Contains(body,
		frame+"/load?u="+url.QueryEscape(app+"/p.png")) {
		t.Errorf("a style sheet: %q", body)
	}
	if res, body = d.send("GET", frame+"/load?u="+url.QueryEscape(app+"/p.png"), ""); body != "PNG" ||
		!strings.Contains(res.Header.Get("Content-Security-Policy"), "sandbox") {
		t.Errorf("a picture: %q with policy %q", body, res.Header.Get("Content-Security-Policy"))
	}
	for _, address := range []string{app + "/secret", app + "/one", "http://8.8.8.8/x.png", "file:///etc/passwd", ""} {
		if res, _ = d.send("GET", frame+"/load?u="+url.QueryEscape(address), ""); res.StatusCode < 400 {
			t.Errorf("the frame loaded %q", address)
		}
	}
	d.send("GET", frame+"/go?u="+url.QueryEscape("http://127.0.0.1:1/?code=PLANTED"), "")
	if _, body = d.send("GET", frame+"/view", "", "Accept-Language", "zh-CN"); !strings.Contains(body, "没有响应") ||
		strings.Contains(body, "PLANTED") {
		t.Errorf("an address without a server: %q", body)
	}
}
