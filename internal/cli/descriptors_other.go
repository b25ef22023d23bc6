//go:build !unix

package cli

// maxDescriptors returns how many files and connections this process may have open; 0 = unknown.
func maxDescriptors() uint64 { return 0 }
