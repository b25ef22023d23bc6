package sqlite_test

import (
	"os"
	"path/filepath"
	"strconv"
	"syscall"
	"testing"

	"github.com/weigate/weigate/internal/store/sqlite"
)

// TestLockEndsWithClose: a copy of the open lock file, such as a child process has at its start, does not
// keep the next gateway out.
func TestLockEndsWithClose(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "w.db")
	first := open(t, path, sqlite.Options{Serve: true})
	files, err := os.ReadDir("/proc/self/fd")
	must(t, err)
	copied := false
	for _, file := range files {
		if link, err := os.Readlink(filepath.Join("/proc/self/fd", file.Name())); err != nil || link != path+".lock" {
			continue
		}
		number, err := strconv.Atoi(file.Name())
		must(t, err)
		number, err = syscall.Dup(number)
		must(t, err)
		defer syscall.Close(number)
		copied = true
	}
	if !copied {
		t.Fatal("no lock file is open")
	}
	must(t, first.Close())
	open(t, path, sqlite.Options{Serve: true})
}
