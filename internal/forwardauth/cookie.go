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

// The cookie of a host session is "GRANT.SECRET": the id of the grant, and a MAC of the grant and
// the host under the master key. The store has the SHA-256 of the MAC, as of any access token. So a
// made-up cookie, or a cookie of another host, is rejected without reading the store, and a token
// that is redeemed twice results in the same cookie. GRANT identifies the user even after the
// session has ended, so that a blocked user sees the reason.

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

// verifyCookie splits a cookie into the grant and the hash of the secret. ok is false unless the
// gateway issued the cookie for this site.
func (h *Handler) verifyCookie(s *site, value string) (grant string, hash [32]byte, ok bool) {
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

// cookies returns the host session of a request, and its other cookies for the site, without the
// gateway's.
func (s *site) cookies(r *http.Request) (session, rest string) {
	lines := r.Header["Cookie"]
	if len(lines) == 1 && !s.containsOwn(lines[0]) {
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
			case s.isOwn(name):
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

func (s *site) containsOwn(line string) bool {
	for _, prefix := range s.own {
		if strings.Contains(line, prefix) {
			return true
		}
	}
	return false
}

func (s *site) isOwn(name string) bool {
	for _, prefix := range s.own {
		if strings.HasPrefix(name, prefix) {
			return true
		}
	}
	return false
}

// nonceLife is longer than a sign-in takes.
const nonceLife = time.Hour

// readNonce returns the nonce of this browser on the site; "" = none. passed reports whether
// /.weigate/start has just redirected the browser back to the site, since it had a session.
func (s *site) readNonce(r *http.Request) (nonce string, passed bool) {
	c, err := r.Cookie(s.nonce)
	if err != nil {
		return "", false
	}
	nonce, suffix, _ := strings.Cut(c.Value, ".")
	if !isKey(nonce) {
		return "", false
	}
	return nonce, suffix != ""
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
