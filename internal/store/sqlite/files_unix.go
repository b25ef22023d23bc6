//go:build unix

package sqlite

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"syscall"

	"github.com/weigate/weigate/internal/gateway"
	"github.com/weigate/weigate/internal/lang"
)

// lockFile takes the lock that a gateway holds while it serves, so that no second gateway serves
// the same database. It is an exclusive lock on the file at path, next to the database. The lock
// ends with the process, also after a crash. The lock file is never deleted. Otherwise one process
// could lock the deleted file and another process a new file, and both would serve.
func lockFile(path string) (*os.File, error) {
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, lang.Errorf("sqlite: %w: cannot make the lock file: %w", gateway.ErrUnavailable, err)
	}
	err = syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
	if err == nil {
		return f, nil
	}
	f.Close()
	if errors.Is(err, syscall.EWOULDBLOCK) {
		return nil, lang.Errorf("sqlite: %w: %s is locked; stop the other gateway, or give this one a database of its own",
			gateway.ErrInUse, path)
	}
	return nil, fmt.Errorf("sqlite: %w: lock %s: %w", gateway.ErrUnavailable, path, err)
}

// ownAsFolder makes the owner of a folder the owner of a file in it, if this process is root.
// Otherwise a gateway that runs as another user could not open a file that root has created.
func ownAsFolder(path string) error {
	info, err := os.Stat(filepath.Dir(path))
	if err != nil {
		return err
	}
	folder, ok := info.Sys().(*syscall.Stat_t)
	if !ok || os.Geteuid() != 0 {
		return nil
	}
	return os.Chown(path, int(folder.Uid), int(folder.Gid))
}
