package cli

import (
	"errors"
	"slices"
	"strings"
	"time"
	"unicode"

	"github.com/weigate/weigate/internal/administration"
	"github.com/weigate/weigate/internal/config"
	"github.com/weigate/weigate/internal/gateway"
	"github.com/weigate/weigate/internal/lang"
	"github.com/weigate/weigate/internal/useragent"
)

// userCmd is "weigate user". The commands that change users are in user_changes.go and user_one.go.
type userCmd struct {
	List    userListCmd    `cmd:"" help:"List or search users, newest first."`
	Show    userShowCmd    `cmd:"" help:"Show a user: identities, sessions, access requests, recent events."`
	Export  userExportCmd  `cmd:"" help:"Print all users as CSV or JSON."`
	Approve userApproveCmd `cmd:"" help:"Approve users, for all apps or for some, into groups."`
	Refuse  userRefuseCmd  `cmd:"" help:"Refuse users, with a reason that they read."`
	Block   userBlockCmd   `cmd:"" help:"Block users, and sign them out everywhere. Apps keep sessions of their own."`
	Unblock userUnblockCmd `cmd:"" help:"Unblock users. They need approval again."`
	SignOut userSignOutCmd `cmd:"" help:"Sign users out everywhere. Apps keep sessions of their own."`
	Groups  userGroupsCmd  `cmd:"" help:"Set the groups of a user."`
	Name    userNameCmd    `cmd:"" help:"Set the real name of a user."`
	Note    userNoteCmd    `cmd:"" help:"Set the note about a user, which only administrators see."`
	Apps    userAppsCmd    `cmd:"" help:"Set the apps that a user may use, or must not use, whatever the status."`
	Admin   userAdminCmd   `cmd:"" help:"Grant or revoke administrator rights: weigate user admin on ID."`
	Session userSessionCmd `cmd:"" help:"End one session of a user."`
	Merge   userMergeCmd   `cmd:"" help:"Merge two users of one human."`
	Unlink  userUnlinkCmd  `cmd:"" help:"Remove an identity from a user."`
	Move    userMoveCmd    `cmd:"" help:"Print a link that moves a user to another WeChat account."`
	Delete  userDeleteCmd  `cmd:"" help:"Delete a user and all their data. Events keep the user id."`
	Import  userImportCmd  `cmd:"" help:"Import users from a CSV file."`
}

// userFilter has the flags that select users.
type userFilter struct {
	Status string `enum:"any,active,pending,blocked" default:"any" help:"Only active, pending or blocked users."`
	Text   string `placeholder:"TEXT" help:"Beginning of a nickname, part of a real name, pinyin or note, or a complete id."`
	Group  string `placeholder:"NAME" help:"Only users in this group."`
	Admin  bool   `help:"Only administrators."`

	NoUnionID string `name:"no-unionid" placeholder:"NAME" help:"Only users of this connector, or appid, without a unionid."`
	After     string `placeholder:"POSITION" help:"Continue after this position, which the list prints, or this user id."`
}

func (f userFilter) query() gateway.UserSearch {
	q := gateway.UserSearch{Text: f.Text, Group: f.Group, Admin: f.Admin, After: f.After, NoUnionID: f.NoUnionID}
	if f.Status != "any" {
		q.Status = gateway.Status(f.Status)
	}
	return q
}

// userListCmd is "weigate user list".
type userListCmd struct {
	adminFlags
	userFilter
	Limit int `default:"50" help:"Maximum number (${default}, at most 500)."`
}

// Run prints a table.
func (c *userListCmd) Run(s *invocation) error {
	svc, closeStore, err := c.service(s)
	if err != nil {
		return err
	}
	defer closeStore()
	if err := checkLimit(c.Limit); err != nil {
		return err
	}
	q := c.query()
	q.Limit = c.Limit
	page, err := svc.Search(s.ctx, q)
	if err != nil {
		return nameOption(err, "no_unionid", "--no-unionid")
	}
	users := page.Users
	err = printList(s, c.JSON, users, "No users.", "ID | STATUS | CREATED | NICKNAME | REAL NAME | GROUPS | NOTE",
		func(u gateway.User) any { return administration.ExportUser(u) },
		func(u gateway.User) row {
			status := s.status(u)
			if u.Admin {
				status = lang.Text("%s, admin", status)
			}
			return cells(u.ID, status, s.formatTime(u.CreatedAt), u.Nickname, u.RealName, strings.Join(u.Groups, ","),
				shorten(u.Note, 40))
		})
	if err != nil {
		return err
	}
	c.printNext(s.out, page, q.Page())
	return nil
}

// printNext prints how to get the users after a page. full is the number of users on a full page.
// page.Cut is the position at which the search stopped early; "" = it did not. With --json, the
// standard output has only JSON, so printNext prints to stderr.
func (c *userListCmd) printNext(out printer, page gateway.UserPage, full int) {
	switch {
	case page.Cut != "" && c.JSON:
		out.hintf(searchCut+": --after %s", gateway.MaxRead, page.Cut)
	case page.Cut != "":
		out.printf("\n"+searchCut+": --after %s", gateway.MaxRead, page.Cut)
	case len(page.Users) == full && !c.JSON:
		out.printf("\nThere may be more: --after %s", page.Positions[full-1])
	}
}

// userExportCmd is "weigate user export".
type userExportCmd struct {
	configFlag
	userFilter
	Format string `enum:"csv,jsonl" default:"csv" help:"csv, for spreadsheet programs, or jsonl (${default})."`
	Limit  int    `default:"0" help:"Maximum number; 0 = all."`
}

// Run prints users without openids and unionids. It reads a page at a time.
func (c *userExportCmd) Run(s *invocation) error {
	if c.Limit < 0 {
		return errors.New("--limit must not be negative")
	}
	svc, closeStore, err := adminFlags{configFlag: c.configFlag}.service(s)
	if err != nil {
		return err
	}
	defer closeStore()
	_, err = svc.ExportUsers(s.ctx, byCommand, s.out.out, administration.Format(c.Format), c.query(), c.Limit)
	return nameOption(err, "no_unionid", "--no-unionid")
}

// userShowCmd is "weigate user show".
type userShowCmd struct {
	adminFlags
	ID string `arg:"" help:"User id, openid, unionid or old id."`
}

// Run prints a user. Openids and unionids are shortened, because terminals keep a history.
func (c *userShowCmd) Run(s *invocation) error {
	svc, closeStore, err := c.service(s)
	if err != nil {
		return err
	}
	defer closeStore()
	u, err := findUser(s, svc, c.ID)
	if err != nil {
		return err
	}
	d, err := svc.Details(s.ctx, u.ID)
	if err != nil {
		return err
	}
	if c.JSON {
		return s.out.printJSON(newDetailsEntry(d))
	}
	var rows []row
	line := func(name, format string, args ...any) { rows = append(rows, field(name, lang.Text(format, args...))) }
	u = d.User
	line("status", "%s", s.status(u))
	if u.Admin {
		line("administrator", "yes")
	}
	line("nickname", "%s", u.Nickname)
	line("real name", "%s", u.RealName)
	line("note", "%s", strings.ReplaceAll(u.Note, "\n", " / "))
	line("groups", "%s", strings.Join(u.Groups, ", "))
	line("allowed apps", "%s", strings.Join(u.AllowedApps, ", "))
	line("refused apps", "%s", strings.Join(u.RefusedApps, ", "))
	line("old id", "%s", u.OldID)
	line("created", "%s", s.formatTime(u.CreatedAt))
	switch a := u.Agreement; {
	case a.Version != "":
		line("agreed", "%s, version %s, %s", s.formatTime(a.At), a.Version, strings.Join(a.Documents, " "))
	case !a.IsZero():
		line("agreed", "%s, %s", s.formatTime(a.At), strings.Join(a.Documents, " "))
	}
	s.showDetails(d, line)
	return s.out.printTable(field("id", u.ID), rows)
}

// status returns the status of a user. A pending user may be approved for some apps: they are named.
func (s *invocation) status(u gateway.User) lang.Message {
	word := s.word("status", string(u.Status))
	if u.Status != gateway.Pending || len(u.AllowedApps) == 0 {
		return lang.Text("%s", word)
	}
	return lang.Text("%s (approved for %s)", word, strings.Join(u.AllowedApps, ", "))
}

// showDetails calls line for each joined user, identity, session, request and recent event of a
// user.
func (s *invocation) showDetails(d administration.Details, line func(name, format string, args ...any)) {
	for _, id := range d.JoinedIDs {
		line("joined", "%s", id)
	}
	for _, i := range d.Identities {
		union := lang.Text("no unionid")
		if i.UnionID != "" {
			union = lang.Text("unionid %s", short(i.UnionID))
		}
		line("identity", "%s, %s, openid %s, %s, last sign-in %s",
			i.Connector, i.AppID, short(i.OpenID), union, s.formatTime(i.SeenAt))
	}
	for _, each := range d.Sessions {
		line("session", "%s, %s %s, since %s, last used %s", each.ID, s.word("method", each.Method),
			useragent.Localize(each.Browser, s.language()), s.formatTime(each.Since), s.formatTime(each.SeenAt))
	}
	for _, r := range d.Requests {
		state := lang.Text("%s", s.word("request", string(r.State)))
		if r.State == gateway.RequestApproved && takenBack(d.User, r.App) {
			state = lang.Text("%s, taken back later", state)
		}
		line("request", "%s: %s, since %s %s", r.App, state, s.formatTime(r.RequestedAt), r.Reason)
	}
	for _, e := range d.Events[:min(len(d.Events), 10)] {
		line("event", "%s  %s", s.formatInstant(e.At), s.eventText(e))
	}
}

// takenBack reports whether a user's approval for an app no longer applies: the user has been
// blocked since, or an administrator has removed the app.
func takenBack(u gateway.User, app string) bool {
	switch {
	case u.Status == gateway.Blocked || slices.Contains(u.RefusedApps, app):
		return true
	case u.Status == gateway.Active:
		return false
	}
	return !slices.Contains(u.AllowedApps, app)
}

// eventText returns what happened in an event, without empty parts.
func (s *invocation) eventText(e gateway.Event) string {
	parts := []string{s.word("event", e.Kind), s.word("outcome", e.Outcome)}
	if e.App != "" {
		parts = append(parts, s.out.texts.Sprintf("app %s", e.App))
	}
	if e.Actor != "" {
		parts = append(parts, s.out.texts.Sprintf("by %s", s.actor(e.Actor)))
	}
	if e.Detail != "" {
		parts = append(parts, s.formatDetail(e.Detail))
	}
	if s.language() == lang.Chinese {
		return strings.Join(parts, "，")
	}
	return strings.Join(parts, ", ")
}

// findUser returns the user with this user id, openid, unionid or old id. It does not search
// nicknames: a user can choose the id of another user as nickname.
func findUser(s *invocation, svc *administration.Service, id string) (gateway.User, error) {
	u, err := svc.Find(s.ctx, id)
	switch {
	case errors.Is(err, administration.ErrAmbiguous):
		return gateway.User{}, withHint(lang.Errorf("several users match %s", printable(short(id))),
			"use the user id: see weigate user list --text")
	case errors.Is(err, gateway.ErrNotFound):
		return gateway.User{}, withHint(lang.Errorf("no user %s", printable(short(id))),
			"weigate user list --text finds users by name, nickname or note")
	}
	return u, err
}

// connectorNamed returns the connector with this name. If the name is empty and there is only one
// connector, connectorNamed returns that connector.
func connectorNamed(conf *config.Config, name string) (config.Connector, error) {
	if name == "" && len(conf.WeChat) == 1 {
		return conf.WeChat[0], nil
	}
	if c, ok := conf.Connector(name); ok {
		return c, nil
	}
	return config.Connector{}, errors.New("--connector must be the name of a connector in the configuration")
}

// short shortens an openid or unionid so that users are still distinguishable.
func short(id string) string {
	if len(id) <= 10 {
		return id
	}
	return id[:6] + "…" + id[len(id)-2:]
}

// formatTime formats a time to the minute, in the administrator's time zone, with the UTC
// offset. The zero time is "never".
func (s *invocation) formatTime(t time.Time) string {
	if t.IsZero() {
		return s.out.texts.Translate("never")
	}
	return t.In(s.zone).Format("2006-01-02 15:04 -07:00")
}

// printable replaces the characters that are not printable. Users choose nicknames freely, and some
// characters move the cursor of a terminal or change the reading direction.
func printable(s string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsPrint(r) {
			return r
		}
		return '\uFFFD'
	}, s)
}
