// Package newfile creates files that only their owner can read: complete, or not at all. It is for
// backups, keys and configurations, which must never be half written or overwritten.
package newfile

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
)

// Create creates the file target, which only its owner can read, and calls write to fill it. The
// file gets its name when it is complete and written to the disk. So an interruption, a crash or a
// full disk cannot leave half a file that looks complete. An existing file is not replaced: then
// the error wraps fs.ErrExist, and write is not called.
func Create(target string, write func(*os.File) error) (err error) {
	if _, err := os.Lstat(target); err == nil {
		return &fs.PathError{Op: "create", Path: target, Err: fs.ErrExist}
	}
	dir := filepath.Dir(target)
	f, err := openUnnamed(dir)
	named := err != nil // the file system has no files without a name
	if named {
		if f, err = os.CreateTemp(dir, ".weigate-*"); err != nil { // with mode 0600
			return inFolder(err, dir)
		}
		defer os.Remove(f.Name()) // removes the temporary name, which a rename has already replaced
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	if err := write(f); err != nil {
		return err
	}
	if err := f.Sync(); err != nil {
		return err
	}
	if named {
		err = link(f.Name(), target)
	} else {
		err = linkUnnamed(f, target)
	}
	if err != nil {
		return err
	}
	return SyncFolder(dir)
}

// inFolder returns an error of [os.CreateTemp] with the name of the folder in place of the random name.
func inFolder(err error, dir string) error {
	var ofPath *fs.PathError
	if errors.As(err, &ofPath) {
		return &fs.PathError{Op: "create a file in", Path: dir, Err: ofPath.Err}
	}
	return err
}

// link gives the file at path the name target. It does not replace an existing file.
func link(path, target string) error {
	err := os.Link(path, target)
	if err == nil || errors.Is(err, fs.ErrExist) {
		return err
	}
	// The file system has no hard links. An empty file reserves the name.
	reserved, err := os.OpenFile(target, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	if err := reserved.Close(); err != nil {
		return err
	}
	if err := os.Rename(path, target); err != nil {
		return errors.Join(fmt.Errorf("rename: %w", err), os.Remove(target))
	}
	return nil
}
