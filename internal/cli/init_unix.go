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
	if unknown := user.UnknownGroupError(""); errors.As(err, &unknown) {
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

// refusePlanted returns an error if another user of the machine may have put files into dir, or can
// replace them: a master key of that user would encrypt the secrets of this gateway. It checks the
// owner and the mode of dir and of an existing master key. It returns nil if dir does not exist.
func refusePlanted(dir string) error {
	info, err := os.Lstat(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return permissionHint(err)
	}
	if err := refuseOwner(dir, info); err != nil {
		return err
	}
	if info.Mode()&fs.ModeSymlink != 0 {
		if info, err = os.Stat(dir); err != nil {
			return permissionHint(err)
		}
		if err := refuseOwner(dir, info); err != nil {
			return err
		}
	}
	if err := refuseWritable(dir, info); err != nil {
		return err
	}
	path := filepath.Join(dir, keyName)
	switch info, err = os.Lstat(path); {
	case errors.Is(err, fs.ErrNotExist):
		return nil
	case err != nil:
		return permissionHint(err)
	case !info.Mode().IsRegular():
		return withHint(lang.Errorf("the master key %s is not a regular file", path),
			"if you did not put it there, delete it; or choose another folder with --dir")
	}
	return refuseOwner(path, info)
}

// refuseOwner returns an error if a file or folder belongs to neither root nor the user of this process.
func refuseOwner(path string, info fs.FileInfo) error {
	stat, ok := info.Sys().(*syscall.Stat_t)
	if uid := os.Geteuid(); ok && stat.Uid != 0 && int(stat.Uid) != uid {
		return withHint(lang.Errorf("%s belongs to the user %d, not to the user %d, who runs this, or to root",
			path, stat.Uid, uid), "choose another folder with --dir, or run weigate init as its owner")
	}
	return nil
}

// refuseWritable returns an error if users other than the owner can write to a folder.
func refuseWritable(dir string, info fs.FileInfo) error {
	if stat, ok := info.Sys().(*syscall.Stat_t); !ok || !othersCanWrite(info.Mode(), stat.Uid, stat.Gid) {
		return nil
	}
	err := lang.Errorf("other users of this machine can write to the folder %s", dir)
	if info.Mode()&fs.ModeSticky != 0 { // a shared folder, such as /tmp, whose mode must stay
		return withHint(err, "choose another folder with --dir")
	}
	return withHint(err, "chmod go-w %s, or choose another folder with --dir", filemode.Quote(dir))
}

// othersCanWrite reports whether a folder of an owner and a group is writable for other users. Two
// groups have no other members. The group 0 is root's: the folder /data of the image has it. A group
// with the number of the owner is the owner's private group: with it, many systems make folders that
// the group can write.
func othersCanWrite(mode fs.FileMode, owner, group uint32) bool {
	if group == 0 || group == owner {
		return mode.Perm()&0o002 != 0
	}
	return mode.Perm()&0o022 != 0
}
