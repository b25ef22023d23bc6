//go:build unix

package cli

import (
	"errors"
	"os"
	"os/user"
	"strconv"

	"github.com/weigate/weigate/internal/lang"
)

// serviceGroup is the group of the service's user in the Debian package.
const serviceGroup = "weigate"

// shareWithService lets the group of the service read a file that root has written. Without root or
// without the group, it changes nothing.
func shareWithService(path string) error {
	if os.Geteuid() != 0 {
		return nil
	}
	group, err := user.LookupGroup(serviceGroup)
	if unknown := user.UnknownGroupError(""); errors.As(err, &unknown) {
		return nil
	}
	if err != nil {
		return lang.Errorf("find the group %s: %w", serviceGroup, err)
	}
	id, err := strconv.Atoi(group.Gid)
	if err != nil {
		return lang.Errorf("find the group %s: %w", serviceGroup, err)
	}
	if err := os.Chown(path, -1, id); err != nil {
		return err
	}
	return os.Chmod(path, 0o640)
}
