//go:build unix

package cli

import (
	"errors"
	"io/fs"
	"os"
	"os/user"
	"path/filepath"
	"strconv"
	"syscall"

	"github.com/weigate/weigate/internal/filemode"
	"github.com/weigate/weigate/internal/lang"
)

// serviceGroup is the group of the service's user in the Debian package.
const serviceGroup = "weigate"

// shareWithService lets the group of the service read a file that root is writing. Without root or
// without the group, it changes nothing. It uses the open file: another user of the machine may be
// able to replace a path by a symbolic link to any file, such as /etc/shadow.
func shareWithService(f *os.File) error { return shareWithGroup(f, serviceGroup) }

func shareWithGroup(f *os.File, name string) error {
	if os.Geteuid() != 0 {
		return nil
	}
	group, err := user.LookupGroup(name)
	unknown := user.UnknownGroupError("")
	if errors.As(err, &unknown) || errors.Is(err, fs.ErrNotExist) { // the image has no /etc/group
		return nil
	}
	if err != nil {
		return lang.Errorf("find the group %s: %w", name, err)
	}
	id, err := strconv.Atoi(group.Gid)
	if err != nil {
		return lang.Errorf("find the group %s: %w", name, err)
	}
	if err := f.Chown(-1, id); err != nil {
		return err
	}
	return f.Chmod(0o640)
}

// refusePlanted returns an error if another user of the machine may have put files into the folder of
// init, or can replace them: see [filemode.CheckFolder]. A master key of that user would encrypt the
// secrets of this gateway, and a database of that user has its own administrators. So refusePlanted
// also checks the owners of an existing key and database. keys.Load checks the mode of the key.
func refusePlanted(dir string) error {
	err := filemode.CheckFolder(dir)
	var unsafe *filemode.FolderError
	switch {
	case errors.As(err, &unsafe) && unsafe.IsWritable && unsafe.IsOwn && !unsafe.IsShared:
		return withHint(err, "chmod go-w %s, or choose another folder with --dir", filemode.Quote(unsafe.Path))
	case errors.As(err, &unsafe) && unsafe.IsWritable:
		return withHint(err, "choose another folder with --dir")
	case unsafe != nil:
		return withHint(err, "choose another folder with --dir, or run weigate init as its owner")
	case err != nil:
		return permissionHint(err)
	}
	for _, path := range append(storeFiles(filepath.Join(stateFolder(dir), storeName)), filepath.Join(dir, keyName)) {
		if err := refuseFile(path); err != nil {
			return err
		}
	}
	return nil
}

// refuseFile returns an error if a file exists that is not a regular file, or that belongs neither to
// root, nor to the user of this process, nor to the owner of its folder.
func refuseFile(path string) error {
	info, err := os.Lstat(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return permissionHint(err)
	}
	folder, err := os.Stat(filepath.Dir(path))
	if err != nil {
		return permissionHint(err)
	}
	const plantedHint = "if you did not put it there, delete it; or choose another folder with --dir"
	if !info.Mode().IsRegular() {
		return withHint(lang.Errorf("%s is not a regular file", path), plantedHint)
	}
	if owner, uid := ownerOf(info), os.Geteuid(); owner != 0 && owner != uid && owner != ownerOf(folder) {
		return withHint(lang.Errorf("%s belongs to the user %d, not to the user %d, who runs this, or to root",
			path, owner, uid), plantedHint)
	}
	return nil
}

func ownerOf(info fs.FileInfo) int { return int(info.Sys().(*syscall.Stat_t).Uid) }
