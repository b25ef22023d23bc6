package login

import (
	"cmp"
	"crypto/subtle"
	"encoding/binary"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/weigate/weigate/internal/seal"
)

// flowBudget is what all flow cookies of one browser may weigh together, in
// bytes of the Cookie header. Many servers refuse headers over 8 KB, and the app
// has cookies of its own.
const flowBudget = 3072

// cookies knows the names and attributes of our cookies.
//
// On https at the root of a host they are "__Host-…": no other host, and no
// plain-http page, can plant them. Under a path the prefix is "__Secure-" and
// the cookies keep to the path. On plain http (loopback, or Config.Insecure)
// there is neither, and since cookies ignore ports the name holds the port.
type cookies struct {
	stem   string
	path   string
	secure bool
	flows  *seal.Sealer
	traces *seal.Sealer
}

const (
	flowNameChars = 10 // of the state: 50 bits tell a browser's few flows apart
	probeAge      = time.Minute
	noticeAge     = time.Minute
	traceAge      = time.Minute
)

func (c *cookies) session() string          { return c.stem + "-s" }
func (c *cookies) probe() string            { return c.stem + "-p" }
func (c *cookies) notice() string           { return c.stem + "-n" }
func (c *cookies) trace() string            { return c.stem + "-t" }
func (c *cookies) flowStem() string         { return c.stem + "-f-" }
func (c *cookies) flow(state string) string { return c.flowStem() + state[:flowNameChars] }
func weight(cookie *http.Cookie) int        { return len(cookie.Name) + len(cookie.Value) + len("=; ") }
func (c *cookies) isFlow(name string) bool  { return strings.HasPrefix(name, c.flowStem()) }

// hostBound says whether browsers keep others from planting our cookies.
func (c *cookies) hostBound() bool { return strings.HasPrefix(c.stem, "__Host-") }

func (c *cookies) has(r *http.Request, name string) bool {
	_, err := r.Cookie(name)
	return err == nil
}

// set sends a cookie that lives for age.
func (c *cookies) set(w http.ResponseWriter, name, value string, age time.Duration) {
	c.send(w, name, value, max(1, int(age/time.Second)))
}

// clear removes a cookie.
func (c *cookies) clear(w http.ResponseWriter, name string) { c.send(w, name, "", -1) }

func (c *cookies) send(w http.ResponseWriter, name, value string, maxAge int) {
	http.SetCookie(w, &http.Cookie{
		Name: name, Value: value, Path: c.path, MaxAge: maxAge,
		Secure: c.secure, HttpOnly: true, SameSite: http.SameSiteLaxMode,
	})
}

// keepFlow sends the cookie of f, and drops the oldest of the others that the
// browser sent until all of them fit the budget. What does not open, or is over,
// goes first.
func (c *cookies) keepFlow(w http.ResponseWriter, r *http.Request, f *flow, now time.Time) error {
	plain, err := f.marshal()
	if err != nil {
		return err
	}
	name := c.flow(f.state)
	value, err := c.flows.Seal(name, plain)
	if err != nil {
		return err
	}
	own := &http.Cookie{Name: name, Value: value}
	type pending struct {
		cookie  *http.Cookie
		created time.Time
	}
	var others []pending
	total := weight(own)
	for _, cookie := range r.Cookies() {
		if !c.isFlow(cookie.Name) || cookie.Name == name {
			continue
		}
		p := pending{cookie: cookie}
		if old, err := c.openFlow(cookie); err == nil && now.Before(old.deadline) {
			p.created = old.created
		}
		others = append(others, p)
		total += weight(cookie)
	}
	slices.SortStableFunc(others, func(a, b pending) int { return cmp.Compare(a.created.Unix(), b.created.Unix()) })
	for _, p := range others {
		if total <= flowBudget && !p.created.IsZero() {
			break
		}
		c.clear(w, p.cookie.Name)
		total -= weight(p.cookie)
	}
	c.set(w, name, own.Value, f.deadline.Sub(now))
	return nil
}

func (c *cookies) openFlow(cookie *http.Cookie) (*flow, error) {
	plain, err := c.flows.Open(cookie.Name, cookie.Value)
	if err != nil {
		return nil, err
	}
	return unmarshalFlow(plain)
}

// findFlow returns the flow that this browser began with state, or nil. A
// planted cookie of the same name does not hide the real one.
func (c *cookies) findFlow(r *http.Request, state string) *flow {
	for _, cookie := range r.CookiesNamed(c.flow(state)) {
		f, err := c.openFlow(cookie)
		if err == nil && subtle.ConstantTimeCompare([]byte(f.state), []byte(state)) == 1 {
			return f
		}
	}
	return nil
}

// clearFlows removes every flow cookie that the browser sent.
func (c *cookies) clearFlows(w http.ResponseWriter, r *http.Request) {
	seen := map[string]bool{}
	for _, cookie := range r.Cookies() {
		if c.isFlow(cookie.Name) && !seen[cookie.Name] {
			seen[cookie.Name] = true
			c.clear(w, cookie.Name)
		}
	}
}

// sessionValue returns the session id that the browser sent, or "". Two
// different values mean that one of them was planted (a "__Host-" cookie cannot
// be, others can): then neither is believed.
func (c *cookies) sessionValue(r *http.Request) string {
	value := ""
	for _, cookie := range r.CookiesNamed(c.session()) {
		if value != "" && cookie.Value != value {
			return ""
		}
		value = cookie.Value
	}
	return value
}

// The trace cookie counts sign-ins that succeeded within a minute. A visitor who
// comes back without a session after each of them is in a loop.

func (c *cookies) leaveTrace(w http.ResponseWriter, count int, now time.Time) {
	plain := binary.BigEndian.AppendUint64([]byte{byte(count)}, uint64(now.Unix()))
	if value, err := c.traces.Seal(c.trace(), plain); err == nil {
		c.set(w, c.trace(), value, traceAge)
	}
}

func (c *cookies) readTrace(r *http.Request, now time.Time) int {
	for _, cookie := range r.CookiesNamed(c.trace()) {
		plain, err := c.traces.Open(cookie.Name, cookie.Value)
		if err != nil || len(plain) != 9 {
			continue
		}
		at := time.Unix(int64(binary.BigEndian.Uint64(plain[1:])), 0)
		if now.Sub(at) <= traceAge {
			return int(plain[0])
		}
	}
	return 0
}
