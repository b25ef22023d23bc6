//go:build unix

package filemode

import (
	"bufio"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"syscall"
)

// Foreign reports whether a file belongs to another user of the machine than root and the user of
// this process. It also returns the owner. Such a user can change the file, whatever its mode is.
//
//   - If root runs this, the owner of the folder may own the file: an administrator runs commands
//     in the folder of the service.
//   - A system without /etc/passwd has no other users. The image is one: files of the host belong to
//     users that are unknown in the container.
//   - Files below /run/secrets belong to whom the container platform chooses.
func Foreign(path string, info fs.FileInfo) (owner int, foreign bool) {
	p := thisProcess()
	stat, ok := info.Sys().(*syscall.Stat_t)
	if !ok || !p.hasUsers || p.trusts(stat.Uid) || p.isOutside(stat.Uid) || inContainerSecrets(path) {
		return 0, false
	}
	if p.uid == 0 {
		folder, err := os.Stat(filepath.Dir(path))
		if err == nil && folder.Sys().(*syscall.Stat_t).Uid == stat.Uid {
			return 0, false
		}
	}
	return int(stat.Uid), true
}

// CheckFolder returns a [*FolderError] if another user of the machine may have put files into a
// folder, or can replace them. It checks the folder, the folders above it and the symbolic links on
// the way, as sshd does for a home folder: each must belong to root or to the user of this process,
// and no other user may write to it. Other users may write to a folder above with the sticky bit,
// such as /tmp. CheckFolder returns nil for a folder that does not exist if those above it are safe.
//
// The image has two exceptions. On Linux, if the group of a folder is 0 and may write to it, the
// folder may belong to another user, because the user of the container may be any in this group.
// And in a system without /etc/passwd, a group of this process may write: Kubernetes sets it with
// fsGroup.
func CheckFolder(dir string) error {
	dir, err := filepath.Abs(dir)
	if err != nil {
		return err
	}
	p, seen := thisProcess(), map[string]bool{}
	if err := p.checkPath(dir, dir, seen); err != nil {
		return err
	}
	// The path of a link, such as "../other", may itself lead through links.
	target, err := filepath.EvalSymlinks(dir)
	if err != nil {
		return nil // it does not exist, or cannot be opened
	}
	return p.checkPath(target, target, seen)
}

// process is what the checks must know about this process and the users of the machine.
type process struct {
	uid        uint32
	groups     []int
	hasUsers   bool // the machine has a list of users
	rootMapped bool // root of the machine has the number 0 here; false in some sandboxes

	// inheritsGroups means that a new folder gets the group of the folder above, as on macOS and BSD. A
	// folder that any user makes in /tmp then has the group 0.
	inheritsGroups bool

	users   map[string]uint32   // of /etc/passwd, by name
	primary map[uint32][]uint32 // users of /etc/passwd, by their first group
	members map[uint32][]string // names of further members, by the groups of /etc/group
}

// overflow is the owner that the kernel shows for files of users that a user namespace does not map.
const overflow = 65534

func thisProcess() process {
	groups, _ := os.Getgroups() // without groups, fewer folders are accepted
	p := process{uid: uint32(os.Geteuid()), groups: append(groups, os.Getegid()), rootMapped: true,
		inheritsGroups: runtime.GOOS != "linux"}
	if uids, err := os.ReadFile("/proc/self/uid_map"); err == nil {
		p.rootMapped = mapsRoot(string(uids))
	}
	passwd, err := os.ReadFile("/etc/passwd")
	group, _ := os.ReadFile("/etc/group")
	p.hasUsers = !errors.Is(err, fs.ErrNotExist)
	p.read(string(passwd), string(group))
	return p
}

// mapsRoot reports whether the first column of /proc/self/uid_map, the first user id of a range in
// the namespace, contains root.
func mapsRoot(text string) bool {
	for line := range strings.Lines(text) {
		if fields := strings.Fields(line); len(fields) > 0 && fields[0] == "0" {
			return true
		}
	}
	return false
}

// read reads the users and groups of /etc/passwd and /etc/group.
func (p *process) read(passwd, group string) {
	p.users, p.members, p.primary = map[string]uint32{}, map[uint32][]string{}, map[uint32][]uint32{}
	lines := bufio.NewScanner(strings.NewReader(passwd))
	for lines.Scan() {
		fields := strings.Split(lines.Text(), ":") // name:password:uid:gid:…
		if len(fields) < 4 {
			continue
		}
		uid, err := strconv.ParseUint(fields[2], 10, 32)
		gid, gidErr := strconv.ParseUint(fields[3], 10, 32)
		if errors.Join(err, gidErr) == nil {
			p.users[fields[0]] = uint32(uid)
			p.primary[uint32(gid)] = append(p.primary[uint32(gid)], uint32(uid))
		}
	}
	lines = bufio.NewScanner(strings.NewReader(group))
	for lines.Scan() {
		fields := strings.Split(lines.Text(), ":") // name:password:gid:member,…
		if len(fields) < 4 {
			continue
		}
		if gid, err := strconv.ParseUint(fields[2], 10, 32); err == nil {
			names := strings.FieldsFunc(fields[3], func(r rune) bool { return r == ',' })
			p.members[uint32(gid)] = append(p.members[uint32(gid)], names...)
		}
	}
}

// trusts reports whether a user is root or the user of this process.
func (p process) trusts(uid uint32) bool { return uid == 0 || uid == p.uid }

// isOutside reports whether a user may be root of the machine, in a sandbox that does not map root.
func (p process) isOutside(uid uint32) bool { return uid == overflow && !p.rootMapped }

// othersIn reports whether a group may have other members than root, the user of this process and
// one more user. It knows the users and groups in /etc/passwd and /etc/group only. A group that is
// not in /etc/group has the user with the same number as its only member, as useradd makes it.
func (p process) othersIn(gid, owner uint32) bool {
	isOther := func(uid uint32) bool { return !p.trusts(uid) && uid != owner }
	names, isListed := p.members[gid]
	if !isListed && gid != 0 && gid != owner {
		return true
	}
	// Some systems give the group 0 to users such as "sync" and "operator", who cannot sign in.
	if gid != 0 && slices.ContainsFunc(p.primary[gid], isOther) {
		return true
	}
	return slices.ContainsFunc(names, func(name string) bool {
		uid, isKnown := p.users[name]
		return !isKnown || isOther(uid)
	})
}

// checkPath checks a path and everything above it, and what a link leads to. dir is the folder for
// which all this is checked.
func (p process) checkPath(path, dir string, seen map[string]bool) error {
	if seen[path] {
		return nil
	}
	seen[path] = true
	if parent := filepath.Dir(path); parent != path {
		if err := p.checkPath(parent, dir, seen); err != nil {
			return err
		}
	}
	info, err := os.Lstat(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	if info.Mode()&fs.ModeSymlink == 0 {
		return p.check(path, info, path != dir)
	}
	if err := p.checkOwner(path, info); err != nil {
		return err
	}
	target, err := os.Readlink(path)
	if err != nil {
		return err
	}
	if !filepath.IsAbs(target) {
		target = filepath.Join(filepath.Dir(path), target)
	}
	if path == dir {
		dir = filepath.Clean(target)
	}
	return p.checkPath(filepath.Clean(target), dir, seen)
}

// check checks the owner and the mode of a folder. isAbove is set for a folder above the one in
// question.
func (p process) check(path string, info fs.FileInfo, isAbove bool) error {
	stat, ok := info.Sys().(*syscall.Stat_t)
	if !ok || !info.IsDir() {
		return nil
	}
	mode := info.Mode()
	isImage := stat.Gid == 0 && mode&0o020 != 0 && p.isMember(0) && !p.inheritsGroups
	if !isImage && !(isAbove && p.isOutside(stat.Uid)) {
		if err := p.checkOwner(path, info); err != nil {
			return err
		}
	}
	isPrivate := mode&0o020 == 0 || !p.othersIn(stat.Gid, stat.Uid) || !p.hasUsers && p.isMember(int(stat.Gid))
	isShared := mode&fs.ModeSticky != 0
	if mode&0o002 == 0 && isPrivate || isAbove && isShared {
		return nil
	}
	isOwn := p.uid == 0 || p.uid == stat.Uid
	return &FolderError{Path: path, IsWritable: true, IsShared: isShared, IsOwn: isOwn}
}

// isMember reports whether this process may use the rights of a group.
func (p process) isMember(gid int) bool { return p.uid == 0 || slices.Contains(p.groups, gid) }

func (p process) checkOwner(path string, info fs.FileInfo) error {
	if stat, ok := info.Sys().(*syscall.Stat_t); ok && !p.trusts(stat.Uid) {
		return &FolderError{Path: path, Owner: int(stat.Uid), User: int(p.uid)}
	}
	return nil
}
