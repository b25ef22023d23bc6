package forwardauth

import (
	"context"
	"encoding/json"
	"errors"
	"strings"
	"sync"
	"time"

	"github.com/weigate/weigate/internal/access"
	"github.com/weigate/weigate/internal/admission"
	"github.com/weigate/weigate/internal/gateway"
	"github.com/weigate/weigate/internal/keys"
	"github.com/weigate/weigate/internal/web"
)

// decision is the result of /verify for a host session. It is immutable once it is cached: all
// responses share its header values.
type decision struct {
	denied web.Kind      // the page with the reason; "" = allowed
	user   *gateway.User // nil = no user is known
	grant  string

	subject, name, openid, unionid, groups []string // as headers
	assertion                              []string
	claims                                 string    // of the assertion, without its times
	renew                                  time.Time // when the assertion is signed again
}

// revalidate makes a decision from the store for a host session whose cookie has been verified.
// before is an earlier decision, or nil. An error is an error of the store.
func (h *Handler) revalidate(ctx context.Context, s *site, grant string, hash [32]byte, before *decision,
	now time.Time) (*decision, error) {
	// Other requests may wait for the decision, so it is made even if this request is cancelled.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), storeTimeout)
	defer cancel()
	_, f, err := h.cfg.Grants.Token(ctx, hash, now)
	if err == nil && (f.ID != grant || f.App != s.app.ID) {
		err = gateway.ErrNotFound // the host belongs to another app now
	}
	if err != nil {
		return h.ended(ctx, grant, err)
	}
	session, user, err := h.cfg.Sessions.Find(ctx, f.Session, now)
	if err != nil {
		return h.ended(ctx, grant, err)
	}
	v := &decision{user: &user, grant: f.ID}
	// The handoff has checked all other requirements.
	next, err := admission.Check(admission.Facts{
		SignedIn: true, Answered: true, MethodAllowed: admission.MethodAllowed(s.app.App, session.Method),
		Subject: admission.SubjectKnown,
	}, admission.Lookups{
		Access: func() (access.Decision, error) { return h.cfg.Access.Decide(ctx, user, s.app.App) },
	})
	if err != nil {
		return nil, err
	}
	if v.denied = next.Page; v.denied != "" {
		return v, nil
	}
	identities, err := h.cfg.Users.Identities(ctx, user.ID)
	if err != nil {
		return nil, err
	}
	return v, h.writeDecision(v, s, f, user, access.UnionID(identities, f.AppID), before, now)
}

// ended returns the decision for a session that has ended. A blocked user sees the page for blocked
// users, instead of being redirected to sign in.
func (h *Handler) ended(ctx context.Context, grant string, err error) (*decision, error) {
	signedOut := &decision{denied: web.NotSignedIn}
	if !errors.Is(err, gateway.ErrNotFound) {
		return nil, err
	}
	f, err := h.cfg.Grants.Grant(ctx, grant)
	if err == nil {
		var a gateway.User
		if a, err = h.cfg.Users.User(ctx, f.UserID); err == nil && a.Status == gateway.Blocked {
			return &decision{denied: web.Blocked, user: &a}, nil
		}
	}
	if err != nil && !errors.Is(err, gateway.ErrNotFound) {
		return nil, err
	}
	return signedOut, nil
}

// writeDecision sets the headers for the site.
func (h *Handler) writeDecision(v *decision, s *site, f gateway.Grant, a gateway.User, union string, before *decision,
	now time.Time) error {
	v.subject, v.name = value(encode(f.Subject)), value(encode(a.Nickname))
	v.openid, v.unionid = value(encode(f.OpenID)), value(encode(union))
	groups := make([]string, len(a.Groups))
	for i, g := range a.Groups {
		groups[i] = encode(g) // commas in names are encoded, so commas separate
	}
	v.groups = value(strings.Join(groups, ","))
	return h.signAssertion(v, s, claims{Subject: f.Subject, Name: a.Nickname, Groups: append([]string{}, a.Groups...),
		WeChat: identity{AppID: f.AppID, OpenID: f.OpenID, UnionID: union}}, before, now)
}

func value(s string) []string { return []string{s} }

// encode percent-encodes everything but letters, digits and "-._~" (RFC 3986, section 2.3):
// nicknames contain any character, headers ASCII.
func encode(s string) string {
	plain := func(c byte) bool {
		return c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || c == '-' || c == '.' ||
			c == '_' || c == '~'
	}
	var out strings.Builder
	for _, c := range []byte(s) {
		if plain(c) {
			out.WriteByte(c)
			continue
		}
		escape(&out, c)
	}
	return out.String()
}

const (
	assertionLife  = 55 * time.Second // after signing
	assertionEarly = 5 * time.Second  // for sites whose clock is behind
	assertionFresh = 35 * time.Second // how long an assertion is reused
)

// claims are the claims of an assertion.
type claims struct {
	Issuer   string   `json:"iss"`
	Audience string   `json:"aud"`
	Subject  string   `json:"sub"`
	Name     string   `json:"name,omitempty"`
	Groups   []string `json:"groups"`
	WeChat   identity `json:"wechat"`
	Issued   int64    `json:"iat,omitempty"`
	NotYet   int64    `json:"nbf,omitempty"`
	Expires  int64    `json:"exp,omitempty"`
}

type identity struct {
	AppID   string `json:"appid"`
	OpenID  string `json:"openid"`
	UnionID string `json:"unionid,omitempty"`
}

// signAssertion signs a JWT with the identity of the user, which sites verify with the keys of the
// gateway's JWKS. One signature serves all requests of the next half minute while its claims stay
// the same. The algorithm is ES256, since an RS256 signature takes forty times as long.
func (h *Handler) signAssertion(v *decision, s *site, c claims, before *decision, now time.Time) error {
	c.Issuer, c.Audience = h.cfg.URL, s.app.ID
	text, err := json.Marshal(c)
	if err != nil {
		return err
	}
	v.claims = string(text)
	if before != nil && before.claims == v.claims && now.Before(before.renew) {
		v.assertion, v.renew = before.assertion, before.renew
		return nil
	}
	c.Issued, c.NotYet = now.Add(-assertionEarly).Unix(), now.Add(-assertionEarly).Unix()
	c.Expires = now.Add(assertionLife).Unix()
	if text, err = json.Marshal(c); err != nil {
		return err
	}
	signed, err := h.cfg.Keys.Sign(keys.ES256, keys.TypeAssertion, text)
	v.assertion, v.renew = value(signed), now.Add(assertionFresh)
	return err
}

// maxEntries limits the cache; an entry has about two kilobytes. Only decisions for cookies that
// the gateway issued are cached, so that an anonymous client cannot fill it.
const maxEntries = 16_384

// key identifies a host session: a site and the SHA-256 of the cookie.
type key struct {
	site *site
	hash [32]byte
}

type entry struct {
	decision *decision
	until    time.Time
}

// cache stores decisions. Of concurrent requests with the same cookie, only one reads the store.
type cache struct {
	mu      sync.Mutex
	entries map[key]entry
	flights map[key]*flight
}

// flight is a read of the store that is in progress.
type flight struct {
	done     chan struct{}
	decision *decision
	err      error
	dropped  bool // the session was ended meanwhile, so the decision is not stored
}

func newCache() *cache { return &cache{entries: map[key]entry{}, flights: map[key]*flight{}} }

// get returns a cached decision, or nil; valid reports whether it has not expired. An expired
// decision is returned too, since its assertion may be reused.
func (c *cache) get(k key, now time.Time) (v *decision, valid bool) {
	c.mu.Lock()
	e, found := c.entries[k]
	c.mu.Unlock()
	if !found {
		return nil, false
	}
	return e.decision, now.Before(e.until)
}

// load calls read once for all requests that wait for the same key, and stores the decision until
// the time that read returns. An error is not stored. A waiting request returns early when its
// context ends.
func (c *cache) load(ctx context.Context, k key, now time.Time, read func() (*decision, time.Time, error)) (*decision,
	error) {
	c.mu.Lock()
	f, found := c.flights[k]
	if !found {
		f = &flight{done: make(chan struct{}), err: errNoResult}
		c.flights[k] = f
	}
	c.mu.Unlock()
	if !found {
		return c.run(f, k, now, read)
	}
	select {
	case <-f.done:
		return f.decision, f.err
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// errNoResult is returned to requests that wait for a read whose goroutine has panicked.
var errNoResult = errors.New("reading a session ended without a result")

func (c *cache) run(f *flight, k key, now time.Time, read func() (*decision, time.Time, error)) (*decision, error) {
	var until time.Time
	defer func() {
		c.mu.Lock()
		defer c.mu.Unlock()
		close(f.done)
		if f.dropped {
			return
		}
		delete(c.flights, k)
		if f.err == nil {
			c.keep(k, entry{f.decision, until}, now)
		}
	}()
	var err error
	f.decision, until, err = read()
	f.err = err
	return f.decision, f.err
}

// keep stores an entry. When the cache is full, it removes expired entries among 16 random ones, or
// one of these if none has expired.
func (c *cache) keep(k key, e entry, now time.Time) {
	if _, found := c.entries[k]; !found && len(c.entries) >= maxEntries {
		looked := 0
		for old, at := range c.entries {
			if looked++; looked > 16 {
				break
			}
			if looked == 16 || !now.Before(at.until) {
				delete(c.entries, old)
			}
		}
	}
	c.entries[k] = e
}

// drop removes the entry of a session that was ended by this process.
func (c *cache) drop(k key) {
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.entries, k)
	if f := c.flights[k]; f != nil {
		f.dropped = true
		delete(c.flights, k)
	}
}

// put stores a decision that was made without load.
func (c *cache) put(k key, e entry, now time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.keep(k, e, now)
}
