package config

import (
	"errors"
	"net/netip"
	"regexp"
	"strings"
	"time"

	"go.yaml.in/yaml/v4"

	"github.com/weigate/weigate/internal/limit"
	"github.com/weigate/weigate/wechat"
)

const (
	defaultListen    = "127.0.0.1:8080"
	defaultMetrics   = "127.0.0.1:9090"
	defaultStoreFile = "weigate.db"
	defaultKeyFile   = "weigate.key"

	day  = 24 * time.Hour
	year = 365 * day
)

// This file reads the keys at the top of the configuration file, except the lists wechat and apps.

// topKeys declares the keys at the top. Three fields of a key: required is what is missing without
// the key, for the message; noEnv means that no environment variable sets the key; below has the
// keys inside the value. v.duration takes the default value and two bounds. The order matters,
// because the checks of some keys use the values of earlier keys.
func topKeys() []key[Config] {
	return []key[Config]{
		{name: "url", required: "the base URL of this gateway, such as https://login.example.com", read: readURL},
		{name: "listen", read: func(_ *section, v value, c *Config) { c.Listen = v.listen(defaultListen) }},
		{name: "metrics", read: readMetrics},
		{name: "tls", noEnv: true, below: prefixed(".", paths(tlsKeys())), read: readTLS},
		{name: "insecure", read: func(_ *section, v value, c *Config) { c.Insecure = v.boolean() }},
		{name: "store", read: readStore},
		{name: "store_file"}, // readStore reads it
		{name: "master_key_file", read: readMasterKey},
		{name: "trusted_proxies", noEnv: true, read: readProxies},
		{name: "session", noEnv: true, below: prefixed(".", paths(sessionKeys())), read: readSession},
		{name: "profile_max_age", read: func(_ *section, v value, c *Config) {
			c.ProfileMaxAge = v.duration(30*day, time.Hour, 10*year)
		}},
		{name: "verify_cache", read: func(_ *section, v value, c *Config) {
			c.VerifyCache = v.duration(5*time.Second, 0, time.Minute)
		}},
		{name: "verify_files", noEnv: true, read: readVerifyFiles},
		{name: "verified_email_domains", noEnv: true, read: func(_ *section, v value, c *Config) {
			c.VerifiedEmailDomains = v.checkedTexts(checkDomain)
		}},
		{name: "limits", noEnv: true, below: prefixed(".", paths(limitsKeys())),
			read: func(_ *section, v value, c *Config) { readMapping(v, limitsKeys(), &c.Limits) }},
		{name: "site", noEnv: true, below: prefixed(".", paths(siteKeys())), read: readSite},
		{name: "events", noEnv: true, below: prefixed(".", paths(eventsKeys())),
			read: func(_ *section, v value, c *Config) { readMapping(v, eventsKeys(), &c.Events) }},
		{name: "log", noEnv: true, below: prefixed(".", paths(logKeys())),
			read: func(_ *section, v value, c *Config) { readMapping(v, logKeys(), &c.Log) }},
		{name: "admin", noEnv: true, below: prefixed(".", paths(adminKeys())),
			read: func(_ *section, v value, c *Config) { readMapping(v, adminKeys(), &c.Admin) }},
		{name: "outgoing", noEnv: true, below: prefixed(".", paths(outgoingKeys())),
			read: func(_ *section, v value, c *Config) { readMapping(v, outgoingKeys(), &c.Outgoing) }},
		{name: "notify", noEnv: true, below: prefixed("[].", paths(notifyKeys())),
			read: func(_ *section, v value, c *Config) { c.Notify = v.receivers() }},
		{name: "access", noEnv: true, read: readDefaultAccess, // "": access itself, which may be a single word
			below: append([]string{""}, prefixed(".", paths(accessKeys()))...)},
		{name: "wechat", noEnv: true, below: prefixed("[].", paths(connectorKeys())),
			required: "at least one connector, an official account or a website app of yours at WeChat",
			read:     func(_ *section, v value, c *Config) { c.WeChat = v.connectors() }},
		{name: "apps", noEnv: true, below: prefixed("[].", paths(appKeys())),
			read: func(_ *section, v value, c *Config) { c.Apps = v.apps() }},
	}
}

func sessionKeys() []key[Session] {
	return []key[Session]{
		// The default 0 means "not set": the default of idle depends on max, and readSession sets it.
		{name: "idle", read: func(_ *section, v value, s *Session) { s.Idle = v.duration(0, time.Minute, year) }},
		{name: "max", read: func(_ *section, v value, s *Session) { s.Max = v.duration(30*day, time.Minute, year) }},
	}
}

func limitsKeys() []key[Limits] {
	return []key[Limits]{
		{name: "connections", read: func(_ *section, v value, l *Limits) {
			l.Connections = v.number(limit.Connections.Max, 16, 1_000_000)
		}},
		// The lower bound, 60 a minute, is one call a second. The upper bound is WeChat's own quota.
		{name: "wechat_calls", read: func(_ *section, v value, l *Limits) {
			l.WeChatCalls = v.number(limit.WeChatCalls, 60, 50_000)
		}},
	}
}

func eventsKeys() []key[Events] {
	return []key[Events]{
		{name: "keep", read: func(_ *section, v value, e *Events) { e.Keep = v.duration(180*day, day, 10*year) }},
	}
}

func logKeys() []key[Log] {
	return []key[Log]{
		{name: "format", read: func(_ *section, v value, l *Log) { l.Format = v.choice("text", "text", "json") }},
		{name: "level", read: func(_ *section, v value, l *Log) {
			l.Level = v.choice("info", "debug", "info", "warn", "error")
		}},
	}
}

// config reads the whole file, whose mapping is root. [Load] calls it.
func (r *reader) config(root value) *Config {
	c := &Config{}
	r.conf, r.connectorNames, r.appNames = c, newUsedNames(), newUsedNames()
	r.notifyNames = newUsedNames()
	r.appIDs, r.hosts = map[string]int{}, map[string]int{}
	r.icpHosts = map[string]value{}
	if root.node.Kind != yaml.MappingNode {
		root.reject("must be a mapping with keys such as url, wechat and apps, not %s", typeName(root.node))
		return c
	}
	// The key master_key does not exist, but administrators try it. It gets a more helpful message
	// than "unknown key".
	const masterKey = "master_key"
	s := root.section(append(keyNames(topKeys()), masterKey))
	if s.has(masterKey) {
		s.fromFile(masterKey).reject("not allowed in the file: use master_key_file or WEIGATE_MASTER_KEY")
	}
	for _, k := range topKeys() {
		readKey(s, k, c)
	}
	if c.URL != "" { // url is checked last: the check needs the key insecure, which is read after url
		s.fromEnvOrFile("url").rejectAll(checkBaseURL(c.URL, c.Insecure))
	}
	for host, at := range r.icpHosts {
		if !c.serves(host) {
			at.warn("no page has this host: it is neither the host of url nor a host of a forward_auth app")
		}
	}
	return c
}

func readURL(_ *section, v value, c *Config) { c.URL, _ = v.text() }

func readMetrics(_ *section, v value, c *Config) {
	if text, ok := v.text(); ok && text == "" {
		return // no metrics listener
	}
	c.Metrics = v.listen(defaultMetrics)
	if c.Metrics == c.Listen && !strings.HasSuffix(c.Listen, ":0") { // :0 = a free port for each
		v.reject("must differ from listen: metrics are not public")
	}
}

// listen reads an address to listen on.
func (v value) listen(defaultValue string) string {
	text, ok := v.text()
	if !ok {
		return defaultValue
	}
	if err := checkListen(text); err != nil {
		v.reject("%s", err)
		return defaultValue
	}
	return text
}

func readStore(s *section, v value, c *Config) {
	c.Store = wechat.Secret("sqlite:" + v.reader.path(defaultStoreFile))
	all := s.secrets(v, 1)
	if len(all) == 0 {
		return
	}
	text := string(all[0].value)
	path, isFile := strings.CutPrefix(text, "sqlite:")
	u, err := parseAddress(text)
	isURL := err == nil && (u.Scheme == "postgres" || u.Scheme == "postgresql") && u.Opaque == ""
	if isFile && path == "" || !isFile && !isURL {
		all[0].at.reject("must be sqlite:PATH, such as sqlite:weigate.db, or postgres://user:password@host/database")
		return
	}
	c.Store = all[0].value
	if isFile && path != ":memory:" {
		c.Store = wechat.Secret("sqlite:" + v.reader.path(path))
	}
}

func readMasterKey(s *section, v value, c *Config) {
	c.MasterKey = wechat.Secret(s.reader.getenv("WEIGATE_MASTER_KEY"))
	c.MasterKeyFile = v.reader.secretPath(v.nonEmpty(defaultKeyFile))
}

// readProxies reads IP addresses and networks. Host names are not allowed, because the gateway
// would have to resolve them for every request.
func readProxies(_ *section, v value, c *Config) {
	v.reader.hasProxies = v.present() && len(v.node.Content) > 0
	texts, at := v.texts()
	for i, text := range texts {
		prefix, err := parsePrefix(text)
		switch {
		case err != nil:
			at[i].reject("must be an IP address, or a network such as 10.0.0.0/8")
		case prefix.Bits() == 0:
			at[i].reject("must not include every address: any client could then forge its own")
		default:
			c.TrustedProxies = append(c.TrustedProxies, prefix)
		}
	}
}

// parsePrefix parses a network such as 10.0.0.0/8, or an IP address as a network with one address.
func parsePrefix(text string) (netip.Prefix, error) {
	if prefix, err := netip.ParsePrefix(text); err == nil {
		return prefix.Masked(), nil
	}
	ip, err := netip.ParseAddr(text)
	if err != nil {
		return netip.Prefix{}, err
	}
	return ip.WithZone("").Prefix(ip.BitLen())
}

func readSession(_ *section, v value, c *Config) {
	s := readMapping(v, sessionKeys(), &c.Session)
	if c.Session.Idle == 0 { // absent or rejected
		c.Session.Idle = min(day, c.Session.Max)
	}
	if c.Session.Idle > c.Session.Max {
		s.fromEnvOrFile("idle").reject("must not be longer than max")
	}
}

// validVerifyFile matches the names of WeChat's ownership files. WeChat requests the file from a
// domain to verify its owner. mp.weixin.qq.com generates the name: MP_verify_ and, in all known
// cases, 16 characters.
var validVerifyFile = regexp.MustCompile(`^MP_verify_[A-Za-z0-9]{8,64}\.txt$`)

func readVerifyFiles(_ *section, v value, c *Config) {
	c.VerifyFiles = v.checkedTexts(func(text string) []error {
		if validVerifyFile.MatchString(text) {
			return nil
		}
		return []error{errors.New("must be the name of a file from WeChat, such as MP_verify_0123456789abcdef.txt")}
	})
}
