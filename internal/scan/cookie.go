package scan

import (
	"cmp"
	"crypto/rand"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"
)

// waiting is what a desktop's cookie holds: one sign-in of one tab. Everything that is secret is derived from Seed.
type waiting struct {
	Seed   []byte `json:"s"`
	Round  int    `json:"n,omitempty"` // how often the code was renewed
	Made   int64  `json:"m,omitempty"` // when this round's ticket was made, in Unix seconds; 0 = not yet
	Began  int64  `json:"b"`           // when the person was last known to be there
	Done   bool   `json:"x,omitempty"` // signed in: the ticket was taken
	Phone  bool   `json:"p,omitempty"` // this browser is itself on a phone: it shows the link to copy
	Demand demand `json:"d"`
	key    string // names the cookie, and the sign-in in our addresses
}

// demand is Demand as it rides in the cookie.
type demand struct {
	ID      string `json:"i,omitempty"`
	Return  string `json:"r"`
	App     string `json:"a,omitempty"`
	Entry   string `json:"e,omitempty"`
	Fresh   bool   `json:"f,omitempty"`
	Consent bool   `json:"c,omitempty"`
	Profile bool   `json:"p,omitempty"`
	Cancel  string `json:"q,omitempty"`
	Lang    string `json:"l,omitempty"`
}

// holding is what a phone's cookie holds: the ticket that it looks at, so that no page stands on an address that names it.
type holding struct {
	Ticket string   `json:"t,omitempty"` // its id
	Demand string   `json:"d,omitempty"` // ID of this phone's own sign-in for it
	Done   *outcome `json:"o,omitempty"` // it was confirmed; the ticket itself is soon forgotten
}

// outcome is what a phone keeps of a sign-in that it confirmed.
type outcome struct {
	Account string `json:"a"`
	Session []byte `json:"s"` // hash of the desktop's session
	App     string `json:"p,omitempty"`
	Browser string `json:"b,omitempty"`
	Place   string `json:"l,omitempty"`
	At      int64  `json:"t"`
}

const (
	desktopAge    = time.Hour
	phoneAge      = 15 * time.Minute
	outcomeAge    = 24 * time.Hour // how long "not me" is one press
	desktopBudget = 3072           // bytes that the cookies of all tabs may weigh together; the oldest go
	keyChars      = 10             // 50 bits tell a browser's few tabs apart
)

// cookies knows names and attributes. They follow package login's: no other host, and no page on plain http, can plant a "__Host-" cookie; under a path
// the prefix is "__Secure-"; on plain http there is neither, and since cookies ignore ports the name holds the port.
type cookies struct {
	stem, path string
	secure     bool
	sealer     sealer
}

func newCookies(own *url.URL, s sealer) cookies {
	c := cookies{path: own.EscapedPath(), secure: own.Scheme == "https", sealer: s}
	switch {
	case c.secure && c.path == "":
		c.stem = "__Host-weigate"
	case c.secure:
		c.stem = "__Secure-weigate"
	default:
		c.stem = "weigate" + own.Port()
	}
	if c.path == "" {
		c.path = "/"
	}
	return c
}

func (c *cookies) phone() string             { return c.stem + "-k" }
func (c *cookies) desktopStem() string       { return c.stem + "-d-" }
func (c *cookies) desktop(key string) string { return c.desktopStem() + key }
func newKey() string                         { return strings.ToLower(rand.Text()[:keyChars]) }

func (c *cookies) send(w http.ResponseWriter, name, value string, age time.Duration) {
	seconds := int(age / time.Second)
	if value == "" {
		seconds = -1
	}
	http.SetCookie(w, &http.Cookie{
		Name: name, Value: value, Path: c.path, MaxAge: seconds, Secure: c.secure, HttpOnly: true, SameSite: http.SameSiteLaxMode,
	})
}

// readDesktop returns the sign-in that key names in this browser, or nil. A planted cookie of the same name does not hide the real one.
func (c *cookies) readDesktop(r *http.Request, key string) *waiting {
	if len(key) != keyChars {
		return nil
	}
	name := c.desktop(key)
	for _, cookie := range r.CookiesNamed(name) {
		s := waiting{key: key}
		if c.sealer.open(name, cookie.Value, &s) == nil && len(s.Seed) == seedSize {
			return &s
		}
	}
	return nil
}

// keepDesktop sends the cookie of s, and drops the oldest others until all of them fit the budget. What does not open goes first.
func (c *cookies) keepDesktop(w http.ResponseWriter, r *http.Request, s *waiting) error {
	name := c.desktop(s.key)
	value, err := c.sealer.seal(name, s)
	if err != nil {
		return err
	}
	type other struct {
		name          string
		weight, began int
	}
	var others []other
	total := len(name) + len(value)
	for _, cookie := range r.Cookies() {
		key, ours := strings.CutPrefix(cookie.Name, c.desktopStem())
		if !ours || key == s.key {
			continue
		}
		o := other{name: cookie.Name, weight: len(cookie.Name) + len(cookie.Value)}
		if old := c.readDesktop(r, key); old != nil {
			o.began = int(old.Began)
		}
		others = append(others, o)
		total += o.weight
	}
	slices.SortStableFunc(others, func(a, b other) int { return cmp.Compare(a.began, b.began) })
	for _, o := range others {
		if total <= desktopBudget && o.began > 0 {
			break
		}
		c.send(w, o.name, "", 0)
		total -= o.weight
	}
	c.send(w, name, value, desktopAge)
	return nil
}

func (c *cookies) dropDesktop(w http.ResponseWriter, s *waiting) { c.send(w, c.desktop(s.key), "", 0) }

// readPhone returns what this phone looks at, or nil.
func (c *cookies) readPhone(r *http.Request) *holding {
	for _, cookie := range r.CookiesNamed(c.phone()) {
		var p holding
		if c.sealer.open(c.phone(), cookie.Value, &p) == nil {
			return &p
		}
	}
	return nil
}

func (c *cookies) keepPhone(w http.ResponseWriter, p holding) error {
	value, err := c.sealer.seal(c.phone(), p)
	if err != nil {
		return err
	}
	age := phoneAge
	if p.Done != nil {
		age = outcomeAge
	}
	c.send(w, c.phone(), value, age)
	return nil
}
