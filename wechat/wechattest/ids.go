package wechattest

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"math/rand/v2"
	"strings"
	"time"
)

// The alphabets are those of captured values: codes are alphanumeric, all other identifiers base64url.
const (
	alnum     = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"
	base64url = alnum + "-_"
)

// ids makes every identifier. What belongs to a person is derived from the seed and so does not depend on the order of requests; codes and
// tokens come from a stream. It is used under the server's lock.
type ids struct {
	key    [32]byte
	stream *rand.ChaCha8
	mark   string
}

func newIDs(seed uint64, mark string) *ids {
	var b [8]byte
	binary.BigEndian.PutUint64(b[:], seed)
	key := sha256.Sum256(append([]byte("wechattest seed "), b[:]...))
	return &ids{key: key, stream: rand.NewChaCha8(key), mark: mark}
}

// derive returns n characters that are the same for the same seed and parts.
func (g *ids) derive(n int, alphabet string, parts ...string) string {
	out := make([]byte, 0, n)
	for block := 0; len(out) < n; block++ {
		mac := hmac.New(sha256.New, g.key[:])
		fmt.Fprintf(mac, "%d %q", block, parts)
		for _, b := range mac.Sum(nil) {
			if len(out) < n {
				out = append(out, alphabet[int(b)%len(alphabet)])
			}
		}
	}
	return string(out)
}

func (g *ids) random(n int, alphabet string) string {
	out := make([]byte, n)
	for i := range out {
		out[i] = alphabet[g.stream.Uint64()%uint64(len(alphabet))]
	}
	return string(out)
}

// openID is 28 characters and begins with o, as all captured ones are.
func (g *ids) openID(app, person string, virtual bool) string {
	return "o" + g.derive(27, base64url, "openid", app, person, fmt.Sprint(virtual))
}

// unionID looks like an openid; a snapshot's virtual account has another one than the person.
func (g *ids) unionID(platform, person string, virtual bool) string {
	return "o" + g.derive(27, base64url, "unionid", platform, person, fmt.Sprint(virtual))
}

// code is 32 alphanumeric characters that begin with 0 and a digit. The mark stands at the end, since logs show the beginning.
func (g *ids) code() string {
	return "0" + g.random(1, "0123456789") + g.random(30-len(g.mark), alnum) + g.mark
}

// token is a number, an underscore and 107 base64url characters, as every sample since 2022.
func (g *ids) token() string {
	return g.random(1, "123456789") + g.random(1, "0123456789") + "_" + g.random(107-len(g.mark), base64url) + g.mark
}

// uuid names a consent page or a QR code: 16 characters.
func (g *ids) uuid() string { return "0" + g.random(15, alnum) }

// suffix returns what WeChat puts behind an errmsg. In a rid the first group is the Unix time of the request.
func (g *ids) suffix(style Suffix, now time.Time) string {
	switch style {
	case SuffixHints:
		return ", hints: [ req_id: " + g.random(14, alnum) + " ]"
	case SuffixNone:
		return ""
	}
	v := g.stream.Uint64()
	return fmt.Sprintf(", rid: %08x-%08x-%08x", uint32(now.Unix()), uint32(v>>32), uint32(v))
}

// uin and key are how a phone says whose it is: WeChat's client appends them to the addresses that it opens. The key proves the uin, so
// that nobody becomes a person by a link.
func (g *ids) uin(person string) string { return base64.StdEncoding.EncodeToString([]byte(person)) }

func (g *ids) uinKey(person string) string {
	mac := hmac.New(sha256.New, g.key[:])
	mac.Write([]byte("uin " + person))
	return hex.EncodeToString(mac.Sum(nil))
}

// person returns who a uin and its key are; "" when they do not fit.
func (g *ids) person(uin, key string) string {
	b, err := base64.StdEncoding.DecodeString(strings.ReplaceAll(uin, " ", "+"))
	if err != nil || !hmac.Equal([]byte(g.uinKey(string(b))), []byte(key)) {
		return ""
	}
	return string(b)
}
