package administration_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/weigate/weigate/internal/administration"
	"github.com/weigate/weigate/internal/gateway"
)

// What administrators type is cleaned, or refused with the name of the field.
func TestInputIsCleanedOrRefused(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	_, by := f.admin()
	u := f.user("u", gateway.Active)
	if _, err := f.TestNotice(t.Context(), by, "no-such-receiver"); !errors.As(err, new(*administration.FieldError)) {
		t.Errorf("a test message to an unknown receiver: %v", err)
	}
	text := func(s string) *string { return &s }
	list := func(s ...string) *[]string { return &s }
	repeated := strings.Fields(strings.Repeat("a b c d e f g h ", 9))
	for _, c := range []struct {
		name string
		edit administration.Edit
		want administration.FieldError // zero = stored
		got  func(gateway.User) string
		is   string
	}{
		{name: "hostile name", edit: administration.Edit{RealName: text("\u202e<b>\x00\x1b李四\r\n")},
			got: func(u gateway.User) string { return u.RealName }, is: "<b>李四"},
		{name: "one character is a name", edit: administration.Edit{RealName: text("李")},
			got: func(u gateway.User) string { return u.RealName }, is: "李"},
		{name: "note keeps lines", edit: administration.Edit{Note: text("a\r\nb\x07\xff")},
			got: func(u gateway.User) string { return u.Note }, is: "a\nb\ufffd"},
		{name: "100 Han characters", edit: administration.Edit{RealName: text(strings.Repeat("李", 100))},
			got: func(u gateway.User) string { return u.RealName }, is: strings.Repeat("李", 100)},
		{name: "101 characters", edit: administration.Edit{RealName: text(strings.Repeat("李", 101))},
			want: administration.FieldError{Field: "real_name", Key: administration.TooLong, Max: 100}},
		{name: "long note", edit: administration.Edit{Note: text(strings.Repeat("x", 10_000))},
			want: administration.FieldError{Field: "note", Key: administration.TooLong, Max: 1000}},
		{name: "groups are sorted", edit: administration.Edit{Groups: list("staff", "财务", " staff ", "")},
			got: func(u gateway.User) string { return strings.Join(u.Groups, ",") }, is: "staff,财务"},
		{name: "comma in a group", edit: administration.Edit{Groups: list("a,b")},
			want: administration.FieldError{Field: "groups", Key: administration.Invalid, Value: "a,b"}},
		{name: "control byte in a group", edit: administration.Edit{Groups: list("a\x00b")},
			want: administration.FieldError{Field: "groups", Key: administration.Invalid, Value: "ab"}},
		{name: "long group", edit: administration.Edit{Groups: list(strings.Repeat("组", 65))},
			want: administration.FieldError{Field: "groups", Key: administration.TooLong, Max: 64}},
		{name: "repeated groups", edit: administration.Edit{Groups: &repeated},
			got: func(u gateway.User) string { return strings.Join(u.Groups, "") }, is: "abcdefgh"},
		{name: "unknown app", edit: administration.Edit{AllowedApps: list("wikk")},
			want: administration.FieldError{Field: "apps", Key: administration.Unknown, Value: "wikk"}},
		{name: "app allowed and refused", edit: administration.Edit{AllowedApps: list("wiki"), RefusedApps: list("wiki")},
			want: administration.FieldError{Field: "apps", Key: administration.Invalid, Value: "wiki"}},
	} {
		before := f.stored(u.ID)
		after, err := f.Edit(t.Context(), by, u.ID, c.edit, time.Time{})
		if c.got != nil {
			if err != nil || c.got(after) != c.is || c.got(f.stored(u.ID)) != c.is {
				t.Errorf("%s: %q, %v", c.name, c.got(after), err)
			}
			continue
		}
		var field *administration.FieldError
		if !errors.As(err, &field) || *field != c.want || !f.stored(u.ID).UpdatedAt.Equal(before.UpdatedAt) {
			t.Errorf("%s: %v, want %v", c.name, err, &c.want)
		}
	}
	ids, long := []string{u.ID}, strings.Repeat("x", 501)
	for name, out := range map[string][]administration.Outcome{
		"reason of a block":   f.Block(t.Context(), by, ids, long),
		"reason of a refusal": f.Refuse(t.Context(), by, ids, administration.Refusal{Reason: long}),
		"app of an approval":  f.Approve(t.Context(), by, ids, administration.Approval{Apps: []string{"nope"}}),
		"501 users":           f.Block(t.Context(), by, make([]string, 501), ""),
	} {
		var field *administration.FieldError
		if !errors.As(out[0].Err, &field) {
			t.Errorf("%s: %v, want a FieldError", name, out[0].Err)
		}
	}
	if f.stored(u.ID).Status != gateway.Active {
		t.Error("an invalid action changed the user")
	}
}

// sebadob/rauthy#1165, nginx-ui CVE-2026-33029: numbers at and beyond their limits.
func TestNumbersBeyondTheirLimits(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	_, by := f.admin()
	ctx := t.Context()
	for _, n := range []int{-1 << 63, -1, 0, 1 << 31, 1<<63 - 1} {
		if page, err := f.Search(ctx, gateway.UserSearch{Limit: n}); err != nil || len(page.Users) == 0 {
			t.Errorf("search with limit %d: %d users, %v", n, len(page.Users), err)
		}
		if page, err := f.Events(ctx, gateway.EventQuery{Limit: n}); err != nil || len(page.Events) == 0 {
			t.Errorf("events with limit %d: %d events, %v", n, len(page.Events), err)
		}
		if _, err := f.Events(ctx, gateway.EventQuery{Before: int64(n)}); err != nil {
			t.Errorf("events before %d: %v", n, err)
		}
		_, _, err := f.Invite(ctx, by, administration.Invite{Kind: gateway.InviteUser, MaxUses: n})
		var field *administration.FieldError
		if n != 0 && !errors.As(err, &field) || n == 0 && err != nil {
			t.Errorf("invitation for %d users: %v", n, err)
		}
		_, _, err = f.Invite(ctx, by, administration.Invite{Kind: gateway.InviteUser, Expires: time.Duration(n)})
		if n != 0 && !errors.As(err, &field) || n == 0 && err != nil {
			t.Errorf("invitation for %d ns: %v", n, err)
		}
		if _, err := f.Waiting(ctx, gateway.WaitingQuery{Limit: n}); err != nil {
			t.Errorf("waiting with limit %d: %v", n, err)
		}
		if _, err := f.Deliveries(ctx, gateway.DeliveryQuery{Limit: n, Before: int64(n)}); err != nil {
			t.Errorf("deliveries with limit %d: %v", n, err)
		}
	}
	if _, err := f.Health(ctx, start, start.Add(-time.Hour)); err == nil {
		t.Error("a period that ends before it begins is accepted")
	}
	if _, err := f.Health(ctx, time.Time{}, start); err == nil {
		t.Error("a period of 2,000 years is accepted")
	}
	if _, err := f.Events(ctx, gateway.EventQuery{Since: start, Until: start}); err == nil {
		t.Error("an empty period of events is accepted")
	}
}

// 1Panel CVE-2024-39907, QuantumNous/new-api CVE-2026-25591: wildcards and SQL in a search find
// nothing.
func TestSearchTextIsNotAPattern(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	for range 3 {
		f.user("Ann", gateway.Active)
	}
	for _, text := range []string{"%", "_", "%%%%%", "A%n", "' OR 1=1 --", `\`, "*", "A_n", "[A-Z]nn"} {
		if page, err := f.Search(t.Context(), gateway.UserSearch{Text: text}); err != nil || len(page.Users) > 0 {
			t.Errorf("search %q: %d users, %v", text, len(page.Users), err)
		}
	}
	if page, err := f.Search(t.Context(), gateway.UserSearch{Text: "ann"}); err != nil || len(page.Users) != 3 {
		t.Errorf("search: %d users, %v", len(page.Users), err)
	}
	if _, err := f.Search(t.Context(), gateway.UserSearch{Status: "any"}); err == nil {
		t.Error("an unknown status is accepted")
	}
}
