package cli

import (
	"bytes"
	"testing"

	"github.com/weigate/weigate/internal/gateway"
)

// A list whose search stopped early says so, and how to continue it. With --json, it says so beside the
// JSON.
func TestListsSayHowToContinue(t *testing.T) {
	t.Parallel()
	users := gateway.UserPage{Users: make([]gateway.User, 2), Positions: []string{"9", "7"}}
	events := gateway.EventPage{Events: []gateway.Event{{ID: 9}, {ID: 7}}}
	const stopped = "The search stopped after 5000 rows. Narrow it, or continue it: "
	list := func(asJSON bool, page gateway.UserPage, full int) func(printer) {
		c := userListCmd{adminFlags: adminFlags{JSON: asJSON}}
		return func(out printer) { c.printNext(out, page, full) }
	}
	cut := gateway.UserPage{Cut: "5"}
	for name, c := range map[string]struct {
		print    func(printer)
		out, err string
	}{
		"last page of users":        {print: list(false, users, 3)},
		"full page of users":        {print: list(false, users, 2), out: "\nThere may be more: --after 7\n"},
		"full page of users, JSON":  {print: list(true, users, 2)},
		"cut search of users":       {print: list(false, cut, 2), out: "\n" + stopped + "--after 5\n"},
		"cut search of users, JSON": {print: list(true, cut, 2), err: "weigate: hint: " + stopped + "--after 5\n"},
		"last page of events":       {print: func(out printer) { printNextEvents(out, events, 3) }},
		"full page of events": {
			print: func(out printer) { printNextEvents(out, events, 2) }, out: "\nThere may be more: --before 7\n",
		},
		"cut search of events": {
			print: func(out printer) { printNextEvents(out, gateway.EventPage{Cut: 5}, 2) },
			out:   "\n" + stopped + "--before 5\n",
		},
	} {
		var stdout, stderr bytes.Buffer
		c.print(printer{out: &stdout, err: &stderr})
		if stdout.String() != c.out || stderr.String() != c.err {
			t.Errorf("%s: %q and %q, want %q and %q", name, &stdout, &stderr, c.out, c.err)
		}
	}
}
