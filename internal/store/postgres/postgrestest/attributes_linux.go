package postgrestest

import (
	"os"
	"syscall"
)

// attributes makes the system kill the server when this process ends, however it
// ends, and runs the server as a user that PostgreSQL accepts.
func attributes() (*syscall.SysProcAttr, error) {
	attr := &syscall.SysProcAttr{Pdeathsig: syscall.SIGQUIT}
	if os.Getuid() != 0 {
		return attr, nil
	}
	uid, gid, err := serverUser()
	attr.Credential = &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}
	return attr, err
}
