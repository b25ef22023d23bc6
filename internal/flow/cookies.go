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

	cookieFlow        = "f-" // followed by the beginning of the state: one flow (authorization in progress)
	cookieProbe       = "p"  // set for a callback without a flow, to test whether the browser accepts cookies
	cookieNotice      = "n"  // the next page explains WeChat's snapshot page (快照页), see Engine.Prepare
	cookieSignInCount = "t"  // how many sign-ins succeeded within a minute
)

const (
	// flowNameChars is how many characters of the state are in the name of its cookie: 50 bits, enough
	// to distinguish the few flows of one browser.
	flowNameChars = 10

	// How long the browser keeps cookieProbe, cookieNotice and cookieSignInCount.
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
	size    int       // bytes in the Cookie header, of all cookies with this name together
	created time.Time // when the flow was created; zero if the flow has expired or cannot be decrypted
}

// add returns the cookie of a new flow, and cookies that remove other flows of the browser. It
// removes all flows that have expired or cannot be decrypted. If all flow cookies together still
// exceed maxFlowCookies, add removes the oldest flows too.
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
	for _, other := range others { // flows with a zero created come first
		if total <= maxFlowCookies && !other.created.IsZero() {
			break
		}
		changes = append(changes, c.Clear(other.name))
		total -= other.size
	}
	return changes, nil
}

// otherFlows returns the flow cookies of the browser, without the cookie called name. The flows
// with a zero created come first, then the others, the oldest first. Cookies with the same name are
// one pendingCookie.
func (c *flowCookies) otherFlows(r *http.Request, name string, now time.Time) []pendingCookie {
	var others []pendingCookie
	index := map[string]int{} // in others, by name: several cookies can have one name
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

// find returns the flow that this browser started with state, or nil. Another host below the same
// domain may have set a second cookie with the name of the flow cookie. find therefore tries every
// cookie with this name.
func (c *flowCookies) find(r *http.Request, state string) *Flow {
	for sent := range c.Named(r, flowName(state)) {
		f, err := c.open(sent)
		if err == nil && subtle.ConstantTimeCompare([]byte(f.state), []byte(state)) == 1 {
			return f
		}
	}
	return nil
}

// newSignInCount returns the cookie with the number of sign-ins that succeeded within a minute. A
// browser with a high count and without a session is in a loop.
func (c *flowCookies) newSignInCount(count int, now time.Time) []*http.Cookie {
	// One byte for the count, eight for the time. signInCount reads them.
	plain := binary.BigEndian.AppendUint64([]byte{byte(count)}, uint64(now.Unix()))
	value, err := c.signInCounts.Seal(c.Name(cookieSignInCount), plain)
	if err != nil {
		return nil // impossible: Seal fails for long values only
	}
	return []*http.Cookie{c.New(cookieSignInCount, value, signInCountAge)}
}

// signInCount returns the count in the browser's cookie. It returns 0 for a missing or old cookie.
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
