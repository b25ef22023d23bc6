package sqlite

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"syscall"

	"github.com/weigate/weigate/internal/gateway"
	"github.com/weigate/weigate/internal/lang"
)

// lockFile takes the lock that a gateway holds while it serves, so that no second gateway serves
// the same database. It opens the file at path, next to the database, without sharing: no other
// process can open it. Windows closes the file when the process ends, also after a crash.
func lockFile(path string) (*os.File, error) {
	name, err := syscall.UTF16PtrFromString(path)
	if err != nil {
		return nil, fmt.Errorf("sqlite: %w", err)
	}
	const shareNothing = 0
	h, err := syscall.CreateFile(name, syscall.GENERIC_READ|syscall.GENERIC_WRITE, shareNothing, nil,
		syscall.OPEN_ALWAYS, syscall.FILE_ATTRIBUTE_NORMAL, 0)
	if err == nil {
		return os.NewFile(uintptr(h), path), nil
	}
	const sharingViolation = syscall.Errno(32)
	if errors.Is(err, sharingViolation) {
		return nil, lang.Errorf("sqlite: %w: %s is locked; stop the other gateway, or give this one a database of its own",
			gateway.ErrInUse, path)
	}
	return nil, fmt.Errorf("sqlite: %w: lock %s: %w", gateway.ErrUnavailable, path, err)
}

// unlock ends the lock of [lockFile].
func unlock(f *os.File) error { return f.Close() }

// noFollow is not needed: on Windows only administrators make symbolic links.
const noFollow = 0

// ownAsFolder does nothing: on Windows a file gets the permissions of its folder.
func ownAsFolder(*os.File) error { return nil }

// hasOtherNames returns false: this process has no more rights than the owner of the folder.
func hasOtherNames(fs.FileInfo) bool { return false }
