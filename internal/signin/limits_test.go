package signin_test

import (
	"strings"
	"testing"

	"github.com/weigate/weigate/internal/gateway"
	"github.com/weigate/weigate/internal/limit"
	"github.com/weigate/weigate/internal/signin"
)

// A network has created as many users as it may. Another new user is asked to try again later, and
// no row is stored; known users sign in.
func TestNewUsersOfOneNetworkAreLimited(t *testing.T) {
	t.Parallel()
	limiter := limit.NewLimiter(nil)
	r := newFixture(t, withWeChat(&fakeWeChat{}), func(_ *fixture, c *signin.Config) { c.Limits = limiter })
	const network = "192.0.2.1" // of httptest.NewRequest
	alice := r.user("alice")
	for range limit.NewUsersPerNetwork.Burst {
		limiter.Allow(r.now(), limit.Bucket{Rate: limit.NewUsersPerNetwork, Key: network})
	}
	v := r.visitor(uaWeChat)
	if page := v.follow(v.get(v.atWeChat("/app?x=1", code("mallory")))); page.kind() != "busy" || page.status != 503 {
		t.Errorf("a new user sees %s, %d", page.kind(), page.status)
	}
	if users, err := r.store.Users(t.Context(), gateway.UserQuery{}); err != nil || len(users) != 1 {
		t.Errorf("users %+v, %v", users, err)
	}
	v = r.visitor(uaWeChat)
	v.get(v.atWeChat("/app?x=1", code("alice")))
	if s, ok := v.session(); !ok || s.UserID != alice {
		t.Errorf("a known user: %+v, %v", s, ok)
	}
	r.later(1e9)
	v = r.visitor(uaWeChat)
	v.get(v.atWeChat("/app?x=1", code("bob")))
	if _, ok := v.session(); !ok {
		t.Error("a second later, a new user is not signed in")
	}
}

// The connector shares unionids, as the configuration says, but WeChat sends none even after the
// consent: nobody is signed in, and the log has a hint.
func TestConnectorThatIsNotBound(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		profile bool
		page    string
	}{
		"no unionid in the profile":        {true, "fault"},
		"the profile could not be fetched": {false, "busy"},
	} {
		w := &fakeWeChat{profile: c.profile}
		r := newFixture(t, withWeChat(w))
		w.noUnionID = true
		v := r.visitor(uaWeChat)
		page := v.follow(v.get(v.atWeChat("/app?x=1", code("alice"))))
		if page.kind() != "wechat_consent" || page.status != 200 || !strings.HasPrefix(page.link("go"), "/sign-in/consent?") {
			t.Fatalf("%s: first %s leads to %s", name, page.kind(), page.link("go"))
		}
		callback := v.atWeChat(page.link("go"), code("alice-profile"))
		if page := v.follow(v.get(callback)); page.kind() != c.page {
			t.Errorf("%s: %s", name, page.kind())
		}
		if _, ok := v.session(); ok {
			t.Errorf("%s: signed in", name)
		}
	}
}
