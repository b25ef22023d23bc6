package app

import (
	"github.com/weigate/weigate/internal/config"
	"github.com/weigate/weigate/internal/keys"
)

// MasterKey reads the master key: from the environment when it stands there, else from its file, which is made when it is missing; created tells that.
func MasterKey(c *config.Config) (m *keys.Master, created bool, err error) {
	if c.MasterKey != "" {
		m, err = keys.ParseMaster(string(c.MasterKey))
		return m, false, err
	}
	return keys.LoadOrCreate(c.MasterKeyFile)
}
