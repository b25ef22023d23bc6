package forwardauth

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"net/http"
	"strings"
	"time"
)

// A host session is "GRANT.SECRET": the id of the grant, and a MAC of it and of the host under the
// master key. The store has the SHA-256 of the MAC, as of any access token. So a made-up value, or
// that of another host, is rejected without reading the store, and a token that is redeemed twice
// makes the same session twice. GRANT identifies the user of a session that has ended, so that a
// blocked user reads why.

func mac(secret []byte, grant, host string) string {
	m := hmac.New(sha256.New, secret)
	m.Write([]byte(grant + "\x00" + host))
	return base64.RawURLEncoding.EncodeToString(m.Sum(nil))
}

// hostToken returns the secret half of the session of a grant on a site, under the current master
// key.
func (h *Handler) hostToken(s *site, grant string) string {
	return mac(h.secrets[0], grant, s.name)
}

// genuine splits a cookie. ok is false unless this gateway made it for this site.
func (h *Handler) genuine(s *site, value string) (grant string, hash [32]byte, ok bool) {
	grant, token, found := strings.Cut(value, ".")
	if !found || len(value) > 200 {
		return "", hash, false
	}
	for _, secret := range h.secrets { // of the current master key, and of those before it
		if hmac.Equal([]byte(mac(secret, grant, s.name)), []byte(token)) {
			return grant, sha256.Sum256([]byte(token)), true
		}
	}
	return "", hash, false
}

// cookies returns the host session of a request, and its other cookies for the upstream, which must
// not get the session.
func (s *site) cookies(r *http.Request) (session, rest string) {
	lines := r.Header["Cookie"]
	if len(lines) == 1 && !s.holdsMine(lines[0]) {
		return "", lines[0]
	}
	var others strings.Builder
	for _, line := range lines {
		for len(line) > 0 {
			var one string
			one, line, _ = strings.Cut(line, ";")
			one = strings.TrimSpace(one)
			name, value, _ := strings.Cut(one, "=")
			switch {
			case one == "":
			case name == s.session && session == "":
				session = value
			case s.isMine(name):
			default:
				if others.Len() > 0 {
					others.WriteString("; ")
				}
				others.WriteString(one)
			}
		}
	}
	return session, others.String()
}

func (s *site) holdsMine(line string) bool {
	for _, beginning := range s.own {
		if strings.Contains(line, beginning) {
			return true
		}
	}
	return false
}

func (s *site) isMine(name string) bool {
	for _, beginning := range s.own {
		if strings.HasPrefix(name, beginning) {
			return true
		}
	}
	return false
}

// nonceLife is longer than a sign-in takes.
const nonceLife = time.Hour

// readNonce returns the nonce that this browser has on the site; "" = none. passed reports that the
// browser was redirected past the start just now.
func (s *site) readNonce(r *http.Request) (nonce string, passed bool) {
	c, err := r.Cookie(s.nonce)
	if err != nil {
		return "", false
	}
	nonce, mark, _ := strings.Cut(c.Value, ".")
	if !isKey(nonce) {
		return "", false
	}
	return nonce, mark != ""
}

func (s *site) set(w http.ResponseWriter, name, value string, age time.Duration) {
	// Path "/" without a Domain is what "__Host-" requires: no other host can set such a cookie.
	http.SetCookie(w, &http.Cookie{Name: name, Value: value, Path: "/", MaxAge: int(age / time.Second),
		Secure: s.secure, HttpOnly: true, SameSite: http.SameSiteLaxMode})
}

func (s *site) clear(w http.ResponseWriter, name string) { s.set(w, name, "", -time.Second) }

// newKey returns 256 random bits in base64url: a nonce, a token, the owner of an attempt.
func newKey() string {
	b := make([]byte, 32)
	rand.Read(b)
	return base64.RawURLEncoding.EncodeToString(b)
}

// isKey reports whether a text has the form of 256 bits in base64url.
func isKey(text string) bool {
	b, err := base64.RawURLEncoding.DecodeString(text)
	return err == nil && len(b) == 32 && len(text) == 43
}

// challenge returns the challenge of a nonce, as in PKCE with S256.
func challenge(nonce string) string {
	sum := sha256.Sum256([]byte(nonce))
	return base64.RawURLEncoding.EncodeToString(sum[:])
}
