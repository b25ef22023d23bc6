package cli

import "testing"

// TestCommandsOfThePackage: advice names the service where the configuration is the package's.
func TestCommandsOfThePackage(t *testing.T) {
	t.Parallel()
	for path, want := range map[string]string{
		"/etc/weigate/weigate.yaml":    "systemctl start weigate, journalctl -u weigate",
		"/etc/weigate/../weigate.yaml": "weigate serve, weigate serve",
		"weigate.yaml":                 "weigate serve, weigate serve",
	} {
		if got := serveWith(path) + ", " + logOf(path); got != want {
			t.Errorf("%s: %s, want %s", path, got, want)
		}
	}
}
