package config

import (
	"slices"
)

// NeedsRestart lists the keys that differ between what runs and what was read anew and that take effect only at the next start. Apps, the secrets of
// entries, names and the log level are not among them: a running gateway takes those up.
func NeedsRestart(running, read *Config) []string {
	var out []string
	differ := func(key string, same bool) {
		if !same {
			out = append(out, key)
		}
	}
	differ("url", running.URL == read.URL)
	differ("listen", running.Listen == read.Listen)
	differ("metrics", running.Metrics == read.Metrics)
	differ("insecure", running.Insecure == read.Insecure)
	differ("store", running.Store == read.Store)
	differ("master_key_file", running.MasterKeyFile == read.MasterKeyFile && running.MasterKey == read.MasterKey)
	differ("trusted_proxies", slices.Equal(running.TrustedProxies, read.TrustedProxies))
	differ("session", running.Session == read.Session)
	differ("profile_max_age", running.ProfileMaxAge == read.ProfileMaxAge)
	differ("events", running.Events == read.Events)
	differ("log.format", running.Log.Format == read.Log.Format)
	differ("wechat", slices.EqualFunc(running.WeChat, read.WeChat, func(a, b Entry) bool {
		a.Secret, b.Secret = "", ""
		return a == b
	}))
	return out
}
