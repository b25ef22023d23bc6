// Package config reads the gateway's configuration from a YAML file and from environment variables.
//
// [Load] returns a [Config] with checked values and with defaults. If the configuration is invalid,
// Load returns all [Problems] with their lines. [Config.Warnings] are problems that do not prevent
// a start. [Keys] lists every key. [NeedsRestart] compares two configurations: it lists the changed
// keys that take effect only after a restart.
//
// # Environment variables
//
// Every key with a single value can also be set by an environment variable. The variable has
// priority over the file. Its name is WEIGATE_ and the path of the key in capital letters. An
// underscore replaces all characters other than letters and digits. In the path, a list item has
// its name or id:
//
//	listen                          WEIGATE_LISTEN
//	session: {idle: 24h}            WEIGATE_SESSION_IDLE
//	wechat: [{name: main, secret}]  WEIGATE_WECHAT_MAIN_SECRET (or …_SECRET_FILE)
//	apps: [{id: my-wiki, secret}]   WEIGATE_APPS_MY_WIKI_SECRET, two values separated by a space
//	the master key itself           WEIGATE_MASTER_KEY, which has no key in the file
//
// Lists, connectors and apps cannot be set by variables. An empty variable counts as unset. Unknown
// variables that start with WEIGATE_ are ignored: Kubernetes sets some (WEIGATE_SERVICE_HOST) in
// every container beside a service named weigate.
//
// # Files
//
// Relative paths in the file and in variables are relative to the folder of the configuration file.
// A file that other users of the machine can change is rejected, and so is one with secrets that
// all users can read; see package filemode.
//
// # Redaction
//
// A message never repeats a value, because the value may be a misplaced secret. The line number is
// enough to find the value. The errors of the YAML library quote values, and are never shown.
package config

import (
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/weigate/weigate/internal/gateway"
	"github.com/weigate/weigate/wechat"
)

// Config is the gateway's configuration with its defaults. Its secrets are of type [wechat.Secret]
// and print as [redacted].
type Config struct {
	URL      string // base URL in browsers, without a final slash: for issuer, callback and cookies; can have a path
	Listen   string // host:port
	Metrics  string // host:port for metrics, /healthz and /readyz; "" = none
	Insecure bool   // allows plain http on addresses that are not loopback
	TLS      TLS    // zero = plain http, for a reverse proxy with TLS

	// Store is sqlite:PATH or postgres://…, which may contain a password; see StoreName.
	Store         wechat.Secret
	MasterKey     wechat.Secret // from WEIGATE_MASTER_KEY; "" = in MasterKeyFile
	MasterKeyFile string        // created at the first start

	TrustedProxies []netip.Prefix // proxies whose X-Forwarded headers are trusted
	Session        Session
	ProfileMaxAge  time.Duration // age at which nickname and avatar are requested again
	VerifyCache    time.Duration // how old a cached decision of forward auth may be; 0 = no cache
	VerifyFiles    []string      // names of WeChat's ownership files, MP_verify_xxx.txt; the content of a file is xxx
	// domains whose email addresses apps may regard as verified; see App.EmailVerified
	VerifiedEmailDomains []string
	Limits               Limits
	Site                 Site
	Events               Events
	Log                  Log

	Admin    Admin
	Outgoing Outgoing
	Notify   []Notify // may be empty

	Access gateway.AccessRule // rule for apps without one of their own, copied to App.Access; zero = none
	WeChat []Connector        // at least one
	Apps   []App              // may be empty

	SecretFiles []string // paths of the files from which secrets were read
	Warnings    Problems // in the order of the file
}

// Session limits how long users stay signed in.
type Session struct {
	Idle time.Duration // since the last request
	Max  time.Duration // since the sign-in
}

// Limits configures bounds that depend on the size of an installation.
type Limits struct {
	Connections int // that are open at a time on the main listener
	WeChatCalls int // codes that one process sends to WeChat in a minute at most, for each connector
}

// Events configures the event log.
type Events struct {
	Keep time.Duration // age at which events are deleted
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

	// SubscriptionAccount is an account that can only receive messages, such as the unverified
	// account of a person (个人订阅号): users send it a number.
	SubscriptionAccount = "subscription_account"
)

// Connector is an app at WeChat.
type Connector struct {
	Name         string // referred to by other parts of the configuration
	Kind         string // OfficialAccount, SubscriptionAccount or Website
	AppID        string
	Secret       wechat.Secret
	OpenPlatform string // name of the open platform account (开放平台账号); its connectors share unionids
	API          string // base URL of WeChat's API, https://api.weixin.qq.com
	Open         string // base URL of WeChat's pages, https://open.weixin.qq.com
	AnyBrowser   bool   // treats every browser as WeChat's; only with a simulator on this machine
	Control      string // URL of that simulator's control page; "" = none
	Push         Push   // messages that users send to the account
}

// The sign-in methods.
const (
	MethodWeChat  = "wechat"  // inside WeChat, through an official account
	MethodScan    = "scan"    // the gateway's QR code, scanned with WeChat, through an official account
	MethodWebsite = "website" // WeChat's QR code, through a website app
	MethodMessage = "message" // a number that the user sends to the account, through message push
	MethodFollow  = "follow"  // the account's QR code: scanning it follows the account, through message push
)

// App is an app that uses the gateway. Which fields are set depends on its kind. Methods has at
// least one element.
type App struct {
	gateway.App
	Secrets []wechat.Secret // oidc and relay: one, or two during a rotation; none for a public app

	// For kind oidc.
	Public                 bool // a public client (RFC 6749, section 2.1): it has no secret
	RedirectURIs           []string
	PostLogoutRedirectURIs []string
	BackchannelLogoutURI   string   // where the app receives logout tokens; "" = nowhere
	ResponseModes          []string // "query", "form_post"; the first is the default
	RequirePKCE            bool     // also for a confidential client
	OmitIss                bool     // the authorization response has no iss (RFC 9207)
	Origins                []string // further origins of the app: for scripts, and for redirects after form_post
	Subject                string   // "user", "unionid", or "openid:" and the name of a connector
	Email                  Email
	EmailVerified          string            // the claim email_verified: "omit", "false" or "true"
	IDTokenAlg             string            // "RS256" or "ES256"
	IDTokenClaims          bool              // profile claims also in the ID token, not only in the userinfo response
	OldIDClaim             bool              // the scope profile adds old_id: the user's id in the former system
	Claims                 map[string]string // further claims: name → claim whose value the further claim gets
	Lifetimes              Lifetimes

	// For kind forward_auth: hosts in lower case, without the default port. A host name belongs to
	// one app only, because browsers send cookies to all ports of a host. "*.apps.example.com"
	// stands for all hosts with one label in place of the "*".
	Hosts     []string
	Preflight bool // CORS preflights pass without a session

	// For kind relay.
	AppID            string   // of this app only: not a connector's, and not another app's
	Connector        string   // name of an official account
	WebsiteConnector string   // name of a website app for the QR code; "" = none
	ReturnURLs       []string // beginnings of redirect addresses: scheme, host and perhaps a path
}

// Email configures the email claim. WeChat provides no email addresses, but some apps require one.
type Email struct {
	Policy string // "none", or "synthetic": an address is made from the user's sub and Domain
	Domain string // for "synthetic"
}

// Lifetimes are the lifetimes of authorization codes and tokens.
type Lifetimes struct {
	Code, Access, IDToken, Refresh time.Duration
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

// ChatOnly reports whether the chat of an account is the only way to sign in, because no connector
// has web sign-in. A sign-in in the chat does not open the administration.
func (c *Config) ChatOnly() bool {
	return !slices.ContainsFunc(c.WeChat, func(conn Connector) bool { return conn.Kind != SubscriptionAccount })
}

// AppIDsSharingUnionIDs returns the appids of the connectors with the same OpenPlatform as conn,
// including its own. WeChat gives a user the same unionid at all of them. It returns nil if conn
// has no OpenPlatform.
func (c *Config) AppIDsSharingUnionIDs(conn Connector) []string {
	if conn.OpenPlatform == "" {
		return nil
	}
	var appIDs []string
	for _, other := range c.WeChat {
		if other.OpenPlatform == conn.OpenPlatform {
			appIDs = append(appIDs, other.AppID)
		}
	}
	return appIDs
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

// StoreFile returns the path of the SQLite file; ok is false for a database in memory and for
// PostgreSQL.
func (c *Config) StoreFile() (path string, ok bool) {
	path, ok = strings.CutPrefix(string(c.Store), "sqlite:")
	return path, ok && path != ":memory:"
}

// NeedsRestart returns the changed keys that require a restart. It compares the running
// configuration with the next one. All other changes take effect by a reload.
func NeedsRestart(running, next *Config) []string {
	var keys []string
	if running.URL != next.URL {
		keys = append(keys, "url")
	}
	if running.Listen != next.Listen {
		keys = append(keys, "listen")
	}
	if running.Metrics != next.Metrics {
		keys = append(keys, "metrics")
	}
	if running.Insecure != next.Insecure {
		keys = append(keys, "insecure")
	}
	if running.TLS != next.TLS {
		keys = append(keys, "tls")
	}
	if running.Store != next.Store {
		keys = append(keys, "store")
	}
	if running.MasterKeyFile != next.MasterKeyFile || running.MasterKey != next.MasterKey {
		keys = append(keys, "master_key_file")
	}
	if running.Limits.Connections != next.Limits.Connections {
		keys = append(keys, "limits.connections")
	}
	if running.Log.Format != next.Log.Format {
		keys = append(keys, "log.format")
	}
	return keys
}

// KeepRunning returns a copy of next that a running gateway can apply. In the copy, the keys of
// [NeedsRestart] have the values of running.
func KeepRunning(running, next *Config) *Config {
	c := *next
	c.URL = running.URL
	c.Listen = running.Listen
	c.Metrics = running.Metrics
	c.Insecure = running.Insecure
	c.TLS = running.TLS
	c.Store = running.Store
	c.MasterKeyFile = running.MasterKeyFile
	c.MasterKey = running.MasterKey
	c.Limits.Connections = running.Limits.Connections
	c.Log.Format = running.Log.Format
	return &c
}
