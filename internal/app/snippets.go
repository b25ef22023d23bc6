package app

import (
	"fmt"
	"net/url"
	"strings"

	"github.com/weigate/weigate/internal/config"
	"github.com/weigate/weigate/internal/lang"
)

// This file writes the configuration that administrators copy into an app or its reverse proxy. A
// placeholder stands for the secret.

func oidcSnippet(c *config.Config, a config.App, language string) string {
	lines := []string{
		"issuer:        " + c.URL,
		"discovery:     " + c.URL + "/.well-known/openid-configuration",
		"client_id:     " + a.ID,
	}
	if !a.Public {
		lines = append(lines, "client_secret: "+fmt.Sprintf(secretNotes[language], a.ID))
	}
	scope := "scope:         openid profile"
	if a.Email.Policy == "synthetic" {
		scope += " email"
	}
	lines = append(lines, scope+scopeNotes[language])
	for _, uri := range a.RedirectURIs {
		lines = append(lines, "redirect_uri:  "+uri)
	}
	return strings.Join(lines, "\n") + "\n"
}

// secretNotes has, by language, where the secret of an app is.
var secretNotes = map[string]string{
	lang.English: "(weigate.yaml: secret or secret_file of the app %s)",
	lang.Chinese: "（weigate.yaml 里应用 %s 的 secret 或 secret_file）",
}

// scopeNotes has, by language, the scopes that only some apps need.
var scopeNotes = map[string]string{
	lang.English: " (and groups, offline_access, if the app uses groups or refresh tokens)",
	lang.Chinese: "（应用使用用户组、refresh token 时，再加 groups、offline_access）",
}

// forwardAuthSnippet returns the lines of a Caddyfile, as in examples/caddy. The example for nginx
// is too long to read on a page, so the snippet only names what to change in it.
func forwardAuthSnippet(c *config.Config, a config.App, language string) string {
	return fmt.Sprintf(`# Caddy:
%[1]s {
	handle /.weigate/* {
		reverse_proxy %[2]s
	}
	handle {
		route {
			request_header -X-Weigate-*
			request_header -X_weigate*
			forward_auth %[2]s {
				uri /verify
				copy_headers X-Weigate-User X-Weigate-Name X-Weigate-Openid X-Weigate-Unionid `+
		`X-Weigate-Groups X-Weigate-Assertion Cookie>X-Weigate-Cookie
			}
			request_header -Cookie
			@cookies header X-Weigate-Cookie *
			request_header @cookies Cookie {header.X-Weigate-Cookie}
			request_header -X-Weigate-Cookie
			reverse_proxy 127.0.0.1:3000
		}
	}
}

`+proxyNotes[language], strings.Join(a.Hosts, ", "), c.Listen, nginxNames(a.Hosts))
}

// nginxNames returns the lines about the name of the site. Only the header that the gateway reads has the
// port: server_name and the files of the certificate have none.
func nginxNames(hosts []string) string {
	var names []string
	hasPort := false
	for _, host := range hosts {
		name := (&url.URL{Host: host}).Hostname()
		hasPort = hasPort || name != host
		names = append(names, name)
	}
	lines := "#   wiki.example.com        " + strings.Join(names, " ")
	if hasPort {
		lines += "\n#   set $weigate_host       " + strings.Join(hosts, " ")
	}
	return lines
}

// proxyNotes has, by language, the end of a snippet: how to protect a site with other proxies.
var proxyNotes = map[string]string{
	lang.English: `# nginx: copy examples/nginx-auth/wiki.example.com.conf of Weigate to /etc/nginx/conf.d, and replace
%[3]s
#   127.0.0.1:8080          %[2]s (the gateway)
#   127.0.0.1:3000          the address of the site
# Traefik: examples/traefik of Weigate
`,
	lang.Chinese: `# nginx：把 Weigate 的 examples/nginx-auth/wiki.example.com.conf 复制到 /etc/nginx/conf.d，并替换：
%[3]s
#   127.0.0.1:8080          %[2]s（网关）
#   127.0.0.1:3000          网站的地址
# Traefik：见 Weigate 的 examples/traefik
`,
}

func relaySnippet(c *config.Config, a config.App, language string) string {
	lines := []string{
		"https://open.weixin.qq.com/connect/oauth2/authorize  →  " + c.URL + "/connect/oauth2/authorize",
		"https://open.weixin.qq.com/connect/qrconnect         →  " + c.URL + "/connect/qrconnect",
		"https://api.weixin.qq.com/sns/                       →  " + c.URL + "/sns/",
		"appid:  " + a.AppID,
		"secret: " + fmt.Sprintf(secretNotes[language], a.ID),
	}
	return strings.Join(lines, "\n") + "\n"
}
