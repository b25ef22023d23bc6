package packaging_test

import (
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
)

// systemdUnit writes the unit, with a drop-in if it is not empty, to a folder and returns its path.
// The program of the unit is not installed on this machine, so another one takes its place.
func systemdUnit(t *testing.T, dropIn string) string {
	t.Helper()
	unit := filepath.Join(t.TempDir(), "weigate.service")
	text := strings.ReplaceAll(read(t, "packaging/systemd/weigate.service"), "/usr/bin/weigate", "/bin/true")
	write(t, unit, text, 0o644)
	if dropIn != "" {
		write(t, filepath.Join(unit+".d", "port.conf"), dropIn, 0o644)
	}
	return unit
}

// systemd-analyze succeeds for unknown keys and prints a warning, so that any output is a failure.
func TestUnitIsValid(t *testing.T) {
	t.Parallel()
	port443 := read(t, "packaging/systemd/port-443.conf")
	for name, dropIn := range map[string]string{"unit": "", "port 443": port443} {
		out, err := exec.Command("systemd-analyze", "verify", "--man=no", systemdUnit(t, dropIn)).CombinedOutput()
		if err != nil || len(out) > 0 {
			t.Errorf("%s: %v\n%s", name, err, out)
		}
	}
}

// The score of systemd goes from 0, where nothing is exposed, to 10.
func TestUnitIsHardened(t *testing.T) {
	t.Parallel()
	out, err := exec.Command("systemd-analyze", "security", "--offline=yes", "--no-pager", systemdUnit(t, "")).Output()
	if err != nil {
		t.Fatal(err)
	}
	found := regexp.MustCompile(`Overall exposure level for weigate.service: ([0-9.]+)`).FindSubmatch(out)
	if found == nil {
		t.Fatalf("no score in:\n%s", out)
	}
	if score, err := strconv.ParseFloat(string(found[1]), 64); err != nil || score > 2.0 {
		t.Errorf("score %s, want at most 2.0:\n%s", found[1], out)
	}
}

// Settings of the unit whose absence broke other services.
func TestUnitSettings(t *testing.T) {
	t.Parallel()
	const config = "/etc/weigate/weigate.yaml"
	unit := read(t, "packaging/systemd/weigate.service")
	for line, reason := range map[string]string{
		"User=weigate":                  "a static user keeps the owner of the database (systemd/systemd#12131)",
		"Type=notify":                   "the start is complete after the migration",
		"Restart=on-failure":            "a failure restarts the gateway",
		"StateDirectoryMode=0700":       "the database is private",
		"RestartPreventExitStatus=2 78": "an invalid configuration does not restart the gateway",
		"ConditionPathExists=" + config: "a fresh package is not started",
		"ExecReload=/usr/bin/weigate check --offline --config=" + config: "a reload fails (kanidm/kanidm#3885)",
		"Environment=SQLITE_TMPDIR=/var/lib/weigate":                     "a place for files (pocket-id/pocket-id#866)",
	} {
		if !strings.Contains(unit, "\n"+line+"\n") {
			t.Errorf("the unit has no line %s: %s", line, reason)
		}
	}
	if strings.Contains(unit, "DynamicUser") || strings.Contains(unit, "PrivateUsers") {
		t.Error("DynamicUser and PrivateUsers do not fit a static user and the drop-in for port 443")
	}
}
