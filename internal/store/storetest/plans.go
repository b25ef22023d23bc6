package storetest

import (
	"io/fs"
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"unicode"
)

// The functions in this file are for tests of query plans. Every statement that a store runs during
// the suite must use an index instead of reading a whole table. A test of plans has four steps: it
// collects the statements of the suite (Statements), fills an empty database (InsertStatements),
// gets the plan of each statement from the database, and reports the problems (PlanProblems).

// Statements collects the SQL statements that a store runs. It is safe for concurrent use.
type Statements struct {
	seen sync.Map // the statements that were added, as they were run
	mu   sync.Mutex
	all  map[string]bool
}

// ofMigrations matches the statements of migrations, which take an advisory lock.
var ofMigrations = regexp.MustCompile(`\bmigrations\b|advisory`)

// Add adds a statement that reads or changes rows. It ignores other statements, such as BEGIN and
// COMMIT, and the statements of migrations.
func (s *Statements) Add(query string) {
	if _, known := s.seen.LoadOrStore(query, true); known {
		return
	}
	query = strings.Join(strings.Fields(query), " ")
	first, _, _ := strings.Cut(query, " ")
	if !slices.Contains([]string{"SELECT", "INSERT", "UPDATE", "DELETE", "WITH"}, first) ||
		ofMigrations.MatchString(query) {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.all == nil {
		s.all = map[string]bool{}
	}
	s.all[query] = true
}

// Sorted returns the statements, each once, in alphabetical order.
func (s *Statements) Sorted() (all []string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for query := range s.all {
		all = append(all, query)
	}
	slices.Sort(all)
	return all
}

// placeholder matches a parameter of a PostgreSQL statement.
var placeholder = regexp.MustCompile(`\$(\d+)`)

// ArgumentCount returns the number of arguments of a statement with the parameters of PostgreSQL
// ($1, $2) or SQLite (?).
func ArgumentCount(query string) (n int) {
	for _, match := range placeholder.FindAllStringSubmatch(query, -1) {
		i, _ := strconv.Atoi(match[1])
		n = max(n, i)
	}
	return n + strings.Count(query, "?")
}

var createIndex = regexp.MustCompile(`CREATE (?:UNIQUE )?INDEX (\w+)`)

// Indexes returns the names of the indexes that the SQL files of migrations create.
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

// PlanProblems returns the problems of query plans: steps that read a whole table, and indexes that
// no plan uses. plans has the steps of the plan of each statement. wholeTable reports whether a
// step reads a whole table. It receives the query, the position of the step in the query's plan,
// and the step.
func PlanProblems(plans map[string][]string, indexes []string,
	wholeTable func(query string, position int, step string) bool) (problems []string) {
	unused := slices.Clone(indexes)
	for query, steps := range plans {
		for position, step := range steps {
			if wholeTable(query, position, step) {
				problems = append(problems, step+": "+query)
			}
		}
		unused = slices.DeleteFunc(unused, func(name string) bool { return uses(steps, name) })
	}
	for _, name := range unused {
		problems = append(problems, "no statement uses "+name)
	}
	slices.Sort(problems)
	return problems
}

// uses reports whether a plan names an index.
func uses(steps []string, index string) bool {
	return slices.ContainsFunc(steps, func(step string) bool {
		return slices.Contains(strings.FieldsFunc(step, notInName), index)
	})
}

// notInName reports whether a character cannot be part of the name of an index.
func notInName(c rune) bool { return c != '_' && !unicode.IsLetter(c) && !unicode.IsDigit(c) }

// WithoutIndex returns the plans after an index was dropped. explain returns the new plans of
// statements. WithoutIndex calls it only for the statements whose plans used the index.
func WithoutIndex(plans map[string][]string, index string,
	explain func(statements []string) map[string][]string) map[string][]string {
	var affected []string
	for query, steps := range plans {
		if uses(steps, index) {
			affected = append(affected, query)
		}
	}
	changed := maps.Clone(plans)
	maps.Copy(changed, explain(affected))
	return changed
}

// ReadsAllWaiting reports whether a statement deletes tickets or saved requests because their total
// is reached. This statement may read all tickets that wait for an answer, or all saved requests,
// because the total limits their number. It runs rarely, because each run deletes several rows
// (gateway.TicketLimits.Excess, gateway.SavedRequestLimits.Excess).
func ReadsAllWaiting(query string) bool { return strings.Contains(query, "PARTITION BY network") }

// InsertStatements returns statements that insert rows into each table that grows with the number
// of users. The planner of the database ignores indexes of small tables, so a test of plans needs
// many rows. series is a query that returns the numbers of the rows as column i. hash returns an
// SQL expression for 32 bytes that are different for each text and i.
func InsertStatements(series string, hash func(text string) string) []string {
	fromSeries := ` FROM (` + series + `) series`
	return []string{
		`INSERT INTO users (id, nickname, avatar_url, locale, profile_at, status, admin, groups, old_id,
			created_at, updated_at, real_name, note, allowed_apps, refused_apps, joined_into)
			SELECT 'user' || i, 'name' || i, '', '', 0, CASE i % 50 WHEN 0 THEN 'pending' ELSE 'active' END,
			CASE WHEN i % 1000 = 2 THEN true ELSE false END, '[]', 'old' || i, i, i, '', '', '[]', '[]',
				CASE i % 40 WHEN 1 THEN 'user' || (i + 1) ELSE '' END` + fromSeries,
		`INSERT INTO identities (app_id, open_id, user_id, connector, union_id, created_at, seen_at, user_seq)
			SELECT 'wx1', 'open' || i, 'user' || i, 'main', CASE i % 2 WHEN 0 THEN '' ELSE 'union' || i END,
				i, i, i` + fromSeries,
		`INSERT INTO subjects (user_id, app, subject, created_at) SELECT 'user' || i, 'wiki', 'user' || i, i` + fromSeries,
		`INSERT INTO events (at, kind, user_id, app, connector, method, outcome, request_id, detail, actor,
			address)
			SELECT i, 'kind' || (i % 500), 'user' || i, 'app' || (i % 500), '', '',
				CASE i % 100 WHEN 0 THEN 'outcome' || i ELSE 'ok' END, 'request' || i, '', 'actor' || (i % 500), ''` + fromSeries,
		`INSERT INTO sessions (hash, first_hash, user_id, connector, app_id, open_id, method, auth_time, created_at,
			seen_at, expires_at)
			SELECT ` + hash("session") + `, ` + hash("session") + `, 'user' || i, 'main', 'wx1', 'open' || i, 'wechat', i, i,
			i, i` + fromSeries,
		`INSERT INTO attempts (key, code, owner, lease, expires_at, second_code_until, outcome, finished_at, message)
			SELECT 'key' || i, '', 'one', i, i, i, '', 0, ''` + fromSeries,
		`INSERT INTO grants (id, app, user_id, subject, scopes, auth_time, session, connector, app_id, open_id, method,
			created_at, expires_at, sweep_at,
				revoked_at, counter, rotated_at, code_hash, redirect_uri, challenge, nonce, code_expires_at, code_redeemed_at)
			SELECT 'grant' || i, 'wiki', 'user' || i, 'user' || i, '[]', i, ` + hash("session") + `, 'main', 'wx1', 'open' || i,
			'wechat', i, i, i,
				0, 1, 0, ` + hash("code") + `, '', '', ` + hash("nonce") + `, i, i` + fromSeries,
		`INSERT INTO tokens (hash, grant_id, created_at, expires_at)
			SELECT ` + hash("token") + `, 'grant' || i, i, i` + fromSeries,
		`INSERT INTO tickets (hash, desktop, app, connector, browser, masked_ip, network, number, state, approver_id,
			approver_connector, app_id, open_id,
				auth_time, scanned_at, created_at, expires_at)
			SELECT ` + hash("ticket") + `, ` + hash("desktop") + `, '', '', '', '', 'network' || (i % 100), '42',
			CASE i % 2 WHEN 0 THEN 'open' ELSE 'scanned' END,
				CASE i % 2 WHEN 0 THEN '' ELSE 'user' || i END, '', '', '', 0, 0, i, i` + fromSeries,
		`INSERT INTO chat_sign_ins (key, desktop, connector, method, app, browser, masked_ip, network, state, open_id, code,
			created_at, expires_at)
			SELECT ` + hash("chat") + `, ` + hash("desktop") + `, 'main' || (i % 100), 'message', '', '', '',
				'network' || (i % 100), CASE i % 2 WHEN 0 THEN 'waiting' ELSE 'answered' END,
				CASE i % 2 WHEN 0 THEN '' ELSE 'open' || i END, '',
				i, i` + fromSeries,
		`INSERT INTO saved_requests (hash, browser, network, address, created_at, expires_at)
			SELECT ` + hash("request") + `, ` + hash("browser") + `, 'network' || (i % 100), '/', i, i` + fromSeries,
		`INSERT INTO user_groups (name, seq) SELECT 'group' || (i % 100), i` + fromSeries,
		`INSERT INTO user_terms (term, seq) SELECT 'term' || i, i` + fromSeries,
		`INSERT INTO access_requests (user_id, app, method, state, reason, requested_at, decided_at, decided_by)
			SELECT 'user' || i, 'app' || (i % 500), 'wechat', CASE i % 20 WHEN 0 THEN 'waiting' ELSE 'approved' END, '', i, i,
				''` + fromSeries,
		`INSERT INTO invitations (id, hash, kind, user_id, apps, groups, note, created_by, created_at, expires_at, max_uses,
			uses, revoked_at)
			SELECT 'invitation' || i, ` + hash("invitation") + `, CASE i % 50 WHEN 0 THEN 'admin' ELSE 'user' END,
				CASE i % 50 WHEN 0 THEN 'user' || i ELSE '' END, '[]', '[]', '', 'command', i, i, 1, 0, 0` + fromSeries,
		`INSERT INTO invitation_uses (invitation_id, user_id, at, expires_at)
			SELECT 'invitation' || (i % 100), 'user' || i, i, i` + fromSeries,
		`INSERT INTO api_keys (id, hash, name, scopes, created_by, created_at, expires_at, last_used_at, revoked_at)
			SELECT 'key' || i, ` + hash("key") + `, '', '[]', 'command', i, CASE i % 20 WHEN 0 THEN i ELSE 0 END, 0,
				CASE i % 20 WHEN 0 THEN i ELSE 0 END` + fromSeries,
		`INSERT INTO deliveries (kind, target, user_id, session_id, subject, state, created_at, next_at, attempts, last_error)
			SELECT 'kind' || (i % 500), 'app' || (i % 500), 'user' || i, '', '',
				CASE i % 50 WHEN 0 THEN 'waiting' WHEN 1 THEN 'failed' ELSE 'sent' END, i, i, 0, ''` + fromSeries,
		`INSERT INTO app_sessions (session, app, session_id, user_id, subject, created_at)
			SELECT ` + hash("session") + `, 'wiki', 'sid' || i, 'user' || i, 'user' || i, i` + fromSeries,
		`INSERT INTO statistics (hour, name, label, count) SELECT i, 'name', 'label', 1` + fromSeries,
		`INSERT INTO problems (source, code, first_at, last_at, count, request_id, detail)
			SELECT 'source' || i, 'code', i, i, 1, '', ''` + fromSeries,
	}
}
