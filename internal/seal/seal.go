// Package seal encrypts small values that a server gives to browsers and reads again later: cookies
// and URL parameters.
//
// [New] returns a [Sealer] for one purpose. A purpose is a constant text such as the name of a
// package. [Sealer.Seal] encrypts bytes to text that is valid in a cookie and in a URL.
// [Sealer.Open] decrypts the text. [Derive] and [Cipher] are for callers that need another format.
//
// Public packages of this module import this package, and may depend on the standard library only.
// So this package imports nothing else.
package seal

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"strings"
)

const (
	// MinKey is the least length of a key, in bytes.
	MinKey = 32
	// MaxLength is the greatest length of a sealed value, in characters. Many servers refuse
	// request headers and request lines over 8 KB.
	MaxLength = 8000
)

// ErrOpen is returned for every value that cannot be decrypted. It gives no reason, because the
// sender may be an attacker.
var ErrOpen = errors.New("seal: the value was not sealed here")

// Sealer seals and opens values of one purpose. It is immutable and safe for concurrent use.
type Sealer struct {
	purpose string
	ciphers []cipher.AEAD // one for each key: the first encrypts, all decrypt
}

// New returns a Sealer for one purpose. The first key encrypts. All keys decrypt, so that a key can
// be replaced. The Sealer derives its own keys from the given keys and the purpose. So a Sealer
// with another purpose cannot open its values.
//
// AES-256-GCM with random nonces is safe for 2^32 values of one key (NIST SP 800-38D, section 8.3).
// A server that seals a thousand values a second reaches this limit after 49 days. It must replace
// its key earlier, for example every month.
func New(keys [][]byte, purpose string) (*Sealer, error) {
	if len(keys) == 0 {
		return nil, errors.New("seal: no key")
	}
	s := &Sealer{purpose: purpose}
	for i, key := range keys {
		if len(key) < MinKey {
			return nil, fmt.Errorf("seal: key %d has %d bytes, fewer than %d", i+1, len(key), MinKey)
		}
		aead, err := Cipher(key, "weigate seal "+purpose)
		if err != nil {
			return nil, err
		}
		s.ciphers = append(s.ciphers, aead)
	}
	return s, nil
}

// Seal encrypts plain. name is the name of the cookie or parameter. Open requires this name. So an
// attacker cannot copy the value of one cookie into another cookie.
func (s *Sealer) Seal(name string, plain []byte) (string, error) {
	// The nonce is nil, here and in Open: the cipher creates a random one. See Cipher.
	value := base64.RawURLEncoding.EncodeToString(s.ciphers[0].Seal(nil, nil, plain, s.associated(name)))
	if len(value) > MaxLength {
		return "", fmt.Errorf("seal: %d bytes are too many for one value", len(plain))
	}
	return value, nil
}

// Open decrypts a value that Seal returned for name. For every other value it returns [ErrOpen].
func (s *Sealer) Open(name, value string) ([]byte, error) {
	if len(value) > MaxLength {
		return nil, ErrOpen
	}
	raw, err := base64.RawURLEncoding.Strict().DecodeString(value)
	if err != nil || strings.ContainsAny(value, "\r\n") { // the decoder would ignore line breaks
		return nil, ErrOpen
	}
	for _, aead := range s.ciphers {
		if plain, err := aead.Open(nil, nil, raw, s.associated(name)); err == nil {
			return plain, nil
		}
	}
	return nil, ErrOpen
}

// associated returns the associated data of AES-GCM: the purpose of the Sealer and the name of the
// value. A value opens only with both.
func (s *Sealer) associated(name string) []byte { return []byte(s.purpose + "\x00" + name) }

// Derive derives n bytes from key for one purpose, with HKDF and SHA-256 (RFC 5869).
func Derive(key []byte, purpose string, n int) ([]byte, error) {
	derived, err := hkdf.Key(sha256.New, key, nil, purpose, n)
	if err != nil {
		return nil, fmt.Errorf("seal: derive a key: %w", err)
	}
	return derived, nil
}

// Cipher returns AES-256-GCM with random nonces. It derives the encryption key from key and
// purpose. The method Seal of the result puts the nonce before the ciphertext.
func Cipher(key []byte, purpose string) (cipher.AEAD, error) {
	derived, err := Derive(key, purpose, 32) // 32 bytes select AES-256
	if err != nil {
		return nil, err
	}
	block, err := aes.NewCipher(derived)
	if err != nil {
		return nil, fmt.Errorf("seal: create a cipher: %w", err)
	}
	aead, err := cipher.NewGCMWithRandomNonce(block)
	if err != nil {
		return nil, fmt.Errorf("seal: create a cipher: %w", err)
	}
	return aead, nil
}
