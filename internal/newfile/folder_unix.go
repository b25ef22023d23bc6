//go:build unix

package newfile

import "os"

// SyncFolder waits until the names of the files in a folder are written to the disk.
func SyncFolder(path string) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer f.Close()
	return f.Sync()
}
