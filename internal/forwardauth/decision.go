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

// This file makes the decisions of /verify and caches them.
//
//   - A site is one host of an app that forward auth protects.
//   - A host session is the session of a user on a site. A cookie of the browser identifies it.
//   - A decision allows or denies the requests of one host session.
//   - An assertion is a signed JWT with the user's identity, for the site.

// decision is the response of /verify for a host session. If it allows the requests, it contains
// the header values that the proxy passes to the site. It is immutable once it is cached: all
// responses share its header values.
type decision struct {
	denied web.Kind      // the page with the reason; "" = allowed
	user   *gateway.User // nil = no user is known
	method string        // sign-in method of the user's session; "" = no user is known

	// for the log line of a denied request
	logReason string      // the reason; "" = the value of denied
	logAttrs  []slog.Attr // the values that led to the denial

	// the values of the headers for the site
	subject, name, openid, unionid, groups []string
	assertion                              []string

	claims     string    // claims of the assertion as JSON, without its times; setAssertion compares them
	reuseUntil time.Time // a later decision may reuse the assertion before this time; after it, it needs a new one
}

// readDecision reads the decision for a host session from the store. A host session is stored as a
// grant with an access token. grantID is the id of the grant, and hash identifies the token. Both
// come from a verified cookie. previous is an earlier decision, or nil; its assertion may be
// reused. An error means that the store, the access policy or signing has failed.
func (h *Handler) readDecision(ctx context.Context, s *site, grantID string, hash [32]byte, previous *decision,
	now time.Time) (*decision, error) {
	// Other requests may wait for the decision, so it is made even if this request is cancelled.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), storeTimeout)
	defer cancel()
	_, grant, err := h.cfg.Grants.Token(ctx, hash, now)
	if err == nil && (grant.ID != grantID || grant.App != s.app.ID) {
		err = gateway.ErrNotFound // for example, the host belongs to another app now
	}
	if err != nil {
		return h.endedDecision(ctx, grantID, err)
	}
	_, user, err := h.cfg.Sessions.Find(ctx, grant.Session, now)
	if err != nil {
		return h.endedDecision(ctx, grantID, err)
	}
	if h.cfg.Sessions.MustAgree(grant.Method, user) {
		// The gateway asks the user, and then makes a new host session.
		return &decision{denied: web.NotSignedIn, logReason: "agreement_required"}, nil
	}
	d := &decision{user: &user, method: grant.Method}
	// Access and sign-in method are checked again, since the configuration may have changed. All
	// other checks were made before the host session was created; see serveHandoff.
	if d.denied, err = admission.CheckGrant(ctx, h.cfg.Access, s.app.App, grant, user); err != nil {
		return nil, err
	}
	if d.denied != "" {
		d.logAttrs = grantAttrs(s, grant)
		return d, nil
	}
	identities, err := h.cfg.Users.Identities(ctx, user.ID)
	if err != nil {
		return nil, err
	}
	// grant.AppID is WeChat's appid of the connector. grant.App is the id of the app in the gateway.
	return d, h.setHeaders(d, s, grant, user, access.UnionID(identities, grant.AppID), previous, now)
}

// grantAttrs returns the values by which CheckGrant decided, for the log.
func grantAttrs(s *site, grant gateway.Grant) []slog.Attr {
	return []slog.Attr{slog.String("user", grant.UserID), slog.String("method", grant.Method),
		slog.Any("methods", s.app.Methods), slog.String("access", string(s.app.Access.Rule))}
}

// endedDecision returns the decision for a host session that was not found: the user has to sign in
// again. A blocked user cannot sign in, and gets the page for blocked users instead. err is the
// error of the search for the session. If err is not gateway.ErrNotFound, endedDecision returns
// err.
func (h *Handler) endedDecision(ctx context.Context, grantID string, err error) (*decision, error) {
	if !errors.Is(err, gateway.ErrNotFound) {
		return nil, err
	}
	grant, err := h.cfg.Grants.Grant(ctx, grantID)
	if err == nil {
		var user gateway.User
		user, err = h.cfg.Users.User(ctx, grant.UserID)
		if err == nil && user.Status == gateway.Blocked {
			return &decision{denied: web.Blocked, user: &user, logAttrs: []slog.Attr{slog.String("user", user.ID)}}, nil
		}
	}
	if err != nil && !errors.Is(err, gateway.ErrNotFound) {
		return nil, err
	}
	return &decision{denied: web.NotSignedIn, logReason: "session_ended"}, nil
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
		Subject: grant.Subject, Name: user.Nickname, Groups: append([]string{}, user.Groups...), // never null
		WeChat: identity{AppID: grant.AppID, OpenID: grant.OpenID, UnionID: unionID},
	}, previous, now)
}

// headerValue returns a header with one value, as http.Header stores it.
func headerValue(s string) []string { return []string{s} }

// encode percent-encodes all bytes except letters, digits and "-._~" (RFC 3986, section 2.3). A
// nickname may contain any character, but a header may contain only ASCII.
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
	assertionLifetime = 55 * time.Second // from the signing to the time in exp
	assertionSkew     = 5 * time.Second  // from iat and nbf to the signing: the clock of a site may be slow
	assertionReuse    = 35 * time.Second // how long responses contain it; the site can verify it until exp
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

// setAssertion sets the assertion of a decision: a JWT with the user's identity. A site can verify
// it with the gateway's JWKS. Signing takes much longer than all other work for a request.
// Therefore the assertion of the previous decision is reused until its reuseUntil, if its claims
// are the same. The algorithm is ES256: an RS256 signature takes forty times as long.
func (h *Handler) setAssertion(d *decision, s *site, c claims, previous *decision, now time.Time) error {
	c.Issuer, c.Audience = h.cfg.URL, s.app.ID
	withoutTimes, err := json.Marshal(c)
	if err != nil {
		return err
	}
	d.claims = string(withoutTimes)
	if previous != nil && previous.claims == d.claims && now.Before(previous.reuseUntil) {
		d.assertion, d.reuseUntil = previous.assertion, previous.reuseUntil
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
	d.assertion, d.reuseUntil = headerValue(signed), now.Add(assertionReuse)
	return err
}

// maxEntries limits the cache. An entry takes about two kilobytes of memory. Only decisions for
// cookies that the gateway issued are cached: a client with invented cookies cannot fill the cache.
const maxEntries = 16_384

// cacheKey identifies a host session.
type cacheKey struct {
	origin string   // of the site
	hash   [32]byte // SHA-256 of the whole cookie
}

type entry struct {
	decision *decision
	until    time.Time // when the decision expires
}

// cache stores decisions. When several requests with one cookie arrive at the same time, only the
// first request reads the store.
type cache struct {
	mu      sync.Mutex
	entries map[cacheKey]entry
	reads   map[cacheKey]*read // in progress
}

// read is a read of the store in progress. When done is closed, decision and err are its result.
type read struct {
	done     chan struct{}
	decision *decision
	err      error
	removed  bool // the session was ended during the read, so the decision must not be cached
}

// readFunc reads a decision from the store. The decision may be cached until the returned time.
type readFunc func() (d *decision, until time.Time, err error)

func newCache() *cache { return &cache{entries: map[cacheKey]entry{}, reads: map[cacheKey]*read{}} }

// get returns the cached decision, or nil if there is none. valid is false for an expired decision.
// An expired decision is returned because its assertion may still be reused.
func (c *cache) get(k cacheKey, now time.Time) (d *decision, valid bool) {
	c.mu.Lock()
	e, found := c.entries[k]
	c.mu.Unlock()
	if !found {
		return nil, false
	}
	return e.decision, now.Before(e.until)
}

// load calls readStore, caches the decision and returns it. If a read for the key k is in progress
// already, load waits for its result instead, at most until ctx ends. Errors are not cached.
func (c *cache) load(ctx context.Context, k cacheKey, now time.Time, readStore readFunc) (*decision, error) {
	c.mu.Lock()
	if e, isStored := c.entries[k]; isStored && now.Before(e.until) {
		c.mu.Unlock()
		return e.decision, nil // another request has read the decision since this request called get
	}
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

// errNoResult is the error for the requests that wait for a read of the store, if the read panics.
var errNoResult = errors.New("reading a session ended without a result")

// run calls readStore, and passes the result to the waiting requests. If readStore panics, the
// waiting requests get errNoResult: otherwise they would wait forever.
func (c *cache) run(current *read, k cacheKey, now time.Time, readStore readFunc) (*decision, error) {
	var until time.Time
	defer func() {
		c.mu.Lock()
		defer c.mu.Unlock()
		close(current.done)
		if current.removed {
			return // cache.remove has deleted this read from c.reads; c.reads[k] may be a later read
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

// store stores an entry. The caller has locked mu. When the cache is full, store inspects 16 random
// entries. It removes the expired entries among them. It always removes the 16th, to make space.
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

// remove removes the decision for a session that this process has just ended. A read in progress
// for this session does not cache its decision.
func (c *cache) remove(k cacheKey) {
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.entries, k)
	if current := c.reads[k]; current != nil {
		current.removed = true
		delete(c.reads, k)
	}
}
