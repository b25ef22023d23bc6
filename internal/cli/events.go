package cli

import (
	"errors"
	"regexp"
	"strings"

	"github.com/weigate/weigate/internal/administration"
	"github.com/weigate/weigate/internal/gateway"
	"github.com/weigate/weigate/internal/lang"
	"github.com/weigate/weigate/internal/route"
)

// eventsCmd is "weigate events".
type eventsCmd struct {
	adminFlags
	CSV       bool   `name:"csv" help:"Print CSV for a spreadsheet program."`
	User      string `placeholder:"ID" help:"Only events of this user."`
	Kind      string `placeholder:"KIND" help:"Only this kind. --kinds lists all."`
	App       string `placeholder:"ID" help:"Only events of this app."`
	Actor     string `placeholder:"ID" help:"Only changes by this user id, \"command\", or \"key:\" and the id of an API key."`
	Outcome   string `placeholder:"WORD" help:"Only this outcome, such as ok; \"!ok\" is every other."`
	RequestID string `name:"request-id" placeholder:"ID" help:"Only events of this request."`
	Since     moment `placeholder:"TIME" help:"From this time: 2026-09-01, \"2026-09-01 14:30\", or 24h before now."`
	Until     moment `placeholder:"TIME" help:"Before this time."`
	Before    int64  `placeholder:"EVENT" help:"Continue after this event: the next page."`
	Limit     int    `default:"50" help:"Maximum number (${default}); 0 = all, with --json or --csv."`
	Kinds     bool   `help:"List the kinds of events."`
}

// Run prints events, newest first.
func (c *eventsCmd) Run(s *invocation) error {
	if c.Kinds {
		return c.printKinds(s)
	}
	if c.JSON && c.CSV {
		return errors.New("--json and --csv cannot be combined")
	}
	export := c.JSON || c.CSV
	if c.Limit < 0 || !export && (c.Limit == 0 || c.Limit > 500) {
		return errors.New("--limit must be between 1 and 500; 0 with --json or --csv prints all")
	}
	svc, closeStore, err := c.service(s)
	if err != nil {
		return err
	}
	defer closeStore()
	q := gateway.EventQuery{
		Kind: c.Kind, App: c.App, Actor: c.Actor, Outcome: c.Outcome, RequestID: c.RequestID,
		Before: c.Before, Limit: c.Limit,
	}
	if q.Since, err = c.Since.in(s.zone); err != nil {
		return err
	}
	if q.Until, err = c.Until.in(s.zone); err != nil {
		return err
	}
	if q.UserID, err = c.userID(s, svc); err != nil {
		return err
	}
	if export {
		format := administration.JSONLines
		if c.CSV {
			format = administration.CSV
		}
		_, err := svc.ExportEvents(s.ctx, byCommand, s.out.out, format, q, c.Limit)
		return err
	}
	page, err := svc.Events(s.ctx, q)
	if err != nil {
		return err
	}
	if err := printEvents(s, page.Events); err != nil {
		return err
	}
	printNextEvents(s.out, page, q.Page())
	return nil
}

// printNextEvents prints how to get the events after a page. full is the number of events on a full
// page. page.Cut is the id at which the search stopped early; 0 = it did not.
func printNextEvents(out printer, page gateway.EventPage, full int) {
	switch {
	case page.Cut != 0:
		out.printf("\n"+searchCut+": --before %d", gateway.MaxRead, page.Cut)
	case len(page.Events) == full:
		out.printf("\nThere may be more: --before %d", page.Events[full-1].ID)
	}
}

// searchCut is printed below a list when its search stopped early.
const searchCut = "The search stopped after %d rows. Narrow it, or continue it"

// validUserID matches the ids of users: 26 characters of base32 in lower case.
var validUserID = regexp.MustCompile(`^[a-z2-7]{26}$`)

// userID returns the user id of --user. An id is not looked up: events keep the ids of users who
// were deleted or joined.
func (c *eventsCmd) userID(s *invocation, svc *administration.Service) (string, error) {
	if c.User == "" || validUserID.MatchString(c.User) {
		return c.User, nil
	}
	user, err := findUser(s, svc, c.User)
	return user.ID, err
}

func printEvents(s *invocation, events []gateway.Event) error {
	return printList(s, false, events, "No events.",
		"TIME | KIND | OUTCOME | USER | BY | APP | METHOD | FROM | DETAIL", nil,
		func(e gateway.Event) row {
			return cells(s.formatInstant(e.At), s.word("event", e.Kind), s.word("outcome", e.Outcome), e.UserID,
				s.actor(e.Actor), e.App, s.word("method", e.Method), describeAddress(e.Address), s.formatDetail(e.Detail))
		})
}

// formatDetail returns the detail of an event in the language of the terminal, with times in the
// administrator's time zone. --json and --csv print the detail as stored.
func (s *invocation) formatDetail(detail string) string {
	return administration.DescribeDetail(s.language(), detail, s.formatInstant)
}

// describeAddress marks an address of a private network. The last part of a masked address is "*".
func describeAddress(masked string) lang.Message {
	if route.IsPrivateMask(masked) {
		return lang.Text("%s (LAN)", masked)
	}
	return lang.Text("%s", masked)
}

func (c *eventsCmd) printKinds(s *invocation) error {
	type entry struct {
		Kind     string   `json:"kind"`
		Category string   `json:"category"`
		Outcomes []string `json:"outcomes"`
		Fields   []string `json:"fields"`
		Meaning  string   `json:"meaning"`
	}
	return printList(s, c.JSON, administration.EventKinds(), "", "KIND | CATEGORY | OUTCOMES | MEANING",
		func(k administration.EventKind) any {
			return entry{
				Kind: k.Kind, Category: string(k.Category), Outcomes: k.Outcomes, Fields: k.Fields, Meaning: k.Meaning,
			}
		},
		func(k administration.EventKind) row {
			return cells(k.Kind, s.word("category", string(k.Category)), strings.Join(k.Outcomes, ", "),
				lang.Text(k.Meaning))
		})
}
