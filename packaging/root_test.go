//go:build root && linux

package packaging_test

import (
	"bytes"
	"cmp"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// debianPackage builds the package of a version and returns its path.
func debianPackage(t *testing.T, version string) string {
	t.Helper()
	dir := t.TempDir()
	notices := filepath.Join(dir, "notices.txt")
	write(t, notices, "Licences of other software.\n", 0o600)
	cmd := exec.Command("packaging/debian/build.sh", program(t), notices, version, "amd64", dir)
	cmd.Dir, cmd.Env = root, append(os.Environ(), "SOURCE_DATE_EPOCH=1800000000", "WEIGATE_DEB_COMPRESSION=gzip")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	names, err := filepath.Glob(dir + "/*.deb")
	if err != nil || len(names) != 1 {
		t.Fatalf("%v, %v", names, err)
	}
	return names[0]
}

// TestDebianPackage installs, starts, upgrades, removes and purges the package. WEIGATE_DEBIAN_ROOT is
// the root of the Debian to copy, by default that of this machine; "make release-check" uses a fresh
// one.
func TestDebianPackage(t *testing.T) {
	t.Parallel()
	older, newer := debianPackage(t, "v1.0.0"), debianPackage(t, "v1.0.1")
	first, err := os.ReadFile(older)
	if err != nil {
		t.Fatal(err)
	}
	if again, err := os.ReadFile(debianPackage(t, "v1.0.0")); err != nil || !bytes.Equal(first, again) {
		t.Errorf("two builds of a version differ: %v", err)
	}
	args := []string{"--fail-on=error,warning", "--allow-root", newer}
	if exec.Command(program(t), "man", "--help").Run() != nil { // the man page is made by this command
		args = append([]string{"--suppress-tags=no-manual-page"}, args...)
	}
	run(t, "lintian", args...)
	lower := cmp.Or(os.Getenv("WEIGATE_DEBIAN_ROOT"), "/")
	out := run(t, "unshare", "--mount", "packaging/testdata/debian.sh", lower, older, newer)
	if !strings.Contains(out, "ok: installed, started, upgraded, removed and purged") {
		t.Error(out)
	}
}

// TestImage builds the image's final stage and starts it.
func TestImage(t *testing.T) {
	t.Parallel()
	out := run(t, "unshare", "--mount", "packaging/testdata/image.sh", program(t))
	if !strings.Contains(out, "ok: built, started without rights, healthy, stopped") {
		t.Error(out)
	}
}

// A static program needs no other file: it starts on an empty root file system.
func TestEmptyRoot(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	content, err := os.ReadFile(program(t))
	if err != nil {
		t.Fatal(err)
	}
	write(t, filepath.Join(dir, "weigate"), string(content), 0o755)
	if out := run(t, "chroot", dir, "/weigate", "version"); !strings.HasPrefix(out, "weigate ") {
		t.Error(out)
	}
}
