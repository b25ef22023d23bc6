package resilience_test

import (
	"fmt"
	"os"
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
