package accessrequest

import (
	"cmp"
	"encoding/json"
	"errors"
	"net/http"
	"net/url"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/weigate/weigate/internal/access"
	"github.com/weigate/weigate/internal/gateway"
	"github.com/weigate/weigate/internal/origin"
	"github.com/weigate/weigate/internal/session"
	"github.com/weigate/weigate/internal/web"
)

// This file serves the forms of users who wait, and the state of their requests. A form changes
// only the signed-in user: no field of a form selects a user.

// maxName is how many characters a name may have.
const maxName = 100

// mayChangeName reports whether a user may give or change the name that administrators see. The
// name stays once an administrator has approved the user, whom the administrator knows by this
// name.
func mayChangeName(u gateway.User) bool {
	return u.Status == gateway.Pending && len(u.AllowedApps) == 0
}

// mayGiveName reports whether a user may give a name with the form. An invited user is approved
// before any page has asked for a name: such a user may give a name once.
func mayGiveName(u gateway.User) bool {
	return mayChangeName(u) || u.RealName == "" && u.Status != gateway.Blocked
}

// mayChangeAppName reports whether a user may give or change the name that apps get. If WeChat sent
// a nickname, apps get the nickname, and the user cannot change it here.
func mayChangeAppName(u gateway.User) bool { return !u.NameFromWeChat() && u.Status != gateway.Blocked }

// asksName reports whether the waiting page asks a user for a name.
func asksName(b session.Browser) bool {
	return mayChangeName(b.User) && b.User.RealName == "" && !session.ReadData(b.Data).NameDeclined
}

// errNameFixed is the error for a user who may not change the name.
var errNameFixed = errors.New("accessrequest: the user may not change the name")

// paramProfile is a parameter of the page and a field of its form: "1" means that the name is for
// apps.
const paramProfile = "profile"

// giveName stores the name that a user gives. If the name is rejected, the page shows it again.
func (q *Requests) giveName(w http.ResponseWriter, r *http.Request) {
	browser, form, ok := q.readForm(w, r)
	if !ok {
		return
	}
	app, returnTo, typed := form.Get("app"), form.Get("return"), form.Get("name")
	forApps := form.Get(paramProfile) == "1"
	if form.Has("decline") && forApps {
		q.continueAt(w, r, returnTo, q.cfg.Sessions.DeclineProfile(r.Context(), browser.Hash))
		return
	}
	if form.Has("decline") {
		err := q.cfg.Sessions.DeclineName(r.Context(), browser.Hash)
		q.cfg.Named(r.Context(), browser.User.ID)
		q.continueAt(w, r, returnTo, err)
		return
	}
	name := gateway.CleanLine(typed)
	problem := ""
	switch {
	case name == "":
		problem = web.ProblemNoName
	case utf8.RuneCountInString(name) > maxName:
		problem = web.ProblemLongName
	}
	if problem != "" {
		q.showNameForm(w, r, browser, app, returnTo, typed, problem, forApps)
		return
	}
	now := q.cfg.Now()
	_, err := q.cfg.Store.UpdateUser(r.Context(), browser.User.ID, now, func(u *gateway.User) error {
		switch {
		case forApps && mayChangeAppName(*u):
			u.Nickname = name
		case !forApps && mayGiveName(*u):
			u.RealName = name
		default:
			return errNameFixed
		}
		return nil
	})
	if err == nil {
		q.events.Record(r.Context(), gateway.Event{
			At: now, Kind: EventNameGiven, UserID: browser.User.ID, App: q.knownApp(app), Method: browser.Method, Outcome: "ok",
		}) // without the name: events outlive the user's record
		if !forApps {
			q.cfg.Named(r.Context(), browser.User.ID)
		}
	}
	if errors.Is(err, errNameFixed) {
		err = nil // an administrator decided meanwhile: the app's request succeeds, or shows why not
	}
	q.continueAt(w, r, returnTo, err)
}

// askName shows the page on which a user changes the name. The page has no refresh, so that nothing
// that the user types is lost.
func (q *Requests) askName(w http.ResponseWriter, r *http.Request) {
	browser, ok := q.signedIn(w, r)
	if !ok {
		return
	}
	query := r.URL.Query()
	returnTo := query.Get("return")
	if !q.isOwnPath(returnTo) {
		q.cfg.Site.Fail(w, r, web.BadReturn)
		return
	}
	user := browser.User
	switch forApps := query.Get(paramProfile) == "1"; {
	case forApps && mayChangeAppName(user):
		q.showNameForm(w, r, browser, query.Get("app"), returnTo, cmp.Or(user.Nickname, user.RealName), "", true)
	case !forApps && mayChangeName(user):
		q.showNameForm(w, r, browser, query.Get("app"), returnTo, user.RealName, "", false)
	default:
		q.cfg.Site.Redirect(w, r, http.StatusSeeOther, returnTo)
	}
}

func (q *Requests) showNameForm(w http.ResponseWriter, r *http.Request, browser session.Browser,
	app, returnTo, typed, problem string, forApps bool) {
	page := web.Page{Kind: web.YourName, Go: returnTo, User: web.UserOf(browser.User)}
	if forApps {
		page.Kind, page.User = web.NameInApps, nil
	}
	if problem != "" {
		page.Status = http.StatusUnprocessableEntity
		page.Rejection = web.Rejection{Request: "name", Reason: problem}
	}
	if utf8.RuneCountInString(typed) > 2*maxName { // users can shorten a long name; a flood is cut
		typed = string([]rune(gateway.CleanText(typed))[:2*maxName])
	}
	q.addNameForm(&page, q.knownApp(app), returnTo, gateway.CleanText(typed), problem)
	if forApps {
		page.Name.ForApps, page.Name.Fields[paramProfile], page.Forms[0].Fields[paramProfile] = true, "1", "1"
		page.State = "" // nothing to poll: no administrator has to decide about this name
	}
	q.cfg.Site.Show(w, r, page)
}

// knownApp returns the id of a configured app, or "".
func (q *Requests) knownApp(id string) string {
	if _, found := q.cfg.Apps(id); found {
		return id
	}
	return ""
}

// ask records that a user asks for access to an app that admits the users of a list.
func (q *Requests) ask(w http.ResponseWriter, r *http.Request) {
	browser, form, ok := q.readForm(w, r)
	if !ok {
		return
	}
	app, found := q.cfg.Apps(form.Get("app"))
	if !found {
		q.cfg.Site.Fail(w, r, web.BadRequest)
		return
	}
	decision, err := q.cfg.Access.Decide(r.Context(), browser.User, app)
	// A user who was refused reads the reason at the app's request, and cannot ask again.
	if err == nil && decision == access.Denied && app.Access.Rule == gateway.AccessListed &&
		!access.IsRefused(browser.User, app) {
		_, err = q.Record(r.Context(), browser, app)
	}
	q.continueAt(w, r, form.Get("return"), err)
}

// The states of a request, for the script of the page.
const (
	stateWaiting = "waiting"
	stateDecided = "decided" // the app's request now succeeds, or shows why not
)

// state responds with the state of the user's request for an app, as JSON. The script of the
// waiting page polls it.
func (q *Requests) state(w http.ResponseWriter, r *http.Request) {
	header := w.Header()
	header.Set("Content-Type", "application/json")
	header.Set("Cache-Control", "no-store")
	app, found := q.cfg.Apps(r.URL.Query().Get("app"))
	browser, signedIn, err := q.cfg.Sessions.Current(r)
	state := stateDecided // also for a user who is blocked or signed out now
	if err == nil && signedIn && found {
		var waits bool
		if waits, err = q.waits(r, browser.User, app); waits {
			state = stateWaiting
		}
	}
	if err != nil {
		header.Set("Retry-After", "5")
		w.WriteHeader(http.StatusServiceUnavailable)
		return
	}
	_ = json.NewEncoder(w).Encode(map[string]string{"state": state}) // fails when the client has disconnected
}

// waits reports whether the request of a user for an app waits for a decision.
func (q *Requests) waits(r *http.Request, user gateway.User, app gateway.App) (bool, error) {
	decision, err := q.cfg.Access.Decide(r.Context(), user, app)
	if err != nil || decision != access.Denied || access.IsRefused(user, app) {
		return decision == access.Pending, err
	}
	// The app admits the users of a list, and the user is not on it, but has perhaps asked for access.
	request, found, err := q.find(r.Context(), user.ID, app.ID)
	return found && request.State == gateway.RequestWaiting, err
}

func (q *Requests) stateURL(app string) string {
	return q.path + pathState + "?" + url.Values{"app": {app}}.Encode()
}

func (q *Requests) nameURL(app, returnTo string) string {
	return q.path + pathName + "?" + url.Values{"app": {app}, "return": {returnTo}}.Encode()
}

// signedIn returns the browser that sent r, if a user is signed in there. Otherwise it writes the
// response and returns false.
func (q *Requests) signedIn(w http.ResponseWriter, r *http.Request) (b session.Browser, ok bool) {
	w.Header().Set("Cache-Control", "no-store")
	b, signedIn, err := q.cfg.Sessions.Current(r)
	switch {
	case err != nil:
		q.cfg.Site.Error(w, r, err)
	case !signedIn:
		q.cfg.Site.Show(w, r, web.Page{Kind: web.PleaseSignIn, Go: q.path + "/"})
	}
	return b, err == nil && signedIn
}

// readForm parses the form of a signed-in user. Its field return must be a path of the gateway. If
// nobody is signed in or the form is invalid, readForm writes the response and returns false.
func (q *Requests) readForm(w http.ResponseWriter, r *http.Request) (b session.Browser, form url.Values, ok bool) {
	if b, ok = q.signedIn(w, r); !ok {
		return b, nil, false
	}
	if err := r.ParseForm(); err != nil {
		q.cfg.Site.Fail(w, r, web.BadRequest)
		return b, nil, false
	}
	if !q.isOwnPath(r.PostForm.Get("return")) {
		q.cfg.Site.Fail(w, r, web.BadReturn)
		return b, nil, false
	}
	return b, r.PostForm, true
}

// isOwnPath reports whether an address is a path of the gateway. It rejects addresses that browsers
// parse differently, such as //host.
func (q *Requests) isOwnPath(address string) bool {
	_, err := origin.LocalPath(address)
	return err == nil && strings.HasPrefix(address, q.path+"/") && len(address) <= session.MaxReturn
}

// continuePause is how long the page of kind web.Continue is shown before it continues.
const continuePause = 100 * time.Millisecond

// continueAt continues at a path of the gateway after a form, or responds to an error. The path may
// redirect to the app. After a form, browsers block a redirect to another origin (form-action of
// the Content-Security-Policy). So the response is a page that continues at the path.
func (q *Requests) continueAt(w http.ResponseWriter, r *http.Request, address string, err error) {
	if err != nil && !errors.Is(err, gateway.ErrNotFound) { // not found: the session has ended meanwhile
		q.cfg.Site.Error(w, r, err)
		return
	}
	q.cfg.Site.Show(w, r, web.Page{Kind: web.Continue, Go: address, ContinueAfter: continuePause})
}
