package cli

import (
	"errors"
	"io"
	"os"
	"path/filepath"

	"github.com/weigate/weigate/internal/app"
	"github.com/weigate/weigate/internal/config"
	"github.com/weigate/weigate/internal/gateway"
	"github.com/weigate/weigate/internal/keys"
	"github.com/weigate/weigate/internal/lang"
	"github.com/weigate/weigate/internal/store/archive"
)

// restoreCmd is "weigate restore".
type restoreCmd struct {
	configFlag
	File string `arg:"" type:"path" help:"The backup; - reads from standard input."`
	JSON bool   `name:"json" help:"Print JSON: what was restored."`
}

// Run restores a backup into the store of the configuration. The store must have no users, so Run
// replaces nothing, and need not ask for confirmation.
func (c *restoreCmd) Run(s *invocation) error {
	conf, sealer, err := c.loadForBackup(s)
	if err != nil {
		return err
	}
	f, closeFile, err := c.open(s, conf)
	if err != nil {
		return permissionHint(err)
	}
	defer closeFile()
	o, done := backupOptions(s, conf, sealer)
	summary, err := app.Restore(s.ctx, o, f)
	done()
	if err != nil {
		return restoreError(conf, c.File, err)
	}
	if c.JSON {
		err = s.out.printJSON(newBackupEntry(c.File, 0, summary))
	} else {
		s.out.printf("%s: restored %s", conf.StoreName(), contents(summary))
		at := s.formatTime(summary.Header.CreatedAt)
		if c.ofEnvironment(s, conf) {
			s.out.printf("Everything is as it was at %s. The store in %s is another one: a gateway uses this one only with "+
				"the same WEIGATE_STORE.", at, c.Config)
		} else {
			s.out.printf("Everything is as it was at %s: users whom you blocked later must be blocked again. Next: %s",
				at, serveWith(c.Config))
		}
	}
	c.compareURL(s, conf)
	return err
}

// ofEnvironment reports whether the environment names a store that differs from the one in the
// configuration file, as in a trial restore. The service of the Debian package does not use that store.
func (c *restoreCmd) ofEnvironment(s *invocation, conf *config.Config) bool {
	ofFile, err := config.Load(c.Config, func(name string) string {
		if name == "WEIGATE_STORE" || name == "WEIGATE_STORE_FILE" {
			return ""
		}
		return s.getenv(name)
	})
	return err == nil && ofFile.Store != conf.Store
}

// compareURL prints a warning if the backup is of a gateway with another address. The restore has
// succeeded, so a failure of this check is left to the next start.
func (c *restoreCmd) compareURL(s *invocation, conf *config.Config) {
	store, err := openExisting(s.ctx, conf)
	if err != nil {
		return
	}
	defer store.Close()
	if known, err := servedURL(s.ctx, store); err == nil {
		warnOfOtherURL(s, conf, known)
	}
}

// open opens the backup. Standard input is copied to a temporary file first, because a restore reads the
// backup twice: it checks the whole backup before it stores anything.
func (c *restoreCmd) open(s *invocation, conf *config.Config) (f *os.File, closeFile func(), err error) {
	if c.File != "-" {
		f, err := os.Open(c.File)
		return f, func() { f.Close() }, err
	}
	dir := os.TempDir()
	if path, ok := conf.StoreFile(); ok {
		dir = filepath.Dir(path) // an image of a container may have no other folder to write to
	}
	f, err = os.CreateTemp(dir, ".weigate-restore-*") // with mode 0600
	if err != nil {
		return nil, nil, err
	}
	closeFile = func() { f.Close(); os.Remove(f.Name()) }
	if _, err = io.Copy(f, s.in); err == nil {
		_, err = f.Seek(0, io.SeekStart)
	}
	if err != nil {
		closeFile()
		return nil, nil, err
	}
	return f, closeFile, nil
}

// restoreError explains an error of a restore, and adds a hint if there is something to do. A
// restore changes the store completely or not at all.
func restoreError(conf *config.Config, file string, err error) error {
	ofFile := lang.Errorf("restore %s: %w; nothing was changed", file, err)
	ofStore := lang.Errorf("%w; nothing was changed", storeError(conf, err))
	switch {
	case errors.Is(err, archive.ErrMasterKey), errors.Is(err, keys.ErrMasterKey):
		return withHint(ofFile, "put the master key of the backup's gateway into %s, or add it there as another line",
			masterKeyPlace(conf))
	case errors.Is(err, archive.ErrNotEmpty):
		if path, ok := conf.StoreFile(); ok {
			return withHint(ofStore,
				"stop the gateway, move %s, %s-wal and %s-shm to another folder, and run this again", path, path, path)
		}
		return withHint(ofStore,
			"stop all gateways, create an empty database, set store to its address, and run this again")
	case errors.Is(err, gateway.ErrInUse):
		return withHint(ofStore, "stop the gateway, and run this again")
	case errors.Is(err, gateway.ErrNewerDatabase):
		return withHint(ofFile, "install the version of weigate that made the backup, or a later one")
	case errors.Is(err, gateway.ErrUnavailable):
		return ofStore
	}
	return ofFile
}
