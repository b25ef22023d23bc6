package config

import (
	"net/netip"
	"strings"
	"time"

	"github.com/weigate/weigate/internal/gateway"
	"github.com/weigate/weigate/wechat"
)

// Config is the gateway's configuration with its defaults. Its secrets are of type [wechat.Secret]
// and print as [redacted].
type Config struct {
	URL      string // base URL in browsers, without a final slash: issuer, callback and cookies; may have a path
	Listen   string // host:port
	Metrics  string // host:port for metrics, /healthz and /readyz; "" = none
	Insecure bool   // allows plain http on addresses that are not loopback

	Store         wechat.Secret // sqlite:PATH or postgres://…, which may contain a password; see StoreName
	MasterKey     wechat.Secret // from WEIGATE_MASTER_KEY; "" = in MasterKeyFile
	MasterKeyFile string        // created at the first start

	TrustedProxies []netip.Prefix // proxies whose X-Forwarded headers are trusted
	Session        Session
	ProfileMaxAge  time.Duration // age at which nickname and avatar are requested again
	VerifyCache    time.Duration // how long a decision for a proxy may be cached; 0 = not at all
	VerifyFiles    []string      // names of WeChat's ownership files, MP_verify_xxx.txt; xxx is the content of each
	Site           Site
	Events         Events
	Log            Log

	WeChat []Connector // at least one
	Apps   []App       // may be empty

	Warnings Problems // in the order of the file
}

// Session limits how long users stay signed in.
type Session struct {
	Idle time.Duration // since the last request
	Max  time.Duration // since the sign-in
}

// Site configures the gateway's pages.
type Site struct {
	Title      string // "" = Weigate
	Footer     string
	PrivacyURL string // "" = no link
	Agreement  bool   // users must agree to PrivacyURL before they sign in
	ICP        string // 备案号, shown in the footer
}

// Events configures the event log.
type Events struct {
	Keep time.Duration
}

// Log configures the log output.
type Log struct {
	Format string // "text" or "json"
	Level  string // "debug", "info", "warn" or "error"
}

// The kinds of connectors.
const (
	OfficialAccount = "official_account" // a verified service account (认证服务号) or a test account (测试号)
	Website         = "website"          // a website app (网站应用), for browsers outside WeChat
)

// Connector is an app at WeChat.
type Connector struct {
	Name         string // referred to by other parts of the configuration
	Kind         string // OfficialAccount or Website
	AppID        string
	Secret       wechat.Secret
	OpenPlatform string // connectors with the same value share unionids; "" = none
	API, Open    string // base URLs of WeChat's two hosts
	AnyBrowser   bool   // treats every browser as WeChat's; only with a simulator on this machine
	Control      string // URL of that simulator's control page; "" = none
}

// The sign-in methods.
const (
	MethodWeChat  = "wechat"  // inside WeChat, through an official account
	MethodScan    = "scan"    // the gateway's QR code, scanned with WeChat, through an official account
	MethodWebsite = "website" // WeChat's QR code, through a website app
)

// App is an app that uses the gateway. Which fields are set depends on its kind. Methods has at
// least one element.
type App struct {
	gateway.App
	Secrets []wechat.Secret // oidc and relay: one, or two during a rotation; none for a public app

	// For kind oidc.
	Public                 bool
	RedirectURIs           []string
	PostLogoutRedirectURIs []string
	Subject                string // "user", "unionid", or "openid:" and the name of a connector
	Email                  Email
	IDTokenAlg             string // "RS256" or "ES256"
	IDTokenClaims          bool   // profile claims in the ID token too
	Lifetimes              Lifetimes

	// For kind forward_auth: hosts in lower case, without the default port. A host name belongs to
	// one app only, because browsers send cookies to all ports of a host.
	Hosts []string

	// For kind relay.
	AppID            string   // of this app only: not a connector's, and not another app's
	Connector        string   // name of an official account
	WebsiteConnector string   // name of a website app for the QR code; "" = none
	ReturnHosts      []string // hosts of redirect addresses, in lower case, without the default port
}

// Email configures the email claim.
type Email struct {
	Policy string // "none" or "synthetic"
	Domain string // for "synthetic"
}

// Lifetimes are the lifetimes of authorization codes and tokens.
type Lifetimes struct {
	Code, Access, Refresh time.Duration
}

// Connector returns the connector with this name.
func (c *Config) Connector(name string) (Connector, bool) {
	for _, conn := range c.WeChat {
		if conn.Name == name {
			return conn, true
		}
	}
	return Connector{}, false
}

// Group returns the appids of the connectors that share unionids with conn, including its own. It
// returns nil if conn has no open platform.
func (c *Config) Group(conn Connector) []string {
	if conn.OpenPlatform == "" {
		return nil
	}
	var ids []string
	for _, other := range c.WeChat {
		if other.OpenPlatform == conn.OpenPlatform {
			ids = append(ids, other.AppID)
		}
	}
	return ids
}

// StoreName describes the store without user name and password.
func (c *Config) StoreName() string {
	s := string(c.Store)
	if path, ok := strings.CutPrefix(s, "sqlite:"); ok {
		return "SQLite, " + path
	}
	if u, err := parseAddress(s); err == nil {
		return "PostgreSQL, " + u.Host + u.Path
	}
	return "unknown store"
}
