package storetest

import (
	"crypto/sha256"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/weigate/weigate/internal/gateway"
)

// Administered is a database with many users and what administrators see of them.
type Administered struct {
	Now         time.Time // about the time of the newest events
	UserIDs     []string  // the newest first
	Invitations []string  // ids, the newest first; many users have used the newest
	Events      int
}

// invitationUses is how many users have used the newest invitation.
const invitationUses = 600

// Fill calls a function in one transaction. The function gets the argument insert, and calls insert
// for all rows. A Fill is faster than the methods of a store. Packages sqlitetest and postgrestest
// have functions that return a Fill for their database.
type Fill func(func(insert func(table, columns string, rows [][]any) error) error) error

// FillAdministration fills a database. Each user has ten events, one user in two has a session, and
// one in five waits for access to an app. There is one invitation for each hundred users. If the
// database has users already, FillAdministration only reads what Administered contains.
func FillAdministration(b *testing.B, store gateway.Store, users int, fill Fill) Administered {
	b.Helper()
	filled := Administered{Now: noon, Events: users * (adminEvents / adminUsers)}
	first, err := store.Users(b.Context(), gateway.UserQuery{Limit: 1})
	wantNoError(b, err)
	if len(first) == 0 {
		fillAdministration(b, store, users, fill)
	}
	for last := ""; ; last = filled.UserIDs[len(filled.UserIDs)-1] {
		page, err := store.Users(b.Context(), gateway.UserQuery{After: last, Limit: 500})
		wantNoError(b, err)
		for _, u := range page {
			filled.UserIDs = append(filled.UserIDs, u.ID)
		}
		if len(page) < 500 {
			break
		}
	}
	for q := (gateway.InvitationQuery{Limit: 500}); ; {
		page, err := store.Invitations(b.Context(), q)
		wantNoError(b, err)
		for _, i := range page {
			filled.Invitations = append(filled.Invitations, i.ID)
			q.Before, q.BeforeID = i.CreatedAt, i.ID
		}
		if len(page) < 500 {
			return filled
		}
	}
}

// familyNames are common family names. A search for one of them finds many users.
var familyNames = []string{"王", "李", "张", "刘", "陈", "杨", "赵", "黄", "周", "吴", "Smith", "anna"}

// fillAdministration inserts the rows of FillAdministration. Each user has a nickname. One user in
// three has a real name, a note and groups. The first users have used the newest invitation.
func fillAdministration(b *testing.B, store gateway.Store, users int, fill Fill) {
	b.Helper()
	newID := gateway.NewIDs()
	ids := make([]string, users)
	for i := range ids {
		ids[i] = newID()
	}
	wantNoError(b, fill(func(insert func(table, columns string, rows [][]any) error) error {
		for _, table := range filledTables {
			rows, total := make([][]any, 0, fillBatch), table.count(users)
			for i := range total {
				rows = append(rows, table.rows(ids, i)...)
				if len(rows) < fillBatch && i < total-1 {
					continue
				}
				if err := insert(table.name, table.columns, rows); err != nil {
					return fmt.Errorf("%s: %w", table.name, err)
				}
				rows = rows[:0]
			}
		}
		return nil
	}))
	afterOthers := noon.Add(time.Duration(len(ids)) * time.Microsecond) // newer than all other invitations
	wantNoError(b, store.CreateInvitation(b.Context(), gateway.Invitation{
		ID: gateway.NewID(), Hash: hash("used invitation"), Kind: gateway.InviteUser,
		Groups: []string{"visitors"}, CreatedBy: gateway.ActorCommand,
		CreatedAt: afterOthers, ExpiresAt: after(90 * 24 * time.Hour),
	}, gateway.Event{At: noon, Kind: "invitation_created", Outcome: "ok", Actor: gateway.ActorCommand}))
	for i, id := range ids[:min(invitationUses, len(ids))] {
		_, _, err := store.RedeemInvitation(b.Context(), gateway.InvitationRedemption{
			Hash: hash("used invitation"), UserID: id, Now: after(time.Duration(i) * time.Second),
			Event: gateway.Event{Kind: "invitation_used", Outcome: "ok"},
		})
		wantNoError(b, err)
	}
}

// fillBatch is about how many rows are inserted at once.
const fillBatch = 20_000

// filledTable describes the rows of a table. count returns how often rows is called for a number of
// users. rows returns the rows of call i, which is less than count.
type filledTable struct {
	name, columns string
	count         func(users int) int
	rows          func(ids []string, i int) [][]any
}

func perUser(users int) int { return users }

func micros(t time.Time) int64 { return t.UnixMicro() }

var filledTables = []filledTable{
	{
		name: "users", count: perUser, rows: func(ids []string, i int) [][]any {
			realName, note, groups := described(i)
			return [][]any{{ids[i], fmt.Sprint(familyNames[i%len(familyNames)], i), "", "", int64(0), "active",
				i%3000 == 0, jsonTexts(groups), fmt.Sprintf("%08d", i), micros(noon), micros(noon), realName, note, "[]", "[]"}}
		},
		columns: "id, nickname, avatar_url, locale, profile_at, status, admin, groups, old_id, created_at, updated_at, " +
			"real_name, note, allowed_apps, refused_apps",
	},
	{
		name: "identities", columns: "app_id, open_id, user_id, connector, union_id, created_at, seen_at", count: perUser,
		rows: func(ids []string, i int) [][]any {
			s := importedUser(i).SignIn
			return [][]any{{s.AppID, s.OpenID, ids[i], "main", s.UnionID, micros(noon), micros(noon)}}
		},
	},
	{name: "user_groups", columns: "name, seq", count: perUser, rows: func(_ []string, i int) (rows [][]any) {
		_, _, groups := described(i)
		for _, group := range groups {
			rows = append(rows, []any{group, int64(i + 1)})
		}
		return rows
	}},
	{name: "user_terms", columns: "term, seq", count: perUser, rows: func(_ []string, i int) (rows [][]any) {
		realName, note, _ := described(i)
		for _, term := range endsOf(realName, note) {
			rows = append(rows, []any{term, int64(i + 1)})
		}
		return rows
	}},
	{
		name: "access_requests", count: func(users int) int { return users / 5 },
		columns: "user_id, app, method, state, reason, requested_at, decided_at, decided_by",
		rows: func(ids []string, i int) [][]any {
			return [][]any{{ids[5*i], fmt.Sprint("app", i%7), "wechat", "waiting", "",
				micros(after(time.Duration(i) * time.Second)), int64(0), ""}}
		},
	},
	{
		name: "deliveries", count: func(users int) int { return users / 10 },
		columns: "kind, target, user_id, session_id, subject, state, created_at, next_at, attempts, last_error",
		rows: func(ids []string, i int) [][]any {
			return [][]any{{"logout", fmt.Sprint("app", i%7), ids[10*i], "", "", "waiting", micros(noon),
				micros(after(time.Duration(i) * time.Second)), int64(0), ""}}
		},
	},
	{
		name: "events", count: func(users int) int { return users * (adminEvents / adminUsers) }, rows: filledEvent,
		columns: "at, kind, user_id, app, connector, method, outcome, request_id, detail, actor, address",
	},
	{
		name: "statistics", columns: "hour, name, label, count", count: func(int) int { return 400 * 24 * 10 },
		rows: func(_ []string, i int) [][]any {
			return [][]any{{micros(noon.Add(-time.Duration(i/10) * time.Hour)), gateway.StatSignInFinished,
				fmt.Sprint("method ", i%10), int64(7)}}
		},
	},
	{
		name: "sessions", count: func(users int) int { return users / 2 },
		columns: "hash, first_hash, user_id, connector, app_id, open_id, method, auth_time, created_at, seen_at, expires_at",
		rows: func(ids []string, i int) [][]any {
			h := sha256.Sum256(fmt.Append(nil, "filled ", i))
			return [][]any{{h[:], h[:], ids[2*i], "main", "wxmain", fmt.Sprint("o", i), "wechat", micros(noon), micros(noon),
				micros(noon), micros(after(30 * 24 * time.Hour))}}
		},
	},
	{
		name: "invitations", count: func(users int) int { return users / 100 },
		columns: "id, hash, kind, user_id, apps, groups, note, created_by, created_at, expires_at, max_uses, uses, " +
			"revoked_at",
		rows: func(_ []string, i int) [][]any {
			h := sha256.Sum256(fmt.Append(nil, "filled invitation ", i))
			return [][]any{{gateway.NewID(), h[:], "user", "", "[]", `["staff"]`, fmt.Sprint("二楼 ", i), gateway.ActorCommand,
				micros(noon) + int64(i), micros(after(90 * 24 * time.Hour)), int64(0), int64(0), int64(0)}}
		},
	},
}

// described returns the real name, the note and the groups of user i. Two users in three have none.
func described(i int) (realName, note string, groups []string) {
	if i%3 != 0 {
		return "", "", nil
	}
	return fmt.Sprint(familyNames[i/3%len(familyNames)], "小", i), fmt.Sprint("分机 ", i, ", second floor, 二楼前台"),
		[]string{"staff", fmt.Sprint("group", i%50)}
}

// jsonTexts returns a JSON array of texts without special characters.
func jsonTexts(texts []string) string {
	if len(texts) == 0 {
		return "[]"
	}
	return `["` + strings.Join(texts, `","`) + `"]`
}

// endsOf returns the terms of texts for table user_terms, as package sqlstore computes them, but none
// in pinyin. A term
// begins at a character of the text and has at most 24 characters. "\x01" and a letter is the term
// for a word that begins with this letter.
func endsOf(texts ...string) (all []string) {
	for _, text := range texts {
		runes := []rune(strings.ToLower(text))
		for i, r := range runes {
			if r >= 'a' && r <= 'z' && (i == 0 || runes[i-1] == ' ') {
				all = append(all, "\x01"+string(r))
			}
			if r != ' ' {
				all = append(all, string(runes[i:min(len(runes), i+24)]))
			}
		}
	}
	slices.Sort(all)
	return slices.Compact(all)
}

// filledEvent returns event i of the last year. About one event in ten failed, one in a hundred is
// a change by an administrator, and one is of a rare kind.
func filledEvent(ids []string, i int) [][]any {
	total := len(ids) * (adminEvents / adminUsers)
	kind, outcome, actor, detail := "sign_in", "ok", "", ""
	switch {
	case i%100 == 0:
		kind, actor, detail = "user_changed", "boss", "groups: staff → staff, finance"
	case i%10 == 0:
		outcome = []string{"refused", "failed", "expired"}[i/10%3]
	case i == total/3:
		kind, outcome = "rare", "odd"
	}
	return [][]any{{micros(noon.Add(-time.Duration(total-i) * 30 * time.Second)), kind, ids[i%len(ids)],
		fmt.Sprint("app", i%7), "main", "wechat", outcome, fmt.Sprint("request ", i), detail, actor, "192.0.2.0"}}
}
