package storetest

import (
	"cmp"
	"errors"

	"github.com/weigate/weigate/internal/gateway"
)

// check tests the users in which the identities ended.
func (r *joinRun) check() {
	r.Helper()
	for _, err := range r.errs {
		r.Error(err)
	}
	classes := map[string][]int{}
	seen := map[string]bool{}
	contradictory := map[string]bool{}
	owner := map[string]string{}
	for i, v := range r.identities {
		classes[v.class()] = append(classes[v.class()], i)
		contradictory[v.class()] = contradictory[v.class()] || seen[v.class()+v.connector.appid]
		seen[v.class()+v.connector.appid] = true
		owner[v.connector.appid+" "+v.openid] = v.class()
	}
	if r.Failed() {
		return
	}
	for class, members := range classes {
		users := map[string]gateway.User{}
		for _, i := range members {
			a := r.checkIdentities(i, owner)
			users[a.ID] = a
		}
		for _, a := range users {
			r.checkRights(a, class)
		}
		if contradictory[class] {
			continue
		}
		if len(users) != 1 {
			r.Errorf("class %q is %d users, want 1", class, len(users))
			continue
		}
		for _, a := range users {
			r.checkOnlyUser(a, class, members)
		}
	}
	r.checkSubjects(classes)
}

// checkIdentities returns the user of identity i. It checks that the user's identities are of one
// class, no two of one appid, each with its first unionid.
func (r *joinRun) checkIdentities(i int, owner map[string]string) gateway.User {
	r.Helper()
	v := r.identities[i]
	a, err := r.handles[0].User(r.ctx, r.users[i])
	if err != nil {
		r.Fatal(err)
	}
	all, err := r.handles[0].Identities(r.ctx, a.ID)
	if err != nil {
		r.Fatal(err)
	}
	appids, found := map[string]bool{}, false
	for _, id := range all {
		if appids[id.AppID] {
			r.Errorf("user %s has two openids of %s", a.ID, id.AppID)
		}
		appids[id.AppID] = true
		if class := owner[id.AppID+" "+id.OpenID]; class != v.class() {
			r.Errorf("user %s has identities of %q and of %q", a.ID, v.class(), class)
		}
		if id.AppID == v.connector.appid && id.OpenID == v.openid {
			found = true
			if id.UnionID != v.unionid {
				r.Errorf("%s %s has unionid %q, the first was %q", id.AppID, id.OpenID, id.UnionID, v.unionid)
			}
		}
	}
	if !found {
		r.Errorf("user %s of %+v does not have this identity: %+v", a.ID, v, all)
	}
	if r.statuses["block "+v.connector.appid+" "+v.openid] && a.Status != gateway.Blocked {
		r.Errorf("%+v was blocked, and has user %s, which is %s", v, a.ID, a.Status)
	}
	return a
}

// checkRights checks that a user of a class has no right or status that nobody gave the class.
func (r *joinRun) checkRights(a gateway.User, class string) {
	r.Helper()
	if a.Admin != r.admins[a.ID] {
		r.Errorf("user %s is an administrator: %v; was made one: %v", a.ID, a.Admin, r.admins[a.ID])
	}
	if a.Status == gateway.Blocked && !r.statuses["block "+class] || a.Status == gateway.Active &&
		!r.statuses["approve "+class] {
		r.Errorf("user %s of %q is %s, and no identity of the class was made so", a.ID, class, a.Status)
	}
}

// checkOnlyUser checks the only user of a class without a contradiction.
func (r *joinRun) checkOnlyUser(a gateway.User, class string, members []int) {
	r.Helper()
	want := gateway.Pending
	if r.statuses["approve "+class] {
		want = gateway.Active
	}
	if r.statuses["block "+class] {
		want = gateway.Blocked
	}
	if a.Status != want {
		r.Errorf("user %s of %q is %s, want %s", a.ID, class, a.Status, want)
	}
	all, err := r.handles[0].Identities(r.ctx, a.ID)
	if err != nil || len(all) != len(members) {
		r.Errorf("user %s of %q has %d identities of %d: %v", a.ID, class, len(all), len(members), err)
	}
	var oldest string
	for id, at := range r.created {
		resolved, err := r.handles[0].User(r.ctx, id)
		if err != nil {
			r.Error(err)
		}
		if resolved.ID == a.ID && (oldest == "" || cmp.Or(at.Compare(r.created[oldest]), cmp.Compare(id, oldest)) < 0) {
			oldest = id
		}
	}
	if oldest != a.ID {
		r.Errorf("class %q is user %s, made %v; older is %s, made %v", class, a.ID, a.CreatedAt, oldest, r.created[oldest])
	}
}

// checkSubjects checks the subjects that apps have.
func (r *joinRun) checkSubjects(classes map[string][]int) {
	r.Helper()
	for class, members := range classes {
		ids := map[string]bool{}
		for _, i := range members {
			a, err := r.handles[0].User(r.ctx, r.users[i])
			if err != nil {
				r.Fatal(err)
			}
			ids[a.ID] = true
		}
		first := map[string]pin{} // by app
		for sub, p := range r.pins {
			if p.class != class {
				continue
			}
			if f, there := first[p.app]; !there || p.at.Before(f.at) {
				first[p.app] = p
			}
			id, err := r.handles[0].SubjectUser(r.ctx, p.app, sub)
			if err != nil && !errors.Is(err, gateway.ErrNotFound) || err == nil && !ids[id] {
				r.Errorf("subject %q of %q in %s is user %q now: %v", sub, class, p.app, id, err)
			}
		}
		for id := range ids {
			got, err := r.handles[0].UserSubjects(r.ctx, id)
			if err != nil {
				r.Fatal(err)
			}
			for _, g := range got {
				p, known := r.pins[g.Subject]
				if !known || p.class != class || p.app != g.App {
					r.Errorf("user %s of %q is %q in %s, which is %+v", id, class, g.Subject, g.App, p)
				}
				if len(ids) == 1 && !p.at.Equal(first[g.App].at) {
					r.Errorf("user %s of %q is %q in %s, pinned at %v; the first was pinned at %v", id, class, g.Subject, g.App, p.at,
						first[g.App].at)
				}
			}
			if len(ids) == 1 && len(got) != len(first) {
				r.Errorf("user %s of %q has pins %+v, want one each of %v", id, class, got, first)
			}
		}
	}
}
