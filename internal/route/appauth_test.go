package route_test

import (
	"net/netip"
	"testing"
	"time"

	"github.com/weigate/weigate/internal/limit"
	"github.com/weigate/weigate/internal/route"
)

func TestSecretMatches(t *testing.T) {
	t.Parallel()
	first, second := route.HashSecret("first"), route.HashSecret("second")
	for _, k := range []struct {
		name  string
		known []route.SecretHash
		sent  []string
		want  bool
	}{
		{"the secret", []route.SecretHash{first}, []string{"first"}, true},
		{"the next secret", []route.SecretHash{first, second}, []string{"second"}, true},
		{"in the second reading", []route.SecretHash{first}, []string{"fi%72st", "first"}, true},
		{"another one", []route.SecretHash{first}, []string{"second"}, false},
		{"an empty one", []route.SecretHash{first}, []string{""}, false},
		{"of an unknown app", nil, []string{"first"}, false},
		{"an empty one of an unknown app", nil, []string{""}, false},
		{"none sent", []route.SecretHash{first}, nil, false},
	} {
		if got := route.SecretMatches(k.known, k.sent...); got != k.want {
			t.Errorf("%s: %t", k.name, got)
		}
	}
}

// The time of a response must not reveal which client ids exist. The comparisons are counted,
// because measured times depend on the load of the machine.
func TestUnknownAppCostsTheSameWork(t *testing.T) {
	t.Parallel()
	first, second := route.HashSecret("first"), route.HashSecret("second")
	for name, known := range map[string][]route.SecretHash{"unknown": nil, "one secret": {first},
		"two secrets": {first, second}} {
		for _, sent := range [][]string{{"wrong"}, {"first"}, {"wr%6Fng", "wrong"}, {"first", "second"}} {
			n, compared := route.SecretComparisons(known, sent...)
			if want := 2 * len(sent); n != want {
				t.Errorf("%s, %q sent: %d comparisons, want %d", name, sent, n, want)
			}
			if want := 2 * len(sent) * len(first); compared != want {
				t.Errorf("%s, %q sent: %d bytes compared, want %d", name, sent, compared, want)
			}
		}
	}
}

// TestGuesserBesideAnHonestApp guesses the secret of an app from the address of the app, as a program
// on the same server or behind the same router can. The app keeps working, and so does every other.
func TestGuesserBesideAnHonestApp(t *testing.T) {
	t.Parallel()
	refused := map[string]int{}
	f := route.Failures{Limits: limit.NewLimiter(func(name string) { refused[name]++ })}
	shared, elsewhere := netip.MustParseAddr("203.0.113.7"), netip.MustParseAddr("198.51.100.9")
	now := time.Unix(1_800_000_000, 0)
	f.Right(shared, "wiki", now)
	for i := range 1000 {
		now = now.Add(time.Second)
		f.Wrong(shared, "wiki", now)
		f.Wrong(shared, "notes", now)
		if f.Refused(shared, "wiki", now) {
			t.Fatalf("after %d guesses the app is refused at an address where it has authenticated", i)
		}
	}
	if !f.Refused(shared, "notes", now) || refused["wrong_secrets"] == 0 {
		t.Error("guesses at another app, which has not authenticated there, are not refused")
	}
	if f.Refused(elsewhere, "notes", now) {
		t.Error("that app is refused at its own address")
	}
	for range 1000 {
		f.Wrong(netip.MustParseAddr("127.0.0.1"), "notes", now)
	}
	if f.Refused(netip.MustParseAddr("127.0.0.1"), "notes", now) {
		t.Error("guesses through a proxy that is not configured lock the app out")
	}
}
