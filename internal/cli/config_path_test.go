package cli

import (
	"io/fs"
	"testing"
)

// TestConfigurationWithoutTheFlag looks for a configuration in the working directory, and in the folder
// of the Debian package.
func TestConfigurationWithoutTheFlag(t *testing.T) {
	t.Parallel()
	const here, system = "weigate.yaml", "/etc/weigate/weigate.yaml"
	for name, c := range map[string]struct {
		here, system error
		want         string
	}{
		"both":    {want: here},
		"here":    {system: fs.ErrNotExist, want: here},
		"package": {here: fs.ErrNotExist, want: system},
		"none":    {here: fs.ErrNotExist, system: fs.ErrNotExist, want: here},
		// Root runs "runuser -u weigate -- weigate backup" in a folder that only root may enter.
		"folder of another user": {here: fs.ErrPermission, want: system},
		"not readable":           {here: fs.ErrNotExist, system: fs.ErrPermission, want: system},
	} {
		errs := map[string]error{here: c.here, system: c.system}
		if got := existingConfig(func(name string) (fs.FileInfo, error) { return nil, errs[name] }); got != c.want {
			t.Errorf("%s: got %s, want %s", name, got, c.want)
		}
	}
}
