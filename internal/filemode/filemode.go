// Package filemode checks which users of the machine may read and change the gateway's files:
// [Check] for a file, [WritableByAll] for a folder.
//
// A user of the machine who can change the configuration file can send the users of the gateway to
// another server, and one who can read a secret can use it. So such files are rejected, as ssh and
// PostgreSQL reject theirs. The package does not check who owns a file, and checks nothing on
// Windows, whose files have no Unix permissions.
package filemode

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strings"
)

// Errors of [Check].
var (
	// ErrWritable: users other than the owner may change the file.
	ErrWritable = errors.New("file is writable by other users")

	// ErrReadable: every user may read a file that contains secrets.
	ErrReadable = errors.New("file is readable by other users")
)

// hasPermissionBits reports whether this operating system has Unix permissions for files.
const hasPermissionBits = runtime.GOOS != "windows"

// Check returns an error if the group of a file or all users may change it, or if it contains
// secrets and all users may read it. The group may read secrets, because a file of root is readable
// by the user of a service in this way. The error wraps [ErrWritable] or [ErrReadable] and ends with
// a command that corrects the mode, without the file's name.
//
// Files below /run/secrets may be readable by all users: container platforms mount secrets there,
// and all users are only those of that container.
func Check(path string, info fs.FileInfo, hasSecrets bool) error {
	mode := info.Mode().Perm()
	switch {
	case !hasPermissionBits:
		return nil
	case mode&0o022 != 0:
		return fmt.Errorf("%w: chmod 600", ErrWritable)
	case hasSecrets && mode&0o004 != 0 && !inContainerSecrets(path):
		return fmt.Errorf("%w: chmod 600", ErrReadable)
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
