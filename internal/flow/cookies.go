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

// Names of the cookies. cookie.Set adds a prefix to each.
const (
	CookieSession = "s" // begins with the session id; the callers of this package set it

	cookieFlow        = "f-" // followed by the beginning of the state: one pending flow
	cookieProbe       = "p"  // set for a callback without a flow, to see whether the browser accepts cookies
	cookieNotice      = "n"  // the page about WeChat's snapshot page must be shown next
	cookieSignInCount = "t"  // how many sign-ins succeeded within a minute
)

const (
	// flowNameChars is how many characters of the state are in the name of its cookie: 50 bits, enough
	// to distinguish the few flows of one browser.
	flowNameChars = 10

	// How long the browser keeps the cookies of these names.
	probeAge       = time.Minute
	noticeAge      = time.Minute
	signInCountAge = time.Minute

	// maxFlowCookies is the greatest size of all flow cookies of one browser together, in bytes of the
	// Cookie header. Many servers refuse headers over 8 KB, and the program has cookies of its own.
	maxFlowCookies = 3072
)

// flowCookies reads and creates the cookies of an [Engine].
type flowCookies struct {
	cookie.Set
	flows        *seal.Sealer // encrypts the cookies cookieFlow
	signInCounts *seal.Sealer // encrypts the cookie cookieSignInCount
}

// flowName returns the name of the cookie for the flow with this state.
func flowName(state string) string { return cookieFlow + state[:flowNameChars] }

// headerSize returns the bytes that a cookie needs in the Cookie header.
func headerSize(name, value string) int { return len(name) + len(value) + len("=; ") }

// pendingCookie is a flow cookie that the browser sent.
type pendingCookie struct {
	name    string
	size    int       // in the Cookie header; the sum, if the browser sent several with this name
	created time.Time // of the flow; zero when it has expired or cannot be decrypted
}

// add returns the cookie of a new flow, and cookies that remove other flows of the browser: all
// that have expired or cannot be decrypted, then the oldest until the rest fits maxFlowCookies.
func (c *flowCookies) add(r *http.Request, f *Flow, now time.Time) ([]*http.Cookie, error) {
	plain, err := f.marshal()
	if err != nil {
		return nil, err
	}
	name := flowName(f.state)
	value, err := c.flows.Seal(c.Name(name), plain)
	if err != nil {
		return nil, err
	}
	others := c.otherFlows(r, name, now)
	total := headerSize(c.Name(name), value)
	for _, other := range others {
		total += other.size
	}
	changes := []*http.Cookie{c.New(name, value, f.deadline.Sub(now))}
	for _, other := range others { // those with zero created come first
		if total <= maxFlowCookies && !other.created.IsZero() {
			break
		}
		changes = append(changes, c.Clear(other.name))
		total -= other.size
	}
	return changes, nil
}

// otherFlows returns the flow cookies of the browser except the one called name: first those with
// zero created, then the oldest. Each cookie is decrypted once, where it stands in the header.
func (c *flowCookies) otherFlows(r *http.Request, name string, now time.Time) []pendingCookie {
	var others []pendingCookie
	index := map[string]int{} // in others, by name: several cookies may have one name
	for other, sent := range c.WithPrefix(r, cookieFlow) {
		if other == name {
			continue
		}
		i, seen := index[other]
		if !seen {
			i = len(others)
			index[other] = i
			others = append(others, pendingCookie{name: other})
		}
		others[i].size += headerSize(sent.Name, sent.Value)
		if f, err := c.open(sent); err == nil && now.Before(f.deadline) {
			others[i].created = f.created
		}
	}
	slices.SortStableFunc(others, func(a, b pendingCookie) int {
		return cmp.Compare(a.created.Unix(), b.created.Unix())
	})
	return others
}

// open decrypts a flow cookie.
func (c *flowCookies) open(sent *http.Cookie) (*Flow, error) {
	plain, err := c.flows.Open(sent.Name, sent.Value)
	if err != nil {
		return nil, err
	}
	return unmarshalFlow(plain)
}

// find returns the flow that this browser started with state, or nil. It tries every cookie of the
// name, so that a second one, which another host below the same domain set, does not hide the flow.
func (c *flowCookies) find(r *http.Request, state string) *Flow {
	for sent := range c.Named(r, flowName(state)) {
		f, err := c.open(sent)
		if err == nil && subtle.ConstantTimeCompare([]byte(f.state), []byte(state)) == 1 {
			return f
		}
	}
	return nil
}

// newSignInCount returns the cookie that counts the sign-ins that succeeded within a minute. A
// browser that has a high count but no session is in a loop.
func (c *flowCookies) newSignInCount(count int, now time.Time) []*http.Cookie {
	// One byte for the count, eight for the time. signInCount reads them.
	plain := binary.BigEndian.AppendUint64([]byte{byte(count)}, uint64(now.Unix()))
	value, err := c.signInCounts.Seal(c.Name(cookieSignInCount), plain)
	if err != nil {
		return nil // impossible: Seal fails for long values only
	}
	return []*http.Cookie{c.New(cookieSignInCount, value, signInCountAge)}
}

// signInCount returns the count in the browser's cookie, or 0.
func (c *flowCookies) signInCount(r *http.Request, now time.Time) int {
	for sent := range c.Named(r, cookieSignInCount) {
		plain, err := c.signInCounts.Open(sent.Name, sent.Value)
		if err != nil || len(plain) != 9 {
			continue
		}
		written := time.Unix(int64(binary.BigEndian.Uint64(plain[1:])), 0)
		if now.Sub(written) <= signInCountAge {
			return int(plain[0])
		}
	}
	return 0
}
