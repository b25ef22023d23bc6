package demo

import (
	"crypto/rand"
	"crypto/subtle"
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
)

// ShopAppID is the appid of the shop at the gateway's relay.
const ShopAppID = "wx0000000000000de3"

// RedirectURI returns the redirect URI of an app, for Config.URL and a client ID.
func RedirectURI(appsURL, id string) string { return appsURL + "/" + id + "/callback" }

// PostLogoutRedirectURI returns the address of an app that the gateway redirects to after a logout.
func PostLogoutRedirectURI(appsURL, id string) string { return appsURL + "/" + id + "/" }

// client is an app that signs users in with OpenID Connect and has sessions of its own.
type client struct {
	*app
	rp    *relyingParty
	other string // client ID of the app to try next

	mu       sync.Mutex
	sessions map[string]tokens
}

const (
	attemptAge  = 10 * time.Minute
	maxSessions = 1000 // limits memory
)

// mountClients adds Notes, Photos and Board.
func (a *app) mountClients(mux *http.ServeMux) {
	g := a.conf.Gateway
	for _, c := range []*client{
		{rp: &relyingParty{id: NotesID, secret: g.NotesSecret}, other: PhotosID},
		{rp: &relyingParty{id: PhotosID, secret: g.PhotosSecret}, other: NotesID},
		{rp: &relyingParty{id: BoardID, secret: g.BoardSecret}, other: NotesID},
	} {
		c.app, c.sessions = a, map[string]tokens{}
		c.rp.issuer = g.Issuer
		c.rp.redirectURI = RedirectURI(a.conf.URL, c.rp.id)
		c.rp.postLogoutRedirectURI = PostLogoutRedirectURI(a.conf.URL, c.rp.id)
		c.rp.http = &http.Client{Timeout: 10 * time.Second}
		path := "/" + c.rp.id
		// A form of another site must not end a session.
		own := http.NewCrossOriginProtection()
		mux.HandleFunc("GET "+path+"/{$}", c.home)
		mux.HandleFunc("GET "+path+"/sign-in", c.begin)
		mux.HandleFunc("GET "+path+"/callback", c.callback)
		mux.Handle("POST "+path+"/sign-out", own.Handler(http.HandlerFunc(c.signOutHere)))
		mux.Handle("POST "+path+"/sign-out-of-weigate", own.Handler(http.HandlerFunc(c.signOutOfGateway)))
	}
}

// home serves the page of the app. It reads UserInfo for every request, so that "sign out
// everywhere" takes effect at once.
func (c *client) home(w http.ResponseWriter, r *http.Request) {
	p := page{Heading: c.rp.id, App: c.rp.id, Other: c.other}
	t, in := c.session(r)
	if !in {
		c.show(w, r, http.StatusOK, "client-out", p)
		return
	}
	user, err := c.rp.userInfo(r.Context(), t)
	switch {
	case errors.Is(err, errUnauthorized):
		c.end(w, r)
		p.Ended = true
		c.show(w, r, http.StatusOK, "client-out", p)
		return
	case err != nil:
		c.fail(w, r, err)
		return
	}
	p.Heading, p.User = "signed_in", &user
	p.At = t.authTime.Format("2006-01-02 15:04:05")
	c.show(w, r, http.StatusOK, "client-in", p)
}

// begin redirects to the gateway. The cookie with the attempt is named after the state, so that two
// tabs can sign in at once.
func (c *client) begin(w http.ResponseWriter, r *http.Request) {
	e, err := c.rp.discover(r.Context())
	if err != nil {
		c.fail(w, r, err)
		return
	}
	a := newAttempt()
	c.setCookie(w, c.attemptCookie(a.state), a.nonce+"."+a.verifier, int(attemptAge.Seconds()))
	redirect(w, c.rp.authorizeURL(e, a))
}

// callback redeems the code. The same browser must have started the sign-in, and iss the gateway
// that it was sent to (RFC 9207).
func (c *client) callback(w http.ResponseWriter, r *http.Request) {
	q := r.URL.Query()
	a := attempt{state: q.Get("state")}
	cookie, err := r.Cookie(c.attemptCookie(a.state))
	if err == nil {
		a.nonce, a.verifier, _ = strings.Cut(cookie.Value, ".")
	}
	if a.state == "" || a.verifier == "" || subtle.ConstantTimeCompare([]byte(q.Get("iss")), []byte(c.rp.issuer)) != 1 {
		c.notice(w, r, http.StatusBadRequest, "expired")
		return
	}
	c.setCookie(w, cookie.Name, "", -1)
	if q.Get("error") != "" {
		c.notice(w, r, http.StatusOK, "not_signed_in")
		return
	}
	t, err := c.rp.redeem(r.Context(), q.Get("code"), a)
	if err != nil {
		c.fail(w, r, err)
		return
	}
	c.keep(w, t)
	redirect(w, c.rp.postLogoutRedirectURI) // the code must not stay in the address bar
}

// signOutHere ends this app's session only. The next sign-in shows no page.
func (c *client) signOutHere(w http.ResponseWriter, r *http.Request) {
	c.end(w, r)
	redirect(w, c.rp.postLogoutRedirectURI)
}

// signOutOfGateway ends the browser's session at the gateway too.
func (c *client) signOutOfGateway(w http.ResponseWriter, r *http.Request) {
	t, in := c.session(r)
	c.end(w, r)
	if !in {
		redirect(w, c.rp.postLogoutRedirectURI)
		return
	}
	e, err := c.rp.discover(r.Context())
	if err != nil {
		c.fail(w, r, err)
		return
	}
	redirect(w, c.rp.logoutURL(e, t))
}

func (c *client) session(r *http.Request) (tokens, bool) {
	cookie, err := r.Cookie(c.rp.id)
	if err != nil {
		return tokens{}, false
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	t, in := c.sessions[cookie.Value]
	return t, in
}

func (c *client) keep(w http.ResponseWriter, t tokens) {
	id := rand.Text()
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.sessions) >= maxSessions {
		clear(c.sessions)
	}
	c.sessions[id] = t
	c.setCookie(w, c.rp.id, id, 0)
}

func (c *client) end(w http.ResponseWriter, r *http.Request) {
	if cookie, err := r.Cookie(c.rp.id); err == nil {
		c.mu.Lock()
		delete(c.sessions, cookie.Value)
		c.mu.Unlock()
		c.setCookie(w, c.rp.id, "", -1)
	}
}

func (c *client) attemptCookie(state string) string { return c.rp.id + "-" + url.QueryEscape(state) }

// setCookie sets a cookie of this app. It is not Secure, because the demo is served by plain HTTP
// on this machine.
func (c *client) setCookie(w http.ResponseWriter, name, value string, age int) {
	http.SetCookie(w, &http.Cookie{
		Name: name, Value: value, Path: "/" + c.rp.id + "/", MaxAge: age,
		HttpOnly: true, SameSite: http.SameSiteLaxMode,
	})
}

func (c *client) fail(w http.ResponseWriter, r *http.Request, err error) {
	c.log.ErrorContext(r.Context(), "OpenID Connect request failed", "app", c.rp.id, "error", err)
	c.notice(w, r, http.StatusBadGateway, "error")
}
