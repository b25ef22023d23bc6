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

// preference remembers in the browser, for ten minutes, which sign-in method its user chose for a
// request: in one cookie, which is not encrypted. It selects among the methods that are available
// anyway, so a user who forges it gains nothing.
//
// Its value is "METHOD.REQUEST.RANDOM". REQUEST is a hash of the request, so that the user is asked
// again for another one. RANDOM differs from browser to browser, since the rate limit distinguishes
// browsers by the values of the gateway's cookies.
type preference struct{ cookies cookie.Set }

const (
	cookiePreference = "d"
	preferredFor     = 10 * time.Minute
	methodChoice     = "choose" // in place of a method: forget the choice
)

// read returns the method that was chosen for a request, "" when none was.
func (p *preference) read(r *http.Request, request string) string {
	for _, c := range r.CookiesNamed(p.cookies.Name(cookiePreference)) {
		method, rest, _ := strings.Cut(c.Value, ".")
		hash, _, _ := strings.Cut(rest, ".")
		if hash == requestHash(request) && (method == MethodScan || method == MethodWebsite) {
			return method
		}
	}
	return ""
}

// store remembers the method of a link, for a request. It ignores links on other sites, so that
// only the user chooses.
func (p *preference) store(w http.ResponseWriter, r *http.Request, request, method string) {
	switch r.Header.Get("Sec-Fetch-Site") {
	case "", "none", "same-origin": // "" is a browser from before 2020 (iOS: 2023)
	default:
		return
	}
	switch method {
	case MethodScan, MethodWebsite:
		value := method + "." + requestHash(request) + "." + rand.Text()
		http.SetCookie(w, p.cookies.New(cookiePreference, value, preferredFor))
	case methodChoice:
		http.SetCookie(w, p.cookies.Clear(cookiePreference))
	}
}

func requestHash(request string) string {
	sum := sha256.Sum256([]byte(request))
	return hex.EncodeToString(sum[:8])
}
