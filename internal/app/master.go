package app

import (
	"time"

	"github.com/weigate/weigate/internal/config"
	"github.com/weigate/weigate/internal/keys"
)

// MasterKey reads the master key from the environment, else from its file, which it creates when it
// is missing; created reports that.
func MasterKey(c *config.Config) (m *keys.Sealer, created bool, err error) {
	if c.MasterKey != "" {
		m, err = keys.ParseMasterKey(string(c.MasterKey))
		return m, false, err
	}
	return keys.LoadOrCreate(c.MasterKeyFile)
}

// Bounds of how long a replaced signing key stays published.
const (
	keepKeysLeast  = 35 * 24 * time.Hour
	keepKeysMargin = 24 * time.Hour // for clocks that differ, and apps that keep a key set
)

// KeepKeys returns how long a signing key stays published after it was replaced: the longest
// lifetime of a session or a refresh token. An app sends an ID token of that age as id_token_hint
// when it signs its user out.
func KeepKeys(c *config.Config) time.Duration {
	longest := max(c.Session.Max, c.Session.Idle)
	for _, a := range c.Apps {
		longest = max(longest, a.Lifetimes.Refresh, a.Lifetimes.Access)
	}
	return max(longest+keepKeysMargin, keepKeysLeast)
}
