package storetest

import (
	"fmt"
	"reflect"
	"testing"
	"time"

	"github.com/weigate/weigate/internal/gateway"
)

// newRotation returns a rotation of the grant "grant-" + grantName at noon plus at. It replaces the
// refresh token of the generation by the token of the next generation. Generation 1 is issued with
// the grant, and its rotation issues generation 2.
func newRotation(grantName string, generation int, at time.Duration) gateway.Rotation {
	return gateway.Rotation{
		Grant: "grant-" + grantName, Presented: hash(fmt.Sprint("refresh ", generation, " ", grantName)),
		Next: hash(fmt.Sprint("refresh ", generation+1, " ", grantName)),
		Access: gateway.Token{Hash: hash(fmt.Sprint("access ", grantName, " ", generation, " ", at, " ", gateway.NewID())),
			CreatedAt: after(at), ExpiresAt: after(at + 5*time.Minute)},
		Expires: after(at + 720*time.Hour), Now: after(at), Grace: 30 * time.Second,
	}
}

// refreshCases test the rotation of refresh tokens. When a client sends a replaced token again
// within 30 seconds, the client gets the same successor. A later use is a replay (RFC 9700, section
// 4.14), and the grant is revoked.
var refreshCases = []testCase{
	{
		name:   "a refresh token is replaced at each use",
		reason: "each refresh token is valid once, so that a stolen token is detected",
		run: func(t *testing.T, f *fixture) {
			f.addGrant(f.addUser("o1").ID, "wiki", "g1")
			for generation := 1; generation <= 5; generation++ {
				rotation := newRotation("g1", generation, time.Duration(generation)*time.Hour)
				out := f.rotate(rotation)
				wantEqual(t, "counter", out.Grant.Counter, generation+1)
				wantEqual(t, "repeated", out.Repeated, false)
				wantEqual(t, "refresh token", out.Refresh, rotation.Next)
				wantEqual(t, "time of the rotation", out.Grant.RotatedAt, rotation.Now)
				wantEqual(t, "end of the grant", out.Grant.ExpiresAt, rotation.Expires)
				_, grant, err := f.store.Token(t.Context(), rotation.Access.Hash, rotation.Now)
				wantNoError(t, err)
				if !reflect.DeepEqual(grant, out.Grant) {
					t.Fatalf("grant of the rotation %+v\ngrant of the token %+v", out.Grant, grant)
				}
			}
		},
	},
	{
		name:   "a token sent twice within the grace period gets the same successor",
		reason: "clients repeat a request whose response was lost",
		run: func(t *testing.T, f *fixture) {
			f.addGrant(f.addUser("o1").ID, "wiki", "g1")
			first := f.rotate(newRotation("g1", 1, time.Hour))
			rotation := newRotation("g1", 1, time.Hour+30*time.Second-time.Microsecond)
			again := f.rotate(rotation)
			wantEqual(t, "successor", again.Refresh, first.Refresh)
			wantEqual(t, "repeated, counter", fmt.Sprint(again.Repeated, again.Grant.Counter), "true 2")
			_, _, err := f.store.Token(t.Context(), rotation.Access.Hash, rotation.Now)
			wantNoError(t, err)
			f.rotate(newRotation("g1", 2, 2*time.Hour))
		},
	},
	{
		name:   "a replaced token sent after the grace period revokes the grant",
		reason: "two clients have the token, and one of them stole it",
		run: func(t *testing.T, f *fixture) {
			f.addGrant(f.addUser("o1").ID, "wiki", "g1")
			rotation := newRotation("g1", 1, time.Hour)
			f.rotate(rotation)
			out, err := f.store.Rotate(t.Context(), newRotation("g1", 1, time.Hour+30*time.Second))
			wantError(t, err, gateway.ErrReplay)
			wantEqual(t, "grant", fmt.Sprint(out.Grant.ID, out.Grant.RevokedAt),
				fmt.Sprint("grant-g1", after(time.Hour+30*time.Second)))
			_, _, err = f.store.Token(t.Context(), rotation.Access.Hash, after(time.Hour+time.Minute))
			wantError(t, err, gateway.ErrNotFound)
			_, err = f.store.Rotate(t.Context(), newRotation("g1", 2, time.Hour+time.Minute))
			wantError(t, err, gateway.ErrExpired)
		},
	},
	{
		name:   "a token that was replaced twice revokes the grant, also within the grace period",
		reason: "its successor was used, so no response was lost",
		run: func(t *testing.T, f *fixture) {
			f.addGrant(f.addUser("o1").ID, "wiki", "g1")
			f.rotate(newRotation("g1", 1, 0))
			f.rotate(newRotation("g1", 2, time.Second))
			_, err := f.store.Rotate(t.Context(), newRotation("g1", 1, 2*time.Second))
			wantError(t, err, gateway.ErrReplay)
		},
	},
	{
		name:       "a hundred requests with one token replace it once",
		reason:     "a browser opens ten tabs at once, and each refreshes",
		concurrent: true,
		run: func(t *testing.T, f *fixture) {
			f.addGrant(f.addUser("o1").ID, "wiki", "g1")
			stores := f.handles()
			var results counter
			f.concurrently(f.concurrency(), func(i int) {
				out, err := stores[i%2].Rotate(t.Context(), newRotation("g1", 1, time.Hour))
				if err != nil || out.Refresh != hash("refresh 2 g1") || out.Grant.Counter != 2 {
					t.Errorf("error %v, successor %x, counter %d", err, out.Refresh, out.Grant.Counter)
				}
				results.add(fmt.Sprint("repeated ", out.Repeated))
			})
			results.want(t, "rotations", map[string]int{"repeated false": 1, "repeated true": f.concurrency() - 1})
		},
	},
	{
		name:       "a token can be its own successor",
		reason:     "WeChat does not replace refresh tokens, and apps send the same token in many requests at once",
		concurrent: true,
		run: func(t *testing.T, f *fixture) {
			f.addGrant(f.addUser("o1").ID, "shop", "g1")
			// withoutReplacement returns a rotation after which the same token is valid.
			withoutReplacement := func(at time.Duration) gateway.Rotation {
				rotation := newRotation("g1", 1, at)
				rotation.Next, rotation.Expires, rotation.Grace = rotation.Presented, time.Time{}, 0
				return rotation
			}
			f.concurrently(f.concurrency(), func(int) {
				rotation := withoutReplacement(time.Hour)
				out, err := f.store.Rotate(t.Context(), rotation)
				if err == nil {
					_, _, err = f.store.Token(t.Context(), rotation.Access.Hash, rotation.Now)
				}
				if err != nil || out.Refresh != rotation.Presented {
					t.Errorf("one of the requests: %v, successor %x", err, out.Refresh)
				}
			})
			wantEqual(t, "end of the grant", f.rotate(withoutReplacement(700*time.Hour)).Grant.ExpiresAt, after(720*time.Hour))
			_, err := f.store.Rotate(t.Context(), newRotation("g1", 2, 701*time.Hour)) // not the current token
			wantError(t, err, gateway.ErrReplay)
		},
	},
	{
		name:   "a grant expires",
		reason: "a refresh token must not be valid forever",
		run: func(t *testing.T, f *fixture) {
			f.addGrant(f.addUser("o1").ID, "wiki", "g1")
			_, err := f.store.Rotate(t.Context(), newRotation("g1", 1, 720*time.Hour))
			wantError(t, err, gateway.ErrExpired)
			_, err = f.store.Rotate(t.Context(), newRotation("none", 1, 0))
			wantError(t, err, gateway.ErrNotFound)
			rotation := newRotation("g1", 1, time.Hour)
			rotation.Expires = after(time.Hour)
			wantEqual(t, "end of the grant after a rotation with an earlier end", f.rotate(rotation).Grant.ExpiresAt,
				after(720*time.Hour))
		},
	},
}
