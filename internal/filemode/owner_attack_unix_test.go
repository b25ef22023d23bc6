//go:build unix

package filemode

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"time"
)

// folder is a folder with a mode, an owner and a group.
type folder struct {
	mode         fs.FileMode
	owner, group uint32
}

func (f folder) Name() string       { return "folder" }
func (f folder) Size() int64        { return 0 }
func (f folder) Mode() fs.FileMode  { return f.mode | fs.ModeDir }
func (f folder) ModTime() time.Time { return time.Time{} }
func (f folder) IsDir() bool        { return true }
func (f folder) Sys() any           { return &syscall.Stat_t{Uid: f.owner, Gid: f.group} }

// machine returns a process of a machine with users. alice has a private group; the group of bob has
// www-data as a member, as for a web server that serves bob's files.
func machine(uid uint32, groups ...int) process {
	p := process{uid: uid, groups: groups, hasUsers: true, rootMapped: true}
	p.read("root:x:0:0:root:/root:/bin/sh\nsync:x:4:0::/:/bin/sync\nwww-data:x:33:33::/:/bin/false\n"+
		"nobody:x:65534:65534::/:/bin/false\nalice:x:1000:1000::/home/alice:/bin/sh\nbob:x:1001:1001::/home/bob:/bin/sh\n"+
		"carol:x:1002:1003::/home/carol:/bin/sh\n",
		"root:x:0:\nwww-data:x:33:\nusers:x:100:alice,bob\nstaff:x:50:\nalice:x:1000:alice\nbob:x:1001:www-data\n"+
			"carol:x:1002:\nshared:x:1003:\nldap:x:1004:mallory\n")
	return p
}

// container returns a process of the image, which has no list of users.
func container(uid uint32, groups ...int) process {
	p := process{uid: uid, groups: groups, rootMapped: true}
	p.read("", "")
	return p
}

// TestOtherUserOwnsOrCanWriteFolder lets other users own a folder, or write to it as members of its
// group. The folders of the Debian package, the image and Kubernetes must be accepted.
func TestOtherUserOwnsOrCanWriteFolder(t *testing.T) {
	t.Parallel()
	alice, root := machine(1000, 1000, 100), machine(0, 0)
	const setgid, sticky = fs.ModeSetgid, fs.ModeSticky
	for _, tt := range []struct {
		name    string
		process process
		mode    fs.FileMode
		owner   uint32
		group   uint32
		isAbove bool
		want    string // "owner", "writable", "shared" or "" = accepted
	}{
		{"own", alice, 0o755, 1000, 1000, false, ""},
		{"of root", alice, 0o755, 0, 0, false, ""},
		{"of a private group", alice, 0o775, 1000, 1000, false, ""},
		{"of the Debian package", root, 0o750, 0, 33, false, ""},
		{"of the image, as its user", container(65532, 0), 0o770, 65532, 0, false, ""},
		{"of the image, as another user with group 0", container(1000, 0), 0o770, 65532, 0, false, ""},
		{"of the image, as root", container(0, 0), 0o770, 65532, 0, false, ""},
		{"of the image, as another user without group 0", container(1000, 1000), 0o770, 65532, 0, false, "owner"},
		{"of an image with users", machine(1000, 0), 0o770, 65532, 0, false, ""},
		{"of a volume with fsGroup", container(65532, 0, 65532), setgid | 0o775, 0, 65532, false, ""},
		{"of a volume with another fsGroup", container(65532, 0), setgid | 0o770, 0, 2000, false, "writable"},
		{"like a volume with fsGroup, on a machine", alice, setgid | 0o775, 0, 100, false, "writable"},
		{"that all can write, in a container", container(65532, 0), 0o777, 0, 0, false, "writable"},

		{"of another user", alice, 0o755, 1001, 1001, false, "owner"},
		{"of another user, for root", root, 0o755, 1001, 1001, false, "owner"},
		{"of another user and the group of root", root, 0o755, 1001, 0, false, "owner"},
		{"above, of another user", alice, 0o755, 1001, 1001, true, "owner"},
		{"above, shared, of another user", alice, sticky | 0o777, 1001, 1001, true, "owner"},
		{"that all can write", alice, 0o757, 1000, 1000, false, "writable"},
		{"for all users", alice, sticky | 0o777, 0, 0, false, "shared"},
		{"above, for all users", alice, sticky | 0o777, 0, 0, true, ""},
		{"above, that all can write", alice, 0o777, 0, 0, true, "writable"},
		{"of a group with members", alice, 0o775, 1000, 100, false, "writable"},
		{"of a private group with www-data in it", machine(1001, 1001), 0o775, 1001, 1001, false, "writable"},
		{"of a private group that is the first group of another user", machine(1003, 1003), 0o775, 1003, 1003, false,
			"writable"},
		{"of a group without members", root, 0o775, 0, 50, false, ""},
		{"of a group with an unknown member", root, 0o775, 0, 1004, false, "writable"},
		{"of an unknown group", root, 0o775, 0, 4000, false, "writable"},
		{"of the group of root", root, 0o775, 0, 0, false, ""},
	} {
		err := tt.process.check("/folder", folder{mode: tt.mode, owner: tt.owner, group: tt.group}, tt.isAbove)
		got := ""
		var unsafe *FolderError
		switch {
		case !errors.As(err, &unsafe):
		case !unsafe.IsWritable:
			got = "owner"
		case unsafe.IsShared:
			got = "shared"
		default:
			got = "writable"
		}
		if got != tt.want {
			t.Errorf("a folder %s: got %q, want %q (%v)", tt.name, got, tt.want, err)
		}
	}
}

// TestFolderOfAnotherUserInTmpOfMacOS: there, a folder that mallory makes in /tmp has the group 0.
func TestFolderOfAnotherUserInTmpOfMacOS(t *testing.T) {
	t.Parallel()
	root := machine(0, 0)
	root.inheritsGroups = true
	planted := folder{mode: 0o775, owner: 1001, group: 0}
	var unsafe *FolderError
	if err := root.check("/tmp/folder", planted, false); !errors.As(err, &unsafe) || unsafe.IsWritable {
		t.Errorf("a folder of another user with the group 0: %v", err)
	}
}

// TestAdviceTakesFolderFromGateway advises to remove the right of the group to write only if this user
// can do so: a gateway that is not the owner would lose its folder.
func TestAdviceTakesFolderFromGateway(t *testing.T) {
	t.Parallel()
	var unsafe *FolderError
	volume := folder{mode: fs.ModeSetgid | 0o775, owner: 0, group: 100} // of Kubernetes with fsGroup
	err := machine(1000, 1000, 100).check("/folder", volume, false)
	if !errors.As(err, &unsafe) || unsafe.IsOwn {
		t.Errorf("for a member of the group: %+v", err)
	}
	err = machine(0, 0).check("/folder", volume, false)
	if !errors.As(err, &unsafe) || !unsafe.IsOwn {
		t.Errorf("for root: %+v", err)
	}
}

// TestFoldersOfASandbox checks folders in a user namespace that does not map root.
func TestFoldersOfASandbox(t *testing.T) {
	t.Parallel()
	unmapped := folder{mode: 0o755, owner: overflow, group: overflow}
	sandbox := machine(1000, 1000)
	sandbox.rootMapped = mapsRoot("      1000       1000          1\n")
	if err := sandbox.check("/folder", unmapped, true); err != nil {
		t.Errorf("a folder of root above, in a sandbox that does not map root: %v", err)
	}
	if err := sandbox.check("/folder", unmapped, false); err == nil {
		t.Error("a folder of an unknown user was accepted in a sandbox")
	}
	if !mapsRoot("         0          0 4294967295\n") {
		t.Error("a machine does not map root")
	}
}

// TestFolderAboveOfAnotherUser checks folders above, and links on the way, in a real file system.
func TestFolderAboveOfAnotherUser(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	for _, name := range []string{"safe/conf", "open/conf"} {
		must(os.MkdirAll(filepath.Join(dir, name), 0o700))
	}
	must(os.Chmod(filepath.Join(dir, "open"), 0o777))
	must(os.Symlink("safe", filepath.Join(dir, "link")))
	must(os.Symlink("../open/conf", filepath.Join(dir, "safe/away")))
	must(os.Symlink(filepath.Join(dir, "safe/conf"), filepath.Join(dir, "open/back")))
	must(os.Symlink("loop", filepath.Join(dir, "loop")))
	for name, want := range map[string]bool{ // true = accepted
		"safe/conf": true, "safe/new/conf": true, "link/conf": true, "safe": true,
		"open/conf": false, "open/new/conf": false, "safe/away": false, "open/back": false, "link/away/new": false,
	} {
		var unsafe *FolderError
		err := CheckFolder(filepath.Join(dir, name))
		if want != (err == nil) || !want && (!errors.As(err, &unsafe) || unsafe.Path != filepath.Join(dir, "open")) {
			t.Errorf("%s: got %v", name, err)
		}
	}
	_ = CheckFolder(filepath.Join(dir, "loop/conf")) // ends
	if os.Geteuid() != 0 {
		return
	}
	must(os.Lchown(filepath.Join(dir, "link"), overflow, overflow))
	if err := CheckFolder(filepath.Join(dir, "link/conf")); err == nil {
		t.Error("a link of another user was accepted")
	}
}

// TestFileOfAnotherUser tells files of another user from those of root and of this user. Root runs
// commands on files of the service, in a folder of the service.
func TestFileOfAnotherUser(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "file")
	foreign := func() bool {
		t.Helper()
		info, err := os.Stat(path)
		if err != nil {
			t.Fatal(err)
		}
		_, foreign := Foreign(path, info)
		return foreign
	}
	if err := os.WriteFile(path, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if foreign() {
		t.Error("a file of this user")
	}
	if os.Geteuid() != 0 {
		return
	}
	if err := os.Chown(path, 1234, 1234); err != nil {
		t.Fatal(err)
	}
	if !foreign() {
		t.Error("a file of another user was not found")
	}
	if err := os.Chown(filepath.Dir(path), 1234, 1234); err != nil {
		t.Fatal(err)
	}
	if foreign() {
		t.Error("a file of the service in its own folder, for root")
	}
}
