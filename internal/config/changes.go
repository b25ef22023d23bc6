package config

// NeedsRestart lists the keys that differ between what runs and what was read anew and that take effect only at the next start. A running gateway takes
// up all others.
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

// Keep returns a copy of read with the values of running for the keys that [NeedsRestart] names: what a running gateway takes up.
func Keep(running, read *Config) *Config {
	c := *read
	c.URL, c.Listen, c.Metrics, c.Insecure = running.URL, running.Listen, running.Metrics, running.Insecure
	c.Store, c.MasterKey, c.MasterKeyFile, c.Log.Format = running.Store, running.MasterKey, running.MasterKeyFile, running.Log.Format
	return &c
}
