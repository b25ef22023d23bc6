package storetest

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/weigate/weigate/internal/gateway"
)

// noChatLimit are limits that no case reaches by accident.
var noChatLimit = gateway.ChatLimits{Total: 100_000, PerNetwork: 100_000}

// newChat returns a chat sign-in that waits until five minutes after noon.
func newChat(name string) gateway.ChatSignIn {
	return gateway.ChatSignIn{
		Key: hash("chat " + name), Desktop: hash("desktop " + name), Connector: "main",
		Method: gateway.MethodMessage, App: "wiki",
		Browser: "Firefox 验", MaskedIP: "203.0.113.*", Network: "network", State: gateway.ChatWaiting, CreatedAt: noon,
		ExpiresAt: after(5 * time.Minute), Data: []byte("data of " + name),
	}
}

// addChat stores a waiting chat sign-in.
func (f *fixture) addChat(name string) gateway.ChatSignIn {
	f.t.Helper()
	s := newChat(name)
	wantNoError(f.t, f.store.PutChatSignIn(f.t.Context(), s, noon, noChatLimit))
	return s
}

// answer answers a chat sign-in at noon, as the person with this openid. code is the confirmation
// code that the person gets.
func (f *fixture) answer(s gateway.ChatSignIn, openID, code string) (gateway.ChatSignIn, error) {
	return f.store.AnswerChatSignIn(f.t.Context(),
		gateway.ChatAnswer{Key: s.Key, OpenID: openID, Code: code, SentAt: noon}, noon)
}

// addAnsweredChat stores a chat sign-in that the person o1 has answered; the code is 4821.
func (f *fixture) addAnsweredChat(name string) gateway.ChatSignIn {
	f.t.Helper()
	s, err := f.answer(f.addChat(name), "o1", "4821")
	wantNoError(f.t, err)
	return s
}

// newChatCompletion returns the completion of a chat sign-in by the person o1, who types code on
// the desktop.
func newChatCompletion(s gateway.ChatSignIn, code string) gateway.ChatCompletion {
	session := newSession("", fmt.Sprintf("of chat %x", s.Key))
	session.Connector, session.OpenID, session.Method = "main", "o1", gateway.MethodMessage
	signIn := mainConnector.signIn(noon, "o1", "")
	session.AppID = signIn.AppID
	return gateway.ChatCompletion{
		Key: s.Key, Desktop: s.Desktop, Code: code, SignIn: signIn, Session: session, Now: noon,
		Event: gateway.Event{Kind: "sign_in", App: "wiki", Connector: "main", Method: gateway.MethodMessage},
	}
}

// complete completes a chat sign-in.
func (f *fixture) complete(c gateway.ChatCompletion) (gateway.ChatSignIn, gateway.User, error) {
	s, user, _, err := f.store.CompleteChatSignIn(f.t.Context(), c)
	return s, user, err
}

func (f *fixture) wantChatState(s gateway.ChatSignIn, want gateway.ChatState) {
	f.t.Helper()
	states, err := f.store.ChatSignInStates(f.t.Context(), [][32]byte{s.Key, hash("unknown")}, noon)
	wantNoError(f.t, err)
	if len(states) != 1 || states[s.Key] != want {
		f.t.Errorf("states %v, want %s", states, want)
	}
}

// chatCases test chat sign-ins. A desktop shows a number. A person sends the number in the chat
// with an official account, gets a confirmation code there, and types the code on the desktop. The
// desktop is then signed in as this person.
var chatCases = []testCase{
	{
		name:   "the whole sign-in",
		reason: "the page, the chat and the session belong to one sign-in",
		run: func(t *testing.T, f *fixture) {
			want := f.addChat("c")
			got, err := f.store.ChatSignIn(t.Context(), want.Key, noon)
			wantNoError(t, err)
			wantEqual(t, "stored", fmt.Sprintf("%+v", got), fmt.Sprintf("%+v", want))
			answered, err := f.answer(want, "o1", "4821")
			wantNoError(t, err)
			if answered.State != gateway.ChatAnswered || answered.OpenID != "o1" || answered.Code != "4821" {
				t.Errorf("answered: %+v", answered)
			}
			f.wantChatState(want, gateway.ChatAnswered)
			previous := f.addSession(f.addUser("o9").ID, "previous")
			c := newChatCompletion(answered, "4821")
			c.Previous = previous.Hash
			_, user, events, err := f.store.CompleteChatSignIn(t.Context(), c)
			wantNoError(t, err)
			wantEqual(t, "events", fmt.Sprint(eventKinds(events)), "[user_created ok]")
			session, owner, err := f.store.SessionUser(t.Context(), c.Session.Hash, noon)
			wantNoError(t, err)
			wantEqual(t, "user", owner.ID, user.ID)
			wantEqual(t, "method", session.Method, gateway.MethodMessage)
			_, err = f.store.Session(t.Context(), previous.Hash, noon)
			wantError(t, err, gateway.ErrNotFound)
			f.wantChatState(want, gateway.ChatCompleted)
			_, _, err = f.complete(c)
			wantError(t, err, gateway.ErrReplay)
		},
	},
	{
		name:   "an openid is one user in every method",
		reason: "a person who signs in by message and inside WeChat would be two users",
		run: func(t *testing.T, f *fixture) {
			known := f.recordSignIn(mainConnector.signIn(noon, "o1", ""))
			_, user, err := f.complete(newChatCompletion(f.addAnsweredChat("c"), "4821"))
			wantNoError(t, err)
			wantEqual(t, "user", user.ID, known.ID)
		},
	},
	{
		name:   "a wrong code ends the sign-in",
		reason: "an attacker at the desktop could try all codes",
		run: func(t *testing.T, f *fixture) {
			s := f.addAnsweredChat("c")
			got, _, err := f.complete(newChatCompletion(s, "4822"))
			wantError(t, err, gateway.ErrMismatch)
			wantEqual(t, "state", got.State, gateway.ChatWrongCode)
			_, _, err = f.complete(newChatCompletion(s, "4821"))
			wantError(t, err, gateway.ErrConflict)
			wantEqual(t, "users", len(f.listUsers(gateway.UserQuery{})), 0)
			waiting := f.addChat("without an answer")
			_, _, err = f.complete(newChatCompletion(waiting, ""))
			wantError(t, err, gateway.ErrConflict)
		},
	},
	{
		name:   "only the desktop completes and cancels",
		reason: "everybody who sees the number on the screen could sign in, or cancel",
		run: func(t *testing.T, f *fixture) {
			s := f.addAnsweredChat("c")
			c := newChatCompletion(s, "4821")
			c.Desktop = hash("another")
			_, _, err := f.complete(c)
			wantError(t, err, gateway.ErrNotFound)
			wantError(t, f.store.CancelChatSignIn(t.Context(), s.Key, c.Desktop, noon), gateway.ErrNotFound)
			f.wantChatState(s, gateway.ChatAnswered)
			wantNoError(t, f.store.CancelChatSignIn(t.Context(), s.Key, s.Desktop, noon))
			wantNoError(t, f.store.CancelChatSignIn(t.Context(), s.Key, s.Desktop, noon))
			_, _, err = f.complete(newChatCompletion(s, "4821"))
			wantError(t, err, gateway.ErrConflict)
		},
	},
	{
		name:   "the first person counts, and gets one code",
		reason: "a second person could sign in on the first one's desktop, and a repeated push would change the code",
		run: func(t *testing.T, f *fixture) {
			s := f.addAnsweredChat("c")
			again, err := f.answer(s, "o1", "9999")
			wantNoError(t, err)
			wantEqual(t, "code of a repeated message", again.Code, "4821")
			other, err := f.answer(s, "o2", "7777")
			wantError(t, err, gateway.ErrConflict)
			wantEqual(t, "person", other.OpenID, "o1")
		},
	},
	{
		name:   "an early message does not answer",
		reason: "a late push of an old message would answer the page of another desktop with the same number",
		run: func(t *testing.T, f *fixture) {
			s := f.addChat("c")
			for _, c := range []struct {
				sentAt time.Time
				want   error
			}{{after(-3 * time.Second), gateway.ErrNotFound}, {after(-2 * time.Second), nil}} {
				_, err := f.store.AnswerChatSignIn(t.Context(),
					gateway.ChatAnswer{Key: s.Key, OpenID: "o1", Code: "1", SentAt: c.sentAt}, noon)
				if !errors.Is(err, c.want) {
					t.Errorf("sent at %s: %v", c.sentAt, err)
				}
			}
		},
	},
	{
		name:   "an answer leaves time to type the code",
		reason: "a message in the last second would be in vain",
		run: func(t *testing.T, f *fixture) {
			s := f.addChat("c")
			now := s.ExpiresAt.Add(-time.Second)
			got, err := f.store.AnswerChatSignIn(t.Context(),
				gateway.ChatAnswer{Key: s.Key, OpenID: "o1", Code: "1", SentAt: now}, now)
			wantNoError(t, err)
			wantEqual(t, "expiry", got.ExpiresAt, now.Add(gateway.ChatMinimum))
		},
	},
	{
		name:   "an expired row does nothing, and its key is free",
		reason: "numbers are short, so they are used again",
		run: func(t *testing.T, f *fixture) {
			s := f.addChat("c")
			wantError(t, f.store.PutChatSignIn(t.Context(), newChat("c"), noon, noChatLimit), gateway.ErrConflict)
			end := s.ExpiresAt
			_, err := f.store.ChatSignIn(t.Context(), s.Key, end)
			wantError(t, err, gateway.ErrExpired)
			_, err = f.store.AnswerChatSignIn(t.Context(),
				gateway.ChatAnswer{Key: s.Key, OpenID: "o1", Code: "1", SentAt: end}, end)
			wantError(t, err, gateway.ErrExpired)
			wantError(t, f.store.CancelChatSignIn(t.Context(), s.Key, s.Desktop, end), gateway.ErrExpired)
			next := newChat("c")
			next.Desktop, next.CreatedAt, next.ExpiresAt = hash("next"), end, end.Add(time.Minute)
			wantNoError(t, f.store.PutChatSignIn(t.Context(), next, end, noChatLimit))
			got, err := f.store.ChatSignIn(t.Context(), s.Key, end)
			wantNoError(t, err)
			wantEqual(t, "desktop", got.Desktop, next.Desktop)
			f.sweep(end.Add(time.Minute), noon, 100)
			_, err = f.store.ChatSignIn(t.Context(), s.Key, end)
			wantError(t, err, gateway.ErrNotFound)
		},
	},
	{
		name:   "a person declines, and a blocked user is refused",
		reason: "the desktop of an attacker would be signed in",
		run: func(t *testing.T, f *fixture) {
			s, other := f.addAnsweredChat("c"), f.addAnsweredChat("d")
			n, err := f.store.RefuseChatSignIns(t.Context(), "other connector", "o1", noon)
			wantNoError(t, err)
			wantEqual(t, "refused at another connector", n, 0)
			n, err = f.store.RefuseChatSignIns(t.Context(), "main", "o1", noon)
			wantNoError(t, err)
			wantEqual(t, "refused", n, 2)
			f.wantChatState(s, gateway.ChatRefused)
			_, _, err = f.complete(newChatCompletion(other, "4821"))
			wantError(t, err, gateway.ErrConflict)

			f.block(f.recordSignIn(mainConnector.signIn(noon, "o1", "")).ID)
			s = f.addAnsweredChat("e")
			c := newChatCompletion(s, "4821")
			_, user, err := f.complete(c)
			wantError(t, err, gateway.ErrBlocked)
			wantEqual(t, "status", user.Status, gateway.Blocked)
			f.wantChatState(s, gateway.ChatRefused)
			_, err = f.store.Session(t.Context(), c.Session.Hash, noon)
			wantError(t, err, gateway.ErrNotFound)
			events := f.listEvents(gateway.EventQuery{Kind: "sign_in", Outcome: "refused"})
			wantEqual(t, "events", len(events), 1)
		},
	},
	{
		name:   "a flood of one network leaves the sign-ins of others",
		reason: "an attacker who opens many pages would keep everybody else from this method, or use up the numbers",
		run: func(t *testing.T, f *fixture) {
			limits := gateway.ChatLimits{Total: 16, PerNetwork: 8}
			put := func(network, name string) error {
				s := newChat(name)
				s.Network = network
				s.ExpiresAt = s.ExpiresAt.Add(time.Duration(len(name)) * time.Second) // some expire later
				return f.store.PutChatSignIn(t.Context(), s, noon, limits)
			}
			wantNoError(t, put("honest", "honest"))
			answered := f.addAnsweredChat("answered")
			for i := range 40 {
				wantNoError(t, put(fmt.Sprint("flood", i%4), fmt.Sprint("flood", i)))
			}
			f.wantChatState(newChat("honest"), gateway.ChatWaiting)
			f.wantChatState(answered, gateway.ChatAnswered)
			alive := 0
			for i := range 40 {
				if _, err := f.store.ChatSignIn(t.Context(), hash(fmt.Sprint("chat flood", i)), noon); err == nil {
					alive++
				}
			}
			if alive > limits.Total {
				t.Errorf("%d are left, more than %d", alive, limits.Total)
			}
			// Answered chat sign-ins are never deleted. When they reach the limit, a new one is refused.
			few := gateway.ChatLimits{Total: 1, PerNetwork: 8}
			s := newChat("follow")
			s.Method = gateway.MethodFollow
			wantNoError(t, f.store.PutChatSignIn(t.Context(), s, noon, few))
			if _, err := f.answer(s, "o3", "1"); err != nil {
				t.Fatal(err)
			}
			s.Key, s.Desktop = hash("k2"), hash("d2")
			wantError(t, f.store.PutChatSignIn(t.Context(), s, noon, few), gateway.ErrFull)
		},
	},
	{
		name:   "incomplete values are rejected",
		reason: "a row without a secret could be completed by everybody",
		run: func(t *testing.T, f *fixture) {
			good := newChat("c")
			for i, change := range []func(*gateway.ChatSignIn){
				func(s *gateway.ChatSignIn) { s.Key = [32]byte{} },
				func(s *gateway.ChatSignIn) { s.Desktop = [32]byte{} },
				func(s *gateway.ChatSignIn) { s.Desktop = s.Key }, func(s *gateway.ChatSignIn) { s.Connector = "" },
				func(s *gateway.ChatSignIn) { s.Method = "" },
				func(s *gateway.ChatSignIn) { s.ExpiresAt = time.Time{} },
			} {
				s := good
				change(&s)
				if err := f.store.PutChatSignIn(t.Context(), s, noon, noChatLimit); err == nil {
					t.Errorf("row %d is stored", i)
				}
			}
			if err := f.store.PutChatSignIn(t.Context(), good, noon, gateway.ChatLimits{}); err == nil {
				t.Error("stored without limits")
			}
			s := f.addAnsweredChat("d")
			c := newChatCompletion(s, "4821")
			c.SignIn = mainConnector.signIn(noon, "o2", "")
			if _, _, err := f.complete(c); err == nil {
				t.Error("another person than the one who answered is signed in")
			}
			f.wantChatState(s, gateway.ChatAnswered)
		},
	},
	{
		name:       "of concurrent callers one answers and one completes",
		reason:     "two persons could be bound to one desktop, or two sessions stored",
		concurrent: true,
		run: func(t *testing.T, f *fixture) {
			stores := f.handles()
			for round := range 3 {
				s := f.addChat(fmt.Sprint("c", round))
				answers := make([]string, f.concurrency())
				f.concurrently(f.concurrency(), func(i int) {
					got, err := stores[i%2].AnswerChatSignIn(t.Context(), gateway.ChatAnswer{
						Key: s.Key, OpenID: fmt.Sprint("o", i%2+1), Code: fmt.Sprint(1000 + i), SentAt: noon}, noon)
					if err != nil && !errors.Is(err, gateway.ErrConflict) {
						t.Error(err)
					}
					answers[i] = got.OpenID + " " + got.Code
				})
				for _, each := range answers {
					wantEqual(t, "answer", each, answers[0])
				}
				now, err := f.store.ChatSignIn(t.Context(), s.Key, noon)
				wantNoError(t, err)
				c := newChatCompletion(s, now.Code)
				c.SignIn = mainConnector.signIn(noon, now.OpenID, "")
				c.Session.OpenID = now.OpenID
				completed := make([]bool, f.concurrency())
				f.concurrently(f.concurrency(), func(i int) {
					_, _, _, err := stores[i%2].CompleteChatSignIn(t.Context(), c)
					completed[i] = err == nil
					if err != nil && !errors.Is(err, gateway.ErrReplay) {
						t.Error(err)
					}
				})
				n := 0
				for _, each := range completed {
					if each {
						n++
					}
				}
				wantEqual(t, "completed", n, 1)
			}
		},
	},
}
