package web_test

import (
	"net/url"
	"testing"
	"time"

	"github.com/weigate/weigate/internal/web"
)

// TestLinkConfirmsNothing: only an address that the gateway has made for this user shows a confirmation.
func TestLinkConfirmsNothing(t *testing.T) {
	t.Parallel()
	older, newer := []byte("older key"), []byte("newer key")
	now := time.Unix(1_800_000_000, 0)
	want := web.Confirmation{Act: "approve", N: 1, User: "alice"}
	address := want.Address("/admin/waiting?app=wiki", older, "root", now.Add(web.ConfirmationTime))
	for _, tt := range []struct {
		name, viewer string
		keys         [][]byte
		at           time.Time
		change       func(url.Values)
		want         bool
	}{
		{name: "at once", want: true},
		{name: "after a change of the key", keys: [][]byte{newer, older}, want: true},
		{name: "another key", keys: [][]byte{newer}},
		{name: "another user", viewer: "mallory"},
		{name: "later", at: now.Add(web.ConfirmationTime + time.Second)},
		{name: "another time", at: now.Add(time.Hour), change: func(q url.Values) { q.Set("done_until", "1900000000") }},
		{name: "another act", change: func(q url.Values) { q.Set("done", "block") }},
		{name: "another number", change: func(q url.Values) { q.Set("n", "2") }},
		{name: "another name", change: func(q url.Values) { q.Set("user", "mallory") }},
		{name: "no name", change: func(q url.Values) { q.Del("user") }},
		{name: "no signature", change: func(q url.Values) { q.Del("done_proof") }},
		{name: "not a number", change: func(q url.Values) { q.Set("n", "x") }},
	} {
		u, err := url.Parse(address)
		if err != nil {
			t.Fatal(err)
		}
		query := u.Query()
		if tt.change != nil {
			tt.change(query)
		}
		if tt.viewer == "" {
			tt.viewer = "root"
		}
		if tt.keys == nil {
			tt.keys = [][]byte{older}
		}
		if tt.at.IsZero() {
			tt.at = now
		}
		got, ok := web.ReadConfirmation(query, tt.keys, tt.viewer, tt.at)
		if ok != tt.want || ok && got != want {
			t.Errorf("%s: %+v, %t", tt.name, got, ok)
		}
	}
	if _, ok := web.ReadConfirmation(url.Values{}, [][]byte{older}, "", now); ok {
		t.Error("a confirmation for nobody")
	}
}
