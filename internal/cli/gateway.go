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

// This file has what several commands need: reading the configuration and the master key, and
// opening the store.

// openTimeout limits how long openStore may take, including migrations.
const openTimeout = time.Minute

// configFlag is the flag --config, which all commands of the gateway have.
type configFlag struct {
	Config string `short:"c" default:"${config}" type:"path" placeholder:"FILE" help:"Configuration (${default})."`
}

// defaultConfig returns the configuration file of commands without --config: the file that
// WEIGATE_CONFIG names, else the result of existingConfig.
func defaultConfig(getenv func(string) string) string {
	if name := getenv("WEIGATE_CONFIG"); name != "" {
		return name
	}
	return existingConfig(os.Stat)
}

// existingConfig returns the configuration file of the Debian package if it exists and the working
// directory has no configuration file; otherwise the file in the working directory. A directory
// that the process is not allowed to enter counts as one without the file. For example, root runs a
// command in /root as the user weigate.
func existingConfig(stat func(name string) (fs.FileInfo, error)) string {
	system := filepath.Join(systemFolder, configName)
	_, err := stat(configName)
	if missing := errors.Is(err, fs.ErrNotExist) || errors.Is(err, fs.ErrPermission); !missing {
		return configName
	}
	if _, err := stat(system); errors.Is(err, fs.ErrNotExist) {
		return configName
	}
	return system
}

// defaultFolder returns where "weigate init" writes by default: the folder of the Debian package if
// it exists and root runs the command, else the working directory.
func defaultFolder() string {
	if os.Geteuid() == 0 && exists(systemFolder) {
		return systemFolder
	}
	return "."
}

// exists reports whether there is a file or folder. It returns true if the process is not allowed
// to look.
func exists(path string) bool {
	_, err := os.Stat(path)
	return !errors.Is(err, fs.ErrNotExist)
}

// read reads the configuration. It does not print the warnings: only "weigate check" and "weigate
// serve" do, so that the output of other commands begins with their own messages.
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
	conf, err := c.read(s)
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
		sealer, err := keys.ParseMasterKey(string(conf.MasterKey))
		if err != nil {
			return nil, lang.Errorf("WEIGATE_MASTER_KEY: %w", err)
		}
		return sealer, nil
	}
	sealer, err := keys.Load(conf.MasterKeyFile)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, withHint(lang.Errorf("master key %s: %w", conf.MasterKeyFile, fs.ErrNotExist), restoreKeyHint)
	}
	return sealer, permissionHint(err)
}

// permissionHint adds a hint to an error that wraps fs.ErrPermission. It returns any other error
// unchanged.
func permissionHint(err error) error {
	if errors.Is(err, fs.ErrPermission) {
		return withHint(err, "run weigate as the owner of the file, or let its group read it: chmod 640")
	}
	return err
}

const restoreKeyHint = "restore the file, or set its path with master_key_file"

// masterKeyHint adds a hint to keys.ErrMasterKey: the keys in the store are encrypted with another
// master key. It returns any other error unchanged.
func masterKeyHint(err error) error {
	if errors.Is(err, keys.ErrMasterKey) {
		return withHint(err, "restore the master key file of this database, or add the old key to it as another line")
	}
	return err
}
