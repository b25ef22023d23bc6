package admin

import (
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/weigate/weigate/internal/administration"
	"github.com/weigate/weigate/internal/gateway"
	"github.com/weigate/weigate/internal/web"
)

// waitingPage is the page of the users who wait for approval.
type waitingPage struct {
	*screen
	Rows      []waitingRow
	App       string // the filter: requests for this app; "" = all requests
	Apps      []administration.App
	Next      string   // cursor of the next page; "" = this is the last
	Elsewhere []string // keys of rows selected on other pages
	Form      decisionForm
	Left      []leftRow // rows that an action could not change
	Done      int       // how many rows the action changed
	Acted     bool      // the page shows the results of an action
}

// waitingRow is one request.
type waitingRow struct {
	gateway.WaitingUser
	Key      string // identifies the row in forms
	AppName  string
	Selected bool
}

// decisionForm has what the administrator typed below the list.
type decisionForm struct {
	Groups, Reason string
	Scope          string // scopeAll or scopeApp
	Problems       problems
}

// The scopes of a decision.
const (
	scopeAll = "all" // all apps that require approval
	scopeApp = "app" // the app that was asked for
)

// leftRow is a row that an action could not change.
type leftRow struct {
	User   gateway.User
	Reason string // key of a text: reason.REASON
}

// waitingKey identifies a request in forms: user id and app.
func waitingKey(r gateway.AccessRequest) string { return r.UserID + " " + r.App }

// waitingCursor returns the cursor that the address of the next page has. r is the last request of
// this page.
func waitingCursor(r gateway.AccessRequest) string {
	return strconv.FormatInt(r.RequestedAt.UnixMicro(), 36) + " " + waitingKey(r)
}

// readWaitingCursor is the reverse of waitingCursor: it sets the position in q. With an invalid
// cursor, the list begins with the oldest request.
func readWaitingCursor(q *gateway.WaitingQuery, cursor string) {
	parts := strings.SplitN(cursor, " ", 3)
	if len(parts) != 3 {
		return
	}
	micro, err := strconv.ParseInt(parts[0], 36, 64)
	if err != nil || micro <= 0 || micro > maxMicro {
		return
	}
	q.After = time.UnixMicro(micro).UTC()
	q.AfterUser, q.AfterApp = gateway.CleanLine(parts[1]), gateway.CleanLine(parts[2])
}

// waiting serves the page of the users who wait.
func (h *Handler) waiting(v *visit) error {
	return h.showWaiting(v, http.StatusOK, waitingPage{Form: decisionForm{Scope: scopeAll}})
}

// showWaiting completes a page with the requests that wait, and writes it.
func (h *Handler) showWaiting(v *visit, status int, p waitingPage) error {
	query := v.r.URL.Query()
	q := gateway.WaitingQuery{App: gateway.CleanLine(query.Get("app")), Limit: pageRows + 1}
	readWaitingCursor(&q, query.Get("after"))
	rows, err := h.cfg.Service.Waiting(v.r.Context(), q)
	if err != nil {
		return err
	}
	p.screen, p.App, p.Apps = h.screen(v), q.App, h.cfg.Service.Apps()
	if len(rows) > pageRows {
		rows = rows[:pageRows]
		p.Next = waitingCursor(rows[pageRows-1].Request)
	}
	selected := selection(v.r)
	for _, row := range rows {
		key := waitingKey(row.Request)
		p.Rows = append(p.Rows, waitingRow{
			WaitingUser: row, Key: key, AppName: h.appName(row.Request.App), Selected: slices.Contains(selected, key),
		})
	}
	for _, key := range selected {
		if !slices.ContainsFunc(p.Rows, func(row waitingRow) bool { return row.Key == key }) && !p.Acted {
			p.Elsewhere = append(p.Elsewhere, key)
		}
	}
	return h.write(v, web.Document{View: "waiting", Status: status, Title: h.text(v, "waiting.title"), Data: p})
}

// decide serves the form of the page: it approves or refuses one row or the selected rows, or shows
// another page of the list and keeps the selection.
func (h *Handler) decide(v *visit) error {
	form := v.r.PostForm
	if address, turn := h.turnedPage(v, "/waiting"); turn {
		h.redirect(v, address)
		return nil
	}
	p := waitingPage{Form: decisionForm{
		Groups: form.Get("groups"), Reason: form.Get("reason"), Scope: form.Get("scope"),
	}}
	act, keys := form.Get("act"), selection(v.r)
	if one := form.Get("one"); one != "" { // a button of one row: "ACT USER APP"; ACT may be approve_SCOPE
		act, one, _ = strings.Cut(one, " ")
		keys = []string{one}
		if scope, found := strings.CutPrefix(act, "approve_"); found {
			act, p.Form.Scope = "approve", scope
		}
	}
	if len(keys) == 0 {
		p.Form.Problems = problems{"sel": h.text(v, "problem.nobody_selected")}
		return h.showWaiting(v, http.StatusBadRequest, p)
	}
	outcomes, err := h.decideRows(v, act, keys, p.Form)
	if problems := h.problemsOf(v, err); len(problems) > 0 {
		p.Form.Problems = problems
		return h.showWaiting(v, http.StatusBadRequest, p)
	}
	if err != nil {
		return err
	}
	if p.Done, p.Left, err = h.results(v, outcomes); err != nil {
		return err
	}
	if len(p.Left) == 0 {
		h.doneTo(v, h.root+"/waiting", act, p.Done, usersOf(keys))
		return nil
	}
	p.Acted = true
	v.waiting, err = h.cfg.Service.CountWaiting(v.r.Context())
	if err != nil {
		return err
	}
	return h.showWaiting(v, http.StatusOK, p)
}

// usersOf returns the users of rows, each once.
func usersOf(keys []string) (users []string) {
	for _, key := range keys {
		if id, _, _ := strings.Cut(key, " "); !slices.Contains(users, id) {
			users = append(users, id)
		}
	}
	return users
}

// decideRows approves or refuses rows, with one call for all rows of an app. If the scope is all
// apps, one call is enough.
func (h *Handler) decideRows(v *visit, act string, keys []string, f decisionForm) ([]administration.Outcome, error) {
	byApp := map[string][]string{} // app → user ids; "" = all apps
	var order []string
	for _, key := range keys {
		id, app, found := strings.Cut(key, " ")
		if !found {
			return nil, errInput
		}
		if f.Scope != scopeApp {
			app = ""
		}
		if _, seen := byApp[app]; !seen {
			order = append(order, app)
		}
		if !slices.Contains(byApp[app], id) {
			byApp[app] = append(byApp[app], id)
		}
	}
	var all []administration.Outcome
	for _, app := range order {
		var apps []string
		if app != "" {
			apps = []string{app}
		}
		var outcomes []administration.Outcome
		switch act {
		case "approve":
			outcomes = h.cfg.Service.Approve(v.r.Context(), h.by(v), byApp[app], administration.Approval{
				Apps: apps, Groups: splitList(f.Groups),
			})
		case "refuse":
			outcomes = h.cfg.Service.Refuse(v.r.Context(), h.by(v), byApp[app], administration.Refusal{
				Apps: apps, Reason: f.Reason,
			})
		default:
			return nil, errInput
		}
		if err := inputProblem(outcomes); err != nil {
			return nil, err
		}
		all = append(all, outcomes...)
	}
	return all, nil
}
