package sqlstore

import (
	"cmp"
	"context"
	"errors"
	"math"
	"slices"

	"github.com/weigate/weigate/internal/gateway"
)

// This file implements SearchUsers of gateway.UserAdministration. A search reads the users of its
// most selective condition in the order of seq, the newest first, some at a time. It leaves out those
// that the other conditions do not select. It stops when the page is full, or after MaxRead users.
// Get reads one row, and list reads all.

// after is the last character of Unicode. In the order of an index, the texts that begin with a text
// are between this text and the text followed by after.
const after = "\U0010FFFF"

// Bounds of a step of a search.
const (
	firstStep = 200   // users of the first step
	lastStep  = 4_000 // users of a later step: each step has four times the users of the one before
)

// userSearch is a search of users.
type userSearch struct {
	gateway.UserSearch
	base       Base
	c          Conn
	text, term string  // see indexed and searchTerm; "" = any
	group      string  // "" = any
	withID     []int64 // seq of the users who have the text as an id
}

// SearchUsers implements gateway.UserAdministration. It compares texts by ranges of an index and
// never with LIKE, so % and _ are ordinary characters.
func (b Base) SearchUsers(ctx context.Context, q gateway.UserSearch) (page gateway.UserPage, err error) {
	err = b.db.Do(ctx, "search_users", func(c Conn) error {
		page = gateway.UserPage{}
		s := &userSearch{UserSearch: q, base: b, c: c, text: indexed(q.Text), term: searchTerm(q.Text),
			group: indexed(q.Group)}
		found, cut, err := s.run()
		if err != nil || len(found) == 0 && cut == 0 {
			return err
		}
		if cut != 0 {
			// The user may have been deleted meanwhile. Then the next newer user is as good.
			err := c.Get(`SELECT id FROM users WHERE seq >= $1 ORDER BY seq LIMIT 1`, []any{cut}, &page.Cut)
			if err != nil {
				return err
			}
		}
		page.Users, err = list(c, `SELECT `+userColumns+` FROM users WHERE `+b.dialect.In("seq", "$1")+` ORDER BY seq DESC`,
			[]any{b.dialect.Numbers(found)}, userFields)
		return err
	})
	if err != nil {
		return gateway.UserPage{}, err
	}
	return page, nil
}

// run returns seq of the users of a page, and where the search was cut; 0 = it was not.
func (s *userSearch) run() (found []int64, cut int64, err error) {
	maxRead := max(cmp.Or(s.MaxRead, gateway.MaxRead), 1)
	before := int64(math.MaxInt64)
	if s.After != "" {
		err := s.c.Get(`SELECT seq FROM users WHERE id = $1`, []any{gateway.CleanText(s.After)}, &before)
		if errors.Is(err, gateway.ErrNotFound) {
			return nil, 0, nil
		} else if err != nil {
			return nil, 0, err
		}
	}
	next, err := s.source(before, maxRead)
	if err != nil {
		return nil, 0, err
	}
	for step := firstStep; len(found) < s.Page(); step = min(4*step, lastStep) {
		wanted := min(step, maxRead)
		if wanted == 0 {
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
		if len(seqs) < wanted {
			break
		}
		before = seqs[wanted-1]
		maxRead -= wanted
	}
	return found[:min(len(found), s.Page())], 0, nil
}

// userSource returns seq of n users before a seq, the newest first.
type userSource func(before int64, n int) ([]int64, error)

// indexSource is a condition with an index in the order of seq.
type indexSource struct {
	from, where string // where ends with AND, and has the parameter $3
	args        []any  // the value of $3; nil = where has no parameter
}

// source returns the source that selects the fewest users.
func (s *userSearch) source(before int64, maxRead int) (userSource, error) {
	if s.text != "" {
		// Few users with the text are the source. A text that many users have is compared with the users
		// of another source instead, because its users cannot be read in the order of seq.
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
		case errors.Is(err, gateway.ErrNotFound):
			return s.inOrder(source), nil
		case err != nil:
			return nil, err
		case seq < oldest:
			chosen, oldest = source, seq
		}
	}
	return s.inOrder(chosen), nil
}

// query returns the query of the users before $1.
func (i indexSource) query() string {
	return `SELECT seq FROM ` + i.from + ` WHERE ` + i.where + ` seq < $1 ORDER BY seq DESC`
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
	return func(before int64, n int) ([]int64, error) {
		from, _ := slices.BinarySearchFunc(seqs, before-1, func(seq, wanted int64) int { return cmp.Compare(wanted, seq) })
		return seqs[from:min(from+n, len(seqs))], nil
	}
}

// usersWithText returns seq of at most n users for each way in which the text may find them, in no
// order, and some twice.
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
	described := find(`SELECT seq FROM user_terms WHERE term >= ? AND term < ? || '`+after+`'`, s.term)
	return slices.Concat(s.withID, named, described), err
}

// selected returns those of some users whom all conditions of the search select.
func (s *userSearch) selected(seqs []int64) (found []int64, err error) {
	if len(seqs) == 0 {
		return nil, nil
	}
	where := conditions{args: []any{s.base.dialect.Numbers(seqs)}}
	where.sql = []string{s.base.dialect.In("seq", "$1"), `joined_into = ''`}
	if s.Status != "" {
		where.add(`status = ?`, string(s.Status))
	}
	if s.Admin {
		where.sql = append(where.sql, `admin`)
	}
	found, err = s.seqs(`SELECT seq FROM users WHERE `+where.where()+` ORDER BY seq DESC`, where.args...)
	if err != nil || len(found) == 0 {
		return nil, err
	}
	if s.group != "" {
		inGroup, err := s.among(found, `user_groups WHERE name = ?`, s.group)
		if err != nil || len(inGroup) == 0 {
			return nil, err
		}
		found = intersection(found, inGroup)
	}
	if s.text == "" {
		return found, nil
	}
	// The expressions around the nickname keep the database from using its index.
	wanted, err := s.among(found, `users WHERE `+s.base.dialect.Nickname+` || '' >= lower(?) AND `+
		s.base.dialect.Nickname+` || '' < lower(?) || '`+after+`' AND nickname <> ''`, s.text)
	if err == nil && s.term != "" {
		var described []int64
		described, err = s.among(found, `user_terms WHERE term >= ? AND term < ? || '`+after+`'`, s.term)
		wanted = append(wanted, described...)
	}
	return intersection(found, append(wanted, s.withID...)), err
}

// among returns those of some users whom a query selects. from is its end, after FROM; each ? in it
// stands for value.
func (s *userSearch) among(seqs []int64, from, value string) ([]int64, error) {
	q := conditions{}
	q.add(`SELECT seq FROM `+from, value)
	q.add(` AND `+s.base.dialect.In("seq", "?"), s.base.dialect.Numbers(seqs))
	return s.seqs(q.joined(""), q.args...)
}

// intersection returns the elements of seqs that others contains too, in their order.
func intersection(seqs, others []int64) (both []int64) {
	wanted := make(map[int64]bool, len(others))
	for _, seq := range others {
		wanted[seq] = true
	}
	for _, seq := range seqs {
		if wanted[seq] {
			both = append(both, seq)
		}
	}
	return both
}

// seqs returns the rows of a query for seq.
func (s *userSearch) seqs(query string, args ...any) ([]int64, error) {
	return list(s.c, query, args, func(seq *int64) []any { return []any{seq} })
}
