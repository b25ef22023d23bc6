package cli

import (
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
)

// TestProxyWarnsOfCertificatesThatAreMissing: a wrong path was found by the next start of the proxy, which
// then served none of its sites.
func TestProxyWarnsOfCertificatesThatAreMissing(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	there, private := filepath.Join(dir, "there.pem"), filepath.Join(dir, "private.key")
	for name, mode := range map[string]os.FileMode{there: 0o600, private: 0} {
		if err := os.WriteFile(name, nil, mode); err != nil {
			t.Fatal(err)
		}
	}
	if warnings := certificateWarnings([]string{there}); len(warnings) != 0 {
		t.Errorf("a file that exists: %q", warnings)
	}
	missing := filepath.Join(dir, "missing.pem")
	warnings := certificateWarnings([]string{missing, there, dir})
	if len(warnings) != 1 || !strings.HasPrefix(warnings[0].String(), "not on this machine: "+missing+", "+dir+"; ") {
		t.Errorf("a missing file and a folder: %q", warnings)
	}
	if runtime.GOOS == "windows" || os.Getuid() == 0 {
		return // every file can be read
	}
	warnings = certificateWarnings([]string{private})
	if len(warnings) != 1 || !strings.HasPrefix(warnings[0].String(), "this user cannot read "+private+"; ") {
		t.Errorf("a file of another user: %q", warnings)
	}
}
