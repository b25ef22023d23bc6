package push

import (
	"testing"

	"github.com/weigate/weigate/wechat"
)

// Encrypt is encrypt, with a key in the form of the console.
func Encrypt(t testing.TB, key, random, message, appID string) string {
	t.Helper()
	keys, err := decodeKeys(wechat.Secret(key), "")
	if err != nil {
		t.Fatal(err)
	}
	out, err := encrypt(keys[0], []byte(random), []byte(message), appID)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// ReadMessage and Decrypt are for the fuzz targets, Signature for the vectors.
var (
	ReadMessage = readMessage
	Decrypt     = decrypt
	Signature   = sign
)

// MaxRemembered is how many answers a Handler keeps.
const MaxRemembered = maxRemembered
