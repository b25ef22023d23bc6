package cli_test

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

// rejectingWeChat starts a server that answers each code as WeChat answers an invalid one, and returns its
// URL. The check of a connector needs no more.
func rejectingWeChat(t *testing.T) string {
	t.Helper()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		_, _ = io.WriteString(w, `{"errcode": 40029}`)
	}))
	t.Cleanup(server.Close)
	return server.URL
}

// TestCheckURL runs "weigate check" for each answer of the gateway's own address.
func TestCheckURL(t *testing.T) {
	t.Parallel()
	text := func(text string) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, text) }
	}
	wechat := rejectingWeChat(t)
	for _, tt := range []struct {
		name   string
		serve  http.HandlerFunc // nil = nothing answers
		want   string           // on stdout
		failed string           // on stderr
	}{
		{name: "this gateway", want: "URL leads to this gateway",
			serve: func(w http.ResponseWriter, r *http.Request) {
				if r.URL.Path == "/.well-known/openid-configuration" {
					fmt.Fprintf(w, `{"issuer": "http://%s"}`, r.Host)
				}
			}},
		{name: "not started", want: "URL does not answer from here: start the gateway, then check again"},
		{name: "not started, behind a proxy", want: "URL: the reverse proxy does not reach the gateway (status 502): start",
			serve: func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusBadGateway) }},
		// The proxy leads to another gateway, or the gateway still runs with an older url.
		{name: "another gateway", serve: text(`{"issuer": "https://old.example.com"}`),
			failed: "url: URL leads to a server with the issuer https://old.example.com"},
		// A proxy that redirects http to https in front of a gateway whose url is http (tinyauth#25).
		{name: "a redirect", serve: http.RedirectHandler("https://x.example/?code=secret", http.StatusFound).ServeHTTP,
			failed: "url: URL redirects to https://x.example\n"},
		// A CDN that requests http, in front of a proxy that redirects http to https.
		{name: "a redirect to itself", serve: func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, "http://"+r.Host+r.URL.Path, http.StatusMovedPermanently)
		}, failed: "url: URL redirects to itself\nweigate: hint: the CDN or outer proxy uses http"},
		{name: "a sign-in in front", serve: http.RedirectHandler("/login", http.StatusFound).ServeHTTP,
			failed: "answers with status 302, and not as this gateway"},
		// A cloud's page for hosts without an ICP filing, and the welcome page of nginx.
		{name: "a page", serve: text("<html>网站暂时无法访问</html>"),
			failed: "answers with status 200, and not as this gateway"},
		{name: "a missing page", serve: http.NotFound, failed: "answers with status 404, and not as this gateway"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				if tt.serve == nil {
					panic(http.ErrAbortHandler)
				}
				tt.serve(w, r)
			}))
			defer server.Close()
			conf := everyKind()
			set(conf, "url", 0, server.URL)
			set(conf, "listen", 0, "127.0.0.1:0")
			set(conf, "wechat[].api", 0, wechat)
			delete(conf, "notify")
			out, errs := checkOf(t, t.TempDir(), conf)
			want, failed := strings.ReplaceAll(tt.want, "URL", server.URL), strings.ReplaceAll(tt.failed, "URL",
				server.URL)
			if !strings.Contains(out, want) || !strings.Contains(errs, failed) || failed == "" &&
				strings.Contains(errs, "url:") {
				t.Errorf("got\n%s%s", out, errs)
			}
		})
	}
}

// TestCheckListeners runs "weigate check" with addresses that are free, in use by another program, in
// use by the gateway itself, and not of this machine.
func TestCheckListeners(t *testing.T) {
	t.Parallel()
	gateway := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/healthz" {
			w.WriteHeader(http.StatusNotFound)
		}
	}))
	t.Cleanup(gateway.Close)
	other := httptest.NewServer(http.NotFoundHandler())
	t.Cleanup(other.Close)
	address := func(s *httptest.Server) string { return strings.TrimPrefix(s.URL, "http://") }
	wechat := rejectingWeChat(t)
	for _, tt := range []struct{ listen, metrics, want, failed string }{
		{listen: "127.0.0.1:0", want: "listen         127.0.0.1:0 is free"},
		{listen: address(gateway), want: "listen         " + address(gateway) + ": the gateway runs"},
		{listen: address(other), failed: "listen on " + address(other) + ": address already in use\nweigate: hint: " +
			"stop the other program, or set another address with listen"},
		{listen: "127.0.0.1:0", metrics: address(other), failed: "set another address with metrics"},
		{listen: "192.0.2.1:8080", failed: "listen on 192.0.2.1:8080: "},
	} {
		conf := everyKind()
		set(conf, "url", 0, "http://127.0.0.1:1")
		set(conf, "listen", 0, tt.listen)
		set(conf, "metrics", 0, tt.metrics)
		set(conf, "wechat[].api", 0, wechat)
		delete(conf, "notify")
		out, errs := checkOf(t, t.TempDir(), conf)
		if !strings.Contains(out, tt.want) || !strings.Contains(errs, tt.failed) ||
			tt.failed == "" && strings.Contains(errs, "listen") {
			t.Errorf("listen %s, metrics %s:\n%s%s", tt.listen, tt.metrics, out, errs)
		}
	}
}
