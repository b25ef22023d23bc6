package filemode

import "io/fs"

// Foreign returns false: Windows has other rules for the owners of files.
func Foreign(string, fs.FileInfo) (owner int, foreign bool) { return 0, false }

// CheckFolder returns nil: Windows has other rules for the permissions of folders.
func CheckFolder(string) error { return nil }
