//go:build !linux

package postgrestest

import "syscall"

// attributes returns no attributes. On Linux, they tell the kernel to kill the child when its
// parent ends.
func attributes() (*syscall.SysProcAttr, error) { return nil, nil }
