package cli

import (
	"errors"
	"io/fs"
	"os"

	"github.com/weigate/weigate/internal/app"
	"github.com/weigate/weigate/internal/gateway"
	"github.com/weigate/weigate/internal/lang"
)

// backupCmd is "weigate backup".
type backupCmd struct {
	configFlag
	File string `arg:"" type:"path" help:"New file for the copy. Its owner only can read it."`
}

// Run copies the database. It does not copy the master key. The database contains the encrypted
// signing keys: with the master key too, an attacker could sign tokens in the gateway's name.
func (c *backupCmd) Run(s *invocation) error {
	conf, err := c.load(s)
	if err != nil {
		return err
	}
	path, ok := conf.StoreFile()
	switch {
	case conf.Store == "sqlite::memory:":
		return storeError(conf, errors.New("a database in memory ends with its gateway and has no backup"))
	case !ok:
		return withHint(storeError(conf, errors.New("weigate backup copies a SQLite file only")),
			"for PostgreSQL use its own program: pg_dump --format=custom --file=FILE DATABASE")
	}
	err = app.Backup(s.ctx, path, c.File)
	switch {
	case errors.Is(err, fs.ErrExist):
		return withHint(lang.Errorf("%s exists already and was not overwritten", c.File), "name a new file")
	case errors.Is(err, gateway.ErrNoDatabase):
		return withHint(storeError(conf, err), "check store in the configuration")
	case errors.Is(err, gateway.ErrUnavailable):
		return storeError(conf, err)
	case err != nil:
		return lang.Errorf("backup to %s: %w", c.File, err)
	}
	info, err := os.Stat(c.File)
	if err != nil {
		return err
	}
	s.out.printf("%s: copy of %s, %d kB", c.File, path, (info.Size()+1023)/1024)
	key := lang.Text("%s", conf.MasterKeyFile)
	if conf.MasterKey != "" {
		key = lang.Text("in WEIGATE_MASTER_KEY")
	}
	s.out.printf("It is useless without the master key %s: back that up in another place.", key)
	return nil
}
