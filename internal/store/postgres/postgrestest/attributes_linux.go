package postgrestest

import (
	"os"
	"syscall"
)

// attributes makes a server's process die with this one, however that ends, and
// run as a user that PostgreSQL accepts.
func attributes() (*syscall.SysProcAttr, error) {
	attr := &syscall.SysProcAttr{Pdeathsig: syscall.SIGQUIT}
	if os.Getuid() != 0 {
		return attr, nil
	}
	uid, gid, err := servant()
	attr.Credential = &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}
	return attr, err
}
