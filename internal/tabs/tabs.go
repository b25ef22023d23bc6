// Package tabs keeps the sign-ins in progress of a browser in sealed (encrypted and authenticated)
// cookies, one for each tab. The packages scan and chat share one limit for the size of these
// cookies.
package tabs

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

	"github.com/weigate/weigate/internal/cookie"
	"github.com/weigate/weigate/internal/seal"
)

// Kind is the kind of a sign-in. Its value is the prefix of the names of the cookies.
type Kind string

// The kinds.
const (
	Scan Kind = "d-" // of package scan; d for desktop
	Chat Kind = "c-" // of package chat; c for chat
)

const (
	age = time.Hour // after which the browser deletes a cookie

	// budget limits the cookies of all tabs together, in bytes. The oldest cookies are removed.
	// Servers and proxies limit the size of all request headers, often to 8 kB.
	budget  = 3072
	idChars = 10 // 50 random bits distinguish the tabs of one browser
)

// Cookies reads and sets the cookies of one kind. Make it with [New]; it is safe for concurrent
// use.
type Cookies struct {
	set    cookie.Set
	sealer *seal.Sealer
	kind   Kind
}

// NewSealer returns the Sealer for [New]. Both kinds must have the same keys, because [Cookies.Set]
// opens the cookies of both.
func NewSealer(keys [][]byte) (*seal.Sealer, error) { return seal.New(keys, "tabs") }

// New returns the cookies of a kind. own is the gateway's URL.
func New(own *url.URL, sealer *seal.Sealer, kind Kind) *Cookies {
	return &Cookies{set: cookie.For(own, "weigate"), sealer: sealer, kind: kind}
}

// NewID returns a random id for a new sign-in: the part of the cookie's name after the kind. URLs
// contain it.
func NewID() string { return strings.ToLower(rand.Text()[:idChars]) }

// Read decodes the cookie of the sign-in with this id into content, and reports whether r has such
// a cookie. Another host may have set a cookie of the same name. Read cannot open that cookie, and
// skips it.
func (c *Cookies) Read(r *http.Request, id string, content any) bool {
	if len(id) != idChars {
		return false
	}
	name := string(c.kind) + id
	for sent := range c.set.Named(r, name) {
		if c.open(name, sent.Value, content) {
			return true
		}
	}
	return false
}

func (c *Cookies) open(name, value string, content any) bool {
	plain, err := c.sealer.Open(c.set.Name(name), value)
	return err == nil && json.Unmarshal(plain, content) == nil
}

// otherCookie is the cookie of another tab.
type otherCookie struct {
	name     string
	size     int
	activeAt int64 // Unix time; 0 = the cookie cannot be opened
}

// Set sets the cookie of a sign-in. The JSON of content must have the field "b": when the user
// started the sign-in or was last active, as Unix time. Set removes all cookies of other tabs that
// cannot be opened. Then it removes the oldest cookies of other tabs, until the rest fits into the
// limit.
func (c *Cookies) Set(w http.ResponseWriter, r *http.Request, id string, content any) error {
	plain, err := json.Marshal(content)
	if err != nil {
		return fmt.Errorf("tabs: %w", err)
	}
	current := string(c.kind) + id
	// The name is authenticated: the value cannot be opened under another name.
	value, err := c.sealer.Seal(c.set.Name(current), plain)
	if err != nil {
		return fmt.Errorf("tabs: %w", err)
	}
	total := len(c.set.Name(current)) + len(value)
	var others []otherCookie
	for _, kind := range []Kind{Scan, Chat} {
		for name, sent := range c.set.WithPrefix(r, string(kind)) {
			if name == current {
				continue
			}
			other := otherCookie{name: name, size: len(sent.Name) + len(sent.Value)}
			var read struct {
				ActiveAt int64 `json:"b"`
			}
			if c.open(name, sent.Value, &read) {
				other.activeAt = read.ActiveAt
			}
			others = append(others, other)
			total += other.size
		}
	}
	// The cookies that cannot be opened come first, then the oldest.
	slices.SortStableFunc(others, func(a, b otherCookie) int { return cmp.Compare(a.activeAt, b.activeAt) })
	for _, other := range others {
		if total <= budget && other.activeAt > 0 {
			break
		}
		http.SetCookie(w, c.set.Clear(other.name))
		total -= other.size
	}
	http.SetCookie(w, c.set.New(current, value, age))
	return nil
}

// Clear removes the cookie of a sign-in.
func (c *Cookies) Clear(w http.ResponseWriter, id string) {
	http.SetCookie(w, c.set.Clear(string(c.kind)+id))
}
