package admin_test

import (
	"strings"
	"testing"

	"github.com/weigate/weigate/internal/gateway"
)

func TestPageOfAUserShowsTheAgreement(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	agreed := f.user("alice", func(u *gateway.User) {
		u.Agreement = gateway.NewAgreement("2026-11", []string{"https://www.example.com/privacy"})
		u.Agreement.At = f.now
	})
	for user, want := range map[string]bool{agreed.ID: true, f.user("bob").ID: false} {
		page := text(f.get("/admin/users/" + user))
		if strings.Contains(page, "Agreed to the documents") != want ||
			strings.Contains(page, "version 2026-11") != want {
			t.Errorf("the agreement is shown: want %v: %s", want, page)
		}
	}
}
