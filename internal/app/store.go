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
	// Serve takes the exclusive lock of a SQLite file. Only one gateway can have the lock. If another
	// process has it, OpenStore returns gateway.ErrInUse. Serve has no effect for PostgreSQL.
	Serve bool

	// Existing forbids OpenStore to create or migrate a database. For a missing SQLite file it then
	// returns gateway.ErrNoDatabase. For a missing schema, or one of an older version of this program,
	// it returns gateway.ErrOlderDatabase.
	Existing bool

	// BeforeMigrate is called before a SQLite file of an older version is migrated, with the number of
	// its last migration. It may be nil. When it returns an error, nothing is migrated.
	BeforeMigrate func(ctx context.Context, version int) error

	// Observe is called after each operation of the store, for metrics. It may be nil.
	Observe func(operation string, d time.Duration, err error)
}

// OpenStore opens the store at an address of the configuration: sqlite:PATH or postgres://….
// Without o.Existing, it creates a missing SQLite file and migrates an older schema. ctx limits the
// time to open the store. The store stays usable after ctx ends. Errors to test for:
// gateway.ErrInUse, gateway.ErrNewerDatabase, gateway.ErrOlderDatabase, gateway.ErrNoDatabase,
// gateway.ErrUnavailable.
func OpenStore(ctx context.Context, address wechat.Secret, o StoreOptions) (gateway.Store, error) {
	text := string(address) // address is a Secret, because it may contain the password of PostgreSQL
	if path, ok := strings.CutPrefix(text, "sqlite:"); ok {
		s, err := sqlite.Open(ctx, path,
			sqlite.Options{Serve: o.Serve, Existing: o.Existing, BeforeMigrate: o.BeforeMigrate, Observe: o.Observe})
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

// StoreMayBeStarting reports whether err of [OpenStore] may go away without a change of the
// configuration: the database server cannot be reached, or is starting.
func StoreMayBeStarting(err error) bool { return postgres.MayBeStarting(err) }
