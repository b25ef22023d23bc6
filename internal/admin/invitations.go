package admin

import (
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	go_qr "github.com/piglig/go-qr"

	"github.com/weigate/weigate/internal/administration"
	"github.com/weigate/weigate/internal/gateway"
	"github.com/weigate/weigate/internal/web"
)

// moveLinkTime is how long a move link is valid. With it, a user continues in another WeChat
// account.
const moveLinkTime = 24 * time.Hour

// lifetimes are the lifetimes of an invitation that the form offers, in hours.
var lifetimes = []int{24, 7 * 24, 30 * 24, 90 * 24}

// adminLifetimes are the lifetimes of a link that makes its user an administrator, in hours.
var adminLifetimes = []int{1, 4, 24}

// linkLifetimes are the lifetimes, in hours, that the form offers an administrator who has signed
// in by link, without WeChat. They are at most administration.MaxLinkExpiry.
var linkLifetimes = []int{1, 4, 24}

// invitationsPage is the list of invitations.
type invitationsPage struct {
	*screen
	Rows        []invitationRow
	First, Next string // addresses of the first and the next page; "" = no link
}

// invitationRow is an invitation with its state.
type invitationRow struct {
	gateway.Invitation
	State administration.InvitationState
}

func invitationRowOf(v *visit, i gateway.Invitation) invitationRow {
	return invitationRow{Invitation: i, State: administration.StateOf(i, v.now)}
}

// invitations serves the list, newest first.
func (h *Handler) invitations(v *visit) error {
	q := gateway.InvitationQuery{Limit: pageRows + 1}
	q.Before, q.BeforeID = position(v)
	list, err := h.cfg.Service.Invitations(v.r.Context(), q)
	if err != nil {
		return err
	}
	p := invitationsPage{screen: h.screen(v)}
	if !q.Before.IsZero() {
		p.First = h.root + "/invitations"
	}
	if len(list) > pageRows {
		list = list[:pageRows]
		p.Next = h.root + "/invitations" + afterPosition(list[pageRows-1].CreatedAt, list[pageRows-1].ID)
	}
	for _, i := range list {
		p.Rows = append(p.Rows, invitationRowOf(v, i))
	}
	return h.show(v, "invitations", "invitations.title", p)
}

// position returns the position after which a page begins: the time and the id of a row. The page's
// address has it; a zero time = the list begins with the newest row.
func position(v *visit) (at time.Time, id string) {
	text, id, _ := strings.Cut(v.r.URL.Query().Get("after"), " ")
	if micro, err := strconv.ParseInt(text, 36, 64); err == nil && micro > 0 && micro <= maxMicro && id != "" {
		return time.UnixMicro(micro).UTC(), id
	}
	return time.Time{}, ""
}

// afterPosition returns the query string for the page that begins after a row; see position.
func afterPosition(at time.Time, id string) string {
	return "?after=" + url.QueryEscape(strconv.FormatInt(at.UnixMicro(), 36)+" "+id)
}

// invitationPage is one invitation with a page of its uses.
type invitationPage struct {
	*screen
	invitationRow
	UsedBy      []gateway.InvitationUse
	People      people
	First, Next string // addresses of the first and the next page; "" = no link
}

// invitation serves the page of one invitation: who has used it, and when.
func (h *Handler) invitation(v *visit) error {
	q := gateway.InvitationUseQuery{ID: v.r.PathValue("id"), Limit: pageRows + 1}
	q.Before, q.BeforeUser = position(v)
	i, uses, err := h.cfg.Service.Invitation(v.r.Context(), q)
	if err != nil {
		return err
	}
	p := invitationPage{screen: h.screen(v), invitationRow: invitationRowOf(v, i), UsedBy: uses}
	if !q.Before.IsZero() {
		p.First = h.root + "/invitations/" + i.ID
	}
	if len(uses) > pageRows {
		p.UsedBy = uses[:pageRows]
		last := p.UsedBy[pageRows-1]
		p.Next = h.root + "/invitations/" + i.ID + afterPosition(last.At, last.UserID)
	}
	ids := []string{i.CreatedBy}
	for _, use := range p.UsedBy {
		ids = append(ids, use.UserID)
	}
	if p.People, err = h.people(v, ids); err != nil {
		return err
	}
	return h.write(v, web.Document{
		View: "invitation", Title: h.text(v, "invitation.title"), Trail: h.trail(v, "invitations"), Data: p,
	})
}

func (h *Handler) revokeInvitation(v *visit) error {
	if err := h.cfg.Service.RevokeInvitation(v.r.Context(), h.by(v), v.r.PathValue("id")); err != nil {
		return err
	}
	h.done(v, h.root+"/invitations", "revoke_invitation", 1)
	return nil
}

// inviteForm is the form of a new invitation.
type inviteForm struct {
	*screen
	Admin     bool // the link makes an administrator
	Lifetimes []lifetime
	Uses      string // how often the link works, as typed; "0" = no limit
	Scope     string // scopeAll or scopeApps
	Apps      []administration.App
	Chosen    []string
	Groups    string
	Note      string
	Problems  problems
}

// scopeApps is the scope of an invitation to some apps only.
const scopeApps = "apps"

// lifetime is a lifetime that the form offers.
type lifetime struct {
	Hours    int
	Ends     time.Time
	Selected bool
}

// inviteForm reads the values of the form: from the form, or, after a sign-in that interrupted the
// form, from the address.
func (h *Handler) inviteForm(v *visit, admin bool) inviteForm {
	get := v.r.FormValue
	f := inviteForm{
		screen: h.screen(v), Admin: admin, Uses: get("max_uses"), Scope: get("scope"), Apps: h.cfg.Service.Apps(),
		Chosen: v.r.Form["apps"], Groups: get("groups"), Note: get("note"), Problems: problems{},
	}
	if f.Uses == "" {
		f.Uses = "1"
	}
	if f.Scope == "" {
		f.Scope = scopeAll
	}
	choices, selected := lifetimes, 7*24
	switch {
	case admin:
		choices, selected = adminLifetimes, 1
	case f.Link: // signed in by link
		choices, selected = linkLifetimes, 24
	}
	if hours, ok := number(get("hours"), 1, 24*366); ok && slices.Contains(choices, hours) {
		selected = hours
	}
	for _, hours := range choices {
		f.Lifetimes = append(f.Lifetimes, lifetime{
			Hours: hours, Ends: v.now.Add(time.Duration(hours) * time.Hour), Selected: hours == selected,
		})
	}
	return f
}

func (h *Handler) askInvite(v *visit) error {
	return h.showInvite(v, http.StatusOK, h.inviteForm(v, false))
}

func (h *Handler) askInviteAdmin(v *visit) error {
	return h.showInvite(v, http.StatusOK, h.inviteForm(v, true))
}

func (h *Handler) showInvite(v *visit, status int, f inviteForm) error {
	title := "invite.title"
	if f.Admin {
		title = "invite_admin.title"
	}
	return h.write(v, web.Document{
		View: "invite", Title: h.text(v, title), Status: status, Data: f, Trail: h.trail(v, "invitations"),
	})
}

func (h *Handler) invite(v *visit) error      { return h.makeInvitation(v, h.inviteForm(v, false)) }
func (h *Handler) inviteAdmin(v *visit) error { return h.makeInvitation(v, h.inviteForm(v, true)) }

// makeInvitation makes an invitation and shows its link once. What the link grants comes from this
// form only: the link itself has nothing but its secret.
func (h *Handler) makeInvitation(v *visit, f inviteForm) error {
	invite := administration.Invite{Kind: gateway.InviteUser, Note: f.Note, Groups: splitList(f.Groups)}
	for _, each := range f.Lifetimes {
		if each.Selected {
			invite.Expires = time.Duration(each.Hours) * time.Hour
		}
	}
	uses, ok := number(f.Uses, 0, administration.MaxUses)
	if !ok {
		f.Problems["max_uses"] = h.text(v, "problem.uses", "n", administration.MaxUses)
	}
	invite.MaxUses = uses
	if f.Scope == scopeApps {
		invite.Apps = f.Chosen
		if len(f.Chosen) == 0 { // an empty list would open all apps
			f.Problems["apps"] = h.text(v, "problem.no_app")
		}
	}
	if f.Admin {
		invite = administration.Invite{
			Kind: gateway.InviteAdmin, Note: f.Note, Expires: invite.Expires,
		}
		// This form has neither field.
		delete(f.Problems, "max_uses")
		delete(f.Problems, "apps")
	}
	if len(f.Problems) > 0 {
		return h.showInvite(v, http.StatusBadRequest, f)
	}
	made, link, err := h.cfg.Service.Invite(v.r.Context(), h.by(v), invite)
	if f.Problems = h.problemsOf(v, err); len(f.Problems) > 0 {
		return h.showInvite(v, http.StatusBadRequest, f)
	}
	if err != nil {
		return err
	}
	return h.showLink(v, made, link)
}

// linkPage shows the link of a new invitation, once.
type linkPage struct {
	*screen
	Invitation gateway.Invitation
	Link       string
	Code       *web.Code
}

func (h *Handler) showLink(v *visit, made gateway.Invitation, link string) error {
	code, err := drawCode(link)
	if err != nil {
		return err
	}
	return h.write(v, web.Document{
		View: "link", Title: h.text(v, "link.title"), Trail: h.trail(v, "invitations"),
		Data: linkPage{screen: h.screen(v), Invitation: made, Link: link, Code: code},
	})
}

// quietZone is the width of the white margin that QR code readers need, in modules (squares).
const quietZone = 4

// drawCode returns the QR code of a link as the path of an SVG image.
func drawCode(link string) (*web.Code, error) {
	code, err := go_qr.EncodeText(link, go_qr.Medium)
	if err != nil {
		return nil, fmt.Errorf("admin: draw the code: %w", err)
	}
	var path strings.Builder
	for y := range code.Size() {
		for x := range code.Size() {
			if code.Module(x, y) {
				fmt.Fprintf(&path, "M%d %dh1v1h-1z", x+quietZone, y+quietZone)
			}
		}
	}
	return &web.Code{Size: code.Size() + 2*quietZone, Path: path.String(), Link: link}, nil
}
