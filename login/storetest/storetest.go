// Package storetest checks a login.Store against the contract in its comments.
//
//	func TestStore(t *testing.T) {
//		storetest.Run(t, func(t *testing.T) login.Store { return openMyStore(t) })
//	}
//
// The name to know is [Run]. It needs no network and does not sleep, because the time is an
// argument of the methods of a Store. It does not test crashes and restarts; a persistent store
// needs its own tests for them.
package storetest

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"sync"
	"testing"
	"time"

	"github.com/weigate/weigate/login"
)

// testCase is one test of the suite.
type testCase struct {
	name string
	why  string // the reason for the requirement, which is logged when the test fails
	run  func(t *testing.T, s login.Store)
}

// Run runs the whole suite. Run calls open once for each case. open returns an empty store, and
// closes it with t.Cleanup. Cases run one after the other. A case may start goroutines.
func Run(t *testing.T, open func(t *testing.T) login.Store) {
	t.Helper()
	for _, c := range append(attemptCases(), sessionCases()...) {
		t.Run(c.name, func(t *testing.T) {
			defer func() {
				if t.Failed() {
					t.Logf("why this matters: %s", c.why)
				}
			}()
			c.run(t, open(t))
		})
	}
}

// start returns the time at which every case begins. It is in UTC and has whole microseconds,
// because SQL databases store no smaller unit.
func start() time.Time { return time.Date(2026, 3, 1, 8, 0, 0, 123000, time.UTC) }

// attempt returns an attempt that begins at start.
func attempt(id, code, owner string) login.Attempt {
	return login.Attempt{ID: id, Code: code, Owner: owner, Lease: start().Add(15 * time.Second),
		Expires: start().Add(20 * time.Minute), SecondCodeUntil: start().Add(15 * time.Second)}
}

// outcomeText is the text of the outcomes that mustFinish writes. It is not ASCII, because a store
// must return such texts unchanged.
const outcomeText = "让"

// mustBegin calls BeginAttempt. It fails the test unless the store begins the attempt.
func mustBegin(t *testing.T, s login.Store, want login.Attempt, now time.Time) {
	t.Helper()
	have, begun, err := s.BeginAttempt(t.Context(), want, now)
	if err != nil || !begun {
		t.Fatalf("BeginAttempt(%s) = %+v, %v, %v; want success", want.ID, have, begun, err)
	}
	sameAttempt(t, have, want)
}

// mustFinish calls FinishAttempt. It fails the test unless the store writes the outcome.
func mustFinish(t *testing.T, s login.Store, id, owner string, kind login.OutcomeKind, now time.Time) {
	t.Helper()
	out := login.Outcome{Kind: kind, At: now, Text: outcomeText}
	if err := s.FinishAttempt(t.Context(), id, owner, out, now); err != nil {
		t.Fatalf("FinishAttempt(%s, %s, %s): %v", id, owner, kind, err)
	}
}

// wantLost calls FinishAttempt. It fails the test unless the error is ErrAttemptLost.
func wantLost(t *testing.T, s login.Store, id, owner string, now time.Time) {
	t.Helper()
	err := s.FinishAttempt(t.Context(), id, owner, login.Outcome{Kind: login.OutcomeFault, At: now}, now)
	if !errors.Is(err, login.ErrAttemptLost) {
		t.Errorf("FinishAttempt(%s, %s) = %v, want ErrAttemptLost", id, owner, err)
	}
}

// sameAttempt compares every field. Times are compared with Equal, so their zone may differ.
func sameAttempt(t *testing.T, have, want login.Attempt) {
	t.Helper()
	if have.ID != want.ID || have.Code != want.Code || have.Owner != want.Owner ||
		have.Outcome.Kind != want.Outcome.Kind || have.Outcome.Text != want.Outcome.Text ||
		!have.Outcome.At.Equal(want.Outcome.At) || !have.Lease.Equal(want.Lease) || !have.Expires.Equal(want.Expires) ||
		!have.SecondCodeUntil.Equal(want.SecondCodeUntil) {
		t.Errorf("attempt = %+v\nwant      %+v", have, want)
	}
}

// session returns a session with a value in every field except ProfileDeclined. The values contain
// quotes, markup and characters outside ASCII, because a store must return them unchanged.
func session() login.Session {
	s := login.Session{
		Subject: "wx0123456789abcdef:oX6mX57QiiVC0DHls-eQ_igBfkbA", OpenID: "oX6mX57QiiVC0DHls-eQ_igBfkbA",
		UnionID: "oTpR9xAIiebFOc6p04tMTaLhviCQ", AppID: "wx0123456789abcdef",
		Nickname: "小明 😀 <b>'\"", AvatarURL: "https://thirdwx.qlogo.cn/mmopen/vi_32/a/132", Method: login.MethodWeChat,
		Extra:      "{\"role\":\"管理员\"} \n\x00",
		UserAgent:  "Mozilla/5.0 (Linux; Android 14) MicroMessenger/8.0.18.2060 <i>",
		SignedInAt: start(), ProfileAt: start().Add(-time.Hour), ExpiresAt: start().Add(time.Hour),
	}
	s.Scopes = append(s.Scopes, "snsapi_base", "snsapi_userinfo")
	return s
}

// wantSession checks every field. Times are compared with Equal, so their zone may differ.
func wantSession(t *testing.T, s login.Store, id string, now time.Time, want login.Session) {
	t.Helper()
	got, err := s.Session(t.Context(), id, now)
	if err != nil || got == nil {
		t.Errorf("Session(%s) = %v, %v", id, got, err)
		return
	}
	have := *got
	want.ID = id
	// DeepEqual would also compare the zones of times. Times that are equal are therefore made
	// identical first.
	for _, pair := range [][2]*time.Time{
		{&have.SignedInAt, &want.SignedInAt}, {&have.ProfileAt, &want.ProfileAt}, {&have.ExpiresAt, &want.ExpiresAt},
	} {
		if pair[0].Equal(*pair[1]) && pair[0].IsZero() == pair[1].IsZero() {
			*pair[0] = *pair[1]
		}
	}
	if len(have.Scopes) == 0 && len(want.Scopes) == 0 { // nil and empty are the same
		have.Scopes = want.Scopes
	}
	if !reflect.DeepEqual(have, want) {
		t.Errorf("session = %+v\nwant      %+v", have, want)
	}
}

// mustCreate calls CreateSession, and fails the test on an error.
func mustCreate(t *testing.T, s login.Store, id string, created login.Session, now time.Time) {
	t.Helper()
	if err := s.CreateSession(t.Context(), id, created, now); err != nil {
		t.Fatalf("CreateSession(%s): %v", id, err)
	}
}

// mustUpdate calls UpdateSession at the time start, and fails the test on an error.
func mustUpdate(t *testing.T, s login.Store, id string, u login.SessionUpdate) {
	t.Helper()
	if err := s.UpdateSession(t.Context(), id, u, start()); err != nil {
		t.Fatalf("UpdateSession(%s, %+v): %v", id, u, err)
	}
}

// wantNoSession checks that the session does not exist.
func wantNoSession(t *testing.T, s login.Store, id string, now time.Time) {
	t.Helper()
	if have, err := s.Session(t.Context(), id, now); !errors.Is(err, login.ErrNoSession) {
		t.Errorf("Session(%s) = %+v, %v; want ErrNoSession", id, have, err)
	}
}

// together calls f from n goroutines that start at once.
func together(n int, f func(i int)) {
	var wg sync.WaitGroup
	gate := make(chan struct{})
	for i := range n {
		wg.Go(func() {
			<-gate
			f(i)
		})
	}
	close(gate)
	wg.Wait()
}

// numbered returns a name with a number.
func numbered(prefix string, i int) string { return fmt.Sprintf("%s-%d", prefix, i) }

// cancelled returns a context that is cancelled.
func cancelled() context.Context {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	return ctx
}
