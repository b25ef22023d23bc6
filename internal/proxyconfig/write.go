package proxyconfig

import (
	"fmt"
	"slices"
	"strings"
	"unicode"

	"github.com/weigate/weigate/examples"
	"github.com/weigate/weigate/internal/config"
	"github.com/weigate/weigate/internal/lang"
)

// This file replaces the values of the examples.

// Nginx returns a file for nginx, to include inside http {}. The warnings name values that it does not
// know.
func Nginx(conf *config.Config, o Options) (text string, warnings []lang.Message, err error) {
	p, err := newProxy(conf, o)
	if err != nil {
		return "", nil, err
	}
	site := blocks(examples.Text(examples.NginxSite))
	own := blocks(examples.Text(examples.NginxGateway))
	maps, server := strings.Join(site[:len(site)-1], ""), site[len(site)-1]
	out := []string{headings[o.Language] + "nginx\n\n"}
	if len(p.sites) > 0 {
		out = append(out, maps, "\n")
	}
	if p.path == "" {
		out = append(out, p.nginxServer(own[0], "login.example.com", p.gateway))
	} else {
		out = append(out, p.nginxServer(examples.Text(examples.NginxPath), "www.example.com", p.gateway))
	}
	out = append(out, p.nginxRedirects(own[1])...)
	for _, s := range p.sites {
		out = append(out, "\n", p.nginxServer(strings.TrimLeft(server, "\n"), "wiki.example.com", s))
	}
	return inLanguage(strings.Join(out, ""), o.Language), p.warnings, nil
}

// nginxServer returns a server block of an example for another host.
func (p *proxy) nginxServer(text, example string, s server) string {
	name, host := s.name(), s.host
	if parent, isWildcard := strings.CutPrefix(s.host, "*."); isWildcard {
		name = `~^(?<label>[a-z0-9_-]+)\.` + strings.ReplaceAll(strings.TrimPrefix(name, "*."), ".", `\.`) + "$"
		host = "$label." + parent
	}
	pairs := []string{
		"listen 443 ssl;", "listen " + s.port() + " ssl;",
		"server_name " + example + ";", "server_name " + name + ";",
		"/etc/ssl/" + example + ".pem", s.certificate, "/etc/ssl/" + example + ".key", s.key,
		"http://127.0.0.1:8080", "http://" + p.listen,
	}
	const upstream = "proxy_pass " + defaultUpstream + ";"
	switch example {
	case "wiki.example.com":
		pairs = append(pairs, upstream, p.upstream(s, "        ", upstream, "proxy_pass "+s.upstream+";"),
			"set $weigate_host "+example+";", "set $weigate_host "+host+";", "/verify?", p.path+"/verify?")
	case "www.example.com":
		pairs = append(pairs, upstream, p.upstream(s, "        ", upstream, "proxy_pass "+s.upstream+";"),
			"/login", p.path, "https://"+example, "https://"+s.host)
	}
	return replace(text, pairs...)
}

// nginxRedirects returns the servers for plain HTTP, one for each port of the hosts. A name that is there
// with two ports is redirected to the first.
func (p *proxy) nginxRedirects(text string) (out []string) {
	var ports, all []string
	names := map[string][]string{} // by port
	for _, s := range p.servers() {
		if slices.Contains(all, s.name()) {
			continue
		}
		if names[s.port()] == nil {
			ports = append(ports, s.port())
		}
		all, names[s.port()] = append(all, s.name()), append(names[s.port()], s.name())
	}
	for _, port := range ports {
		target := "https://$host"
		if port != "443" {
			target += ":" + port
		}
		out = append(out, replace(text, "login.example.com wiki.example.com", strings.Join(names[port], " "),
			"https://$host", target))
	}
	return out
}

// Caddy returns a Caddyfile. The warnings name values that it does not know.
func Caddy(conf *config.Config, o Options) (text string, warnings []lang.Message, err error) {
	p, err := newProxy(conf, o)
	if err != nil {
		return "", nil, err
	}
	if p.path != "" {
		return "", nil, &AdviceError{lang.Text("url: with the gateway below a path, only the configuration of nginx can be " +
			"printed"), lang.Text("run weigate proxy nginx; its output shows which paths go to the gateway")}
	}
	out := []string{headings[o.Language] + "caddy\n\n",
		p.caddySite(examples.Text(examples.CaddyGateway), "login.example.com", p.gateway)}
	for _, s := range p.sites {
		out = append(out, "\n", p.caddySite(examples.Text(examples.CaddySite), "wiki.example.com", s))
		if strings.HasPrefix(s.host, "*.") && s.certificate == "" {
			p.warnings = append(p.warnings, lang.Text("%s: Caddy gets a certificate for a wildcard only with the DNS "+
				"challenge; without it, add --certificate and --key", s.host))
		}
	}
	return inLanguage(strings.Join(out, ""), o.Language), p.warnings, nil
}

// caddySite returns a site block of an example for another host.
func (p *proxy) caddySite(text, example string, s server) string {
	head := s.host + " {"
	if s.certificate != "" {
		head += "\n\ttls " + s.certificate + " " + s.key
	}
	pairs := []string{example + " {", head, "127.0.0.1:8080", p.listen}
	if example == "wiki.example.com" {
		const upstream = "reverse_proxy 127.0.0.1:3000"
		pairs = append(pairs, upstream,
			p.upstream(s, "\t\t\t", upstream, "reverse_proxy "+strings.TrimPrefix(s.upstream, "http://")))
	}
	return replace(text, pairs...)
}

// upstream returns the directive with the address of a site. If the address is unknown, it returns the
// directive of the example below a comment.
func (p *proxy) upstream(s server, indent, example, directive string) string {
	if s.upstream != "" {
		return directive
	}
	return fmt.Sprintf(unknownAddress[p.language], quoted(s.host+"=http://HOST:PORT")) + "\n" + indent + example
}

// headings has, by language, the beginning of the first line.
var headings = map[string]string{
	lang.English: "# For Weigate. After a change of url, listen or hosts in weigate.yaml, print it again: weigate proxy ",
	lang.Chinese: "# 用于 Weigate。修改 weigate.yaml 里的 url、listen 或 hosts 之后，请重新生成：weigate proxy ",
}

// unknownAddress has, by language, the comment above the address of a site that was not given.
var unknownAddress = map[string]string{
	lang.English: "# Change this: the address of the site. To print it: --site %s",
	lang.Chinese: "# 请修改：网站的地址。也可以在生成时指定：--site %s",
}

// blocks splits a file after the end of each block of its highest level.
func blocks(text string) []string {
	return slices.DeleteFunc(strings.SplitAfter(text, "\n}\n"), func(block string) bool { return block == "" })
}

// replace replaces texts of an example in one pass: pairs are old and new texts. It panics if an old
// text is missing, because the example was then changed without this package.
func replace(text string, pairs ...string) string {
	for i := 0; i < len(pairs); i += 2 {
		if !strings.Contains(text, pairs[i]) {
			panic(fmt.Sprintf("no %q in the example", pairs[i]))
		}
	}
	return strings.NewReplacer(pairs...).Replace(text)
}

// inLanguage removes the comments in the other language. The examples have both.
func inLanguage(text, language string) string {
	var out strings.Builder
	for line := range strings.Lines(text) {
		comment, isComment := strings.CutPrefix(strings.TrimSpace(line), "#")
		isChinese := strings.ContainsFunc(comment, func(r rune) bool { return unicode.Is(unicode.Han, r) })
		if !isComment || comment != "" && isChinese == (language == lang.Chinese) {
			out.WriteString(line)
		}
	}
	return out.String()
}
