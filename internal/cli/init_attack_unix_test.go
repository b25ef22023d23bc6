//go:build unix

package cli

import (
	"errors"
	"os"
	"os/user"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/weigate/weigate/internal/newfile"
)

// nobody is the id of a user who is neither root nor, usually, the user of the test.
const nobody = 65534

// plantedCase is a folder for init, which another user of the machine has perhaps prepared.
type plantedCase struct {
	name    string
	prepare func(dir string) error
	asRoot  bool   // prepare needs root
	want    string // part of the error; "" = accepted
	hint    string
}

// run prepares a folder, and writes the files of init to it. Only root can prepare a folder with files of
// another user.
func (tt plantedCase) run(t *testing.T) {
	t.Helper()
	if tt.asRoot && os.Geteuid() != 0 {
		return
	}
	t.Run(tt.name, func(t *testing.T) {
		t.Parallel()
		dir := t.TempDir()
		must(t, os.Chmod(dir, 0o755)) // whatever the umask is
		must(t, tt.prepare(dir))
		a := answers{URL: "https://login.example.com", AppID: "wx0123456789abcdef", Access: "approved",
			Store: "weigate.db", secret: "0123456789abcdef0123456789abcdef"}
		text, err := a.text("en")
		must(t, err)
		_, err = writeInitial(dir, append(a.secretFiles(), initialFile{configName, string(text)}))
		if tt.want == "" {
			must(t, err)
			return
		}
		if err == nil || !strings.Contains(err.Error(), tt.want) || !strings.Contains(hintOf(err), tt.hint) {
			t.Errorf("got %v, hint %q", err, hintOf(err))
		}
		for _, name := range []string{configName, secretName} {
			if _, err := os.Lstat(filepath.Join(dir, name)); err == nil {
				t.Errorf("%s was written", name)
			}
		}
	})
}

// TestPlantedMasterKey lets another user of the machine prepare the folder of init. If init accepted
// the key, that user could decrypt the secrets in the database.
func TestPlantedMasterKey(t *testing.T) {
	t.Parallel()
	key := strings.Repeat("A", 43) + "\n"
	elsewhere := filepath.Join(t.TempDir(), "attackers.key")
	must(t, os.WriteFile(elsewhere, []byte(key), 0o600))
	for _, tt := range []plantedCase{
		{name: "a folder of the user", prepare: func(string) error { return nil }},
		{name: "a key of the user", prepare: func(dir string) error {
			return os.WriteFile(filepath.Join(dir, keyName), []byte(key), 0o600)
		}},
		{name: "a link to a key", want: "not a regular file", hint: "delete it", prepare: func(dir string) error {
			return os.Symlink(elsewhere, filepath.Join(dir, keyName))
		}},
		{name: "a key of another user", asRoot: true, want: "belongs to the user 65534", hint: "delete it",
			prepare: func(dir string) error {
				path := filepath.Join(dir, keyName)
				if err := os.WriteFile(path, []byte(key), 0o600); err != nil {
					return err
				}
				return os.Chown(path, nobody, nobody)
			}},
		{name: "a folder of another user", asRoot: true, want: "belongs to the user 65534", hint: "--dir",
			prepare: func(dir string) error { return os.Chown(dir, nobody, nobody) }},
		{name: "a folder that all can write", want: "can write to the folder", hint: "chmod go-w ",
			prepare: func(dir string) error { return os.Chmod(dir, 0o777) }},
		{name: "a shared folder", want: "can write to the folder", hint: "choose another folder",
			prepare: func(dir string) error { return os.Chmod(dir, 0o777|os.ModeSticky) }},
		{name: "a folder that a group can write", asRoot: true, want: "can write to the folder", hint: "chmod go-w ",
			prepare: func(dir string) error {
				if err := os.Chown(dir, 0, nobody); err != nil {
					return err
				}
				return os.Chmod(dir, 0o770)
			}},
		{name: "the folder of the Debian package", asRoot: true, prepare: func(dir string) error {
			if err := os.Chown(dir, 0, nobody); err != nil {
				return err
			}
			return os.Chmod(dir, 0o750)
		}},
		{name: "the folder of the image, as another user", asRoot: true, prepare: func(dir string) error {
			return errors.Join(os.Chown(dir, 65532, 0), os.Chmod(dir, 0o770))
		}},
		{name: "a key of the image's user in its folder", asRoot: true, prepare: func(dir string) error {
			path := filepath.Join(dir, keyName)
			return errors.Join(os.WriteFile(path, []byte(key), 0o600), os.Chown(path, 65532, 0), os.Chown(dir, 65532, 0),
				os.Chmod(dir, 0o770))
		}},
		{name: "a folder of another user and the group of root", asRoot: true, want: "belongs to the user 65534",
			hint: "--dir", prepare: func(dir string) error { return os.Chown(dir, nobody, 0) }},
	} {
		tt.run(t)
	}
}

// TestPlantedDatabase lets another user put a database into the folder of init. If the gateway used
// it, the administrators in it would be administrators of the gateway.
func TestPlantedDatabase(t *testing.T) {
	t.Parallel()
	elsewhere := filepath.Join(t.TempDir(), "attackers.db")
	for _, tt := range []plantedCase{
		{name: "a database of the user", prepare: plantStore("", os.Geteuid())},
		{name: "a database of another user", asRoot: true, want: "weigate.db belongs to the user 65534", hint: "delete it",
			prepare: plantStore("", nobody)},
		{name: "a log of another user", asRoot: true, want: "weigate.db-wal belongs to the user 65534", hint: "delete it",
			prepare: plantStore("-wal", nobody)},
		{name: "a journal of another user", asRoot: true, want: "weigate.db-journal belongs to the user 65534",
			hint: "delete it", prepare: plantStore("-journal", nobody)},
		{name: "a lock of another user", asRoot: true, want: "weigate.db.lock belongs to the user 65534", hint: "delete it",
			prepare: plantStore(".lock", nobody)},
		{name: "a link to a database", want: "weigate.db is not a regular file", hint: "delete it",
			prepare: func(dir string) error { return os.Symlink(elsewhere, filepath.Join(dir, storeName)) }},
	} {
		tt.run(t)
	}
}

// plantStore returns a function that puts a file of a database into a folder, for an owner.
func plantStore(suffix string, owner int) func(dir string) error {
	return func(dir string) error {
		path := filepath.Join(dir, storeName+suffix)
		return errors.Join(os.WriteFile(path, nil, 0o600), os.Chown(path, owner, -1))
	}
}

// TestPlantedParentFolder lets all users write to the folder above the folder of init: one of them
// could rename the folder, and put another in its place.
func TestPlantedParentFolder(t *testing.T) {
	t.Parallel()
	parent := t.TempDir()
	must(t, os.Chmod(parent, 0o777))
	for _, name := range []string{"new", "existing"} {
		dir := filepath.Join(parent, name)
		if name == "existing" {
			must(t, os.Mkdir(dir, 0o755))
		}
		err := refusePlanted(dir)
		if err == nil || !strings.Contains(err.Error(), "can write to the folder "+parent) ||
			!strings.HasPrefix(hintOf(err), "chmod go-w "+parent) {
			t.Errorf("%s: got %v, hint %q", name, err, hintOf(err))
		}
	}
}

// TestConfigurationSwappedForLinkToShadow replaces the name of the file with a symbolic link while
// init writes it. The target of the link must keep its group and its mode.
func TestConfigurationSwappedForLinkToShadow(t *testing.T) {
	t.Parallel()
	if os.Geteuid() != 0 {
		return // only root shares files with the service
	}
	group, err := user.LookupGroupId("65534")
	must(t, err)
	dir := t.TempDir()
	shadow, path := filepath.Join(dir, "shadow"), filepath.Join(dir, configName)
	must(t, os.WriteFile(shadow, []byte("secret"), 0o600))
	before, err := os.Stat(shadow)
	must(t, err)
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o600)
	must(t, err)
	defer f.Close()
	must(t, os.Remove(path))
	must(t, os.Symlink(shadow, path))
	must(t, shareWithGroup(f, group.Name))
	after, err := os.Stat(shadow)
	must(t, err)
	if after.Mode() != before.Mode() || after.ModTime() != before.ModTime() || groupOf(after) != groupOf(before) {
		t.Errorf("the target of the link has mode %v and group %d", after.Mode(), groupOf(after))
	}
	info, err := f.Stat()
	must(t, err)
	if info.Mode().Perm() != 0o640 || groupOf(info) != nobody {
		t.Errorf("the written file has mode %v and group %d", info.Mode(), groupOf(info))
	}
	// A file gets group and mode before it has its name.
	shared := filepath.Join(dir, secretName)
	must(t, newfile.Create(shared, func(f *os.File) error { return shareWithGroup(f, group.Name) }))
	info, err = os.Lstat(shared)
	must(t, err)
	if info.Mode().Perm() != 0o640 || groupOf(info) != nobody {
		t.Errorf("the created file has mode %v and group %d", info.Mode(), groupOf(info))
	}
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func groupOf(info os.FileInfo) uint32 { return info.Sys().(*syscall.Stat_t).Gid }

// hintOf returns the English hint of an error, or "".
func hintOf(err error) string {
	var hint *hintError
	if !errors.As(err, &hint) {
		return ""
	}
	return hint.hint.String()
}
