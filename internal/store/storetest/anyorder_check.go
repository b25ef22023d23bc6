package storetest

import (
	"cmp"
	"errors"
	"fmt"

	"github.com/weigate/weigate/internal/gateway"
)

// check compares the stored users with the expected users after all operations of a run. An
// expected user has all identities with one unionid in one Open Platform account, and should be one
// stored user. The comment of CheckAnyOrder lists what must hold.
func (run *anyOrderRun) check() {
	run.Helper()
	for _, err := range run.errs {
		run.Error(err)
	}
	if run.Failed() {
		return
	}
	members := map[string][]int{} // by expected user: the indexes of its identities
	conflicting := map[string]bool{}
	openids := map[string]int{}          // by expected user and appid: the number of openids
	expectedUsers := map[string]string{} // by appid and openid
	for i, id := range run.identities {
		expected := id.expectedUser()
		members[expected] = append(members[expected], i)
		expectedUsers[id.connector.appid+" "+id.openid] = expected
		openids[expected+id.connector.appid]++
		if openids[expected+id.connector.appid] > 1 {
			conflicting[expected] = true // two openids of one appid are never joined
		}
	}
	for expected, indexes := range members {
		users := map[string]gateway.User{} // by id
		for _, i := range indexes {
			user := run.checkIdentities(i, expectedUsers)
			users[user.ID] = user
		}
		for _, user := range users {
			run.checkRights(user, expected)
			if len(users) == 1 && !conflicting[expected] {
				run.checkOnlyUser(user, expected, len(indexes))
			}
		}
		if len(users) != 1 && !conflicting[expected] {
			run.Errorf("expected user %q is %d users, want 1", expected, len(users))
		}
		run.checkSubjects(expected, users)
	}
}

// checkIdentities returns the user of identity i. It checks four rules:
//
//   - the user's identities belong to one expected user;
//   - no two of these identities have one appid;
//   - the stored unionid of identity i is the one of its first sign-in with a unionid;
//   - the user is blocked if identity i was ever blocked.
//
// expectedUsers has the expected users by appid and openid. run.signedInUsers[i] is the id of the
// user that identity i last signed in as.
func (run *anyOrderRun) checkIdentities(i int, expectedUsers map[string]string) gateway.User {
	run.Helper()
	want := run.identities[i]
	user, err := run.handles[0].User(run.ctx, run.signedInUsers[i])
	if err != nil {
		run.Fatal(err)
	}
	stored, err := run.handles[0].Identities(run.ctx, user.ID)
	if err != nil {
		run.Fatal(err)
	}
	appids := map[string]bool{}
	found := false
	for _, id := range stored {
		if appids[id.AppID] {
			run.Errorf("user %s has two openids of %s", user.ID, id.AppID)
		}
		appids[id.AppID] = true
		if expected := expectedUsers[id.AppID+" "+id.OpenID]; expected != want.expectedUser() {
			run.Errorf("user %s has identities of %q and of %q", user.ID, want.expectedUser(), expected)
		}
		if id.AppID == want.connector.appid && id.OpenID == want.openid {
			found = true
			if id.UnionID != want.unionid {
				run.Errorf("%s %s has unionid %q, the first was %q", id.AppID, id.OpenID, id.UnionID, want.unionid)
			}
		}
	}
	if !found {
		run.Errorf("user %s of %+v does not have this identity: %+v", user.ID, want, stored)
	}
	blocked := run.statusChanges[statusChange{"block", want.connector.appid + " " + want.openid}]
	if blocked && user.Status != gateway.Blocked {
		run.Errorf("%+v was blocked, and has user %s, which is %s", want, user.ID, user.Status)
	}
	return user
}

// checkRights checks that a user is an administrator exactly if the run made it an administrator. A
// blocked user needs a blocked identity of its expected user, and an active user an approved
// identity. run.statusChanges has each change twice: for the expected user, and for the identity.
func (run *anyOrderRun) checkRights(user gateway.User, expected string) {
	run.Helper()
	if user.Admin != run.admins[user.ID] {
		run.Errorf("user %s is an administrator: %v; was made one: %v", user.ID, user.Admin, run.admins[user.ID])
	}
	if user.Status == gateway.Blocked && !run.statusChanges[statusChange{"block", expected}] {
		run.Errorf("user %s of %q is blocked, and no identity was blocked", user.ID, expected)
	}
	if user.Status == gateway.Active && !run.statusChanges[statusChange{"approve", expected}] {
		run.Errorf("user %s of %q is active, and no identity was approved", user.ID, expected)
	}
}

// checkOnlyUser checks the status, the number of identities and the age of a user that is the only
// stored user of its expected user.
func (run *anyOrderRun) checkOnlyUser(user gateway.User, expected string, identities int) {
	run.Helper()
	wantStatus := gateway.Pending
	if run.statusChanges[statusChange{"approve", expected}] {
		wantStatus = gateway.Active
	}
	if run.statusChanges[statusChange{"block", expected}] {
		wantStatus = gateway.Blocked
	}
	if user.Status != wantStatus {
		run.Errorf("user %s of %q is %s, want %s", user.ID, expected, user.Status, wantStatus)
	}
	stored, err := run.handles[0].Identities(run.ctx, user.ID)
	if err != nil || len(stored) != identities {
		run.Errorf("user %s of %q has %d identities, want %d: %v", user.ID, expected, len(stored), identities, err)
	}
	var oldest string // id of the oldest user that was joined into this one, or of this one
	for id, at := range run.createdAt {
		resolved, err := run.handles[0].User(run.ctx, id)
		if err != nil {
			run.Error(err)
		}
		if resolved.ID != user.ID {
			continue
		}
		if oldest == "" || cmp.Or(at.Compare(run.createdAt[oldest]), cmp.Compare(id, oldest)) < 0 {
			oldest = id
		}
	}
	if oldest != user.ID {
		run.Errorf("user %s of %q was created at %v; an older one, %s, at %v", user.ID, expected, user.CreatedAt, oldest,
			run.createdAt[oldest])
	}
}

// checkSubjects checks the pinned subjects, by which apps know the users of one expected user. The
// subjects resolve to these users only. If there is one user, it has the first subject that was
// pinned in each app.
func (run *anyOrderRun) checkSubjects(expected string, users map[string]gateway.User) {
	run.Helper()
	firstPins := map[string]pinnedSubject{} // by app
	for subject, pin := range run.pins {
		if pin.expectedUser != expected {
			continue
		}
		first, known := firstPins[pin.app]
		if !known || pin.at.Before(first.at) {
			firstPins[pin.app] = pin
		}
		userID, err := run.handles[0].SubjectUser(run.ctx, pin.app, subject)
		if errors.Is(err, gateway.ErrNotFound) {
			continue // a join dropped the subject, because the user has an older one in the app
		}
		if _, ok := users[userID]; err != nil || !ok {
			run.Errorf("subject %q of %q in %s resolves to user %q: %v", subject, expected, pin.app, userID, err)
		}
	}
	for userID := range users {
		stored, err := run.handles[0].UserSubjects(run.ctx, userID)
		if err != nil {
			run.Fatal(err)
		}
		for _, subject := range stored {
			name := fmt.Sprintf("subject %q of user %s in %s", subject.Subject, userID, subject.App)
			pin, known := run.pins[subject.Subject]
			if !known || pin.expectedUser != expected || pin.app != subject.App {
				run.Errorf("%s was pinned as %+v, want one of %q", name, pin, expected)
			}
			if first := firstPins[subject.App]; len(users) == 1 && !pin.at.Equal(first.at) {
				run.Errorf("%s was pinned at %v; the first was pinned at %v", name, pin.at, first.at)
			}
		}
		if len(users) == 1 && len(stored) != len(firstPins) {
			run.Errorf("user %s of %q has pins %+v, want one for each app of %v", userID, expected, stored, firstPins)
		}
	}
}
