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

// A host session is "FAMILY.SECRET": the id of the grant, and a MAC of it and of the host under the master key. The store knows the SHA-256 of the MAC,
// as of any access token. So a made-up value, or the one of another host, is refused without asking the store, and a hand-over that comes twice makes
// the same session twice. FAMILY tells whose session it was when it is over, so that a blocked person is told why.

func mac(secret []byte, grant, host string) string {
	m := hmac.New(sha256.New, secret)
	m.Write([]byte(grant + "\x00" + host))
	return base64.RawURLEncoding.EncodeToString(m.Sum(nil))
}

// hostToken is the secret half of the session that the family has on a site, under the present master key.
func (h *Handler) hostToken(s *site, grant string) string {
	return mac(h.secrets[0], grant, s.name)
}

// genuine takes a cookie apart. ok is false for anything that this gateway did not make for this site.
func (h *Handler) genuine(s *site, value string) (grant string, hash [32]byte, ok bool) {
	grant, token, found := strings.Cut(value, ".")
	if !found || len(value) > 200 {
		return "", hash, false
	}
	for _, secret := range h.secrets { // of the present master key, and of those before it
		if hmac.Equal([]byte(mac(secret, grant, s.name)), []byte(token)) {
			return grant, sha256.Sum256([]byte(token)), true
		}
	}
	return "", hash, false
}

// cookies finds our session among the cookies of a request, and gives the others as an upstream may have them: ours are a key to the site, and nothing
// that an upstream needs.
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
	for _, beginning := range s.mine {
		if strings.Contains(line, beginning) {
			return true
		}
	}
	return false
}

func (s *site) isMine(name string) bool {
	for _, beginning := range s.mine {
		if strings.HasPrefix(name, beginning) {
			return true
		}
	}
	return false
}

// nonceLife is longer than a sign-in takes, with a phone to be fetched.
const nonceLife = time.Hour

// readNonce returns the nonce that this browser has on the site; "" = none. passed says that the browser was let past the start just now.
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
	// Path "/" without a Domain is what "__Host-" asks for: no other host can plant such a cookie.
	http.SetCookie(w, &http.Cookie{Name: name, Value: value, Path: "/", MaxAge: int(age / time.Second), Secure: s.secure, HttpOnly: true, SameSite: http.SameSiteLaxMode})
}

func (s *site) clear(w http.ResponseWriter, name string) { s.set(w, name, "", -time.Second) }

// newKey is 256 random bits: a nonce, a hand-over token, the name of a demand.
func newKey() string {
	b := make([]byte, 32)
	rand.Read(b)
	return base64.RawURLEncoding.EncodeToString(b)
}

// isKey says whether a text has the form of 256 bits in base64url.
func isKey(text string) bool {
	b, err := base64.RawURLEncoding.DecodeString(text)
	return err == nil && len(b) == 32 && len(text) == 43
}

// challenge is what a nonce looks like at the gateway's own address, as in PKCE with S256.
func challenge(nonce string) string {
	sum := sha256.Sum256([]byte(nonce))
	return base64.RawURLEncoding.EncodeToString(sum[:])
}
