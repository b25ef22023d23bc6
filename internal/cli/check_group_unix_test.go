//go:build unix

package cli

import (
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/weigate/weigate/internal/config"
)

// owned is a file with an owner, a group and a mode.
type owned struct {
	uid, gid uint32
	mode     fs.FileMode
}

func (f owned) Name() string       { return "file" }
func (f owned) Size() int64        { return 0 }
func (f owned) Mode() fs.FileMode  { return f.mode }
func (f owned) ModTime() time.Time { return time.Time{} }
func (f owned) IsDir() bool        { return false }
func (f owned) Sys() any           { return &syscall.Stat_t{Uid: f.uid, Gid: f.gid} }

// TestCheckAsRootSeesWhatTheServiceReads: "openssl rand > grafana.secret; chmod 640 grafana.secret" as root
// makes a file of root's group. Check passed as root, the reload was refused, and the next start failed.
func TestCheckAsRootSeesWhatTheServiceReads(t *testing.T) {
	t.Parallel()
	const service = 995
	for _, tt := range []struct {
		name string
		file owned
		want bool
	}{
		{"of root's group", owned{0, 0, 0o640}, false},
		{"of the service's group", owned{0, service, 0o640}, true},
		{"of the service's group, which may not read it", owned{0, service, 0o600}, false},
		{"of the service's user", owned{995, 995, 0o600}, true},
		{"readable by all, of a container", owned{0, 0, 0o444}, true},
	} {
		if got := serviceCanRead(tt.file, service); got != tt.want {
			t.Errorf("%s: %t", tt.name, got)
		}
	}
	if os.Geteuid() != 0 {
		return // only root can give files to groups
	}
	dir := t.TempDir()
	path, secret := filepath.Join(dir, "weigate.yaml"), filepath.Join(dir, "grafana.secret")
	for _, name := range []string{path, secret} {
		if err := os.WriteFile(name, []byte("x"), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Chmod(name, 0o640); err != nil {
			t.Fatal(err)
		}
	}
	conf := &config.Config{MasterKeyFile: filepath.Join(dir, "missing"), SecretFiles: []string{secret}}
	if problems := checkServiceFiles(path, conf); len(problems) > 0 {
		t.Errorf("without a service: %v", problems)
	}
	if err := os.Chown(path, 0, 64995); err != nil {
		t.Fatal(err)
	}
	problems := checkServiceFiles(path, conf)
	if len(problems) != 1 || !strings.HasSuffix(problems[0].Error(),
		"grafana.secret: the group 64995, to which the service belongs, cannot read the file") {
		t.Errorf("a secret of root's group: %v", problems)
	}
	// A file of the user who deploys says nothing about a service that runs as root.
	if err := os.Chmod(path, 0o644); err != nil {
		t.Fatal(err)
	}
	if problems := checkServiceFiles(path, conf); len(problems) > 0 {
		t.Errorf("a configuration that all users may read: %v", problems)
	}
	if err := os.Chmod(path, 0o640); err != nil {
		t.Fatal(err)
	}
	if err := os.Chown(secret, 0, 64995); err != nil {
		t.Fatal(err)
	}
	if problems := checkServiceFiles(path, conf); len(problems) > 0 {
		t.Errorf("a secret of the service's group: %v", problems)
	}
}

// TestInitialConfigurationNamesTheGroup: the command in the comment makes a secret that the service of the
// Debian package can read.
func TestInitialConfigurationNamesTheGroup(t *testing.T) {
	t.Parallel()
	for group, want := range map[string]string{
		"":          "> grafana.secret; chmod 640 grafana.secret\n",
		systemGroup: "> grafana.secret; chgrp weigate grafana.secret; chmod 640 grafana.secret\n",
	} {
		for _, language := range []string{"en", "zh-CN"} {
			text, err := answers{URL: "https://login.example.com", Group: group}.text(language)
			if err != nil || !strings.Contains(string(text), want) {
				t.Errorf("group %q, %s: %v\n%s", group, language, err, text)
			}
		}
	}
}
