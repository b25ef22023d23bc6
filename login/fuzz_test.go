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
	for _, target := range []string{"FuzzFlow", "FuzzFlowCookie", "FuzzReturn"} {
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

// FuzzFlowCookie: only what was sealed under this key and name opens.
func FuzzFlowCookie(f *testing.F) {
	// One that was sealed before: the processes of a fuzz run must agree on it.
	const (
		name = "__Host-weigate-f-abcdefghij"
		good = "3qMVmgErsKFCKPN8kKyHc2VT_z8zy9CFVkCbnVwtLYMd1s6aXwER8w5JQGF68JX9Tmlz2WWxCUY1OPDHTLOHqyH0-YxIR8hflU0XwcBgirEjLBmBwMao58F8_u5Wx8L8tw"
	)
	if opened, err := login.OpenFlowCookie(key(4), name, good); !opened || err != nil {
		f.Fatalf("a good cookie does not open: %v", err)
	}
	f.Add(name, good)
	f.Add("__Host-weigate-f-abcdefghik", good)
	f.Add(name, good[:len(good)-1])
	f.Add(name, good+"A")
	f.Add(name, good+"=")
	f.Add(name, "")
	f.Fuzz(func(t *testing.T, as, value string) {
		opened, err := login.OpenFlowCookie(key(4), as, value)
		if err != nil {
			t.Fatal(err)
		}
		if opened && (as != name || value != good) {
			t.Fatalf("%q opened as %q", value, as)
		}
	})
}
