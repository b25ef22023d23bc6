package cli_test

import (
	"io"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"testing"
)

var inviteLink = regexp.MustCompile(`(?m)^  (http://\S+/invite/[a-z2-7]{26})$`)

// pocket-id/pocket-id#506, #1637: the command that lets an administrator in failed when it was needed.
// Its link works when it was printed while the gateway ran, and while it was stopped, on both stores.
func TestAdminInvite(t *testing.T) {
	t.Parallel()
	t.Run("SQLite", func(t *testing.T) {
		t.Parallel()
		testAdminInvite(t, "")
	})
	t.Run("PostgreSQL", func(t *testing.T) {
		t.Parallel()
		testAdminInvite(t, "store: "+cluster(t).URL()+"\n")
	})
}

func testAdminInvite(t *testing.T, store string) {
	g := newFixture(t)
	g.configure(store)
	g.serve()
	running := g.run("admin", "invite")
	if !strings.HasPrefix(running, "The store has no users yet.\n") {
		t.Errorf("while the gateway runs: %s", running)
	}
	g.accept(running)
	g.term()
	stopped := g.run("admin", "invite") // the first administrator came without WeChat, and cannot sign in
	if !strings.HasPrefix(stopped, "There are users, but no administrator who can sign in.\n") {
		t.Errorf("while the gateway is stopped: %s", stopped)
	}
	g.serve()
	g.accept(stopped)
	if list := g.run("admin", "list"); strings.Count(list, "\n") != 2 { // with the line of the columns
		t.Errorf("want one administrator, who came twice: %s", list)
	}
	if events := g.run("events", "--kind", "invitation_created"); strings.Count(events, " command ") != 2 {
		t.Errorf("events: %s", events)
	}
}

// accept opens the link that the command printed, and continues without WeChat. Opening it changes
// nothing.
func (g *fixture) accept(printed string) {
	g.t.Helper()
	found := inviteLink.FindStringSubmatch(printed)
	if found == nil {
		g.t.Fatalf("no link: %s", printed)
	}
	for range 2 {
		if page := g.get(found[1], ""); !strings.Contains(page, "without_wechat") {
			g.t.Fatalf("the page of the link: %s", page)
		}
	}
	r, err := http.NewRequestWithContext(g.t.Context(), http.MethodPost, found[1],
		strings.NewReader(url.Values{"do": {"without_wechat"}}.Encode()))
	if err != nil {
		g.t.Fatal(err)
	}
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	r.Header.Set("Origin", g.front.URL)
	res, err := http.DefaultTransport.RoundTrip(r)
	if err != nil {
		g.t.Fatal(err)
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	if err != nil || res.StatusCode != http.StatusSeeOther || len(res.Cookies()) == 0 {
		g.t.Fatalf("the link answered %s, %v: %s", res.Status, err, body)
	}
}
