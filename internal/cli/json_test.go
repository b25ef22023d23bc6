package cli

import (
	"io"
	"slices"
	"testing"

	"github.com/alecthomas/kong"
)

// withoutJSON are the commands without --json, and what they print instead of data.
var withoutJSON = map[string]string{
	"init":        "a file",
	"demo":        "addresses, and then it serves",
	"serve":       "addresses, and then it serves; the log can be JSON",
	"user export": "data in the format of --format, which can be JSON lines",
	"completion":  "a script",
	"man":         "a man page",
	"proxy nginx": "a configuration of nginx",
	"proxy caddy": "a Caddyfile",
}

// TestCommandsThatPrintDataHaveJSON reads the definitions of the commands: a command has --json unless it
// prints no data.
func TestCommandsThatPrintDataHaveJSON(t *testing.T) {
	t.Parallel()
	s := &invocation{out: printer{out: io.Discard, err: io.Discard}}
	app, err := s.reference()
	if err != nil {
		t.Fatal(err)
	}
	known := 0
	for _, c := range leaves(app.Node) {
		hasJSON := slices.ContainsFunc(c.Flags, func(f *kong.Flag) bool { return f.Name == "json" })
		if withoutJSON[c.Path()] != "" {
			known++
		}
		if hasJSON == (withoutJSON[c.Path()] != "") {
			t.Errorf("weigate %s: has --json: %v, prints %q", c.Path(), hasJSON, withoutJSON[c.Path()])
		}
	}
	if known != len(withoutJSON) {
		t.Errorf("%d of the commands %v exist", known, withoutJSON)
	}
}
