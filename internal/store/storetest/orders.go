package storetest

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/weigate/weigate/internal/gateway"
)

// People is the part of a store that joining is about.
type People interface {
	gateway.Users
	gateway.Subjects
}

// visitor is one identity and what happens to it, in this order. The order
// among visitors is chance.
type visitor struct {
	person    int
	connector entry
	openid    string
	unionid   string // what WeChat says when it says it; "" = the steps never do
	steps     []step
}

// step is one thing that happens to a visitor. at is the clock of the replica
// where it happens: clocks differ, so it says nothing about the order.
type step struct {
	do      string // arrive, block, approve, admin, pin
	unionid string // of an arrival
	app     string // of a pin
	at      time.Time
}

// class is who must end in one account: the visitors of one group with one
// unionid. Whoever has no unionid, or comes through an entry in no group,
// stays alone.
func (v visitor) class() string {
	if v.unionid == "" || v.connector.platform == "" {
		return "alone " + v.connector.appid + v.openid
	}
	return v.connector.platform + " " + v.unionid
}

// InAnyOrder tests that joining ends as the design promises, whatever the order
// in which people arrive, also at the same moment and through several handles
// on one database. handles is called for each run; each has people of its own,
// so it may give the same database every time. More runs: -rapid.checks.
//
// Let a class be all identities with one unionid in one open_platform group; an
// identity whose unionid was never told, or whose entry is in no group, is a
// class of its own. A unionid counts as the identity's when it is the first
// that was told of it. In every order:
//
//   - no account has identities of two classes, nor two openids of one appid;
//     so no unionid of another group, and none that changed, joins anything;
//   - a class without a contradiction (two openids of one appid) is one
//     account; which identities of a contradictory class are together depends
//     on who came first, and only that;
//   - the account is the oldest that was made for one of the class, by its own
//     CreatedAt and then its id, and the ids of all others resolve to it;
//   - it is blocked if one of the class was ever blocked, else active if one
//     was approved;
//   - it is an administrator only if that very account was made one;
//   - an app gets the subject that was pinned first, and a subject that was
//     given out is never another class's.
func InAnyOrder(t *testing.T, handles func() []People) {
	var runs atomic.Int64
	rapid.Check(t, func(t *rapid.T) {
		prefix := fmt.Sprint(runs.Add(1), "-")
		o := &outcome{T: t, ctx: context.Background(), on: handles(), visitors: visitors(t, prefix), ids: map[int]string{}, made: map[string]time.Time{},
			admins: map[string]bool{}, touched: map[string]bool{}, pins: map[string]pinned{}}
		if rapid.Bool().Draw(t, "at once") {
			o.atOnce()
		} else {
			o.oneByOne()
		}
		o.check()
	})
}

// visitors makes up to three people, who each come through some of the
// entries. The unionids of one group are other people's in the next.
func visitors(t *rapid.T, prefix string) (all []visitor) {
	people := rapid.IntRange(1, 3).Draw(t, "people")
	unionid := func(person int, platform string) string {
		return fmt.Sprint(prefix, "u", (person+map[string]int{"ours": 0, "theirs": 1, "": 2}[platform])%people)
	}
	for p := range people {
		for _, e := range []entry{main, site, third, other, lone} {
			n := rapid.SampledFrom([]int{0, 0, 1, 1, 1, 1, 1, 1, 1, 2}).Draw(t, fmt.Sprint("openids of person ", p, " at ", e.name)) // two = WeChat contradicts itself
			for i := range n {
				v := visitor{person: p, connector: e, openid: fmt.Sprint(prefix, "o", p, "-", i)}
				told := unionid(p, e.platform)
				strange := []string{unionid(p+1, e.platform), prefix + "new"}
				v.live(t, told, strange)
				all = append(all, v)
			}
		}
	}
	return all
}

// live gives a visitor their steps: the first is an arrival.
func (v *visitor) live(t *rapid.T, told string, strange []string) {
	early := []string{"pin", "pin", "tell", "tell", "silent", "block", "approve", "admin"}
	late := []string{"pin", "tell", "silent", "change", "change", "block", "approve", "admin"}
	for i := range rapid.IntRange(1, 5).Draw(t, "steps") {
		s := step{do: "arrive", at: after(time.Duration(rapid.IntRange(0, 9).Draw(t, "minute")) * time.Minute)}
		var what string
		switch {
		case i == 0:
			what = rapid.SampledFrom([]string{"silent", "silent", "tell"}).Draw(t, "first step")
		case v.unionid == "":
			what = rapid.SampledFrom(early).Draw(t, "step")
		default:
			what = rapid.SampledFrom(late).Draw(t, "step")
		}
		switch what {
		case "tell":
			s.unionid, v.unionid = told, told
		case "change": // never before the first that is told, which counts
			s.unionid = rapid.SampledFrom(strange).Draw(t, "strange unionid")
			if s.unionid == v.unionid {
				continue
			}
		case "silent":
		case "pin":
			s.do, s.app = "pin", rapid.SampledFrom([]string{"wiki", "shop"}).Draw(t, "app")
		default:
			s.do = what
		}
		v.steps = append(v.steps, s)
	}
}

// outcome is what happened in one run.
type outcome struct {
	*rapid.T
	ctx      context.Context
	on       []People
	visitors []visitor

	mu      sync.Mutex
	ids     map[int]string       // the account that a visitor last came in to
	made    map[string]time.Time // accounts that were made, by id
	admins  map[string]bool      // accounts that were made administrators
	touched map[string]bool      // "block CLASS", "approve CLASS", "block APPID OPENID"
	pins    map[string]pinned    // subjects that were made, by themselves
	errs    []error
}

type pinned struct {
	class, app string
	at         time.Time
}

func (o *outcome) oneByOne() {
	var turns []int
	for i, v := range o.visitors {
		turns = append(turns, slices.Repeat([]int{i}, len(v.steps))...)
	}
	done := map[int]int{}
	if len(turns) == 0 {
		return
	}
	for n, i := range rapid.Permutation(turns).Draw(o.T, "order") {
		o.do(i, o.visitors[i].steps[done[i]], o.on[n%len(o.on)])
		done[i]++
	}
}

func (o *outcome) atOnce() {
	together(len(o.visitors), func(i int) {
		for n, s := range o.visitors[i].steps {
			o.do(i, s, o.on[(i+n)%len(o.on)])
		}
	})
}

// do takes a step, and notes what came of it.
func (o *outcome) do(i int, s step, on People) {
	v := o.visitors[i]
	o.mu.Lock()
	id := o.ids[i]
	o.mu.Unlock()
	var acc gateway.User
	var told []gateway.Event
	var sub string
	var err error
	switch s.do {
	case "arrive":
		a := v.connector.at(s.at, v.openid, s.unionid)
		a.InitialStatus = gateway.Pending
		acc, told, err = on.RecordSignIn(o.ctx, a)
	case "pin":
		sub, err = on.PinSubject(o.ctx, id, s.app, "sub "+v.connector.appid+v.openid+s.app, s.at)
	default:
		acc, err = on.UpdateUser(o.ctx, id, s.at, func(a *gateway.User) error {
			switch {
			case s.do == "block":
				a.Status = gateway.Blocked
			case s.do == "approve" && a.Status == gateway.Pending:
				a.Status = gateway.Active
			case s.do == "admin":
				a.Admin = true
			}
			return nil
		})
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	switch {
	case err != nil:
		o.errs = append(o.errs, fmt.Errorf("%s of %+v: %w", s.do, v, err))
	case s.do == "arrive":
		o.ids[i] = acc.ID
		for _, e := range told {
			if e.Kind == gateway.EventUserCreated {
				o.made[acc.ID] = acc.CreatedAt
			}
		}
	case s.do == "pin":
		if _, known := o.pins[sub]; !known {
			o.pins[sub] = pinned{v.class(), s.app, s.at}
		}
	case s.do == "admin":
		o.admins[acc.ID] = true
	default:
		o.touched[s.do+" "+v.class()] = true
		o.touched[s.do+" "+v.connector.appid+" "+v.openid] = true
	}
}
