//go:build !linux

package e2e_test

import "os/exec"

// mortal has nothing to set: only Linux ends a child with its parent.
func mortal(*exec.Cmd) {}
