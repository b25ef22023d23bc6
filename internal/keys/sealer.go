package keys

import (
	"bytes"
	"crypto/cipher"
	"crypto/rand"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"io"
	"io/fs"
	"os"
	"slices"
	"strings"

	"github.com/weigate/weigate/internal/filemode"
	"github.com/weigate/weigate/internal/lang" // its errors can be shown in Chinese
	"github.com/weigate/weigate/internal/newfile"
	"github.com/weigate/weigate/internal/seal"
)

// MinMasterKey is the least number of bytes that a master key may have.
const MinMasterKey = 32

// ErrMasterKey means that a value was sealed with a master key that the [Sealer] does not have.
// There are two causes. The key file was replaced by the file of another gateway. Or an old key was
// removed from the file too early: some values were not yet sealed with the new key.
var ErrMasterKey = errors.New("keys: sealed with a master key that is not among those given")

// ErrTampered means that a sealed value is damaged, or was moved here from another row.
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

// A sealed value consists of version, id of the master key, nonce and ciphertext.
const (
	sealVersion = 1
	idSize      = 8
	nonceSize   = 12
	headerSize  = 1 + idSize + nonceSize
)

// NewSealer returns a Sealer with the given master keys. A key has at least [MinMasterKey] bytes.
// The first key seals. Every key can open.
func NewSealer(keys ...[]byte) (*Sealer, error) {
	if len(keys) == 0 {
		return nil, errors.New("keys: no master key given")
	}
	s := &Sealer{}
	for i, root := range keys {
		if len(root) < MinMasterKey {
			return nil, lang.Errorf("keys: master key %d has %d bytes, want at least %d", i+1, len(root), MinMasterKey)
		}
		key := masterKey{root: slices.Clone(root)}
		copy(key.id[:], key.derive("key id", idSize))
		for _, other := range s.keys {
			if other.id == key.id {
				return nil, lang.Errorf("keys: master key %d is given twice", i+1)
			}
		}
		s.keys = append(s.keys, key)
	}
	return s, nil
}

// ParseMasterKey returns a Sealer with the master keys in text: base64, one per line or separated
// by commas or spaces. Empty lines and lines that begin with # are ignored. An error contains the
// number of the line and never its content.
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
				return nil, lang.Errorf("keys: line %d of the master key is not base64", n+1)
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

// IDs returns the public ids of the master keys, in their order: the key that seals is first. The
// ids reveal nothing about the keys, and may be shown to an administrator.
func (s *Sealer) IDs() []string {
	ids := make([]string, 0, len(s.keys))
	for _, k := range s.keys {
		ids = append(ids, hex.EncodeToString(k.id[:]))
	}
	return ids
}

// Seal encrypts plain by AES-256-GCM. The encryption key is derived from the current master key and
// purpose, a constant text of the caller. row identifies the database row for the result. purpose
// and row are associated data: they are authenticated, and not stored. [Sealer.Open] requires equal
// values, so a sealed value cannot be moved to another row.
func (s *Sealer) Seal(purpose, row string, plain []byte) ([]byte, error) {
	if len(s.keys) == 0 {
		return nil, ErrMasterKey
	}
	k := s.keys[0]
	aead, err := k.aead(purpose)
	if err != nil {
		return nil, err
	}
	header := append([]byte{sealVersion}, k.id[:]...)
	// The nonce argument is nil, because this AEAD generates the nonce and puts it before the
	// ciphertext.
	return aead.Seal(header, nil, plain, associated(purpose, row)), nil
}

// Open decrypts what [Sealer.Seal] returned. The sealed value contains the id of its master key.
// Errors to test for: [ErrMasterKey] (its text has the id of the missing key) and [ErrTampered].
func (s *Sealer) Open(purpose, row string, sealed []byte) ([]byte, error) {
	if len(sealed) < headerSize || sealed[0] != sealVersion {
		return nil, ErrTampered
	}
	k, ok := s.key(sealed)
	if !ok {
		return nil, lang.Errorf("%w: it was sealed with key %x, given are %s",
			ErrMasterKey, sealed[1:1+idSize], strings.Join(s.IDs(), ", "))
	}
	aead, err := k.aead(purpose)
	if err != nil {
		return nil, err
	}
	plain, err := aead.Open(nil, nil, sealed[1+idSize:], associated(purpose, row)) // begins with the nonce
	if err != nil {
		return nil, ErrTampered
	}
	return plain, nil
}

// Current reports whether a value was sealed with the current master key. Other values must be sealed
// again before the older master keys are removed.
func (s *Sealer) Current(sealed []byte) bool {
	return len(s.keys) > 0 && len(sealed) >= headerSize && string(sealed[1:1+idSize]) == string(s.keys[0].id[:])
}

// Derive derives a key of 32 bytes from each master key for the purpose. The keys have the order of
// the master keys. Use the first key for new values. The other keys are for values from the time
// before the master key was replaced.
func (s *Sealer) Derive(purpose string) [][]byte {
	out := make([][]byte, 0, len(s.keys))
	for _, k := range s.keys {
		out = append(out, k.derive("derive "+purpose, 32))
	}
	return out
}

// String returns a constant, so that the keys do not appear in formatted text.
func (s *Sealer) String() string { return "[master key]" }

// GoString returns a constant, so that the keys do not appear in %#v output.
func (s *Sealer) GoString() string { return s.String() }

// key returns the master key that sealed a value.
func (s *Sealer) key(sealed []byte) (masterKey, bool) {
	for _, k := range s.keys {
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
func associated(purpose, row string) []byte {
	return []byte(purpose + "\x00" + row)
}

// maxMasterFile is the largest size of a master key file. A wrong path may name a huge file.
const maxMasterFile = 64 << 10

// LoadOrCreate reads the master key file at path. If there is none, it creates a file with a new
// random key, readable by its owner only (mode 0600), and returns created = true. Two processes
// that start at the same moment get the same key.
//
// A copy of the database without this file reveals no sealed value. Keep the file apart from the
// database and its backups.
func LoadOrCreate(path string) (s *Sealer, created bool, err error) {
	s, err = Load(path)
	if !errors.Is(err, fs.ErrNotExist) {
		return s, false, err
	}
	created, err = Create(path, nil)
	if err != nil {
		return nil, false, err
	}
	s, err = Load(path)
	return s, created, err
}

// Load reads the master key file at path; see [ParseMasterKey] for its form. For a file that does
// not exist the error wraps [fs.ErrNotExist]. A file that other users may read or change is
// rejected.
func Load(path string) (*Sealer, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, lang.Errorf("keys: master key file: %w", err)
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil, lang.Errorf("keys: master key file: %w", err)
	}
	if err := filemode.Check(path, info, true); err != nil {
		// err ends with a command for the shell, which path completes.
		return nil, lang.Errorf("keys: master key %s: %w %s", path, err, filemode.Quote(path))
	}
	text, err := io.ReadAll(io.LimitReader(f, maxMasterFile+1))
	if err != nil {
		return nil, lang.Errorf("keys: master key file: %w", err)
	}
	if len(text) > maxMasterFile {
		return nil, lang.Errorf("keys: %s is too large for a master key file", path)
	}
	s, err := ParseMasterKey(string(text))
	if err != nil {
		return nil, lang.Errorf("%w (in %s)", err, path)
	}
	return s, nil
}

// Create writes a new master key to path, in a file that only its owner can read. If path exists,
// Create keeps that file, and returns false without an error. If share is not nil, Create calls it
// with the complete file before the file has its name. share can then change owner and mode without
// a path, which another user of the machine could replace.
func Create(path string, share func(*os.File) error) (created bool, err error) {
	key := make([]byte, 32)
	rand.Read(key)
	var text bytes.Buffer
	text.WriteString("# Weigate master key. Keep it apart from the database and out of its backups.\n")
	text.WriteString("# To replace it: add a line below and restart every replica; move that line to the top and " +
		"restart again; run weigate key reseal; remove this line when session.max and the longest " +
		"lifetimes.refresh have passed.\n")
	text.WriteString(base64.RawURLEncoding.EncodeToString(key) + "\n")

	err = newfile.Create(path, func(f *os.File) error {
		_, err := f.Write(text.Bytes())
		if err == nil && share != nil {
			err = share(f)
		}
		return err
	})
	if errors.Is(err, fs.ErrExist) {
		return false, nil
	}
	if err != nil {
		return false, lang.Errorf("keys: the master key file cannot be created: %w", err)
	}
	return true, nil
}
