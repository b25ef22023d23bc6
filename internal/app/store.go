package app

import (
	"context"
	"errors"
	"strings"
	"time"

	"github.com/weigate/weigate/internal/config"
	"github.com/weigate/weigate/internal/gateway"
	"github.com/weigate/weigate/internal/keys"
	"github.com/weigate/weigate/internal/store/postgres"
	"github.com/weigate/weigate/internal/store/sqlite"
	"github.com/weigate/weigate/wechat"
)

// StoreOptions are the settings of [OpenStore]. The zero value is for a command that runs while a
// gateway may be serving.
type StoreOptions struct {
	// Serve takes the exclusive lock of a SQLite file, which one process at a time can have:
	// gateway.ErrInUse when another one has it.
	Serve bool

	// Observe is called after each operation of the store; nil = not called.
	Observe func(op string, d time.Duration, err error)
}

// OpenStore opens the store at an address of the configuration, sqlite:PATH or postgres://…,
// creates it when it is missing, and brings its schema up to date. Errors to test for are
// gateway.ErrInUse, gateway.ErrNewerDatabase and gateway.ErrUnavailable. ctx bounds the opening.
func OpenStore(ctx context.Context, address wechat.Secret, o StoreOptions) (gateway.Store, error) {
	return openStore(ctx, address, sqlite.Options{Serve: o.Serve, Observe: o.Observe},
		postgres.Options{Observe: o.Observe})
}

// LookAtStore opens the store without changing its schema: a database that lacks migrations is
// gateway.ErrOlderDatabase. A SQLite file that is missing is created, empty; check before.
func LookAtStore(ctx context.Context, address wechat.Secret) (gateway.Store, error) {
	return openStore(ctx, address, sqlite.Options{SkipMigrations: true}, postgres.Options{SkipMigrations: true})
}

func openStore(ctx context.Context, address wechat.Secret, file sqlite.Options, server postgres.Options) (gateway.Store,
	error) {
	text := string(address)
	if path, ok := strings.CutPrefix(text, "sqlite:"); ok {
		s, err := sqlite.Open(ctx, path, file)
		if err != nil {
			return nil, err // not s: a nil *Store in an interface is not nil
		}
		return s, nil
	}
	if strings.HasPrefix(text, "postgres://") || strings.HasPrefix(text, "postgresql://") {
		s, err := postgres.Open(ctx, text, server)
		if err != nil {
			return nil, err
		}
		return s, nil
	}
	return nil, errors.New("the store is neither sqlite:PATH nor postgres://…")
}

// MasterKey reads the master key from the environment, else from its file, which it creates when it
// is missing; created reports that.
func MasterKey(c *config.Config) (m *keys.Sealer, created bool, err error) {
	if c.MasterKey != "" {
		m, err = keys.ParseMasterKey(string(c.MasterKey))
		return m, false, err
	}
	return keys.LoadOrCreate(c.MasterKeyFile)
}

// Bounds of how long a replaced signing key stays published.
const (
	keepKeysLeast  = 35 * 24 * time.Hour
	keepKeysMargin = 24 * time.Hour // for clocks that differ, and apps that keep a key set
)

// KeepKeys returns how long a signing key stays published after it was replaced: the longest
// lifetime of a session or a refresh token. An app sends an ID token of that age as id_token_hint
// when it signs its user out.
func KeepKeys(c *config.Config) time.Duration {
	longest := max(c.Session.Max, c.Session.Idle)
	for _, a := range c.Apps {
		longest = max(longest, a.Lifetimes.Refresh, a.Lifetimes.Access)
	}
	return max(longest+keepKeysMargin, keepKeysLeast)
}
