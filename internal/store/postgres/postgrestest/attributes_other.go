//go:build !linux

package postgrestest

import "syscall"

// attributes has nothing to set: only Linux ends a child with its parent.
func attributes() (*syscall.SysProcAttr, error) { return nil, nil }
