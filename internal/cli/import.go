package cli

import (
	"context"
	"encoding/csv"
	"errors"
	"io"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/weigate/weigate/internal/administration"
	"github.com/weigate/weigate/internal/app"
	"github.com/weigate/weigate/internal/filemode"
	"github.com/weigate/weigate/internal/gateway"
	"github.com/weigate/weigate/internal/lang"
)

// userImportCmd is "weigate user import". It imports the users of the program that the gateway
// replaces. The old_id of a line is the id that the user had there.
type userImportCmd struct {
	adminFlags
	File      string `arg:"" type:"path" help:"CSV file: openid,old_id and optionally unionid,nickname,status."`
	Connector string `placeholder:"NAME" help:"Connector of the openids; optional if there is only one."`
	Approved  bool   `help:"Approve the users without a status in the file. Otherwise they need approval."`
	DryRun    bool   `name:"dry-run" help:"Show what the import would do, without importing anything."`
	Replaces  string `placeholder:"NAME" help:"With --dry-run: list the users whom a change from this connector would lose."`
}

// Run checks the whole file before it stores anything. It then skips and reports each line that
// contradicts the stored users: for example, if the stored user with its openid has another old_id.
// Importing a file again changes nothing.
func (c *userImportCmd) Run(s *invocation) error {
	conf, err := c.read(s)
	if err != nil {
		return err
	}
	connector, err := connectorNamed(conf, c.Connector)
	if err != nil {
		return err
	}
	if c.Replaces != "" && !c.DryRun {
		return errors.New("--replaces needs --dry-run: it lists users, and changes nothing")
	}
	f, err := os.Open(c.File)
	if err != nil {
		return err
	}
	defer f.Close()
	status := gateway.Pending
	if c.Approved {
		status = gateway.Active
	}
	lines, problems := readUsers(f, gateway.SignIn{
		Connector: connector.Name, AppID: connector.AppID, OpenPlatform: connector.OpenPlatform,
		GroupAppIDs: conf.AppIDsSharingUnionIDs(connector), At: time.Now(), InitialStatus: status,
	})
	if len(problems) > 0 {
		return c.refuse(s, problems)
	}
	if c.DryRun {
		return c.try(s, conf, connector, lines)
	}
	store, err := openExisting(s.ctx, conf)
	if err != nil {
		return err
	}
	defer store.Close()
	svc, err := app.NewAdministration(conf, app.AdministrationOptions{Store: store})
	if err != nil {
		return err
	}
	result := importEntry{Lines: len(lines), Problems: []importProblemEntry{}}
	skipped := c.store(s, store.ImportUsers, lines, &result)
	err = errors.Join(skipped, c.block(s, svc, lines, &result))
	if c.JSON {
		err = errors.Join(s.out.printJSON(result), err)
	}
	return err
}

// refuse reports the problems of a file that is not imported.
func (c *userImportCmd) refuse(s *invocation, problems []error) error {
	for _, p := range problems {
		s.out.error(lang.Errorf("%s:%w", c.File, p))
	}
	err := lang.Errorf("nothing imported: %s with problems", lang.Count(len(problems), "1 line", "%d lines"))
	if !slices.ContainsFunc(problems, isNotUTF8) {
		return err
	}
	// Excel in Chinese saves "CSV (Comma delimited)" in GBK, of which GB 18030 is a superset.
	return withHint(err, "in Excel, save the file as “CSV UTF-8 (Comma delimited)”; or convert it: "+
		"iconv -f gb18030 -t utf-8 %s > utf8.csv", filemode.Quote(c.File))
}

// importEntry is the JSON object of "weigate user import --json".
type importEntry struct {
	Lines     int                  `json:"lines"`
	DryRun    bool                 `json:"dry_run"`
	Created   int                  `json:"created"`
	Added     int                  `json:"added"` // openids added to known users
	Updated   int                  `json:"updated"`
	Unchanged int                  `json:"unchanged"`
	Blocked   int                  `json:"blocked"` // users who existed before the import, and are blocked now
	Problems  []importProblemEntry `json:"problems"`
	Replaced  *replacedEntry       `json:"replaced,omitempty"` // with --replaces
}

type importProblemEntry struct {
	Line   int    `json:"line"`
	Reason string `json:"reason"`
}

// block blocks the users whose line has the status blocked, and who existed before the import. The
// import gives the status of a line to a new user only, but no user whom the file blocks must stay
// able to sign in. block reports the lines of users who cannot be blocked, such as the last
// administrator.
func (c *userImportCmd) block(s *invocation, svc *administration.Service, lines []importLine, out *importEntry) error {
	failed, blocked := 0, 0
	for _, l := range lines {
		if l.user.InitialStatus != gateway.Blocked {
			continue
		}
		user, err := svc.Find(s.ctx, l.user.OpenID)
		if errors.Is(err, gateway.ErrNotFound) || err == nil && user.Status == gateway.Blocked {
			continue // the import has skipped the line, or the user is blocked already
		}
		if err == nil {
			err = adminHint(svc.Block(s.ctx, byCommand, []string{user.ID}, "status in an imported file")[0].Err, user.ID)
		}
		if err != nil {
			failed++
			s.out.error(lang.Errorf("%s:%d: not blocked: %w", c.File, l.line, err))
			continue
		}
		blocked++
	}
	out.Blocked = blocked
	if blocked > 0 && !c.JSON {
		s.out.printf("%s blocked who existed before", lang.Count(blocked, "1 user", "%d users"))
	}
	if failed > 0 {
		return lang.Errorf("%s not blocked", lang.Count(failed, "1 user", "%d users"))
	}
	return nil
}

// importBatch is ImportUsers or TryImport of gateway.Users.
type importBatch func(ctx context.Context, lines []gateway.ImportedUser) (gateway.ImportResult, error)

// store imports the lines in batches, or tries it, and prints the result.
func (c *userImportCmd) store(s *invocation, run importBatch, lines []importLine, out *importEntry) error {
	var sum gateway.ImportResult
	done := 0
	progress := newProgress(s.out, "%d lines", len(lines))
	defer progress.done()
	for batch := range slices.Chunk(lines, gateway.ImportBatch) {
		users := make([]gateway.ImportedUser, 0, len(batch))
		for _, l := range batch {
			users = append(users, l.user)
		}
		res, err := run(s.ctx, users)
		if err != nil && c.DryRun {
			return err
		}
		if err != nil {
			return withHint(lang.Errorf("%s: %s: %w", c.File, importedUntil(lines, done), err),
				"run it again: lines that are imported already are not changed")
		}
		if len(res.Problems) > 0 {
			progress.done()
		}
		for _, p := range res.Problems {
			line := batch[p.Index].line
			s.out.error(lang.Errorf("%s:%d: skipped: %s", c.File, line, p.Reason))
			out.Problems = append(out.Problems, importProblemEntry{Line: line, Reason: p.Reason.String()})
		}
		done += len(batch)
		progress.update(done)
		sum.Created += res.Created
		sum.Added += res.Added
		sum.Updated += res.Updated
		sum.Unchanged += res.Unchanged
		sum.Problems = append(sum.Problems, res.Problems...)
	}
	progress.done()
	out.Created, out.Added = sum.Created, sum.Added
	out.Updated, out.Unchanged = sum.Updated, sum.Unchanged
	if !c.JSON {
		c.printResult(s, lines, sum)
	}
	if len(sum.Problems) > 0 {
		return lang.Errorf("%s skipped", lang.Count(len(sum.Problems), "1 line", "%d lines"))
	}
	return nil
}

func (c *userImportCmd) printResult(s *invocation, lines []importLine, sum gateway.ImportResult) {
	s.out.printf("%s: %s created, %s added to users, %d updated, %d unchanged, %d skipped",
		lang.Count(len(lines), "1 line", "%d lines"), lang.Count(sum.Created, "1 user", "%d users"),
		lang.Count(sum.Added, "1 openid", "%d openids"), sum.Updated, sum.Unchanged, len(sum.Problems))
}

// importedUntil describes how far a failed import came. The first done lines are stored. The next
// batch is possibly stored too: the connection can fail after the database has committed it.
func importedUntil(lines []importLine, done int) lang.Message {
	if done == 0 {
		return lang.Text("no line imported for certain")
	}
	return lang.Text("imported up to line %d, uncertain from line %d", lines[done-1].line, lines[done].line)
}

// importLine is a user and their line in the file.
type importLine struct {
	line int
	user gateway.ImportedUser
}

// lineProblem is a problem of one line. Its text never repeats a value that may be an openid, because
// openids must not appear in a terminal.
type lineProblem struct {
	line    int
	text    lang.Message
	notUTF8 bool // the file has another encoding
}

// newNotUTF8 returns the problem of a file that is not in UTF-8. line is the first line with such
// text.
func newNotUTF8(line int) error {
	return lineProblem{line: line, text: lang.Text("not in UTF-8"), notUTF8: true}
}

func isNotUTF8(err error) bool {
	var p lineProblem
	return errors.As(err, &p) && p.notUTF8
}

// inUTF8 reports whether all fields of a line are in UTF-8.
func inUTF8(record []string) bool {
	return !slices.ContainsFunc(record, func(field string) bool { return !utf8.ValidString(field) })
}

// Error returns the line number and the text, to be printed after the file name.
func (p lineProblem) Error() string { return p.Localize(nil) }

// Localize returns the problem like Error, in the language of the formats.
func (p lineProblem) Localize(texts lang.Formats) string {
	return texts.Sprintf("%d: %s", p.line, p.text)
}

// readUsers reads a CSV file whose first line names the columns. It returns all users, or all
// problems. It stops at the first line that is not in UTF-8: the whole file has another encoding,
// and nicknames in it would be stored as garbage. template has the fields that are the same for all
// users, such as the connector.
func readUsers(from io.Reader, template gateway.SignIn) (lines []importLine, problems []error) {
	table := csv.NewReader(from)
	table.FieldsPerRecord = -1 // any number: the loop checks it, and reports every wrong line
	table.TrimLeadingSpace = true
	head, err := table.Read()
	if err != nil {
		return nil, []error{lineProblem{line: 1, text: lang.Text("must name the columns: openid,unionid,old_id")}}
	}
	if !inUTF8(head) {
		return nil, []error{newNotUTF8(1)}
	}
	columns, problem, ok := columnsOf(head)
	if !ok {
		return nil, []error{lineProblem{line: 1, text: problem}}
	}
	openids, oldIDs := map[string]int{}, map[string]int{} // openid → line, old id → line
	for {
		record, err := table.Read()
		if errors.Is(err, io.EOF) {
			return lines, problems
		}
		n, _ := table.FieldPos(0) // the number of the line
		reject := func(format string, args ...any) {
			problems = append(problems, lineProblem{line: n, text: lang.Text(format, args...)})
		}
		var syntax *csv.ParseError
		switch {
		case errors.As(err, &syntax):
			n = syntax.Line
			reject("misplaced or unclosed quote")
			if errors.Is(err, csv.ErrQuote) {
				return lines, problems // the reader took the rest of the file for quoted text
			}
			continue
		case err != nil:
			reject("cannot read the rest of the file")
			return lines, problems
		case !inUTF8(record):
			return nil, append(problems, newNotUTF8(n))
		case len(record) != len(head):
			reject("%d columns instead of %d", len(record), len(head))
			continue
		}
		user := readUser(record, columns, template)
		if problem, found := checkUser(user); found {
			reject("%s", problem)
			continue
		}
		if line := openids[user.OpenID]; line > 0 {
			reject("same openid as line %d", line)
			continue
		}
		if line := oldIDs[user.OldID]; line > 0 { // a user has only one openid at a connector
			reject("same old_id as line %d, with another openid", line)
			continue
		}
		openids[user.OpenID], oldIDs[user.OldID] = n, n
		lines = append(lines, importLine{line: n, user: user})
	}
}

// harmless returns a quoted value for a message. It cuts a value that is long enough for an openid.
func harmless(value string) string {
	const longest = 16
	if runes := []rune(value); len(runes) > longest {
		value = string(runes[:longest/2]) + "…"
	}
	return strconv.Quote(value)
}

// columnsOf returns the index of each column in the first line.
func columnsOf(head []string) (columns map[string]int, problem lang.Message, ok bool) {
	columns = map[string]int{}
	known := []string{"openid", "unionid", "old_id", "nickname", "status"}
	for i, name := range head {
		// Spreadsheet programs write a byte order mark at the start of the file.
		name = strings.ToLower(strings.TrimSpace(strings.TrimPrefix(name, "\ufeff")))
		switch _, twice := columns[name]; {
		case !slices.Contains(known, name):
			return nil, lang.Text("unknown column %s: must be openid, unionid, old_id, nickname or status",
				harmless(name)), false
		case twice:
			return nil, lang.Text("duplicate column %s", name), false
		}
		columns[name] = i
	}
	for _, name := range []string{"openid", "old_id"} {
		if _, ok := columns[name]; !ok {
			return nil, lang.Text("missing column %s", name), false
		}
	}
	return columns, lang.Message{}, true
}

// readUser returns the user of one line. columns has the index of each column.
func readUser(record []string, columns map[string]int, template gateway.SignIn) gateway.ImportedUser {
	field := func(name string) string {
		if i, ok := columns[name]; ok {
			return strings.TrimSpace(record[i])
		}
		return ""
	}
	u := gateway.ImportedUser{OldID: field("old_id"), SignIn: template}
	u.OpenID, u.UnionID = field("openid"), field("unionid")
	if status := field("status"); status != "" {
		u.InitialStatus = gateway.Status(strings.ToLower(status))
	}
	if name := field("nickname"); name != "" {
		u.Profile = &gateway.Profile{Nickname: gateway.CleanText(name)}
	}
	return u
}

// checkUser returns the problem of a line. found is false for a valid line.
func checkUser(u gateway.ImportedUser) (problem lang.Message, found bool) {
	invalid := func(id string) bool {
		return len(id) > 128 || strings.ContainsFunc(id, func(r rune) bool { return r <= ' ' || r > '~' })
	}
	switch {
	case u.OpenID == "":
		return lang.Text("missing openid"), true
	case invalid(u.OpenID):
		return lang.Text("invalid openid: must be printable ASCII without spaces, at most 128 characters"), true
	case invalid(u.UnionID):
		return lang.Text("invalid unionid: must be printable ASCII without spaces, at most 128 characters"), true
	case u.OldID == "":
		return lang.Text("missing old_id"), true
	case len(u.OldID) > 200 || u.OldID != printable(u.OldID):
		return lang.Text("invalid old_id: must be printable, at most 200 bytes"), true
	case !u.InitialStatus.Valid():
		return lang.Text("invalid status %s: must be active, pending or blocked",
			harmless(string(u.InitialStatus))), true
	}
	return u.Problem()
}
