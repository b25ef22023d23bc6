package cli_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// A backup that was made while the gateway served replaces a lost database: sessions from before it
// still work, and later ones do not exist.
func TestRestoreFromABackup(t *testing.T) {
	t.Parallel()
	g := newFixture(t)
	g.configure("")
	g.serve()
	signIn := func(person string) {
		t.Helper()
		if page, err := g.sim.Phone(person).Open(t.Context(), g.authorize("openid")); err != nil ||
			!strings.HasPrefix(page.URL, g.app.URL) {
			t.Fatalf("%s: %+v, %v", person, page, err)
		}
	}
	signIn("alice")
	if out := g.run("backup", "copy.jsonl.gz"); !strings.Contains(out, "copy.jsonl.gz: backup of SQLite") {
		t.Fatal(out)
	}
	signIn("bob")
	g.term()

	// As docs/en/backup.md says.
	lost, err := filepath.Glob(filepath.Join(g.dir, "weigate.db*"))
	if err != nil || len(lost) == 0 {
		t.Fatalf("%v, %v", lost, err)
	}
	for _, file := range lost {
		if err := os.Remove(file); err != nil {
			t.Fatal(err)
		}
	}
	if out := g.run("restore", "copy.jsonl.gz"); !strings.Contains(out, "restored 1 user, 1 session") {
		t.Fatal(out)
	}
	g.checkStillSignedIn()
	if list := g.run("user", "list"); strings.Count(list, " pending ") != 1 {
		t.Errorf("users of the backup:\n%s", list)
	}
	const exchange = "/sns/oauth2/access_token"
	g.serve()
	before := g.wechatRequests(exchange)
	signIn("bob")
	if g.wechatRequests(exchange) == before {
		t.Error("a session from after the backup still works")
	}
	g.term()
}
