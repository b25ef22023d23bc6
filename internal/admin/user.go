package admin

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/weigate/weigate/internal/access"
	"github.com/weigate/weigate/internal/administration"
	"github.com/weigate/weigate/internal/gateway"
	"github.com/weigate/weigate/internal/session"
	"github.com/weigate/weigate/internal/web"
)

// userPage is the page of one user.
type userPage struct {
	*screen
	User       gateway.User
	Self       bool // the administrator's own user
	Identities []gateway.Identity
	Sessions   []sessionRow
	Requests   []requestRow // that wait
	Apps       []appRow
	JoinedIDs  []string        // ids of users who were joined into this user
	Events     []gateway.Event // the newest
	People     people
	LastSeen   time.Time // latest sign-in at WeChat
	Stamp      string    // version of the user as shown: see stamp
	Edit       editForm
	Block      blockForm
}

// sessionRow is a session of the user.
type sessionRow struct {
	administration.Session
	AppName string // of the app that required the sign-in by scan
	Current bool   // the session of this page
}

// requestRow is an access request of the user.
type requestRow struct {
	gateway.AccessRequest
	AppName string
}

// appRow is an app, and whether the user may use it.
type appRow struct {
	ID, Name string
	Decision string // key of a text: decision.DECISION
	Own      string // an administrator's decision about this user: allowed or refused; "" = none
	Subject  string // id by which the app knows the user; "" = the app has never received one
}

// editForm has the editable fields of a user.
type editForm struct {
	RealName, Note, Groups string
	Apps                   map[string]string // app → "", allowed or refused
	Problems               problems
	Conflict               *gateway.User // the present values, when somebody changed the user meanwhile
}

// blockForm has the reason to block.
type blockForm struct {
	Reason   string
	Problems problems
}

// stamp is the version of a user in a form: when the user was last changed.
func stamp(u gateway.User) string { return u.UpdatedAt.UTC().Format(time.RFC3339Nano) }

// readStamp is the reverse of stamp. It returns errInput for a form without a valid version: the
// page of the user does not send such a form.
func readStamp(text string) (time.Time, error) {
	t, err := time.Parse(time.RFC3339Nano, text)
	if err != nil || t.IsZero() {
		return time.Time{}, errInput
	}
	return t, nil
}

// user serves the page of one user. For the id of a user who was joined into another user, it
// redirects to the page of that other user.
func (h *Handler) user(v *visit) error { return h.showUser(v, http.StatusOK, v.r.PathValue("id"), nil) }

// showUser writes the page of a user. change can change the page before; nil = no change.
func (h *Handler) showUser(v *visit, status int, id string, change func(*userPage)) error {
	d, err := h.cfg.Service.Details(v.r.Context(), id)
	if err != nil {
		return err
	}
	if status == http.StatusOK && d.User.ID != id {
		h.redirect(v, h.userPath(d.User.ID))
		return nil
	}
	p := userPage{
		screen: h.screen(v), User: d.User, Self: d.User.ID == v.browser.User.ID, Identities: d.Identities,
		JoinedIDs: d.JoinedIDs, Events: d.Events, Stamp: stamp(d.User),
		Edit: editForm{
			RealName: d.User.RealName, Note: d.User.Note, Groups: strings.Join(d.User.Groups, ", "),
			Apps: map[string]string{},
		},
	}
	for _, identity := range d.Identities {
		if identity.SeenAt.After(p.LastSeen) {
			p.LastSeen = identity.SeenAt
		}
	}
	for _, s := range d.Sessions {
		p.Sessions = append(p.Sessions, sessionRow{
			Session: s, AppName: h.appName(s.App), Current: s.ID == session.FormID(v.browser.Hash),
		})
	}
	for _, request := range d.Requests {
		if request.State == gateway.RequestWaiting {
			p.Requests = append(p.Requests, requestRow{AccessRequest: request, AppName: h.appName(request.App)})
		}
	}
	if p.People, err = h.people(v, eventUsers(d.Events)); err != nil {
		return err
	}
	if p.Apps, err = h.appRows(v.r.Context(), d); err != nil {
		return err
	}
	for _, app := range p.Apps {
		p.Edit.Apps[app.ID] = app.Own
	}
	if change != nil {
		change(&p)
	}
	return h.write(v, web.Document{View: "user", Status: status, Title: h.text(v, "user.title"), Data: p})
}

func (h *Handler) userPath(id string) string { return h.root + "/users/" + id }

// knownIdentities are the identities of a user that have been read already.
type knownIdentities []gateway.Identity

// Identities implements access.Identities.
func (k knownIdentities) Identities(context.Context, string) ([]gateway.Identity, error) {
	return k, nil
}

// appRows returns whether the user may use each app, by the rules that decide at a sign-in.
func (h *Handler) appRows(ctx context.Context, d administration.Details) ([]appRow, error) {
	var rows []appRow
	rules := access.Rules{Identities: knownIdentities(d.Identities)}
	for _, app := range h.cfg.Service.Apps() {
		decision, err := rules.Decide(ctx, d.User, app.App)
		if err != nil {
			return nil, err
		}
		row := appRow{ID: app.ID, Name: app.Name, Decision: "denied"}
		switch decision {
		case access.Allowed:
			row.Decision = "allowed"
		case access.Pending:
			row.Decision = "waiting"
		}
		switch {
		case slices.Contains(d.User.RefusedApps, app.ID):
			row.Own, row.Decision = "refused", "refused"
		case slices.Contains(d.User.AllowedApps, app.ID):
			row.Own = "allowed"
		}
		for _, pin := range d.Pins {
			if pin.App == app.ID {
				row.Subject = pin.Subject
			}
		}
		rows = append(rows, row)
	}
	return rows, nil
}

// edit serves the form of names, note, groups and apps.
func (h *Handler) edit(v *visit) error {
	form, id := v.r.PostForm, v.r.PathValue("id")
	seen, err := readStamp(form.Get("stamp")) // the version that the administrator saw
	if err != nil {
		return err
	}
	typed := editForm{
		RealName: form.Get("real_name"), Note: form.Get("note"), Groups: form.Get("groups"), Apps: map[string]string{},
	}
	// The form has the apps that were configured when it was shown. A decision about another app stays.
	present, err := h.cfg.Service.Details(v.r.Context(), id)
	if err != nil {
		return err
	}
	allowed, refused := slices.Clone(present.User.AllowedApps), slices.Clone(present.User.RefusedApps)
	for _, app := range h.cfg.Service.Apps() {
		if !form.Has("app " + app.ID) {
			continue
		}
		own := form.Get("app " + app.ID)
		typed.Apps[app.ID] = own
		allowed = slices.DeleteFunc(allowed, func(id string) bool { return id == app.ID })
		refused = slices.DeleteFunc(refused, func(id string) bool { return id == app.ID })
		switch own {
		case "allowed":
			allowed = append(allowed, app.ID)
		case "refused":
			refused = append(refused, app.ID)
		}
	}
	slices.Sort(allowed)
	slices.Sort(refused)
	groups := splitList(typed.Groups)
	user, err := h.cfg.Service.Edit(v.r.Context(), h.by(v), id, administration.Edit{
		RealName: &typed.RealName, Note: &typed.Note, Groups: &groups, AllowedApps: &allowed, RefusedApps: &refused,
	}, seen)
	return h.edited(v, id, typed, user, err)
}

// edited responds to the form of edit: with the page of the user, or with the form and its
// problems.
func (h *Handler) edited(v *visit, id string, typed editForm, user gateway.User, err error) error {
	if err == nil {
		h.done(v, h.userPath(user.ID), "edit", 1)
		return nil
	}
	problems := h.problemsOf(v, err)
	status := http.StatusBadRequest
	if len(problems) == 0 {
		if !errors.Is(err, gateway.ErrConflict) {
			return err
		}
		status = http.StatusConflict
	}
	return h.showUser(v, status, id, func(p *userPage) {
		present := p.User
		p.Edit, p.Edit.Problems = typed, problems
		if len(problems) == 0 {
			p.Edit.Conflict = &present
		}
	})
}

// decideUser serves the buttons of an access request on the page of the user.
func (h *Handler) decideUser(v *visit) error {
	form, id := v.r.PostForm, v.r.PathValue("id")
	var outcomes []administration.Outcome
	var apps []string
	if app := form.Get("app"); app != "" {
		apps = []string{app}
	}
	act := form.Get("act")
	switch act {
	case "approve":
		outcomes = h.cfg.Service.Approve(v.r.Context(), h.by(v), []string{id}, administration.Approval{Apps: apps})
	case "refuse":
		outcomes = h.cfg.Service.Refuse(v.r.Context(), h.by(v), []string{id}, administration.Refusal{
			Apps: apps, Reason: form.Get("reason"),
		})
	default:
		return errInput
	}
	return h.finish(v, outcomes, act)
}

// finish responds to an act on one user: with the page of the user, or with the error.
func (h *Handler) finish(v *visit, outcomes []administration.Outcome, act string) error {
	for _, o := range outcomes {
		if o.Err != nil {
			return o.Err
		}
	}
	h.done(v, h.userPath(v.r.PathValue("id")), act, len(outcomes))
	return nil
}

// block serves the emergency button: it blocks the user, ends all sessions and grants, and records
// the reason, in one transaction.
func (h *Handler) block(v *visit) error {
	id, reason := v.r.PathValue("id"), v.r.PostForm.Get("reason")
	outcomes := h.cfg.Service.Block(v.r.Context(), h.by(v), []string{id}, reason)
	if problems := h.problemsOf(v, inputProblem(outcomes)); len(problems) > 0 {
		return h.showUser(v, http.StatusBadRequest, id, func(p *userPage) {
			p.Block = blockForm{Reason: reason, Problems: problems}
		})
	}
	return h.finish(v, outcomes, "block")
}

func (h *Handler) unblock(v *visit) error {
	ids := []string{v.r.PathValue("id")}
	return h.finish(v, h.cfg.Service.Unblock(v.r.Context(), h.by(v), ids), "unblock")
}

func (h *Handler) signOut(v *visit) error {
	ids := []string{v.r.PathValue("id")}
	return h.finish(v, h.cfg.Service.SignOut(v.r.Context(), h.by(v), ids), "sign_out")
}

// endSession ends one session. The form has a value that does not reveal the hash of the session.
func (h *Handler) endSession(v *visit) error {
	id := v.r.PathValue("id")
	err := h.cfg.Service.EndSession(v.r.Context(), h.by(v), id, v.r.PostForm.Get("session"))
	if err != nil && !errors.Is(err, gateway.ErrNotFound) { // not found: the session has ended already
		return err
	}
	h.done(v, h.userPath(id), "end_session", 1)
	return nil
}
