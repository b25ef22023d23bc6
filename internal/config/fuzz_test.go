package config_test

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/weigate/weigate/internal/config"
	"github.com/weigate/weigate/internal/gateway"
)

// FuzzParse checks that Parse returns a configuration or problems with texts for every input, and
// that a valid configuration is valid again in its normalized form. No problem may contain a value
// that looks like a secret.
func FuzzParse(f *testing.F) {
	seeds, err := filepath.Glob("testdata/faulty/*.yaml")
	if err != nil || len(seeds) == 0 {
		f.Fatalf("no seeds: %v", err)
	}
	for _, name := range append(seeds, "../../weigate.example.yaml") {
		text, err := os.ReadFile(name)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(text)
	}
	names := regexp.MustCompile(`unknown key [A-Za-z_-]{1,32}|apps\.[A-Za-z0-9_.-]+|WEIGATE_[A-Z0-9_]+`)
	f.Fuzz(func(t *testing.T, text []byte) {
		if strings.Contains(string(text), "_file") {
			return // it could name any file of this machine
		}
		c, err := config.Parse("weigate.yaml", text, nil)
		if err == nil {
			if c == nil || c.URL == "" || len(c.WeChat) == 0 || c.WeChat[0].Secret == "" || c.Session.Idle > c.Session.Max {
				t.Errorf("a configuration that is none: %+v", c)
			}
			for _, a := range c.Apps {
				if a.Access.Rule == "" || len(a.Methods) == 0 || !usable(a, c) {
					t.Errorf("an app that nobody could use, or anybody: %+v", a)
				}
			}
			return
		}
		for line := range strings.Lines(err.Error()) {
			// A problem may contain names: the id of an app, in the path or in the name of a
			// variable, and an unknown key that consists of letters.
			if strings.Contains(names.ReplaceAllString(line, ""), canary) {
				t.Errorf("a value is repeated: %s", line)
			}
		}
	})
}

// usable reports whether an app has what its kind requires.
func usable(a config.App, c *config.Config) bool {
	switch a.Kind {
	case gateway.AppOIDC:
		return len(a.RedirectURIs) > 0 && a.Public != (len(a.Secrets) > 0)
	case gateway.AppForwardAuth:
		return len(a.Hosts) > 0 && len(c.TrustedProxies) > 0 && len(a.Secrets) == 0
	case gateway.AppRelay:
		e, ok := c.Connector(a.Connector)
		return ok && e.Kind == config.OfficialAccount && e.AppID != a.AppID && a.AppID != "" && len(a.Secrets) > 0 &&
			len(a.ReturnURLs) > 0
	}
	return false
}
