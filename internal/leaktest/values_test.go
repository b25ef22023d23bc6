package leaktest_test

import (
	"encoding/base64"
	"encoding/hex"
	"testing"

	"github.com/weigate/weigate/internal/leaktest"
)

func TestValues(t *testing.T) {
	t.Parallel()
	raw := []byte("\x00\x01an id of 24 bytes......")
	id := base64.RawURLEncoding.EncodeToString(raw)
	var v leaktest.Values
	if v.Add("short", "0123456789abcde") || !v.Add("session", id) {
		t.Fatal("the length that is looked for")
	}
	for name, c := range map[string]struct {
		text string
		hit  bool
	}{
		"nothing": {"a plain line", false}, "itself": {"cookie=" + id, true}, "its bytes": {"row " + string(raw) + " row", true},
		"its bytes in hexadecimal": {hex.EncodeToString(raw), true}, "base64 of it": {base64.StdEncoding.EncodeToString([]byte("a" + id + "b")), true},
		"the planted secret too": {leaktest.Secret, true}, "escaped": {"%" + hex.EncodeToString([]byte(id[:1])) + id[1:], true},
	} {
		if got := v.Find([]byte(c.text)); (got != "") != c.hit {
			t.Errorf("%s: Find said %q", name, got)
		}
	}
}
