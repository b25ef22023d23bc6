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

// UserStore is the part of a store that CheckAnyOrder tests: it records sign-ins, joins users by
// unionid, and pins subjects.
type UserStore interface {
	gateway.Users
	gateway.Subjects
}

// CheckAnyOrder tests with random sign-ins that the order of sign-ins does not decide which
// identities belong to which user. Package rapid draws the random values, and on a failure searches
// for the shortest sequence that fails too. The sign-ins of one run happen one after another or at
// once, and through every handle that openHandles returns for the run.
//
// An expected user is the user that a human should get. It has all identities with one unionid in
// one Open Platform account. An identity without a unionid has an expected user of its own. So has
// an identity at a connector outside of all Open Platform accounts. Only the first unionid of an
// identity counts. In every order:
//
//   - no stored user has identities of two expected users, or two openids of one appid;
//   - an expected user is one stored user, unless two of its openids have the same appid. WeChat
//     gives each person one openid for an appid, so these openids stay separate, and the order
//     decides which identities are together;
//   - that stored user is the oldest that was created for the expected user, by CreatedAt and then
//     by id, and the ids of all others resolve to it;
//   - it is blocked if one of its identities was ever blocked, and otherwise active if one was
//     approved;
//   - it is an administrator only if that very user was made one;
//   - an app gets the subject (its id for the user) that was pinned first, and never a subject of
//     another expected user.
//
// Each run uses new openids and unionids, so openHandles may return the same database every time.
// The flag -rapid.checks sets the number of runs; maxRuns, if not 0, limits it.
func CheckAnyOrder(t *testing.T, maxRuns int64, openHandles func() []UserStore) {
	var runs atomic.Int64
	rapid.Check(t, func(t *rapid.T) {
		number := runs.Add(1)
		if maxRuns > 0 && number > maxRuns {
			return
		}
		run := &anyOrderRun{
			T: t, ctx: context.Background(), handles: openHandles(),
			identities:    drawIdentities(t, fmt.Sprint(number, "-")),
			signedInUsers: map[int]string{}, createdAt: map[string]time.Time{}, admins: map[string]bool{},
			statusChanges: map[statusChange]bool{}, pins: map[string]pinnedSubject{},
		}
		if rapid.Bool().Draw(t, "at once") {
			run.executeConcurrently()
		} else {
			run.executeOneByOne()
		}
		run.check()
	})
}

// testIdentity is one identity and the operations on it, in this order. The order of operations on
// different identities is random.
type testIdentity struct {
	connector  connector
	openid     string
	unionid    string // the first unionid of its sign-ins; "" when none has one
	operations []operation
}

// operation is one call of the store for an identity. at is the time by the clock of the replica
// that executes the operation. The clocks of replicas differ, so at does not determine the order.
type operation struct {
	kind    string // sign-in, block, approve, admin, pin
	unionid string // of a sign-in
	app     string // of a pin
	at      time.Time
}

// expectedUser returns the name of the expected user that the identity belongs to.
func (id testIdentity) expectedUser() string {
	if id.unionid == "" || id.connector.platform == "" {
		return "alone " + id.connector.appid + id.openid
	}
	return id.connector.platform + " " + id.unionid
}

// drawIdentities returns the identities of up to three people, who each sign in through some of the
// connectors. Openids and unionids begin with prefix.
func drawIdentities(t *rapid.T, prefix string) (all []testIdentity) {
	people := rapid.IntRange(1, 3).Draw(t, "people")
	// In another Open Platform account, the same unionid belongs to another person.
	unionidOf := func(person int, platform string) string {
		shift := map[string]int{"group 1": 0, "group 2": 1, "": 2}[platform]
		return fmt.Sprint(prefix, "u", (person+shift)%people)
	}
	for person := range people {
		for _, c := range []connector{mainConnector, siteConnector, thirdConnector, foreignConnector, ungroupedConnector} {
			// Usually one openid for an appid, as at WeChat. Two openids must not be joined.
			counts := rapid.SampledFrom([]int{0, 0, 1, 1, 1, 1, 1, 1, 1, 2})
			count := counts.Draw(t, fmt.Sprint("openids of person ", person, " at ", c.name))
			for i := range count {
				id := testIdentity{connector: c, openid: fmt.Sprint(prefix, "o", person, "-", i)}
				wrongUnionIDs := []string{unionidOf(person+1, c.platform), prefix + "new"}
				id.drawOperations(t, unionidOf(person, c.platform), wrongUnionIDs)
				all = append(all, id)
			}
		}
	}
	return all
}

// drawOperations adds operations to the identity. The first is a sign-in. Once the identity has a
// unionid, later sign-ins may have one of wrongUnionIDs, which the store must ignore.
func (id *testIdentity) drawOperations(t *rapid.T, unionid string, wrongUnionIDs []string) {
	first := []string{"no unionid", "no unionid", "unionid"}
	withoutUnionID := []string{"pin", "pin", "unionid", "unionid", "no unionid", "block", "approve", "admin"}
	withUnionID := []string{"pin", "unionid", "no unionid", "wrong unionid", "wrong unionid", "block", "approve", "admin"}
	for i := range rapid.IntRange(1, 5).Draw(t, "operations") {
		choices := withUnionID
		switch {
		case i == 0:
			choices = first
		case id.unionid == "":
			choices = withoutUnionID
		}
		minute := rapid.IntRange(0, 9).Draw(t, "minute")
		drawn := operation{kind: "sign-in", at: after(time.Duration(minute) * time.Minute)}
		switch choice := rapid.SampledFrom(choices).Draw(t, "operation"); choice {
		case "unionid":
			drawn.unionid, id.unionid = unionid, unionid
		case "wrong unionid":
			drawn.unionid = rapid.SampledFrom(wrongUnionIDs).Draw(t, "wrong unionid")
			if drawn.unionid == id.unionid {
				continue // with one person, the next person's unionid is the right one
			}
		case "no unionid":
		case "pin":
			drawn.kind, drawn.app = "pin", rapid.SampledFrom([]string{"wiki", "shop"}).Draw(t, "app")
		default:
			drawn.kind = choice
		}
		id.operations = append(id.operations, drawn)
	}
}

// anyOrderRun is one run of CheckAnyOrder, with the results of its operations.
type anyOrderRun struct {
	*rapid.T
	ctx        context.Context
	handles    []UserStore
	identities []testIdentity

	mu            sync.Mutex               // protects the fields below
	signedInUsers map[int]string           // by index of the identity: the user of its last sign-in
	createdAt     map[string]time.Time     // by user id
	admins        map[string]bool          // ids of the users that were made administrators
	statusChanges map[statusChange]bool    // the changes that were made
	pins          map[string]pinnedSubject // by subject
	errs          []error
}

// statusChange is a change of a user's status, made through one identity.
type statusChange struct {
	kind   string // block or approve
	target string // an expected user, or the appid and openid of the identity
}

// pinnedSubject describes the first pin of a subject.
type pinnedSubject struct {
	expectedUser, app string
	at                time.Time
}

// executeOneByOne executes all operations, one after another, in a random order of the identities.
func (run *anyOrderRun) executeOneByOne() {
	var order []int // indexes of identities, each as often as it has operations
	for i, id := range run.identities {
		order = append(order, slices.Repeat([]int{i}, len(id.operations))...)
	}
	if len(order) == 0 {
		return
	}
	executed := map[int]int{} // by index of the identity: number of its operations
	for turn, i := range rapid.Permutation(order).Draw(run.T, "order") {
		run.execute(i, run.identities[i].operations[executed[i]], run.handles[turn%len(run.handles)])
		executed[i]++
	}
}

// executeConcurrently executes the operations of all identities at once.
func (run *anyOrderRun) executeConcurrently() {
	concurrently(len(run.identities), func(i int) {
		for turn, next := range run.identities[i].operations {
			run.execute(i, next, run.handles[(i+turn)%len(run.handles)])
		}
	})
}

// execute executes an operation on identity i and records its result.
func (run *anyOrderRun) execute(i int, next operation, store UserStore) {
	id := run.identities[i]
	openid := id.connector.appid + " " + id.openid
	run.mu.Lock()
	userID := run.signedInUsers[i]
	run.mu.Unlock()
	var user gateway.User
	var events []gateway.Event
	var subject string
	var err error
	// The lock is not held during the call, so that operations run at once.
	switch next.kind {
	case "sign-in":
		signIn := id.connector.signIn(next.at, id.openid, next.unionid)
		signIn.InitialStatus = gateway.Pending
		user, events, err = store.RecordSignIn(run.ctx, signIn)
	case "pin":
		subject, err = store.PinSubject(run.ctx, userID, next.app, "sub "+openid+next.app, next.at)
	default:
		user, err = store.UpdateUser(run.ctx, userID, next.at, func(stored *gateway.User) error {
			switch {
			case next.kind == "admin":
				stored.Admin = true
			case next.kind == "block":
				stored.Status = gateway.Blocked
			case stored.Status == gateway.Pending: // approve does not unblock
				stored.Status = gateway.Active
			}
			return nil
		})
	}
	run.mu.Lock()
	defer run.mu.Unlock()
	if err != nil {
		run.errs = append(run.errs, fmt.Errorf("%s of %+v: %w", next.kind, id, err))
		return
	}
	switch next.kind {
	case "sign-in":
		run.signedInUsers[i] = user.ID
		for _, event := range events {
			if event.Kind == gateway.EventUserCreated {
				run.createdAt[user.ID] = user.CreatedAt
			}
		}
	case "pin":
		if _, known := run.pins[subject]; !known {
			run.pins[subject] = pinnedSubject{expectedUser: id.expectedUser(), app: next.app, at: next.at}
		}
	case "admin":
		run.admins[user.ID] = true
	default:
		run.statusChanges[statusChange{next.kind, id.expectedUser()}] = true
		run.statusChanges[statusChange{next.kind, openid}] = true
	}
}
