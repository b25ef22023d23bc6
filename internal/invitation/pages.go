package invitation

import (
	"cmp"
	"context"
	"errors"
	"net/http"
	"slices"
	"strings"

	"github.com/weigate/weigate/internal/gateway"
	"github.com/weigate/weigate/internal/lang"
	"github.com/weigate/weigate/internal/qr"
	"github.com/weigate/weigate/internal/session"
	"github.com/weigate/weigate/internal/web"
)

// paramContinue is the query parameter with which the page's button begins a sign-in.
const paramContinue = "continue"

// Values of paramContinue.
const (
	continueSignIn = "1"     // a browser that is not signed in
	continueAgain  = "again" // a signed-in browser: as another user, or by another method
)

// show serves GET and HEAD. It changes nothing. It shows what the invitation does, or begins a
// sign-in. After the sign-in, the browser returns to the same page.
func (h *Handler) show(w http.ResponseWriter, r *http.Request) {
	v, ok := h.open(w, r)
	if !ok {
		return
	}
	if v.invalid {
		h.showInvalid(w, r, v)
		return
	}
	chosen := r.URL.Query().Get(paramContinue)
	if r.Method == http.MethodGet && (chosen == continueAgain || chosen == continueSignIn && !v.usable()) {
		h.signIn(w, r, v, chosen)
		return
	}
	page, err := h.page(r, v)
	if err != nil {
		h.cfg.Site.Error(w, r, err)
		return
	}
	h.cfg.Site.Show(w, r, page)
}

// usable reports whether the browser has a session with which its user may accept the invitation.
func (v visit) usable() bool {
	return v.signedIn && slices.Contains(methods(v.invitation.Kind), v.browser.Method)
}

// signIn begins a sign-in. Its address at WeChat does not contain the secret: the browser keeps the
// address of the page in a sealed cookie.
func (h *Handler) signIn(w http.ResponseWriter, r *http.Request, v visit, chosen string) {
	err := h.cfg.SignIn.Begin(w, r, session.LoginRequest{
		App:       gateway.App{Name: h.cfg.Site.Title(lang.FromRequest(r)), Methods: methods(v.invitation.Kind)},
		ReturnURL: v.address, RestartURL: v.address + "?" + paramContinue + "=" + chosen, CopyURL: v.address,
		CancelURL: v.address, Reauthenticate: chosen == continueAgain,
	})
	if err != nil {
		h.cfg.Site.Error(w, r, err)
	}
}

// page returns the page that shows what an invitation does.
func (h *Handler) page(r *http.Request, v visit) (web.Page, error) {
	i := v.invitation
	page := web.Page{
		Kind: kindOf(i.Kind), Secret: true, Home: h.path + "/",
		Invitation: &web.Invitation{Apps: h.appNames(i.Apps), Expires: i.ExpiresAt},
	}
	if i.Kind != gateway.InviteUser && i.UserID != "" {
		user, err := h.cfg.Store.User(r.Context(), i.UserID)
		if err != nil && !errors.Is(err, gateway.ErrNotFound) {
			return web.Page{}, err
		}
		page.Invitation.For = cmp.Or(user.DisplayName(), user.ID)
	}
	switch {
	case h.cfg.ChatOnly && i.Kind == gateway.InviteAdmin: // no sign-in of this gateway may accept the link
		page.Kind = web.InviteAdminOnly
		page.Forms = append(page.Forms, form(v, doWithoutWeChat, web.LabelEnterAdmin))
		return page, nil
	case v.usable():
		page.User = web.UserOf(v.browser.User)
		page.Forms = append(page.Forms, form(v, doAccept, web.LabelAccept))
		page.Links = append(page.Links, web.Link{Label: web.LabelOtherUser, Go: v.signInAgainURL()})
	case v.signedIn && v.browser.Method != gateway.MethodLink:
		page.Kind, page.User, page.Go = web.InviteMethod, web.UserOf(v.browser.User), v.signInAgainURL()
	case h.cfg.InWeChat(r):
		page.Go = v.address + "?" + paramContinue + "=" + continueSignIn
	default: // an ordinary browser: the phone with WeChat continues, or this browser
		code, err := qr.Draw(h.origin + v.address)
		if err != nil {
			return web.Page{}, err
		}
		page.Invitation.Code, page.Copy = code, code.Link
		page.Links = append(page.Links, web.Link{Label: web.LabelSignInHere,
			Go: v.address + "?" + paramContinue + "=" + continueSignIn})
	}
	if i.Kind == gateway.InviteAdmin {
		page.Forms = append(page.Forms, emergencyForm(v))
	}
	return page, nil
}

// signInAgainURL returns the address that signs the browser in again.
func (v visit) signInAgainURL() string { return v.address + "?" + paramContinue + "=" + continueAgain }

// form returns a button of the page. The button that accepts is valid only for the session of the
// user whom the page names.
func form(v visit, do, label string) web.Form {
	fields := map[string]string{fieldDo: do}
	if v.signedIn {
		fields[fieldSession] = session.FormID(v.browser.Hash)
	}
	return web.Form{Action: v.address, Label: label, Fields: fields}
}

// emergencyForm returns the button of the sign-in without WeChat. The button is below the buttons
// that most people need.
func emergencyForm(v visit) web.Form {
	f := form(v, doWithoutWeChat, web.LabelWithoutWeChat)
	f.Last = true
	return f
}

func kindOf(kind gateway.InvitationKind) web.Kind {
	switch kind {
	case gateway.InviteAdmin:
		return web.InviteAdmin
	case gateway.InviteMove:
		return web.InviteMove
	}
	return web.Invite
}

// appNames returns the names of apps, for display. It is "" for all apps.
func (h *Handler) appNames(ids []string) string {
	var names []string
	for _, id := range ids {
		name := id // of an app that is not configured any more
		if app, found := h.cfg.Apps(id); found {
			name = app.Name
		}
		names = append(names, name)
	}
	return strings.Join(names, ", ")
}

// showInvalid shows why an invitation cannot be used, and whom to ask. It has a link to the home
// page for users who have accepted the invitation already.
func (h *Handler) showInvalid(w http.ResponseWriter, r *http.Request, v visit) {
	i, now := v.invitation, h.cfg.Now()
	kind := web.InviteVoid
	switch {
	case !i.RevokedAt.IsZero():
		kind = web.InviteRevoked
	case !now.Before(i.ExpiresAt):
		kind = web.InviteExpired
	case i.MaxUses > 0 && i.Uses >= i.MaxUses:
		kind = web.InviteUsed
	}
	page := web.Page{Kind: kind, Contact: true, Secret: true, Home: h.path + "/",
		Rejection: web.Rejection{Request: "invitation"}}
	if v.signedIn && v.browser.Method == gateway.MethodLink && i.Kind == gateway.InviteAdmin {
		page.Go, page.Home = h.path+pathAdmin, "" // the button was pressed twice
	}
	h.cfg.Site.Show(w, r, page)
}

// refusedPart reports whether an administrator has refused a part of what an invitation gives to
// the user.
func refusedPart(i gateway.Invitation, u gateway.User) bool {
	if len(i.Apps) == 0 {
		return len(u.RefusedApps) > 0
	}
	return slices.ContainsFunc(i.Apps, func(app string) bool { return slices.Contains(u.RefusedApps, app) })
}

// showDone shows the result of an accepted invitation.
func (h *Handler) showDone(ctx context.Context, w http.ResponseWriter, r *http.Request, v visit, user gateway.User,
	used bool) {
	page := web.Page{Kind: web.InviteDone, User: web.UserOf(user), Go: h.path + "/", Secret: true}
	switch {
	case v.invitation.Kind == gateway.InviteAdmin:
		page.Kind, page.Go = web.InviteAdminDone, h.path+pathAdmin
	case v.invitation.Kind == gateway.InviteMove:
		page.Kind, page.User = web.InviteMoveDone, nil
	case !used:
		page.Kind = web.InviteKnown
	case refusedPart(v.invitation, user):
		page.Kind = web.InvitePartly
	}
	if used && user.RealName == "" && v.invitation.Kind != gateway.InviteMove {
		// The main button of the page continues without a name.
		page.Name = &web.NameForm{
			Action: h.path + pathName, Fields: map[string]string{"app": "", "return": page.Go},
		}
	}
	if v.invitation.Kind == gateway.InviteUser && len(v.invitation.Apps) == 1 {
		if app, found := h.cfg.Apps(v.invitation.Apps[0]); found && app.HomeURL != "" {
			page.GoToApp = web.ToApp(app.HomeURL, []string{app.HomeURL})
		}
	}
	h.cfg.Site.Show(w, r, page)
}
