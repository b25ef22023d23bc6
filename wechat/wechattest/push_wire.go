package wechattest

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"crypto/sha1" //nolint:gosec // the protocol's hash
	"encoding/base64"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"slices"
	"strings"
)

// element is an element of a message. Numbers are bare, texts are in CDATA.
type element struct {
	name, value string
	bare        bool
}

func (e element) xml() string {
	if e.bare {
		return "<" + e.name + ">" + e.value + "</" + e.name + ">"
	}
	return "<" + e.name + "><![CDATA[" + e.value + "]]></" + e.name + ">"
}

// plainXML returns a message in the form of plaintext mode: one element a line, without indentation
// and without a newline at the end (captures of 2022, Content-Length 283 and 278).
func plainXML(els []element) string {
	lines := make([]string, len(els))
	for i, e := range els {
		lines[i] = e.xml()
	}
	return "<xml>" + strings.Join(lines, "\n") + "\n</xml>"
}

// indentedXML returns the body of the encrypted modes: four blanks before each element, and a
// newline at the end (captures of 2022, Content-Length 578 and 832).
func indentedXML(els []element) string {
	var b strings.Builder
	b.WriteString("<xml>\n")
	for _, e := range els {
		b.WriteString("    " + e.xml() + "\n")
	}
	b.WriteString("</xml>\n")
	return b.String()
}

// pushSignature returns the signature of some values: the token, a timestamp, a nonce and, in the
// encrypted modes, Encrypt.
func pushSignature(values ...string) string {
	slices.Sort(values)
	sum := sha1.Sum([]byte(strings.Join(values, ""))) //nolint:gosec // the protocol's hash
	return hex.EncodeToString(sum[:])
}

// encryptPush encrypts a message: 16 random characters, the length, the message and the appid,
// padded to blocks of 32 bytes.
func encryptPush(key []byte, random, message, appID string) string {
	plain := []byte(random)
	plain = binary.BigEndian.AppendUint32(plain, uint32(len(message)))
	plain = append(append(plain, message...), appID...)
	pad := 32 - len(plain)%32
	plain = append(plain, bytes.Repeat([]byte{byte(pad)}, pad)...)
	block, err := aes.NewCipher(key)
	if err != nil {
		return "" // Push.problem has checked the key
	}
	cipher.NewCBCEncrypter(block, key[:aes.BlockSize]).CryptBlocks(plain, plain)
	return base64.StdEncoding.EncodeToString(plain)
}

// decryptPush decrypts a reply, and checks its padding, length and appid.
func decryptPush(key []byte, encrypted, appID string) (string, error) {
	data, err := base64.StdEncoding.DecodeString(encrypted)
	if err != nil {
		return "", errors.New("element Encrypt is not base64")
	}
	if len(data) == 0 || len(data)%32 != 0 {
		return "", errors.New("the length of Encrypt is not a multiple of 32")
	}
	block, err := aes.NewCipher(key)
	if err != nil {
		return "", err
	}
	cipher.NewCBCDecrypter(block, key[:aes.BlockSize]).CryptBlocks(data, data)
	pad := int(data[len(data)-1])
	if pad < 1 || pad > 32 || !bytes.Equal(data[len(data)-pad:], bytes.Repeat([]byte{byte(pad)}, pad)) {
		return "", errors.New("the padding is not PKCS#7 to blocks of 32 bytes")
	}
	data = data[:len(data)-pad]
	if len(data) < 20 {
		return "", errors.New("the decrypted reply is too short")
	}
	n := uint64(binary.BigEndian.Uint32(data[16:20]))
	if rest := data[20:]; n <= uint64(len(rest)) && string(rest[n:]) == appID {
		return string(rest[:n]), nil
	}
	return "", errors.New("the decrypted reply has another length or appid")
}
