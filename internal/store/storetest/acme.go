package storetest

import (
	"fmt"
	"testing"
	"time"

	"github.com/weigate/weigate/internal/gateway"
)

// acmeCases test the values that the ACME client (RFC 8555) keeps for all replicas: certificates,
// their keys and the account. The name of a value is a path.
var acmeCases = []testCase{
	{
		name:   "values are listed and deleted by folder",
		reason: "a lost certificate is ordered again, and the authority allows five a week",
		run: func(t *testing.T, f *fixture) {
			// "a0" begins with the byte after "/", so it follows all names that begin with "a/".
			for i, name := range []string{"a", "a/1", "a/b/2", "a0", "ab/3", "a/1"} {
				wantNoError(t, f.store.PutACMEFile(t.Context(), gateway.ACMEFile{
					Name: name, Sealed: fmt.Append(nil, "sealed ", i), UpdatedAt: after(time.Duration(i) * time.Minute),
				}))
			}
			one, err := f.store.ACMEFile(t.Context(), "a/1")
			wantNoError(t, err)
			wantEqual(t, "value", fmt.Sprint(string(one.Sealed), one.UpdatedAt), fmt.Sprint("sealed 5", after(5*time.Minute)))
			names := func(folder string) (names []string) {
				all, err := f.store.ACMEFiles(t.Context(), folder)
				wantNoError(t, err)
				for _, each := range all {
					names = append(names, each.Name)
				}
				return names
			}
			wantEqual(t, "below a", fmt.Sprint(names("a")), "[a/1 a/b/2]")
			wantEqual(t, "all", fmt.Sprint(names("")), "[a a/1 a/b/2 a0 ab/3]")
			wantNoError(t, f.store.DeleteACMEFiles(t.Context(), "a"))
			wantNoError(t, f.store.DeleteACMEFiles(t.Context(), "none"))
			wantEqual(t, "after the deletion", fmt.Sprint(names("")), "[a0 ab/3]")
			_, err = f.store.ACMEFile(t.Context(), "a/1")
			wantError(t, err, gateway.ErrNotFound)
			if err := f.store.PutACMEFile(t.Context(), gateway.ACMEFile{Name: "x"}); err == nil {
				t.Fatal("a value without content was stored")
			}
		},
	},
	{
		name:       "one of many replicas has the lock, until it ends",
		reason:     "two replicas would order two certificates, and a crashed replica would stop all renewals",
		concurrent: true,
		run: func(t *testing.T, f *fixture) {
			stores := f.handles()
			var results counter
			f.concurrently(16, func(i int) {
				results.add(errorName(stores[i%2].LockACME(t.Context(), "host", fmt.Sprint("owner ", i), noon, after(time.Minute))))
			})
			results.want(t, "locked", map[string]int{"ok": 1, "conflict": 15})
			take := func(owner string, at time.Duration) error {
				return f.store.LockACME(t.Context(), "host", owner, after(at), after(at+time.Minute))
			}
			wantError(t, take("a", 59*time.Second), gateway.ErrConflict)
			wantNoError(t, take("a", time.Minute)) // the first owner has crashed, and its lock has expired
			wantNoError(t, take("a", 90*time.Second))
			wantError(t, take("b", 2*time.Minute), gateway.ErrConflict)
			wantNoError(t, f.store.UnlockACME(t.Context(), "host", "b"))
			wantError(t, take("b", 2*time.Minute), gateway.ErrConflict)
			wantNoError(t, f.store.UnlockACME(t.Context(), "host", "a"))
			wantNoError(t, take("b", 2*time.Minute))
		},
	},
}
