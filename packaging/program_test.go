// Package packaging_test tests what a release installs: the systemd unit, the Debian package, the
// image and the compose file. Tests with the build tag root need root and the tools of
// build/deps.sh; "make test" runs them as root.
package packaging_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
)

// root is the root of the repository.
const root = ".."

// run runs a command in the root of the repository and returns its output. The test fails if the
// command fails.
func run(t *testing.T, name string, args ...string) string {
	t.Helper()
	cmd := exec.Command(name, args...)
	cmd.Dir = root
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%s %s: %v\n%s", name, strings.Join(args, " "), err, out)
	}
	return string(out)
}

func read(t *testing.T, name string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(root, name))
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func write(t *testing.T, name, text string, mode os.FileMode) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(name, []byte(text), mode); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(name, mode); err != nil { // whatever the umask is
		t.Fatal(err)
	}
}

var built = sync.OnceValues(func() (string, error) {
	if path := os.Getenv("WEIGATE_PROGRAM"); path != "" {
		return path, nil
	}
	path := filepath.Join(os.TempDir(), "weigate-packaging-"+strconv.Itoa(os.Getuid()), "weigate")
	cmd := exec.Command("go", "build", "-o", path, "./cmd/weigate")
	cmd.Dir, cmd.Env = root, append(os.Environ(), "CGO_ENABLED=0", "GOWORK=off")
	if out, err := cmd.CombinedOutput(); err != nil {
		return "", &exec.Error{Name: string(out), Err: err}
	}
	return path, nil
})

// program returns the path of a static executable for this machine. "make test" has built one. The
// flags of a release change paths and symbols in it, not what it does, so the tests that follow do
// not build the program once more: "make release-check" does.
func program(t *testing.T) string {
	t.Helper()
	path, err := built()
	if err != nil {
		t.Fatal(err)
	}
	return path
}
