package web_test

import (
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/weigate/weigate/internal/brand"
)

// The colors of light and of dark pages have the contrast of WCAG 2.2, level AA: 4.5 for text, and 3
// for the outline of the focused element.
func TestColorsHaveContrast(t *testing.T) {
	t.Parallel()
	style, err := os.ReadFile("files/style.css")
	if err != nil {
		t.Fatal(err)
	}
	rules := regexp.MustCompile(`:root\{([^}]*)\}`).FindAllStringSubmatch(string(style), -1)
	if len(rules) != 2 {
		t.Fatalf("%d lists of colors, want light and dark", len(rules))
	}
	for i, name := range []string{"light", "dark"} {
		colors := map[string]brand.Color{}
		for definition := range strings.SplitSeq(rules[i][1], ";") {
			variable, value, _ := strings.Cut(definition, ":")
			if len(value) == len("#fff") {
				value = "#" + strings.Repeat(value[1:2], 2) + strings.Repeat(value[2:3], 2) + strings.Repeat(value[3:4], 2)
			}
			color, err := brand.ParseColor(value)
			if err != nil {
				t.Fatalf("%s: %v", definition, err)
			}
			colors[strings.TrimPrefix(variable, "--")] = color
		}
		for background, texts := range map[string]string{
			"bg": "text soft main bad warn", "card": "text soft main bad warn", "tint": "text main", "bad-tint": "text bad",
			"warn-tint": "text warn", "main": "main-text", "bad": "card",
		} {
			for text := range strings.FieldsSeq(texts) {
				if got := brand.Contrast(colors[text], colors[background]); got < 4.5 {
					t.Errorf("%s: --%s on --%s has the contrast %.2f", name, text, background, got)
				}
			}
		}
		for _, background := range []string{"bg", "card"} {
			if got := brand.Contrast(colors["focus"], colors[background]); got < 3 {
				t.Errorf("%s: --focus on --%s has the contrast %.2f", name, background, got)
			}
		}
	}
}
