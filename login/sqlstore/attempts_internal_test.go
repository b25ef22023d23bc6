package sqlstore

import (
	"database/sql"
	"path/filepath"
	"testing"
	"time"

	_ "modernc.org/sqlite"

	"github.com/weigate/weigate/login"
)

// Three requests have three codes for one state. Two have read the row with the refused first code. One
// of them sends its code; the other must not send a third code, whatever has become of the row.
func TestStaleReaderSendsNoThirdCode(t *testing.T) {
	t.Parallel()
	db, err := sql.Open("sqlite", filepath.Join(t.TempDir(), "login.db")+"?_pragma=busy_timeout(5000)")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	s, err := Open(t.Context(), db, SQLite)
	if err != nil {
		t.Fatal(err)
	}
	now := time.Now()
	// replace is the call of a request that has read a row of the given owner, outcome and expiry.
	replace := func(owner string, kind login.OutcomeKind, expires time.Time) int64 {
		n, err := s.exec(t.Context(), s.statements.replaceAttempt, "third", "late", micros(now.Add(time.Minute)),
			micros(now.Add(time.Hour)), 0, micros(now.Add(time.Hour)), "flow", owner, string(kind), micros(expires))
		if err != nil {
			t.Fatal(err)
		}
		return n
	}
	a := login.Attempt{ID: "flow", Code: "second", Owner: "two", Lease: now.Add(time.Minute), Expires: now.Add(time.Hour)}
	if _, begun, err := s.BeginAttempt(t.Context(), a, now); err != nil || !begun {
		t.Fatal(begun, err)
	}
	if replace("two", login.OutcomeCodeRefused, a.Expires) != 0 {
		t.Error("a code was sent while another is being redeemed")
	}
	out := login.Outcome{Kind: login.OutcomeCodeRefused, At: now}
	if err := s.FinishAttempt(t.Context(), "flow", "two", out, now); err != nil {
		t.Fatal(err)
	}
	if replace("one", login.OutcomeCodeRefused, a.Expires) != 0 {
		t.Error("a third code was sent after the second was refused")
	}
	if replace("two", login.OutcomeCodeRefused, a.Expires.Add(-time.Second)) != 0 {
		t.Error("a row that began later was replaced")
	}
	if replace("two", login.OutcomeCodeRefused, a.Expires) != 1 {
		t.Error("an unchanged row was not replaced")
	}
}
