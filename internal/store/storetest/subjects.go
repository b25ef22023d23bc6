package storetest

import (
	"fmt"
	"testing"

	"github.com/weigate/weigate/internal/gateway"
)

var subjectCases = []testCase{
	{
		name:   "the first subject that is pinned stays",
		reason: "an app that gets another sub creates a new user",
		run: func(t *testing.T, f *fixture) {
			id := f.addUser("o1").ID
			var seen counter
			concurrently(f.concurrency(), func(i int) {
				sub, err := f.store.PinSubject(t.Context(), id, "wiki", fmt.Sprint("candidate ", i), noon)
				if err != nil {
					t.Error(err)
				}
				seen.add(sub)
			})
			if len(seen.counts) != 1 {
				t.Fatalf("subjects given out: %v", seen.counts)
			}
			wantEqual(t, "another app has its own", f.pinSubject(id, "shop", "mine", noon), "mine")
			pins := f.listSubjects(id)
			if len(pins) != 2 || pins[0].App != "shop" || pins[0].UserID != id || pins[0].CreatedAt != noon {
				t.Fatalf("pins: %+v", pins)
			}
		},
	},
	{
		name:   "a subject belongs to one user",
		reason: "two people would be one user in the app",
		run: func(t *testing.T, f *fixture) {
			a, b := f.addUser("o1").ID, f.addUser("o2").ID
			f.pinSubject(a, "wiki", "same", noon)
			_, err := f.store.PinSubject(t.Context(), b, "wiki", "same", noon)
			wantError(t, err, gateway.ErrConflict)
			wantEqual(t, "in another app it may", f.pinSubject(b, "shop", "same", noon), "same")
			_, err = f.store.PinSubject(t.Context(), gateway.NewID(), "wiki", "x", noon)
			wantError(t, err, gateway.ErrNotFound)
			if _, err := f.store.PinSubject(t.Context(), a, "shop", "", noon); err == nil {
				t.Fatal("an empty subject was pinned")
			}
			wantEqual(t, "pins of an unknown user", len(f.listSubjects(gateway.NewID())), 0)
		},
	},
}
