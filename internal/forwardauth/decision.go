package forwardauth

import (
	"context"
	"errors"
	"strings"
	"time"

	"github.com/weigate/weigate/internal/access"
	"github.com/weigate/weigate/internal/admission"
	"github.com/weigate/weigate/internal/gateway"
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
