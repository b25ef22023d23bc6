package flow

import (
	"cmp"
	"crypto/subtle"
	"encoding/binary"
	"net/http"
	"slices"
	"time"

	"github.com/weigate/weigate/internal/cookie"
	"github.com/weigate/weigate/internal/seal"
)

// Names of the cookies, and their lifetimes.
const (
	CookieSession = "s" // the session id; the packages that use this one set it

	cookieFlow   = "f-" // followed by the beginning of the state
	cookieProbe  = "p"  // distinguishes a browser without cookies from one whose callback belongs to another browser
	cookieNotice = "n"  // the page that explains WeChat's snapshot page must be shown next
	cookieTrace  = "t"  // counts recent sign-ins that succeeded

	flowNameChars = 10 // of the state: 50 bits distinguish the few flows of one browser
	probeAge      = time.Minute
	noticeAge     = time.Minute
	traceAge      = time.Minute
)

// flowBudget is the greatest size of all flow cookies of one browser together, in bytes of the
// Cookie header. Many servers refuse headers over 8 KB, and the program has cookies of its own.
const flowBudget = 3072

// cookies reads and writes the cookies of the engine.
type cookies struct {
	cookie.Set
	flows  *seal.Sealer
	traces *seal.Sealer
}

func flowName(state string) string { return cookieFlow + state[:flowNameChars] }

// size returns the bytes of a cookie in the Cookie header.
func size(name, value string) int { return len(name) + len(value) + len("=; ") }

// keep returns the cookie of f, and cookies that remove the oldest flows of the browser until the
// rest fits flowBudget. Flows that have expired or cannot be decrypted are removed first.
func (c *cookies) keep(r *http.Request, f *Flow, now time.Time) ([]*http.Cookie, error) {
	plain, err := f.marshal()
	if err != nil {
		return nil, err
	}
	own := flowName(f.state)
	value, err := c.flows.Seal(c.Name(own), plain)
	if err != nil {
		return nil, err
	}
	type pending struct {
		name    string
		size    int
		created time.Time // zero: not a flow, or expired
	}
	var others []pending
	total := size(c.Name(own), value)
	for _, name := range c.Below(r, cookieFlow) {
		if name == own {
			continue
		}
		p := pending{name: name}
		for _, sent := range r.CookiesNamed(c.Name(name)) {
			p.size += size(sent.Name, sent.Value)
			if old, err := c.open(sent); err == nil && now.Before(old.deadline) {
				p.created = old.created
			}
		}
		others = append(others, p)
		total += p.size
	}
	slices.SortStableFunc(others, func(a, b pending) int { return cmp.Compare(a.created.Unix(), b.created.Unix()) })
	set := []*http.Cookie{c.New(own, value, f.deadline.Sub(now))}
	for _, p := range others {
		if total <= flowBudget && !p.created.IsZero() {
			break
		}
		set = append(set, c.Clear(p.name))
		total -= p.size
	}
	return set, nil
}

func (c *cookies) open(sent *http.Cookie) (*Flow, error) {
	plain, err := c.flows.Open(sent.Name, sent.Value)
	if err != nil {
		return nil, err
	}
	return unmarshalFlow(plain)
}

// find returns the flow that this browser started with state, or nil. A cookie of the same name
// that another host set does not hide the real one.
func (c *cookies) find(r *http.Request, state string) *Flow {
	for _, sent := range r.CookiesNamed(c.Name(flowName(state))) {
		f, err := c.open(sent)
		if err == nil && subtle.ConstantTimeCompare([]byte(f.state), []byte(state)) == 1 {
			return f
		}
	}
	return nil
}

// trace returns the cookie that counts sign-ins that succeeded within a minute. A browser that has
// no session after each of them is in a loop.
func (c *cookies) trace(count int, now time.Time) []*http.Cookie {
	plain := binary.BigEndian.AppendUint64([]byte{byte(count)}, uint64(now.Unix()))
	value, err := c.traces.Seal(c.Name(cookieTrace), plain)
	if err != nil {
		return nil // nine bytes always fit
	}
	return []*http.Cookie{c.New(cookieTrace, value, traceAge)}
}

func (c *cookies) readTrace(r *http.Request, now time.Time) int {
	for _, sent := range r.CookiesNamed(c.Name(cookieTrace)) {
		plain, err := c.traces.Open(sent.Name, sent.Value)
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
