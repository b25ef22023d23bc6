package cli

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
	"time"

	"golang.org/x/term"

	"github.com/weigate/weigate/internal/app"
	"github.com/weigate/weigate/internal/config"
	"github.com/weigate/weigate/internal/gateway"
	"github.com/weigate/weigate/internal/keys"
	"github.com/weigate/weigate/internal/lang"
	"github.com/weigate/weigate/internal/store/archive"
)

// backupCmd is "weigate backup".
type backupCmd struct {
	configFlag
	File string `arg:"" type:"path" help:"New file for the backup, such as weigate.jsonl.gz; - writes to standard output."`
	JSON bool   `name:"json" help:"Print JSON: what the backup contains."`
}

// Run writes a backup of the database. It contains no master key: with the database and the master
// key, an attacker could sign tokens in the gateway's name.
func (c *backupCmd) Run(s *invocation) error {
	conf, sealer, err := c.loadForBackup(s)
	if err != nil {
		return err
	}
	o, done := backupOptions(s, conf, sealer)
	if c.File == "-" {
		defer done()
		return c.toStdout(s, conf, o)
	}
	summary, err := app.BackupToFile(s.ctx, o, c.File)
	done()
	if err != nil {
		return backupError(conf, c.File, err)
	}
	info, err := os.Stat(c.File)
	if err != nil {
		return err
	}
	if c.JSON {
		return s.out.printJSON(newBackupEntry(c.File, info.Size(), summary))
	}
	s.out.printf("%s: backup of %s, %d kB: %s", c.File, conf.StoreName(), (info.Size()+1023)/1024, contents(summary))
	s.out.printf("It is useless without the master key %s: back that up in another place.", masterKeyPlace(conf))
	return nil
}

// toStdout writes the backup to standard output. Unlike a file, the output is not read back and
// checked: only a restore checks it.
func (c *backupCmd) toStdout(s *invocation, conf *config.Config, o app.BackupOptions) error {
	if c.JSON {
		return &marked{err: errors.New("--json needs a file: the backup itself goes to standard output"), mark: errUsage}
	}
	if f, ok := s.out.out.(*os.File); ok && term.IsTerminal(int(f.Fd())) {
		return withHint(errors.New("the backup would go to the terminal"), "weigate backup - >FILE")
	}
	return backupError(conf, "-", app.Backup(s.ctx, o, s.out.out))
}

// loadForBackup reads the configuration and the master key. The HMAC that protects a backup uses a
// key derived from the master key.
func (c configFlag) loadForBackup(s *invocation) (*config.Config, *keys.Sealer, error) {
	conf, err := c.read(s)
	if err != nil {
		return nil, nil, err
	}
	if conf.Store == "sqlite::memory:" {
		return nil, nil, storeError(conf, errors.New("a database in memory ends with its gateway and has no backup"))
	}
	sealer, err := loadMasterKey(conf)
	return conf, sealer, err
}

// backupOptions returns the options of a backup or a restore. They show the progress in a terminal:
// call done at the end.
func backupOptions(s *invocation, conf *config.Config, sealer *keys.Sealer) (o app.BackupOptions, done func()) {
	progress := newProgress(s.out, "%d rows", 0)
	show := func(rows, total int64) {
		if rows%1000 == 0 { // reading the clock for each row would take longer than the row
			progress.total = int(total)
			progress.update(int(rows))
		}
	}
	return app.BackupOptions{Store: conf.Store, Sealer: sealer, Progress: show}, progress.done
}

// backupError explains an error of a backup, and adds a hint if there is something to do.
func backupError(conf *config.Config, file string, err error) error {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, fs.ErrExist):
		return withHint(lang.Errorf("%s exists already and was not overwritten", file), "name a new file")
	case errors.Is(err, syscall.ENOSPC):
		return withHint(lang.Errorf("backup to %s: %w", file, err), "free some space; no file was left")
	case errors.Is(err, gateway.ErrNoDatabase):
		return withHint(storeError(conf, err), "check store in the configuration")
	case errors.Is(err, gateway.ErrUnavailable), errors.Is(err, gateway.ErrNewerDatabase):
		return storeError(conf, err)
	}
	return lang.Errorf("backup to %s: %w", file, err)
}

// masterKeyPlace describes where the master key is.
func masterKeyPlace(conf *config.Config) lang.Message {
	if conf.MasterKey != "" {
		return lang.Text("in WEIGATE_MASTER_KEY")
	}
	return lang.Text("%s", conf.MasterKeyFile)
}

// contents describes a backup in one line.
func contents(a archive.Summary) lang.Message {
	return lang.Text("%s", lang.List{lang.Count(int(a.Rows["users"]), "1 user", "%d users"),
		lang.Count(int(a.Rows["sessions"]), "1 session", "%d sessions"),
		lang.Count(int(a.Rows["grants"]), "1 grant", "%d grants"), lang.Count(int(a.Rows["keys"]), "1 key", "%d keys")})
}

// backupEntry is the JSON object of a backup. It is documented in docs/en/backup.md.
type backupEntry struct {
	File      string           `json:"file"`
	Bytes     int64            `json:"bytes,omitempty"`
	CreatedAt time.Time        `json:"created_at"`
	Store     string           `json:"store"`
	Schema    int              `json:"schema"`
	MasterKey string           `json:"master_key"` // public id of the master key
	Lacks     []string         `json:"lacks"`      // what a restore needs besides the backup
	Rows      map[string]int64 `json:"rows"`       // number by table
}

func newBackupEntry(file string, bytes int64, a archive.Summary) backupEntry {
	return backupEntry{
		File: filepath.ToSlash(file), Bytes: bytes, CreatedAt: a.Header.CreatedAt, Store: a.Header.Store,
		Schema: a.Header.Schema, MasterKey: a.Header.MasterKey, Lacks: a.Header.Lacks, Rows: a.Rows,
	}
}
