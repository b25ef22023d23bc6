package gateway_test

import (
	"errors"
	"fmt"
	"regexp"
	"testing"
	"time"

	"github.com/weigate/weigate/internal/gateway"
)

func TestIDsAreOpaqueAndDifferent(t *testing.T) {
	t.Parallel()
	seen := map[string]bool{}
	form := regexp.MustCompile(`^[a-z2-7]{26}$`)
	for range 1000 {
		id := gateway.NewID()
		if !form.MatchString(id) || seen[id] {
			t.Fatalf("id %q", id)
		}
		seen[id] = true
	}
}

func TestPages(t *testing.T) {
	t.Parallel()
	for limit, want := range map[int]int{-1: 50, 0: 50, 1: 1, 500: 500, 501: 500} {
		if got := (gateway.UserQuery{Limit: limit}).Page(); got != want {
			t.Errorf("limit %d: %d rows, want %d", limit, got, want)
		}
		if got := (gateway.EventQuery{Limit: limit}).Page(); got != want {
			t.Errorf("limit %d: %d events, want %d", limit, got, want)
		}
	}
}

// A caller that tests only for ErrNotFound must reject an expired row too, and no other
// error may match ErrUnavailable.
func TestErrorKinds(t *testing.T) {
	t.Parallel()
	if !errors.Is(gateway.ErrExpired, gateway.ErrNotFound) {
		t.Error("expired is no kind of not found")
	}
	all := []error{gateway.ErrNotFound, gateway.ErrConflict, gateway.ErrBlocked, gateway.ErrReplay, gateway.ErrFull,
		gateway.ErrNewerDatabase, gateway.ErrInUse, gateway.ErrUnavailable}
	for i, a := range all {
		for j, b := range all {
			if (i == j) != errors.Is(a, b) {
				t.Errorf("%q is %q: %v", a, b, i != j)
			}
		}
	}
}

func TestTurn(t *testing.T) {
	t.Parallel()
	one, two, three, none := [32]byte{1}, [32]byte{2}, [32]byte{3}, [32]byte{}
	f := gateway.Grant{ExpiresAt: at(100), RotatedAt: at(10), Counter: 2}
	revoked := f
	revoked.RevokedAt = at(1)
	s := gateway.RefreshHashes{Current: two, Previous: one}
	for _, k := range []struct {
		name      string
		f         gateway.Grant
		s         gateway.RefreshHashes
		presented [32]byte
		now       time.Time
		want      gateway.RotationResult
	}{
		{"current", f, s, two, at(50), gateway.RotationAccepted},
		{"previous within the grace", f, s, one, at(10), gateway.RotationRepeated},
		{"previous at the grace's end", f, s, one, at(11), gateway.RotationReplay},
		{"older", f, s, three, at(10), gateway.RotationReplay},
		{"no token", f, s, none, at(10), gateway.RotationReplay},
		{"no token where none was before", f, gateway.RefreshHashes{Current: two}, none, at(10), gateway.RotationReplay},
		{"none was ever made", f, gateway.RefreshHashes{}, none, at(10), gateway.RotationReplay},
		{"over", f, s, two, at(100), gateway.RotationExpired},
		{"revoked", revoked, s, two, at(50), gateway.RotationExpired},
	} {
		r := gateway.Rotation{Presented: k.presented, Now: k.now, Grace: time.Minute}
		if got := k.f.DecideRotation(k.s, r); got != k.want {
			t.Errorf("%s: got %v, want %v", k.name, got, k.want)
		}
	}
}

func TestRevocationThatNamesNothing(t *testing.T) {
	t.Parallel()
	for _, r := range []gateway.Revocation{{}, {App: "wiki"}} {
		if r.Check() == nil {
			t.Errorf("%+v would revoke every grant", r)
		}
	}
}

func TestPlanImport(t *testing.T) {
	t.Parallel()
	withOldID := func(p *gateway.Candidate, id string) *gateway.Candidate { p.User.OldID = id; return p }
	for _, k := range []struct {
		name         string
		known, named *gateway.Candidate
		matches      []gateway.Candidate
		keep         string
		counts       string // created added updated unchanged problems
	}{
		{"nobody", nil, nil, nil, "new", "1 0 0 0 0"},
		{"the openid is known", candidate("a", 0, identity("wxa", "o1", "u1")), nil, nil, "a", "0 0 1 0 0"},
		{"known with this old id", withOldID(candidate("a", 0, identity("wxa", "o1", "u1")), "7"), nil, nil, "", "0 0 0 1 0"},
		{"known, the unionid is new", withOldID(candidate("a", 0, identity("wxa", "o1", "")), "7"), nil, nil,
			"a", "0 0 1 0 0"},
		{"known with another old id", withOldID(candidate("a", 0, identity("wxa", "o1", "u1")), "8"), nil, nil,
			"", "0 0 0 0 1"},
		{"the old id is known", nil, withOldID(candidate("a", 0, identity("wxb", "o2", "")), "7"), nil, "a", "0 1 0 0 0"},
		{"the old id has another openid", nil, withOldID(candidate("a", 0, identity("wxa", "o2", "")), "7"), nil, "",
			"0 0 0 0 1"},
		{"the old id has another unionid", nil, withOldID(candidate("a", 0, identity("wxb", "o2", "u2")), "7"), nil, "",
			"0 0 0 0 1"},
		{"openid and old id are two users", candidate("a", 0, identity("wxa", "o1", "u1")),
			withOldID(candidate("b", 0), "7"), nil,
			"", "0 0 0 0 1"},
		{"the unionid is known", nil, nil, []gateway.Candidate{*candidate("a", 0, identity("wxb", "o2", "u1"))}, "a",
			"0 1 0 0 0"},
		{"the user with the unionid has another old id", nil, nil,
			[]gateway.Candidate{*withOldID(candidate("a", 0, identity("wxb", "o2", "u1")), "8")}, "", "0 0 0 0 1"},
	} {
		var res gateway.ImportResult
		p := gateway.ImportedUser{OldID: "7", SignIn: signInAt("wxa", "o1", "u1", 9)}
		p.Profile = &gateway.Profile{Nickname: "imported"}
		plan, write := gateway.PlanImport(p, 3, k.known, k.named, k.matches, "new", &res)
		counts := fmt.Sprint(res.Created, res.Added, res.Updated, res.Unchanged, len(res.Problems))
		if plan.User.ID != k.keep || write != (k.keep != "") || counts != k.counts {
			t.Errorf("%s: user %q, write %v, counts %s; want %q, %s", k.name, plan.User.ID, write, counts, k.keep, k.counts)
		}
		if write && (plan.User.OldID != "7" || plan.User.Nickname != "imported" || !plan.User.ProfileAt.IsZero() ||
			!plan.Identity.SeenAt.IsZero()) {
			t.Errorf("%s: %+v %+v", k.name, plan.User, plan.Identity)
		}
		if len(res.Problems) == 1 && (res.Problems[0].Index != 3 || res.Problems[0].OldID != "7" ||
			res.Problems[0].Reason.String() == "") {
			t.Errorf("%s: %+v", k.name, res.Problems)
		}
	}
}
