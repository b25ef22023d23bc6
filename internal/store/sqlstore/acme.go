package sqlstore

import (
	"context"
	"errors"
	"time"

	"github.com/weigate/weigate/internal/gateway"
)

// This file implements gateway.ACMEFiles: the certificates, keys and accounts of the ACME client
// (RFC 8555), sealed with the master key, and its locks. A name is a path. Names are compared by
// bytes, and "0" is the byte after "/". So the names below the folder "a" are at least "a/" and
// less than "a0".

const acmeColumns = `name, sealed, updated_at`

func acmeFields(f *gateway.ACMEFile) []any { return []any{&f.Name, &f.Sealed, Time{&f.UpdatedAt}} }

// PutACMEFile implements gateway.ACMEFiles.
func (b Base) PutACMEFile(ctx context.Context, f gateway.ACMEFile) error {
	if f.Name == "" || len(f.Sealed) == 0 {
		return errors.New("an ACME file needs a name and its sealed content")
	}
	return b.db.Do(ctx, "put_acme_file", func(c Conn) error {
		_, err := c.Exec(`INSERT INTO acme_files (`+acmeColumns+`) VALUES ($1, $2, $3)
			ON CONFLICT (name) DO UPDATE SET sealed = excluded.sealed, updated_at = excluded.updated_at`,
			f.Name, f.Sealed, Micros(f.UpdatedAt))
		return err
	})
}

// ACMEFile implements gateway.ACMEFiles.
func (b Base) ACMEFile(ctx context.Context, name string) (f gateway.ACMEFile, err error) {
	err = b.db.Do(ctx, "acme_file", func(c Conn) error {
		return c.Get(`SELECT `+acmeColumns+` FROM acme_files WHERE name = $1`, []any{name}, acmeFields(&f)...)
	})
	return f, err
}

// ACMEFiles implements gateway.ACMEFiles.
func (b Base) ACMEFiles(ctx context.Context, folder string) (all []gateway.ACMEFile, err error) {
	from, to := folder+"/", folder+"0"
	if folder == "" {
		from, to = "", "\U0010FFFF" // greater than every name
	}
	err = b.db.Do(ctx, "acme_files", func(c Conn) error {
		all, err = list(c, `SELECT `+acmeColumns+` FROM acme_files WHERE name >= $1 AND name < $2 ORDER BY name`,
			[]any{from, to}, acmeFields)
		return err
	})
	return all, err
}

// DeleteACMEFiles implements gateway.ACMEFiles.
func (b Base) DeleteACMEFiles(ctx context.Context, name string) error {
	return b.db.Do(ctx, "delete_acme_files", func(c Conn) error {
		return c.Tx(func(q Querier) error {
			if _, err := q.Exec(`DELETE FROM acme_files WHERE name = $1`, name); err != nil {
				return err
			}
			_, err := q.Exec(`DELETE FROM acme_files WHERE name >= $1 AND name < $2`, name+"/", name+"0")
			return err
		})
	})
}

// LockACME implements gateway.ACMEFiles.
func (b Base) LockACME(ctx context.Context, name, owner string, now, until time.Time) error {
	return b.db.Do(ctx, "lock_acme", func(c Conn) error {
		n, err := c.Exec(`INSERT INTO acme_locks (name, owner, expires_at) VALUES ($1, $2, $3)
			ON CONFLICT (name) DO UPDATE SET owner = excluded.owner, expires_at = excluded.expires_at
			WHERE acme_locks.owner = excluded.owner OR acme_locks.expires_at <= $4`,
			name, owner, Micros(until), Micros(now))
		if err == nil && n == 0 {
			err = gateway.ErrConflict
		}
		return err
	})
}

// UnlockACME implements gateway.ACMEFiles.
func (b Base) UnlockACME(ctx context.Context, name, owner string) error {
	return b.db.Do(ctx, "unlock_acme", func(c Conn) error {
		_, err := c.Exec(`DELETE FROM acme_locks WHERE name = $1 AND owner = $2`, name, owner)
		return err
	})
}
