// Package invitation serves the links that administrators make: /invite/SECRET.
//
// A link has one of three kinds (gateway.InvitationKind). It approves the user who accepts it,
// makes the user an administrator, or moves a user to another WeChat account. [New] makes a
// [Handler].
//
// What the package guarantees:
//
//   - Only POST changes anything, because chats and scanners open links. The user presses a button.
//   - The page names the signed-in user, and its button is valid for this user only. So an attacker who
//     signed the browser in as another user cannot make the victim accept for that user unnoticed.
//   - What a link gives is read from the store, never from the request.
//   - The secret is in the address of the page and nowhere else: not in addresses at WeChat, logs,
//     errors, events and Referer headers.
//   - A link for administrators also works without WeChat. The session is then limited: no app accepts
//     it, it never counts as a fresh sign-in, and it ends after an hour (session.LinkMax).
package invitation

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"net/netip"
	"net/url"
	"strings"
	"time"

	"github.com/weigate/weigate/internal/gateway"
	"github.com/weigate/weigate/internal/limit"
	"github.com/weigate/weigate/internal/route"
	"github.com/weigate/weigate/internal/session"
	"github.com/weigate/weigate/internal/web"
)

// Store is the part of gateway.Store that a [Handler] uses.
type Store interface {
	// Invitation is gateway.Invitations.Invitation.
	Invitation(ctx context.Context, hash [32]byte, now time.Time) (gateway.Invitation, error)
	// RedeemInvitation is gateway.Invitations.RedeemInvitation.
	RedeemInvitation(ctx context.Context, r gateway.InvitationRedemption) (gateway.User, bool, error)
	// User is gateway.Users.User.
	User(ctx context.Context, id string) (gateway.User, error)
}

// Config holds the settings of a [Handler]. Every field is required unless it says otherwise.
type Config struct {
	URL      string // the gateway's URL; may have a path, no slash at the end
	Store    Store
	Sessions *session.Manager
	SignIn   session.Authenticator
	Apps     func(id string) (gateway.App, bool) // returns a configured app of any kind
	Site     *web.Site

	InWeChat  func(*http.Request) bool              // optional: reports whether a browser is WeChat's own; nil = none is
	ChatOnly  bool                                  // optional: all sign-ins are by chat, so none fits a link for admins
	Notify    func(context.Context, gateway.Notice) // optional: notifies administrators
	Limits    *limit.Limiter                        // optional: counts wrong secrets; nil counts nothing
	Address   func(*http.Request) netip.Addr        // optional: the client's address; nil = route.Address
	RequestID func(context.Context) string          // optional: for events and logs
	Logger    *slog.Logger                          // optional: nil discards
	Now       func() time.Time                      // optional: nil = time.Now
}

// Handler serves invitations. Make it with [New]; it is safe for concurrent use.
type Handler struct {
	cfg    Config
	origin string // of Config.URL
	path   string // of Config.URL; "" at the root
}

// Kinds of the events of this package.
const (
	EventUsed      = "invitation_used" // a user accepted an invitation
	EventAdminLink = "admin_link"      // an administrator signed in by a link, without WeChat
)

// New validates the configuration.
func New(cfg Config) (*Handler, error) {
	u, err := url.Parse(cfg.URL)
	if err != nil || u.Host == "" || strings.HasSuffix(cfg.URL, "/") {
		return nil, errors.New("invitation: Config.URL: want scheme, host and perhaps a path, without a slash at the end")
	}
	if cfg.Store == nil || cfg.Sessions == nil || cfg.SignIn == nil || cfg.Apps == nil || cfg.Site == nil {
		return nil, errors.New("invitation: Config.Store, Sessions, SignIn, Apps and Site are required")
	}
	if cfg.InWeChat == nil {
		cfg.InWeChat = func(*http.Request) bool { return false }
	}
	if cfg.Notify == nil {
		cfg.Notify = func(context.Context, gateway.Notice) {}
	}
	if cfg.Address == nil {
		cfg.Address = route.Address
	}
	if cfg.RequestID == nil {
		cfg.RequestID = func(context.Context) string { return "" }
	}
	if cfg.Logger == nil {
		cfg.Logger = slog.New(slog.DiscardHandler)
	}
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	return &Handler{cfg: cfg, origin: u.Scheme + "://" + u.Host, path: u.EscapedPath()}, nil
}

// Paths relative to the path of Config.URL.
const (
	pathInvite = "/invite/"
	pathAdmin  = "/admin"
	pathName   = "/access/name" // of package accessrequest: stores the name that a user gives
)

// Mount registers the routes. They are private: their paths contain the secrets.
func (h *Handler) Mount(mux *route.Mux) {
	mux.HandleFunc("GET "+h.path+pathInvite+"{secret}", h.show, route.Limited, route.Private)
	mux.HandleFunc("POST "+h.path+pathInvite+"{secret}", h.accept, route.Limited, route.Private)
	// Other paths and methods, such as a link with a slash at its end. They are private too: the log
	// must not contain their secrets.
	mux.HandleFunc(h.path+pathInvite, h.unknown, route.Limited, route.Private)
}

// unknown serves a link that no invitation has.
func (h *Handler) unknown(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Cache-Control", "no-store")
	h.cfg.Site.Show(w, r, web.Page{Kind: web.InviteUnknown, Contact: true, Secret: true,
		Rejection: web.Rejection{Request: "invitation"}})
}

// visit is a request for an invitation that exists.
type visit struct {
	invitation gateway.Invitation
	invalid    bool   // the invitation cannot be used now
	address    string // path of the page
	browser    session.Browser
	signedIn   bool
}

// open returns the invitation of a request. Without one it writes the response and returns false.
func (h *Handler) open(w http.ResponseWriter, r *http.Request) (v visit, ok bool) {
	w.Header().Set("Cache-Control", "no-store")
	w.Header().Set("Referrer-Policy", "no-referrer") // for redirects; pages set their own
	secret, now := r.PathValue("secret"), h.cfg.Now()
	err := error(gateway.ErrNotFound)
	if isSecret(secret) {
		v.invitation, err = h.cfg.Store.Invitation(r.Context(), gateway.InvitationHash(secret), now)
	}
	v.invalid = errors.Is(err, gateway.ErrExpired) && v.invitation.ID != ""
	switch {
	case v.invalid:
	case errors.Is(err, gateway.ErrNotFound):
		// The secrets have 130 random bits, so nobody guesses one. Only wrong secrets are counted and
		// refused: many users may share an address, and one user's wrong secrets must not affect another
		// user's right secret.
		if wrong, counted := h.wrongSecrets(r); counted && !h.cfg.Limits.Allow(now, wrong) {
			h.cfg.Site.Fail(w, r, web.TooMany)
			return v, false
		}
		h.unknown(w, r)
		return v, false
	case err != nil:
		h.cfg.Site.Error(w, r, err)
		return v, false
	}
	v.address = h.path + pathInvite + secret
	if v.browser, v.signedIn, err = h.cfg.Sessions.Current(r); err != nil {
		h.cfg.Site.Error(w, r, err)
		return v, false
	}
	return v, true
}

// isSecret reports whether a text has the form of gateway.NewID.
func isSecret(text string) bool {
	return len(text) == 26 && strings.Trim(text, "abcdefghijklmnopqrstuvwxyz234567") == ""
}

// wrongSecrets returns the bucket that counts the wrong secrets of a client. A loopback address is
// not counted. A loopback address means that trusted_proxies lacks the proxy, so all clients share
// the address.
func (h *Handler) wrongSecrets(r *http.Request) (bucket limit.Bucket, counted bool) {
	a := h.cfg.Address(r)
	return limit.Bucket{Rate: limit.WrongInvitations, Key: limit.Address(a)}, a.IsValid() && !a.IsLoopback()
}

// methods returns the sign-in methods with which a user may accept an invitation. The methods scan,
// message and follow are not enough for links that make administrators or move users: a user can be
// tricked into confirming the QR code or number of an attacker. A session that a link created
// (MethodLink) is never enough.
func methods(kind gateway.InvitationKind) []string {
	if kind == gateway.InviteUser {
		return []string{gateway.MethodWeChat, gateway.MethodScan, gateway.MethodWebsite, gateway.MethodMessage,
			gateway.MethodFollow}
	}
	return []string{gateway.MethodWeChat, gateway.MethodWebsite}
}
