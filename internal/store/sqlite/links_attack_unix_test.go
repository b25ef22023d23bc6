//go:build unix

package sqlite_test

import (
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/weigate/weigate/internal/gateway"
	"github.com/weigate/weigate/internal/store/archive"
	"github.com/weigate/weigate/internal/store/sqlite"
	"github.com/weigate/weigate/internal/store/storetest"
)

// nobody is the user of the gateway, if root runs the tests.
const nobody = 65534

// planted is a file of root, and a folder in which the user of the gateway has made a link to it.
type planted struct {
	t      *testing.T
	shadow string // the file; "" = it does not exist
	before os.FileInfo
	path   string // of the database
}

// plant makes a link with the suffix of a file of the store. If dangling is set, its target does not
// exist.
func plant(t *testing.T, suffix string, link func(target, name string) error, dangling bool) planted {
	t.Helper()
	p := planted{t: t, shadow: filepath.Join(t.TempDir(), "shadow"), path: filepath.Join(t.TempDir(), "w.db")}
	if !dangling {
		must(t, os.WriteFile(p.shadow, []byte("secret"), 0o600))
		var err error
		p.before, err = os.Stat(p.shadow)
		must(t, err)
	}
	must(t, link(p.shadow, p.path+suffix))
	if os.Geteuid() == 0 {
		must(t, os.Chown(filepath.Dir(p.path), nobody, nobody))
	}
	return p
}

// unchanged fails the test if the file has another owner, mode or content than before.
func (p planted) unchanged(what string) {
	p.t.Helper()
	after, err := os.Stat(p.shadow)
	if p.before == nil {
		if err == nil {
			p.t.Errorf("%s: the target of the link was created", what)
		}
		return
	}
	must(p.t, err)
	was, is := p.before.Sys().(*syscall.Stat_t), after.Sys().(*syscall.Stat_t)
	text, err := os.ReadFile(p.shadow)
	must(p.t, err)
	if was.Uid != is.Uid || was.Gid != is.Gid || p.before.Mode() != after.Mode() || string(text) != "secret" {
		p.t.Errorf("%s: the file belongs to %d:%d, mode %v, content %.10q", what, is.Uid, is.Gid, after.Mode(), text)
	}
}

// TestRestoreGivesShadowToServiceUser lets the user of the gateway put links to a file of root into
// the folder of the database, before root restores a backup. The file must not change, nor get
// another owner.
func TestRestoreGivesShadowToServiceUser(t *testing.T) {
	t.Parallel()
	source := filepath.Join(t.TempDir(), "w.db")
	must(t, open(t, source, sqlite.Options{}).Close())
	backup := storetest.WriteArchive(t, func(w *archive.Writer) error { return sqlite.Backup(t.Context(), source, w) })
	for _, tt := range []struct {
		name, suffix string
		link         func(target, name string) error
		dangling     bool
		asRoot       bool   // only root refuses it
		want         string // part of the error; "" = the link is replaced
	}{
		{name: "link as lock", suffix: ".lock", link: os.Symlink, want: "symbolic link"},
		{name: "link as lock to a new file", suffix: ".lock", link: os.Symlink, dangling: true, want: "symbolic link"},
		{name: "hard link as lock", suffix: ".lock", link: os.Link, asRoot: true, want: "another name"},
		{name: "link as database", link: os.Symlink, want: "symbolic link"},
		{name: "link as database to a new file", link: os.Symlink, dangling: true, want: "symbolic link"},
		{name: "hard link as log", suffix: "-wal", link: os.Link, asRoot: true, want: "another name"},
		{name: "link as new database", suffix: ".restoring", link: os.Symlink},
		{name: "hard link as new database", suffix: ".restoring", link: os.Link},
	} {
		if tt.asRoot && os.Geteuid() != 0 {
			continue
		}
		p := plant(t, tt.suffix, tt.link, tt.dangling)
		err := sqlite.Restore(t.Context(), p.path, storetest.ReadArchive(t, backup), sqlite.Options{})
		p.unchanged(tt.name)
		if tt.want == "" {
			must(t, err)
			owned(t, p.path, p.path+".lock")
			continue
		}
		fails(t, tt.name, err, gateway.ErrUnavailable, tt.want)
	}
}

// owned fails the test unless files belong to the owner of their folder.
func owned(t *testing.T, paths ...string) {
	t.Helper()
	for _, path := range paths {
		file, err := os.Lstat(path)
		must(t, err)
		folder, err := os.Stat(filepath.Dir(path))
		must(t, err)
		if got, want := file.Sys().(*syscall.Stat_t).Uid, folder.Sys().(*syscall.Stat_t).Uid; got != want {
			t.Errorf("%s belongs to %d, want %d", path, got, want)
		}
	}
}

// TestCommandOfRootFollowsPlantedLink does the same before root runs a command, such as weigate user
// list, weigate backup or weigate serve.
func TestCommandOfRootFollowsPlantedLink(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name, suffix string
		link         func(target, name string) error
		dangling     bool
		asRoot       bool
		want         string
	}{
		{name: "link as database", link: os.Symlink, want: "symbolic link"},
		{name: "link as database to a new file", link: os.Symlink, dangling: true, want: "symbolic link"},
		{name: "hard link as database", link: os.Link, asRoot: true, want: "another name"},
		{name: "link as lock", suffix: ".lock", link: os.Symlink, want: "symbolic link"},
		{name: "link as log", suffix: "-wal", link: os.Symlink, want: "symbolic link"},
		{name: "hard link as log", suffix: "-wal", link: os.Link, asRoot: true, want: "another name"},
		{name: "hard link as shared memory", suffix: "-shm", link: os.Link, asRoot: true, want: "another name"},
		{name: "link as journal", suffix: "-journal", link: os.Symlink, want: "symbolic link"},
	} {
		if tt.asRoot && os.Geteuid() != 0 {
			continue
		}
		p := plant(t, tt.suffix, tt.link, tt.dangling)
		s, err := sqlite.Open(t.Context(), p.path, sqlite.Options{Serve: true})
		if err == nil {
			must(t, s.Close())
		}
		p.unchanged(tt.name)
		fails(t, tt.name, err, gateway.ErrUnavailable, tt.want)
		if tt.suffix == "" {
			err = sqlite.Backup(t.Context(), p.path, archive.NewWriter(t.Output(), archive.Key{}, noon))
			fails(t, tt.name+": backup", err, gateway.ErrUnavailable, tt.want)
		}
	}
	fifo := filepath.Join(t.TempDir(), "w.db")
	must(t, syscall.Mkfifo(fifo+".lock", 0o600))
	_, err := sqlite.Open(t.Context(), fifo, sqlite.Options{Serve: true})
	fails(t, "named pipe as lock", err, gateway.ErrUnavailable, "not a regular file")
}

// TestFileSwappedForLink replaces a file with a link after the store has checked it, and plants a
// link where a new file is to be created.
func TestFileSwappedForLink(t *testing.T) {
	t.Parallel()
	p := plant(t, ".restoring", os.Symlink, false)
	if f, err := sqlite.OpenFile(p.path+".restoring", os.O_RDWR|os.O_CREATE|os.O_EXCL); err == nil {
		f.Close()
		t.Error("the link was followed")
	}
	f, err := sqlite.OpenFile(p.path, os.O_RDWR|os.O_CREATE|os.O_EXCL)
	must(t, err)
	defer f.Close()
	info, err := f.Stat()
	must(t, err)
	must(t, sqlite.CheckSame(p.path, info))
	must(t, os.Remove(p.path))
	must(t, os.Symlink(p.shadow, p.path))
	if err := sqlite.CheckSame(p.path, info); err == nil || !strings.Contains(err.Error(), "was replaced") {
		t.Errorf("got %v", err)
	}
	p.unchanged("link in place of the checked file")
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
