package app

import (
	"context"
	"errors"
	"strings"
	"time"

	"github.com/weigate/weigate/internal/gateway"
	"github.com/weigate/weigate/internal/store/postgres"
	"github.com/weigate/weigate/internal/store/sqlite"
	"github.com/weigate/weigate/wechat"
)

// StoreOptions are the settings of [OpenStore]. The zero value is for a command that runs while a
// gateway may be serving from the same store.
type StoreOptions struct {
	// Serve takes the exclusive lock of a SQLite file, as a gateway must. If another process has the
	// lock, OpenStore returns gateway.ErrInUse.
	Serve bool

	// Existing neither creates nor migrates a database. OpenStore returns gateway.ErrNoDatabase for a
	// missing SQLite file, and gateway.ErrOlderDatabase if the schema is older than this program or
	// missing.
	Existing bool

	// Observe is called after each operation of the store, for metrics. It may be nil.
	Observe func(operation string, d time.Duration, err error)
}

// OpenStore opens the store at an address of the configuration, sqlite:PATH or postgres://…, and
// migrates its schema. It creates a missing SQLite file, unless o.Existing is set. ctx limits the
// time to open the store, not its use. Callers can test the error for gateway.ErrInUse,
// gateway.ErrNewerDatabase, gateway.ErrOlderDatabase, gateway.ErrNoDatabase and
// gateway.ErrUnavailable.
func OpenStore(ctx context.Context, address wechat.Secret, o StoreOptions) (gateway.Store, error) {
	text := string(address) // a Secret, because it may contain the password of PostgreSQL
	if path, ok := strings.CutPrefix(text, "sqlite:"); ok {
		s, err := sqlite.Open(ctx, path,
			sqlite.Options{Serve: o.Serve, Existing: o.Existing, Observe: o.Observe})
		if err != nil {
			return nil, err // do not return s: an interface that contains a nil pointer is not nil
		}
		return s, nil
	}
	if strings.HasPrefix(text, "postgres://") || strings.HasPrefix(text, "postgresql://") {
		s, err := postgres.Open(ctx, text, postgres.Options{Existing: o.Existing, Observe: o.Observe})
		if err != nil {
			return nil, err
		}
		return s, nil
	}
	return nil, errors.New("the store is neither sqlite:PATH nor postgres://…")
}

// Backup copies the SQLite file at path while a gateway may be serving from it; see sqlite.Backup.
func Backup(ctx context.Context, path, target string) error { return sqlite.Backup(ctx, path, target) }
