package filemode

import (
	"regexp"
	"strings"
)

// Paths that a shell takes as one word without quotes.
var (
	plainPath        = regexp.MustCompile(`^[A-Za-z0-9_./:-]+$`)
	plainWindowsPath = regexp.MustCompile(`^[A-Za-z0-9_./:\\-]+$`)
)

// Quote returns a path as one word of a command that is printed. An administrator copies the command
// into a shell. Without quotes, a path such as "/srv/a;reboot" would be a second command.
func Quote(path string) string { return quote(path, !hasPermissionBits) }

// quote is [Quote] for Unix shells, or for the shells of Windows, where a path cannot contain a
// double quote.
func quote(path string, windows bool) string {
	switch {
	case windows && plainWindowsPath.MatchString(path):
		return path
	case windows:
		return `"` + path + `"`
	}
	if strings.HasPrefix(path, "-") { // the command would read it as a flag
		path = "./" + path
	}
	if plainPath.MatchString(path) {
		return path
	}
	return "'" + strings.ReplaceAll(path, "'", `'\''`) + "'"
}
