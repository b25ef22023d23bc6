package newfile

import (
	"fmt"
	"os"

	"golang.org/x/sys/unix"
)

// openUnnamed opens a new file without a name in a folder. When the process ends before
// [linkUnnamed], also by a kill, the file is gone.
func openUnnamed(dir string) (*os.File, error) {
	fd, err := unix.Open(dir, unix.O_TMPFILE|unix.O_RDWR|unix.O_CLOEXEC, 0o600)
	if err != nil {
		return nil, err
	}
	if _, err := os.Stat(descriptor(fd)); err != nil { // without /proc the file could not get a name
		unix.Close(fd)
		return nil, err
	}
	return os.NewFile(uintptr(fd), dir), nil
}

// linkUnnamed gives the file a name. It does not replace an existing file.
func linkUnnamed(f *os.File, target string) error {
	err := unix.Linkat(unix.AT_FDCWD, descriptor(int(f.Fd())), unix.AT_FDCWD, target, unix.AT_SYMLINK_FOLLOW)
	if err != nil {
		return &os.PathError{Op: "link", Path: target, Err: err}
	}
	return nil
}

func descriptor(fd int) string { return fmt.Sprintf("/proc/self/fd/%d", fd) }
