package admin_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/weigate/weigate/internal/gateway"
)

// A search that reads too many events stops, says so in both languages, and continues by a link.
func TestCutSearchOfEventsContinues(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	events := []gateway.Event{{At: f.now, Kind: "the_only", Outcome: "ok", RequestID: "the-only-one"}}
	for range gateway.MaxRead {
		events = append(events, gateway.Event{At: f.now, Kind: "other", Outcome: "failed"})
	}
	if err := f.store.AppendEvents(t.Context(), events...); err != nil {
		t.Fatal(err)
	}
	only, err := f.store.Events(t.Context(), gateway.EventQuery{Kind: "the_only"})
	if err != nil || len(only) != 1 {
		t.Fatal(only, err)
	}
	next := fmt.Sprint("before=", only[0].ID+1)
	first := fmt.Sprint("/admin/events?outcome=ok&before=", only[0].ID+gateway.MaxRead+1)
	for lang, sentence := range map[string]string{"en": "The search stopped after 5000 rows", "zh-CN": "已查找 5000 条记录"} {
		f.lang = lang
		body := f.get(first)
		if !strings.Contains(body, sentence) || strings.Contains(body, "the-only-one") {
			t.Errorf("%s: the search is not cut: %s", lang, body)
		}
		if !strings.Contains(body, next+"&amp;outcome=ok") {
			t.Errorf("%s: no link to continue", lang)
		}
		body = f.get("/admin/events?outcome=ok&" + next)
		if strings.Contains(body, sentence) || !strings.Contains(body, "the-only-one") {
			t.Errorf("%s: the search does not continue: %s", lang, body)
		}
	}
}
