package app

import (
	"fmt"
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

// forwardAuthSnippet returns the commands that print the configuration of the reverse proxy.
func forwardAuthSnippet(_ *config.Config, a config.App, language string) string {
	var sites string
	for _, host := range a.Hosts {
		site := "--site " + host + "=http://127.0.0.1:3000"
		if strings.Contains(host, "*") { // has a meaning in a shell
			site = "--site '" + host + "=http://127.0.0.1:3000'"
		}
		sites += " " + site
	}
	return fmt.Sprintf(proxyNotes[language], sites)
}

// proxyNotes has, by language, the snippet of an app with forward auth.
var proxyNotes = map[string]string{
	lang.English: `# These commands print the whole configuration of the reverse proxy, for all apps.
# In place of http://127.0.0.1:3000, write the address of the site behind the proxy.
weigate proxy nginx%[1]s
weigate proxy caddy%[1]s
# Traefik: examples/traefik of Weigate
`,
	lang.Chinese: `# 下面的命令生成反向代理的完整配置，包括所有应用。
# 把 http://127.0.0.1:3000 换成代理后面网站的地址。
weigate proxy nginx%[1]s
weigate proxy caddy%[1]s
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
