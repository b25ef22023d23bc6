package sqlstore

import (
	"cmp"
	"context"
	"errors"
	"math"
	"slices"
	"strconv"

	"github.com/weigate/weigate/internal/gateway"
)

// This file implements SearchUsers of gateway.UserAdministration. The column seq numbers users in
// the order of their creation. A search has a source: the condition that selects the fewest users.
// It reads the users of the source in steps, the newest first, and leaves out users whom another
// condition does not select. It stops when the page is full, or after MaxRead users. Get reads one
// row, and list reads all.

// lastCharacter is the last character of Unicode. In the order of an index, the texts that begin
// with a text are between this text and the text followed by lastCharacter.
const lastCharacter = "\U0010FFFF"

// How many users the steps of a search read. Each step reads four times as many as the step before.
const (
	firstStep = 200
	lastStep  = 4_000 // the maximum
)

// userSearch is a search of users.
type userSearch struct {
	gateway.UserSearch
	base       Base
	c          Conn
	text, term string  // the typed text, as fitIndex and as searchTerm return it; "" = any
	group      string  // "" = any
	withID     []int64 // seq of the users who have the text as an id
}

// SearchUsers implements gateway.UserAdministration. It compares texts by ranges of an index and
// never with LIKE, so % and _ are ordinary characters.
func (b Base) SearchUsers(ctx context.Context, q gateway.UserSearch) (page gateway.UserPage, err error) {
	err = b.db.Do(ctx, "search_users", func(c Conn) error {
		page = gateway.UserPage{}
		q.NoUnionID = gateway.CleanText(q.NoUnionID)
		s := &userSearch{UserSearch: q, base: b, c: c, text: fitIndex(q.Text), term: searchTerm(q.Text),
			group: fitIndex(q.Group)}
		found, cut, err := s.run()
		if err != nil || len(found) == 0 && cut == 0 {
			return err
		}
		if cut != 0 {
			page.Cut = strconv.FormatInt(cut, 10)
		}
		query := `SELECT seq, ` + userColumns + ` FROM users WHERE ` + b.dialect.In("seq", "$1") + ` ORDER BY seq DESC`
		return c.Each(query, []any{b.dialect.Numbers(found)}, func(scan func(...any) error) error {
			var seq int64
			var u gateway.User
			err := scan(append([]any{&seq}, userFields(&u)...)...)
			page.Users, page.Positions = append(page.Users, u), append(page.Positions, strconv.FormatInt(seq, 10))
			return err
		})
	})
	if err != nil {
		return gateway.UserPage{}, err
	}
	return page, nil
}

// run returns seq of the users of a page. If the search has read MaxRead users before the page was
// full, it was cut: then cut is seq of the last user that it has read. 0 = the search was not cut.
func (s *userSearch) run() (found []int64, cut int64, err error) {
	unread := max(cmp.Or(s.MaxRead, gateway.MaxRead), 1) // how many users the search may still read
	before, err := s.position()
	if err != nil {
		return nil, 0, err
	}
	next, err := s.source(before, unread)
	if err != nil {
		return nil, 0, err
	}
	for step := firstStep; len(found) < s.Page(); step = min(4*step, lastStep) {
		wanted := min(step, unread)
		if wanted == 0 { // the search has read MaxRead users
			return found, before, nil
		}
		seqs, err := next(before, wanted)
		if err != nil {
			return nil, 0, err
		}
		selected, err := s.selected(seqs)
		if err != nil {
			return nil, 0, err
		}
		found = append(found, selected...)
		if len(seqs) < wanted { // the source has no more users
			break
		}
		before = seqs[wanted-1]
		unread -= wanted
	}
	return found[:min(len(found), s.Page())], 0, nil
}

// position returns seq of After, which is a position or a user id. The position of a user who was
// deleted meanwhile still selects the users after this position. The id of a deleted user selects
// nobody.
func (s *userSearch) position() (before int64, err error) {
	if s.After == "" {
		return math.MaxInt64, nil
	}
	if before, err := strconv.ParseInt(s.After, 10, 64); err == nil {
		return before, nil
	}
	err = s.c.Get(`SELECT seq FROM users WHERE id = $1`, []any{gateway.CleanText(s.After)}, &before)
	if errors.Is(err, gateway.ErrNotFound) {
		return 0, nil
	}
	return before, err
}

// userSource returns seq of n users before a seq, the newest first.
type userSource func(before int64, n int) ([]int64, error)

// indexSource is a condition that an index in the order of seq serves.
type indexSource struct {
	from, where string // where ends with AND, and has the parameter $3
	args        []any  // the value of $3; nil = where has no parameter
	column      string // that has seq; "" = seq
}

// source returns the source of the search: the condition that selects the fewest users.
func (s *userSearch) source(before int64, maxRead int) (userSource, error) {
	if s.text != "" {
		// If few users have the text, these users are the source. If many users have the text,
		// another condition is the source, because the indexes of texts are not in the order of
		// seq.
		seqs, err := s.usersWithText(maxRead/4 + 1)
		if err != nil {
			return nil, err
		}
		if len(seqs) <= maxRead/4 {
			slices.Sort(seqs)
			seqs = slices.Compact(seqs)
			slices.Reverse(seqs)
			return listSource(seqs), nil
		}
	}
	var sources []indexSource
	if s.Admin {
		sources = append(sources, indexSource{from: `users`, where: `admin AND`})
	}
	if s.Status == gateway.Pending || s.Status == gateway.Blocked { // a partial index
		sources = append(sources, indexSource{from: `users`, where: `status = $3 AND status <> 'active' AND`,
			args: []any{string(s.Status)}})
	}
	if s.group != "" {
		sources = append(sources, indexSource{from: `user_groups`, where: `name = $3 AND`, args: []any{s.group}})
	}
	if s.NoUnionID != "" { // a partial index; a user has at most one openid of an appid
		sources = append(sources, indexSource{from: `identities`, where: `app_id = $3 AND union_id = '' AND`,
			args: []any{s.NoUnionID}, column: "user_seq"})
	}
	chosen, oldest := indexSource{from: `users`}, int64(math.MaxInt64)
	for _, source := range sources {
		if len(sources) == 1 {
			chosen = source
			break
		}
		// The source whose maxRead-th user is the oldest selects the fewest users.
		var seq int64
		err := s.c.Get(source.query()+` LIMIT 1 OFFSET $2`, append([]any{before, maxRead - 1}, source.args...), &seq)
		switch {
		case errors.Is(err, gateway.ErrNotFound): // it has fewer than maxRead users
			return s.inOrder(source), nil
		case err != nil:
			return nil, err
		case seq < oldest:
			chosen, oldest = source, seq
		}
	}
	return s.inOrder(chosen), nil
}

// query returns the query for seq of the users before $1.
func (i indexSource) query() string {
	column := cmp.Or(i.column, "seq")
	return `SELECT ` + column + ` FROM ` + i.from + ` WHERE ` + i.where + ` ` + column + ` < $1 ORDER BY ` + column +
		` DESC`
}

// inOrder returns a source that reads an index.
func (s *userSearch) inOrder(i indexSource) userSource {
	query := i.query() + ` LIMIT $2`
	return func(before int64, n int) ([]int64, error) {
		return s.seqs(query, append([]any{before, n}, i.args...)...)
	}
}

// listSource returns a source of the users of a list, the newest first.
func listSource(seqs []int64) userSource {
	descending := func(seq, wanted int64) int { return cmp.Compare(wanted, seq) }
	return func(before int64, n int) ([]int64, error) {
		from, _ := slices.BinarySearchFunc(seqs, before-1, descending)
		return seqs[from:min(from+n, len(seqs))], nil
	}
}

// usersWithText returns seq of users whom the text finds: at most n by an id, n by their nickname,
// and n by their real name or note. They are in no order, and some occur twice. It sets withID.
func (s *userSearch) usersWithText(n int) (seqs []int64, err error) {
	find := func(query, text string) (found []int64) {
		if text == "" || err != nil {
			return nil
		}
		var q conditions
		q.add(query, text)
		q.add(`LIMIT ?`, n)
		found, err = s.seqs(q.joined(" "), q.args...)
		return found
	}
	s.withID = find(`SELECT seq FROM (`+usersWithID+`) found`, s.text)
	named := find(`SELECT seq FROM users WHERE `+s.base.nicknameBegins(), s.text)
	described := find(`SELECT seq FROM user_terms WHERE term >= ? AND term < ? || '`+lastCharacter+`'`, s.term)
	return slices.Concat(s.withID, named, described), err
}

// selected returns the users among seqs whom all conditions of the search select.
func (s *userSearch) selected(seqs []int64) (found []int64, err error) {
	if len(seqs) == 0 {
		return nil, nil
	}
	d := s.base.dialect
	var where conditions
	where.sql = []string{d.In("users.seq", where.arg(d.Numbers(seqs))), `joined_into = ''`}
	if s.Status != "" {
		where.add(`status = ?`, string(s.Status))
	}
	if s.Admin {
		where.sql = append(where.sql, `admin`)
	}
	if s.group != "" {
		where.add(`EXISTS (SELECT 1 FROM user_groups g WHERE g.name = ? AND g.seq = users.seq)`, s.group)
	}
	if s.NoUnionID != "" {
		where.add(`EXISTS (SELECT 1 FROM identities i WHERE i.user_id = users.id AND i.app_id = ? AND i.union_id = '')`,
			s.NoUnionID)
		where.sql = append(where.sql, withoutUnionID("users.id"))
	}
	if s.text != "" {
		// The expressions around the nickname keep the database from using its index.
		var texts conditions
		texts.args = where.args
		texts.add(`nickname <> '' AND `+d.Nickname+` || '' >= lower(?) AND `+d.Nickname+` || '' < lower(?) || '`+
			lastCharacter+`'`, s.text)
		if s.term != "" {
			texts.add(`EXISTS (SELECT 1 FROM user_terms t WHERE t.seq = users.seq AND t.term >= ? AND
				t.term < ? || '`+lastCharacter+`')`, s.term)
		}
		if len(s.withID) > 0 {
			texts.add(d.In("users.seq", "?"), d.Numbers(s.withID))
		}
		where = conditions{args: texts.args, sql: append(where.sql, `(`+texts.joined(` OR `)+`)`)}
	}
	return s.seqs(`SELECT seq FROM users WHERE `+where.where()+` ORDER BY seq DESC`, where.args...)
}

// seqs returns the rows of a query whose only column is seq.
func (s *userSearch) seqs(query string, args ...any) ([]int64, error) {
	return list(s.c, query, args, func(seq *int64) []any { return []any{seq} })
}

// withoutUnionID returns the condition that no identity of a user has a unionid.
func withoutUnionID(userID string) string {
	return `NOT EXISTS (SELECT 1 FROM identities other WHERE other.user_id = ` + userID + ` AND other.union_id <> '')`
}

// CountNoUnionID implements gateway.UserAdministration.
func (b Base) CountNoUnionID(ctx context.Context, appID string, limit int) (n int, more bool, err error) {
	read := 0
	err = b.db.Do(ctx, "count_no_union_id", func(c Conn) error {
		return c.Get(`SELECT count(*), coalesce(sum(CASE WHEN `+withoutUnionID("newest.user_id")+` THEN 1 ELSE 0 END), 0)
			FROM (SELECT user_id FROM identities WHERE app_id = $1 AND union_id = '' ORDER BY user_seq DESC LIMIT $2) newest`,
			[]any{gateway.CleanText(appID), limit}, &read, &n)
	})
	return n, read == limit, err
}
