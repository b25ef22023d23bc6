package certificate

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"strings"
	"sync"
	"time"

	"github.com/caddyserver/certmagic"

	"github.com/weigate/weigate/internal/gateway"
)

// sealPurpose separates the values of ACME from others that the master key seals (encrypts).
const sealPurpose = "acme file"

// lockTime is how long a lock is valid if its owner does not extend it. After a crash of the owner,
// another replica (a gateway with the same store) gets the lock at the end of this time. The owner
// extends it every third of the time.
const lockTime = 90 * time.Second

// lockPoll is how often a replica that waits for a lock tries again.
const lockPoll = 500 * time.Millisecond

// Sealer encrypts values with the master key. keys.Sealer implements it.
type Sealer interface {
	Seal(purpose, row string, plain []byte) ([]byte, error)
	Open(purpose, row string, sealed []byte) ([]byte, error)
	Current(sealed []byte) bool // whether the current master key has sealed it
}

// storage implements certmagic.Storage on the gateway's store. Contents are encrypted with the
// master key: a copy of the database has no private key.
type storage struct {
	store  gateway.ACMEFiles
	sealer Sealer
	log    *slog.Logger

	mu    sync.Mutex
	locks map[string]heldLock
}

// heldLock is a lock of this process.
type heldLock struct {
	owner string
	stop  context.CancelFunc // ends its extension
}

func newStorage(store gateway.ACMEFiles, sealer Sealer, log *slog.Logger) *storage {
	return &storage{store: store, sealer: sealer, log: log, locks: map[string]heldLock{}}
}

// Store stores a value.
func (s *storage) Store(ctx context.Context, key string, value []byte) error {
	sealed, err := s.sealer.Seal(sealPurpose, key, value)
	if err != nil {
		return err
	}
	return s.store.PutACMEFile(ctx, gateway.ACMEFile{Name: key, Sealed: sealed, UpdatedAt: time.Now()})
}

// Load returns a value. If an unknown master key has sealed the value, Load returns fs.ErrNotExist,
// and the certificate is ordered again. If an older master key of the gateway has sealed it, Load
// seals it again with the current one. The older key can then be removed.
func (s *storage) Load(ctx context.Context, key string) ([]byte, error) {
	plain, current, err := s.read(ctx, key)
	if err == nil && !current {
		if err := s.Store(ctx, key, plain); err != nil {
			s.log.Warn("stored ACME value not sealed again", "name", key, "error", err)
		}
	}
	return plain, err
}

// read returns a value, and whether the current master key has sealed it. It writes nothing.
func (s *storage) read(ctx context.Context, key string) (plain []byte, current bool, err error) {
	f, err := s.file(ctx, key)
	if err != nil {
		return nil, false, err
	}
	plain, err = s.sealer.Open(sealPurpose, key, f.Sealed)
	if err != nil {
		s.log.Warn("stored ACME value not decrypted, it is created again", "name", key, "error", err)
		return nil, false, fs.ErrNotExist
	}
	return plain, s.sealer.Current(f.Sealed), nil
}

// file returns the row of a value, or fs.ErrNotExist.
func (s *storage) file(ctx context.Context, key string) (gateway.ACMEFile, error) {
	f, err := s.store.ACMEFile(ctx, key)
	if errors.Is(err, gateway.ErrNotFound) {
		err = fs.ErrNotExist
	}
	return f, err
}

// Delete deletes a value, or all values below a folder.
func (s *storage) Delete(ctx context.Context, key string) error {
	return s.store.DeleteACMEFiles(ctx, key)
}

// Exists reports whether a value or folder exists.
func (s *storage) Exists(ctx context.Context, key string) bool {
	_, err := s.Stat(ctx, key)
	return err == nil
}

// List returns the names below a folder: all names with recursive, otherwise only the direct
// members.
func (s *storage) List(ctx context.Context, folder string, recursive bool) ([]string, error) {
	all, err := s.store.ACMEFiles(ctx, folder)
	if err != nil {
		return nil, err
	}
	var names []string
	for _, f := range all {
		name := f.Name
		if !recursive {
			rest := strings.TrimPrefix(strings.TrimPrefix(name, folder), "/")
			first, _, _ := strings.Cut(rest, "/")
			name = strings.TrimPrefix(folder+"/"+first, "/")
		}
		if len(names) == 0 || names[len(names)-1] != name {
			names = append(names, name)
		}
	}
	if len(names) == 0 {
		return nil, fs.ErrNotExist
	}
	return names, nil
}

// Stat describes a value or folder.
func (s *storage) Stat(ctx context.Context, key string) (certmagic.KeyInfo, error) {
	f, err := s.file(ctx, key)
	if err == nil {
		return certmagic.KeyInfo{Key: key, Modified: f.UpdatedAt, Size: int64(len(f.Sealed)), IsTerminal: true}, nil
	}
	if !errors.Is(err, fs.ErrNotExist) {
		return certmagic.KeyInfo{}, err
	}
	below, err := s.store.ACMEFiles(ctx, key)
	if err == nil && len(below) == 0 {
		err = fs.ErrNotExist
	}
	return certmagic.KeyInfo{Key: key}, err
}

// Lock waits for a lock that all replicas share.
func (s *storage) Lock(ctx context.Context, name string) error {
	owner := rand.Text()
	for {
		now := time.Now()
		err := s.store.LockACME(ctx, name, owner, now, now.Add(lockTime))
		if err == nil {
			break
		}
		if !errors.Is(err, gateway.ErrConflict) {
			return err
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(lockPoll):
		}
	}
	extending, stop := context.WithCancel(context.WithoutCancel(ctx))
	s.mu.Lock()
	s.locks[name] = heldLock{owner: owner, stop: stop}
	s.mu.Unlock()
	go s.extend(extending, name, owner)
	return nil
}

// extend extends a lock until ctx ends.
func (s *storage) extend(ctx context.Context, name, owner string) {
	ticker := time.NewTicker(lockTime / 3)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case now := <-ticker.C:
			if err := s.store.LockACME(ctx, name, owner, now, now.Add(lockTime)); err != nil && ctx.Err() == nil {
				s.log.Warn("ACME lock not extended", "name", name, "error", err)
			}
		}
	}
}

// Unlock releases a lock.
func (s *storage) Unlock(ctx context.Context, name string) error {
	s.mu.Lock()
	held, found := s.locks[name]
	delete(s.locks, name)
	s.mu.Unlock()
	if !found {
		return fmt.Errorf("certificate: no lock %s", name)
	}
	held.stop()
	return s.store.UnlockACME(context.WithoutCancel(ctx), name, held.owner)
}
