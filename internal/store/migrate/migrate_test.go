package migrate_test

import (
	"errors"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/weigate/weigate/internal/gateway"
	"github.com/weigate/weigate/internal/store/migrate"
)

func files(names ...string) fstest.MapFS {
	m := fstest.MapFS{}
	for _, n := range names {
		m[n] = &fstest.MapFile{Data: []byte("SELECT 1 -- " + n)}
	}
	return m
}

func TestRead(t *testing.T) {
	t.Parallel()
	all, err := migrate.Read(files("0002_scan_tickets.sql", "0001_accounts.sql"), ".")
	if err != nil || len(all) != 2 || all[1].Version != 2 || all[1].Name != "scan tickets" ||
		!strings.HasSuffix(all[1].SQL, "0002_scan_tickets.sql") {
		t.Errorf("read %+v, %v", all, err)
	}
	for name, names := range map[string][]string{
		"a gap":        {"0001_a.sql", "0003_c.sql"},
		"a double":     {"0001_a.sql", "0001_b.sql"},
		"no beginning": {"0002_b.sql"},
		"a stranger":   {"0001_a.sql", "readme.md"},
		"a short one":  {"1_a.sql"},
		// On a file system that ignores upper case, such a file would be read on one machine only (rauthy, v24).
		"upper case":           {"0001_A.sql"},
		"an upper-case ending": {"0001_a.SQL"},
	} {
		if all, err := migrate.Read(files(names...), "."); err == nil {
			t.Errorf("%s: read %+v", name, all)
		}
	}
}

func TestTodo(t *testing.T) {
	t.Parallel()
	all := []migrate.Migration{{Version: 1, Name: "accounts"}, {Version: 2, Name: "sessions"},
		{Version: 3, Name: "grants"}}
	a := func(v int, name string) migrate.Applied { return migrate.Applied{Version: v, Name: name} }
	for _, k := range []struct {
		name    string
		applied []migrate.Applied
		todo    int
		newer   string // a word of the error
		fail    bool
	}{
		{"empty", nil, 3, "", false},
		{"earlier", []migrate.Applied{a(1, "accounts")}, 2, "", false},
		{"current", []migrate.Applied{a(1, "accounts"), a(2, "sessions"), a(3, "grants")}, 0, "", false},
		{"newer", []migrate.Applied{a(1, "accounts"), a(2, "sessions"), a(3, "grants"), a(4, "scan tickets")}, 0,
			"scan tickets", true},
		{"another branch", []migrate.Applied{a(1, "accounts"), a(2, "tickets")}, 0, "tickets", true},
		{"a hole", []migrate.Applied{a(2, "sessions")}, 0, "", true},
		{"number 0", []migrate.Applied{a(0, "accounts")}, 0, "", true},
		{"a negative number", []migrate.Applied{a(1, "accounts"), a(-1, "sessions")}, 0, "", true},
	} {
		todo, err := migrate.Todo(all, k.applied)
		if len(todo) != k.todo || (err != nil) != k.fail {
			t.Errorf("%s: %d to do, %v", k.name, len(todo), err)
		}
		if k.newer != "" && (!errors.Is(err, gateway.ErrNewerDatabase) || !strings.Contains(err.Error(), k.newer)) {
			t.Errorf("%s: %v is no ErrNewerDatabase that names %q", k.name, err, k.newer)
		}
	}
}
