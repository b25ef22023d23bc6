package administration

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/weigate/weigate/internal/lang"
)

// TestDescribeFailure: administrators who read Chinese read English reasons.
func TestDescribeFailure(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ stored, en, zh string }{
		{"", "", ""},
		{"outgoing request: connection refused", "connection refused", "连接被拒绝"},
		{"outgoing request: 10.0.0.1 is not a public address", "10.0.0.1 is not a public address", "10.0.0.1 不是公网地址"},
		{"wecom: HTTP status 502", "wecom: HTTP status 502", "wecom：HTTP 状态 502"},
		{"wecom 93000", "wecom 93000", "wecom 93000"},
		{"the app answered with status 404", "the app answered with status 404", "应用返回状态 404"},
		{"the app refused the logout token: status 400, invalid_request",
			"the app refused the logout token: status 400, invalid_request", "应用拒绝了退出令牌：状态 400, invalid_request"},
		{"something else", "something else", "something else"},
	} {
		if got := DescribeFailure(lang.English, tt.stored); got != tt.en {
			t.Errorf("%q: %q, want %q", tt.stored, got, tt.en)
		}
		if got := DescribeFailure(lang.Chinese, tt.stored); got != tt.zh {
			t.Errorf("%q: %q, want %q", tt.stored, got, tt.zh)
		}
	}
}

// TestEveryFailureHasItsText reads the texts in the sources of the packages that send.
func TestEveryFailureHasItsText(t *testing.T) {
	t.Parallel()
	found := 0
	for _, tt := range []struct{ files, text, before, after string }{
		{"../outgoing/*.go", `lang\.Text\("([^"]+)"`, "", ""},
		{"../notify/*.go", `delivery\.Error\{Text: "([^"]+)"`, "", ""},
		{"../notify/*.go", `delivery\.Error\{Text: kind \+ "(: [^"]+)"`, "wecom", ""},
		{"../notify/*.go", `delivery\.Error\{Text: fmt\.Sprintf\("([^"]+)"`, "", ""},
		{"../oidc/backchannel.go", `ErrNo\w+ = errors\.New\("([^"]+)"`, "", ""},
		{"../oidc/backchannel.go", `ErrLogout\w+ = errors\.New\("([^"]+)"`, "", ": status 400"},
		{"../oidc/backchannel.go", `Errorf\("(the app [^"]+)"`, "", ""},
		{"../app/served_url.go", `Detail: "([^"]+)" \+`, "", "https://login.example.com"},
	} {
		files, err := filepath.Glob(tt.files)
		if err != nil {
			t.Fatal(err)
		}
		for _, name := range files {
			raw, err := os.ReadFile(name)
			if err != nil {
				t.Fatal(err)
			}
			if strings.HasSuffix(name, "_test.go") {
				continue
			}
			source := strings.ReplaceAll(string(raw), "\" +\n\t\t\t\"", "") // texts on two lines
			for _, m := range regexp.MustCompile(tt.text).FindAllStringSubmatch(source, -1) {
				text := tt.before + strings.NewReplacer("%s", "x", "%d", "500").Replace(m[1]) + tt.after
				found++
				if DescribeFailure(lang.Chinese, text) == text {
					t.Errorf("%s: no Chinese text for %q", name, text)
				}
			}
		}
	}
	if found < len(failureTexts) {
		t.Errorf("found %d texts, want %d", found, len(failureTexts))
	}
}
