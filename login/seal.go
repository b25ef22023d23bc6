package login

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"fmt"

	"github.com/weigate/weigate/internal/seal"
)

// sessionID derives the session id from the secret of a flow: however often a
// callback is repeated, and by whichever process it is answered, it is the same
// session.
func sessionID(flowSecret []byte) (string, error) {
	id, err := seal.Derive(flowSecret, "weigate/login session id", 32)
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
