package weigate_test

import (
	"bytes"
	"os"
	"path/filepath"
	"regexp"
	"testing"

	"github.com/weigate/weigate/internal/cli"
)

// TestGatewayConfigurationInDocsIsRight runs "weigate check" on the configurations of the
// documents.
func TestGatewayConfigurationInDocsIsRight(t *testing.T) {
	t.Parallel()
	for _, page := range []string{"docs/en/gateway.md", "docs/en/relay.md"} {
		t.Run(page, func(t *testing.T) {
			t.Parallel()
			text, err := os.ReadFile(page)
			if err != nil {
				t.Fatal(err)
			}
			blocks := regexp.MustCompile("(?s)```yaml\n(.*?)```").FindAllSubmatch(text, -1)
			if len(blocks) != 1 {
				t.Fatalf("it has %d configurations, want 1", len(blocks))
			}
			// By default the store and the master key are in the working directory.
			dir := t.TempDir()
			path := filepath.Join(dir, "weigate.yaml")
			whole := append(
				blocks[0][1],
				"store: \"sqlite:"+filepath.Join(
					dir,
					"weigate.db",
				)+"\"\nmaster_key_file: "+filepath.Join(
					dir,
					"weigate.key",
				)+"\n"...)
			if err := os.WriteFile(path, whole, 0o600); err != nil {
				t.Fatal(err)
			}
			var out, told bytes.Buffer
			err = cli.Run(
				t.Context(),
				[]string{"check", "--offline", "-c", path},
				nil,
				&out,
				&told,
				func(string) string { return "" },
			)
			if err != nil || told.Len() > 0 || !bytes.Contains(out.Bytes(), []byte("1 connector, 1 app")) {
				t.Errorf("weigate check: %v\n%s%s", err, out.String(), told.String())
			}
		})
	}
}
