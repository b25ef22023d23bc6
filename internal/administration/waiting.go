package administration

import (
	"context"
	"strings"

	"github.com/weigate/weigate/internal/gateway"
)

// Outcome is what a list action did for one user. Users for whom the action is impossible are left
// as they are, and the others are changed.
type Outcome struct {
	UserID string       // as the caller gave it
	User   gateway.User // afterwards; zero with an error
	Err    error        // nil = done
}

// MaxListed is the highest number of users in one list action.
const MaxListed = 500

// each calls do for every id, in order. The actor is checked once.
func (s *Service) each(ctx context.Context, by Actor, ids []string,
	do func(id string) (gateway.User, error)) []Outcome {
	err := s.check(ctx, by)
	if err == nil && len(ids) > MaxListed {
		err = &FieldError{Field: "ids", Key: TooMany, Max: MaxListed}
	}
	var out []Outcome
	for _, id := range ids {
		one := Outcome{UserID: id, Err: err}
		if err == nil {
			one.User, one.Err = do(id)
		}
		out = append(out, one)
	}
	return out
}

// failed returns an outcome with err for every id.
func failed(ids []string, err error) []Outcome {
	var out []Outcome
	for _, id := range ids {
		out = append(out, Outcome{UserID: id, Err: err})
	}
	return out
}

// Waiting returns the access requests that wait, with their users, the oldest first.
func (s *Service) Waiting(ctx context.Context, q gateway.WaitingQuery) ([]gateway.WaitingUser, error) {
	return s.store.WaitingUsers(ctx, q)
}

// maxCounted is the number at which counting for display ends. Pages show "100+".
const maxCounted = 100

// CountWaiting returns the number of access requests that wait, but at most 100.
func (s *Service) CountWaiting(ctx context.Context) (int, error) {
	return s.store.CountWaiting(ctx, maxCounted)
}

// Approval describes what users are approved for.
type Approval struct {
	Apps   []string // ids of apps; empty = all apps: a user becomes Active
	Groups []string // groups that the users get in addition
}

// Approve approves users. A blocked user is not approved: the error is gateway.ErrBlocked.
func (s *Service) Approve(ctx context.Context, by Actor, ids []string, a Approval) []Outcome {
	apps, err := s.cleanApps(a.Apps)
	if err != nil {
		return failed(ids, err)
	}
	groups, err := CleanGroups(a.Groups)
	if err != nil {
		return failed(ids, err)
	}
	detail := "for " + appList(apps)
	if len(groups) > 0 {
		detail += "; groups added: " + strings.Join(groups, ", ")
	}
	return s.decide(ctx, by, ids, EventUserApproved, detail, gateway.AccessDecision{
		Apps: apps, Groups: groups, State: gateway.RequestApproved,
	})
}

// Refusal describes what users are refused for, and why.
type Refusal struct {
	Apps   []string // ids of apps; empty = all apps with a request that waits
	Reason string   // the users read it; "" = none
}

// Refuse refuses users. The errors of an outcome are those of gateway.AccessRequests.DecideAccess.
func (s *Service) Refuse(ctx context.Context, by Actor, ids []string, r Refusal) []Outcome {
	apps, err := s.cleanApps(r.Apps)
	if err != nil {
		return failed(ids, err)
	}
	reason, err := cleanParagraph("reason", r.Reason, MaxReason)
	if err != nil {
		return failed(ids, err)
	}
	detail := "for " + appList(apps)
	if len(apps) == 0 {
		detail = "every waiting request"
	}
	return s.decide(ctx, by, ids, EventUserRefused, withReason(detail, reason), gateway.AccessDecision{
		Apps: apps, Reason: reason, State: gateway.RequestRefused,
	})
}

// decide writes one decision about each user.
func (s *Service) decide(ctx context.Context, by Actor, ids []string, kind, detail string,
	d gateway.AccessDecision) []Outcome {
	return s.each(ctx, by, ids, func(id string) (gateway.User, error) {
		d.UserID, d.By, d.At = id, by.ID, s.cfg.Now()
		d.Event = s.event(by, kind, detail)
		if len(d.Apps) == 1 {
			d.Event.App = d.Apps[0]
		}
		return s.store.DecideAccess(ctx, d)
	})
}

// appList describes apps for an event.
func appList(apps []string) string {
	if len(apps) == 0 {
		return "all apps"
	}
	return strings.Join(apps, ", ")
}

// reasonBegins begins the last item of a detail.
const reasonBegins = "reason: "

// withReason adds a reason to the detail of an event. The detail is one line.
func withReason(detail, reason string) string {
	if reason == "" {
		return detail
	}
	return strings.TrimPrefix(detail+"; "+reasonBegins, "; ") + gateway.CleanLine(reason)
}
