//go:build unix

package sqlite

import (
	"errors"
	"fmt"
	"io/fs"
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
	f, err := openFile(path, os.O_RDWR|os.O_CREATE)
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

// unlock ends the lock of [lockFile]. To close the file would not be enough: a child process that starts
// at this moment has the open file, and so the lock, for an instant (flock(2)).
func unlock(f *os.File) error {
	return errors.Join(syscall.Flock(int(f.Fd()), syscall.LOCK_UN), f.Close())
}

// noFollow makes [os.OpenFile] return an error for a symbolic link.
const noFollow = syscall.O_NOFOLLOW

// ownAsFolder makes the owner of a folder the owner of an open file in it, if this process is root.
// Otherwise a gateway that runs as another user could not open a file that root has created. It
// returns an error for a file with two names: that user could have linked a file of root here.
func ownAsFolder(f *os.File) error {
	if os.Geteuid() != 0 {
		return nil
	}
	info, err := os.Stat(filepath.Dir(f.Name()))
	if err != nil {
		return err
	}
	folder, ok := info.Sys().(*syscall.Stat_t)
	if !ok {
		return nil
	}
	file, err := f.Stat()
	if err != nil {
		return err
	}
	if err := checkPlain(f.Name(), file); err != nil {
		return err
	}
	return f.Chown(int(folder.Uid), int(folder.Gid))
}

// hasOtherNames reports whether a file has hard links besides its name, if this process is root.
// Root could change a file of another folder through such a name.
func hasOtherNames(info fs.FileInfo) bool {
	stat, ok := info.Sys().(*syscall.Stat_t)
	return ok && os.Geteuid() == 0 && stat.Nlink > 1
}
