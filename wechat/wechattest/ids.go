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

// The alphabets of captured values: codes are alphanumeric, all other identifiers base64url.
const (
	alnum     = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"
	base64url = alnum + "-_"
)

// ids makes all identifiers. Those of a person are derived from the seed, so they do not depend on
// the order of requests; codes and tokens come from a pseudo-random stream. The caller holds the
// server's lock.
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

// derive returns n characters that depend only on the seed and the parts.
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

// openID returns 28 characters beginning with o, like all captured ones.
func (g *ids) openID(app, person string, virtual bool) string {
	return "o" + g.derive(27, base64url, "openid", app, person, fmt.Sprint(virtual))
}

// unionID returns an identifier in the format of an openid. A virtual account has another unionid
// than its person.
func (g *ids) unionID(platform, person string, virtual bool) string {
	return "o" + g.derive(27, base64url, "unionid", platform, person, fmt.Sprint(virtual))
}

// code returns 32 alphanumeric characters beginning with 0 and a digit. The mark is at the end,
// since logs show the beginning.
func (g *ids) code() string {
	return "0" + g.random(1, "0123456789") + g.random(30-len(g.mark), alnum) + g.mark
}

// token returns a number, an underscore and 107 base64url characters, like every sample since 2022.
func (g *ids) token() string {
	return g.random(1, "123456789") + g.random(1, "0123456789") + "_" + g.random(107-len(g.mark), base64url) + g.mark
}

// uuid returns the 16 characters that identify a consent page or a QR code.
func (g *ids) uuid() string { return "0" + g.random(15, alnum) }

// suffix returns the request id behind an errmsg. The first group of a rid is the Unix time of the
// request.
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

// uin and uinKey return the parameters by which WeChat's client identifies the person. The key
// authenticates the uin, so that a crafted link cannot change the person.
func (g *ids) uin(person string) string { return base64.StdEncoding.EncodeToString([]byte(person)) }

func (g *ids) uinKey(person string) string {
	mac := hmac.New(sha256.New, g.key[:])
	mac.Write([]byte("uin " + person))
	return hex.EncodeToString(mac.Sum(nil))
}

// person returns the person of a uin; "" when the key is wrong.
func (g *ids) person(uin, key string) string {
	b, err := base64.StdEncoding.DecodeString(strings.ReplaceAll(uin, " ", "+"))
	if err != nil || !hmac.Equal([]byte(g.uinKey(string(b))), []byte(key)) {
		return ""
	}
	return string(b)
}
