package filemode

import (
	"os/exec"
	"testing"
)

// TestPathAsSecondCommand quotes paths that a shell would read as several words, as another command
// or as a flag. The shell must read each of them as one word.
func TestPathAsSecondCommand(t *testing.T) {
	t.Parallel()
	for path, want := range map[string]string{
		"/etc/weigate/weigate-1.yaml": "/etc/weigate/weigate-1.yaml",
		"C:/weigate":                  "C:/weigate",
		"":                            "''",
		"/srv/a b":                    "'/srv/a b'",
		"/srv/a;reboot":               "'/srv/a;reboot'",
		"/srv/$(reboot)`reboot`":      "'/srv/$(reboot)`reboot`'",
		"/srv/it's; reboot":           `'/srv/it'\''s; reboot'`,
		"/srv/a\nreboot":              "'/srv/a\nreboot'",
		`/srv/a\b`:                    `'/srv/a\b'`,
		"/srv/配置":                     "'/srv/配置'",
		"-rf":                         "./-rf",
		"-r f":                        "'./-r f'",
	} {
		got := quote(path, false)
		if got != want {
			t.Errorf("%q: got %s, want %s", path, got, want)
		}
		if path == "" || path[0] == '-' {
			continue
		}
		if shell, err := exec.LookPath("sh"); err == nil && hasPermissionBits {
			word, err := exec.Command(shell, "-c", "printf %s "+got).Output()
			if err != nil || string(word) != path {
				t.Errorf("%q: the shell reads %q, %v", path, word, err)
			}
		}
	}
	for path, want := range map[string]string{
		`C:\weigate\weigate.yaml`:     `C:\weigate\weigate.yaml`,
		`C:\Program Files\weigate`:    `"C:\Program Files\weigate"`,
		`C:\a&shutdown\weigate.yaml`:  `"C:\a&shutdown\weigate.yaml"`,
		`C:\it's mine\weigate.yaml`:   `"C:\it's mine\weigate.yaml"`,
		`D:/weigate/weigate-new.yaml`: `D:/weigate/weigate-new.yaml`,
	} {
		if got := quote(path, true); got != want {
			t.Errorf("Windows, %q: got %s, want %s", path, got, want)
		}
	}
}
