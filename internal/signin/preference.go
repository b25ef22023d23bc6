package signin

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/weigate/weigate/internal/route"
)

// preference is a browser's memory, for a few minutes, of the door that its person chose for a request: one cookie, readable, not sealed. It decides which
// of the doors that are open anyway is gone through without asking, so who makes one up has made a choice, no more.
//
// Its value is "DOOR.REQUEST.RANDOM": a hash of the request, so that the next one asks again, and a part that differs from browser to browser, since the
// limit in front tells browsers apart by our cookies' values.
type preference struct{ cookie http.Cookie }

const (
	preferredFor = 10 * time.Minute
	methodChoice = "choose" // in place of a door: forget what was chosen
)

func newPreference(own *url.URL) preference {
	return preference{route.Cookie(own, "d")}
}

// read returns the door that was chosen for a request, "" when none was.
func (p *preference) read(r *http.Request, request string) string {
	for _, c := range r.CookiesNamed(p.cookie.Name) {
		method, rest, _ := strings.Cut(c.Value, ".")
		if mark, _, _ := strings.Cut(rest, "."); mark == requestHash(request) && (method == MethodScan || method == MethodWebsite) {
			return method
		}
	}
	return ""
}

// wish takes the door of a link, for a request. Links of other sites wish in vain: which way a person signs in is theirs to say. Everything else that a
// link says is done as always.
func (p *preference) store(w http.ResponseWriter, r *http.Request, request, method string) {
	switch r.Header.Get("Sec-Fetch-Site") {
	case "", "none", "same-origin": // "" is a browser from before 2020 (iOS: 2023)
	default:
		return
	}
	c := p.cookie
	switch method {
	case MethodScan, MethodWebsite:
		c.Value, c.MaxAge = method+"."+requestHash(request)+"."+rand.Text(), int(preferredFor/time.Second)
	case methodChoice:
		c.MaxAge = -1
	default:
		return
	}
	http.SetCookie(w, &c)
}

func requestHash(request string) string {
	sum := sha256.Sum256([]byte(request))
	return hex.EncodeToString(sum[:8])
}

// request names what a return address stands for: the app's request, without what was done for it so far, or the address itself.
func (h *Handler) request(returnTo string) string {
	if anew, ofApp := h.cfg.RestartURL(returnTo); ofApp {
		return anew
	}
	return returnTo
}
