package config

// NeedsRestart returns the changed keys that take effect only at the next start. A running gateway
// applies all others.
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
	differ("log.format", running.Log.Format == read.Log.Format)
	return out
}

// Keep returns read with the running values of the keys that [NeedsRestart] returns.
func Keep(running, read *Config) *Config {
	c := *read
	c.URL = running.URL
	c.Listen, c.Metrics = running.Listen, running.Metrics
	c.Insecure = running.Insecure
	c.Store = running.Store
	c.MasterKey, c.MasterKeyFile = running.MasterKey, running.MasterKeyFile
	c.Log.Format = running.Log.Format
	return &c
}
