//go:build !linux

package newfile

import (
	"errors"
	"os"
)

// openUnnamed returns an error: this system has no files without a name.
func openUnnamed(string) (*os.File, error) { return nil, errors.ErrUnsupported }

func linkUnnamed(*os.File, string) error { return errors.ErrUnsupported }
