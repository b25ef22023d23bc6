package cli

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"github.com/weigate/weigate/internal/app"
	"github.com/weigate/weigate/internal/config"
	"github.com/weigate/weigate/internal/gateway"
	"github.com/weigate/weigate/internal/keys"
	"github.com/weigate/weigate/internal/lang"
)

// openTimeout limits how long opening a store may take, including its migrations.
const openTimeout = time.Minute

// This file has what several commands need: reading the configuration and the master key, and
// opening the store.

// configFlag is the flag --config, which all commands of the gateway have.
type configFlag struct {
	Config string `short:"c" default:"${config}" type:"path" placeholder:"FILE" help:"Configuration (${default})."`
}

// defaultConfig returns the configuration file of commands without --config: that of WEIGATE_CONFIG,
// else the one in the working directory, else that of the Debian package if it exists.
func defaultConfig(getenv func(string) string) string {
	if name := getenv("WEIGATE_CONFIG"); name != "" {
		return name
	}
	return existingConfig(os.Stat)
}

// existingConfig returns the configuration file in the working directory, or that of the Debian package.
// A working directory that this user may not enter has no configuration for this user: that of root, for
// example, when root runs a command as the user weigate.
func existingConfig(stat func(name string) (fs.FileInfo, error)) string {
	system := filepath.Join(systemFolder, configName)
	if _, err := stat(configName); err == nil || !errors.Is(err, fs.ErrNotExist) && !errors.Is(err, fs.ErrPermission) {
		return configName
	}
	if _, err := stat(system); errors.Is(err, fs.ErrNotExist) {
		return configName
	}
	return system
}

// defaultFolder returns where "weigate init" writes: the folder of the Debian package if the process may
// write there, else the working directory.
func defaultFolder() string {
	if os.Geteuid() == 0 && exists(systemFolder) {
		return systemFolder
	}
	return "."
}

// exists reports whether there is a file or folder, or one that this user may not see.
func exists(path string) bool {
	_, err := os.Stat(path)
	return !errors.Is(err, fs.ErrNotExist)
}

// load reads the configuration and prints its warnings.
func (c configFlag) load(s *invocation) (*config.Config, error) {
	conf, err := c.read(s)
	if err != nil {
		return nil, err
	}
	for _, w := range conf.Warnings {
		s.out.warnf("%s", w)
	}
	return conf, nil
}

// read reads the configuration, and does not print its warnings.
func (c configFlag) read(s *invocation) (*config.Config, error) {
	conf, err := config.Load(c.Config, s.getenv)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, markConfiguration(withHint(err, "weigate init writes one; or name another file with -c"))
	}
	if err != nil {
		return nil, markConfiguration(permissionHint(err))
	}
	s.zone = conf.Site.TimeZone
	return conf, nil
}

// open reads the configuration and opens the store. A gateway may be using the store meanwhile.
func (c configFlag) open(s *invocation) (*config.Config, gateway.Store, error) {
	conf, err := c.load(s)
	if err != nil {
		return nil, nil, err
	}
	store, err := openExisting(s.ctx, conf)
	return conf, store, err
}

// openExisting opens the store for a command. It does not create a database, because a mistyped
// path would leave an empty file. It does not migrate a database, because a gateway of an older
// version may be using the store.
func openExisting(ctx context.Context, conf *config.Config) (gateway.Store, error) {
	store, err := openStore(ctx, conf, app.StoreOptions{Existing: true})
	if errors.Is(err, gateway.ErrNoDatabase) || errors.Is(err, gateway.ErrOlderDatabase) {
		return nil, withHint(err, "check store in the configuration; weigate serve creates the database, "+
			"and migrates one of an older version")
	}
	return store, err
}

// openStore opens the store of the configuration. It gives up after openTimeout.
func openStore(ctx context.Context, conf *config.Config, o app.StoreOptions) (gateway.Store, error) {
	ctx, cancel := context.WithTimeout(ctx, openTimeout)
	defer cancel()
	store, err := app.OpenStore(ctx, conf.Store, o)
	switch {
	case errors.Is(err, context.DeadlineExceeded):
		return nil, withHint(storeError(conf, errors.New("timeout")),
			"check that the database is running, and the address in store")
	case err != nil:
		return nil, storeError(conf, err)
	}
	return store, nil
}

func storeError(conf *config.Config, err error) error {
	return lang.Errorf("store (%s): %w", conf.StoreName(), err)
}

// loadMasterKey reads the master key from the environment or from its file. If the file does not
// exist, the error wraps fs.ErrNotExist. loadMasterKey creates no key: a new key could not decrypt
// the values in the store.
func loadMasterKey(conf *config.Config) (*keys.Sealer, error) {
	if conf.MasterKey != "" {
		m, err := keys.ParseMasterKey(string(conf.MasterKey))
		if err != nil {
			return nil, lang.Errorf("WEIGATE_MASTER_KEY: %w", err)
		}
		return m, nil
	}
	m, err := keys.Load(conf.MasterKeyFile)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, withHint(lang.Errorf("master key %s: %w", conf.MasterKeyFile, fs.ErrNotExist), restoreKeyHint)
	}
	return m, permissionHint(err)
}

// permissionHint adds a hint to the error for a file that this user may not read.
func permissionHint(err error) error {
	if errors.Is(err, fs.ErrPermission) {
		return withHint(err, "run weigate as the owner of the file, or let its group read it: chmod 640")
	}
	return err
}

const restoreKeyHint = "restore the file, or set its path with master_key_file"

// checkKeyError adds a hint to keys.ErrMasterKey: the store was encrypted with another master key.
// It returns any other error unchanged.
func checkKeyError(err error) error {
	if errors.Is(err, keys.ErrMasterKey) {
		return withHint(err, "restore the master key file of this database, or add the old key to it as another line")
	}
	return err
}
