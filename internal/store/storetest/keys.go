package storetest

import (
	"bytes"
	"fmt"
	"testing"
	"time"

	"github.com/weigate/weigate/internal/gateway"
)

// newKey returns a sealed signing key that becomes active at 13:00.
func newKey(id, slot string) gateway.Key {
	return gateway.Key{ID: id, Slot: slot, Use: "sign", Alg: "RS256", Sealed: []byte("sealed " + id), CreatedAt: noon,
		ActiveAt: after(time.Hour)}
}

// keyCases test the signing keys that all replicas of a gateway share. A key is sealed: encrypted
// with the master key. Its slot is its use, algorithm and generation, such as "sign/RS256/1". No
// two keys can have the same slot.
var keyCases = []testCase{
	{
		name:       "one of two replicas stores the key of a slot",
		reason:     "apps would get tokens signed with a key that is not published",
		concurrent: true,
		run: func(t *testing.T, f *fixture) {
			stores := f.handles()
			var results counter
			f.concurrently(16, func(i int) {
				results.add(errorName(stores[i%2].PutKey(t.Context(), newKey(fmt.Sprint("k", i), "sign/RS256/1"))))
			})
			results.want(t, "put", map[string]int{"ok": 1, "conflict": 15})
			wantError(t, f.store.PutKey(t.Context(), newKey(f.listKeys()[0].ID, "sign/RS256/2")), gateway.ErrConflict)
			later := newKey("next", "sign/RS256/2")
			later.CreatedAt = after(time.Minute)
			wantNoError(t, f.store.PutKey(t.Context(), later))
			keys, err := stores[1].Keys(t.Context())
			wantNoError(t, err)
			if len(keys) != 2 || keys[1].ID != "next" || string(keys[1].Sealed) != "sealed next" ||
				keys[1].ActiveAt != after(time.Hour) || !keys[1].ReplacedAt.IsZero() {
				t.Fatalf("keys: %+v", keys)
			}
			if err := f.store.PutKey(t.Context(), gateway.Key{ID: "x"}); err == nil {
				t.Fatal("a key without a secret was stored")
			}
		},
	},
	{
		name:   "when several replicas replace a key, the earliest time counts",
		reason: "a token would be signed with a key that is no longer published",
		run: func(t *testing.T, f *fixture) {
			wantNoError(t, f.store.PutKey(t.Context(), newKey("k1", "sign/RS256/1")))
			for _, delay := range []time.Duration{3 * time.Hour, 2 * time.Hour, 4 * time.Hour} {
				wantNoError(t, f.store.SetKeyEnd(t.Context(), "k1", after(delay), after(delay+time.Hour)))
			}
			key := f.listKeys()[0]
			wantEqual(t, "plan", fmt.Sprint(key.ReplacedAt, key.ExpiresAt), fmt.Sprint(after(2*time.Hour), after(3*time.Hour)))
			wantError(t, f.store.SetKeyEnd(t.Context(), "none", noon, noon), gateway.ErrNotFound)
			f.sweep(after(3*time.Hour), time.Time{}, 0) // 0 = batches of the default size
			wantEqual(t, "keys after the sweep", len(f.listKeys()), 0)
		},
	},
	{
		name:       "one of many replicas replaces a sealed key",
		reason:     "two replicas that change the master key must not undo each other",
		concurrent: true,
		run: func(t *testing.T, f *fixture) {
			wantNoError(t, f.store.PutKey(t.Context(), newKey("k1", "sign/RS256/1")))
			var results counter
			f.concurrently(16, func(i int) {
				results.add(errorName(f.store.ReplaceSealed(t.Context(), "k1", []byte("sealed k1"), fmt.Append(nil, "new ", i))))
			})
			results.want(t, "sealed", map[string]int{"ok": 1, "conflict": 15})
			if key := f.listKeys()[0]; !bytes.HasPrefix(key.Sealed, []byte("new ")) {
				t.Fatalf("sealed: %q", key.Sealed)
			}
			wantError(t, f.store.ReplaceSealed(t.Context(), "none", nil, []byte("x")), gateway.ErrNotFound)
		},
	},
}
