//go:build !linux

package main

import "syscall"

// childAttributes returns no attributes: only Linux can end a child with its parent.
func childAttributes() *syscall.SysProcAttr { return &syscall.SysProcAttr{} }
