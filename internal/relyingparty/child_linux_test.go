package relyingparty_test

import (
	"os/exec"
	"syscall"
)

// mortal has a child end with the test, however that ends: a test that is killed must leave nothing
// behind. By SIGTERM, which nginx hands on to its workers.
func mortal(cmd *exec.Cmd) { cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGTERM} }
