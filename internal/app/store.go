package app

import (
	"context"
	"errors"
	"strings"

	"github.com/weigate/weigate/internal/gateway"
	"github.com/weigate/weigate/internal/store/postgres"
	"github.com/weigate/weigate/internal/store/sqlite"
	"github.com/weigate/weigate/wechat"
)

// OpenStore opens the store at an address of the configuration, sqlite:PATH or postgres://…,
// creates it if needed, and migrates its schema. With serve it locks a SQLite file for this process
// (gateway.ErrInUse when another has it); commands that read a database beside a running gateway
// open it without. Other errors to test for: gateway.ErrNewerDatabase, gateway.ErrUnavailable. ctx
// bounds the opening.
func OpenStore(ctx context.Context, address wechat.Secret, serve bool) (gateway.Store, error) {
	return openStore(ctx, address, sqlite.Options{Serve: serve}, postgres.Options{})
}

// LookAtStore opens a store as OpenStore does, and changes nothing: a database that lacks
// migrations of this version is gateway.ErrOlderDatabase. A SQLite file that does not exist is
// created empty.
func LookAtStore(ctx context.Context, address wechat.Secret) (gateway.Store, error) {
	return openStore(ctx, address, sqlite.Options{Look: true}, postgres.Options{Look: true})
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
