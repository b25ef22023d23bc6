package forwardauth

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"strings"
	"sync"
	"time"

	"github.com/weigate/weigate/internal/access"
	"github.com/weigate/weigate/internal/admission"
	"github.com/weigate/weigate/internal/gateway"
	"github.com/weigate/weigate/internal/keys"
	"github.com/weigate/weigate/internal/web"
)

// This file decides a request of a proxy to /verify. The decision is read from the store for a host
// session: the session on the host of a site, whose cookie the browser sent. A site is one host of an
// app that forward auth protects. The decision is cached with the header values that the proxy passes
// to the site, among them a signed assertion of the user's identity.

// decision is the response of /verify for a host session. It is immutable once it is cached: all
// responses share its header values.
type decision struct {
	denied   web.Kind      // the page with the reason; "" = allowed
	user     *gateway.User // nil = no user is known
	reason   string        // of a denial, for the log; "" = denied
	compared []slog.Attr   // for the log

	// the values of the headers for the site
	subject, name, openid, unionid, groups []string
	assertion                              []string

	claims   string    // of the assertion, without its times: the assertion is reused while they are equal
	resignAt time.Time // when the assertion is signed again
}

// readDecision reads the decision for a host session from the store. grantID and hash come from a
// cookie that has been verified. previous is an earlier decision, whose assertion may be reused, or
// nil. An error is an error of the store.
func (h *Handler) readDecision(ctx context.Context, s *site, grantID string, hash [32]byte, previous *decision,
	now time.Time) (*decision, error) {
	// Other requests may wait for the decision, so it is made even if this request is cancelled.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), storeTimeout)
	defer cancel()
	_, grant, err := h.cfg.Grants.Token(ctx, hash, now)
	if err == nil && (grant.ID != grantID || grant.App != s.app.ID) {
		err = gateway.ErrNotFound // the host belongs to another app now
	}
	if err != nil {
		return h.endedDecision(ctx, grantID, err)
	}
	_, user, err := h.cfg.Sessions.Find(ctx, grant.Session, now)
	if err != nil {
		return h.endedDecision(ctx, grantID, err)
	}
	d := &decision{user: &user}
	// Access and sign-in method are checked again, since the configuration may have changed. The
	// handoff that created the host session has checked everything else.
	if d.denied, err = admission.CheckGrant(ctx, h.cfg.Access, s.app.App, grant, user); err != nil {
		return nil, err
	}
	if d.denied != "" {
		d.compared = grantAttrs(s, grant)
		return d, nil
	}
	identities, err := h.cfg.Users.Identities(ctx, user.ID)
	if err != nil {
		return nil, err
	}
	return d, h.setHeaders(d, s, grant, user, access.UnionID(identities, grant.AppID), previous, now)
}

// grantAttrs are the values by which CheckGrant decided, for the log.
func grantAttrs(s *site, grant gateway.Grant) []slog.Attr {
	return []slog.Attr{slog.String("user", grant.UserID), slog.String("method", grant.Method),
		slog.Any("methods", s.app.Methods), slog.String("access", string(s.app.Access.Rule))}
}

// endedDecision returns the decision for a host session that was not found: sign in again. A blocked
// user could not, and gets the page for blocked users instead. err is the error of the search; any
// other error than gateway.ErrNotFound is returned.
func (h *Handler) endedDecision(ctx context.Context, grantID string, err error) (*decision, error) {
	if !errors.Is(err, gateway.ErrNotFound) {
		return nil, err
	}
	grant, err := h.cfg.Grants.Grant(ctx, grantID)
	if err == nil {
		var user gateway.User
		user, err = h.cfg.Users.User(ctx, grant.UserID)
		if err == nil && user.Status == gateway.Blocked {
			return &decision{denied: web.Blocked, user: &user, compared: []slog.Attr{slog.String("user", user.ID)}}, nil
		}
	}
	if err != nil && !errors.Is(err, gateway.ErrNotFound) {
		return nil, err
	}
	return &decision{denied: web.NotSignedIn, reason: "session_ended"}, nil
}

// setHeaders sets the header values of a decision that allows the request.
func (h *Handler) setHeaders(d *decision, s *site, grant gateway.Grant, user gateway.User, unionID string,
	previous *decision, now time.Time) error {
	d.subject = headerValue(encode(grant.Subject))
	d.name = headerValue(encode(user.Nickname))
	d.openid = headerValue(encode(grant.OpenID))
	d.unionid = headerValue(encode(unionID))
	groups := make([]string, len(user.Groups))
	for i, group := range user.Groups {
		groups[i] = encode(group) // a comma in a name is encoded, so a comma separates two names
	}
	d.groups = headerValue(strings.Join(groups, ","))
	return h.setAssertion(d, s, claims{
		Subject: grant.Subject, Name: user.Nickname, Groups: append([]string{}, user.Groups...),
		WeChat: identity{AppID: grant.AppID, OpenID: grant.OpenID, UnionID: unionID},
	}, previous, now)
}

// headerValue returns a header with one value, as http.Header stores it.
func headerValue(s string) []string { return []string{s} }

// encode percent-encodes all bytes but letters, digits and "-._~" (RFC 3986, section 2.3), since a
// nickname may contain any character, but a header only ASCII.
func encode(s string) string {
	var out strings.Builder
	for _, c := range []byte(s) {
		switch {
		case c >= 'a' && c <= 'z', c >= 'A' && c <= 'Z', c >= '0' && c <= '9',
			c == '-', c == '.', c == '_', c == '~':
			out.WriteByte(c)
		default:
			escape(&out, c)
		}
	}
	return out.String()
}

// The times of an assertion, relative to its signing.
const (
	assertionLifetime = 55 * time.Second // until it expires
	assertionSkew     = 5 * time.Second  // iat and nbf are earlier by this, for sites whose clock is slow
	assertionReuse    = 35 * time.Second // until it is signed again; then it is still valid for a while
)

// claims are the claims of an assertion, a JWT.
type claims struct {
	Issuer    string   `json:"iss"`
	Audience  string   `json:"aud"`
	Subject   string   `json:"sub"`
	Name      string   `json:"name,omitempty"`
	Groups    []string `json:"groups"`
	WeChat    identity `json:"wechat"`
	IssuedAt  int64    `json:"iat,omitempty"`
	NotBefore int64    `json:"nbf,omitempty"`
	ExpiresAt int64    `json:"exp,omitempty"`
}

type identity struct {
	AppID   string `json:"appid"`
	OpenID  string `json:"openid"`
	UnionID string `json:"unionid,omitempty"`
}

// setAssertion sets the assertion of a decision: a JWT with the identity of the user, which a site
// can verify with the gateway's JWKS. If the previous assertion is fresh and its claims are the same,
// it is reused, because signing takes much longer than the rest. The algorithm is ES256, since an
// RS256 signature takes forty times as long.
func (h *Handler) setAssertion(d *decision, s *site, c claims, previous *decision, now time.Time) error {
	c.Issuer, c.Audience = h.cfg.URL, s.app.ID
	withoutTimes, err := json.Marshal(c)
	if err != nil {
		return err
	}
	d.claims = string(withoutTimes)
	if previous != nil && previous.claims == d.claims && now.Before(previous.resignAt) {
		d.assertion, d.resignAt = previous.assertion, previous.resignAt
		return nil
	}
	c.IssuedAt = now.Add(-assertionSkew).Unix()
	c.NotBefore = c.IssuedAt
	c.ExpiresAt = now.Add(assertionLifetime).Unix()
	payload, err := json.Marshal(c)
	if err != nil {
		return err
	}
	signed, err := h.cfg.Keys.Sign(keys.ES256, keys.TypeAssertion, payload)
	d.assertion, d.resignAt = headerValue(signed), now.Add(assertionReuse)
	return err
}

// maxEntries limits the cache; an entry has about two kilobytes. Only decisions for cookies that
// the gateway issued are cached, so that an anonymous client cannot fill it.
const maxEntries = 16_384

// cacheKey identifies a host session.
type cacheKey struct {
	site *site
	hash [32]byte // SHA-256 of the cookie
}

type entry struct {
	decision *decision
	until    time.Time
}

// cache stores decisions. Of concurrent requests with the same cookie, only one reads the store.
type cache struct {
	mu      sync.Mutex
	entries map[cacheKey]entry
	reads   map[cacheKey]*read // in progress
}

// read is a read of the store that is in progress, and its result once done is closed.
type read struct {
	done     chan struct{}
	decision *decision
	err      error
	removed  bool // the session was ended during the read, so the decision must not be cached
}

// readFunc reads a decision from the store, and returns until when it is cached.
type readFunc func() (d *decision, until time.Time, err error)

func newCache() *cache { return &cache{entries: map[cacheKey]entry{}, reads: map[cacheKey]*read{}} }

// get returns a cached decision, or nil; valid reports whether it has not expired. An expired
// decision is returned too, since its assertion may be reused.
func (c *cache) get(k cacheKey, now time.Time) (d *decision, valid bool) {
	c.mu.Lock()
	e, found := c.entries[k]
	c.mu.Unlock()
	if !found {
		return nil, false
	}
	return e.decision, now.Before(e.until)
}

// load returns the decision that readStore returns, and caches it. When a read for the same key is in
// progress, load waits for its result instead, but not longer than until ctx ends. An error is not
// cached.
func (c *cache) load(ctx context.Context, k cacheKey, now time.Time, readStore readFunc) (*decision, error) {
	c.mu.Lock()
	current, found := c.reads[k]
	if !found {
		current = &read{done: make(chan struct{}), err: errNoResult}
		c.reads[k] = current
	}
	c.mu.Unlock()
	if !found {
		return c.run(current, k, now, readStore)
	}
	select {
	case <-current.done:
		return current.decision, current.err
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// errNoResult is the error of the requests that wait for a read whose goroutine panics.
var errNoResult = errors.New("reading a session ended without a result")

// run calls readStore, and passes its result to the requests that wait. It does the latter even when
// readStore panics, so that they do not wait forever.
func (c *cache) run(current *read, k cacheKey, now time.Time, readStore readFunc) (*decision, error) {
	var until time.Time
	defer func() {
		c.mu.Lock()
		defer c.mu.Unlock()
		close(current.done)
		if current.removed {
			return // remove has deleted c.reads[k], which may be a later read by now
		}
		delete(c.reads, k)
		if current.err == nil {
			c.store(k, entry{decision: current.decision, until: until}, now)
		}
	}()
	d, validUntil, err := readStore()
	current.decision, current.err = d, err
	until = validUntil
	return d, err
}

// put caches a decision that was read without load.
func (c *cache) put(k cacheKey, e entry, now time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.store(k, e, now)
}

// store stores an entry; the caller has locked mu. When the cache is full, it inspects 16 random
// entries. It removes those that have expired, and the 16th in any case, so that there is space.
func (c *cache) store(k cacheKey, e entry, now time.Time) {
	if _, found := c.entries[k]; !found && len(c.entries) >= maxEntries {
		inspected := 0
		for oldKey, old := range c.entries { // Go iterates over a map in random order
			inspected++
			if inspected == 16 || !now.Before(old.until) {
				delete(c.entries, oldKey)
			}
			if inspected == 16 {
				break
			}
		}
	}
	c.entries[k] = e
}

// remove removes the entry of a session that this process has ended, and keeps a read in progress
// from caching it again.
func (c *cache) remove(k cacheKey) {
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.entries, k)
	if current := c.reads[k]; current != nil {
		current.removed = true
		delete(c.reads, k)
	}
}
