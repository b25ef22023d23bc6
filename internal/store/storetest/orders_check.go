package storetest

import (
	"cmp"
	"errors"

	"github.com/weigate/weigate/internal/gateway"
)

// check looks at where everybody ended.
func (o *outcome) check() {
	o.Helper()
	for _, err := range o.errs {
		o.Error(err)
	}
	classes := map[string][]int{}
	seen := map[string]bool{}
	contradictory := map[string]bool{}
	owner := map[string]string{}
	for i, v := range o.visitors {
		classes[v.class()] = append(classes[v.class()], i)
		contradictory[v.class()] = contradictory[v.class()] || seen[v.class()+v.connector.appid]
		seen[v.class()+v.connector.appid] = true
		owner[v.connector.appid+" "+v.openid] = v.class()
	}
	if o.Failed() {
		return
	}
	for class, members := range classes {
		users := map[string]gateway.User{}
		for _, i := range members {
			a := o.whole(i, owner)
			users[a.ID] = a
		}
		for _, a := range users {
			o.rights(a, class)
		}
		if contradictory[class] {
			continue
		}
		if len(users) != 1 {
			o.Errorf("class %q became %d accounts", class, len(users))
			continue
		}
		for _, a := range users {
			o.one(a, class, members)
		}
	}
	o.subjects(classes)
}

// whole returns the account of a visitor, after a look at its identities: all
// of one class, no two of one appid, each with the first unionid that was told.
func (o *outcome) whole(i int, owner map[string]string) gateway.User {
	o.Helper()
	v := o.visitors[i]
	a, err := o.on[0].User(o.ctx, o.ids[i])
	if err != nil {
		o.Fatal(err)
	}
	all, err := o.on[0].Identities(o.ctx, a.ID)
	if err != nil {
		o.Fatal(err)
	}
	appids, found := map[string]bool{}, false
	for _, id := range all {
		if appids[id.AppID] {
			o.Errorf("account %s has two openids of %s", a.ID, id.AppID)
		}
		appids[id.AppID] = true
		if class := owner[id.AppID+" "+id.OpenID]; class != v.class() {
			o.Errorf("account %s has identities of %q and of %q", a.ID, v.class(), class)
		}
		if id.AppID == v.connector.appid && id.OpenID == v.openid {
			found = true
			if id.UnionID != v.unionid {
				o.Errorf("%s %s has unionid %q, told first was %q", id.AppID, id.OpenID, id.UnionID, v.unionid)
			}
		}
	}
	if !found {
		o.Errorf("account %s of %+v has not this identity: %+v", a.ID, v, all)
	}
	if o.touched["block "+v.connector.appid+" "+v.openid] && a.Status != gateway.Blocked {
		o.Errorf("%+v was blocked, and has account %s, which is %s", v, a.ID, a.Status)
	}
	return a
}

// rights looks at what an account of a class may be at most.
func (o *outcome) rights(a gateway.User, class string) {
	o.Helper()
	if a.Admin != o.admins[a.ID] {
		o.Errorf("account %s is an administrator: %v; was made one: %v", a.ID, a.Admin, o.admins[a.ID])
	}
	if a.Status == gateway.Blocked && !o.touched["block "+class] || a.Status == gateway.Active && !o.touched["approve "+class] {
		o.Errorf("account %s of %q is %s, and nobody of it was made so", a.ID, class, a.Status)
	}
}

// one looks at the one account of a class.
func (o *outcome) one(a gateway.User, class string, members []int) {
	o.Helper()
	want := gateway.Pending
	if o.touched["approve "+class] {
		want = gateway.Active
	}
	if o.touched["block "+class] {
		want = gateway.Blocked
	}
	if a.Status != want {
		o.Errorf("account %s of %q is %s, want %s", a.ID, class, a.Status, want)
	}
	all, err := o.on[0].Identities(o.ctx, a.ID)
	if err != nil || len(all) != len(members) {
		o.Errorf("account %s of %q has %d identities of %d: %v", a.ID, class, len(all), len(members), err)
	}
	var oldest string
	for id, at := range o.made {
		is, err := o.on[0].User(o.ctx, id)
		if err != nil {
			o.Error(err)
		}
		if is.ID == a.ID && (oldest == "" || cmp.Or(at.Compare(o.made[oldest]), cmp.Compare(id, oldest)) < 0) {
			oldest = id
		}
	}
	if oldest != a.ID {
		o.Errorf("class %q is account %s, made %v; older is %s, made %v", class, a.ID, a.CreatedAt, oldest, o.made[oldest])
	}
}

// subjects looks at what apps know people by.
func (o *outcome) subjects(classes map[string][]int) {
	o.Helper()
	for class, members := range classes {
		ids := map[string]bool{}
		for _, i := range members {
			a, err := o.on[0].User(o.ctx, o.ids[i])
			if err != nil {
				o.Fatal(err)
			}
			ids[a.ID] = true
		}
		first := map[string]pinned{} // by app
		for sub, p := range o.pins {
			if p.class != class {
				continue
			}
			if f, there := first[p.app]; !there || p.at.Before(f.at) {
				first[p.app] = p
			}
			id, err := o.on[0].SubjectUser(o.ctx, p.app, sub)
			if err != nil && !errors.Is(err, gateway.ErrNotFound) || err == nil && !ids[id] {
				o.Errorf("subject %q of %q in %s is account %q now: %v", sub, class, p.app, id, err)
			}
		}
		for id := range ids {
			got, err := o.on[0].UserSubjects(o.ctx, id)
			if err != nil {
				o.Fatal(err)
			}
			for _, g := range got {
				p, known := o.pins[g.Subject]
				if !known || p.class != class || p.app != g.App {
					o.Errorf("account %s of %q is %q in %s, which is %+v", id, class, g.Subject, g.App, p)
				}
				if len(ids) == 1 && !p.at.Equal(first[g.App].at) {
					o.Errorf("account %s of %q is %q in %s, pinned at %v; the first was pinned at %v", id, class, g.Subject, g.App, p.at, first[g.App].at)
				}
			}
			if len(ids) == 1 && len(got) != len(first) {
				o.Errorf("account %s of %q has pins %+v, want one each of %v", id, class, got, first)
			}
		}
	}
}
