package api

import (
	"net/http"
	"testing"

	"github.com/weigate/weigate/internal/administration"
	"github.com/weigate/weigate/internal/gateway"
)

// A search that reads too many events stops, says so, and continues with next.
func TestCutSearchOfEventsContinues(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	key := f.key(administration.ScopeEventsRead)
	events := []gateway.Event{{At: f.now(), Kind: "the_only", Outcome: "ok"}}
	for range gateway.MaxRead {
		events = append(events, gateway.Event{At: f.now(), Kind: "other", Outcome: "failed", App: "wiki"})
	}
	if err := f.store.AppendEvents(t.Context(), events...); err != nil {
		t.Fatal(err)
	}
	page := decode[EventPage](t, f.call(key, http.MethodGet, "/events?outcome=ok", nil))
	if !page.Cut || page.Next == "" || len(page.Events) > 0 {
		t.Fatalf("the search is not cut: %+v", page)
	}
	page = decode[EventPage](t, f.call(key, http.MethodGet, "/events?outcome=ok&after="+page.Next, nil))
	if page.Cut || len(page.Events) == 0 || page.Events[0].Kind != "the_only" {
		t.Errorf("the search does not continue: %+v", page)
	}
}
