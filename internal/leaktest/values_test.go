package leaktest_test

import (
	"encoding/base64"
	"encoding/hex"
	"net/url"
	"testing"

	"github.com/weigate/weigate/internal/leaktest"
)

func TestValues(t *testing.T) {
	t.Parallel()
	raw := []byte("\x00\x01an id of 24 bytes......")
	id := base64.RawURLEncoding.EncodeToString(raw)
	var v leaktest.Values
	if v.Add("short", "0123456789abcde") || !v.Add("session", id) {
		t.Fatal("Add accepts a value of 15 bytes or rejects one of 32")
	}
	const late = "a secret made late"
	if found := v.Find([]byte(late)); found != "" {
		t.Errorf("found before it was added: %s", found)
	}
	v.Add("late", late)
	for name, c := range map[string]struct {
		text string
		hit  bool
	}{
		"nothing":                  {"a plain line", false},
		"itself":                   {"cookie=" + id, true},
		"its bytes":                {"row " + string(raw) + " row", true},
		"its bytes in hexadecimal": {hex.EncodeToString(raw), true},
		"its bytes, escaped":       {url.PathEscape(string(raw)), true},
		"base64 of it":             {base64.StdEncoding.EncodeToString([]byte("a" + id + "b")), true},
		"escaped":                  {"%" + hex.EncodeToString([]byte(id[:1])) + id[1:], true},
		"a value added later":      {"x" + late, true},
		"the planted secret too":   {leaktest.Secret, true},
	} {
		if got := v.Find([]byte(c.text)); (got != "") != c.hit {
			t.Errorf("%s: Find returned %q, want a hit: %v", name, got, c.hit)
		}
	}
}
