package storetest

import (
	"io/fs"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
)

// Statements collects the statements that a store runs, so that a test of their plans forgets none.
// It is safe for concurrent use.
type Statements struct {
	mu  sync.Mutex
	all map[string]bool
}

// Add adds a statement that reads or changes rows; it leaves out BEGIN, COMMIT and the like, and
// what migrations run.
func (s *Statements) Add(query string) {
	query = strings.Join(strings.Fields(query), " ")
	first, _, _ := strings.Cut(query, " ")
	if !slices.Contains([]string{"SELECT", "INSERT", "UPDATE", "DELETE", "WITH"}, first) ||
		regexp.MustCompile(`\bmigrations\b|advisory`).MatchString(query) {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.all == nil {
		s.all = map[string]bool{}
	}
	s.all[query] = true
}

// Sorted returns the statements.
func (s *Statements) Sorted() (all []string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for query := range s.all {
		all = append(all, query)
	}
	slices.Sort(all)
	return all
}

var placeholder = regexp.MustCompile(`\$(\d+)`)

// ArgumentCount returns how many arguments a statement takes.
func ArgumentCount(query string) (n int) {
	for _, match := range placeholder.FindAllStringSubmatch(query, -1) {
		i, _ := strconv.Atoi(match[1])
		n = max(n, i)
	}
	return n + strings.Count(query, "?")
}

var createIndex = regexp.MustCompile(`CREATE (?:UNIQUE )?INDEX (\w+)`)

// Indexes returns the names of the indexes that migrations create.
func Indexes(t *testing.T, migrations fs.FS) (names []string) {
	t.Helper()
	files, err := fs.Glob(migrations, "*.sql")
	if err != nil || len(files) == 0 {
		t.Fatalf("migrations: %v, %v", files, err)
	}
	for _, name := range files {
		text, err := fs.ReadFile(migrations, name)
		wantNoError(t, err)
		for _, match := range createIndex.FindAllStringSubmatch(string(text), -1) {
			names = append(names, match[1])
		}
	}
	return names
}

// PlanProblems returns what is wrong with the plans of statements, given by statement: a scan of a
// whole table, as wholeTable reports it for a step at its place in the plan, and an index that
// serves no statement.
func PlanProblems(plans map[string][]string, indexes []string,
	wholeTable func(query string, at int, step string) bool) (all []string) {
	unused := slices.Clone(indexes)
	for query, steps := range plans {
		for i, step := range steps {
			if wholeTable(query, i, step) {
				all = append(all, step+": "+query)
			}
			unused = slices.DeleteFunc(unused, func(name string) bool {
				return regexp.MustCompile(`\b` + name + `\b`).MatchString(step)
			})
		}
	}
	for _, name := range unused {
		all = append(all, "no statement uses "+name)
	}
	slices.Sort(all)
	return all
}

// InsertStatements returns statements that put rows into each table that grows. series is a query that
// returns the numbers from 1 to n as column i, and hash returns an expression for 32 bytes that
// differ by text and i.
func InsertStatements(series string, hash func(text string) string) []string {
	at := ` FROM (` + series + `) series`
	return []string{
		`INSERT INTO users (id, nickname, avatar_url, locale, profile_at, status, admin, groups, old_id,
			created_at, updated_at, joined_into)
			SELECT 'user' || i, 'name' || i, '', '', 0, CASE i % 50 WHEN 0 THEN 'pending' ELSE 'active' END,
			false, '[]', 'old' || i, i, i,
				CASE i % 40 WHEN 1 THEN 'user' || (i + 1) ELSE '' END` + at,
		`INSERT INTO identities (app_id, open_id, user_id, connector, union_id, created_at, seen_at)
			SELECT 'wx1', 'open' || i, 'user' || i, 'main', 'union' || i, i, i` + at,
		`INSERT INTO subjects (user_id, app, subject, created_at) SELECT 'user' || i, 'wiki', 'user' || i, i` + at,
		`INSERT INTO events (at, kind, user_id, app, connector, method, outcome, request_id, detail)
			SELECT i, 'kind' || (i % 500), 'user' || i, 'app' || (i % 500), '', '', 'ok', '', ''` + at,
		`INSERT INTO sessions (hash, user_id, connector, app_id, open_id, method, auth_time, created_at, seen_at, expires_at)
			SELECT ` + hash("session") + `, 'user' || i, 'main', 'wx1', 'open' || i, 'wechat', i, i, i, i` + at,
		`INSERT INTO attempts (key, code, owner, lease, expires_at, outcome, finished_at, message)
			SELECT 'key' || i, '', 'one', i, i, '', 0, ''` + at,
		`INSERT INTO grants (id, app, user_id, subject, scopes, auth_time, session, connector, app_id, open_id,
			created_at, expires_at, sweep_at,
				revoked_at, counter, rotated_at, code_hash, redirect_uri, challenge, nonce, code_expires_at, code_redeemed_at)
			SELECT 'grant' || i, 'wiki', 'user' || i, 'user' || i, '[]', i, ` + hash("session") + `, 'main', 'wx1', 'open' || i,
			i, i, i,
				0, 1, 0, ` + hash("code") + `, '', '', ` + hash("nonce") + `, i, i` + at,
		`INSERT INTO tokens (hash, grant_id, created_at, expires_at) SELECT ` + hash("token") + `, 'grant' || i, i, i` + at,
		`INSERT INTO tickets (hash, desktop, app, connector, browser, masked_ip, number, others, state, approver_id,
			approver_connector, app_id, open_id,
				auth_time, scanned_at, created_at, expires_at)
			SELECT ` + hash("ticket") + `, ` + hash("desktop") + `, '', '', '', '', '42', '[]',
			CASE i % 2 WHEN 0 THEN 'open' ELSE 'scanned' END,
				CASE i % 2 WHEN 0 THEN '' ELSE 'user' || i END, '', '', '', 0, 0, i, i` + at,
	}
}
