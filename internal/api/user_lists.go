package api

import (
	"errors"
	"fmt"
	"net/http"

	"github.com/weigate/weigate/internal/administration"
	"github.com/weigate/weigate/internal/gateway"
	"github.com/weigate/weigate/internal/limit"
)

// adminsLeft is the sentence about sparingAdmins in the OpenAPI document.
const adminsLeft = " Administrators are left with missing_scope unless the key also has admins:write."

var userListOperations = []operation{
	{
		id: "blockUsers", method: http.MethodPost, path: "/users/block", scope: administration.ScopeUsersWrite,
		body: Block{}, answer: Outcomes{}, list: true, codes: listCodes, serve: (*Handler).blockUsers,
		summary: "Block users",
		text: "For off-boarding. All sessions, codes and tokens of the users end in the same moment, apps with " +
			"back-channel logout are told, and no sign-in lets the users in again. Blocking a blocked user is not an error." +
			adminsLeft,
	},
	{
		id: "unblockUsers", method: http.MethodPost, path: "/users/unblock", scope: administration.ScopeUsersWrite,
		body: Users{}, answer: Outcomes{}, list: true, codes: listCodes, serve: (*Handler).unblockUsers,
		summary: "Unblock users",
		text: "The users need approval again, also for apps that were allowed one by one; their groups stay. " +
			"Users without a block stay as they are." + adminsLeft,
	},
	{
		id: "signOutUsers", method: http.MethodPost, path: "/users/sign-out", scope: administration.ScopeUsersWrite,
		body: Users{}, answer: Outcomes{}, list: true, codes: listCodes, serve: (*Handler).signOutUsers,
		summary: "Sign users out everywhere",
		text:    "The users can sign in again." + adminsLeft,
	},
}

var waitingOperations = []operation{
	{
		id: "listWaiting", method: http.MethodGet, path: "/waiting", scope: administration.ScopeWaitingRead,
		query:  join([]parameter{{name: "app", doc: "id of the app", like: "wiki"}}, pageParameters),
		answer: WaitingPage{}, serve: (*Handler).listWaiting,
		summary: "List the users who wait for approval",
	},
	{
		id: "countWaiting", method: http.MethodGet, path: "/waiting/count", scope: administration.ScopeWaitingRead,
		answer: WaitingCount{}, serve: (*Handler).countWaiting,
		summary: "Count the requests that wait",
	},
	{
		id: "approveUsers", method: http.MethodPost, path: "/waiting/approve", scope: administration.ScopeWaitingWrite,
		body: Approval{}, answer: Outcomes{}, list: true, codes: listCodes, serve: (*Handler).approveUsers,
		summary: "Approve users for some apps or for all",
		text:    "The users need not wait. Approving again is not an error." + adminsLeft,
	},
	{
		id: "refuseUsers", method: http.MethodPost, path: "/waiting/refuse", scope: administration.ScopeWaitingWrite,
		body: Refusal{}, answer: Outcomes{}, list: true, codes: listCodes, serve: (*Handler).refuseUsers,
		summary: "Refuse users for some apps or for all that they wait for",
		text:    adminsLeft[1:],
	},
}

// listCodes are the codes of an operation on a list. If no row was done, the code is that of the
// first row.
var listCodes = []string{"not_found", "self", "last_admin", "user_blocked", "conflict"}

func (h *Handler) blockUsers(c *call) (any, error) {
	b := c.body.(*Block)
	return c.onList(b.Users, func(ids []string) []administration.Outcome {
		var out []administration.Outcome
		for _, id := range ids {
			if err := h.guardSelf(c, id); err != nil {
				out = append(out, administration.Outcome{UserID: id, Err: err})
				continue
			}
			out = append(out, h.cfg.Service.Block(c.ctx, c.by, []string{id}, b.Reason)...)
		}
		return out
	})
}

func (h *Handler) unblockUsers(c *call) (any, error) {
	return c.onList(c.body.(*Users).Users, func(ids []string) []administration.Outcome {
		out := h.cfg.Service.Unblock(c.ctx, c.by, ids)
		for i, each := range out {
			if !errors.Is(each.Err, administration.ErrNotBlocked) {
				continue
			}
			// The user is not blocked, as the caller wants: a repeated request succeeds.
			out[i].User, out[i].Err = h.cfg.Service.Find(c.ctx, each.UserID)
		}
		return out
	})
}

func (h *Handler) signOutUsers(c *call) (any, error) {
	return c.onList(c.body.(*Users).Users, func(ids []string) []administration.Outcome {
		return h.cfg.Service.SignOut(c.ctx, c.by, ids)
	})
}

func (h *Handler) listWaiting(c *call) (any, error) {
	at := c.after()
	waiting, err := h.cfg.Service.Waiting(c.ctx, gateway.WaitingQuery{
		App: c.text("app"), After: at.Time, AfterUser: at.ID, AfterApp: at.App, Limit: c.limit() + 1,
	})
	if err != nil {
		return nil, err
	}
	waiting, next := pageOf(waiting, c.limit(), func(w gateway.WaitingUser) cursor {
		return cursor{ID: w.Request.UserID, App: w.Request.App, Time: w.Request.RequestedAt}
	})
	return WaitingPage{Waiting: convert(waiting, waitingOf), Next: next}, nil
}

func (h *Handler) countWaiting(c *call) (any, error) {
	n, err := h.cfg.Service.CountWaiting(c.ctx)
	return WaitingCount{Count: n}, err
}

func (h *Handler) approveUsers(c *call) (any, error) {
	b := c.body.(*Approval)
	return c.onList(b.Users, func(ids []string) []administration.Outcome {
		return h.cfg.Service.Approve(c.ctx, c.by, ids, administration.Approval{Apps: b.Apps, Groups: b.Groups})
	})
}

func (h *Handler) refuseUsers(c *call) (any, error) {
	b := c.body.(*Refusal)
	return c.onList(b.Users, func(ids []string) []administration.Outcome {
		return h.cfg.Service.Refuse(c.ctx, c.by, ids, administration.Refusal{Apps: b.Apps, Reason: b.Reason})
	})
}

// onList runs an operation on a list of users. A row is one user of the list. onList returns the
// outcomes, with status 207 if some rows were left. If no row was done, it returns the problem of
// the first row: so a program that looks at the status alone does not take a failure for success.
func (c *call) onList(ids []string, act func(ids []string) []administration.Outcome) (any, error) {
	switch {
	case len(ids) == 0:
		return nil, fieldProblem("invalid_value", "users", "must have at least one id")
	case len(ids) > limit.APIUsers.Max:
		return nil, fieldProblem("invalid_value", "users", fmt.Sprintf("must not have more than %d ids", limit.APIUsers.Max))
	}
	out := Outcomes{Outcomes: []Outcome{}}
	var first error
	for _, each := range c.sparingAdmins(ids, act) {
		if each.Err == nil {
			out.Done++
			out.Outcomes = append(out.Outcomes, Outcome{UserID: each.UserID, Done: true, Status: string(each.User.Status)})
			continue
		}
		p := problemOf(each.Err)
		if p.Status >= http.StatusInternalServerError || len(p.Errors) > 0 {
			return nil, each.Err // a fault of the store, or a value that is wrong for all rows
		}
		out.Left++
		if first == nil {
			first = each.Err
		}
		out.Outcomes = append(out.Outcomes, Outcome{UserID: each.UserID, Code: p.Code, Detail: p.describe()})
	}
	switch {
	case out.Done == 0:
		p := *problemOf(first)
		p.Outcomes = out.Outcomes
		return nil, &p
	case out.Left > 0:
		c.status = http.StatusMultiStatus
	}
	return out, nil
}

// sparingAdmins runs act on the users whom the key may change, and returns the outcomes of all
// users in the order of ids. Administrators are not changed unless the key has admins:write.
func (c *call) sparingAdmins(ids []string, act func(ids []string) []administration.Outcome) []administration.Outcome {
	var allowed []string
	outcomes := make([]administration.Outcome, len(ids))
	for i, id := range ids {
		err := c.handler.guardAdmins(c, id)
		if err == nil || errors.Is(err, gateway.ErrNotFound) || errors.Is(err, administration.ErrAmbiguous) {
			allowed = append(allowed, id) // act has an outcome for ids that do not exist
			continue
		}
		outcomes[i] = administration.Outcome{UserID: id, Err: err}
	}
	if len(allowed) == 0 {
		return outcomes
	}
	changed := act(allowed) // an outcome for each id of allowed, in this order
	for i := range outcomes {
		if outcomes[i].Err == nil {
			outcomes[i], changed = changed[0], changed[1:]
		}
	}
	return outcomes
}

// describe returns the detail of a problem, or its title.
func (p *Problem) describe() string {
	if p.Detail != "" {
		return p.Detail
	}
	return p.Title
}
