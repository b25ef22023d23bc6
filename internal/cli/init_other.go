//go:build !unix

package cli

import "os"

// shareWithService does nothing: only Unix systems have the group of the Debian package.
func shareWithService(*os.File) error { return nil }

// refusePlanted does nothing: only Unix systems have owners and modes of files.
func refusePlanted(string) error { return nil }
