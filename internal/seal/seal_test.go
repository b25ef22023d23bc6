package seal_test

import (
	"bytes"
	"encoding/base64"
	"errors"
	"strings"
	"testing"

	"github.com/weigate/weigate/internal/seal"
)

func key(n byte) []byte { return bytes.Repeat([]byte{n}, seal.MinKey) }

func newSealer(t *testing.T, purpose string, keys ...[]byte) *seal.Sealer {
	t.Helper()
	s, err := seal.New(keys, purpose)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func sealed(t *testing.T, s *seal.Sealer, name, text string) string {
	t.Helper()
	value, err := s.Seal(name, []byte(text))
	if err != nil {
		t.Fatal(err)
	}
	return value
}

func TestSealedValueOpens(t *testing.T) {
	t.Parallel()
	s := newSealer(t, "flow", key(1))
	for _, text := range []string{"", "x", strings.Repeat("x", 5000), "\x00\xff"} {
		value := sealed(t, s, "name", text)
		if strings.Trim(value, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_") != "" {
			t.Errorf("value %q does not fit into a cookie", value)
		}
		if plain, err := s.Open("name", value); err != nil || string(plain) != text {
			t.Errorf("Open = %q, %v; want %q", plain, err, text)
		}
	}
	if first, second := sealed(t, s, "name", "x"), sealed(t, s, "name", "x"); first == second {
		t.Error("two values of one text are equal")
	}
}

func TestOtherValuesDoNotOpen(t *testing.T) {
	t.Parallel()
	s := newSealer(t, "flow", key(1))
	value := sealed(t, s, "name", "the text")
	flip := func(at int) string {
		raw, _ := base64.RawURLEncoding.DecodeString(value)
		raw[(at+len(raw))%len(raw)] ^= 1
		return base64.RawURLEncoding.EncodeToString(raw)
	}
	for what, other := range map[string]string{
		"empty":              "",
		"no base64":          "%%%",
		"plain text":         base64.RawURLEncoding.EncodeToString([]byte("the text")),
		"short":              "AAAA",
		"first bit changed":  flip(0),
		"middle bit changed": flip(14),
		"last bit changed":   flip(-1),
		"cut off":            value[:len(value)-4],
		"one character less": value[:len(value)-1],
		"longer":             value + "AAAA",
		"padded":             value + "=",
		"line break":         value[:4] + "\n" + value[4:],
		"carriage return":    value + "\r",
		"of another purpose": sealed(t, newSealer(t, "trace", key(1)), "name", "x"),
		"of another key":     sealed(t, newSealer(t, "flow", key(2)), "name", "x"),
		"of another name":    sealed(t, s, "names", "x"),
		"too long":           strings.Repeat("A", seal.MaxLength+1),
	} {
		if plain, err := s.Open("name", other); !errors.Is(err, seal.ErrOpen) || plain != nil {
			t.Errorf("%s: Open = %q, %v", what, plain, err)
		}
	}
	// The name and the purpose are separate: neither can take characters from the other.
	if _, err := newSealer(t, "flow\x00n", key(1)).Open("ame", value); !errors.Is(err, seal.ErrOpen) {
		t.Errorf("Open with a shifted name: %v", err)
	}
}

func TestKeysCanBeReplaced(t *testing.T) {
	t.Parallel()
	first := newSealer(t, "flow", key(1))
	both := newSealer(t, "flow", key(2), key(1))
	if plain, err := both.Open("n", sealed(t, first, "n", "x")); err != nil || string(plain) != "x" {
		t.Errorf("value of the older key: %q, %v", plain, err)
	}
	if _, err := first.Open("n", sealed(t, both, "n", "x")); !errors.Is(err, seal.ErrOpen) {
		t.Errorf("the newer key does not seal: %v", err)
	}
}

func TestLimits(t *testing.T) {
	t.Parallel()
	if _, err := newSealer(t, "flow", key(1)).Seal("n", make([]byte, seal.MaxLength)); err == nil {
		t.Error("a value over the limit was sealed")
	}
	for _, keys := range [][][]byte{nil, {nil}, {key(1), make([]byte, seal.MinKey-1)}} {
		if _, err := seal.New(keys, "flow"); err == nil {
			t.Errorf("New accepts %d keys, of which one is too short or missing", len(keys))
		}
	}
}

// FuzzOpen checks that one value opens only as itself, under its name.
func FuzzOpen(f *testing.F) {
	s, err := seal.New([][]byte{key(1)}, "flow")
	if err != nil {
		f.Fatal(err)
	}
	const name = "__Host-weigate-f-abcdefghij"
	// Sealed before: the processes of a fuzz run must agree on it.
	const good = "1ZB5kiCCDGVmFfaWJ-q_Wv2slCgfPv-QWi_b8JTrsoIBiKpa"
	if plain, err := s.Open(name, good); err != nil || string(plain) != "the text" {
		f.Fatalf("the sealed value does not open: %v", err)
	}
	f.Add(name, good)
	f.Add("__Host-weigate-f-abcdefghik", good)
	f.Add(name, good[:len(good)-1])
	f.Add(name, good+"A")
	f.Add(name, good+"=")
	f.Add(name, "")
	f.Fuzz(func(t *testing.T, as, value string) {
		if plain, err := s.Open(as, value); err == nil && (as != name || value != good) {
			t.Fatalf("%q opened as %q: %q", value, as, plain)
		}
	})
}
