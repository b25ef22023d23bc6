package storetest

import (
	"context"
	"fmt"
	"sync/atomic"
	"testing"
	"time"

	"github.com/weigate/weigate/internal/gateway"
)

// Administered is a database with many users and what administrators see of them.
type Administered struct {
	Now         time.Time // the events are from before
	UserIDs     []string  // the newest first
	Invitations []string  // ids, the newest first; many users have used the first
	Events      int
}

// invitationUses is how many users have used the newest invitation.
const invitationUses = 600

// FillAdministration fills a database: each user has ten events, one in two has a session, one in five
// waits for an app, and one in a hundred made an invitation. A database that has been filled before is
// not changed.
func FillAdministration(b *testing.B, store gateway.Store, users int) Administered {
	b.Helper()
	filled := Administered{Now: noon, Events: users * (adminEvents / adminUsers)}
	first, err := store.Users(b.Context(), gateway.UserQuery{Limit: 1})
	wantNoError(b, err)
	if len(first) == 0 {
		fillSessions(b, store, fillAdministration(b, store, users))
	}
	for after := ""; ; after = filled.UserIDs[len(filled.UserIDs)-1] {
		page, err := store.Users(b.Context(), gateway.UserQuery{After: after, Limit: 500})
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

// fillSessions stores sessions and invitations.
func fillSessions(b *testing.B, store gateway.Store, ids []string) {
	b.Helper()
	var next atomic.Int64
	concurrently(16, func(int) {
		for i := int(next.Add(1)) - 1; i < len(ids); i = int(next.Add(1)) - 1 {
			var err error
			if i%2 == 0 {
				s := newSession(ids[i], fmt.Sprint("filled ", i))
				s.ExpiresAt = after(30 * 24 * time.Hour)
				err = store.PutSession(b.Context(), s, noon)
			}
			if i%100 == 0 && err == nil {
				err = putFilledInvitation(b.Context(), store, i)
			}
			if err != nil {
				b.Error(err)
				return
			}
		}
	})
	newest := len(ids)
	wantNoError(b, putFilledInvitation(b.Context(), store, newest))
	for i, id := range ids[:min(invitationUses, len(ids))] {
		_, _, err := store.RedeemInvitation(b.Context(), gateway.InvitationRedemption{
			Hash: hash(fmt.Sprint("filled invitation ", newest)), UserID: id, Now: after(time.Duration(i) * time.Second),
			Event: gateway.Event{Kind: "invitation_used", Outcome: "ok"},
		})
		wantNoError(b, err)
	}
}

func putFilledInvitation(ctx context.Context, store gateway.Store, i int) error {
	return store.CreateInvitation(ctx, gateway.Invitation{
		ID: gateway.NewID(), Hash: hash(fmt.Sprint("filled invitation ", i)), Kind: gateway.InviteUser,
		Groups: []string{"staff"}, Note: fmt.Sprint("二楼 ", i), CreatedBy: gateway.ActorCommand,
		CreatedAt: noon.Add(time.Duration(i) * time.Microsecond), ExpiresAt: after(90 * 24 * time.Hour),
	}, gateway.Event{At: noon, Kind: "invitation_created", Outcome: "ok", Actor: gateway.ActorCommand})
}
