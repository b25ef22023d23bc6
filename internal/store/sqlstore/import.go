package sqlstore

import (
	"cmp"
	"context"
	"errors"
	"maps"
	"slices"

	"github.com/weigate/weigate/internal/gateway"
)

// ImportUsers implements gateway.Users. A file may have millions of lines, so ImportUsers does not
// run statements for each line. It reads all users that the lines refer to by a few queries. Then
// it decides line by line in memory (gateway.PlanImport), and writes the changed rows at the end. A
// line that joins users, or whose user is blocked, is written at once, because it changes more
// tables.
func (b Base) ImportUsers(ctx context.Context, imported []gateway.ImportedUser) (gateway.ImportResult, error) {
	return b.importUsers(ctx, imported, nil)
}

// errTried ends the transaction of TryImport without a change.
var errTried = errors.New("tried only")

// TryImport implements gateway.Users.
func (b Base) TryImport(ctx context.Context, imported []gateway.ImportedUser) (gateway.ImportResult, error) {
	return b.importUsers(ctx, imported, errTried)
}

// importUsers imports users. An error in end is the result of the transaction: nothing is stored.
func (b Base) importUsers(ctx context.Context, imported []gateway.ImportedUser, end error) (
	res gateway.ImportResult, err error) {
	lines := slices.Clone(imported)
	for i := range lines {
		lines[i].At = gateway.StoredTime(lines[i].At)
	}
	err = b.db.Do(ctx, "import_users", func(c Conn) error {
		return c.Tx(func(q Querier) error {
			res = gateway.ImportResult{}
			im := importer{
				base: b, q: q, res: &res, newID: gateway.NewIDs(),
				users:    map[string]*gateway.Candidate{},
				byOpenID: map[identityKey]string{}, byUnionID: map[string][]string{}, byOldID: map[string]string{},
				unwrittenUsers: map[string]bool{}, unwrittenIdentities: map[identityKey]bool{},
			}
			if err := im.load(lines); err != nil {
				return err
			}
			for i, p := range lines {
				if err := im.importLine(i, p); err != nil {
					return err
				}
			}
			if err := im.flush(); err != nil || end == nil {
				return err
			}
			return CallerError{end}
		})
	})
	if end != nil && errors.Is(err, end) {
		err = nil
	}
	if err != nil {
		return gateway.ImportResult{}, err
	}
	return res, nil
}

// identityKey identifies an identity.
type identityKey struct{ appID, openID string }

func (k identityKey) is(i gateway.Identity) bool { return i.AppID == k.appID && i.OpenID == k.openID }

// compare orders keys like the index of the table.
func (k identityKey) compare(other identityKey) int {
	return cmp.Or(cmp.Compare(k.openID, other.openID), cmp.Compare(k.appID, other.appID))
}

// importer is an import in progress. Its maps contain the users that the lines refer to, as they
// are after the lines decided so far. Two of the maps record the rows that are not written yet.
type importer struct {
	base Base
	q    Querier
	res  *gateway.ImportResult

	users     map[string]*gateway.Candidate // by user id
	byOpenID  map[identityKey]string        // user id by openid
	byUnionID map[string][]string           // user ids by unionid
	byOldID   map[string]string             // user id by old id
	newID     func() string                 // returns an id for a new user

	// The rows that flush has to write, by user id and by openid; true = insert the row, false =
	// update it.
	unwrittenUsers      map[string]bool
	unwrittenIdentities map[identityKey]bool
	events              []gateway.Event
}

// load locks and reads the users that have an openid, a unionid or an old id of the lines.
func (im *importer) load(lines []gateway.ImportedUser) error {
	openIDs := map[string][]string{} // by appid
	var unionIDs, oldIDs []string
	var signIns []gateway.SignIn
	for _, p := range lines {
		if _, invalid := p.Problem(); invalid {
			continue
		}
		signIns = append(signIns, p.SignIn)
		openIDs[p.AppID] = append(openIDs[p.AppID], p.OpenID)
		oldIDs = append(oldIDs, p.OldID)
		if p.UnionID != "" {
			unionIDs = append(unionIDs, p.UnionID)
		}
	}
	if len(signIns) == 0 {
		return nil
	}
	if lock := im.base.dialect.LockSignIns; lock != nil {
		if err := lock(im.q, signIns); err != nil {
			return err
		}
	}
	found, err := im.findUsers(openIDs, unionIDs, oldIDs)
	if err != nil || len(found.users) == 0 {
		return err
	}
	return im.readUsers(found)
}

// foundUsers contains the users that the lines refer to, and the identities by which they were
// found. Both were read before the users were locked.
type foundUsers struct {
	users      map[string]bool // by id
	identities []gateway.Identity
}

// findUsers finds users by openids, unionids and old ids.
func (im *importer) findUsers(openIDs map[string][]string, unionIDs, oldIDs []string) (foundUsers, error) {
	f := foundUsers{users: map[string]bool{}}
	d := im.base.dialect
	addIdentities := func(query string, args ...any) error {
		rows, err := list(im.q, query, args, identityFields)
		f.identities = append(f.identities, rows...)
		return err
	}
	const identitiesWhere = `SELECT ` + identityColumns + ` FROM identities WHERE `
	for _, app := range slices.Sorted(maps.Keys(openIDs)) {
		if err := addIdentities(identitiesWhere+d.In("open_id", "$2")+` AND app_id = $1`, app,
			d.List(openIDs[app])); err != nil {
			return f, err
		}
	}
	if len(unionIDs) > 0 {
		if err := addIdentities(identitiesWhere+d.In("union_id", "$1")+` AND union_id <> ''`,
			d.List(unionIDs)); err != nil {
			return f, err
		}
	}
	for _, i := range f.identities {
		f.users[i.UserID] = true
	}
	query := `SELECT id FROM users WHERE ` + d.In("old_id", "$1") + ` AND old_id <> '' AND joined_into = ''`
	ids, err := list(im.q, query, []any{d.List(oldIDs)}, func(id *string) []any { return []any{id} })
	for _, id := range ids {
		f.users[id] = true
	}
	return f, err
}

// readUsers locks the users and reads them with their identities. When a concurrent join has
// changed them since findUsers, it returns ErrRepeat.
func (im *importer) readUsers(f foundUsers) error {
	ids := slices.Sorted(maps.Keys(f.users))
	users, err := im.base.lockUsers(im.q, ids)
	if err != nil {
		return err
	}
	if len(users) != len(ids) { // a user was joined into another or deleted
		return ErrRepeat
	}
	for _, u := range users {
		im.users[u.ID] = &gateway.Candidate{User: u}
		if u.OldID != "" {
			im.byOldID[u.OldID] = u.ID
		}
	}
	d := im.base.dialect
	query := `SELECT ` + identityColumns + ` FROM identities WHERE ` + d.In("user_id", "$1") +
		` ORDER BY user_id, created_at, app_id`
	rows, err := list(im.q, query, []any{d.List(ids)}, identityFields)
	if err != nil {
		return err
	}
	for _, i := range rows {
		im.index(i)
		c := im.users[i.UserID]
		c.Identities = append(c.Identities, i)
	}
	for _, i := range f.identities {
		if im.byOpenID[identityKey{i.AppID, i.OpenID}] != i.UserID { // it has moved to another user
			return ErrRepeat
		}
	}
	return nil
}

// index records the user of an identity in the maps.
func (im *importer) index(i gateway.Identity) {
	im.byOpenID[identityKey{i.AppID, i.OpenID}] = i.UserID
	if i.UnionID != "" && !slices.Contains(im.byUnionID[i.UnionID], i.UserID) {
		im.byUnionID[i.UnionID] = append(im.byUnionID[i.UnionID], i.UserID)
	}
}

// candidate returns a copy of a user for gateway.PlanImport, or nil when there is none.
func (im *importer) candidate(id string) *gateway.Candidate {
	c := im.users[id]
	if c == nil {
		return nil
	}
	return &gateway.Candidate{User: c.User, Identities: slices.Clone(c.Identities)}
}

// importLine decides one line. It writes the changes of the line, or remembers them for flush.
func (im *importer) importLine(index int, p gateway.ImportedUser) error {
	if reason, invalid := p.Problem(); invalid {
		im.res.Problems = append(im.res.Problems, gateway.ImportProblem{Index: index, OldID: p.OldID, Reason: reason})
		return nil
	}
	openIDUser := im.byOpenID[identityKey{p.AppID, p.OpenID}]
	var byUnionID []gateway.Candidate
	if p.SharedAppIDs() != nil {
		for _, id := range im.byUnionID[p.UnionID] {
			if c := im.candidate(id); c != nil && id != openIDUser { // nil = joined by an earlier line
				byUnionID = append(byUnionID, *c)
			}
		}
	}
	plan, write := gateway.PlanImport(p, index, im.candidate(openIDUser), im.candidate(im.byOldID[p.OldID]),
		byUnionID, im.newID(), im.res)
	if !write {
		return nil
	}
	if len(plan.Joined) == 0 && plan.User.Status != gateway.Blocked {
		// true stays: a row that is not inserted yet has to be inserted, also after a second line.
		im.unwrittenUsers[plan.User.ID] = im.unwrittenUsers[plan.User.ID] || plan.NewUser
		key := identityKey{p.AppID, p.OpenID}
		im.unwrittenIdentities[key] = im.unwrittenIdentities[key] || openIDUser == ""
		im.events = append(im.events, plan.Events...)
		im.remember(plan)
		return nil
	}
	if err := im.flush(); err != nil {
		return err
	}
	events, err := im.base.applyPlan(im.q, p.SignIn, plan)
	if err != nil {
		return err
	}
	im.events = append(im.events, events...)
	im.remember(plan)
	return nil
}

// remember applies a plan to the maps, for the lines that follow.
func (im *importer) remember(plan gateway.Plan) {
	user := im.users[plan.User.ID]
	if user == nil {
		user = &gateway.Candidate{}
		im.users[plan.User.ID] = user
	}
	user.User = plan.User
	im.byOldID[plan.User.OldID] = plan.User.ID
	for _, id := range plan.Joined {
		younger := im.users[id]
		delete(im.users, id)
		if old := younger.User.OldID; im.byOldID[old] == id {
			delete(im.byOldID, old)
		}
		for _, i := range younger.Identities {
			i.UserID = plan.User.ID
			user.Identities = append(user.Identities, i)
			im.index(i)
		}
	}
	at := slices.IndexFunc(user.Identities, identityKey{plan.Identity.AppID, plan.Identity.OpenID}.is)
	if at < 0 {
		user.Identities = append(user.Identities, plan.Identity)
	} else {
		user.Identities[at] = plan.Identity
	}
	im.index(plan.Identity)
}

// flush writes the users, identities and events that are not written yet. It writes rows in the
// order of their keys, which is faster: the database then changes neighbouring entries of an index
// together.
func (im *importer) flush() error {
	var newUsers, users, newIdentities, identities [][]any
	for _, id := range slices.Sorted(maps.Keys(im.unwrittenUsers)) {
		row := userArgs(im.users[id].User)
		if im.unwrittenUsers[id] {
			newUsers = append(newUsers, row)
		} else {
			users = append(users, row)
		}
	}
	for _, key := range slices.SortedFunc(maps.Keys(im.unwrittenIdentities), identityKey.compare) {
		ofUser := im.users[im.byOpenID[key]].Identities
		row := identityArgs(ofUser[slices.IndexFunc(ofUser, key.is)])
		if im.unwrittenIdentities[key] {
			newIdentities = append(newIdentities, row)
		} else {
			identities = append(identities, row)
		}
	}
	if err := im.q.Insert("users", userColumns, newUsers); err != nil {
		return err
	}
	if err := im.q.Bulk(putUser, users); err != nil {
		return err
	}
	if err := im.insertIdentities(newIdentities); err != nil {
		return err
	}
	if err := im.q.Bulk(putIdentity, identities); err != nil {
		return err
	}
	if err := appendEvents(im.q, im.events); err != nil {
		return err
	}
	clear(im.unwrittenUsers)
	clear(im.unwrittenIdentities)
	im.events = nil
	return nil
}

// insertIdentities inserts rows of identityArgs, whose first value is the id of the user. It adds seq
// of the user.
func (im *importer) insertIdentities(rows [][]any) error {
	if len(rows) == 0 {
		return nil
	}
	ids := make([]string, 0, len(rows))
	for _, row := range rows {
		ids = append(ids, row[0].(string))
	}
	seqs := map[string]int64{}
	d := im.base.dialect
	err := im.q.Each(`SELECT id, seq FROM users WHERE `+d.In("id", "$1"), []any{d.List(ids)},
		func(scan func(...any) error) error {
			var id string
			var seq int64
			err := scan(&id, &seq)
			seqs[id] = seq
			return err
		})
	if err != nil {
		return err
	}
	for i, row := range rows {
		rows[i] = append(row, seqs[ids[i]])
	}
	return im.q.Insert("identities", identityColumns+", user_seq", rows)
}
