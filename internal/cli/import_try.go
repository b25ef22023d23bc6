package cli

import (
	"context"
	"errors"
	"slices"

	"github.com/weigate/weigate/internal/app"
	"github.com/weigate/weigate/internal/config"
	"github.com/weigate/weigate/internal/gateway"
	"github.com/weigate/weigate/internal/lang"
)

// This file has the dry run of an import. The store tries the import and changes nothing. For a
// change of the account at WeChat, the dry run also lists the users whom it would lose.

// try prints what the import would do. Without a database, only the file is checked.
func (c *userImportCmd) try(s *invocation, conf *config.Config, to config.Connector, lines []importLine) error {
	result := importEntry{Lines: len(lines), DryRun: true, Problems: []importProblemEntry{}}
	store, err := openExisting(s.ctx, conf)
	missing := errors.Is(err, gateway.ErrNoDatabase) || errors.Is(err, gateway.ErrOlderDatabase)
	switch {
	case missing && c.Replaces == "":
		if c.JSON {
			return s.out.printJSON(result)
		}
		s.out.printf("%s can be imported. Nothing was imported.", lang.Count(len(lines), "1 line", "%d lines"))
		return nil
	case err != nil:
		return err
	}
	defer store.Close()
	err = c.store(s, store.TryImport, lines, &result)
	if c.Replaces != "" && (err == nil || len(result.Problems) > 0) {
		err = errors.Join(err, c.findLost(s, conf, store, to, lines, &result))
	}
	if c.JSON {
		return errors.Join(s.out.printJSON(result), err)
	}
	s.out.printf("Nothing was imported.")
	return err
}

// replacedEntry describes which users of a connector are found again when its account is replaced.
// All users whom it does not count have a unionid.
type replacedEntry struct {
	Connector      string   `json:"connector"`
	UnionIDs       bool     `json:"unionids"`        // the new account shares unionids with this one
	WithoutUnionID int      `json:"without_unionid"` // users without a unionid
	Found          int      `json:"found"`           // of these: by an old_id of the file, or at the new account already
	Lost           []string `json:"lost"`            // ids of the others
}

// findLost prints the users of the replaced connector whom neither a unionid nor the file finds
// again. A user without a unionid can only be found by the old id, or has a new openid already.
func (c *userImportCmd) findLost(s *invocation, conf *config.Config, store gateway.Store, to config.Connector,
	lines []importLine, out *importEntry) error {
	from, found := conf.Connector(c.Replaces)
	if !found || from.AppID == to.AppID {
		return errors.New("--replaces must be the name of another connector in the configuration")
	}
	svc, err := app.NewAdministration(conf, app.AdministrationOptions{Store: store})
	if err != nil {
		return err
	}
	oldIDs := c.importedOldIDs(lines, out.Problems)
	entry := &replacedEntry{Connector: from.Name, Lost: []string{},
		UnionIDs: from.OpenPlatform != "" && from.OpenPlatform == to.OpenPlatform}
	out.Replaced = entry
	var rows []row
	q := gateway.UserSearch{NoUnionID: from.Name, Limit: 500}
	for {
		page, err := svc.Search(s.ctx, q)
		if err != nil {
			return err
		}
		for _, u := range page.Users {
			entry.WithoutUnionID++
			moved, err := hasIdentityAt(s.ctx, store, u.ID, to.AppID)
			if err != nil {
				return err
			}
			if moved || oldIDs[u.OldID] {
				entry.Found++
				continue
			}
			entry.Lost = append(entry.Lost, u.ID)
			if !c.JSON {
				rows = append(rows, cells(u.ID, s.status(u), s.formatTime(u.CreatedAt), nameOf(u)))
			}
		}
		switch {
		case page.Cut != "":
			q.After = page.Cut
		case len(page.Users) < q.Page():
			return c.printLost(s, entry, to, rows)
		default:
			q.After = page.Positions[len(page.Positions)-1]
		}
	}
}

// importedOldIDs returns the old ids of the lines that the import does not skip.
func (c *userImportCmd) importedOldIDs(lines []importLine, skipped []importProblemEntry) map[string]bool {
	problems := map[int]bool{}
	for _, p := range skipped {
		problems[p.Line] = true
	}
	oldIDs := map[string]bool{}
	for _, l := range lines {
		oldIDs[l.user.OldID] = !problems[l.line]
	}
	return oldIDs
}

// hasIdentityAt reports whether a user has an openid of an appid already.
func hasIdentityAt(ctx context.Context, store gateway.Users, userID, appID string) (bool, error) {
	identities, err := store.Identities(ctx, userID)
	if errors.Is(err, gateway.ErrNotFound) { // deleted meanwhile
		err = nil
	}
	return slices.ContainsFunc(identities, func(i gateway.Identity) bool { return i.AppID == appID }), err
}

// printLost prints the result of findLost.
func (c *userImportCmd) printLost(s *invocation, e *replacedEntry, to config.Connector, rows []row) error {
	if !e.UnionIDs {
		s.out.warnf("%s and %s have no open_platform in common: no unionid finds a user again, listed or not",
			e.Connector, to.Name)
	}
	if c.JSON {
		return nil
	}
	s.out.printf("%s: %s without a unionid: %d found by old_id or at the new connector, %d lost", e.Connector,
		lang.Count(e.WithoutUnionID, "1 user", "%d users"), e.Found, len(e.Lost))
	if len(rows) == 0 {
		return nil
	}
	return s.out.printTable("ID | STATUS | CREATED | NAME", rows)
}
