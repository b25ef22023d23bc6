// Package proxycheck shows the command "weigate check" its own request as the gateway sees it. The
// request comes through all reverse proxies and CDNs, so their mistakes become visible.
//
// [Handler] serves the gateway's part, and [Ask] sends the request. Both have the master key:
//
//	check   → GET /proxy-check, header Weigate-Check: time and nonce, sealed
//	gateway → page, header Weigate-Check: [Seen], sealed for this nonce
//
// Requests without the master key get status 404. So nobody else learns which addresses the gateway
// sees or trusts. The answer is sealed too, so a proxy cannot change it. A cached answer is
// noticed, because it has another nonce.
//
// The page contains what CDNs rewrite: a script, a style sheet and an e-mail address.
package proxycheck

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"net/http"
	"net/netip"
	"strings"
	"time"

	"github.com/weigate/weigate/internal/keys"
	"github.com/weigate/weigate/internal/route"
)

// Path is the path of [Handler], below the path of the gateway's URL.
const Path = "/proxy-check"

const (
	header     = "Weigate-Check"
	cookieName = "weigate-check"
	// The purposes of the sealed values, for keys.Sealer.
	purposeRequest, purposeAnswer = "proxy check request", "proxy check answer"
	// maxAge is how old a request may be. Somebody may record a request and send it again later.
	// This request then gets no answer.
	maxAge = 5 * time.Minute
	// maxValue limits the headers that are sent back, in bytes.
	maxValue = 200
	// answerLength is the length of the JSON of an answer. No answer needs more. The sealed answer
	// must fit into the 4 KiB of headers that nginx accepts from the gateway.
	answerLength = 1500
)

// page has parts that CDNs rewrite.
const page = `<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<title>Weigate proxy check</title>
<link rel="stylesheet" href="style.css">
<script src="page.js"></script>
</head>
<body>
<!-- This comment and these   spaces stay. -->
<p>Write to <a href="mailto:check@weigate.example">check@weigate.example</a>.</p>
</body>
</html>
`

// contentSecurityPolicy is the header of the page. It allows no scripts of other sites, as the
// policies of the gateway's other pages do.
const contentSecurityPolicy = "default-src 'none'; script-src 'self'; style-src 'self'; frame-ancestors 'none'"

// Seen is what the gateway saw of a request.
type Seen struct {
	Host         string     `json:"host"`          // the header Host
	Proto        string     `json:"proto"`         // the header X-Forwarded-Proto
	ForwardedFor string     `json:"forwarded_for"` // the right end of the header X-Forwarded-For: see tail
	Proxied      bool       `json:"proxied"`       // the request has headers that reverse proxies add
	Peer         netip.Addr `json:"peer"`          // the other end of the connection
	Trusted      bool       `json:"trusted"`       // the running gateway trusts Peer
	Client       netip.Addr `json:"client"`        // the client's address, as limits and events have it
	Reported     bool       `json:"reported"`      // a trusted proxy has reported Client
	Cookie       bool       `json:"cookie"`        // the cookie of the request arrived
	PeerPort     uint16     `json:"peer_port"`     // the port of Peer; 0 = the gateway is of an older version
	Settings     []byte     `json:"settings"`      // as passed to Handler; nil = the gateway is of an older version
}

// answer is the content of the response's header. All answers have the same length. Otherwise
// somebody could send a recorded request again, and learn the length of the peer's address.
type answer struct {
	Seen Seen     `json:"seen"`
	Body [32]byte `json:"body"` // SHA-256 of the page
	CSP  string   `json:"csp"`
	Fill string   `json:"fill"` // makes the length constant
}

// question is the content of the request's header.
type question struct {
	At    time.Time `json:"at"`
	Nonce string    `json:"nonce"`
}

// Handler returns the handler of the gateway. settings is a digest of the gateway's settings:
// "weigate check" compares it with the digest of the settings in the file. secure is the attribute
// Secure of the cookie. The handler calls notFound for requests without the master key.
func Handler(
	sealer *keys.Sealer, settings []byte, secure bool, now func() time.Time, notFound http.HandlerFunc,
) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		q, ok := open(sealer, r.Header.Get(header))
		if age := now().Sub(q.At); !ok || age > maxAge || age < -maxAge {
			notFound(w, r)
			return
		}
		forwardedFor := strings.Join(r.Header.Values("X-Forwarded-For"), ", ")
		a := answer{Body: sha256.Sum256([]byte(page)), CSP: contentSecurityPolicy, Seen: Seen{
			Host: cut(r.Host), Proto: cut(r.Header.Get("X-Forwarded-Proto")), ForwardedFor: tail(forwardedFor),
			Proxied: route.Proxied(r.Header), Peer: route.Peer(r), Trusted: route.Trusted(r),
			Client: route.Address(r), Reported: route.Reported(r),
			PeerPort: peerPort(r), Settings: settings,
		}}
		a.Seen.Cookie = strings.Contains(strings.Join(r.Header["Cookie"], ";"), cookieName+"="+q.Nonce)
		text, err := a.text()
		if err != nil {
			notFound(w, r)
			return
		}
		sealed, err := sealer.Seal(purposeAnswer, q.Nonce, text)
		if err != nil {
			notFound(w, r)
			return
		}
		h := w.Header()
		h.Set(header, base64.RawURLEncoding.EncodeToString(sealed))
		h.Set("Content-Type", "text/html; charset=utf-8")
		h.Set("Content-Security-Policy", contentSecurityPolicy)
		h.Set("Cache-Control", "no-store")
		h.Set("Referrer-Policy", "no-referrer")
		http.SetCookie(w, &http.Cookie{Name: cookieName, Value: q.Nonce, Path: r.URL.Path, MaxAge: 1, HttpOnly: true,
			Secure: secure, SameSite: http.SameSiteLaxMode})
		_, _ = w.Write([]byte(page)) // fails only if the client has disconnected
	})
}

// peerPort returns the port at the other end of the connection.
func peerPort(r *http.Request) uint16 {
	peer, err := netip.ParseAddrPort(r.RemoteAddr)
	if err != nil {
		return 0
	}
	return peer.Port()
}

// open opens the header of a request.
func open(sealer *keys.Sealer, value string) (q question, ok bool) {
	sealed, err := base64.RawURLEncoding.DecodeString(value)
	if err != nil || value == "" {
		return q, false
	}
	text, err := sealer.Open(purposeRequest, "", sealed)
	if err != nil {
		return q, false
	}
	return q, json.Unmarshal(text, &q) == nil && q.Nonce != ""
}

// newQuestion returns the header of a request, and its nonce.
func newQuestion(sealer *keys.Sealer, now time.Time) (value, nonce string, err error) {
	nonce = rand.Text()
	text, err := json.Marshal(question{At: now, Nonce: nonce})
	if err != nil {
		return "", "", err
	}
	sealed, err := sealer.Seal(purposeRequest, "", text)
	return base64.RawURLEncoding.EncodeToString(sealed), nonce, err
}

// text returns the JSON of an answer.
func (a answer) text() ([]byte, error) {
	text, err := json.Marshal(a)
	if err != nil {
		return nil, err
	}
	a.Fill = strings.Repeat(" ", max(0, answerLength-len(text)))
	return json.Marshal(a)
}

// cut returns the first maxValue bytes of a header.
func cut(value string) string { return plain(value[:min(len(value), maxValue)]) }

// tail returns the last addresses of a list, at most maxValue bytes. Each proxy appends an address.
// So a stranger can choose only addresses on the left.
func tail(list string) string {
	if len(list) <= maxValue {
		return plain(list)
	}
	_, whole, _ := strings.Cut(list[len(list)-maxValue:], ",") // drops the first address, which may be incomplete
	return plain(strings.TrimSpace(whole))
}

// plain replaces the characters that JSON escapes, because an escaped character is longer.
func plain(value string) string {
	return strings.Map(func(c rune) rune {
		if c < ' ' || c > '~' || strings.ContainsRune("\"\\<>&", c) {
			return '?'
		}
		return c
	}, value)
}
