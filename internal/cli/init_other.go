//go:build !unix

package cli

// shareWithService does nothing: only Unix systems have the group of the Debian package.
func shareWithService(string) error { return nil }
