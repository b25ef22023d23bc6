package storetest

import (
	"fmt"
	"testing"
	"time"

	"github.com/weigate/weigate/internal/gateway"
)

const (
	firstURL = "https://login.example.com"
	otherURL = "https://sso.example.com/login"
)

// servedURLCases test the address at which the gateways of a database serve. Apps know it as the
// issuer.
var servedURLCases = []testCase{
	{
		name:   "the first address stays until another is accepted",
		reason: "a gateway with another url would hide that every app rejects its tokens",
		run: func(t *testing.T, f *fixture) {
			_, err := f.store.ServedURL(t.Context())
			wantError(t, err, gateway.ErrNotFound)
			event := gateway.Event{At: after(2 * time.Hour), Kind: "url_accepted", Outcome: "ok", Actor: gateway.ActorCommand}
			wantError(t, f.store.AcceptURL(t.Context(), firstURL, otherURL, event), gateway.ErrNotFound)
			for i, url := range []string{firstURL, otherURL, firstURL} {
				u, err := f.store.RememberURL(t.Context(), url, after(time.Duration(i)*time.Hour))
				wantNoError(t, err)
				wantEqual(t, "remembered", u, gateway.ServedURL{URL: firstURL, Since: noon})
			}
			wantError(t, f.store.AcceptURL(t.Context(), otherURL, otherURL, event), gateway.ErrConflict)
			f.wantServedURL(gateway.ServedURL{URL: firstURL, Since: noon})
			events, err := f.store.Events(t.Context(), gateway.EventQuery{})
			wantNoError(t, err)
			wantEqual(t, "events of what was refused", len(events), 0)

			wantNoError(t, f.store.AcceptURL(t.Context(), firstURL, otherURL, event))
			f.wantServedURL(gateway.ServedURL{URL: otherURL, Since: event.At})
			events, err = f.store.Events(t.Context(), gateway.EventQuery{})
			wantNoError(t, err)
			if len(events) != 1 || events[0].Kind != event.Kind || !events[0].At.Equal(event.At) {
				t.Errorf("events: %+v", events)
			}
			if _, err := f.store.RememberURL(t.Context(), "", noon); err == nil {
				t.Error("an empty address was accepted")
			}
			if f.store.AcceptURL(t.Context(), otherURL, "", event) == nil {
				t.Error("an empty address was accepted")
			}
			f.sweep(after(1000*24*time.Hour), time.Time{}, 0)
			f.wantServedURL(gateway.ServedURL{URL: otherURL, Since: event.At})
		},
	},
	{
		name:       "replicas that start at once remember one address",
		reason:     "each of two replicas with different url would hold its own for the right one",
		concurrent: true,
		run: func(t *testing.T, f *fixture) {
			stores := f.handles()
			var results counter
			f.concurrently(16, func(i int) {
				u, err := stores[i%2].RememberURL(t.Context(), fmt.Sprint(firstURL, "/", i), noon)
				if err != nil {
					t.Error(err)
				}
				results.add(u.URL)
			})
			u, err := f.store.ServedURL(t.Context())
			wantNoError(t, err)
			results.want(t, "remembered", map[string]int{u.URL: 16})
		},
	},
	{
		name:       "one of several administrators accepts an address",
		reason:     "two events would name the same address as the one before",
		concurrent: true,
		run: func(t *testing.T, f *fixture) {
			stores := f.handles()
			_, err := f.store.RememberURL(t.Context(), firstURL, noon)
			wantNoError(t, err)
			var results counter
			f.concurrently(8, func(i int) {
				e := gateway.Event{At: noon, Kind: "url_accepted", Outcome: "ok"}
				results.add(errorName(stores[i%2].AcceptURL(t.Context(), firstURL, fmt.Sprint(otherURL, i), e)))
			})
			results.want(t, "accepted", map[string]int{"ok": 1, "conflict": 7})
			events, err := f.store.Events(t.Context(), gateway.EventQuery{})
			wantNoError(t, err)
			wantEqual(t, "events", len(events), 1)
		},
	},
}

func (f *fixture) wantServedURL(want gateway.ServedURL) {
	f.t.Helper()
	u, err := f.store.ServedURL(f.t.Context())
	wantNoError(f.t, err)
	wantEqual(f.t, "stored address", u, want)
}
