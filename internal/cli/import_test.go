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

// flaky is a store that imports the first batches and fails at the next.
type flaky struct {
	gateway.Store
	limit   int
	batches []int
}

func (f *flaky) ImportUsers(_ context.Context, users []gateway.ImportedUser) (gateway.ImportResult, error) {
	if len(f.batches) == f.limit {
		return gateway.ImportResult{}, fmt.Errorf("postgres: import users: %w", gateway.ErrUnavailable)
	}
	f.batches = append(f.batches, len(users))
	return gateway.ImportResult{Created: len(users)}, nil
}

// When the store fails during an import, the error contains the last line that was imported for
// certain, and the first line that is uncertain.
func TestInterruptedImport(t *testing.T) {
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
	for limit, want := range []string{
		"old.csv: no line imported for certain: ",
		"old.csv: imported up to line 20001, uncertain from line 20002: ",
		"old.csv: imported up to line 40001, uncertain from line 40002: ",
		"",
	} {
		var out, errs bytes.Buffer
		s := &invocation{ctx: t.Context(), out: printer{out: &out, err: &errs}}
		store := &flaky{limit: limit}
		err := (&userImportCmd{File: "old.csv"}).store(s, store, lines, &importEntry{})
		if want == "" {
			if err != nil || fmt.Sprint(store.batches) != "[20000 20000 10000]" ||
				!strings.HasPrefix(out.String(), "50000 lines: 50000 users created") {
				t.Errorf("all batches: %v, %v, %q", err, store.batches, out.String())
			}
			continue
		}
		if !errors.Is(err, gateway.ErrUnavailable) || !strings.HasPrefix(err.Error(), want) || out.Len() > 0 {
			t.Errorf("after %d batches: %v; printed %q", limit, err, out.String())
		}
		var h *hintError
		if !errors.As(err, &h) || !strings.HasPrefix(h.hint.String(), "run it again: ") {
			t.Errorf("after %d batches: no hint to run it again: %v", limit, err)
		}
	}
}
