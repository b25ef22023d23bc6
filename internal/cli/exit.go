package cli

import (
	"errors"
	"io/fs"

	"github.com/weigate/weigate/internal/config"
	"github.com/weigate/weigate/internal/lang"
)

// Exit codes of the program.
const (
	exitFailure       = 1
	exitUsage         = 2  // the command line is invalid
	exitConfiguration = 78 // EX_CONFIG of sysexits.h; the systemd unit does not restart after it
)

// errUsage marks errors of the command line.
var errUsage = errors.New("invalid command line")

// errConfiguration marks a configuration file that cannot be read.
var errConfiguration = errors.New("no configuration")

// ExitCode returns the exit code of the program for the error that [Run] has returned: 0 for nil,
// 2 for an invalid command line, 78 for a configuration that is invalid, missing or not readable,
// and 1 for any other error.
func ExitCode(err error) int {
	var problems config.Problems
	switch {
	case err == nil:
		return 0
	case errors.Is(err, errUsage):
		return exitUsage
	case errors.As(err, &problems), errors.Is(err, errConfiguration):
		return exitConfiguration
	}
	return exitFailure
}

// marked is an error with a mark for [ExitCode]. Its message does not show the mark.
type marked struct{ err, mark error }

func (m *marked) Error() string   { return m.err.Error() }
func (m *marked) Unwrap() []error { return []error{m.err, m.mark} }

// Localize returns the message in the language of the formats.
func (m *marked) Localize(texts lang.Formats) string { return texts.Error(m.err) }

// markConfiguration marks an error of the configuration file if the file is missing or not
// readable. The program then exits with exitConfiguration, because a restart does not help.
func markConfiguration(err error) error {
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, fs.ErrPermission) {
		return &marked{err: err, mark: errConfiguration}
	}
	return err
}
