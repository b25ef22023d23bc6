package portal

import (
	"cmp"
	"context"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/weigate/weigate/internal/access"
	"github.com/weigate/weigate/internal/gateway"
	"github.com/weigate/weigate/internal/session"
	"github.com/weigate/weigate/internal/web"
)

// Limits of the lists of the home page.
const (
	maxSignIns = 10  // the latest sign-ins
	maxWaiting = 100 // users who wait for approval are counted up to this number
)

// home is the data of the home page.
type home struct {
	Path     string
	User     gateway.User
	Session  string // session.FormID of this browser, for the forms
	Done     string // key of the text about what the user has just done; "" = nothing
	Link     bool   // an administrator's link created the session: apps do not accept such a session
	Admin    string // address of the administrators' pages; "" = the user is not an administrator
	Waiting  int    // with Admin: how many users wait for an administrator's approval
	Profile  string // address at which the user shares nickname and avatar; "" = not possible
	Known    bool   // nickname and avatar are known and not too old
	Name     string // address at which the user changes the name that apps get; "" = WeChat sends it
	Agree    string // address at which the user agrees to documents that have changed; "" = they have agreed
	Apps     []tile
	Partly   bool   // an app is left out, because the store failed
	Wishes   []wish // apps that the user has requested, and may not use now
	Sessions []listedSession
	Others   bool // there are other sessions than this one
	Used     []usedApp
	SignIns  []signIn
}

// listedSession is a signed-in browser of the user.
type listedSession struct {
	ID          string // identifies it in the form
	Current     bool   // it is this browser
	Link        bool   // an administrator's link created the session
	Scan        bool   // the user has confirmed the sign-in on a phone
	Browser     string // name of the browser and its system; "" = unknown
	MaskedIP    string // IP address without its last part; "" = unknown
	Since, Seen time.Time
}

// usedApp is an app that the user has signed in to.
type usedApp struct {
	ID    string
	Name  string
	Since time.Time // first sign-in
	Last  time.Time // last sign-in; zero = longer ago than the gateway remembers
	Live  bool      // the app can still read the user's data
}

// signIn is one of the user's own sign-ins.
type signIn struct {
	At       time.Time
	Method   string // key of its text
	App      string // name of the app that required it; "" = none
	Refused  bool
	MaskedIP string
}

// home serves the home page: the user's apps and data, or a button that signs in.
func (h *Handler) home(w http.ResponseWriter, r *http.Request) {
	b, signedIn, err := h.cfg.SignIn.Session(r)
	switch {
	case err != nil:
		h.cfg.Site.Error(w, r, err)
		return
	case !signedIn:
		h.cfg.Site.Show(w, r, web.Page{Kind: web.Welcome, Go: h.cfg.SignIn.SignInURL()})
		return
	}
	data, err := h.readHome(r.Context(), b)
	if err != nil {
		h.cfg.Site.Error(w, r, err)
		return
	}
	if c, ok := web.ReadConfirmation(r.URL.Query(), h.cfg.Keys, b.User.ID, h.cfg.Now()); ok {
		data.Done = "done." + c.Act
	}
	// "own" is the id of the page's main element, and "apps" is the key of its title.
	h.write(w, r, web.Document{View: "home", ID: "own", Wide: true, User: web.UserOf(b.User), Data: data}, "apps")
}

// readHome reads what the home page shows. It makes a fixed number of queries.
func (h *Handler) readHome(ctx context.Context, b session.Browser) (home, error) {
	now, user := h.cfg.Now(), b.User
	d := home{Path: h.path, User: user, Session: session.FormID(b.Hash), Link: b.Method == gateway.MethodLink}
	d.Profile, d.Known = h.cfg.SignIn.ProfileURL(b)
	if d.Profile == "" && !d.Link && !user.NameFromWeChat() {
		d.Name = h.path + session.NamePath + "?profile=1&return=" + url.QueryEscape(h.path+"/")
	}
	if b.MustAgree {
		d.Agree = h.path + session.AgreementPath + "?return=" + url.QueryEscape(h.path+"/")
	}
	requests, err := h.cfg.Store.UserRequests(ctx, user.ID)
	if err != nil {
		return home{}, err
	}
	rules := access.Rules{Identities: &identities{from: h.cfg.Store}}
	d.Apps, d.Partly = h.apps(ctx, rules, user)
	d.Wishes = h.wishes(ctx, rules, user, requests)
	sessions, err := h.cfg.Sessions.UserSessions(ctx, user.ID, now)
	if err != nil {
		return home{}, err
	}
	for _, s := range sessions {
		d.Sessions = append(d.Sessions, listSession(s, s.Hash == b.Hash))
		d.Others = d.Others || s.Hash != b.Hash
	}
	// This browser is first.
	slices.SortStableFunc(d.Sessions, func(a, b listedSession) int {
		return cmp.Compare(boolOrder(a.Current), boolOrder(b.Current))
	})
	if d.Used, err = h.usedApps(ctx, user.ID, now); err != nil {
		return home{}, err
	}
	if d.SignIns, err = h.signIns(ctx, user.ID); err != nil {
		return home{}, err
	}
	if user.Admin && user.Status == gateway.Active {
		d.Admin = h.path + pathAdmin
		d.Waiting, err = h.cfg.Store.CountWaiting(ctx, maxWaiting)
	}
	return d, err
}

// boolOrder sorts true first.
func boolOrder(first bool) int {
	if first {
		return 0
	}
	return 1
}

// listSession returns a session as the home page lists it.
func listSession(s gateway.Session, current bool) listedSession {
	data := session.ReadData(s.Data)
	out := listedSession{
		ID: session.FormID(s.Hash), Current: current, Link: s.Method == gateway.MethodLink, Browser: data.Browser,
		Since: s.CreatedAt, Seen: s.SeenAt,
	}
	if scan := data.Scan; scan != nil {
		out.Scan, out.Browser, out.MaskedIP = true, scan.Browser, scan.MaskedIP
	}
	out.Browser = web.Shown(out.Browser, maxName)
	return out
}

// usedApps returns the apps that the user has signed in to, the last used first. An app that was
// removed from the configuration is listed by its id, since it may still have data of the user.
func (h *Handler) usedApps(ctx context.Context, userID string, now time.Time) ([]usedApp, error) {
	subjects, err := h.cfg.Store.UserSubjects(ctx, userID)
	if err != nil {
		return nil, err
	}
	grants, err := h.cfg.Store.UserGrants(ctx, userID, now)
	if err != nil {
		return nil, err
	}
	byID := map[string]*usedApp{}
	entry := func(id string) *usedApp { // of the app with this id
		if byID[id] == nil {
			byID[id] = &usedApp{ID: id, Name: cmp.Or(h.names[id], web.Shown(id, maxName))}
		}
		return byID[id]
	}
	for _, s := range subjects { // a subject is created at the first sign-in to its app
		entry(s.App).Since = s.CreatedAt
	}
	for _, g := range grants {
		app := entry(g.App)
		app.Last, app.Live = g.LastAt, g.Live > 0
	}
	var out []usedApp
	for _, app := range byID {
		out = append(out, *app)
	}
	slices.SortFunc(out, func(a, b usedApp) int {
		return cmp.Or(b.Last.Compare(a.Last), strings.Compare(a.Name, b.Name), strings.Compare(a.ID, b.ID))
	})
	return out, nil
}

// signIns returns the user's last sign-ins.
func (h *Handler) signIns(ctx context.Context, userID string) (out []signIn, err error) {
	events, err := h.cfg.Store.Events(ctx, gateway.EventQuery{UserID: userID, Kind: eventSignIn, Limit: maxSignIns})
	for _, e := range events {
		s := signIn{At: e.At, App: h.names[e.App], Refused: e.Outcome != "ok", MaskedIP: e.Address, Method: "method.other"}
		switch e.Method {
		case gateway.MethodWeChat, gateway.MethodScan, gateway.MethodWebsite, gateway.MethodLink, gateway.MethodMessage,
			gateway.MethodFollow:
			s.Method = "method." + e.Method
		}
		out = append(out, s)
	}
	return out, err
}

// eventSignIn is the kind of the events of sign-ins, which package signin appends.
const eventSignIn = "sign_in"
