package cli

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"time"

	"github.com/weigate/weigate/internal/app"
	"github.com/weigate/weigate/internal/config"
	"github.com/weigate/weigate/internal/gateway"
	"github.com/weigate/weigate/internal/keys"
)

// storePatience is how long a database may take to open. It may have migrations to run.
const storePatience = time.Minute

// configured is what the commands of the gateway have in common.
type configured struct {
	Config string `short:"c" default:"weigate.yaml" type:"path" placeholder:"FILE" help:"The configuration (weigate.yaml)."`
}

// load reads the configuration, and tells the warnings.
func (c configured) load(s *session) (*config.Config, error) {
	conf, err := config.Load(c.Config, s.getenv)
	if err != nil {
		return nil, err
	}
	for _, w := range conf.Warnings {
		s.out.warn("%s", w)
	}
	return conf, nil
}

// visit opens the store for a command that works beside a gateway which may be serving.
func (c configured) visit(s *session) (*config.Config, gateway.Store, error) {
	conf, err := c.load(s)
	if err != nil {
		return nil, nil, err
	}
	store, err := openStore(s.ctx, conf, app.StoreOptions{})
	return conf, store, err
}

func openStore(ctx context.Context, conf *config.Config, o app.StoreOptions) (gateway.Store, error) {
	return withPatience(ctx, conf, func(ctx context.Context) (gateway.Store, error) { return app.OpenStore(ctx, conf.Store, o) })
}

// lookAtStore opens the store for a command that must change nothing, its schema neither.
func lookAtStore(ctx context.Context, conf *config.Config) (gateway.Store, error) {
	return withPatience(ctx, conf, func(ctx context.Context) (gateway.Store, error) { return app.LookAtStore(ctx, conf.Store) })
}

func withPatience(ctx context.Context, conf *config.Config, open func(context.Context) (gateway.Store, error)) (gateway.Store, error) {
	ctx, cancel := context.WithTimeout(ctx, storePatience)
	defer cancel()
	store, err := open(ctx)
	switch {
	case errors.Is(err, context.DeadlineExceeded):
		return nil, fmt.Errorf("the store (%s) does not answer: see that the database runs, and that the address in store is right", conf.StoreName())
	case err != nil:
		return nil, fmt.Errorf("the store (%s): %w", conf.StoreName(), err)
	}
	return store, nil
}

// presentMasterKey reads the master key and never makes one: what is sealed already could not be opened with a new one.
func presentMasterKey(conf *config.Config) (*keys.Sealer, error) {
	if conf.MasterKey != "" {
		m, err := keys.ParseMasterKey(string(conf.MasterKey))
		if err != nil {
			return nil, fmt.Errorf("WEIGATE_MASTER_KEY: %w", err)
		}
		return m, nil
	}
	m, err := keys.Load(conf.MasterKeyFile)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("the master key file %s is not there: put it back, or name it with master_key_file: %w", conf.MasterKeyFile, fs.ErrNotExist)
	}
	return m, err
}

// wrongKey adds what to do when the store was sealed with another master key.
func wrongKey(err error) error {
	if errors.Is(err, keys.ErrMasterKey) {
		return fmt.Errorf("%w: put back the master key file that belongs to this database, or a line with the old key into the present one", err)
	}
	return err
}
