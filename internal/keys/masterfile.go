package keys

import (
	"bytes"
	"crypto/rand"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
)

// maxMasterFile limits what is read: a wrong path may name any file.
const maxMasterFile = 64 << 10

// LoadOrCreate reads the master key file at path. When there is none it creates one with a new
// random key, readable by its owner only (mode 0600), and reports created. Two processes that start
// at the same moment get the same key.
//
// Without the file the sealed values of the database cannot be opened, so it is stored apart from
// the database and its backups.
func LoadOrCreate(path string) (m *Sealer, created bool, err error) {
	m, err = Load(path)
	if !errors.Is(err, fs.ErrNotExist) {
		return m, false, err
	}
	created, err = create(path)
	if err != nil {
		return nil, false, err
	}
	m, err = Load(path)
	return m, created, err
}

// Load reads the master key file at path; see [ParseMasterKey] for its form. For a file that does
// not exist the error wraps [fs.ErrNotExist].
func Load(path string) (*Sealer, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("keys: master key file: %w", err)
	}
	defer f.Close()
	text, err := io.ReadAll(io.LimitReader(f, maxMasterFile+1))
	if err != nil {
		return nil, fmt.Errorf("keys: master key file: %w", err)
	}
	if len(text) > maxMasterFile {
		return nil, fmt.Errorf("keys: %s is too large for a master key file", path)
	}
	m, err := ParseMasterKey(string(text))
	if err != nil {
		return nil, fmt.Errorf("%w (in %s)", err, path)
	}
	return m, nil
}

// Exposed reports whether users other than the owner may read the file at path. It is a reason for
// a warning, not for an error: container platforms mount secrets as readable by all, in a file
// system that only the process sees.
func Exposed(path string) (bool, error) {
	info, err := os.Stat(path)
	if err != nil {
		return false, fmt.Errorf("keys: master key file: %w", err)
	}
	return info.Mode().Perm()&0o077 != 0, nil
}

// create writes a new key beside path and links it into place: a link fails when the name exists,
// so a half-written file is never read and a second process never replaces the first one's key.
func create(path string) (created bool, err error) {
	key := make([]byte, 32)
	rand.Read(key)
	var text bytes.Buffer
	text.WriteString("# Weigate master key. Keep it apart from the database and out of its backups.\n")
	text.WriteString("# To replace it: add a line below (every replica can open both), " +
		"then move that line to the top and restart, then remove this one.\n")
	text.WriteString(base64.RawURLEncoding.EncodeToString(key) + "\n")

	// CreateTemp creates the file with mode 0600.
	f, err := os.CreateTemp(filepath.Dir(path), ".weigate-key-*")
	if err != nil {
		return false, fmt.Errorf("keys: the master key file cannot be created: %w", err)
	}
	defer os.Remove(f.Name())
	_, err = f.Write(text.Bytes())
	if err == nil {
		err = f.Sync()
	}
	if closeErr := f.Close(); err == nil {
		err = closeErr
	}
	if err == nil {
		err = os.Link(f.Name(), path)
	}
	if errors.Is(err, fs.ErrExist) {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("keys: the master key file cannot be created: %w", err)
	}
	return true, nil
}
