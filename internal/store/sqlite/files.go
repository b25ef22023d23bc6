package sqlite

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/weigate/weigate/internal/gateway"
	"github.com/weigate/weigate/internal/lang"
	"github.com/weigate/weigate/internal/store/sqlstore"
)

// The folder of the database usually belongs to the user of the gateway, and root may run a command
// in it. That user must not be able to lead root to another file, such as /etc/shadow, by a
// symbolic or hard link. So this package opens its files without following links, and changes the
// owner of open files only. SQLite opens its files by their paths: checkFiles checks them before,
// and checkSame compares the path with the checked file afterwards.

// openFile opens a regular file, and does not follow a symbolic link. A file that it creates is for
// its owner only.
func openFile(path string, flags int) (*os.File, error) {
	f, err := os.OpenFile(path, flags|noFollow, 0o600)
	if err != nil {
		if info, statErr := os.Lstat(path); statErr == nil && !errors.Is(err, fs.ErrExist) {
			err = cmp.Or(checkPlain(path, info), err)
		}
		return nil, err
	}
	info, err := f.Stat()
	if err == nil {
		err = checkPlain(path, info)
	}
	if err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return f, nil
}

// checkPlain returns an error if a file is not a regular file, or if root would change the file of
// another folder through it.
func checkPlain(path string, info fs.FileInfo) error {
	switch {
	case info.Mode()&fs.ModeSymlink != 0:
		return lang.Errorf("%s is a symbolic link, and is not followed: set store to its target, or delete it", path)
	case !info.Mode().IsRegular():
		return lang.Errorf("%s is not a regular file", path)
	case hasOtherNames(info):
		return lang.Errorf("%s has another name (a hard link), and root would change both", path)
	}
	return nil
}

// checkFiles checks the files that SQLite opens beside the database. SQLite gives the logs the owner
// of the database, if this process is root.
func checkFiles(path string) error {
	for _, suffix := range []string{"", "-wal", "-shm", "-journal"} {
		info, err := os.Lstat(path + suffix)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err == nil {
			err = checkPlain(path+suffix, info)
		}
		if err != nil {
			return sqlstore.Unavailable("sqlite", "open", err, lang.Text("the database was not opened"))
		}
	}
	return nil
}

// checkSame returns an error if path is no longer the name of a file.
func checkSame(path string, file fs.FileInfo) error {
	info, err := os.Lstat(path)
	if err == nil && !os.SameFile(info, file) {
		err = lang.Errorf("%s was replaced by another file meanwhile", path)
	}
	if err != nil {
		return sqlstore.Unavailable("sqlite", "open", err, lang.Text("the database was not opened"))
	}
	return nil
}

// create creates the file if it is missing, for its owner only. SQLite would create it with the
// umask, so that other users of the machine could read it. The write-ahead log gets the mode of the
// file. If existing is set, create only checks that the file exists and can be opened. It returns
// the file for checkSame.
func create(path string, existing bool) (fs.FileInfo, error) {
	flags := os.O_RDWR | os.O_CREATE
	if existing {
		flags = os.O_RDWR
	}
	f, err := openFile(path, flags)
	if err == nil {
		info, err := f.Stat()
		return info, errors.Join(err, f.Close(), checkFiles(path))
	}
	_, folderErr := os.Stat(filepath.Dir(path)) // a missing folder is not a missing database: the path is wrong
	if existing && errors.Is(err, fs.ErrNotExist) && folderErr == nil {
		return nil, fmt.Errorf("sqlite: open: %w", gateway.ErrNoDatabase)
	}
	what := lang.Text("cannot open the database file")
	if errors.Is(err, fs.ErrPermission) {
		what = lang.Text("this user may not read and write the database file or its folder: change its owner or mode")
	} else if errors.Is(err, fs.ErrNotExist) {
		what = lang.Text("the folder of the database file does not exist")
	}
	return nil, sqlstore.Unavailable("sqlite", "open", err, what)
}
