package access_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/weigate/weigate/internal/access"
	"github.com/weigate/weigate/internal/gateway"
)

// pins is a fake of access.Pins: pinned is by app, and taken is the id of another user.
type pins struct {
	pinned map[string]string
	taken  string
	err    error
}

func (p pins) PinSubject(_ context.Context, _, app, candidate string, _ time.Time) (string, error) {
	switch {
	case p.err != nil:
		return "", p.err
	case p.pinned[app] != "":
		return p.pinned[app], nil
	case candidate == p.taken:
		return "", gateway.ErrConflict
	}
	return candidate, nil
}

func (p pins) UserSubjects(context.Context, string) ([]gateway.Pin, error) {
	var out []gateway.Pin
	for app, subject := range p.pinned {
		out = append(out, gateway.Pin{App: app, Subject: subject})
	}
	return out, p.err
}

func TestSubject(t *testing.T) {
	t.Parallel()
	in := gateway.Session{Connector: "main", AppID: "wx1", OpenID: "o-main"}
	all := users{identities: []gateway.Identity{
		{Connector: "main", AppID: "wx1", OpenID: "o-main", UnionID: "u-main"},
		{Connector: "site", AppID: "wx2", OpenID: "o-site", UnionID: "u-site"},
		{Connector: "odd", AppID: "wx3"},
	}}
	plain := users{identities: []gateway.Identity{{Connector: "main", AppID: "wx1", OpenID: "o-main"}}}
	down := users{err: gateway.ErrUnavailable}
	before := pins{pinned: map[string]string{"wiki": "as before", "notes": "of another app"}}
	for _, k := range []struct {
		name string
		kind string
		who  users
		pins pins
		want string
		err  error
	}{
		{"the user", access.SubjectUser, down, pins{}, "a1", nil},
		{"no kind is the user", "", down, pins{}, "a1", nil},
		{"openid of the session", "openid:main", down, pins{}, "o-main", nil},
		{"openid of another connector", "openid:site", all, pins{}, "o-site", nil},
		{"openid where they have never been", "openid:gone", all, pins{}, "", access.ErrNoOpenID},
		{"openid that is empty", "openid:odd", all, pins{}, "", access.ErrNoOpenID},
		{"openid, the store away", "openid:site", down, pins{}, "", gateway.ErrUnavailable},
		{"unionid of the session's appid", access.SubjectUnionID, all, pins{}, "u-main", nil},
		{"no unionid", access.SubjectUnionID, plain, pins{}, "", access.ErrNoUnionID},
		{"unionid, the store away", access.SubjectUnionID, down, pins{}, "", gateway.ErrUnavailable},
		{"a pinned id stays", access.SubjectUser, all, before, "as before", nil},
		{"and stays when the kind is not known", "openid:gone", all, before, "as before", nil},
		{"another app's pin is not this one's", access.SubjectUnionID, plain,
			pins{pinned: map[string]string{"notes": "x"}}, "", access.ErrNoUnionID},
		{"no other kind in its place, the pins away", "openid:gone", all, pins{err: gateway.ErrUnavailable}, "",
			gateway.ErrUnavailable},
		{"another user's id", access.SubjectUnionID, all, pins{taken: "u-main"}, "", gateway.ErrConflict},
		{"a deleted user", access.SubjectUser, all, pins{err: gateway.ErrNotFound}, "", gateway.ErrNotFound},
	} {
		t.Run(k.name, func(t *testing.T) {
			t.Parallel()
			subjects := access.Subjects{Identities: k.who, Pins: k.pins}
			found, err := subjects.Find(t.Context(), "wiki", k.kind, "a1", in)
			got := ""
			if err == nil {
				got, err = subjects.Pin(t.Context(), "wiki", "a1", found, time.Unix(0, 0))
			}
			if got != k.want || !errors.Is(err, k.err) {
				t.Errorf("got %q, %v; want %q, %v", got, err, k.want, k.err)
			}
		})
	}
}

func TestUnionID(t *testing.T) {
	t.Parallel()
	two := []gateway.Identity{{AppID: "wx0"}, {AppID: "wx1", UnionID: "u1"}, {AppID: "wx2", UnionID: "u2"}}
	for appID, want := range map[string]string{"wx1": "u1", "wx2": "u2", "wx0": "u1", "gone": "u1"} {
		if got := access.UnionID(two, appID); got != want {
			t.Errorf("by %s: %q, want %q", appID, got, want)
		}
	}
	if got := access.UnionID(two[:1], "wx0"); got != "" {
		t.Errorf("of nobody: %q", got)
	}
}
