package signin

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"net/http"
	"strings"
	"time"

	"github.com/weigate/weigate/internal/cookie"
)

// This file contains the sign-in method that a browser remembers. Begin reads it before it sends a
// browser to WeChat.

// preference reads and sets the cookie with the sign-in method that the user chose, for ten
// minutes. The cookie is not encrypted: it selects one of the methods that are available anyway.
//
// The value of the cookie is "METHOD.REQUEST.RANDOM". REQUEST is a hash of the address that starts
// the sign-in. The choice therefore applies to this sign-in only. RANDOM makes the cookies of two
// browsers differ, and is never read.
type preference struct{ cookies cookie.Set }

const (
	cookiePreference = "d"
	preferredFor     = 10 * time.Minute
	methodChoice     = "choose" // in links, in place of a method: delete the cookie, so that the user chooses
)

// isChoice reports whether the user can choose a method on the page of methods.
func isChoice(method string) bool {
	switch method {
	case MethodScan, MethodWebsite, MethodMessage, MethodFollow:
		return true
	}
	return false
}

// read returns the method that the user chose for the sign-in that starts at the address request,
// or "".
func (p *preference) read(r *http.Request, request string) string {
	for c := range p.cookies.Named(r, cookiePreference) {
		method, rest, _ := strings.Cut(c.Value, ".")
		hash, _, _ := strings.Cut(rest, ".")
		if hash == requestHash(request) && isChoice(method) {
			return method
		}
	}
	return ""
}

// store sets the cookie after the user clicked the link of a method. For methodChoice it deletes
// the cookie. It ignores a link on another site, because another site must not choose for the user.
func (p *preference) store(w http.ResponseWriter, r *http.Request, request, method string) {
	switch r.Header.Get("Sec-Fetch-Site") {
	// "" is a browser from before 2020 (iOS: 2023), which does not send the header. "none" is an
	// address that the user typed or opened from a bookmark.
	case "", "none", "same-origin":
	default:
		return
	}
	switch {
	case isChoice(method):
		value := method + "." + requestHash(request) + "." + rand.Text()
		http.SetCookie(w, p.cookies.New(cookiePreference, value, preferredFor))
	case method == methodChoice:
		http.SetCookie(w, p.cookies.Clear(cookiePreference))
	}
}

// requestHash returns the hash of a request's address for the cookie of preference.
func requestHash(request string) string {
	sum := sha256.Sum256([]byte(request))
	return hex.EncodeToString(sum[:8])
}
