package cli_test

import (
	"bytes"
	"cmp"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/netip"
	"net/url"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/weigate/weigate/internal/keys"
	"github.com/weigate/weigate/internal/leaktest"
	"github.com/weigate/weigate/internal/proxycheck"
	"github.com/weigate/weigate/internal/route"
)

// proxied is a gateway behind a reverse proxy: its metadata, and what "weigate check" requests.
func proxied(
	t *testing.T, sealer *keys.Sealer, settings, trusted string, change func(*httputil.ReverseProxy),
) string {
	t.Helper()
	var networks []netip.Prefix
	for network := range strings.SplitSeq(trusted, ", ") {
		networks = append(networks, netip.MustParsePrefix(network))
	}
	mux := route.NewMux()
	front := httptest.NewUnstartedServer(nil)
	t.Cleanup(front.Close)
	address := "http://" + front.Listener.Addr().String()
	mux.HandleFunc("GET /.well-known/openid-configuration", func(w http.ResponseWriter, _ *http.Request) {
		fmt.Fprintf(w, `{"issuer": %q}`, address)
	}, route.LimitedOther)
	mux.Handle("GET "+proxycheck.Path, proxycheck.Handler(sealer, []byte(settings), false, time.Now, http.NotFound),
		route.LimitedOther)
	router, err := route.New(route.Config{
		Mux: mux, CookiePrefixes: []string{"weigate"}, TrustedProxies: networks,
		Origin: address, Fail: func(w http.ResponseWriter, _ *http.Request, _ route.Failure) { w.WriteHeader(500) },
	})
	if err != nil {
		t.Fatal(err)
	}
	gateway := httptest.NewServer(router.Wrap(mux))
	t.Cleanup(gateway.Close)
	target, err := url.Parse(gateway.URL)
	if err != nil {
		t.Fatal(err)
	}
	proxy := &httputil.ReverseProxy{Rewrite: func(r *httputil.ProxyRequest) {
		r.SetURL(target)
		r.Out.Host = r.In.Host
		r.Out.Header.Set("X-Forwarded-For", "198.51.100.9")
		r.Out.Header.Set("X-Forwarded-Proto", "http")
	}}
	if change != nil {
		change(proxy)
	}
	front.Config.Handler = proxy
	front.Start()
	return address
}

// proxyMistake is a mistake of a proxy, and what "weigate check" prints about it.
type proxyMistake struct {
	name    string
	change  func(*httputil.ReverseProxy)
	trusted string // by the running gateway; "" = the proxy
	// settings is the digest of the connectors that the running gateway has; "" = an older gateway
	settings string
	file     string // trusted by the configuration; "" = as by the running gateway
	want     string // on stdout
	failed   string // on stderr
}

// onRequest returns a change of a proxy that changes the requests to the gateway.
func onRequest(change func(*http.Request)) func(*httputil.ReverseProxy) {
	return func(p *httputil.ReverseProxy) {
		rewrite := p.Rewrite
		p.Rewrite = func(r *httputil.ProxyRequest) {
			rewrite(r)
			change(r.Out)
		}
	}
}

// appendsClient returns a change of a proxy that appends the address of its client to X-Forwarded-For, like
// nginx with $proxy_add_x_forwarded_for.
func appendsClient(address string) func(*httputil.ReverseProxy) {
	return func(p *httputil.ReverseProxy) {
		rewrite := p.Rewrite
		p.Rewrite = func(r *httputil.ProxyRequest) {
			rewrite(r)
			r.Out.Header.Set("X-Forwarded-For", strings.Join(append(r.In.Header["X-Forwarded-For"], address), ", "))
		}
	}
}

// onResponse returns a change of a proxy that changes the responses of the gateway.
func onResponse(change func(*http.Response)) func(*httputil.ReverseProxy) {
	return func(p *httputil.ReverseProxy) {
		p.ModifyResponse = func(r *http.Response) error { change(r); return nil }
	}
}

// trustMistakes returns the cases about trusted_proxies.
func trustMistakes() []proxyMistake {
	return []proxyMistake{
		{name: "a proxy missing in trusted_proxies", trusted: "192.0.2.1/32",
			failed: "proxy: the gateway takes the reverse proxy 127.0.0.1 for the client\nweigate: hint: if nothing else " +
				"reaches the gateway from its address, add it to trusted_proxies"},
		{name: "a proxy added to trusted_proxies, before the reload", trusted: "192.0.2.1/32", file: "127.0.0.1/32",
			failed: "proxy: the running gateway does not trust the proxy 127.0.0.1\nweigate: hint: trusted_proxies in the " +
				"file has its address: reload the gateway"},
		{name: "a proxy that reports no client, removed from trusted_proxies before the reload", file: "192.0.2.1/32",
			change: onRequest(func(r *http.Request) { r.Header["X-Forwarded-For"] = nil }),
			failed: "proxy: the reverse proxy 127.0.0.1 does not report its clients"},
		{name: "a proxy that reports no client",
			change: onRequest(func(r *http.Request) { r.Header["X-Forwarded-For"] = nil }),
			failed: "proxy: the reverse proxy 127.0.0.1 does not report its clients\nweigate: hint: let it set " +
				"X-Forwarded-For"},
		{name: "nginx without proxy_set_header X-Forwarded-For, which passes the browser's on",
			change: func(p *httputil.ReverseProxy) {
				rewrite := p.Rewrite
				p.Rewrite = func(r *httputil.ProxyRequest) {
					rewrite(r)
					r.Out.Header.Del("X-Forwarded-Proto")
					r.Out.Header["X-Forwarded-For"] = r.In.Header["X-Forwarded-For"]
				}
			},
			failed: "proxy: visitors can choose the IP address that the gateway takes for theirs: a header " +
				"X-Forwarded-For of the browser reaches it through 127.0.0.1\nweigate: hint: let the proxy replace"},
		{name: "a proxy that sends no headers of its own", change: onRequest(func(r *http.Request) {
			r.Header["X-Forwarded-For"] = nil
			r.Header.Del("X-Forwarded-Proto")
		}), failed: "proxy: the reverse proxy 127.0.0.1 does not report its clients"},
		{name: "a proxy that appends, on this machine", change: appendsClient("127.0.0.1"),
			want: "pages and cookies pass unchanged; the gateway sees this machine as 127.0.0.1"},
		{name: "a proxy that appends, in front of one that is trusted too", trusted: "127.0.0.1/32, 203.0.113.20/32",
			change: appendsClient("203.0.113.20"), failed: "proxy: visitors can choose the IP address"},
		{name: "two proxies",
			change: onRequest(func(r *http.Request) { r.Header.Set("X-Forwarded-For", "198.51.100.9, 203.0.113.20") }),
			failed: "proxy: the gateway takes 203.0.113.20 for the client, and it is another proxy\nweigate: hint: if it is " +
				"yours, add its address to trusted_proxies too; for a CDN, add all its addresses"},
		{name: "two proxies, before the reload", trusted: "127.0.0.1/32", file: "127.0.0.1/32, 203.0.113.20/32",
			change: onRequest(func(r *http.Request) { r.Header.Set("X-Forwarded-For", "198.51.100.9, 203.0.113.20") }),
			failed: "proxy: the running gateway does not trust the proxy 203.0.113.20\n"},
	}
}

// proxyMistakes returns the cases about headers, cookies and pages.
func proxyMistakes() []proxyMistake {
	var recorded http.Header // of the first response, for the cache
	return []proxyMistake{
		{name: "a right proxy",
			want: "proxy          pages and cookies pass unchanged; the gateway sees this machine as 198.51.100.9"},
		{name: "an AppSecret that was corrected, before the reload", settings: "another digest",
			want:   "pages and cookies pass unchanged",
			failed: "warning: wechat: the running gateway still has other connectors or AppSecrets than the file: reload"},
		{name: "nginx that reports the client twice",
			change: onRequest(func(r *http.Request) { r.Header.Set("X-Forwarded-For", "198.51.100.9, 198.51.100.9") }),
			want:   "pages and cookies pass unchanged; the gateway sees this machine as 198.51.100.9"},
		{name: "a proxy that drops the port of Host",
			change: onRequest(func(r *http.Request) { r.Host, _, _ = strings.Cut(r.Host, ":") }),
			want:   "pages and cookies pass unchanged"},
		{name: "a proxy that sends a Host of its own", want: "pages and cookies pass unchanged",
			change: onRequest(func(r *http.Request) { r.Host = "upstream.internal" }),
			failed: "warning: proxy: the reverse proxy changes the header Host from HOST to upstream.internal"},
		{name: "a CDN that adds a script",
			change: onResponse(func(r *http.Response) {
				body, _ := io.ReadAll(r.Body)
				body = bytes.Replace(body, []byte("<script src"), []byte(`<script type="x-text/javascript" src`), 1)
				r.Body, r.ContentLength = io.NopCloser(bytes.NewReader(body)), int64(len(body))
				r.Header.Set("Content-Length", fmt.Sprint(len(body)))
			}),
			failed: "proxy: a CDN or reverse proxy changes the pages of the gateway\nweigate: hint: switch off everything " +
				"that rewrites pages, such as Rocket Loader"},
		{name: "a proxy with a policy of its own",
			change: onResponse(func(r *http.Response) { r.Header.Add("Content-Security-Policy", "default-src *") }),
			failed: "proxy: a CDN or reverse proxy changes the header Content-Security-Policy"},
		{name: "a proxy without Cookie", change: onRequest(func(r *http.Request) { r.Header.Del("Cookie") }),
			failed: "proxy: a CDN or reverse proxy does not pass on cookies"},
		{name: "a proxy without Set-Cookie", change: onResponse(func(r *http.Response) { r.Header.Del("Set-Cookie") }),
			failed: "proxy: a CDN or reverse proxy does not pass on cookies"},
		{name: "a cache", change: onResponse(func(r *http.Response) {
			if value := r.Header.Get("Weigate-Check"); value != "" && recorded == nil {
				recorded = http.Header{"Weigate-Check": {value}}
			}
			if r.Header.Get("Weigate-Check") != "" {
				r.Header.Set("Weigate-Check", recorded.Get("Weigate-Check"))
			}
		}), want: "pages and cookies pass unchanged", // the first time
		},
		{name: "a proxy that removes the header of the response",
			change: onResponse(func(r *http.Response) { r.Header.Del("Weigate-Check") }),
			want:   "proxy          not checked: a proxy removes the response header Weigate-Check"},
		{name: "a proxy that removes the header of the request",
			change: onRequest(func(r *http.Request) { r.Header.Del("Weigate-Check") }),
			want: "proxy          not checked: the running gateway has another version or master key, its clock is wrong, " +
				"or a proxy removes the request header Weigate-Check"},
		{name: "a firewall", change: onResponse(func(r *http.Response) {
			if r.Header.Get("Weigate-Check") != "" {
				r.StatusCode, r.Header = http.StatusForbidden, http.Header{}
			}
		}), want: "proxy          not checked: HTTP status 403 instead of an answer"},
	}
}

// TestCheckFindsMistakesOfProxies runs "weigate check" behind a reverse proxy with each mistake of the
// field: tinyauthapp/tinyauth#25 and #384, logto-io/logto#9297 and #5569, sebadob/rauthy#1052, and
// Cloudflare's Rocket Loader (pocket-id, common issues).
func TestCheckFindsMistakesOfProxies(t *testing.T) {
	t.Parallel()
	wechat := rejectingWeChat(t)
	for _, tt := range append(trustMistakes(), proxyMistakes()...) {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			dir, conf := t.TempDir(), everyKind()
			sealer, _, err := keys.LoadOrCreate(filepath.Join(dir, "weigate.key"))
			if err != nil {
				t.Fatal(err)
			}
			trusted := cmp.Or(tt.trusted, "127.0.0.1/32")
			address := proxied(t, sealer, tt.settings, trusted, tt.change)
			set(conf, "url", 0, address)
			set(conf, "listen", 0, "127.0.0.1:0")
			set(conf, "trusted_proxies", 0, strings.Split(cmp.Or(tt.file, trusted), ", "))
			set(conf, "master_key_file", 0, filepath.Join(dir, "weigate.key"))
			conf["wechat"] = []object{{"name": "main", "kind": "official_account", "appid": "wx0123456789abcdef",
				"secret": leaktest.Secret, "api": wechat}}
			delete(conf, "notify")
			failed := strings.ReplaceAll(tt.failed, "HOST", strings.TrimPrefix(address, "http://"))
			out, errs := checkOf(t, dir, conf)
			if !strings.Contains(out, tt.want) || !strings.Contains(errs, failed) || failed == "" &&
				strings.Contains(errs, ": proxy: ") {
				t.Errorf("got\n%s%s", out, errs)
			}
			if tt.name != "a cache" {
				return
			}
			if _, errs = checkOf(t, dir, conf); !strings.Contains(errs, "a cache between browsers and the gateway") {
				t.Errorf("the second time, got\n%s", errs)
			}
		})
	}
}
