// Package filemode checks which users of the machine may read and change the gateway's files:
// [Check] and [Foreign] for a file, [WritableByAll] and [CheckFolder] for a folder. [Quote] quotes a
// path for a printed command.
//
// A user of the machine who can change the configuration file can redirect the gateway's users to
// another server. A user who can read a secret can use it. So the gateway rejects a file with wrong
// permissions, as ssh and PostgreSQL do. The owner of a file can change it too. But many deployments
// leave the configuration to another user, such as one who deploys, or the user of the host whose
// file a container sees. So the gateway only warns of such files. It rejects a database of another
// user, because nobody but the gateway creates one. The package checks nothing on Windows, because
// Windows has no Unix permissions.
package filemode

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strings"

	"github.com/weigate/weigate/internal/lang"
)

// Errors of [Check].
var (
	// ErrWritable: users other than the owner may change the file.
	ErrWritable = errors.New("file is writable by other users")

	// ErrReadable: users other than the owner and the group may read a file that contains secrets.
	ErrReadable = errors.New("file is readable by other users")
)

// hasPermissionBits reports whether this operating system has Unix permissions for files.
const hasPermissionBits = runtime.GOOS != "windows"

// Check returns an error if the group or all users may write to a file. If the file has secrets,
// Check also returns an error if all users may read it. The group may read secrets: root can then
// own the file, and the service reads it through its group. The error wraps [ErrWritable] or
// [ErrReadable]. It ends with the command that corrects the mode, without the name of the file, which
// the caller appends with [Quote]. The command leaves the rights of the owner and the group as they
// are: the service may need them.
// Commands print the error in English or Chinese, so it comes from package lang.
//
// All users may read files below /run/secrets. Container platforms mount secrets there, and only
// the users of the container can reach the folder.
func Check(path string, info fs.FileInfo, hasSecrets bool) error {
	mode := info.Mode().Perm()
	switch {
	case !hasPermissionBits:
		return nil
	case mode&0o022 != 0:
		return lang.Errorf("%w: chmod go-w", ErrWritable)
	case hasSecrets && mode&0o004 != 0 && !inContainerSecrets(path):
		return lang.Errorf("%w: chmod o-rwx", ErrReadable)
	}
	return nil
}

func inContainerSecrets(path string) bool {
	path = filepath.ToSlash(filepath.Clean(path))
	return strings.HasPrefix(path, "/run/secrets/") || strings.HasPrefix(path, "/var/run/secrets/")
}

// WritableByAll reports whether every user may create files in a folder, such as /tmp. It returns
// false for a folder that does not exist.
func WritableByAll(folder string) bool {
	info, err := os.Stat(folder)
	return err == nil && hasPermissionBits && info.Mode().Perm()&0o002 != 0
}
