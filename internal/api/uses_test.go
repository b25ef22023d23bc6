package api

import (
	"fmt"
	"net/http"
	"testing"
	"time"

	"github.com/weigate/weigate/internal/gateway"
)

// The users of an invitation are in pages, and next continues them: a link for everybody has thousands.
func TestUsesOfAnInvitationAreInPages(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	key := f.key("invitations:read")
	hash := gateway.InvitationHash("secret")
	err := f.store.CreateInvitation(t.Context(), gateway.Invitation{
		ID: "many", Hash: hash, Kind: gateway.InviteUser, CreatedBy: gateway.ActorCommand, CreatedAt: f.now(),
		ExpiresAt: f.now().Add(time.Hour),
	}, gateway.Event{At: f.now()})
	if err != nil {
		t.Fatal(err)
	}
	for i := range 5 {
		_, _, err := f.store.RedeemInvitation(t.Context(), gateway.InvitationRedemption{
			Hash: hash, UserID: f.user(fmt.Sprint("user", i)).ID, Now: f.now(),
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	seen, after := map[string]bool{}, ""
	for _, rows := range []int{2, 2, 1} {
		page := decode[InvitationDetails](t, f.call(key, http.MethodGet, "/invitations/many?limit=2"+after, nil))
		if len(page.Uses) != rows || page.Invitation.Uses != 5 || (page.Next == "") != (rows == 1) {
			t.Fatalf("%+v", page)
		}
		for _, use := range page.Uses {
			seen[use.UserID] = true
		}
		after = "&after=" + page.Next
	}
	if len(seen) != 5 {
		t.Errorf("users: %v", seen)
	}
}
