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

// UserStore is the part of a store that joins users.
type UserStore interface {
	gateway.Users
	gateway.Subjects
}

// testIdentity is one identity and the steps that it takes, in this order. The order among
// identities is random.
type testIdentity struct {
	person    int
	connector connector
	openid    string
	unionid   string // in the steps that have a unionid; "" when none has
	steps     []step
}

// step is one operation on an identity. at is the clock of the replica that executes it. The clocks
// of replicas differ, so at does not determine the order.
type step struct {
	operation string // sign-in, block, approve, admin, pin
	unionid   string // of a sign-in
	app       string // of a pin
	at        time.Time
}

// class names the identities that must end in one user: those of one Open Platform account with one
// unionid. An identity without a unionid or outside any Open Platform account is a class of its
// own.
func (id testIdentity) class() string {
	if id.unionid == "" || id.connector.platform == "" {
		return "alone " + id.connector.appid + id.openid
	}
	return id.connector.platform + " " + id.unionid
}

// CheckAnyOrder tests that sign-ins of the same people end in the same users, whatever their order,
// also when they happen at once and through several handles on one database. It calls handles for
// each run. Each run has people of its own, so handles may return the same database every time. The
// flag -rapid.checks sets the number of runs; limit, if not 0, is the most that are executed.
//
// A class is the set of all identities with one unionid in one open_platform group. An identity
// that never had a unionid, or whose connector is in no group, is a class of its own. The first
// unionid of an identity counts. In every order:
//
//   - no user has identities of two classes, or two openids of one appid; so a unionid of another group
//     and a changed unionid join nothing;
//   - a class without a contradiction (two openids of one appid) is one user; which identities of a
//     contradictory class are together depends only on which came first;
//   - that user is the oldest that was created for the class, by CreatedAt and then by id, and the ids of
//     all others resolve to it;
//   - it is blocked if an identity of the class was ever blocked, else active if one was approved;
//   - it is an administrator only if that very user was made one;
//   - an app gets the subject that was pinned first, and never a subject of another class.
func CheckAnyOrder(t *testing.T, limit int64, handles func() []UserStore) {
	var runs atomic.Int64
	rapid.Check(t, func(t *rapid.T) {
		run := runs.Add(1)
		if limit > 0 && run > limit {
			return
		}
		prefix := fmt.Sprint(run, "-")
		r := &joinRun{
			T: t, ctx: context.Background(), handles: handles(), identities: drawIdentities(t, prefix),
			users: map[int]string{}, created: map[string]time.Time{}, admins: map[string]bool{},
			statuses: map[string]bool{}, pins: map[string]pin{},
		}
		if rapid.Bool().Draw(t, "at once") {
			r.concurrently()
		} else {
			r.oneByOne()
		}
		r.check()
	})
}

// drawIdentities returns the identities of up to three people, who each sign in through some of the
// connectors. A unionid of one group is another person's in the next group.
func drawIdentities(t *rapid.T, prefix string) (all []testIdentity) {
	people := rapid.IntRange(1, 3).Draw(t, "people")
	unionid := func(person int, platform string) string {
		shift := map[string]int{"group 1": 0, "group 2": 1, "": 2}[platform]
		return fmt.Sprint(prefix, "u", (person+shift)%people)
	}
	for p := range people {
		for _, c := range []connector{mainConnector, siteConnector, thirdConnector, foreignConnector, ungroupedConnector} {
			// Two openids at one connector contradict each other: WeChat gives each person one.
			openids := rapid.SampledFrom([]int{0, 0, 1, 1, 1, 1, 1, 1, 1, 2})
			for i := range openids.Draw(t, fmt.Sprint("openids of person ", p, " at ", c.name)) {
				id := testIdentity{person: p, connector: c, openid: fmt.Sprint(prefix, "o", p, "-", i)}
				others := []string{unionid(p+1, c.platform), prefix + "new"}
				id.drawSteps(t, unionid(p, c.platform), others)
				all = append(all, id)
			}
		}
	}
	return all
}

// drawSteps adds steps to the identity. The first is a sign-in.
func (id *testIdentity) drawSteps(t *rapid.T, unionid string, others []string) {
	withoutUnionID := []string{"pin", "pin", "unionid", "unionid", "no unionid", "block", "approve", "admin"}
	withUnionID := []string{"pin", "unionid", "no unionid", "other unionid", "other unionid", "block", "approve", "admin"}
	for i := range rapid.IntRange(1, 5).Draw(t, "steps") {
		minute := rapid.IntRange(0, 9).Draw(t, "minute")
		s := step{operation: "sign-in", at: after(time.Duration(minute) * time.Minute)}
		var drawn string
		switch {
		case i == 0:
			drawn = rapid.SampledFrom([]string{"no unionid", "no unionid", "unionid"}).Draw(t, "first step")
		case id.unionid == "":
			drawn = rapid.SampledFrom(withoutUnionID).Draw(t, "step")
		default:
			drawn = rapid.SampledFrom(withUnionID).Draw(t, "step")
		}
		switch drawn {
		case "unionid":
			s.unionid, id.unionid = unionid, unionid
		case "other unionid": // only after the first one, which counts
			s.unionid = rapid.SampledFrom(others).Draw(t, "other unionid")
			if s.unionid == id.unionid {
				continue
			}
		case "no unionid":
		case "pin":
			s.operation, s.app = "pin", rapid.SampledFrom([]string{"wiki", "shop"}).Draw(t, "app")
		default:
			s.operation = drawn
		}
		id.steps = append(id.steps, s)
	}
}

// joinRun is one run of the property and what happened in it.
type joinRun struct {
	*rapid.T
	ctx        context.Context
	handles    []UserStore
	identities []testIdentity

	mu       sync.Mutex
	users    map[int]string       // by identity: the user of its last sign-in
	created  map[string]time.Time // by user id: when the user was created
	admins   map[string]bool      // users that were made administrators
	statuses map[string]bool      // "block CLASS", "approve CLASS", "block APPID OPENID"
	pins     map[string]pin       // by subject
	errs     []error
}

// pin is a subject that was pinned.
type pin struct {
	class, app string
	at         time.Time
}

func (r *joinRun) oneByOne() {
	var turns []int
	for i, id := range r.identities {
		turns = append(turns, slices.Repeat([]int{i}, len(id.steps))...)
	}
	if len(turns) == 0 {
		return
	}
	done := map[int]int{}
	for n, i := range rapid.Permutation(turns).Draw(r.T, "order") {
		r.execute(i, r.identities[i].steps[done[i]], r.handles[n%len(r.handles)])
		done[i]++
	}
}

func (r *joinRun) concurrently() {
	concurrently(len(r.identities), func(i int) {
		for n, s := range r.identities[i].steps {
			r.execute(i, s, r.handles[(i+n)%len(r.handles)])
		}
	})
}

// execute executes a step of identity i and records its result.
func (r *joinRun) execute(i int, s step, store UserStore) {
	id := r.identities[i]
	r.mu.Lock()
	user := r.users[i]
	r.mu.Unlock()
	switch s.operation {
	case "sign-in":
		signIn := id.connector.signIn(s.at, id.openid, s.unionid)
		signIn.InitialStatus = gateway.Pending
		u, events, err := store.RecordSignIn(r.ctx, signIn)
		r.record(id, s, err, func() {
			r.users[i] = u.ID
			for _, e := range events {
				if e.Kind == gateway.EventUserCreated {
					r.created[u.ID] = u.CreatedAt
				}
			}
		})
	case "pin":
		subject, err := store.PinSubject(r.ctx, user, s.app, "sub "+id.connector.appid+id.openid+s.app, s.at)
		r.record(id, s, err, func() {
			if _, known := r.pins[subject]; !known {
				r.pins[subject] = pin{class: id.class(), app: s.app, at: s.at}
			}
		})
	case "admin":
		u, err := store.UpdateUser(r.ctx, user, s.at, func(u *gateway.User) error { u.Admin = true; return nil })
		r.record(id, s, err, func() { r.admins[u.ID] = true })
	default: // block, approve
		_, err := store.UpdateUser(r.ctx, user, s.at, func(u *gateway.User) error {
			switch {
			case s.operation == "block":
				u.Status = gateway.Blocked
			case u.Status == gateway.Pending:
				u.Status = gateway.Active
			}
			return nil
		})
		r.record(id, s, err, func() {
			r.statuses[s.operation+" "+id.class()] = true
			r.statuses[s.operation+" "+id.connector.appid+" "+id.openid] = true
		})
	}
}

// record calls apply under the lock, or keeps the error.
func (r *joinRun) record(id testIdentity, s step, err error, apply func()) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if err != nil {
		r.errs = append(r.errs, fmt.Errorf("%s of %+v: %w", s.operation, id, err))
		return
	}
	apply()
}
