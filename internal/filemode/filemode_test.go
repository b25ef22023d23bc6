package filemode_test

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/weigate/weigate/internal/filemode"
)

// file is a file with a mode and nothing else.
type file fs.FileMode

func (f file) Name() string       { return "file" }
func (f file) Size() int64        { return 0 }
func (f file) Mode() fs.FileMode  { return fs.FileMode(f) }
func (f file) ModTime() time.Time { return time.Time{} }
func (f file) IsDir() bool        { return false }
func (f file) Sys() any           { return nil }

func TestCheck(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name       string
		path       string
		mode       file
		hasSecrets bool
		want       error
	}{
		{name: "of its owner", mode: 0o600, hasSecrets: true},
		{name: "readable by its group", mode: 0o640, hasSecrets: true},
		{name: "readable by all, with secrets", mode: 0o644, hasSecrets: true, want: filemode.ErrReadable},
		{name: "readable by all, without secrets", mode: 0o644},
		{name: "writable by its group", mode: 0o660, want: filemode.ErrWritable},
		{name: "writable by all, not by its group", mode: 0o602, want: filemode.ErrWritable},
		{name: "readable and writable by all", mode: 0o666, hasSecrets: true, want: filemode.ErrWritable},
		{name: "readable, of a container", path: "/run/secrets/wechat", mode: 0o444, hasSecrets: true},
		{name: "readable, of a container, older path", path: "/var/run/secrets/a/b", mode: 0o444, hasSecrets: true},
		{name: "writable, of a container", path: "/run/secrets/wechat", mode: 0o666, hasSecrets: true,
			want: filemode.ErrWritable},
		{name: "readable, beside the folder of containers", path: "/run/secrets/../wechat", mode: 0o444, hasSecrets: true,
			want: filemode.ErrReadable},
	} {
		if err := filemode.Check(tt.path, tt.mode, tt.hasSecrets); !errors.Is(err, tt.want) {
			t.Errorf("%s: got %v, want %v", tt.name, err, tt.want)
		}
	}
}

func TestWritableByAll(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	for mode, want := range map[os.FileMode]bool{0o755: false, 0o775: false, 0o777: true, 0o777 | os.ModeSticky: true} {
		if err := os.Chmod(dir, mode); err != nil {
			t.Fatal(err)
		}
		if got := filemode.WritableByAll(dir); got != want {
			t.Errorf("mode %v: got %v, want %v", mode, got, want)
		}
	}
	if filemode.WritableByAll(filepath.Join(dir, "none")) {
		t.Error("a folder that does not exist")
	}
}
