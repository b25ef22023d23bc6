package accessrequest

import (
	"context"
	"net/http"
	"net/url"

	"github.com/weigate/weigate/internal/access"
	"github.com/weigate/weigate/internal/admission"
	"github.com/weigate/weigate/internal/gateway"
	"github.com/weigate/weigate/internal/session"
	"github.com/weigate/weigate/internal/web"
)

// Applicant is a signed-in user whom the access rule of an app does not admit.
type Applicant struct {
	App     gateway.App
	Browser session.Browser
	// Continue is the address at which the app's request continues: a path of the gateway with its
	// query, or an address of the site if AtGateway is set. A waiting page opens it at intervals, so a
	// request there must not change anything.
	Continue string
	// WantsProfile is set if the app wants nickname and avatar: a waiting page offers to share them.
	WantsProfile bool
	// AtGateway is the address of the same page at the gateway. It is set for a page on the host of a
	// site (an app behind forward auth), and "" for a page of the gateway. Forms work at the gateway
	// only, so the page on the host of a site has links to AtGateway instead.
	AtGateway string
	// Page has the further buttons of the page (Back, BackToApp, Home) and the values for the log
	// (Rejection, AlreadyLogged).
	Page web.Page
}

// Responder responds to users whom the access rule of an app does not admit. [Requests] implements
// it. Its methods are safe for concurrent use.
type Responder interface {
	// Respond is [Requests.Respond].
	Respond(w http.ResponseWriter, r *http.Request, next admission.Next, a Applicant) (web.Kind, error)
	// Page is [Requests.Page].
	Page(ctx context.Context, waits bool, a Applicant) (web.Page, error)
}

// Handles reports whether [Requests.Respond] serves the page for a next step: the user waits for
// approval, or the access rule denies the user.
func Handles(next admission.Next) bool {
	return next.Step == admission.Wait || next.Step == admission.Deny && next.Page == web.Refused
}

// Respond records the request of a user who waits, and shows one of these pages. It returns the
// kind of the page.
//
//   - The user waits: the page asks for a name, and continues automatically.
//   - An administrator refused the app to the user: the page shows the reason.
//   - The app admits the users of a list: the page has a button that asks for access.
//   - The user is denied otherwise, because the app has no access rule.
//
// next is a step for which [Handles] returns true. An error means that nothing was written to w.
func (q *Requests) Respond(w http.ResponseWriter, r *http.Request, next admission.Next, a Applicant) (web.Kind, error) {
	page, err := q.Page(r.Context(), next.Step == admission.Wait, a)
	if err != nil {
		return "", err
	}
	q.cfg.Site.Show(w, r, page)
	return page.Kind, nil
}

// Page returns the page that Respond shows. waits is true for a user who waits for approval.
func (q *Requests) Page(ctx context.Context, waits bool, a Applicant) (web.Page, error) {
	user := a.Browser.User
	if waits {
		if _, err := q.Record(ctx, a.Browser, a.App); err != nil {
			return web.Page{}, err
		}
		return q.waiting(a), nil
	}
	request, found, err := q.find(ctx, user.ID, a.App.ID)
	if err != nil {
		return web.Page{}, err
	}
	page := a.Page
	page.App, page.User, page.Contact, page.Go = a.App.Name, web.UserOf(user), true, a.Continue
	switch {
	case access.IsRefused(user, a.App):
		page.Kind = web.AccessRefused
		if found && request.State == gateway.RequestRefused {
			page.Reason = request.Reason
		}
	case a.App.Access.Rule == gateway.AccessListed && found && request.State == gateway.RequestWaiting:
		return q.waiting(a), nil
	case a.App.Access.Rule == gateway.AccessListed:
		page.Kind, page.UserID = web.Refused, &web.UserID{ID: user.ID}
		if a.AtGateway != "" {
			page.Links = append(page.Links, web.Link{Label: web.LabelAskAccess, Go: a.AtGateway})
			break
		}
		page.Forms = append(page.Forms, web.Form{
			Action: q.path + pathAsk, Label: web.LabelAskAccess,
			Fields: map[string]string{"app": a.App.ID, "return": a.Continue},
		})
	default:
		page.Kind, page.UserID = web.Refused, &web.UserID{ID: user.ID}
	}
	return page, nil
}

// waiting returns the page of a user who waits. The page reloads at intervals. With the form for
// the name, a reload would delete what the user types. Then a script polls the state instead.
func (q *Requests) waiting(a Applicant) web.Page {
	user := a.Browser.User
	page := web.WaitingPage(a.App, user, a.Continue)
	page.Back, page.BackToApp, page.Home, page.Rejection = a.Page.Back, a.Page.BackToApp, a.Page.Home, a.Page.Rejection
	undecided := user.ProfileAt.IsZero() && !a.Browser.ProfileDeclined // neither shared nor declined
	if a.WantsProfile && undecided && a.AtGateway == "" && a.Browser.Method == gateway.MethodWeChat {
		page.Links = append(page.Links, web.Link{Label: web.LabelShareProfile,
			Go: q.path + session.ProfilePath + "?" + url.Values{"return": {a.Continue}}.Encode()})
	}
	switch {
	case !mayChangeName(user) && user.RealName == "": // no name to show, and none to ask for
	case a.AtGateway != "" && user.RealName == "":
		page.Links = append(page.Links, web.Link{Label: web.LabelGiveName, Go: a.AtGateway})
	case user.RealName != "":
		page.Name = &web.NameForm{Value: web.Shown(user.RealName, maxName), Given: true}
		if mayChangeName(user) && a.AtGateway == "" {
			page.Name.Change = q.nameURL(a.App.ID, a.Continue)
		}
	case asksName(a.Browser):
		q.addNameForm(&page, a.App.ID, a.Continue, "", "")
	}
	return page
}

// addNameForm adds the form for the name to a page that continues at page.Go.
func (q *Requests) addNameForm(page *web.Page, app, returnTo, typed, problem string) {
	fields := map[string]string{"app": app, "return": returnTo} // not shared: callers add fields to one form
	page.Name = &web.NameForm{Action: q.path + pathName, Fields: fields, Value: typed, Problem: problem}
	page.Forms = append(page.Forms, web.Form{
		Action: q.path + pathName, Label: web.LabelNotNow, Quiet: true,
		Fields: map[string]string{"app": app, "return": returnTo, "decline": "1"},
	})
	page.ContinueAfter = 0 // a reload would delete what the user types
	if app != "" {
		page.State = q.stateURL(app)
	}
}
