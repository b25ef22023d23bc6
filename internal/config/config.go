package config

import (
	"net/netip"
	"strings"
	"time"

	"github.com/weigate/weigate/internal/gateway"
	"github.com/weigate/weigate/wechat"
)

// Config is the gateway's configuration. It is checked, and its defaults are filled in. It prints without its secrets in every form that package
// wechat's Secret names.
type Config struct {
	URL      string // the gateway's own address, no slash at its end: issuer, callback, cookies; may have a path
	Listen   string // host:port
	Metrics  string // host:port for metrics, and for /healthz and /readyz once more; "" = none
	Insecure bool   // plain http at an address that is not loopback

	Store         wechat.Secret // sqlite:PATH or postgres://…; a secret since it may hold a password. StoreName is for people
	MasterKey     wechat.Secret // the key itself, from WEIGATE_MASTER_KEY; "" = in MasterKeyFile
	MasterKeyFile string        // made on the first start when it is missing

	TrustedProxies []netip.Prefix // whose X-Forwarded-* is read; empty = nobody's
	Session        Session
	ProfileMaxAge  time.Duration // a nickname and avatar older than this are asked for again
	VerifyCache    time.Duration // how long an answer to a proxy's question may be kept; 0 = not at all
	VerifyFiles    []string      // names of WeChat's files of ownership, MP_verify_xxx.txt; the part after MP_verify_ is what each holds
	Names          Names
	Events         Events
	Log            Log

	WeChat []Connector // at least one
	Apps   []App       // may be empty

	// Warnings are what stops nothing, in the order of the file.
	Warnings Problems
}

// Session says how long people stay signed in.
type Session struct {
	Idle time.Duration // without any use
	Max  time.Duration // in all
}

// Names are what the pages show.
type Names struct {
	Title      string // "" = a neutral one
	Footer     string
	PrivacyURL string // "" = no link
	Agreement  bool   // people tick a box, with the link, before they sign in; PrivacyURL is then set
	ICP        string // 备案号, for the foot of the page
}

// Events says how long the record of what happened is kept.
type Events struct {
	Keep time.Duration
}

// Log says how the gateway logs.
type Log struct {
	Format string // "text" or "json"
	Level  string // "debug", "info", "warn" or "error"
}

// The kinds of entries.
const (
	OfficialAccount = "official_account" // 认证服务号, or a 测试号
	Website         = "website"          // 网站应用 of the open platform, for browsers outside WeChat
)

// Entry is an app of ours on WeChat's side.
type Connector struct {
	Name         string // how the rest of the configuration calls it
	Kind         string // OfficialAccount or Website
	AppID        string
	Secret       wechat.Secret
	OpenPlatform string // entries with the same name share unionids; "" = none
	API, Open    string // bases of WeChat's addresses, no slash at the end
	AnyBrowser   bool   // take every browser for WeChat's; only with a simulator on loopback
	Control      string // the control page of that simulator, no slash at the end; "" = none
}

// The methods: the ways in that an app can allow.
const (
	MethodWeChat  = "wechat"  // inside WeChat, through an official account
	MethodScan    = "scan"    // our QR code on a desktop, a phone in WeChat, an official account
	MethodWebsite = "website" // WeChat's QR code on a desktop, a website app
)

// App is an app on our side. Which fields are set hangs on its kind; Doors always names at least one door.
type App struct {
	gateway.App
	Secrets []wechat.Secret // oidc and relay: one, or two during a roll-over; none for a public app

	// gateway.AppOIDC.
	Public                 bool
	RedirectURIs           []string
	PostLogoutRedirectURIs []string
	Subject                string // "account", "unionid" or "openid:" and the name of an entry
	Email                  Email
	IDTokenAlg             string // "RS256" or "ES256"
	IDTokenClaims          bool   // profile claims in the ID token too
	Lifetimes              Lifetimes

	// gateway.AppForwardAuth: the hosts that the proxy keeps, as browsers write them in Host: in lower case, with a port only where it is not the usual
	// one. No host name stands in two apps, whatever the ports, since browsers keep one set of cookies for all of them.
	Hosts []string

	// gateway.AppRelay.
	AppID            string   // of the gateway's making, in the form of WeChat's; no entry's, and no other app's
	Connector        string   // name of the official account behind it
	WebsiteConnector string   // name of the website app behind its QR code; "" = none
	ReturnHosts      []string // where the old program takes people back: hosts in lower case, with a port only where it is not the usual one
}

// Email says what an app hears as e-mail address.
type Email struct {
	Policy string // "none" or "synthetic"
	Domain string // for "synthetic"
}

// Lifetimes of what an app is given.
type Lifetimes struct {
	Code, Access, Refresh time.Duration
}

// Entry returns the entry with this name.
func (c *Config) Connector(name string) (Connector, bool) {
	for _, e := range c.WeChat {
		if e.Name == name {
			return e, true
		}
	}
	return Connector{}, false
}

// Group lists the appids of the entries that share unionids with e, its own among them; nil when it shares with none.
func (c *Config) Group(e Connector) []string {
	if e.OpenPlatform == "" {
		return nil
	}
	var ids []string
	for _, other := range c.WeChat {
		if other.OpenPlatform == e.OpenPlatform {
			ids = append(ids, other.AppID)
		}
	}
	return ids
}

// StoreName tells which store is configured, without user or password.
func (c *Config) StoreName() string {
	s := string(c.Store)
	if path, ok := strings.CutPrefix(s, "sqlite:"); ok {
		return "SQLite, " + path
	}
	if u, err := parseAddress(s); err == nil {
		return "PostgreSQL, " + u.Host + u.Path
	}
	return "an unknown kind of store"
}
