//go:build !unix

package cli

import "github.com/weigate/weigate/internal/config"

// checkServiceFiles returns nothing: only Unix systems have the group of the Debian package.
func checkServiceFiles(string, *config.Config) []error { return nil }
