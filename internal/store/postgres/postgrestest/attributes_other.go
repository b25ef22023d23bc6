//go:build !linux

package postgrestest

import "syscall"

// attributes returns no attributes. On Linux, attributes make the kernel kill the server when the
// test process ends.
func attributes() (*syscall.SysProcAttr, error) { return nil, nil }
