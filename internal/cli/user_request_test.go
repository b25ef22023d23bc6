package cli

import (
	"strings"
	"testing"
	"time"

	"github.com/weigate/weigate/internal/administration"
	"github.com/weigate/weigate/internal/gateway"
	"github.com/weigate/weigate/internal/lang"
)

// TestShowDetailsRequest is how "weigate user show" describes an approved request: a block, or a
// later change of the user's apps, takes the approval back.
func TestShowDetailsRequest(t *testing.T) {
	t.Parallel()
	const approved, takenBack = "wiki: approved, since", "wiki: approved, taken back later, since"
	for name, test := range map[string]struct {
		user gateway.User
		want string
	}{
		"allowed":   {gateway.User{Status: gateway.Pending, AllowedApps: []string{"wiki"}}, approved},
		"active":    {gateway.User{Status: gateway.Active}, approved},
		"blocked":   {gateway.User{Status: gateway.Blocked, AllowedApps: []string{"wiki"}}, takenBack},
		"unblocked": {gateway.User{Status: gateway.Pending}, takenBack},
		"refused":   {gateway.User{Status: gateway.Active, RefusedApps: []string{"wiki"}}, takenBack},
	} {
		d := administration.Details{User: test.user, Requests: []gateway.AccessRequest{
			{App: "wiki", State: gateway.RequestApproved, RequestedAt: time.Now()},
		}}
		s, got := &invocation{zone: time.UTC}, ""
		s.showDetails(d, func(_, format string, args ...any) { got = lang.Text(format, args...).String() })
		if !strings.HasPrefix(got, test.want) {
			t.Errorf("%s: %q", name, got)
		}
	}
}

// TestDescribeUses is how invitations show their uses.
func TestDescribeUses(t *testing.T) {
	t.Parallel()
	for want, i := range map[string]gateway.Invitation{
		"used 0 times, no limit": {},
		"used 1 of 3 times":      {Uses: 1, MaxUses: 3},
	} {
		if got := describeUses(i).String(); got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
}
