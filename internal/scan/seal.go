package scan

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
)

// minKey is the shortest key that New takes, in bytes.
const minKey = 32

// sealer encrypts what browsers keep for us. The cookie's name is authenticated with its content, so no cookie opens as another.
type sealer []cipher.AEAD // the first seals, all open

func newSealer(keys [][]byte) (sealer, error) {
	var s sealer
	for _, key := range keys {
		derived, err := hkdf.Key(sha256.New, key, nil, "weigate/scan seal", 32)
		if err != nil {
			return nil, fmt.Errorf("scan: derive a key: %w", err)
		}
		block, err := aes.NewCipher(derived)
		if err != nil {
			return nil, fmt.Errorf("scan: make a cipher: %w", err)
		}
		aead, err := cipher.NewGCMWithRandomNonce(block)
		if err != nil {
			return nil, fmt.Errorf("scan: make a cipher: %w", err)
		}
		s = append(s, aead)
	}
	return s, nil
}

// seal returns v as the value of the cookie called name.
func (s sealer) seal(name string, v any) (string, error) {
	plain, err := json.Marshal(v)
	if err != nil {
		return "", fmt.Errorf("scan: seal a cookie: %w", err)
	}
	return base64.RawURLEncoding.EncodeToString(s[0].Seal(nil, nil, plain, []byte(name))), nil
}

// errSealed says no more than that a value is not ours: the reason would help only whoever made it.
var errSealed = errors.New("scan: not a value that was sealed here")

// open is the reverse of seal.
func (s sealer) open(name, value string, into any) error {
	raw, err := base64.RawURLEncoding.Strict().DecodeString(value)
	if err != nil || strings.ContainsAny(value, "\r\n") { // the decoder skips line breaks
		return errSealed
	}
	for _, aead := range s {
		if plain, err := aead.Open(nil, nil, raw, []byte(name)); err == nil {
			return json.Unmarshal(plain, into)
		}
	}
	return errSealed
}
