//go:build !linux

package postgrestest

import "syscall"

// attributes returns no attributes: only Linux can kill a child when its parent ends.
func attributes() (*syscall.SysProcAttr, error) { return nil, nil }
