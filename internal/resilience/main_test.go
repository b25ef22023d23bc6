package resilience_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/weigate/weigate/internal/fixture"
	"github.com/weigate/weigate/internal/store/postgres/postgrestest"
)

// buildDir is the folder of the program, which is built once for all tests.
var buildDir = sync.OnceValues(func() (string, error) { return os.MkdirTemp("", "weigate-resilience-") })

func TestMain(m *testing.M) { os.Exit(run(m)) }

func run(m *testing.M) int {
	dir, err := buildDir()
	if err == nil {
		err = fixture.SetEnglish()
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer os.RemoveAll(dir)
	return postgrestest.Main(m)
}

// program returns the path of the program.
var program = sync.OnceValues(func() (string, error) {
	dir, err := buildDir()
	if err != nil {
		return "", err
	}
	return fixture.Program(dir)
})

// nextProgram returns the path of a program of the next version: the same with one more migration of SQLite.
var nextProgram = sync.OnceValues(func() (string, error) {
	dir, err := buildDir()
	if err != nil {
		return "", err
	}
	migrations, err := filepath.Abs("../store/sqlite/migrations")
	if err != nil {
		return "", err
	}
	existing, err := filepath.Glob(filepath.Join(migrations, "*.sql"))
	if err != nil {
		return "", err
	}
	added, overlay := filepath.Join(dir, "next.sql"), filepath.Join(dir, "overlay.json")
	name := fmt.Sprintf("%04d_next.sql", len(existing)+1)
	text, err := json.Marshal(map[string]any{"Replace": map[string]string{filepath.Join(migrations, name): added}})
	if err != nil {
		return "", err
	}
	err = errors.Join(os.WriteFile(added, []byte(nextMigration), 0o600), os.WriteFile(overlay, text, 0o600))
	if err != nil {
		return "", err
	}
	path := filepath.Join(dir, "weigate-next")
	build := exec.Command("go", "build", "-overlay", overlay, "-ldflags=-s", "-o", path,
		"github.com/weigate/weigate/cmd/weigate")
	if out, err := build.CombinedOutput(); err != nil {
		return "", fmt.Errorf("go build: %w\n%s", err, out)
	}
	return path, nil
})

// nextMigration adds a table and changes every user.
const nextMigration = `CREATE TABLE next_version (id INTEGER PRIMARY KEY) STRICT;
UPDATE users SET note = 'of the next version';`

// signIns returns the number of sign-ins of a test under load.
func signIns(t *testing.T) int {
	t.Helper()
	text := os.Getenv("WEIGATE_SIGN_INS")
	if text == "" {
		return 400
	}
	n, err := strconv.Atoi(text)
	if err != nil || n < 40 {
		t.Fatalf("WEIGATE_SIGN_INS=%s: want a number, 40 or more", text)
	}
	return n
}

// floodTime returns how long a flood lasts: 5 s, or WEIGATE_FLOOD, such as 10m.
func floodTime(t *testing.T) time.Duration {
	t.Helper()
	text := os.Getenv("WEIGATE_FLOOD")
	if text == "" {
		return 5 * time.Second
	}
	d, err := time.ParseDuration(text)
	if err != nil || d < time.Second {
		t.Fatalf("WEIGATE_FLOOD=%s: want a duration, 1s or more", text)
	}
	return d
}
