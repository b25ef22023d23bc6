package cli

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/weigate/weigate/internal/app"
	"github.com/weigate/weigate/internal/config"
	"github.com/weigate/weigate/internal/filemode"
	"github.com/weigate/weigate/internal/gateway"
	"github.com/weigate/weigate/internal/lang"
)

// keptUpgrades is the number of upgrades of the database whose backups are kept.
const keptUpgrades = 3

// beforeMigration returns a function that writes a backup beside the SQLite file before the file is
// migrated. With the backup, an administrator can return to the older version. The function keeps only
// the newest backup of each upgrade: a migration that fails at each start does not displace the
// backups of other upgrades. For PostgreSQL, beforeMigration returns nil, because there may be no
// folder for a backup.
func beforeMigration(s *invocation, conf *config.Config) func(ctx context.Context, version int) error {
	path, isFile := conf.StoreFile()
	if !isFile {
		return nil
	}
	return func(ctx context.Context, version int) error {
		failed := func(err error) error {
			return lang.Errorf("backup before the migration of the database: %w; nothing was migrated", err)
		}
		sealer, err := loadMasterKey(conf)
		if err != nil {
			return failed(err)
		}
		file := fmt.Sprintf("%s%d.%s.jsonl.gz", upgradePrefix(path), version, time.Now().UTC().Format("20060102T150405.000Z"))
		summary, err := app.BackupToFile(ctx, app.BackupOptions{Store: conf.Store, Sealer: sealer}, file)
		if err != nil {
			return failed(backupError(conf, file, err))
		}
		if err := pruneUpgrades(path, file); err != nil {
			s.out.warnf("old backups of upgrades were not removed: %s", err)
		}
		if s.out.log != nil {
			s.out.log.Info("backup before migration written", "version", version, "file", file)
			return nil
		}
		s.out.printf("The database is of an older version. Backup before its migration: %s (%s)", file, contents(summary))
		return nil
	}
}

// upgradePrefix returns the beginning of the names of the backups of upgrades. The number of the old
// version and a time follow it.
func upgradePrefix(path string) string { return path + ".before-upgrade-of-" }

// upgradeBackup is a file that beforeMigration has written.
type upgradeBackup struct {
	file    string
	version int    // of the database in it
	time    string // when it was written; times compare as text
}

// upgradeBackups returns the backups of upgrades of the database at path: the highest version
// first, and the newest first of each version.
func upgradeBackups(path string) ([]upgradeBackup, error) {
	entries, err := os.ReadDir(filepath.Dir(path))
	if err != nil {
		return nil, err
	}
	var all []upgradeBackup
	for _, e := range entries {
		file := filepath.Join(filepath.Dir(path), e.Name())
		rest, ok := strings.CutPrefix(file, upgradePrefix(path))
		number, at, hasTime := strings.Cut(strings.TrimSuffix(rest, ".jsonl.gz"), ".")
		version, err := strconv.Atoi(number)
		if ok && hasTime && err == nil && strings.HasSuffix(rest, ".jsonl.gz") {
			all = append(all, upgradeBackup{file: file, version: version, time: at})
		}
	}
	slices.SortFunc(all, func(a, b upgradeBackup) int {
		return cmp.Or(cmp.Compare(b.version, a.version), cmp.Compare(b.time, a.time))
	})
	return all, nil
}

// pruneUpgrades removes the backups of upgrades, except the newest of each of the last
// keptUpgrades, and except written, the backup of this upgrade. Its time can be before that of an
// earlier backup, because the clock of the machine can be wrong after a boot.
func pruneUpgrades(path, written string) error {
	all, err := upgradeBackups(path)
	errs := []error{err}
	versions := 0
	for i, b := range all {
		newest := i == 0 || all[i-1].version != b.version
		if newest {
			versions++
		}
		if (!newest || versions > keptUpgrades) && b.file != written {
			errs = append(errs, os.Remove(b.file))
		}
	}
	return errors.Join(errs...)
}

// downgradeHint adds a hint to gateway.ErrNewerDatabase: the backup with which this older version
// can be used again.
func downgradeHint(err error, conf *config.Config) error {
	path, isFile := conf.StoreFile()
	if !isFile || !errors.Is(err, gateway.ErrNewerDatabase) {
		return err
	}
	all, listErr := upgradeBackups(path)
	if listErr != nil || len(all) == 0 {
		return err
	}
	// all is sorted by version first, so its first backup is not always the newest.
	newest := slices.MaxFunc(all, func(a, b upgradeBackup) int { return cmp.Compare(a.time, b.time) })
	return withHint(err, "start the newer version again; or go back to the time before the upgrade: move %s, %s and "+
		"%s to another folder, then weigate restore %s",
		filemode.Quote(path), filemode.Quote(path+"-wal"), filemode.Quote(path+"-shm"), filemode.Quote(newest.file))
}
