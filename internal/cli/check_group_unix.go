//go:build unix

package cli

import (
	"io/fs"
	"os"
	"os/user"
	"strconv"
	"syscall"

	"github.com/weigate/weigate/internal/config"
	"github.com/weigate/weigate/internal/filemode"
	"github.com/weigate/weigate/internal/lang"
)

// checkServiceFiles returns an error for each file of the configuration that root can read and the
// service cannot. The Debian package and init give the configuration file the group of the service.
// Root can read every file, so its own access does not show what the service may read. For other
// users, checkServiceFiles returns nothing.
//
// checkServiceFiles returns nothing in two more cases. If all users may read the configuration
// file, its group does not show which group the service has. In a system without users, such as the
// image, Kubernetes chooses the group of the files.
func checkServiceFiles(path string, conf *config.Config) (problems []error) {
	info, err := os.Stat(path)
	if err != nil || os.Geteuid() != 0 || !exists("/etc/passwd") {
		return nil
	}
	_, service, ok := ownerAndGroup(info)
	if !ok || service == 0 || info.Mode()&0o044 != 0o040 {
		return nil
	}
	for _, name := range append([]string{conf.MasterKeyFile}, conf.SecretFiles...) {
		info, err := os.Stat(name)
		if err != nil || serviceCanRead(info, service) {
			continue
		}
		group, quoted := groupName(service), filemode.Quote(name)
		problems = append(problems, withHint(
			lang.Errorf("%s: the group %s, to which the service belongs, cannot read the file", name, group),
			"chgrp %s %s; chmod 640 %s", group, quoted, quoted))
	}
	return problems
}

// serviceCanRead reports whether the service may be able to read a file: as a member of its group, or as its
// owner, if the owner is not root.
func serviceCanRead(info fs.FileInfo, service uint32) bool {
	uid, gid, ok := ownerAndGroup(info)
	mode := info.Mode()
	return !ok || mode&0o004 != 0 || gid == service && mode&0o040 != 0 || uid != 0 && mode&0o400 != 0
}

func ownerAndGroup(info fs.FileInfo) (uid, gid uint32, ok bool) {
	stat, ok := info.Sys().(*syscall.Stat_t)
	if !ok {
		return 0, 0, false
	}
	return stat.Uid, stat.Gid, true
}

// groupName returns the name of a group, or its number if it has no name.
func groupName(gid uint32) string {
	number := strconv.FormatUint(uint64(gid), 10)
	if g, err := user.LookupGroupId(number); err == nil {
		return g.Name
	}
	return number
}
