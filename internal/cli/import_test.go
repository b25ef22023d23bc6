package cli

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/weigate/weigate/internal/gateway"
)

// flaky imports people until its answers run out.
type flaky struct {
	gateway.Store
	answers int
	batches []int
}

func (f *flaky) ImportUsers(_ context.Context, people []gateway.ImportedUser) (gateway.ImportResult, error) {
	if len(f.batches) == f.answers {
		return gateway.ImportResult{}, fmt.Errorf("postgres: import people: %w", gateway.ErrUnavailable)
	}
	f.batches = append(f.batches, len(people))
	return gateway.ImportResult{Created: len(people)}, nil
}

// A database that goes away in the middle of a big file must not leave the operator guessing.
func TestAnImportThatIsCutShortSaysWhatIsIn(t *testing.T) {
	t.Parallel()
	table := strings.Builder{}
	table.WriteString("openid,old_id\n")
	for i := range 50000 {
		fmt.Fprintf(&table, "o%d,%d\n", i, i)
	}
	lines, problems := readUsers(strings.NewReader(table.String()),
		gateway.SignIn{Connector: "main", AppID: "wx1", At: time.Now(), InitialStatus: gateway.Pending})
	if len(lines) != 50000 || len(problems) > 0 {
		t.Fatalf("%d lines, %v", len(lines), problems)
	}
	for answers, want := range []string{
		"old.csv: no line imported for certain: ",
		"old.csv: imported up to line 20001, uncertain from line 20002: ",
		"old.csv: imported up to line 40001, uncertain from line 40002: ",
		"",
	} {
		var out, errs bytes.Buffer
		s := &invocation{ctx: t.Context(), out: printer{out: &out, err: &errs}}
		store := &flaky{answers: answers}
		err := (&userImportCmd{File: "old.csv"}).store(s, store, lines)
		if want == "" {
			if err != nil || fmt.Sprint(store.batches) != "[20000 20000 10000]" ||
				!strings.HasPrefix(out.String(), "50000 lines: 50000 users created") {
				t.Errorf("all answers: %v, %v, %q", err, store.batches, out.String())
			}
			continue
		}
		if !errors.Is(err, gateway.ErrUnavailable) || !strings.HasPrefix(err.Error(), want) || out.Len() > 0 {
			t.Errorf("after %d batches: %v; printed %q", answers, err, out.String())
		}
		var h *hintError
		if !errors.As(err, &h) || !strings.HasPrefix(h.hint, "run it again: ") {
			t.Errorf("after %d batches: no hint to run it again: %v", answers, err)
		}
	}
}
