package config

import (
	"maps"
	"net/netip"
	"regexp"
	"slices"
	"strings"
	"time"

	"go.yaml.in/yaml/v4"

	"github.com/weigate/weigate/wechat"
)

func topKeys() []string {
	return []string{"url", "listen", "metrics", "insecure", "store", "store_file", "master_key_file", "trusted_proxies", "session", "profile_max_age",
		"verify_cache", "verify_files", "names", "events", "log", "wechat", "apps"}
}

func sessionKeys() []string { return []string{"idle", "max"} }
func namesKeys() []string   { return []string{"title", "footer", "privacy_url", "agreement", "icp"} }
func eventsKeys() []string  { return []string{"keep"} }
func logKeys() []string     { return []string{"format", "level"} }

// elsewhere are keys that people look for here, with the words that say where the thing is, instead of "unknown".
func (s section) elsewhere(keys map[string]string) {
	for _, key := range slices.Sorted(maps.Keys(keys)) {
		if s.has(key) {
			s.at(key).fault("%s", keys[key])
		}
	}
}

func (r *reader) config(root value) *Config {
	elsewhere := map[string]string{
		"master_key": "the master key does not stand in this file: name its file with master_key_file, or set WEIGATE_MASTER_KEY",
	}
	if root.node.Kind != yaml.MappingNode {
		root.fault("must be a mapping, with keys such as url, wechat and apps, and is %s", what(root.node))
		return nil
	}
	s := root.section(append(topKeys(), slices.Sorted(maps.Keys(elsewhere))...)...)
	s.elsewhere(elsewhere)
	c := &Config{Insecure: s.one("insecure").yes()}
	c.URL = s.ownURL(c.Insecure)
	c.Listen = s.listen("listen", "127.0.0.1:8080")
	c.Metrics = s.listen("metrics", "127.0.0.1:9090")
	if c.Metrics == c.Listen && !strings.HasSuffix(c.Listen, ":0") {
		s.one("metrics").fault("must be another address than listen: metrics are not for visitors")
	}
	c.Store = s.store()
	c.MasterKey, c.MasterKeyFile = wechat.Secret(r.getenv("WEIGATE_MASTER_KEY")), s.path("master_key_file", "weigate.key")
	c.TrustedProxies = s.at("trusted_proxies").proxies()

	session := s.at("session").section(sessionKeys()...)
	session.key = "session"
	c.Session.Max = session.one("max").duration(720*time.Hour, time.Minute, 8760*time.Hour)
	c.Session.Idle = session.one("idle").duration(min(24*time.Hour, c.Session.Max), time.Minute, 8760*time.Hour)
	if c.Session.Idle > c.Session.Max {
		session.one("idle").fault("must not be longer than max")
	}
	c.ProfileMaxAge = s.one("profile_max_age").duration(720*time.Hour, time.Hour, 87600*time.Hour)
	c.VerifyCache = s.one("verify_cache").duration(5*time.Second, 0, time.Minute)
	c.VerifyFiles = s.at("verify_files").verifyFiles()
	c.Names = s.at("names").names()
	c.Events.Keep = s.at("events").section(eventsKeys()...).one("keep").duration(4320*time.Hour, 24*time.Hour, 87600*time.Hour)
	logs := s.at("log").section(logKeys()...)
	c.Log.Format = logs.one("format").choice("text", "text", "json")
	c.Log.Level = logs.one("level").choice("info", "debug", "info", "warn", "error")

	var appIDs map[string]int
	c.WeChat, appIDs = r.connectors(s.at("wechat"), c.Insecure)
	proxies := s.at("trusted_proxies")
	c.Apps = r.apps(s.at("apps"), c, appIDs, proxies.given() && len(proxies.node.Content) > 0)
	return c
}

func (s section) ownURL(insecure bool) string {
	v := s.one("url")
	text, ok := v.text()
	switch {
	case !v.given():
		v.fault("is missing: the address under which browsers reach this gateway, such as https://login.example.com")
	case ok:
		v.faults(checkBase(text, insecure))
	}
	return text
}

func (s section) listen(key, def string) string {
	v := s.one(key)
	text, ok := v.text()
	switch {
	case !ok:
		return def
	case text == "" && key == "metrics":
		return ""
	}
	if err := checkListen(text); err != nil {
		v.fault("%s", err)
		return def
	}
	return text
}

func (s section) path(key, def string) string {
	v := s.one(key)
	text, ok := v.text()
	if !ok {
		return def
	}
	if text == "" {
		v.fault("is empty: write the path of a file")
		return def
	}
	return text
}

func (s section) store() wechat.Secret {
	all := s.secrets("store", 1)
	if len(all) == 0 {
		return "sqlite:weigate.db"
	}
	text := string(all[0].value)
	path, isFile := strings.CutPrefix(text, "sqlite:")
	u, err := parseAddress(text)
	switch {
	case isFile && path != "":
		return all[0].value
	case !isFile && err == nil && (u.Scheme == "postgres" || u.Scheme == "postgresql"):
		return all[0].value
	}
	all[0].at.fault("must be sqlite: and a path, such as sqlite:weigate.db, or postgres://user:password@host/database")
	return "sqlite:weigate.db"
}

func (v value) proxies() (out []netip.Prefix) {
	texts, at := v.texts()
	for i, text := range texts {
		prefix, err := netip.ParsePrefix(text)
		if err != nil {
			var ip netip.Addr
			if ip, err = netip.ParseAddr(text); err == nil {
				prefix, err = ip.WithZone("").Prefix(ip.BitLen())
			}
		}
		switch {
		case err != nil:
			at[i].fault("must be an IP address or a network such as 10.0.0.0/8 (a name would have to be asked for on every request)")
		case prefix.Bits() == 0:
			at[i].fault("trusts everybody: whoever calls could claim any address; name your proxies")
		default:
			out = append(out, prefix.Masked())
		}
	}
	return out
}

// verifyFile is the name that mp.weixin.qq.com gives the file: 16 characters in all that were seen.
var verifyFile = regexp.MustCompile(`^MP_verify_[A-Za-z0-9]{8,64}\.txt$`)

func (v value) verifyFiles() (out []string) {
	texts, at := v.texts()
	for i, text := range texts {
		if !verifyFile.MatchString(text) {
			at[i].fault("must be the name of the file that WeChat gave you, such as MP_verify_0123456789abcdef.txt: its content is that name's middle part")
			continue
		}
		out = append(out, text)
	}
	return out
}

func (v value) names() (n Names) {
	s := v.section(namesKeys()...)
	into := map[string]*string{"title": &n.Title, "footer": &n.Footer, "icp": &n.ICP, "privacy_url": &n.PrivacyURL}
	for _, key := range namesKeys() {
		if into[key] == nil {
			continue
		}
		at := s.one(key)
		text, _ := at.text()
		if len([]rune(text)) > 200 {
			at.fault("is longer than 200 characters")
			continue
		}
		if key == "privacy_url" && text != "" {
			if u, err := parseAddress(text); err != nil || u.Scheme != "https" || u.Host == "" || u.User != nil {
				at.fault("must be a whole https address such as https://www.example.com/privacy")
			}
		}
		*into[key] = text
	}
	if n.Agreement = s.one("agreement").yes(); n.Agreement && n.PrivacyURL == "" {
		s.one("agreement").fault("needs privacy_url: what people agree to must be there to read")
	}
	return n
}
