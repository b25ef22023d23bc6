package postgrestest

import (
	"os"
	"syscall"
)

// attributes returns the attributes of the server's process. The system kills the server when this
// process ends, also after a crash. If this process runs as root, the server runs as another user,
// because PostgreSQL does not start as root.
func attributes() (*syscall.SysProcAttr, error) {
	attr := &syscall.SysProcAttr{Pdeathsig: syscall.SIGQUIT}
	if os.Getuid() != 0 {
		return attr, nil
	}
	uid, gid, err := serverUser()
	attr.Credential = &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}
	return attr, err
}
