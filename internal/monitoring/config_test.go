package monitoring

import (
	"os"
	"path/filepath"
	"regexp"
	"testing"
)

// TestConfigurationInDocsLoads checks the prometheus.yml of the documents beside the rules, as the
// page says.
func TestConfigurationInDocsLoads(t *testing.T) {
	t.Parallel()
	rules, err := os.ReadFile(rulesPath)
	if err != nil {
		t.Fatal(err)
	}
	for _, language := range []string{"en", "zh-CN"} {
		text, err := os.ReadFile("../../docs/" + language + "/monitoring.md")
		if err != nil {
			t.Fatal(err)
		}
		m := regexp.MustCompile("(?s)```yaml\n(rule_files:.*?)```").FindSubmatch(text)
		if m == nil {
			t.Fatalf("docs/%s/monitoring.md has no prometheus.yml", language)
		}
		dir := t.TempDir()
		for name, content := range map[string][]byte{"prometheus.yml": m[1], "weigate-alerts.yaml": rules} {
			if err := os.WriteFile(filepath.Join(dir, name), content, 0o600); err != nil {
				t.Fatal(err)
			}
		}
		promtool(t, "check", "config", filepath.Join(dir, "prometheus.yml"))
	}
}
