package login_test

import (
	"bytes"
	"path/filepath"
	"strings"
	"testing"

	"github.com/weigate/weigate/login"
)

// Go runs the seeds as tests; without seeds that would be a test of nothing.
func TestFuzzTargetsHaveSeeds(t *testing.T) {
	t.Parallel()
	for _, target := range []string{"FuzzFlow", "FuzzReturn"} {
		seeds, err := filepath.Glob(filepath.Join("testdata", "fuzz", target, "*"))
		if err != nil || len(seeds) == 0 {
			t.Errorf("testdata/fuzz/%s holds no seed: %v", target, err)
		}
	}
}

func mustFlow(tb testing.TB, returnTo string, data []byte) []byte {
	tb.Helper()
	b, err := login.SampleFlow(returnTo, data)
	if err != nil {
		tb.Fatal(err)
	}
	return b
}

// FuzzFlow: what reads as a flow writes back to the same bytes, so that no two
// cookies mean one flow, and nothing panics.
func FuzzFlow(f *testing.F) {
	plain := mustFlow(f, "/x?y#/z", nil)
	f.Add(plain)
	f.Add(mustFlow(f, "", []byte("data")))
	f.Add(mustFlow(f, strings.Repeat("x", login.MaxReturn), bytes.Repeat([]byte{0}, login.MaxData)))
	f.Add(plain[:len(plain)-1])
	f.Add(append(bytes.Clone(plain), 0))
	f.Add([]byte{})
	f.Fuzz(func(t *testing.T, b []byte) {
		again, ok, err := login.Reflow(b)
		if !ok {
			return
		}
		if err != nil || !bytes.Equal(again, b) {
			t.Fatalf("%x was read, then written as %x (%v)", b, again, err)
		}
	})
}
