package cli_test

import (
	"fmt"
	"strings"
	"testing"
)

// Newer users whose nickname is the openid of another user do not hide that user from a command: an
// attacker could otherwise prevent a block.
func TestNicknamesDoNotHideAUserFromCommands(t *testing.T) {
	t.Parallel()
	g := newFixture(t)
	g.configure("")
	g.serve()
	g.term()
	const owner = "oOwner00000000000000000001"
	table := strings.Builder{}
	fmt.Fprintf(&table, "openid,old_id,nickname\n%s,1,Owner\n", owner)
	for i := range 501 {
		fmt.Fprintf(&table, "oCopy%d,copy%d,%s\n", i, i, owner)
	}
	g.write("users.csv", table.String())
	if out := g.run("user", "import", "users.csv"); !strings.Contains(out, "502 users created") {
		t.Fatal(out)
	}
	for _, id := range []string{owner, "1"} {
		out := g.run("user", "block", id)
		if !strings.Contains(out, "  blocked and signed out everywhere") || !strings.HasSuffix(out, "  Owner\n") {
			t.Errorf("user block %s: %s", id, out)
		}
	}
	if out := g.run("user", "list", "--status", "blocked"); strings.Count(out, " blocked ") != 1 {
		t.Errorf("blocked users: %s", out)
	}
}
