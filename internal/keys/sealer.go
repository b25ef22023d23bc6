package keys

import (
	"bytes"
	"crypto/cipher"
	"crypto/rand"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/weigate/weigate/internal/filemode"
	"github.com/weigate/weigate/internal/seal"
)

// MinMasterKey is the least number of bytes that a master key may have.
const MinMasterKey = 32

// ErrMasterKey means that a value was sealed with a master key that is not among those given:
// another key file was put in place, or an old key was removed before everything was sealed again.
var ErrMasterKey = errors.New("keys: sealed with a master key that is not among those given")

// ErrTampered means that a sealed value is damaged, or was moved from another row.
var ErrTampered = errors.New("keys: the sealed value is damaged or belongs elsewhere")

// Sealer encrypts values with the first of its master keys, and decrypts them with any of them. It
// is immutable and safe for concurrent use. The zero value has no key: each of its methods fails or
// returns nothing.
type Sealer struct {
	keys []masterKey
}

type masterKey struct {
	id   [idSize]byte // derived from root; identifies the key in sealed values
	root []byte       // the master key itself; never used to encrypt, only to derive keys
}

// A sealed value is: version, key id, nonce, ciphertext.
const (
	sealVersion = 1
	idSize      = 8
	nonceSize   = 12
	headerSize  = 1 + idSize + nonceSize
)

// NewSealer returns a Sealer of keys of at least [MinMasterKey] bytes each. The first seals, all of
// them open.
func NewSealer(keys ...[]byte) (*Sealer, error) {
	if len(keys) == 0 {
		return nil, errors.New("keys: no master key given")
	}
	m := &Sealer{}
	for i, k := range keys {
		if len(k) < MinMasterKey {
			return nil, fmt.Errorf("keys: master key %d has %d bytes, want at least %d", i+1, len(k), MinMasterKey)
		}
		mk := masterKey{root: append([]byte(nil), k...)}
		copy(mk.id[:], mk.derive("key id", idSize))
		for _, other := range m.keys {
			if other.id == mk.id {
				return nil, fmt.Errorf("keys: master key %d is given twice", i+1)
			}
		}
		m.keys = append(m.keys, mk)
	}
	return m, nil
}

// ParseMasterKey reads master keys from text: base64, one per line or separated by commas or
// spaces. Empty lines and lines that begin with # are ignored. An error contains the number of the
// line and never its content.
func ParseMasterKey(text string) (*Sealer, error) {
	var keys [][]byte
	for n, line := range strings.Split(text, "\n") {
		if strings.HasPrefix(strings.TrimSpace(line), "#") {
			continue
		}
		separator := func(r rune) bool { return strings.ContainsRune(", \t\r", r) }
		for _, field := range strings.FieldsFunc(line, separator) {
			key, err := decodeKey(field)
			if err != nil {
				return nil, fmt.Errorf("keys: line %d of the master key is not base64", n+1)
			}
			keys = append(keys, key)
		}
	}
	return NewSealer(keys...)
}

// decodeKey accepts base64 in both alphabets, with and without padding, since keys are made with
// different tools.
func decodeKey(s string) ([]byte, error) {
	s = strings.TrimRight(s, "=")
	s = strings.NewReplacer("+", "-", "/", "_").Replace(s)
	return base64.RawURLEncoding.DecodeString(s)
}

// IDs returns the public ids of the keys, the sealing one first. They reveal nothing about the
// keys, and may be shown to an administrator.
func (m *Sealer) IDs() []string {
	ids := make([]string, 0, len(m.keys))
	for _, k := range m.keys {
		ids = append(ids, hex.EncodeToString(k.id[:]))
	}
	return ids
}

// Seal encrypts plain with the first key (AES-256-GCM under a key that is derived for the
// purpose). place names the row that stores the result. The result opens only with the same purpose
// and place, which are authenticated as associated data and not stored: a sealed value that is
// moved to another row does not open there.
func (m *Sealer) Seal(purpose, place string, plain []byte) ([]byte, error) {
	if len(m.keys) == 0 {
		return nil, ErrMasterKey
	}
	k := m.keys[0]
	aead, err := k.aead(purpose)
	if err != nil {
		return nil, err
	}
	out := append([]byte{sealVersion}, k.id[:]...)
	return aead.Seal(out, nil, plain, associated(purpose, place)), nil // the AEAD makes and writes the nonce
}

// Open decrypts what [Sealer.Seal] returned, with the key that sealed it. Errors to test for:
// [ErrMasterKey], whose text has the id of the missing key, and [ErrTampered].
func (m *Sealer) Open(purpose, place string, sealed []byte) ([]byte, error) {
	if len(sealed) < headerSize || sealed[0] != sealVersion {
		return nil, ErrTampered
	}
	k, ok := m.key(sealed)
	if !ok {
		return nil, fmt.Errorf("%w: it was sealed with key %x, given are %s",
			ErrMasterKey, sealed[1:1+idSize], strings.Join(m.IDs(), ", "))
	}
	aead, err := k.aead(purpose)
	if err != nil {
		return nil, err
	}
	plain, err := aead.Open(nil, nil, sealed[1+idSize:], associated(purpose, place))
	if err != nil {
		return nil, ErrTampered
	}
	return plain, nil
}

// Current reports whether sealed was made with the first key. Any other value must be sealed again
// before the older key is removed.
func (m *Sealer) Current(sealed []byte) bool {
	return len(m.keys) > 0 && len(sealed) >= headerSize && string(sealed[1:1+idSize]) == string(m.keys[0].id[:])
}

// Derive returns 32 bytes per master key for the purpose, in the order of the keys. Use the
// first for new values; the others verify values from before the master key was replaced.
func (m *Sealer) Derive(purpose string) [][]byte {
	out := make([][]byte, 0, len(m.keys))
	for _, k := range m.keys {
		out = append(out, k.derive("derive "+purpose, 32))
	}
	return out
}

// String returns a constant, so that the keys do not appear in formatted text.
func (m *Sealer) String() string { return "[master key]" }

// GoString returns a constant, so that the keys do not appear in %#v output.
func (m *Sealer) GoString() string { return m.String() }

func (m *Sealer) key(sealed []byte) (masterKey, bool) {
	for _, k := range m.keys {
		if string(k.id[:]) == string(sealed[1:1+idSize]) {
			return k, true
		}
	}
	return masterKey{}, false
}

func (k masterKey) derive(info string, n int) []byte {
	out, err := seal.Derive(k.root, "weigate "+info, n)
	if err != nil {
		// HKDF fails for a length above its limit, and these are constants far below it.
		panic("keys: hkdf: " + err.Error())
	}
	return out
}

func (k masterKey) aead(purpose string) (cipher.AEAD, error) {
	return seal.Cipher(k.root, "weigate seal "+purpose)
}

// associated returns the associated data of AES-GCM for a value.
func associated(purpose, place string) []byte {
	return []byte(purpose + "\x00" + place)
}

// maxMasterFile limits what is read: a wrong path may name any file.
const maxMasterFile = 64 << 10

// LoadOrCreate reads the master key file at path. When there is none it creates one with a new
// random key, readable by its owner only (mode 0600), and reports created. Two processes that start
// at the same moment get the same key.
//
// A copy of the database without this file reveals no sealed value. Keep the file apart from the
// database and its backups.
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
// not exist the error wraps [fs.ErrNotExist]. A file that other users may read or change is rejected;
// see filemode.Check.
func Load(path string) (*Sealer, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("keys: master key file: %w", err)
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil, fmt.Errorf("keys: master key file: %w", err)
	}
	if err := filemode.Check(path, info, true); err != nil {
		return nil, fmt.Errorf("keys: master key %s: %w %s", path, err, path)
	}
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

// create writes a new key beside path and links it into place: a link fails when the name exists,
// so a half-written file is never read and a second process never replaces the first one's key.
func create(path string) (created bool, err error) {
	key := make([]byte, 32)
	rand.Read(key)
	var text bytes.Buffer
	text.WriteString("# Weigate master key. Keep it apart from the database and out of its backups.\n")
	text.WriteString("# To replace it: add a line below and restart every replica; move that line to the top and " +
		"restart again; remove this line when every value is sealed again.\n")
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
