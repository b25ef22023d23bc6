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
		err := (&userImportCmd{File: "old.csv"}).store(s, store.ImportUsers, lines, &importEntry{})
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

// TestImportOfAnotherEncoding: Excel in Chinese saves "CSV (Comma delimited)" in GBK. Nicknames would be
// stored as garbage, and a second import changes no nickname.
func TestImportOfAnotherEncoding(t *testing.T) {
	t.Parallel()
	template := gateway.SignIn{Connector: "main", AppID: "wx1", At: time.Now(), InitialStatus: gateway.Pending}
	for name, test := range map[string]struct {
		text string
		want string
	}{
		"UTF-8":                        {"openid,old_id,nickname\no1,1,李四\n", ""},
		"UTF-8 with a byte order mark": {"\ufeffopenid,old_id,nickname\no1,1,李四\n", ""},
		"GBK":                          {"openid,old_id,nickname\no1,1,A\no2,2,\xc0\xee\no3,3,\xc0\n", "3: not in UTF-8"},
		"GBK, quoted":                  {"openid,old_id,nickname\no1,1,\"\xc0\xee\xcb\xc4\"\n", "2: not in UTF-8"},
		"GBK in the first line":        {"openid,old_id,\xea\xc7\xb3\xc6\no1,1,x\n", "1: not in UTF-8"},
		"UTF-16, Unicode text of Excel": {"\xff\xfeo\x00p\x00e\x00n\x00i\x00d\x00,\x00o\x00l\x00d\x00_\x00i\x00d\x00\n\x00",
			"1: not in UTF-8"},
	} {
		lines, problems := readUsers(strings.NewReader(test.text), template)
		switch {
		case test.want == "" && (len(problems) > 0 || len(lines) != 1 || lines[0].user.Profile.Nickname != "李四"):
			t.Errorf("%s: %+v, %v", name, lines, problems)
		case test.want != "" && (len(lines) > 0 || len(problems) != 1 || problems[0].Error() != test.want):
			t.Errorf("%s: %+v, %v", name, lines, problems)
		}
	}
	var errs bytes.Buffer
	_, problems := readUsers(strings.NewReader("openid,old_id,nickname\no1,1,\xc0\xee\n"), template)
	s := &invocation{ctx: t.Context(), out: printer{out: &errs, err: &errs, texts: chinese()}}
	s.out.errorWithHint((&userImportCmd{File: "old users.csv"}).refuse(s, problems))
	for _, want := range []string{"old users.csv:2: 不是 UTF-8 编码", "iconv -f gb18030 -t utf-8 'old users.csv' > utf8.csv",
		"CSV UTF-8（逗号分隔）"} {
		if !strings.Contains(errs.String(), want) {
			t.Errorf("no %q in %s", want, errs.String())
		}
	}
}

// TestInitOfAnotherEncoding: a terminal with GBK sends texts that users would see as garbage.
func TestInitOfAnotherEncoding(t *testing.T) {
	t.Parallel()
	a := answers{AccountName: "\xc0\xee", Title: "Wiki", Contact: "\xcb\xc4",
		Sites: []initialSite{{Host: "a", Name: "\xcb"}}}
	err := a.checkEncoding()
	for _, flag := range []string{"--account-name", "--contact", "--site"} {
		if err == nil || !strings.Contains(err.Error(), flag+": not in UTF-8") {
			t.Errorf("%s: %v", flag, err)
		}
	}
	if err := (answers{Title: "李四"}).checkEncoding(); err != nil {
		t.Error(err)
	}
}
