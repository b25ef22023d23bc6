package app

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"github.com/weigate/weigate/internal/gateway"
	"github.com/weigate/weigate/internal/keys"
	"github.com/weigate/weigate/internal/newfile"
	"github.com/weigate/weigate/internal/store/archive"
	"github.com/weigate/weigate/internal/store/postgres"
	"github.com/weigate/weigate/internal/store/sqlite"
	"github.com/weigate/weigate/wechat"
)

// BackupOptions are the settings of [Backup] and [Restore].
type BackupOptions struct {
	Store  wechat.Secret // address, as in the configuration
	Sealer *keys.Sealer  // has the master keys; the key of the archive's HMAC is derived from the first

	// Progress is called with the number of rows that were written or read so far, and the number of
	// all rows; total 0 = unknown. Progress may be nil.
	Progress func(rows, total int64)
}

// backupKeys returns the keys that authenticate archives, one for each master key.
func backupKeys(s *keys.Sealer) (all []archive.Key) {
	derived := s.Derive("backup")
	for i, id := range s.IDs() {
		all = append(all, archive.Key{ID: id, Key: derived[i]})
	}
	return all
}

// Backup writes an archive of the store to w while a gateway may be using the store. The archive
// does not contain the master key.
func Backup(ctx context.Context, o BackupOptions, w io.Writer) error {
	a := archive.NewWriter(w, backupKeys(o.Sealer)[0], time.Now())
	if o.Progress != nil {
		a.Progress = func(rows int64) { o.Progress(rows, 0) }
	}
	var err error
	if path, ok := strings.CutPrefix(string(o.Store), "sqlite:"); ok {
		err = sqlite.Backup(ctx, path, a)
	} else {
		err = postgres.Backup(ctx, string(o.Store), a, postgres.Options{})
	}
	if err != nil {
		return err
	}
	return a.Close()
}

// BackupToFile writes an archive of the store to a new file, reads it back to check it, and returns
// what it contains. Only the owner can read the file. After an error there is no file. Errors to
// test for: fs.ErrExist, and the errors of sqlite.Backup and postgres.Backup.
func BackupToFile(ctx context.Context, o BackupOptions, target string) (summary archive.Summary, err error) {
	err = newfile.Create(target, func(f *os.File) error {
		if err := Backup(ctx, o, f); err != nil {
			return err
		}
		if _, err := f.Seek(0, io.SeekStart); err != nil {
			return err
		}
		var err error
		if summary, err = archive.Verify(f, backupKeys(o.Sealer), nil); err != nil {
			return fmt.Errorf("read the new file back: %w", err)
		}
		return nil
	})
	return summary, err
}

// Restore loads an archive into the store, which must have no users. It reads the archive twice.
// The first time, it only checks the archive, and that the master key opens the signing keys in it.
// Errors to test for: the errors of sqlite.Restore and postgres.Restore, archive.ErrFormat,
// archive.ErrMasterKey, and keys.ErrMasterKey.
func Restore(ctx context.Context, o BackupOptions, from io.ReadSeeker) (archive.Summary, error) {
	var sealed archivedKeys
	from = stoppable{ReadSeeker: from, ctx: ctx}
	summary, err := archive.Verify(from, backupKeys(o.Sealer), sealed.add)
	if err != nil {
		return summary, err
	}
	if err := keys.CheckMasterKey(ctx, sealed, o.Sealer, time.Now()); err != nil {
		return summary, err
	}
	if _, err := from.Seek(0, io.SeekStart); err != nil {
		return summary, err
	}
	r, err := archive.NewReader(from, backupKeys(o.Sealer))
	if err != nil {
		return summary, err
	}
	if o.Progress != nil {
		r.Progress = func(rows int64) { o.Progress(rows, summary.Total()) }
	}
	if path, ok := strings.CutPrefix(string(o.Store), "sqlite:"); ok {
		return summary, sqlite.Restore(ctx, path, r, sqlite.Options{})
	}
	return summary, postgres.Restore(ctx, string(o.Store), r, postgres.Options{})
}

// stoppable is a file that can only be read until ctx ends.
type stoppable struct {
	io.ReadSeeker
	ctx context.Context
}

func (s stoppable) Read(b []byte) (int, error) {
	if err := s.ctx.Err(); err != nil {
		return 0, err
	}
	return s.ReadSeeker.Read(b)
}

// keyStore is an alias, because a struct cannot embed gateway.Keys and have a method Keys.
type keyStore = gateway.Keys

// archivedKeys are the signing keys of an archive, for [keys.CheckMasterKey].
type archivedKeys struct {
	keyStore // nil: only the method Keys is called
	all      []gateway.Key
}

// Keys returns the keys.
func (k archivedKeys) Keys(context.Context) ([]gateway.Key, error) { return k.all, nil }

// add adds a row of table keys. It ignores other tables.
func (k *archivedKeys) add(t archive.Table, row []any) error {
	if t.Name != "keys" {
		return nil
	}
	var key gateway.Key
	for i, column := range t.Columns {
		switch v := row[i].(type) {
		case string:
			switch column {
			case "id":
				key.ID = v
			case "use":
				key.Use = v
			}
		case []byte:
			if column == "sealed" {
				key.Sealed = bytes.Clone(v)
			}
		case int64:
			if column == "expires_at" && v != 0 {
				key.ExpiresAt = time.UnixMicro(v)
			}
		}
	}
	if key.ID == "" || len(key.Sealed) == 0 {
		return errors.New("a signing key of the backup has no id or value")
	}
	k.all = append(k.all, key)
	return nil
}
