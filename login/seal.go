package login

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"
)

// minKey is the shortest key that New takes, in bytes.
const minKey = 32

// A sealer encrypts what a browser keeps for us. Each purpose has a key of its
// own (HKDF), and the cookie's name is authenticated with the content: a value
// that was sealed as one cookie never opens as another.
type sealer struct {
	purpose string
	aeads   []cipher.AEAD // the first seals, all open
}

// newSealer derives the keys for one purpose. AES-256-GCM with random nonces is
// good for 2^32 values per key; a site with a thousand sign-ins a second turns
// its keys over within a month, others need not think of it.
func newSealer(keys [][]byte, purpose string) (*sealer, error) {
	s := &sealer{purpose: purpose}
	for _, key := range keys {
		derived, err := hkdf.Key(sha256.New, key, nil, "weigate/login seal "+purpose, 32)
		if err != nil {
			return nil, fmt.Errorf("login: derive a key: %w", err)
		}
		block, err := aes.NewCipher(derived)
		if err != nil {
			return nil, fmt.Errorf("login: make a cipher: %w", err)
		}
		aead, err := cipher.NewGCMWithRandomNonce(block)
		if err != nil {
			return nil, fmt.Errorf("login: make a cipher: %w", err)
		}
		s.aeads = append(s.aeads, aead)
	}
	return s, nil
}

func (s *sealer) additional(name string) []byte { return []byte(s.purpose + "\x00" + name) }

// seal returns plain as a cookie value for the cookie called name.
func (s *sealer) seal(name string, plain []byte) string {
	return base64.RawURLEncoding.EncodeToString(s.aeads[0].Seal(nil, nil, plain, s.additional(name)))
}

// errSealed says no more than that a value is not ours: who sent it may be
// anybody, and the reason would only help them.
var errSealed = errors.New("login: not a value that was sealed here")

// open is the reverse of seal.
func (s *sealer) open(name, value string) ([]byte, error) {
	raw, err := base64.RawURLEncoding.Strict().DecodeString(value)
	if err != nil || strings.ContainsAny(value, "\r\n") { // the decoder skips line breaks
		return nil, errSealed
	}
	for _, aead := range s.aeads {
		if plain, err := aead.Open(nil, nil, raw, s.additional(name)); err == nil {
			return plain, nil
		}
	}
	return nil, errSealed
}

// sessionID derives the session id from the secret of a flow: however often a
// callback is repeated, and by whichever process it is answered, it is the same
// session.
func sessionID(flowSecret []byte) (string, error) {
	id, err := hkdf.Key(sha256.New, flowSecret, nil, "weigate/login session id", 32)
	if err != nil {
		return "", fmt.Errorf("login: derive a session id: %w", err)
	}
	return base64.RawURLEncoding.EncodeToString(id), nil
}

// hashed is how ids, states and codes reach a store. What they name has 128
// bits of randomness or more (codes are WeChat's, and long spent), so a plain
// hash is enough.
func hashed(what, value string) string {
	sum := sha256.Sum256([]byte("weigate/login " + what + "\x00" + value))
	return hex.EncodeToString(sum[:])
}
