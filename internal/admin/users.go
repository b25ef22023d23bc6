package admin

import (
	"net/http"
	"slices"

	"github.com/weigate/weigate/internal/administration"
	"github.com/weigate/weigate/internal/gateway"
	"github.com/weigate/weigate/internal/web"
)

// usersPage is the list of users.
type usersPage struct {
	*screen
	Search    gateway.UserSearch
	Statuses  []gateway.Status
	NoUnionID []administration.NoUnionID // of each connector
	Rows      []userRow
	Next      string   // position of the last user; "" = this is the last page
	Cut       bool     // the search has read gateway.MaxRead users and stopped: Next continues it
	Elsewhere []string // ids of users selected on other pages
	Filtered  bool     // the search has a condition
	Form      actForm
	Left      []leftRow // users whom an act could not change
	Done      int       // how many users the act changed
	Acted     bool      // the page shows the results of an act
}

// userRow is one user of the list.
type userRow struct {
	gateway.User
	Selected bool
}

// actForm has what the administrator typed below the list.
type actForm struct {
	Groups, Reason string
	Problems       problems
}

// statuses are the statuses that the filter offers.
var statuses = []gateway.Status{gateway.Active, gateway.Pending, gateway.Blocked}

// userSearch reads a search from a function such as url.Values.Get.
func userSearch(get func(string) string) gateway.UserSearch {
	q := gateway.UserSearch{
		Text: gateway.CleanLine(get("q")), Group: gateway.CleanLine(get("group")), Admin: get("admin") == "1",
		NoUnionID: gateway.CleanLine(get("no_unionid")), After: gateway.CleanLine(get("after")),
	}
	if status := gateway.Status(get("status")); status.Valid() {
		q.Status = status
	}
	return q
}

// users serves the list of users.
func (h *Handler) users(v *visit) error { return h.showUsers(v, http.StatusOK, usersPage{}) }

// showUsers completes a page with the users of the search, and writes it.
func (h *Handler) showUsers(v *visit, status int, p usersPage) error {
	p.Search, p.Statuses, p.screen = userSearch(v.r.URL.Query().Get), statuses, h.screen(v)
	q := p.Search
	p.Filtered = q.Text != "" || q.Group != "" || q.Admin || q.Status != "" || q.NoUnionID != ""
	q.Limit = pageRows + 1
	found, err := h.cfg.Service.Search(v.r.Context(), q)
	if problems := h.problemsOf(v, err); len(problems) > 0 {
		p.Form.Problems, status, err = problems, http.StatusBadRequest, nil
	}
	if err == nil {
		p.NoUnionID, err = h.cfg.Service.CountNoUnionID(v.r.Context())
	}
	if err != nil {
		return err
	}
	users := found.Users
	p.Next, p.Cut = found.Cut, found.Cut != "" // where the search stopped early; "" = it did not
	if len(users) > pageRows {
		users = users[:pageRows]
		p.Next = found.Positions[pageRows-1]
	}
	selected := selection(v.r)
	for _, u := range users {
		p.Rows = append(p.Rows, userRow{User: u, Selected: slices.Contains(selected, u.ID)})
	}
	for _, id := range selected {
		if !slices.ContainsFunc(users, func(u gateway.User) bool { return u.ID == id }) && !p.Acted {
			p.Elsewhere = append(p.Elsewhere, id)
		}
	}
	return h.write(v, web.Document{View: "users", Status: status, Title: h.text(v, "users.title"), Data: p})
}

// actOnUsers serves the form of the list: it changes the selected users, or shows another page of
// the list and keeps the selection.
func (h *Handler) actOnUsers(v *visit) error {
	if address, turn := h.turnedPage(v, "/users"); turn {
		h.redirect(v, address)
		return nil
	}
	form := v.r.PostForm
	p := usersPage{Form: actForm{Groups: form.Get("groups"), Reason: form.Get("reason")}}
	ids, act := selection(v.r), form.Get("act")
	if len(ids) == 0 {
		p.Form.Problems = problems{"sel": h.text(v, "problem.nobody_selected")}
		return h.showUsers(v, http.StatusBadRequest, p)
	}
	var outcomes []administration.Outcome
	ctx, by := v.r.Context(), h.by(v)
	switch act {
	case "approve":
		outcomes = h.cfg.Service.Approve(ctx, by, ids, administration.Approval{Groups: splitList(p.Form.Groups)})
	case "block":
		outcomes = h.cfg.Service.Block(ctx, by, ids, p.Form.Reason)
	case "unblock":
		outcomes = h.cfg.Service.Unblock(ctx, by, ids)
	case "sign_out":
		outcomes = h.cfg.Service.SignOut(ctx, by, ids)
	default:
		return errInput
	}
	if problems := h.problemsOf(v, inputProblem(outcomes)); len(problems) > 0 {
		p.Form.Problems = problems
		return h.showUsers(v, http.StatusBadRequest, p)
	}
	var err error
	if p.Done, p.Left, err = h.results(v, outcomes); err != nil {
		return err
	}
	if len(p.Left) == 0 {
		h.done(v, h.root+"/users", act, p.Done)
		return nil
	}
	p.Acted = true
	return h.showUsers(v, http.StatusOK, p)
}
