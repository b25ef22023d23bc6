package cli

import (
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/weigate/weigate/internal/app"
	"github.com/weigate/weigate/internal/config"
	"github.com/weigate/weigate/internal/gateway"
)

// userImportCmd is "weigate user import".
type userImportCmd struct {
	configured
	File      string `arg:"" type:"path" help:"CSV with a first line openid,unionid,old_id (in any order; nickname may be a fourth column)."`
	Connector string `placeholder:"NAME" help:"The entry that the openids belong to; may be left out when there is one."`
	Approved  bool   `help:"The people are approved. Without it they wait for approval when they first come."`
	DryRun    bool   `name:"dry-run" help:"Read the file and tell what is wrong in it; import nothing."`
}

// Run reads the whole file before anything is stored: a line that cannot be right stops all. Lines that contradict what is stored already are left out
// and told; the others are in, and a second run of the same file changes nothing.
func (c *userImportCmd) Run(s *session) error {
	conf, err := c.load(s)
	if err != nil {
		return err
	}
	connector, err := connectorNamed(conf, c.Connector)
	if err != nil {
		return err
	}
	f, err := os.Open(c.File)
	if err != nil {
		return fmt.Errorf("the file to import: %w", err)
	}
	defer f.Close()
	status := gateway.Pending
	if c.Approved {
		status = gateway.Active
	}
	lines, problems := readPeople(f, connector, conf.Group(connector), status, time.Now())
	if len(problems) > 0 {
		for _, p := range problems {
			s.out.fail(fmt.Errorf("%s:%w", c.File, p))
		}
		return fmt.Errorf("nothing was imported: %s of %s cannot be right", count(len(problems), "line", "lines"), c.File)
	}
	if c.DryRun {
		s.out.say("%s can be imported. Nothing was stored.", count(len(lines), "line", "lines"))
		return nil
	}
	store, err := openStore(s.ctx, conf, app.StoreOptions{})
	if err != nil {
		return err
	}
	defer store.Close()
	return c.store(s, store, lines)
}

// store sends the lines in batches and tells what became of them.
func (c *userImportCmd) store(s *session, store gateway.Store, lines []importLine) error {
	var sum gateway.ImportResult
	done := 0
	for batch := range slices.Chunk(lines, gateway.ImportBatch) {
		people := make([]gateway.ImportedUser, 0, len(batch))
		for _, l := range batch {
			people = append(people, l.person)
		}
		res, err := store.ImportUsers(s.ctx, people)
		if err != nil {
			return fmt.Errorf("%s: %w", c.cutShort(lines, done), err)
		}
		for _, p := range res.Problems {
			s.out.fail(fmt.Errorf("%s:%d: left out: %s", c.File, batch[p.Index].line, p.Reason))
		}
		done += len(batch)
		sum.Created += res.Created
		sum.Added += res.Added
		sum.Updated += res.Updated
		sum.Unchanged += res.Unchanged
		sum.Problems = append(sum.Problems, res.Problems...)
	}
	s.out.say("%s: %s made, %s added to accounts, %d brought up to date, %d as they were, %d left out", count(len(lines), "line", "lines"),
		count(sum.Created, "account", "accounts"), count(sum.Added, "openid", "openids"), sum.Updated, sum.Unchanged, len(sum.Problems))
	if len(sum.Problems) > 0 {
		return fmt.Errorf("%s contradicted what is stored and were left out, see above", count(len(sum.Problems), "line", "lines"))
	}
	return nil
}

// cutShort says what is in after an import that failed when done of the lines were known to be. The batch that failed may be in too, when it was the
// answer that was lost; a repeat finds out, and changes nothing for what is in.
func (c *userImportCmd) cutShort(lines []importLine, done int) string {
	if done == 0 {
		return c.File + ": no line is known to be in; run the same again, which does no harm in any case"
	}
	return fmt.Sprintf("%s: all up to line %d is in, from line %d on not for certain; run the same again, which changes nothing for what is in",
		c.File, lines[done-1].line, lines[done].line)
}

// importLine is a person and where they stand in the file.
type importLine struct {
	line   int
	person gateway.ImportedUser
}

// lineProblem is what is wrong with one line. It repeats no value: an openid is not for a terminal.
type lineProblem struct {
	line int
	what string
}

// Error is the problem behind "file:".
func (p lineProblem) Error() string { return fmt.Sprintf("%d: %s", p.line, p.what) }

// readPeople reads a CSV whose first line names the columns, and reports every line that cannot be right.
func readPeople(from io.Reader, connector config.Connector, group []string, status gateway.Status, now time.Time) (lines []importLine, problems []error) {
	table := csv.NewReader(from)
	table.FieldsPerRecord = -1
	table.TrimLeadingSpace = true
	head, err := table.Read()
	if err != nil {
		return nil, []error{lineProblem{1, "the first line must name the columns: openid,unionid,old_id"}}
	}
	columns, problem := columnsOf(head)
	if problem != "" {
		return nil, []error{lineProblem{1, problem}}
	}
	openids, oldIDs := map[string]int{}, map[string]int{}
	for {
		record, err := table.Read()
		if errors.Is(err, io.EOF) {
			return lines, problems
		}
		n, _ := table.FieldPos(0)
		fault := func(what string) { problems = append(problems, lineProblem{n, what}) }
		var syntax *csv.ParseError
		switch {
		case errors.As(err, &syntax):
			n = syntax.Line
			fault("a quote stands where none can be, or is not closed")
			if errors.Is(err, csv.ErrQuote) {
				return lines, problems // the rest of the file is inside that quote
			}
			continue
		case err != nil:
			fault("the file cannot be read further")
			return lines, problems
		case len(record) != len(head):
			fault(fmt.Sprintf("has %d columns, the first line has %d", len(record), len(head)))
			continue
		}
		person := personOf(record, columns, connector, group, status, now)
		if what := wrongWith(person); what != "" {
			fault(what)
			continue
		}
		if first := openids[person.OpenID]; first > 0 {
			fault(fmt.Sprintf("has the same openid as line %d", first))
			continue
		}
		if first := oldIDs[person.OldID]; first > 0 { // one person has one openid at an entry
			fault(fmt.Sprintf("has the same old_id as line %d, with another openid", first))
			continue
		}
		openids[person.OpenID], oldIDs[person.OldID] = n, n
		lines = append(lines, importLine{n, person})
	}
}

// columnsOf finds the columns by their names in the first line.
func columnsOf(head []string) (columns map[string]int, problem string) {
	columns = map[string]int{}
	known := []string{"openid", "unionid", "old_id", "nickname"}
	for i, name := range head {
		name = strings.ToLower(strings.TrimSpace(strings.TrimPrefix(name, "\ufeff"))) // spreadsheets put a byte order mark in front
		switch _, twice := columns[name]; {
		case !slices.Contains(known, name):
			return nil, "a column is none of openid, unionid, old_id, nickname (the first line must name the columns)"
		case twice:
			return nil, "the column " + name + " is there twice"
		}
		columns[name] = i
	}
	for _, name := range []string{"openid", "old_id"} {
		if _, ok := columns[name]; !ok {
			return nil, "the column " + name + " is missing"
		}
	}
	return columns, ""
}

func personOf(record []string, columns map[string]int, connector config.Connector, group []string, status gateway.Status, now time.Time) gateway.ImportedUser {
	field := func(name string) string {
		if i, ok := columns[name]; ok {
			return strings.TrimSpace(record[i])
		}
		return ""
	}
	p := gateway.ImportedUser{OldID: field("old_id"), SignIn: gateway.SignIn{
		Connector: connector.Name, AppID: connector.AppID, OpenID: field("openid"), UnionID: field("unionid"), OpenPlatform: connector.OpenPlatform, Group: group, At: now, InitialStatus: status,
	}}
	if name := field("nickname"); name != "" {
		p.Profile = &gateway.Profile{Nickname: gateway.Clean(name)}
	}
	return p
}

// wrongWith says why a line cannot be right, or "".
func wrongWith(p gateway.ImportedUser) string {
	odd := func(id string) bool {
		return len(id) > 128 || strings.ContainsFunc(id, func(r rune) bool { return r <= ' ' || r > '~' })
	}
	switch {
	case p.OpenID == "":
		return "has no openid"
	case odd(p.OpenID):
		return "has an openid that is none: printable ASCII without spaces, at most 128 characters"
	case odd(p.UnionID):
		return "has a unionid that is none: printable ASCII without spaces, at most 128 characters"
	case p.OldID == "":
		return "has no old_id"
	case len(p.OldID) > 200 || p.OldID != printable(p.OldID):
		return "has an old_id that is longer than 200 bytes or not printable"
	}
	return p.Problem()
}
