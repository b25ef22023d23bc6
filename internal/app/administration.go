package app

import (
	"cmp"
	"context"
	"fmt"
	"log/slog"
	"os"
	"strings"
	"time"

	"github.com/weigate/weigate/internal/administration"
	"github.com/weigate/weigate/internal/config"
	"github.com/weigate/weigate/internal/gateway"
)

// AdministrationOptions are the parts of [NewAdministration] that do not come from the
// configuration.
type AdministrationOptions struct {
	Store      administration.Store // required
	MasterKeys []string             // ids of the master keys, the current one first; nil = unknown
	Logger     *slog.Logger         // nil = no log

	// TestNotice queues a test message to a receiver of notices; nil = not possible.
	TestNotice func(ctx context.Context, name string) error
	Now        func() time.Time // nil = time.Now

	// Certificates returns the certificates of the gateway; nil = unknown.
	Certificates func(ctx context.Context) []administration.Certificate
}

// NewAdministration returns the administration of the gateway with this configuration. The gateway
// and the command line use it.
func NewAdministration(c *config.Config, o AdministrationOptions) (*administration.Service, error) {
	cfg := administration.Config{
		Store: o.Store, URL: c.URL, MasterKeys: o.MasterKeys, Zone: c.Site.TimeZone,
		TestNotice: o.TestNotice, Logger: o.Logger, Now: o.Now, Certificates: o.Certificates,
	}
	for _, n := range c.Notify {
		cfg.Notices = append(cfg.Notices, n.Name)
	}
	// A master key in the configuration itself has no file, and so no time.
	if file, err := os.Stat(c.MasterKeyFile); err == nil && c.MasterKey == "" {
		cfg.MasterKeyAt = file.ModTime()
	}
	for _, a := range c.Apps {
		cfg.Apps = append(cfg.Apps, administeredApp(c, a))
	}
	for _, conn := range c.WeChat {
		cfg.Connectors = append(cfg.Connectors, administration.Connector{
			Name: conn.Name, Kind: conn.Kind, AppID: conn.AppID, OpenPlatform: conn.OpenPlatform,
		})
	}
	return administration.New(cfg)
}

// administeredApp returns an app without its secrets.
func administeredApp(c *config.Config, a config.App) administration.App {
	out := administration.App{App: a.App}
	set := func(key string, values ...string) {
		if text := strings.Join(values, ", "); text != "" {
			out.Settings = append(out.Settings, administration.Setting{Key: key, Value: text})
		}
	}
	set("access", describeAccess(a.Access))
	set("methods", a.Methods...)
	if len(a.Secrets) > 0 {
		set("secret", fmt.Sprintf("%d configured", len(a.Secrets)))
	}
	set("home_url", a.HomeURL)
	switch a.Kind {
	case gateway.AppOIDC:
		if a.Public {
			set("public", "true")
		}
		set("redirect_uris", a.RedirectURIs...)
		set("post_logout_redirect_uris", a.PostLogoutRedirectURIs...)
		set("subject", a.Subject)
		set("id_token_alg", a.IDTokenAlg)
		set("email", strings.TrimSpace(a.Email.Policy+" "+a.Email.Domain))
		out.Snippet = oidcSnippet(c, a)
	case gateway.AppForwardAuth:
		set("hosts", a.Hosts...)
		out.Snippet = forwardAuthSnippet(c, a)
	case gateway.AppRelay:
		set("appid", a.AppID)
		set("connector", a.Connector)
		set("website_connector", a.WebsiteConnector)
		set("return_urls", a.ReturnURLs...)
		out.Snippet = relaySnippet(c, a)
	}
	return out
}

// describeAccess describes an access rule without the ids on its lists: openids do not belong on
// pages.
func describeAccess(r gateway.AccessRule) string {
	if r.Rule != gateway.AccessListed {
		return string(r.Rule)
	}
	var parts []string
	count := func(n int, what string) {
		if n > 0 {
			parts = append(parts, fmt.Sprintf("%s: %d", what, n))
		}
	}
	count(len(r.Users), "users")
	count(len(r.OpenIDs), "openids")
	count(len(r.UnionIDs), "unionids")
	if len(r.Groups) > 0 {
		parts = append(parts, "groups: "+strings.Join(r.Groups, " "))
	}
	return cmp.Or(strings.Join(parts, "; "), "nobody")
}

// The snippets of configuration have a placeholder for the secret.

func oidcSnippet(c *config.Config, a config.App) string {
	lines := []string{
		"issuer:        " + c.URL,
		"discovery:     " + c.URL + "/.well-known/openid-configuration",
		"client_id:     " + a.ID,
	}
	if !a.Public {
		lines = append(lines, "client_secret: (weigate.yaml: apps."+a.ID+".secret)")
	}
	lines = append(lines, "scope:         openid profile")
	for _, uri := range a.RedirectURIs {
		lines = append(lines, "redirect_uri:  "+uri)
	}
	return strings.Join(lines, "\n") + "\n"
}

// forwardAuthSnippet returns the lines of a Caddyfile, as in examples/caddy. The example for nginx
// is too long to read on a page, so the snippet only names what to change in it.
func forwardAuthSnippet(c *config.Config, a config.App) string {
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

# nginx: copy examples/nginx-auth/wiki.example.com.conf of Weigate to /etc/nginx/conf.d, and replace
#   wiki.example.com        %[3]s
#   127.0.0.1:8080          %[2]s (the gateway)
#   127.0.0.1:3000          the address of the site
# Traefik: examples/traefik of Weigate
`, strings.Join(a.Hosts, ", "), c.Listen, strings.Join(a.Hosts, " "))
}

func relaySnippet(c *config.Config, a config.App) string {
	lines := []string{
		"https://open.weixin.qq.com/connect/oauth2/authorize  →  " + c.URL + "/connect/oauth2/authorize",
		"https://open.weixin.qq.com/connect/qrconnect         →  " + c.URL + "/connect/qrconnect",
		"https://api.weixin.qq.com/sns/                       →  " + c.URL + "/sns/",
		"appid:  " + a.AppID,
		"secret: (weigate.yaml: apps." + a.ID + ".secret)",
	}
	return strings.Join(lines, "\n") + "\n"
}
