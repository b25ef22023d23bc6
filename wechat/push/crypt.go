package push

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"crypto/rand"
	"crypto/sha1"
	"crypto/subtle"
	"encoding/base64"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"slices"
	"strings"
)

// This file contains WeChat's signature and encryption (消息加解密). A plaintext is 16 random bytes, the
// length of the message in 4 bytes, the message, and the appid. It is padded to blocks of 32 bytes
// (PKCS #7 with that block size) and encrypted by AES-256-CBC. The IV is the beginning of the key.

const (
	padBlock   = 32
	randomSize = 16
	headerSize = randomSize + 4
)

// errDecrypt is the only error of decryption. Several errors would help an attacker to guess.
var errDecrypt = errors.New("the message cannot be decrypted")

// sign returns the signature of values: SHA-1 over the sorted values, in lower-case hexadecimal.
func sign(values ...string) string {
	slices.Sort(values)
	sum := sha1.Sum([]byte(strings.Join(values, "")))
	return hex.EncodeToString(sum[:])
}

// isSigned reports whether one of the tokens signed the values. It compares in constant time.
func isSigned(signature string, tokens []string, values ...string) bool {
	found := 0
	for _, token := range tokens {
		want := sign(append([]string{token}, values...)...)
		found |= subtle.ConstantTimeCompare([]byte(want), []byte(signature))
	}
	return found == 1
}

// encrypt returns the message, encrypted for an appid, in base64. random has 16 bytes.
func encrypt(key, random, message []byte, appID string) (string, error) {
	block, err := aes.NewCipher(key)
	if err != nil {
		return "", err
	}
	plain := make([]byte, 0, headerSize+len(message)+len(appID)+padBlock)
	plain = append(plain, random...)
	plain = binary.BigEndian.AppendUint32(plain, uint32(len(message)))
	plain = append(append(plain, message...), appID...)
	pad := padBlock - len(plain)%padBlock
	plain = append(plain, bytes.Repeat([]byte{byte(pad)}, pad)...)
	cipher.NewCBCEncrypter(block, key[:aes.BlockSize]).CryptBlocks(plain, plain)
	return base64.StdEncoding.EncodeToString(plain), nil
}

// decrypt returns the message and the appid of an encrypted text. The caller has checked the
// signature of the text, so that nobody can use decrypt to try out paddings.
func decrypt(key []byte, text string) (message []byte, appID string, err error) {
	plain, err := base64.StdEncoding.DecodeString(text)
	if err != nil || len(plain) == 0 || len(plain)%padBlock != 0 {
		return nil, "", errDecrypt
	}
	block, err := aes.NewCipher(key)
	if err != nil {
		return nil, "", errDecrypt
	}
	cipher.NewCBCDecrypter(block, key[:aes.BlockSize]).CryptBlocks(plain, plain)
	pad := int(plain[len(plain)-1])
	if pad < 1 || pad > padBlock || len(plain)-pad < headerSize {
		return nil, "", errDecrypt
	}
	content, padding := plain[:len(plain)-pad], plain[len(plain)-pad:]
	for _, each := range padding {
		if int(each) != pad {
			return nil, "", errDecrypt
		}
	}
	size, rest := int64(binary.BigEndian.Uint32(content[randomSize:])), content[headerSize:]
	if size > int64(len(rest)) {
		return nil, "", errDecrypt
	}
	return rest[:size], string(rest[size:]), nil
}

// newRandom returns 16 printable random bytes, as WeChat uses.
func newRandom() []byte {
	var random [randomSize / 2]byte
	rand.Read(random[:])
	return []byte(hex.EncodeToString(random[:]))
}
