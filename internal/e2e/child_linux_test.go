package e2e_test

import (
	"os/exec"
	"syscall"
)

// mortal has a child end with the test, however that ends: a test that is killed must not leave a
// gateway behind.
func mortal(cmd *exec.Cmd) { cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL} }
