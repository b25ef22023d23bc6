package oidc_test

import (
	"context"
	"fmt"
	"net/http"
	"testing"
	"time"

	"github.com/weigate/weigate/internal/gateway"
	"github.com/weigate/weigate/internal/keys"
	"github.com/weigate/weigate/internal/oidc"
)

// counting counts the questions that a login may ask the store.
type counting struct {
	store
	asked map[string]int
}

func (c *counting) User(ctx context.Context, id string) (gateway.User, error) {
	c.asked["Account"]++
	return c.store.User(ctx, id)
}

func (c *counting) Identities(ctx context.Context, id string) ([]gateway.Identity, error) {
	c.asked["Identities"]++
	return c.store.Identities(ctx, id)
}

func (c *counting) PinSubject(ctx context.Context, user, app, candidate string, now time.Time) (string, error) {
	c.asked["PinSubject"]++
	return c.store.PinSubject(ctx, user, app, candidate, now)
}

func (c *counting) PutCode(ctx context.Context, code gateway.Code) error {
	c.asked["PutCode"]++
	return c.store.PutCode(ctx, code)
}

func (c *counting) Code(ctx context.Context, hash [32]byte) (gateway.Code, error) {
	c.asked["Code"]++
	return c.store.Code(ctx, hash)
}

func (c *counting) Redeem(ctx context.Context, code [32]byte, now time.Time, i gateway.TokenIssue) (gateway.Grant,
	error) {
	c.asked["Redeem"]++
	return c.store.Redeem(ctx, code, now, i)
}

func (c *counting) Token(ctx context.Context, hash [32]byte, now time.Time) (gateway.Token, gateway.Grant, error) {
	c.asked["Token"]++
	return c.store.Token(ctx, hash, now)
}

func (c *counting) TokenUser(ctx context.Context, hash [32]byte, now time.Time) (gateway.Token, gateway.Grant,
	gateway.User, error) {
	c.asked["TokenUser"]++
	return c.store.TokenUser(ctx, hash, now)
}

// TestALoginAsksTheStoreFourTimes: a round trip to the database costs more than what it fetches.
func TestALoginAsksTheStoreFourTimes(t *testing.T) {
	t.Parallel()
	c := &counting{store: newMemory(t), asked: map[string]int{}}
	e := newFixture(t, c, keys.ES256)
	b := e.browser()
	b.login()
	// The fake sign-in reads the identities. The first code for a user pins the subject with it. The
	// user is read when the code is redeemed: an administrator may have blocked them meanwhile.
	if got, want := fmt.Sprint(c.asked), fmt.Sprint(map[string]int{"Account": 1, "Identities": 1, "PutCode": 1,
		"Redeem": 1}); got != want {
		t.Errorf("the first login asked %s, want %s", got, want)
	}
	clear(c.asked)
	e.claims(b.login("scope", "openid profile groups").Access)
	if got, want := fmt.Sprint(c.asked), fmt.Sprint(map[string]int{"Account": 1, "PutCode": 1, "Redeem": 1,
		"TokenUser": 1}); got != want {
		t.Errorf("asked %s, want %s", got, want)
	}
}

// TestCodeOfAnotherReplica: what this process does not remember it reads, and the login is the
// same.
func TestCodeOfAnotherReplica(t *testing.T) {
	t.Parallel()
	for _, inIDToken := range []bool{false, true} {
		e := newFixture(t, newMemory(t), keys.ES256, withClient(func(c *oidc.Client) { c.IDTokenClaims = inIDToken }))
		b := e.browser()
		_, here := e.idToken(b.login("nonce", "n1").ID)
		code := b.code("nonce", "n2")
		for range 1024 { // more than it remembers
			b.code()
		}
		tok := e.redeem(code)
		if tok.status != http.StatusOK {
			t.Fatalf("a code that is not remembered: %d %s", tok.status, tok.Error)
		}
		_, there := e.idToken(tok.ID)
		if there["nonce"] != "n2" || here["nonce"] != "n1" {
			t.Errorf("nonces %v and %v", here["nonce"], there["nonce"])
		}
		for _, claims := range []map[string]any{here, there} {
			delete(claims, "nonce")
			delete(claims, "at_hash")
		}
		if fmt.Sprint(here) != fmt.Sprint(there) {
			t.Errorf("remembered %v\nread       %v", here, there)
		}
		if again := e.redeem(code); again.Error != "invalid_grant" {
			t.Errorf("again: %d %s", again.status, again.Error)
		}
		if a := e.userinfo(tok.Access); a.status != http.StatusUnauthorized {
			t.Errorf("the replay left the token alive: %d", a.status)
		}
	}
}
