package admin_test

import (
	"fmt"
	"html"
	"regexp"
	"strings"
	"testing"
	"time"

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

// The page of an invitation shows 50 of its users, and links to the others: a link for everybody has
// thousands.
func TestUsesOfAnInvitationAreInPages(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	hash := gateway.InvitationHash("secret")
	err := f.store.CreateInvitation(t.Context(), gateway.Invitation{
		ID: "many", Hash: hash, Kind: gateway.InviteUser, CreatedBy: gateway.ActorCommand, CreatedAt: f.now,
		ExpiresAt: f.now.Add(time.Hour),
	}, gateway.Event{At: f.now})
	if err != nil {
		t.Fatal(err)
	}
	for i := range 60 {
		_, _, err := f.store.RedeemInvitation(t.Context(), gateway.InvitationRedemption{
			Hash: hash, UserID: f.user(fmt.Sprint("Guest ", i)).ID, Now: f.now.Add(time.Duration(i/2) * time.Second),
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	const row = `<th scope="row">`
	first := f.get("/admin/invitations/many")
	next := regexp.MustCompile(`/admin/invitations/many\?after=[^"]+`).FindString(first)
	if strings.Count(first, row) != 50 || next == "" || !strings.Contains(first, "Guest 10<") {
		t.Fatalf("%d rows, next page %q: %s", strings.Count(first, row), next, first)
	}
	second := f.get(html.UnescapeString(next))
	if strings.Count(second, row) != 10 || strings.Contains(second, "Guest 10<") || !strings.Contains(second, "Guest 9<") {
		t.Errorf("%d rows: %s", strings.Count(second, row), second)
	}
	if !strings.Contains(second, `href="/admin/invitations/many"`) || strings.Contains(second, "?after=") {
		t.Errorf("links of the last page: %s", second)
	}
	for _, position := range []string{"x", "1", "zzzzzzzzzzzzzz+id", "-1+id"} {
		if page := f.get("/admin/invitations/many?after=" + position); strings.Count(page, row) != 50 {
			t.Errorf("after %s: %d rows", position, strings.Count(page, row))
		}
	}
}
