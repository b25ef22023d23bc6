//go:build unix

package cli

import "syscall"

// maxDescriptors returns how many files and connections this process may have open; 0 = unknown.
// When the process starts, Go raises the soft limit to the hard limit.
func maxDescriptors() uint64 {
	var limit syscall.Rlimit
	if syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit) != nil {
		return 0
	}
	return uint64(limit.Cur) // signed on some systems
}
