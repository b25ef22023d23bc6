package scan

import (
	"cmp"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/weigate/weigate/internal/route"
	"github.com/weigate/weigate/internal/seal"
)

// desktopFlow is the content of a desktop's cookie: one sign-in of one tab. All its secrets are
// derived from Seed.
type desktopFlow struct {
	Seed         []byte         `json:"s"`
	Round        int            `json:"n,omitempty"` // how often the code was renewed
	Made         int64          `json:"m,omitempty"` // when this round's ticket was made, in Unix seconds; 0 = not yet
	Began        int64          `json:"b"`           // when the user was last active
	Done         bool           `json:"x,omitempty"` // signed in: the ticket was redeemed
	Phone        bool           `json:"p,omitempty"` // this browser is itself on a phone: it shows the link to copy
	LoginRequest pendingRequest `json:"d"`
	key          string         // identifies the cookie, and the sign-in in addresses
}

// pendingRequest is a session.LoginRequest in the cookie.
type pendingRequest struct {
	ID        string `json:"i,omitempty"`
	Return    string `json:"r"`
	Restart   string `json:"s,omitempty"` // session.CompactRestart
	App       string `json:"a,omitempty"`
	Connector string `json:"e,omitempty"`
	Fresh     bool   `json:"f,omitempty"`
	Consent   bool   `json:"c,omitempty"`
	Profile   bool   `json:"p,omitempty"`
	Cancel    string `json:"q,omitempty"`
	Lang      string `json:"l,omitempty"`
}

// phoneTicket is the content of a phone's cookie: the ticket that it shows, so that the address of
// no page contains it.
type phoneTicket struct {
	Ticket         string   `json:"t,omitempty"` // the ticket's id
	LoginRequestID string   `json:"d,omitempty"` // ID of this phone's own sign-in for it
	Done           *outcome `json:"o,omitempty"` // set once approved: the row of the ticket is deleted soon
}

// outcome is what a phone stores about a sign-in that it approved.
type outcome struct {
	User    string `json:"a"`
	Session []byte `json:"s"` // hash of the desktop's session
	App     string `json:"p,omitempty"`
	Browser string `json:"b,omitempty"`
	Place   string `json:"l,omitempty"`
	At      int64  `json:"t"`
}

const (
	desktopAge    = time.Hour
	phoneAge      = 15 * time.Minute
	outcomeAge    = 24 * time.Hour // how long "not me" works
	desktopBudget = 3072           // bytes that the cookies of all tabs may have together; the oldest are removed
	keyChars      = 10             // 50 bits distinguish the few tabs of a browser
)

// cookies reads and writes the cookies of the package.
type cookies struct {
	desktops http.Cookie // its name is the beginning of the name of each
	phone    http.Cookie
	sealer   *seal.Sealer
}

func newCookies(own *url.URL, s *seal.Sealer) cookies {
	return cookies{desktops: route.Cookie(own, "d-"), phone: route.Cookie(own, "k"), sealer: s}
}

// seal returns v as the value of the cookie called name.
func (c *cookies) seal(name string, v any) (string, error) {
	plain, err := json.Marshal(v)
	if err != nil {
		return "", fmt.Errorf("scan: seal a cookie: %w", err)
	}
	return c.sealer.Seal(name, plain)
}

// open reads what seal wrote.
func (c *cookies) open(name, value string, into any) error {
	plain, err := c.sealer.Open(name, value)
	if err != nil {
		return err
	}
	return json.Unmarshal(plain, into)
}

func (c *cookies) desktop(key string) string { return c.desktops.Name + key }

func newKey() string { return strings.ToLower(rand.Text()[:keyChars]) }

// send sets a cookie with the attributes of like, under its own name; without a value it removes
// the cookie.
func send(w http.ResponseWriter, like http.Cookie, name, value string, age time.Duration) {
	like.Name, like.Value, like.MaxAge = name, value, int(age/time.Second)
	if value == "" {
		like.MaxAge = -1
	}
	http.SetCookie(w, &like)
}

// readDesktop returns the sign-in that key names in this browser, or nil. A cookie of the same name
// that another host set does not hide the real one.
func (c *cookies) readDesktop(r *http.Request, key string) *desktopFlow {
	if len(key) != keyChars {
		return nil
	}
	name := c.desktop(key)
	for _, cookie := range r.CookiesNamed(name) {
		s := desktopFlow{key: key}
		if c.open(name, cookie.Value, &s) == nil && len(s.Seed) == seedSize {
			return &s
		}
	}
	return nil
}

// keepDesktop sets the cookie of s, and removes the oldest others until all of them fit the budget.
// Cookies that cannot be opened are removed first.
func (c *cookies) keepDesktop(w http.ResponseWriter, r *http.Request, s *desktopFlow) error {
	name := c.desktop(s.key)
	value, err := c.seal(name, s)
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
		key, ours := strings.CutPrefix(cookie.Name, c.desktops.Name)
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
		send(w, c.desktops, o.name, "", 0)
		total -= o.weight
	}
	send(w, c.desktops, name, value, desktopAge)
	return nil
}

func (c *cookies) dropDesktop(w http.ResponseWriter, s *desktopFlow) {
	send(w, c.desktops, c.desktop(s.key), "", 0)
}

// readPhone returns the content of this phone's cookie, or nil.
func (c *cookies) readPhone(r *http.Request) *phoneTicket {
	for _, cookie := range r.CookiesNamed(c.phone.Name) {
		var p phoneTicket
		if c.open(c.phone.Name, cookie.Value, &p) == nil {
			return &p
		}
	}
	return nil
}

func (c *cookies) keepPhone(w http.ResponseWriter, p phoneTicket) error {
	value, err := c.seal(c.phone.Name, p)
	if err != nil {
		return err
	}
	age := phoneAge
	if p.Done != nil {
		age = outcomeAge
	}
	send(w, c.phone, c.phone.Name, value, age)
	return nil
}

func (c *cookies) dropPhone(w http.ResponseWriter) { send(w, c.phone, c.phone.Name, "", 0) }
