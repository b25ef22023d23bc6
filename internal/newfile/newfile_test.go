package newfile_test

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/weigate/weigate/internal/newfile"
)

// A failure, such as a full disk, leaves no file, and an existing file is never replaced.
func TestCreateLeavesNoHalfFile(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	target := filepath.Join(dir, "backup")
	full := errors.New("no space left on device")
	err := newfile.Create(target, func(f *os.File) error {
		_, err := f.WriteString("half")
		return errors.Join(err, full)
	})
	if !errors.Is(err, full) {
		t.Errorf("got %v", err)
	}
	if left, err := os.ReadDir(dir); err != nil || len(left) > 0 {
		t.Errorf("left %v, %v", left, err)
	}
	write := func(text string) func(*os.File) error {
		return func(f *os.File) error { _, err := f.WriteString(text); return err }
	}
	if err := newfile.Create(target, write("whole")); err != nil {
		t.Fatal(err)
	}
	if err := newfile.Create(target, write("another")); !errors.Is(err, fs.ErrExist) {
		t.Errorf("over a file: %v", err)
	}
	late := filepath.Join(dir, "late") // another process creates the file meanwhile
	err = newfile.Create(late, func(*os.File) error { return os.WriteFile(late, []byte("its own"), 0o600) })
	if !errors.Is(err, fs.ErrExist) {
		t.Errorf("over a file that was created meanwhile: %v", err)
	}
	for name, want := range map[string]string{"backup": "whole", "late": "its own"} {
		text, err := os.ReadFile(filepath.Join(dir, name))
		info, statErr := os.Stat(filepath.Join(dir, name))
		if err != nil || statErr != nil || string(text) != want || info.Mode().Perm() != 0o600 {
			t.Errorf("%s: %q, %v, %v", name, text, info.Mode(), err)
		}
	}
	if left, err := os.ReadDir(dir); err != nil || len(left) != 2 {
		t.Errorf("left %v, %v", left, err)
	}
}

// The random name of the temporary file is not in errors: nobody finds it.
func TestErrorsNameTheFolder(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "missing")
	err := newfile.Create(filepath.Join(dir, "backup"), func(*os.File) error { return nil })
	if !errors.Is(err, fs.ErrNotExist) || !strings.HasPrefix(err.Error(), "create a file in "+dir+": ") {
		t.Errorf("got %v", err)
	}
}
