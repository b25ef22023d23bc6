package app

import (
	"cmp"
	"context"
	"fmt"
	"log/slog"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/weigate/weigate/internal/administration"
	"github.com/weigate/weigate/internal/config"
	"github.com/weigate/weigate/internal/gateway"
	"github.com/weigate/weigate/internal/lang"
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
	out := administration.App{App: a.App, Snippets: map[string]string{}}
	set := func(key string, values ...string) {
		if text := strings.Join(values, ", "); text != "" {
			out.Settings = append(out.Settings, administration.Setting{Key: key, Value: text})
		}
	}
	set("access", describeAccess(a.Access))
	set("methods", providedMethods(c, a)...)
	if len(a.Secrets) > 0 {
		set("secret", fmt.Sprintf("%d configured", len(a.Secrets)))
	}
	set("home_url", a.HomeURL)
	var snippet func(c *config.Config, a config.App, language string) string
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
		snippet = oidcSnippet
	case gateway.AppForwardAuth:
		set("hosts", a.Hosts...)
		snippet = forwardAuthSnippet
	case gateway.AppRelay:
		set("appid", a.AppID)
		set("connector", a.Connector)
		set("website_connector", a.WebsiteConnector)
		set("return_urls", a.ReturnURLs...)
		snippet = relaySnippet
	}
	for _, language := range lang.All() {
		out.Snippets[language] = snippet(c, a, language)
	}
	return out
}

// providedMethods returns the sign-in methods of an app that a connector provides. Without a setting of its
// own, an app allows the others too, for connectors that may come.
func providedMethods(c *config.Config, a config.App) (out []string) {
	for _, method := range a.Methods {
		if slices.ContainsFunc(c.WeChat, func(conn config.Connector) bool {
			return slices.Contains(conn.Methods(), method)
		}) {
			out = append(out, method)
		}
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
