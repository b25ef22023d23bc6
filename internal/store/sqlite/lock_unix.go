//go:build unix

package sqlite

import (
	"errors"
	"fmt"
	"os"
	"syscall"

	"github.com/weigate/weigate/internal/gateway"
)

// lockFile takes the exclusive lock of a gateway that serves: a lock on a file next to the
// database. The lock ends with the process, also after a crash. The lock file is not deleted:
// another process could lock the deleted file while a third one creates and locks a new file.
func lockFile(path string) (*os.File, error) {
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, fmt.Errorf("sqlite: %w: cannot make the lock file: %w", gateway.ErrUnavailable, err)
	}
	err = syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
	if err == nil {
		return f, nil
	}
	f.Close()
	if errors.Is(err, syscall.EWOULDBLOCK) {
		return nil, fmt.Errorf("sqlite: %w: %s is locked; stop the other one, or give this one a database of its own",
			gateway.ErrInUse, path)
	}
	return nil, fmt.Errorf("sqlite: %w: lock %s: %w", gateway.ErrUnavailable, path, err)
}
