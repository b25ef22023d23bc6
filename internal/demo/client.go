package demo

import (
	"crypto/rand"
	"errors"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"
)

// The client IDs of the apps that use OpenID Connect.
const (
	NotesID  = "notes"
	PhotosID = "photos"
	BoardID  = "board"
	PlansID  = "plans" // the gateway admits approved users only
	ForumID  = "forum" // its users sign in through the chat of the official account
)

// ShopAppID is the appid with which the shop signs in at the gateway's relay. (The relay offers
// WeChat's protocol to apps.) The appid is in the gateway's configuration. It is not registered
// with WeChat.
const ShopAppID = "wx0000000000000de3"

// RedirectURI returns the redirect URI of an app. appsURL is Config.URL, and id is the app's client
// ID.
func RedirectURI(appsURL, id string) string { return appsURL + "/" + id + "/callback" }

// PostLogoutRedirectURI returns the address of an app's home page. The gateway redirects there
// after a logout.
func PostLogoutRedirectURI(appsURL, id string) string { return appsURL + "/" + id + "/" }

// client is one of the apps Notes, Photos, Board, Plans and Forum. It signs users in at the gateway
// with OpenID Connect, and keeps its own sessions.
type client struct {
	*app
	oidc  *relyingParty
	other string // client ID of another app, which the page suggests to try next

	mu       sync.Mutex
	sessions map[string]tokens // by the value of the session cookie
}

const (
	attemptAge  = 10 * time.Minute // time that a user has for one sign-in
	maxSessions = 1000             // limits memory: with 1000 sessions, the next sign-in ends all of them
)

// mountClients adds the routes of Notes, Photos, Board, Plans and Forum.
func (a *app) mountClients(mux *http.ServeMux) {
	g := a.config.Gateway
	for _, c := range []*client{
		{oidc: &relyingParty{id: NotesID, secret: g.NotesSecret}, other: PhotosID},
		{oidc: &relyingParty{id: PhotosID, secret: g.PhotosSecret}, other: NotesID},
		{oidc: &relyingParty{id: BoardID, secret: g.BoardSecret}, other: NotesID},
		{oidc: &relyingParty{id: PlansID, secret: g.PlansSecret}, other: NotesID},
		{oidc: &relyingParty{id: ForumID, secret: g.ForumSecret}, other: NotesID},
	} {
		c.app, c.sessions = a, map[string]tokens{}
		c.oidc.issuer = g.Issuer
		c.oidc.redirectURI = RedirectURI(a.config.URL, c.oidc.id)
		c.oidc.postLogoutRedirectURI = PostLogoutRedirectURI(a.config.URL, c.oidc.id)
		c.oidc.http = &http.Client{Timeout: 10 * time.Second}
		path := "/" + c.oidc.id
		// A form on another website must not end a session.
		sameOrigin := http.NewCrossOriginProtection()
		mux.HandleFunc("GET "+path+"/{$}", c.home)
		mux.HandleFunc("GET "+path+"/sign-in", c.signIn)
		mux.HandleFunc("GET "+path+"/callback", c.callback)
		mux.Handle("POST "+path+"/sign-out", sameOrigin.Handler(http.HandlerFunc(c.signOutHere)))
		mux.Handle("POST "+path+"/sign-out-of-weigate", sameOrigin.Handler(http.HandlerFunc(c.signOutOfGateway)))
	}
}

// home serves the page of the app. For a signed-in user, each request calls the UserInfo endpoint.
// After a sign-out at the gateway, the endpoint rejects the access token. The app then ends its own
// session too.
func (c *client) home(w http.ResponseWriter, r *http.Request) {
	p := page{Heading: c.oidc.id, App: c.oidc.id, Other: c.other}
	t, signedIn := c.session(r)
	if !signedIn {
		c.show(w, r, http.StatusOK, "client-out", p)
		return
	}
	user, err := c.oidc.userInfo(r.Context(), t)
	switch {
	case errors.Is(err, errUnauthorized):
		c.endSession(w, r)
		p.Ended = true
		c.show(w, r, http.StatusOK, "client-out", p)
		return
	case err != nil:
		c.fail(w, r, err)
		return
	}
	p.Heading, p.User = "signed_in", &user
	p.At = t.authTime.Local().Format("2006-01-02 15:04:05")
	c.show(w, r, http.StatusOK, "client-in", p)
}

// signIn starts a sign-in: it stores nonce and code verifier in a cookie and redirects to the
// gateway. The name of the cookie contains the state. So sign-ins in two tabs at once have two
// cookies.
func (c *client) signIn(w http.ResponseWriter, r *http.Request) {
	e, err := c.oidc.discover(r.Context())
	if err != nil {
		c.fail(w, r, err)
		return
	}
	a := newAttempt()
	c.setCookie(w, c.attemptCookie(a.state), a.nonce+"."+a.verifier, int(attemptAge.Seconds()))
	redirect(w, c.oidc.authorizeURL(e, a))
}

// callback redeems the code and starts a session. It rejects a state without a cookie: the cookie
// has expired, or another browser has started the sign-in (login CSRF). It also rejects a response
// from another issuer (RFC 9207).
func (c *client) callback(w http.ResponseWriter, r *http.Request) {
	q := r.URL.Query()
	a := attempt{state: q.Get("state")}
	cookie, err := r.Cookie(c.attemptCookie(a.state))
	if err == nil {
		a.nonce, a.verifier, _ = strings.Cut(cookie.Value, ".")
	}
	if a.state == "" || a.verifier == "" || q.Get("iss") != c.oidc.issuer {
		c.notice(w, r, http.StatusBadRequest, "expired")
		return
	}
	c.setCookie(w, cookie.Name, "", -1)
	if q.Get("error") != "" {
		c.notice(w, r, http.StatusOK, "not_signed_in")
		return
	}
	t, err := c.oidc.redeem(r.Context(), q.Get("code"), a)
	if err != nil {
		c.fail(w, r, err)
		return
	}
	c.startSession(w, t)
	// The browser continues at the app's home page. The redirect removes the code from the address
	// bar.
	redirect(w, c.oidc.postLogoutRedirectURI)
}

// signOutHere ends the session of this app only. The session at the gateway remains, so the next
// sign-in asks the user nothing.
func (c *client) signOutHere(w http.ResponseWriter, r *http.Request) {
	c.endSession(w, r)
	redirect(w, c.oidc.postLogoutRedirectURI)
}

// signOutOfGateway ends the session of this app, and redirects to the gateway to end the session
// there.
func (c *client) signOutOfGateway(w http.ResponseWriter, r *http.Request) {
	t, signedIn := c.session(r)
	c.endSession(w, r)
	if !signedIn {
		redirect(w, c.oidc.postLogoutRedirectURI)
		return
	}
	e, err := c.oidc.discover(r.Context())
	if err != nil {
		c.fail(w, r, err)
		return
	}
	redirect(w, c.oidc.logoutURL(e, t))
}

// session returns the tokens of the request's session. It returns false if the request has no
// session. The client ID is the name of the session cookie.
func (c *client) session(r *http.Request) (tokens, bool) {
	cookie, err := r.Cookie(c.oidc.id)
	if err != nil {
		return tokens{}, false
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	t, found := c.sessions[cookie.Value]
	return t, found
}

func (c *client) startSession(w http.ResponseWriter, t tokens) {
	id := rand.Text()
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.sessions) >= maxSessions {
		clear(c.sessions)
	}
	c.sessions[id] = t
	c.setCookie(w, c.oidc.id, id, 0)
}

func (c *client) endSession(w http.ResponseWriter, r *http.Request) {
	if cookie, err := r.Cookie(c.oidc.id); err == nil {
		c.mu.Lock()
		delete(c.sessions, cookie.Value)
		c.mu.Unlock()
		c.setCookie(w, c.oidc.id, "", -1)
	}
}

// attemptCookie returns the name of the cookie for the sign-in with this state. The state is
// escaped: callback reads it from the request, and a forged state may have characters that cookie
// names forbid.
func (c *client) attemptCookie(state string) string { return c.oidc.id + "-" + url.QueryEscape(state) }

// setCookie sets a cookie of this app. A maxAge of 0 means until the browser closes. A negative
// maxAge deletes the cookie. The cookie is not Secure, because the demo is served over plain HTTP
// on this machine.
func (c *client) setCookie(w http.ResponseWriter, name, value string, maxAge int) {
	http.SetCookie(w, &http.Cookie{
		Name: name, Value: value, Path: "/" + c.oidc.id + "/", MaxAge: maxAge,
		HttpOnly: true, SameSite: http.SameSiteLaxMode,
	})
}

func (c *client) fail(w http.ResponseWriter, r *http.Request, err error) {
	c.log.ErrorContext(r.Context(), "OpenID Connect request failed", "app", c.oidc.id, "error", err)
	c.notice(w, r, http.StatusBadGateway, "error")
}
