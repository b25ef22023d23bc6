package app_test

import (
	"strings"
	"testing"

	"github.com/weigate/weigate/internal/config"
)

// The pages link to these files, and a browser requests the favicon of the host automatically.
func TestFilesOfTheSiteAreServed(t *testing.T) {
	t.Parallel()
	w := newFixture(t, func(w *gatewayFixture) {
		w.config.Site = config.Site{SiteTexts: config.SiteTexts{Title: "Example", TermsURL: "https://example.com/terms"}}
	})
	for path, want := range map[string]string{
		"/favicon.ico": "\x89PNG", "/apple-touch-icon.png": "\x89PNG", "/site/icon-512.png": "\x89PNG",
		"/site/manifest.webmanifest": `"name":"Example"`, "/": `href="https://example.com/terms"`,
	} {
		if got := w.get(path, nil); !strings.Contains(got, want) {
			t.Errorf("%s: no %q in %.200q", path, want, got)
		}
	}
}
