package wechattest

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"math/rand/v2"
	"net/http"
	"strings"
	"time"
)

// The alphabets of values that were captured at WeChat: codes are alphanumeric, all other
// identifiers are base64url.
const (
	alnum     = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"
	base64url = alnum + "-_"
)

// ids makes the identifiers, codes and tokens of a server. All are derived from the seed, so a run
// can be repeated. An openid or unionid is derived from the seed and the person. Codes, tokens and
// uuids come from a pseudo-random stream, so they also depend on the order of requests. The caller
// of random, code, token, uuid and suffix holds the server's lock.
type ids struct {
	key    [32]byte // derived from the seed
	stream *rand.ChaCha8
	mark   string // Config.Mark: part of each code and token; a test searches logs for it to find leaks
}

func newIDs(seed uint64, mark string) *ids {
	var b [8]byte
	binary.BigEndian.PutUint64(b[:], seed)
	key := sha256.Sum256(append([]byte("wechattest seed "), b[:]...))
	return &ids{key: key, stream: rand.NewChaCha8(key), mark: mark}
}

// derive returns n characters of the alphabet that depend only on the seed and the parts.
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

// random returns the next n characters of the stream.
func (g *ids) random(n int, alphabet string) string {
	out := make([]byte, n)
	for i := range out {
		out[i] = alphabet[g.stream.Uint64()%uint64(len(alphabet))]
	}
	return string(out)
}

// openID returns 28 characters beginning with o, like every captured openid. virtual selects the
// virtual account: in snapshot mode (快照页), WeChat gives the app an openid and a unionid that are
// not the person's.
func (g *ids) openID(app, person string, virtual bool) string {
	return "o" + g.derive(27, base64url, "openid", app, person, fmt.Sprint(virtual))
}

// unionID returns an identifier in the format of an openid. platform is the open-platform account
// of the app.
func (g *ids) unionID(platform, person string, virtual bool) string {
	return "o" + g.derive(27, base64url, "unionid", platform, person, fmt.Sprint(virtual))
}

// code returns 32 alphanumeric characters beginning with 0 and a digit. The mark is at the end. The
// log shows the first characters of a code, and a test that searches the log for leaked codes must
// not take these characters for a leak.
func (g *ids) code() string {
	return "0" + g.random(1, "0123456789") + g.random(30-len(g.mark), alnum) + g.mark
}

// token returns a number, an underscore and 107 base64url characters, like every sample since 2022.
func (g *ids) token() string {
	return g.random(1, "123456789") + g.random(1, "0123456789") + "_" + g.random(107-len(g.mark), base64url) + g.mark
}

// uuid returns the 16 characters that identify a consent page or a QR code.
func (g *ids) uuid() string { return "0" + g.random(15, alnum) }

// suffix returns the request id that WeChat appends to an errmsg. The first group of a rid is the
// Unix time of the request.
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

// cgiSuffix is suffix for the endpoints below /cgi-bin/.
func (g *ids) cgiSuffix(style Suffix, now time.Time) string {
	if style == SuffixHints {
		return " hint: [" + g.random(14, alnum) + "!]"
	}
	return strings.TrimPrefix(g.suffix(style, now), ",")
}

// uin returns the value of the parameter uin. WeChat's client identifies the person by this
// parameter.
func (g *ids) uin(person string) string { return base64.StdEncoding.EncodeToString([]byte(person)) }

// uinKey returns the value of the parameter key. It proves that the uin is genuine. Without the
// key, a link with a uin could sign a browser in as any person.
func (g *ids) uinKey(person string) string {
	mac := hmac.New(sha256.New, g.key[:])
	mac.Write([]byte("uin " + person))
	return hex.EncodeToString(mac.Sum(nil))
}

// person returns the id of the person that a uin identifies, or "" if the key is wrong. It reads a
// space in the uin as "+", because a "+" that is not escaped in a query is decoded to a space.
func (g *ids) person(uin, key string) string {
	b, err := base64.StdEncoding.DecodeString(strings.ReplaceAll(uin, " ", "+"))
	if err != nil || !hmac.Equal([]byte(g.uinKey(string(b))), []byte(key)) {
		return ""
	}
	return string(b)
}

// personCookie names the cookie that holds the person chosen in an ordinary browser. (A [Phone]
// sends the parameters uin and key instead.) The name is long, because all servers on one host
// share their cookies, whatever the port.
const personCookie = "wechattest_person"

// identify returns the person who sent a request. It uses the first of these:
//
//   - the parameters uin and key, which WeChat's client appends;
//   - [Quirks.ConsentAs], the person who consents automatically;
//   - [personCookie].
//
// The person is nil if a page has to ask for the person, and if the person of ConsentAs is unknown.
// autoConsent reports whether ConsentAs is set: then no page asks for consent.
func (s *Server) identify(r *request) (person *Person, autoConsent bool) {
	autoConsent = s.quirks.ConsentAs != ""
	if id := s.ids.person(r.params.Get("uin"), r.params.Get("key")); id != "" {
		if p := s.person(id); p != nil {
			return p, autoConsent
		}
	}
	if autoConsent {
		return s.person(s.quirks.ConsentAs), true
	}
	if c, err := r.Cookie(personCookie); err == nil {
		id, key, _ := strings.Cut(c.Value, ".") // the id and its uinKey, see choosePerson
		if p := s.person(id); p != nil && s.ids.person(s.ids.uin(id), key) == id {
			return p, false
		}
	}
	return nil, false
}

// choosePerson handles the form that asks for the person. It sets [personCookie] and redirects to
// next, the page that needs the person. An empty person deletes the cookie, and the page asks
// again. next must be a path on this server, or choosePerson would be an open redirector.
func (s *Server) choosePerson(r *request) response {
	id, next := r.params.Get("person"), r.params.Get("next")
	p, forget := s.person(id), id == ""
	if p == nil && !forget || !strings.HasPrefix(next, "/connect/") || strings.ContainsAny(next, "\\\r\n") {
		return s.errorPage(r, problem{text: "text-no-such-link", hint: "hint-old-page"})
	}
	resp := redirect(next)
	resp.status = http.StatusSeeOther
	c := &http.Cookie{
		Name: personCookie, MaxAge: -1, Path: "/connect/", HttpOnly: true, SameSite: http.SameSiteLaxMode,
		Secure: r.TLS != nil,
	}
	if !forget {
		c.Value, c.MaxAge = p.ID+"."+s.ids.uinKey(p.ID), 0
	}
	resp.header.Set("Set-Cookie", c.String())
	return resp
}

// clientParams returns the parameters by which WeChat's client identifies the person. The client
// appends them to every address of WeChat.
func (s *Server) clientParams(person string) []Param {
	return []Param{
		{"uin", s.ids.uin(person)},
		{"key", s.ids.uinKey(person)},
		{"version", "28001237"},
		{"pass_ticket", s.ids.derive(48, base64url, "pass_ticket", person)},
		{"wx_header", "0"},
	}
}
