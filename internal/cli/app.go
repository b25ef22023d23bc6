package cli

import (
	"errors"
	"strings"

	"github.com/weigate/weigate/internal/administration"
	"github.com/weigate/weigate/internal/gateway"
	"github.com/weigate/weigate/internal/lang"
)

// appCmd is "weigate app". Apps are in the configuration; these commands only read.
type appCmd struct {
	List appListCmd `cmd:"" help:"List the configured apps."`
	Show appShowCmd `cmd:"" help:"Show an app: settings, configuration for the other side, recent failures."`
}

// appEntry is the JSON object of an app.
type appEntry struct {
	ID       string            `json:"id"`
	Kind     string            `json:"kind"`
	Name     string            `json:"name"`
	Access   string            `json:"access"`
	Settings map[string]string `json:"settings"`
	Snippet  string            `json:"snippet"` // configuration to copy into the app or the reverse proxy
}

func newAppEntry(a administration.App) appEntry {
	out := appEntry{
		ID: a.ID, Kind: string(a.Kind), Name: a.Name, Access: string(a.Access.Rule), Settings: map[string]string{},
		Snippet: a.Snippets[lang.English],
	}
	for _, s := range a.Settings {
		out.Settings[s.Key] = s.Value
	}
	return out
}

// appListCmd is "weigate app list".
type appListCmd struct{ adminFlags }

// Run prints a table.
func (c *appListCmd) Run(s *invocation) error {
	svc, closeStore, err := c.service(s)
	if err != nil {
		return err
	}
	defer closeStore()
	return printList(s, c.JSON, svc.Apps(), "No apps are configured.", "ID | KIND | NAME | ACCESS",
		func(a administration.App) any { return newAppEntry(a) },
		func(a administration.App) row {
			return cells(a.ID, s.word("app_kind", string(a.Kind)), a.Name, s.word("access", string(a.Access.Rule)))
		})
}

// appShowCmd is "weigate app show".
type appShowCmd struct {
	adminFlags
	ID string `arg:"" help:"Id of the app."`
}

// Run prints an app and its recent events.
func (c *appShowCmd) Run(s *invocation) error {
	svc, closeStore, err := c.service(s)
	if err != nil {
		return err
	}
	defer closeStore()
	details, err := svc.App(s.ctx, c.ID)
	if errors.Is(err, gateway.ErrNotFound) {
		return withHint(lang.Errorf("no app %s", printable(shorten(c.ID, 64))), "weigate app list")
	}
	if err != nil {
		return err
	}
	if c.JSON {
		out := struct {
			App      appEntry                       `json:"app"`
			Waiting  []requestEntry                 `json:"waiting"`
			Events   []administration.ExportedEvent `json:"events"`
			Failures []administration.ExportedEvent `json:"failures"`
		}{newAppEntry(details.App), []requestEntry{}, exportEvents(details.Events), exportEvents(details.Failures)}
		for _, w := range details.Waiting {
			out.Waiting = append(out.Waiting, newRequestEntry(w.Request))
		}
		return s.out.printJSON(out)
	}
	rows := []row{field("kind", s.word("app_kind", string(details.Kind))), field("name", details.Name)}
	for _, each := range details.Settings {
		rows = append(rows, cells(each.Key, administration.DescribeSetting(s.language(), each)))
	}
	rows = append(rows, field("waiting", lang.Count(len(details.Waiting), "1 request", "%d requests")))
	if err := s.out.printTable(field("id", details.ID), rows); err != nil {
		return err
	}
	s.out.printf("\nFor the other side:\n\n%s", strings.TrimRight(details.Snippets[s.language()], "\n"))
	s.out.printf("\nFailures:\n")
	if err := printEvents(s, details.Failures); err != nil {
		return err
	}
	s.out.printf("\nEvents:\n")
	return printEvents(s, details.Events)
}

func exportEvents(events []gateway.Event) []administration.ExportedEvent {
	out := []administration.ExportedEvent{}
	for _, e := range events {
		out = append(out, administration.ExportEvent(e))
	}
	return out
}
