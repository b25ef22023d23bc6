package cli_test

import (
	"io"
	"os"
	"path/filepath"
	"testing"

	"github.com/weigate/weigate/internal/cli"
)

// Scripts and the systemd unit decide by the exit code: the unit does not start the gateway again
// after 78, since the configuration stays invalid.
func TestExitCodes(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	write := func(name, text string) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	invalid := write("invalid.yaml", "lsten: nowhere\n")
	// The store is a folder.
	noStore := write("store.yaml", "url: http://127.0.0.1:8099\nlisten: 127.0.0.1:0\nmetrics: \"\"\nstore: sqlite:.\n"+
		"wechat: [{name: main, kind: official_account, appid: wx0123456789abcdef, secret: hushhush}]\n")
	for _, tt := range []struct {
		name string
		args []string
		want int
	}{
		{"success", []string{"version"}, 0},
		{"help", []string{"serve", "--help"}, 0},
		{"unknown command", []string{"dmo"}, 2},
		{"unknown flag", []string{"serve", "--prot=1"}, 2},
		{"missing configuration", []string{"serve", "-c", filepath.Join(dir, "absent.yaml")}, 78},
		{"invalid configuration", []string{"serve", "-c", invalid}, 78},
		{"invalid configuration, checked", []string{"check", "-c", invalid}, 78},
		{"store unavailable", []string{"serve", "-c", noStore}, 1},
		{"store unavailable, checked", []string{"check", "-c", noStore}, 1},
	} {
		err := cli.Run(t.Context(), tt.args, nil, io.Discard, io.Discard, func(string) string { return "" })
		if got := cli.ExitCode(err); got != tt.want {
			t.Errorf("%s: exit code %d, want %d (%v)", tt.name, got, tt.want, err)
		}
	}
}
