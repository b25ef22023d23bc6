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

// Gateway is the Weigate that all but one of the apps sign people in with.
type Gateway struct {
	// Issuer is its address.
	Issuer string
	// NotesSecret, PhotosSecret and BoardSecret are what it and the apps [NotesID], [PhotosID] and [BoardID] share.
	NotesSecret, PhotosSecret, BoardSecret string
	// ShopSecret is the secret of [ShopAppID] at its relay.
	ShopSecret string
}

// The client ids of the apps that speak OpenID Connect. RedirectURI and AfterSignOut are what the gateway has to know of them.
const (
	NotesID  = "notes"
	PhotosID = "photos"
	BoardID  = "board"
)

// ShopAppID is the appid that the gateway's relay has for the old app.
const ShopAppID = "wx0000000000000de3"

// RedirectURI is where the app with this client id takes people back; site is Config.URL.
func RedirectURI(site, id string) string { return site + "/" + id + "/callback" }

// AfterSignOut is where the app with this client id wants people after they signed out at the gateway too.
func AfterSignOut(site, id string) string { return site + "/" + id + "/" }

// client is an app that signs people in by OpenID Connect, with a session of its own.
type client struct {
	*app
	rp    *relyingParty
	other string // client id of the other app
	name  func(*words) string

	mu       sync.Mutex
	sessions map[string]tokens
}

const (
	attemptAge  = 10 * time.Minute
	maxSessions = 1000 // it is a demo; the sessions live in memory
)

// clients adds these apps to mux.
func (a *app) clients(mux *http.ServeMux) {
	g := a.conf.Gateway
	for _, c := range []*client{
		{rp: &relyingParty{id: NotesID, secret: g.NotesSecret}, other: PhotosID, name: func(w *words) string { return w.Notes }},
		{rp: &relyingParty{id: PhotosID, secret: g.PhotosSecret}, other: NotesID, name: func(w *words) string { return w.Photos }},
		{rp: &relyingParty{id: BoardID, secret: g.BoardSecret}, other: NotesID, name: func(w *words) string { return w.Board }},
	} {
		c.app, c.sessions = a, map[string]tokens{}
		c.rp.issuer, c.rp.redirectURI, c.rp.afterSignOut = g.Issuer, RedirectURI(a.conf.URL, c.rp.id), AfterSignOut(a.conf.URL, c.rp.id)
		c.rp.http = &http.Client{Timeout: 10 * time.Second}
		path := "/" + c.rp.id
		// Forms that end a session come from our own pages only.
		own := http.NewCrossOriginProtection()
		mux.HandleFunc("GET "+path+"/{$}", c.home)
		mux.HandleFunc("GET "+path+"/sign-in", c.begin)
		mux.HandleFunc("GET "+path+"/callback", c.callback)
		mux.Handle("POST "+path+"/sign-out", own.Handler(http.HandlerFunc(c.signOutHere)))
		mux.Handle("POST "+path+"/sign-out-of-weigate", own.Handler(http.HandlerFunc(c.signOutOfGateway)))
	}
}

// home shows who is signed in. It asks the gateway each time, so that a sign-out everywhere counts here at once.
func (c *client) home(w http.ResponseWriter, r *http.Request) {
	p := page{App: c.rp.id, AppName: c.name(wordsFor(r)), Other: c.other}
	t, in := c.session(r)
	if !in {
		p.Heading = p.AppName
		c.show(w, r, http.StatusOK, "client-out", p)
		return
	}
	who, err := c.rp.userinfo(r.Context(), t)
	switch {
	case errors.Is(err, errOver):
		c.end(w, r)
		p.Heading, p.Ended = p.AppName, true
		c.show(w, r, http.StatusOK, "client-out", p)
		return
	case err != nil:
		c.trouble(w, r, err)
		return
	}
	p.Heading, p.Person, p.At = wordsFor(r).SignedIn, &who, t.authTime.Format("2006-01-02 15:04:05")
	c.show(w, r, http.StatusOK, "client-in", p)
}

// begin sends the browser to the gateway. What the callback needs waits in a cookie named after the state, so that two tabs do not meet.
func (c *client) begin(w http.ResponseWriter, r *http.Request) {
	e, err := c.rp.discover(r.Context())
	if err != nil {
		c.trouble(w, r, err)
		return
	}
	a := newAttempt()
	c.setCookie(w, c.attemptCookie(a.state), a.nonce+"."+a.verifier, int(attemptAge.Seconds()))
	c.leave(w, c.rp.authorize(e, a))
}

// callback takes the code, from the browser that began and from the gateway that it began with.
func (c *client) callback(w http.ResponseWriter, r *http.Request) {
	q, words := r.URL.Query(), wordsFor(r)
	a := attempt{state: q.Get("state")}
	cookie, err := r.Cookie(c.attemptCookie(a.state))
	if err == nil {
		a.nonce, a.verifier, _ = strings.Cut(cookie.Value, ".")
	}
	if a.state == "" || a.verifier == "" || subtle.ConstantTimeCompare([]byte(q.Get("iss")), []byte(c.rp.issuer)) != 1 {
		c.show(w, r, http.StatusBadRequest, "notice", page{Heading: words.Over, Text: words.OverNote})
		return
	}
	c.setCookie(w, cookie.Name, "", -1)
	if q.Get("error") != "" {
		c.show(w, r, http.StatusOK, "notice", page{Heading: words.NotIn, Text: words.NotInNote})
		return
	}
	t, err := c.rp.redeem(r.Context(), q.Get("code"), a)
	if err != nil {
		c.trouble(w, r, err)
		return
	}
	c.keep(w, t)
	c.leave(w, c.rp.afterSignOut) // its first page; the code does not stay in the address bar
}

// signOutHere ends this app's session only. The next sign-in needs no screen.
func (c *client) signOutHere(w http.ResponseWriter, r *http.Request) {
	c.end(w, r)
	c.leave(w, c.rp.afterSignOut)
}

// signOutOfGateway ends the browser's session at the gateway too.
func (c *client) signOutOfGateway(w http.ResponseWriter, r *http.Request) {
	t, in := c.session(r)
	c.end(w, r)
	if !in {
		c.leave(w, c.rp.afterSignOut)
		return
	}
	e, err := c.rp.discover(r.Context())
	if err != nil {
		c.trouble(w, r, err)
		return
	}
	c.leave(w, c.rp.signOut(e, t))
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

// setCookie sets a cookie of this app. Everything is plain http on this machine, so none is Secure.
func (c *client) setCookie(w http.ResponseWriter, name, value string, age int) {
	http.SetCookie(w, &http.Cookie{Name: name, Value: value, Path: "/" + c.rp.id + "/", MaxAge: age, HttpOnly: true, SameSite: http.SameSiteLaxMode})
}

func (c *client) trouble(w http.ResponseWriter, r *http.Request, err error) {
	c.log.ErrorContext(r.Context(), "OpenID Connect", "app", c.rp.id, "error", err)
	words := wordsFor(r)
	c.show(w, r, http.StatusBadGateway, "notice", page{Heading: words.Trouble, Text: words.TroubleNote})
}
