package proxyconfig_test

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"unicode"

	"github.com/weigate/weigate/internal/config"
	"github.com/weigate/weigate/internal/gateway"
	"github.com/weigate/weigate/internal/lang"
	"github.com/weigate/weigate/internal/proxyconfig"
)

// conf returns a configuration whose url is login.example.com, with sites on the hosts.
func conf(hosts ...string) *config.Config {
	return &config.Config{URL: "https://login.example.com", Listen: "127.0.0.1:8080", Apps: []config.App{
		{App: gateway.App{ID: "grafana", Kind: gateway.AppOIDC}},
		{App: gateway.App{ID: "wiki", Kind: gateway.AppForwardAuth}, Hosts: hosts},
	}}
}

func nginxOptions(sites ...string) proxyconfig.Options {
	return proxyconfig.Options{Certificate: "/etc/ssl/{host}.pem", Key: "/etc/ssl/{host}.key", Sites: sites,
		Language: lang.English}
}

func nginxOptionsIn(language string) proxyconfig.Options {
	o := nginxOptions()
	o.Language = language
	return o
}

func nginx(t *testing.T, c *config.Config, o proxyconfig.Options) string {
	t.Helper()
	text, _, err := proxyconfig.Nginx(c, o)
	if err != nil {
		t.Fatal(err)
	}
	return text
}

func caddy(t *testing.T, c *config.Config, o proxyconfig.Options) string {
	t.Helper()
	text, _, err := proxyconfig.Caddy(c, o)
	if err != nil {
		t.Fatal(err)
	}
	return text
}

// directives returns the lines that are neither comments nor empty.
func directives(text string) []string {
	var out []string
	for line := range strings.Lines(text) {
		if line = strings.TrimSpace(line); line != "" && !strings.HasPrefix(line, "#") {
			out = append(out, line)
		}
	}
	return out
}

func read(t *testing.T, path ...string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(append([]string{"..", ".."}, path...)...))
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// TestOutputIsTheExample compares the directives that are printed for the hosts of the examples with the
// files in the folder examples: a defence of an example cannot be missing in the output.
func TestOutputIsTheExample(t *testing.T) {
	t.Parallel()
	for _, language := range lang.All() {
		o := nginxOptions("wiki.example.com=http://127.0.0.1:3000")
		o.Language = language
		got := directives(nginx(t, conf("wiki.example.com"), o))
		site, own := directives(read(t, "examples", "nginx-auth", "wiki.example.com.conf")),
			directives(read(t, "examples", "nginx-auth", "login.example.com.conf"))
		end := slices.Index(site, "server {")
		if want := slices.Concat(site[:end], own, site[end:]); !slices.Equal(got, want) {
			t.Errorf("%s: nginx\n%s\nwant\n%s", language, strings.Join(got, "\n"), strings.Join(want, "\n"))
		}
		got = directives(caddy(t, conf("wiki.example.com"), proxyconfig.Options{Language: language}))
		want := slices.Concat(directives(read(t, "examples", "caddy", "login.Caddyfile")),
			directives(read(t, "examples", "caddy", "Caddyfile")))
		if !slices.Equal(got, want) {
			t.Errorf("%s: Caddy\n%s\nwant\n%s", language, strings.Join(got, "\n"), strings.Join(want, "\n"))
		}
		below := conf()
		below.URL = "https://www.example.com/login"
		got = directives(nginx(t, below, nginxOptionsIn(language)))
		want = directives(read(t, "examples", "nginx", "www.example.com.conf"))
		if !slices.Equal(got[:len(want)], want) {
			t.Errorf("%s: below a path\n%s\nwant\n%s", language, strings.Join(got, "\n"), strings.Join(want, "\n"))
		}
	}
}

// TestOutputIsTheDocument compares the directives of the gateway's own host, and the lines for wildcard
// hosts, with docs/en/forward-auth.md.
func TestOutputIsTheDocument(t *testing.T) {
	t.Parallel()
	page := read(t, "docs", "en", "forward-auth.md")
	printed := nginx(t, conf("*.apps.example.com"), nginxOptions())
	for _, line := range directives(printed) {
		if strings.HasPrefix(line, "server_name ~") || strings.HasPrefix(line, "set $weigate_host") {
			if !strings.Contains(page, "`"+line+"`") {
				t.Errorf("docs/en/forward-auth.md has no `%s`", line)
			}
		}
	}
	if strings.Count(printed, "server_name ~") != 1 || !strings.Contains(page, "`*.apps.example.com {`") ||
		!strings.Contains(caddy(t, conf("*.apps.example.com"), proxyconfig.Options{}), "\n*.apps.example.com {\n") {
		t.Errorf("wildcards:\n%s", printed)
	}
	for language, example := range map[string]string{"nginx": "nginx-auth/login.example.com.conf",
		"caddy": "caddy/login.Caddyfile"} {
		_, block, _ := strings.Cut(page, "\n```"+language+"\n")
		block, _, _ = strings.Cut(block, "```")
		want := directives(read(t, "examples", filepath.FromSlash(example)))
		got := directives(block)
		if len(got) == 0 || !slices.Equal(got, want[:min(len(got), len(want))]) {
			t.Errorf("the page has, for %s,\n%s\nwant\n%s", language, block, strings.Join(want, "\n"))
		}
	}
}

// TestCommentsAreInOneLanguage finds comments of the examples that have no text in one of the languages.
func TestCommentsAreInOneLanguage(t *testing.T) {
	t.Parallel()
	comments := map[string]int{}
	for _, language := range lang.All() {
		o := nginxOptions()
		o.Language = language
		text := nginx(t, conf("wiki.example.com"), o) +
			caddy(t, conf("wiki.example.com"), proxyconfig.Options{Language: language})
		before := "" // blocks of comments are counted, not their lines: the languages break them differently
		for line := range strings.Lines(text) {
			line = strings.TrimSpace(line)
			if strings.HasPrefix(line, "#") {
				if !strings.HasPrefix(before, "#") {
					comments[language]++
				}
				isChinese := strings.ContainsFunc(line, func(r rune) bool { return unicode.Is(unicode.Han, r) })
				if isChinese != (language == lang.Chinese) {
					t.Errorf("%s: %s", language, line)
				}
			}
			before = line
		}
	}
	if comments[lang.English] < 15 || comments[lang.English] != comments[lang.Chinese] {
		t.Errorf("blocks of comments: %v", comments)
	}
}

// TestHostsAndPorts prints several hosts, one of them with a port, and a gateway that listens on all
// addresses.
func TestHostsAndPorts(t *testing.T) {
	t.Parallel()
	c := conf("wiki.example.com", "wiki.example.com:8443", "shop.example.com:8443")
	c.Listen = ":8081"
	o := nginxOptions("wiki.example.com=http://[::1]:4000/", "shop.example.com:8443=http://shop")
	text, warnings, err := proxyconfig.Nginx(c, o)
	if err != nil {
		t.Fatal(err)
	}
	for part, count := range map[string]int{
		"proxy_pass http://127.0.0.1:8081": 10, "listen 443 ssl;": 2, "listen 8443 ssl;": 2,
		"set $weigate_host wiki.example.com;": 1, "set $weigate_host wiki.example.com:8443;": 1,
		"ssl_certificate     /etc/ssl/wiki.example.com.pem;": 2, "map $http_upgrade": 1,
		"proxy_pass http://[::1]:4000;": 1, "proxy_pass http://shop;": 1, "proxy_pass http://127.0.0.1:3000;": 1,
		"# Change this: the address of the site. To print it: --site wiki.example.com:8443=": 1,
		"server_name login.example.com wiki.example.com;":                                    1,
		"server_name shop.example.com;\n    return 301 https://$host:8443$request_uri;":      1,
		"127.0.0.1:8080": 0,
	} {
		if got := strings.Count(text, part); got != count {
			t.Errorf("%q is there %d times, want %d", part, got, count)
		}
	}
	if len(warnings) != 1 || !strings.Contains(warnings[0].String(), "wiki.example.com:8443: ") {
		t.Errorf("warnings %v", warnings)
	}
	o.Certificate, o.Key = "", ""
	if text := caddy(t, c, o); !strings.Contains(text, "\nshop.example.com:8443 {\n") || strings.Contains(text, "tls ") ||
		!strings.Contains(text, "reverse_proxy [::1]:4000\n") || !strings.Contains(text, "reverse_proxy 127.0.0.1:8081\n") {
		t.Errorf("Caddy:\n%s", text)
	}
	o.Certificate, o.Key = "/etc/ssl/{host}.pem", "/etc/ssl/all.key"
	if text := caddy(t, c, o); !strings.Contains(text,
		"shop.example.com:8443 {\n\ttls /etc/ssl/shop.example.com.pem /etc/ssl/all.key\n") {
		t.Errorf("Caddy with a certificate:\n%s", text)
	}
}

// TestGatewayBelowAPath asks the gateway where it is: its /verify is below the path.
func TestGatewayBelowAPath(t *testing.T) {
	t.Parallel()
	c := conf("wiki.example.com")
	c.URL = "https://www.example.com:8443/a/sign-in"
	text := nginx(t, c, nginxOptions("www.example.com:8443=http://127.0.0.1:5000"))
	for _, part := range []string{"location = /a/sign-in/verify {", "location /a/sign-in/ {",
		"proxy_pass http://127.0.0.1:8080/a/sign-in/verify?cookies=stripped;", "server_name www.example.com;",
		"proxy_pass http://127.0.0.1:5000;", "listen 8443 ssl;", "return 308 $scheme://$http_host/a/sign-in/;"} {
		if !strings.Contains(text, part) {
			t.Errorf("no %q in\n%s", part, text)
		}
	}
	if strings.Contains(text, "/login") {
		t.Errorf("the path of the example is left:\n%s", text)
	}
	var refusal *proxyconfig.AdviceError
	if _, _, err := proxyconfig.Caddy(c, proxyconfig.Options{}); !errors.As(err, &refusal) {
		t.Errorf("Caddy: %v", err)
	}
}

// TestNoProxyForThisConfiguration refuses configurations with which the output would be wrong.
func TestNoProxyForThisConfiguration(t *testing.T) {
	t.Parallel()
	for want, change := range map[string]func(c *config.Config){
		"tls: ":               func(c *config.Config) { c.TLS.Certificate = "/etc/ssl/c.pem" },
		"tls: the gateway":    func(c *config.Config) { c.TLS.ACME.Enabled = true },
		"url: the address":    func(c *config.Config) { c.URL = "http://localhost:8080" },
		"url: must be a host": func(c *config.Config) { c.URL = "https://[2001:db8::1]" },
		"listen: port":        func(c *config.Config) { c.Listen = "127.0.0.1:0" },
	} {
		c := conf("wiki.example.com")
		change(c)
		for name, write := range map[string]func(*config.Config, proxyconfig.Options) (string, []lang.Message, error){
			"nginx": proxyconfig.Nginx, "Caddy": proxyconfig.Caddy} {
			if text, _, err := write(c, nginxOptions()); err == nil || text != "" || !strings.HasPrefix(err.Error(), want) {
				t.Errorf("%s: got %v, want %q", name, err, want)
			}
		}
	}
}

// injections are parts of values that begin something else in the syntax of nginx, of Caddy or of a
// comment.
var injections = []string{" ", "\t", ";", "{", "}", "$host", `"`, "'", "#", "\\", "\n", "\r", "\u2028", "\x00",
	"; return 200;", "\n}\nserver {", "{$HOME}", "{env.HOME}", "`", "(", "*", "é"}

// TestDirectiveInjectionThroughFlags puts the syntax of the proxies into every flag.
func TestDirectiveInjectionThroughFlags(t *testing.T) {
	t.Parallel()
	for _, bad := range injections {
		for flag, set := range map[string]func(o *proxyconfig.Options){
			"--certificate": func(o *proxyconfig.Options) { o.Certificate = "/etc/ssl/a" + bad + "b.pem" },
			"--key":         func(o *proxyconfig.Options) { o.Key = "/etc/ssl/a" + bad + "b.key" },
		} {
			o := nginxOptions()
			set(&o)
			refused(t, flag+" "+bad, conf("wiki.example.com"), o, flag)
		}
		for _, site := range []string{"wiki.example.com=http://127.0.0.1" + bad + ":3000",
			"wiki.example.com=http://127.0.0.1:3000" + bad, "wiki.example.com=http://127.0.0.1/" + bad,
			"wiki.example.com=http://[fe80::1%25" + bad + "]", "wiki.example.com" + bad + "=http://a"} {
			refused(t, site, conf("wiki.example.com"), nginxOptions(site), "--site")
		}
	}
	for _, upstream := range []string{"", "3000", "127.0.0.1:3000", "https://127.0.0.1", "http://", "http://u:p@127.0.0.1",
		"http://127.0.0.1:0", "http://127.0.0.1:70000", "http://127.0.0.1/wiki", "http://127.0.0.1?a", "http://127.0.0.1#a",
		"unix:/run/a", "HTTP://127.0.0.1", "http://127.0.0.1//"} {
		refused(t, upstream, conf("wiki.example.com"), nginxOptions("wiki.example.com="+upstream),
			`--site "wiki.example.com=`)
	}
	for _, file := range []string{"wiki.pem", "./wiki.pem", "~/wiki.pem", "data:x", `C:\wiki.pem`} {
		o := nginxOptions()
		o.Key = file
		refused(t, file, conf(), o, "--key")
	}
	refused(t, "only a key", conf(), proxyconfig.Options{Key: "/k"}, "--certificate is missing")
	refused(t, "only a certificate", conf(), proxyconfig.Options{Certificate: "/c"}, "--key is missing")
	refused(t, "a site twice", conf("a.example.com"),
		nginxOptions("a.example.com=http://b", "a.example.com=http://c"), "--site")
	refused(t, "an unknown site", conf("a.example.com"), nginxOptions("login.example.com=http://b"), "--site")
}

// TestDirectiveInjectionThroughTheConfiguration puts the syntax of the proxies into values that package
// config rejects, or reads for other purposes.
func TestDirectiveInjectionThroughTheConfiguration(t *testing.T) {
	t.Parallel()
	for _, bad := range injections {
		if bad != "*" { // in the middle only
			refused(t, "host "+bad, conf(bad+"wiki.example.com"), nginxOptions(), "apps.wiki.hosts")
		}
		refused(t, "host "+bad, conf("wiki"+bad+".example.com"), nginxOptions(), "apps.wiki.hosts")
		refused(t, "port "+bad, conf("wiki.example.com:8443"+bad), nginxOptions(), "apps.wiki.hosts")
		for _, address := range []string{"https://login" + bad + ".example.com", "https://login.example.com/a" + bad + "b"} {
			c := conf()
			c.URL = address
			refused(t, address, c, nginxOptions(), "url")
		}
		for _, listen := range []string{"a" + bad + "b:8080", "127.0.0.1:80" + bad, "[fe80::1%" + bad + "]:8080"} {
			c := conf()
			c.Listen = listen
			refused(t, listen, c, nginxOptions(), "listen")
		}
	}
}

// refused fails the test unless both proxies refuse the values, with an error that begins with a text.
func refused(t *testing.T, what string, c *config.Config, o proxyconfig.Options, want string) {
	t.Helper()
	for name, write := range map[string]func(*config.Config, proxyconfig.Options) (string, []lang.Message, error){
		"nginx": proxyconfig.Nginx, "Caddy": proxyconfig.Caddy} {
		text, _, err := write(c, o)
		if err == nil || text != "" || !strings.HasPrefix(err.Error(), want) {
			t.Errorf("%q, %s: got %v, want an error that begins with %q\n%s", what, name, err, want, text)
		}
	}
}
