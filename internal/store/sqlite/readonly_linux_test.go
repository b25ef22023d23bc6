package sqlite_test

import (
	"bytes"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/weigate/weigate/internal/fixture"
	"github.com/weigate/weigate/internal/store/sqlite"
)

// openAsNobody opens the database in a process of the user nobody, because root may
// write everywhere, and returns the output of the process.
func openAsNobody(t *testing.T, dir, path string) string {
	t.Helper()
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(exe)
	if os.Getuid() == 0 {
		u, err := user.Lookup("nobody")
		if err != nil {
			t.Fatal(err)
		}
		uid, _ := strconv.Atoi(u.Uid)
		gid, _ := strconv.Atoi(u.Gid)
		cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}}
		// The go command builds tests in a folder that other users cannot read.
		program, err := os.ReadFile(exe)
		if err != nil {
			t.Fatal(err)
		}
		cmd.Path = filepath.Join(dir, "child")
		fixture.WriteExecutable(t, cmd.Path, program)
	}
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), openEnv+"="+path)
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	return string(out)
}

// A frequent mistake of an installation: the service runs as another user than the
// owner of the database.
func TestAReadOnlyDatabaseSaysWhatToDo(t *testing.T) {
	t.Parallel()
	for _, k := range []struct {
		name         string
		folder, file os.FileMode
		words        []string
	}{
		{"the file", 0o777, 0o444, []string{"unavailable=true", "may not read and write", "change its owner or mode"}},
		{"the folder", 0o555, 0o666, []string{"unavailable=true", "lock file"}},
		{"both", 0o555, 0o444, []string{"unavailable=true", "may not read and write", "change its owner or mode"}},
	} {
		t.Run(k.name, func(t *testing.T) {
			t.Parallel()
			// Not the folder of the test, which other users cannot read.
			dir, err := os.MkdirTemp("", "weigate-sqlite-")
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() {
				_ = os.Chmod(filepath.Join(dir, "data"), 0o700)
				if err := os.RemoveAll(dir); err != nil {
					t.Error(err)
				}
			})
			path := filepath.Join(dir, "data", "w.db")
			if err := os.Mkdir(filepath.Dir(path), 0o700); err != nil {
				t.Fatal(err)
			}
			s := open(t, path, sqlite.Options{})
			arrive(t, s, "o1")
			if err := s.Close(); err != nil {
				t.Fatal(err)
			}
			before, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			for name, mode := range map[string]os.FileMode{dir: 0o755, path: k.file, filepath.Dir(path): k.folder} {
				if err := os.Chmod(name, mode); err != nil {
					t.Fatal(err)
				}
			}
			said := openAsNobody(t, dir, path)
			for _, w := range k.words {
				if !strings.Contains(said, w) {
					t.Errorf("%q does not say %q", said, w)
				}
			}
			if now, err := os.ReadFile(path); err != nil || !bytes.Equal(before, now) {
				t.Errorf("the file was changed (%v)", err)
			}
		})
	}
}
