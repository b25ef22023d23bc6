package chat

import (
	"fmt"
	"math"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/weigate/weigate/internal/gateway"
	"github.com/weigate/weigate/internal/limit"
	"github.com/weigate/weigate/internal/store/sqlite/sqlitetest"
	"github.com/weigate/weigate/wechat/push"
)

// guessFixture is a handler with a real store and real limits. Its pending sign-ins and the guessed
// numbers are the same in every run.
type guessFixture struct {
	t       *testing.T
	handler *Handler
	store   gateway.Store
	now     time.Time
	random  *rand.Rand
	sent    uint64
}

func newGuessFixture(t *testing.T) *guessFixture {
	t.Helper()
	store := sqlitetest.New(t)
	f := &guessFixture{t: t, store: store, now: time.Date(2026, 11, 30, 8, 0, 0, 0, time.UTC),
		random: rand.New(rand.NewPCG(13, 4))}
	var err error
	f.handler, err = New(Config{
		URL: "https://login.example.com", Keys: [][]byte{make([]byte, 32)}, SignIns: store, Users: store, Events: store,
		Accounts: []Account{{Connector: "main", AppID: "wx00000000000000c3", Name: "Example", Language: "en"}},
		Apps:     func(string) (gateway.App, bool) { return gateway.App{Name: "Sample"}, true },
		Limits:   limit.NewLimiter(nil), Now: func() time.Time { return f.now },
	})
	if err != nil {
		t.Fatal(err)
	}
	return f
}

// number returns a random number with a right check digit, as a careful attacker sends it.
func (f *guessFixture) number() string {
	return withCheckDigit(fmt.Sprintf("%06d", f.random.IntN(1_000_000)))
}

// open stores a pending sign-in with a random number, as a desktop of any network does.
func (f *guessFixture) open(i int) (number string) {
	f.t.Helper()
	number = f.number()
	row := gateway.ChatSignIn{Key: rowKey("main", gateway.MethodMessage, number), App: "sample", Connector: "main",
		Method: gateway.MethodMessage, Network: fmt.Sprint("network ", i%50), CreatedAt: f.now, ExpiresAt: f.now.Add(life)}
	copy(row.Desktop[:], fmt.Sprint("desktop ", i))
	limits := gateway.ChatLimits{Total: limit.ChatSignIns.Max, PerNetwork: limit.ChatSignInsPerNetwork.Max}
	if err := f.store.PutChatSignIn(f.t.Context(), row, f.now, limits); err != nil {
		return f.open(i) // the number is in use
	}
	return number
}

// send sends a number to the account. hit reports whether it was somebody's, answered whether the
// account answered at all.
func (f *guessFixture) send(openID, number string) (hit, answered bool) {
	f.t.Helper()
	f.sent++
	reply, err := f.handler.Receive(f.t.Context(), "main", push.Message{OpenID: openID, Type: push.TypeText,
		Content: number, MsgID: f.sent, CreatedAt: f.now})
	if err != nil {
		f.t.Fatal(err)
	}
	return strings.Contains(reply.Text, "Code: "), reply.Text != ""
}

// The chance of a person who sends made-up numbers, while as many sign-ins are pending as there may be.
// docs/en/message.md states the bounds: one number is somebody's with a chance of 0.5 %, and the five that
// a person may send at once with 2.5 %.
func TestChanceOfAGuesserWithAllSignInsPending(t *testing.T) {
	t.Parallel()
	f := newGuessFixture(t)
	for i := range limit.ChatSignIns.Max {
		f.open(i)
	}
	const people = 2000
	numbers, hits, lucky := 0, 0, 0
	for i := range people {
		before := hits
		for range 3 * limit.WrongChatNumbers.Burst {
			hit, answered := f.send(fmt.Sprint("guesser ", i), f.number())
			if answered {
				numbers++
			}
			if hit {
				hits++
			}
		}
		if hits > before {
			lucky++
		}
	}
	chance, perPerson := float64(hits)/float64(numbers), float64(lucky)/people
	t.Logf("%d numbers of %d people, %d hits: %.2f %% for a number, %.2f %% for a person", numbers, people, hits,
		100*chance, 100*perPerson)
	const space = 1_000_000
	want := float64(limit.ChatSignIns.Max) / space
	wantPerPerson := 1 - math.Pow(1-want, float64(limit.WrongChatNumbers.Burst))
	if deviation := math.Sqrt(want / float64(numbers)); math.Abs(chance-want) > 3*deviation {
		t.Errorf("the chance for a number is %.4f, want %.4f", chance, want)
	}
	if deviation := math.Sqrt(wantPerPerson / people); math.Abs(perPerson-wantPerPerson) > 3*deviation {
		t.Errorf("the chance for a person is %.4f, want %.4f", perPerson, wantPerPerson)
	}
	if most := people * limit.WrongChatNumbers.Burst; numbers-hits > most {
		t.Errorf("%d wrong numbers were answered, more than %d", numbers-hits, most)
	}
}

// A person who guesses day and night gets few answers, and silence for all other numbers.
func TestGuesserForADay(t *testing.T) {
	t.Parallel()
	f := newGuessFixture(t)
	answers := 0
	for range 24 * 60 * 6 {
		f.now = f.now.Add(10 * time.Second)
		if _, answered := f.send("guesser", f.number()); answered {
			answers++
		}
	}
	// docs/en/message.md: five at once, then one in two minutes.
	if most := limit.WrongChatNumbers.Burst + 24*30; answers > most || answers < most-1 {
		t.Errorf("%d numbers of a day were looked up, want %d", answers, most)
	}
}

// An attacker who opens many pages and answers all of them fills the limit with sign-ins that are never
// replaced. So one person answers few, and the others are replaced.
func TestOnePersonCannotAnswerAllSignIns(t *testing.T) {
	t.Parallel()
	f := newGuessFixture(t)
	hits := 0
	for i := range 5 * limit.ChatNumbers.Burst {
		if hit, answered := f.send("attacker", f.open(i)); hit {
			hits++
		} else if !answered {
			t.Error("the person is not told why")
		}
	}
	if hits != limit.ChatNumbers.Burst {
		t.Errorf("%d sign-ins were answered, want %d", hits, limit.ChatNumbers.Burst)
	}
	if hit, _ := f.send("honest", f.open(0)); !hit {
		t.Error("another person gets no code")
	}
	f.now = f.now.Add(10 * time.Minute)
	if hit, _ := f.send("attacker", f.open(1)); !hit {
		t.Error("the person gets no code after ten minutes")
	}
}
