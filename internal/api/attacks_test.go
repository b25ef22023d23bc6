package api

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"reflect"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/weigate/weigate/internal/administration"
	"github.com/weigate/weigate/internal/gateway"
	"github.com/weigate/weigate/internal/session"
)

// TestMassAssignment sends every field of the stored records to every operation with a body. Those
// that the operation does not list are named in an error, and nothing is changed (WireGuard Portal
// CVE-2026-27899, Neko CVE-2026-39386, KubePi CVE-2023-37917, memos CVE-2023-4697).
func TestMassAssignment(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.admin("oFirst")
	victim := f.user("oVictim")
	key := f.key(administration.Scopes()...)
	values := map[string]any{"by": "command", "actor": "command", "force": true, "unchanged": "", "hash": "00", "ID": "x"}
	for _, record := range []any{
		gateway.User{}, gateway.Identity{}, gateway.Invitation{}, gateway.APIKey{}, gateway.AccessRequest{},
		gateway.Session{},
		gateway.Event{}, User{}, Invitation{}, Key{},
	} {
		typ := reflect.TypeOf(record)
		for i := range typ.NumField() {
			name, _ := jsonName(typ.Field(i))
			for _, n := range []string{name, typ.Field(i).Name, strings.ToLower(typ.Field(i).Name)} {
				values[n] = reflect.Zero(typ.Field(i).Type).Interface()
			}
		}
	}
	delete(values, "")
	before := f.eventCount()
	for _, o := range operations {
		if o.body == nil {
			continue
		}
		known := reflect.New(reflect.TypeOf(o.body)).Elem()
		for name, value := range values {
			if _, found := fieldByTag(known, name); found {
				continue
			}
			body := object{}
			encoded, err := json.Marshal(examples[reflect.TypeOf(o.body)])
			if err != nil {
				t.Fatal(err)
			}
			if err := json.Unmarshal(encoded, &body); err != nil {
				t.Fatal(err)
			}
			body[name] = value
			f.pass(time.Second) // stays below the rate of the key
			w := f.call(key, o.method, strings.ReplaceAll(o.path, "{user}", victim.ID), body)
			w.want(t, o.id+" with the field "+name, http.StatusBadRequest, "unknown_field")
			if len(w.problem.Errors) != 1 || w.problem.Errors[0].Field != name {
				t.Errorf("%s: the problem names %v, want %s", o.id, w.problem.Errors, name)
			}
		}
	}
	have, err := f.store.User(t.Context(), victim.ID)
	if err != nil || !reflect.DeepEqual(have, victim) || f.eventCount() != before {
		t.Errorf("the user was changed: %+v, %v, %d events", have, err, f.eventCount()-before)
	}
}

// TestNumbers sends numbers that stopped other servers (Rauthy #1165, nginx-ui CVE-2026-33029) to every
// parameter and field.
func TestNumbers(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	key := f.key(administration.Scopes()...)
	for _, o := range operations {
		path, _ := example(o)
		if !strings.Contains(path, "?") {
			path += "?"
		}
		for _, p := range o.query {
			for _, value := range []string{
				"0", "-1", "2147483648", "9223372036854775808", "-9223372036854775809", "", "text", "1e3", "0x10", "+1", "01", "１",
				"1.5", "NaN", "null", "\x00", "\xff", strings.Repeat("9", 300),
			} {
				f.pass(time.Second)
				if p.required && p.kind == wordKind {
					continue // the example has it already
				}
				w := f.call(key, o.method, path+"&"+p.name+"="+url.QueryEscape(value), nil)
				switch {
				case w.Code >= http.StatusInternalServerError:
					t.Errorf("%s with %s=%q: %d", o.id, p.name, value, w.Code)
				case p.kind != textKind:
					w.want(t, fmt.Sprintf("%s with %s=%q", o.id, p.name, value), http.StatusBadRequest, "invalid_value")
				}
			}
		}
	}
	for _, field := range []string{"max_uses", "expires_in"} {
		for _, value := range []string{"-1", "2147483648", "9223372036854775808", "1.5", `"1"`, "null", "1e99", "[]"} {
			body := fmt.Sprintf(`{"kind":"user",%q:%s}`, field, value)
			f.call(key, http.MethodPost, "/invitations", body).want(t, body, http.StatusBadRequest, "invalid_value")
		}
	}
	for _, id := range []string{"0", "-1", "9223372036854775808", "text", "1.5", "%00", "..%2f1"} {
		f.call(key, http.MethodPost, "/deliveries/"+id+"/retry", nil).want(t, "delivery "+id, http.StatusNotFound,
			"not_found")
	}
}

// TestStrictJSON: a body that two programs could read differently is rejected.
func TestStrictJSON(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	u := f.user("oUser")
	key := f.key("users:write")
	for _, c := range []struct{ name, body, code string }{
		{"empty", "", "invalid_json"},
		{"no object", `["a"]`, "invalid_json"},
		{"a text", `"users"`, "invalid_json"},
		{"incomplete", `{"users":["` + u.ID + `"]`, "invalid_json"},
		{"two objects", `{"users":["` + u.ID + `"]}{}`, "invalid_json"},
		{"text after the object", `{"users":["` + u.ID + `"]} x`, "invalid_json"},
		{"a form", "users=" + u.ID, "invalid_json"},
		{"a comment", `{/**/"users":[]}`, "invalid_json"},
		{"a field twice", `{"users":["x"],"users":["` + u.ID + `"]}`, "invalid_value"},
		{"a field in capitals", `{"Users":["` + u.ID + `"]}`, "unknown_field"},
		{"null", `{"users":null}`, "invalid_value"},
		{"no list", `{"users":"` + u.ID + `"}`, "invalid_value"},
		{"numbers", `{"users":[1]}`, "invalid_value"}, {"a null item", `{"users":["` + u.ID + `", null]}`, "invalid_value"},
		{"without the list", `{"reason":"left"}`, "invalid_value"},
		{"an empty list", `{"users":[]}`, "invalid_value"},
		{"a reason of 501 characters", `{"users":["` + u.ID + `"],"reason":"` + strings.Repeat("李", 501) + `"}`,
			"invalid_value"},
		{"501 users", `{"users":["` + strings.Repeat(`x","`, 500) + u.ID + `"]}`, "invalid_value"},
		{"10,000 nested lists", `{"users":` + strings.Repeat("[", 10_000) + strings.Repeat("]", 10_000) + `}`,
			"invalid_value"},
	} {
		f.call(key, http.MethodPost, "/users/block", c.body).want(t, c.name, http.StatusBadRequest, c.code)
	}
	long := `{"users":["` + u.ID + `"],"reason":"` + strings.Repeat("a", 40<<10) + `"}`
	f.call(key, http.MethodPost, "/users/block", long).want(t, "40 kB", http.StatusRequestEntityTooLarge, "body_too_large")
	have, err := f.store.User(t.Context(), u.ID)
	if err != nil || have.Status != gateway.Pending {
		t.Errorf("the user is %s, %v", have.Status, err)
	}
}

// TestSearchTextIsNoPattern: the signs of LIKE are ordinary characters, and there is no parameter that
// reaches ORDER BY (new-api CVE-2026-25591, 1Panel CVE-2024-39907).
func TestSearchTextIsNoPattern(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.user("o100%_sure")
	f.user("oOther")
	key := f.key("users:read")
	for text, want := range map[string]int{
		"%": 0, "_": 0, "o%": 0, "o100%_s": 1, "o100__s": 0, "' OR 1=1 --": 0, `\`: 0, "%%%%%%%%%%%%%%%%%%%%%%%%%%": 0,
		"oO": 1,
	} {
		page := decode[UserPage](t, f.call(key, http.MethodGet, "/users?text="+url.QueryEscape(text), nil))
		if len(page.Users) != want {
			t.Errorf("%q finds %d users, want %d", text, len(page.Users), want)
		}
	}
	for _, name := range []string{"sort", "order", "order_by", "orderBy", "fields"} {
		f.call(key, http.MethodGet, "/users?"+name+"=id", nil).want(t, name, http.StatusBadRequest, "unknown_parameter")
	}
	// Values that a query cannot have, and cursors of another list or made up.
	for _, query := range []string{
		"text=%00", "text=%ff", "after=x", "text=a;admin=true", "text=%zz", "after=e30", "after=bnVsbA",
		"after=" + strings.Repeat("A", 500), "status=deleted",
		"admin=1", "limit=201", "limit=1&limit=2", "text=" + strings.Repeat("a", 201),
	} {
		f.call(key, http.MethodGet, "/users?"+query, nil).want(t, query, http.StatusBadRequest, "invalid_value")
	}
}

// TestKeyDoesNotMakeItsHolderAdministrator: no scope but admins:write leads to the rights of an
// administrator, also not by a detour (Gitea CVE-2026-56654, authentik GHSA-5wcc-hf24-rf5h, new-api
// CVE-2026-64866).
func TestKeyDoesNotMakeItsHolderAdministrator(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	admin, attacker := f.admin("oAdmin"), f.user("oAttacker")
	var scopes []string
	for _, s := range administration.Scopes() {
		if s != administration.ScopeAdminsWrite {
			scopes = append(scopes, s)
		}
	}
	key := f.key(scopes...)
	f.call(key, http.MethodPut, "/users/"+attacker.ID+"/admin", AdminEdit{Admin: true}).
		want(t, "setAdmin", http.StatusForbidden, "missing_scope")
	f.call(key, http.MethodPost, "/users/"+admin.ID+"/merge", Merge{Younger: attacker.ID}).
		want(t, "merge into an administrator", http.StatusForbidden, "missing_scope")
	f.call(key, http.MethodPost, "/users/"+attacker.ID+"/merge", Merge{Younger: admin.ID}).
		want(t, "merge with an administrator", http.StatusForbidden, "missing_scope")
	f.call(key, http.MethodPost, "/invitations", NewInvitation{Kind: "move", UserID: admin.ID}).
		want(t, "move link of an administrator", http.StatusForbidden, "missing_scope")
	f.call(key, http.MethodPost, "/invitations", NewInvitation{Kind: "admin"}).
		want(t, "admin link", http.StatusForbidden, "browser_only")
	f.call(f.key(administration.Scopes()...), http.MethodPost, "/invitations", NewInvitation{Kind: "admin"}).
		want(t, "admin link with all scopes", http.StatusForbidden, "browser_only")
	have, err := f.store.User(t.Context(), attacker.ID)
	if err != nil || have.Admin {
		t.Errorf("the attacker is an administrator: %v, %v", have.Admin, err)
	}
}

// TestKeysWithoutAdminsWriteDoNotReachAdministrators: a key of an off-boarding system must not lock the
// administrators out, and not move them into groups (new-api CVE-2026-64866, Coder CVE-2026-55077).
func TestKeysWithoutAdminsWriteDoNotReachAdministrators(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	admin, other := f.admin("oAdmin"), f.user("oOther")
	f.admin("oSecond") // so that nobody is the last one
	before, err := f.store.User(t.Context(), admin.ID)
	if err != nil {
		t.Fatal(err)
	}
	var scopes []string
	for _, s := range administration.Scopes() {
		if s != administration.ScopeAdminsWrite {
			scopes = append(scopes, s)
		}
	}
	key, path := f.key(scopes...), "/users/"+admin.ID
	groups, one := []string{"root"}, []string{admin.ID}
	for _, c := range []struct {
		what, method, path string
		body               any
	}{
		{"edit", http.MethodPatch, path, UserEdit{Groups: &groups}},
		{"delete", http.MethodDelete, path, nil},
		{"unlink", http.MethodPost, path + "/unlink", Unlink{AppID: "wx", OpenID: "oAdmin"}},
		{"end a session", http.MethodDelete, path + "/sessions/x", nil},
		{"block", http.MethodPost, "/users/block", Block{Users: one}},
		{"unblock", http.MethodPost, "/users/unblock", Users{Users: one}},
		{"sign out", http.MethodPost, "/users/sign-out", Users{Users: one}},
		{"approve", http.MethodPost, "/waiting/approve", Approval{Users: one, Groups: groups}},
		{"refuse", http.MethodPost, "/waiting/refuse", Refusal{Users: one, Apps: []string{"wiki"}}},
	} {
		w := f.call(key, c.method, c.path, c.body)
		w.want(t, c.what, http.StatusForbidden, "missing_scope")
		if !strings.Contains(w.Header().Get("WWW-Authenticate"), `scope="admins:write"`) {
			t.Errorf("%s: the challenge is %q", c.what, w.Header().Get("WWW-Authenticate"))
		}
	}
	// The row of an administrator is left, and every row has its outcome in the order of the request.
	list := []string{other.ID, admin.ID, "nobody"}
	got := decode[Outcomes](t, f.call(key, http.MethodPost, "/users/sign-out", Users{Users: list}))
	for i, want := range []string{"", "missing_scope", "not_found"} {
		if o := got.Outcomes[i]; o.UserID != list[i] || o.Code != want {
			t.Errorf("outcome %d is %+v, want %s", i, o, want)
		}
	}
	after, err := f.store.User(t.Context(), admin.ID)
	if err != nil || !reflect.DeepEqual(after, before) {
		t.Errorf("the administrator was changed: %+v, %v", after, err)
	}
	f.call(key, http.MethodPost, "/users/block", Block{Users: []string{admin.ID, other.ID}}).
		want(t, "block an administrator and a user", http.StatusMultiStatus, "")
	if u, err := f.store.User(t.Context(), other.ID); err != nil || u.Status != gateway.Blocked {
		t.Errorf("the other user is %+v, %v", u, err)
	}
	f.call(f.key(administration.Scopes()...), http.MethodPost, "/users/block", Block{Users: one}).
		want(t, "block with admins:write", http.StatusOK, "")
}

// promoting is a store in which a user becomes an administrator right before each change: after the
// API has looked at the user.
type promoting struct{ administration.Store }

func (p promoting) promote(ctx context.Context, id string) {
	_, _ = p.UpdateUser(ctx, id, time.Now(), func(u *gateway.User) error { u.Admin = true; return nil })
}

func (p promoting) ChangeUser(ctx context.Context, c gateway.UserChange) (gateway.User, error) {
	p.promote(ctx, c.ID)
	return p.Store.ChangeUser(ctx, c)
}

func (p promoting) DeleteUserIf(ctx context.Context, id string, now time.Time, e gateway.Event,
	allowed func(gateway.User) error) error {
	p.promote(ctx, id)
	return p.Store.DeleteUserIf(ctx, id, now, e, allowed)
}

// TestKeyDoesNotReachAUserWhoJustBecameAnAdministrator: the rights are checked in the transaction of the
// change, not only before it (a race as in Pocket ID 2.12).
func TestKeyDoesNotReachAUserWhoJustBecameAnAdministrator(t *testing.T) {
	t.Parallel()
	f := newFixture(t, func(s administration.Store) administration.Store { return promoting{s} })
	f.admin("oAdmin")
	key := f.key(administration.ScopeUsersRead, administration.ScopeUsersWrite, administration.ScopeUsersDelete)
	groups := []string{"root"}
	for i, status := range []gateway.Status{gateway.Active, gateway.Active, gateway.Active, gateway.Blocked} {
		u := f.user("oUser" + strconv.Itoa(i))
		u, err := f.store.UpdateUser(t.Context(), u.ID, f.now(), func(u *gateway.User) error {
			u.Status = status
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
		c := []struct {
			method, path string
			body         any
		}{
			{http.MethodPatch, "/users/" + u.ID, UserEdit{Groups: &groups}},
			{http.MethodDelete, "/users/" + u.ID, nil},
			{http.MethodPost, "/users/block", Block{Users: []string{u.ID}}},
			{http.MethodPost, "/users/unblock", Users{Users: []string{u.ID}}},
		}[i]
		f.call(key, c.method, c.path, c.body).want(t, c.method+" "+c.path, http.StatusForbidden, "missing_scope")
		if now, err := f.store.User(t.Context(), u.ID); err != nil || now.Status != status || len(now.Groups) > 0 {
			t.Errorf("%s %s changed the user: %+v, %v", c.method, c.path, now, err)
		}
	}
}

// TestIDsOfOthersAreNotFound: an id in a path is looked up below what the path names before it, and as
// what the path says (Grafana CVE-2024-10452). Every operation with an id gets an id that exists, of
// another user or of another kind, and changes nothing.
func TestIDsOfOthersAreNotFound(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.admin("oAdmin")
	alice, bob := f.user("oAlice"), f.user("oBob")
	hash := [32]byte{1}
	err := f.store.PutSession(t.Context(), gateway.Session{Hash: hash, First: hash, UserID: bob.ID, Connector: "main",
		AppID: "wx", OpenID: "oBob", Method: gateway.MethodWeChat, AuthTime: f.now(), CreatedAt: f.now(), SeenAt: f.now(),
		ExpiresAt: f.now().Add(time.Hour)}, f.now())
	if err != nil {
		t.Fatal(err)
	}
	key := f.key(administration.Scopes()...)
	before := f.eventCount()
	sessionID := session.FormID(hash)
	f.call(key, http.MethodDelete, "/users/"+alice.ID+"/sessions/"+sessionID, nil).
		want(t, "the session of another user", http.StatusNotFound, "not_found")
	f.call(key, http.MethodPost, "/users/"+alice.ID+"/unlink", Unlink{AppID: "wx0123456789abcdef", OpenID: "oBob"}).
		want(t, "the identity of another user", http.StatusNotFound, "not_found")
	wrongs := map[string][]string{"user": {sessionID, "1", "key"}, "session": {alice.ID, bob.ID, "1"},
		"invitation": {alice.ID, sessionID, "1"}, "delivery": {alice.ID, sessionID, "1"}}
	for _, o := range operations {
		name, _, _ := strings.Cut(o.path[strings.LastIndexByte(o.path, '{')+1:], "}")
		for _, id := range wrongs[name] { // of the last id in the path
			var body any
			if o.body != nil {
				body = examples[reflect.TypeOf(o.body)]
			}
			path := strings.ReplaceAll(strings.ReplaceAll(o.path, "{"+name+"}", id), "{user}", alice.ID)
			f.pass(time.Second)
			f.call(key, o.method, path, body).want(t, o.method+" "+path, http.StatusNotFound, "not_found")
		}
	}
	if _, err := f.store.Session(t.Context(), hash, f.now()); err != nil || f.eventCount() != before {
		t.Errorf("something has changed: %v, %d events", err, f.eventCount()-before)
	}
}

// TestAdministratorsDoNotLockThemselvesOut: a key cannot do to its maker what administrators cannot do
// to themselves, and nobody can take the last administrator away (Pocket ID 1.7, Rauthy #1066, Kanidm
// #3429).
func TestAdministratorsDoNotLockThemselvesOut(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	alice := f.admin("oAlice")
	byAlice := f.keyOf(alice.ID, 0, administration.Scopes()...)
	byCommand := f.key(administration.Scopes()...)
	other := f.user("oOther")
	try := func(what, key string, status int, code string) {
		t.Helper()
		block := f.call(key, http.MethodPost, "/users/block", Block{Users: []string{alice.ID}})
		block.want(t, what+": block", status, code)
		f.call(key, http.MethodPut, "/users/"+alice.ID+"/admin", AdminEdit{}).want(t, what+": demote", status, code)
		f.call(key, http.MethodDelete, "/users/"+alice.ID, nil).want(t, what+": delete", status, code)
	}
	try("her own key", byAlice, http.StatusConflict, "self")
	f.call(byAlice, http.MethodPost, "/users/"+other.ID+"/merge", Merge{Younger: alice.ID}).
		want(t, "merge with herself", http.StatusConflict, "self")
	try("the last administrator", byCommand, http.StatusConflict, "last_admin")
	if u, err := f.store.User(t.Context(), alice.ID); err != nil || !u.Admin || u.Status != gateway.Active {
		t.Errorf("alice is %+v, %v", u, err)
	}
	f.admin("oBob")
	f.call(byCommand, http.MethodPost, "/users/block", Block{Users: []string{alice.ID}}).
		want(t, "one of two administrators", http.StatusOK, "")
	f.call(byAlice, http.MethodGet, "/key", nil).want(t, "her key afterwards", http.StatusUnauthorized, "ownerless_key")
}
