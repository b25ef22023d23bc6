package route_test

import (
	"testing"

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
