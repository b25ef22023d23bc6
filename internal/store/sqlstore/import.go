package sqlstore

import (
	"cmp"
	"context"
	"maps"
	"slices"

	"github.com/weigate/weigate/internal/gateway"
)

// ImportUsers implements gateway.Users. It reads everything that the lines refer to by a few
// queries, decides line by line in memory by gateway.PlanImport, and writes the changed rows at the
// end. A line that joins users, or reaches a blocked one, is written at once, since that changes
// more than the rows of the user.
func (b Base) ImportUsers(ctx context.Context, people []gateway.ImportedUser) (res gateway.ImportResult, err error) {
	lines := slices.Clone(people)
	for i := range lines {
		lines[i].At = gateway.Micro(lines[i].At)
	}
	err = b.db.Do(ctx, "import_users", func(c Conn) error {
		return c.Tx(func(q Querier) error {
			res = gateway.ImportResult{}
			im := importer{
				base: b, q: q, res: &res, users: map[string]*gateway.Candidate{}, byOpenID: map[openID]string{},
				byUnionID: map[string][]string{}, byOldID: map[string]string{}, newID: gateway.NewIDs(),
				changedUsers: map[string]bool{}, changedIdentities: map[openID]bool{},
			}
			if err := im.load(lines); err != nil {
				return err
			}
			for i, p := range lines {
				if err := im.line(i, p); err != nil {
					return err
				}
			}
			return im.flush()
		})
	})
	if err != nil {
		return gateway.ImportResult{}, err
	}
	return res, nil
}

// openID is the key of an identity.
type openID struct{ app, id string }

func (k openID) is(i gateway.Identity) bool { return i.AppID == k.app && i.OpenID == k.id }

func (k openID) compare(other openID) int {
	return cmp.Or(cmp.Compare(k.id, other.id), cmp.Compare(k.app, other.app))
}

// importer is an import in progress: the users that its lines refer to, as they are after the lines
// that were decided, and what is not written yet.
type importer struct {
	base Base
	q    Querier
	res  *gateway.ImportResult

	users     map[string]*gateway.Candidate // by id
	byOpenID  map[openID]string             // id of the user
	byUnionID map[string][]string           // ids of the users with an identity that has this unionid
	byOldID   map[string]string             // id of the user

	newID func() string
	// What is to be written, and whether its row is new.
	changedUsers      map[string]bool
	changedIdentities map[openID]bool
	events            []gateway.Event
}

// load locks and reads the users that have an openid, a unionid or an old id of the lines.
func (im *importer) load(lines []gateway.ImportedUser) error {
	openIDs := map[string][]string{} // by appid
	var unionIDs, oldIDs []string
	var signIns []gateway.SignIn
	for _, p := range lines {
		if p.Problem() != "" {
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
	found, err := im.find(openIDs, unionIDs, oldIDs)
	if err != nil || len(found.users) == 0 {
		return err
	}
	return im.read(found)
}

// found is what the lines refer to, as it was before the users were locked.
type found struct {
	users      map[string]bool
	identities []gateway.Identity
}

// find looks for users by openids, unionids and old ids.
func (im *importer) find(openIDs map[string][]string, unionIDs, oldIDs []string) (found, error) {
	f := found{users: map[string]bool{}}
	d := im.base.dialect
	each := func(query string, args ...any) error {
		rows, err := list(im.q, query, args, identityFields)
		f.identities = append(f.identities, rows...)
		return err
	}
	const identitiesWhere = `SELECT ` + identityColumns + ` FROM identities WHERE `
	for _, app := range slices.Sorted(maps.Keys(openIDs)) {
		if err := each(identitiesWhere+d.In("open_id", "$2")+` AND app_id = $1`, app, d.List(openIDs[app])); err != nil {
			return f, err
		}
	}
	if len(unionIDs) > 0 {
		if err := each(identitiesWhere+d.In("union_id", "$1")+` AND union_id <> ''`, d.List(unionIDs)); err != nil {
			return f, err
		}
	}
	for _, i := range f.identities {
		f.users[i.UserID] = true
	}
	query := `SELECT id FROM users WHERE ` + d.In("old_id", "$1") + ` AND old_id <> '' AND joined_into = ''`
	named, err := list(im.q, query, []any{d.List(oldIDs)}, func(id *string) []any { return []any{id} })
	for _, id := range named {
		f.users[id] = true
	}
	return f, err
}

// read locks the users and reads them with their identities. When a join has moved one of them
// since, the transaction is repeated.
func (im *importer) read(f found) error {
	ids := slices.Sorted(maps.Keys(f.users))
	users, err := im.base.lockUsers(im.q, ids)
	if err != nil {
		return err
	}
	if len(users) != len(ids) {
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
		if im.byOpenID[openID{i.AppID, i.OpenID}] != i.UserID {
			return ErrRepeat
		}
	}
	return nil
}

// index notes whose identity i is.
func (im *importer) index(i gateway.Identity) {
	im.byOpenID[openID{i.AppID, i.OpenID}] = i.UserID
	if i.UnionID != "" && !slices.Contains(im.byUnionID[i.UnionID], i.UserID) {
		im.byUnionID[i.UnionID] = append(im.byUnionID[i.UnionID], i.UserID)
	}
}

// candidate returns a copy of the user that gateway.PlanImport may keep; nil for none.
func (im *importer) candidate(id string) *gateway.Candidate {
	c := im.users[id]
	if c == nil {
		return nil
	}
	return &gateway.Candidate{User: c.User, Identities: slices.Clone(c.Identities)}
}

// line decides one line.
func (im *importer) line(index int, p gateway.ImportedUser) error {
	if reason := p.Problem(); reason != "" {
		im.res.Problems = append(im.res.Problems, gateway.ImportProblem{Index: index, OldID: p.OldID, Reason: reason})
		return nil
	}
	owner := im.byOpenID[openID{p.AppID, p.OpenID}]
	var matches []gateway.Candidate
	if p.SharedAppIDs() != nil {
		for _, id := range im.byUnionID[p.UnionID] {
			if c := im.candidate(id); c != nil && id != owner {
				matches = append(matches, *c)
			}
		}
	}
	plan, write := gateway.PlanImport(p, index, im.candidate(owner), im.candidate(im.byOldID[p.OldID]), matches,
		im.newID(), im.res)
	if !write {
		return nil
	}
	if len(plan.Joined) == 0 && plan.Keep.Status != gateway.Blocked {
		im.changedUsers[plan.Keep.ID] = im.changedUsers[plan.Keep.ID] || plan.New
		key := openID{p.AppID, p.OpenID}
		im.changedIdentities[key] = im.changedIdentities[key] || owner == ""
		im.events = append(im.events, plan.Events...)
		im.follow(plan)
		return nil
	}
	if err := im.flush(); err != nil {
		return err
	}
	events, err := apply(im.q, p.SignIn, plan)
	if err != nil {
		return err
	}
	im.events = append(im.events, events...)
	im.follow(plan)
	return nil
}

// follow applies a plan to what the importer has read.
func (im *importer) follow(plan gateway.Plan) {
	keep := im.users[plan.Keep.ID]
	if keep == nil {
		keep = &gateway.Candidate{}
		im.users[plan.Keep.ID] = keep
	}
	keep.User = plan.Keep
	im.byOldID[plan.Keep.OldID] = plan.Keep.ID
	for _, id := range plan.Joined {
		younger := im.users[id]
		delete(im.users, id)
		if old := younger.User.OldID; im.byOldID[old] == id {
			delete(im.byOldID, old)
		}
		for _, i := range younger.Identities {
			i.UserID = plan.Keep.ID
			keep.Identities = append(keep.Identities, i)
			im.index(i)
		}
	}
	at := slices.IndexFunc(keep.Identities, openID{plan.Identity.AppID, plan.Identity.OpenID}.is)
	if at < 0 {
		keep.Identities = append(keep.Identities, plan.Identity)
	} else {
		keep.Identities[at] = plan.Identity
	}
	im.index(plan.Identity)
}

// flush writes the users, the identities and the events that are not written yet. Rows are in the
// order of their keys, so that neighbours in an index are written together.
func (im *importer) flush() error {
	var newUsers, users, newIdentities, identities [][]any
	for _, id := range slices.Sorted(maps.Keys(im.changedUsers)) {
		row := userArgs(im.users[id].User)
		if im.changedUsers[id] {
			newUsers = append(newUsers, row)
		} else {
			users = append(users, row)
		}
	}
	for _, key := range slices.SortedFunc(maps.Keys(im.changedIdentities), openID.compare) {
		own := im.users[im.byOpenID[key]].Identities
		row := identityArgs(own[slices.IndexFunc(own, key.is)])
		if im.changedIdentities[key] {
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
	if err := im.q.Insert("identities", identityColumns, newIdentities); err != nil {
		return err
	}
	if err := im.q.Bulk(putIdentity, identities); err != nil {
		return err
	}
	if err := appendEvents(im.q, im.events); err != nil {
		return err
	}
	clear(im.changedUsers)
	clear(im.changedIdentities)
	im.events = nil
	return nil
}
