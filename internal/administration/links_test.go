package administration_test

import (
	"bytes"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/weigate/weigate/internal/administration"
	"github.com/weigate/weigate/internal/gateway"
)

// ToolJet/ToolJet#16229, Flatts3000/relay#51: a stored link is a key, and links worked after their
// creator had lost the rights. The store has a hash, and no event and no list has the secret.
func TestInvitationSecretsAreShownOnce(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	ctx := t.Context()
	_, keeper := f.admin()
	admin, by := f.admin()
	i, link, err := f.Invite(ctx, by, administration.Invite{
		Kind: gateway.InviteUser, Apps: []string{"wiki"}, Groups: []string{"staff"}, Note: "for Ann", MaxUses: 3,
	})
	if err != nil {
		t.Fatal(err)
	}
	secret, found := strings.CutPrefix(link, "https://login.example.com/invite/")
	if !found || len(secret) != 26 || i.Hash != gateway.InvitationHash(secret) {
		t.Fatalf("link %s", link)
	}
	if stored, err := f.store.Invitation(ctx, i.Hash, f.now()); err != nil || stored.ID != i.ID {
		t.Fatalf("%+v, %v", stored, err)
	}
	e := f.events(administration.EventInvitationCreated)[0]
	if e.Actor != by.ID || strings.Contains(e.Detail, secret) || strings.Contains(e.Detail, "Ann") ||
		!strings.Contains(e.Detail, "for wiki; groups staff; uses 3") {
		t.Errorf("event %+v", e)
	}
	_, again, err := f.Invite(ctx, by, administration.Invite{Kind: gateway.InviteUser})
	if err != nil || again == link {
		t.Errorf("a second invitation has the link of the first, or %v", err)
	}
	if _, err := f.SetAdmin(ctx, keeper, admin.ID, false); err != nil {
		t.Fatal(err)
	}
	if _, err := f.store.Invitation(ctx, i.Hash, f.now()); !errors.Is(err, gateway.ErrExpired) {
		t.Errorf("a link whose creator lost the rights: %v, want ErrExpired", err)
	}
	if err := f.RevokeInvitation(ctx, keeper, "other"); !errors.Is(err, gateway.ErrNotFound) {
		t.Errorf("revoke an unknown invitation: %v", err)
	}
	if err := f.RevokeInvitation(ctx, keeper, i.ID); err != nil {
		t.Fatal(err)
	}
	if got, _, err := f.Invitation(ctx, gateway.InvitationUseQuery{ID: i.ID}); err != nil ||
		administration.StateOf(got, f.now()) != administration.InvitationRevoked {
		t.Errorf("%+v, %v", got, err)
	}
}

// authentik CVE-2022-23555, Fleet CVE-2026-34389: a link was used for something else than it was made
// for. Links with the rights of a sign-in are short, work once, and carry nothing else.
func TestLinksThatSignInAreShortAndSingle(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	ctx := t.Context()
	u, blocked := f.user("u", gateway.Active), f.user("b", gateway.Blocked)
	for _, c := range []struct {
		name string
		in   administration.Invite
	}{
		{"an administrator link for two days", administration.Invite{Kind: gateway.InviteAdmin, Expires: 48 * time.Hour}},
		{"an administrator link for many", administration.Invite{Kind: gateway.InviteAdmin, MaxUses: 5}},
		{"an administrator link into groups", administration.Invite{Kind: gateway.InviteAdmin, Groups: []string{"g"}}},
		{"an administrator link for a blocked user", administration.Invite{Kind: gateway.InviteAdmin, UserID: blocked.ID}},
		{"a move without a user", administration.Invite{Kind: gateway.InviteMove}},
		{"a move of an unknown user", administration.Invite{Kind: gateway.InviteMove, UserID: "nobody"}},
		{"a move of a blocked user", administration.Invite{Kind: gateway.InviteMove, UserID: blocked.ID}},
		{"an invitation for a user", administration.Invite{Kind: gateway.InviteUser, UserID: u.ID}},
		{"an invitation for an unknown app", administration.Invite{Kind: gateway.InviteUser, Apps: []string{"x"}}},
		{"an unknown kind", administration.Invite{Kind: "root"}},
		{"no kind", administration.Invite{}},
	} {
		if _, link, err := f.Invite(ctx, byCommand, c.in); err == nil {
			t.Errorf("%s: %s", c.name, link)
		}
	}
	_, byLink := f.admin()
	byLink.Link = true
	for expires, want := range map[time.Duration]time.Duration{0: 24 * time.Hour, time.Hour: time.Hour,
		24 * time.Hour: 24 * time.Hour, 24*time.Hour + time.Second: 0, 365 * 24 * time.Hour: 0} {
		i, link, err := f.Invite(ctx, byLink, administration.Invite{Kind: gateway.InviteUser, Expires: expires})
		if (err == nil) != (want > 0) || want > 0 && !i.ExpiresAt.Equal(f.now().Add(want)) || want == 0 && link != "" {
			t.Errorf("an invitation for %s in a session of a link: until %s, %v", expires, i.ExpiresAt, err)
		}
	}
	i, _, err := f.Invite(ctx, byCommand, administration.Invite{Kind: gateway.InviteMove, UserID: u.ID})
	if err != nil || i.MaxUses != 1 || !i.ExpiresAt.Equal(f.now().Add(time.Hour)) || i.UserID != u.ID {
		t.Errorf("%+v, %v", i, err)
	}
}

// MinIO GO-2024-2499, Gitea CVE-2026-56654, Ech0 GHSA-fpw6-hrg5-q5x5: API keys inherited all rights,
// made wider keys, or could not be revoked.
func TestAPIKeys(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	ctx := t.Context()
	_, keeper := f.admin()
	admin, by := f.admin()
	k, key, err := f.CreateAPIKey(ctx, by, administration.NewAPIKey{
		Name: "off-boarding", Scopes: []string{"users:write", "users:read", "users:read"}, Expires: time.Hour,
	})
	if err != nil || !strings.HasPrefix(key, gateway.APIKeyPrefix) ||
		strings.Join(k.Scopes, " ") != "users:read users:write" {
		t.Fatalf("%+v, %v", k, err)
	}
	got, actor, err := f.Authenticate(ctx, key)
	if err != nil || got.ID != k.ID || actor.ID != "key:"+k.ID {
		t.Fatalf("%+v, %+v, %v", got, actor, err)
	}
	_, _, err = f.CreateAPIKey(ctx, actor, administration.NewAPIKey{Name: "n", Scopes: []string{"users:read"}})
	if !errors.Is(err, administration.ErrForbidden) {
		t.Errorf("a key created a key: %v", err)
	}
	for _, wrong := range []string{
		"", key[:len(key)-1], key + "a", strings.ToUpper(key), key[1:], gateway.APIKeyPrefix + gateway.NewID(),
	} {
		if _, _, err := f.Authenticate(ctx, wrong); !errors.Is(err, gateway.ErrNotFound) {
			t.Errorf("authenticate with a wrong key: %v", err)
		}
	}
	read := []string{"users:read"}
	for _, in := range []administration.NewAPIKey{
		{}, {Name: "n"}, {Name: "\x00", Scopes: read}, {Name: "n", Scopes: []string{"users:*"}},
		{Name: "n", Scopes: read, Expires: -1}, {Name: strings.Repeat("x", 101), Scopes: read},
	} {
		if _, _, err := f.CreateAPIKey(ctx, by, in); err == nil {
			t.Errorf("created %+v", in)
		}
	}
	if _, err := f.SetAdmin(ctx, keeper, admin.ID, false); err != nil {
		t.Fatal(err)
	}
	if _, _, err := f.Authenticate(ctx, key); !errors.Is(err, gateway.ErrExpired) {
		t.Errorf("a key whose creator lost the rights: %v", err)
	}
	_, endless, err := f.CreateAPIKey(ctx, keeper, administration.NewAPIKey{Name: "n", Scopes: []string{"events:read"}})
	if err != nil {
		t.Fatal(err)
	}
	forever, _, err := f.Authenticate(ctx, endless)
	if err != nil {
		t.Fatal(err)
	}
	if err := f.RevokeAPIKey(ctx, keeper, forever.ID); err != nil {
		t.Fatal(err)
	}
	if _, _, err := f.Authenticate(ctx, endless); !errors.Is(err, gateway.ErrExpired) {
		t.Errorf("a revoked key: %v", err)
	}
}

// QuantumNous/new-api CVE-2026-64859, authentik CVE-2026-40166: secrets in lists and exports. No
// event, list or export has a secret of a link or key, or a complete openid.
func TestSecretsAreInNoExport(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	ctx := t.Context()
	_, by := f.admin()
	u := f.user("u", gateway.Active)
	_, link, err := f.Invite(ctx, by, administration.Invite{Kind: gateway.InviteAdmin, UserID: u.ID})
	if err != nil {
		t.Fatal(err)
	}
	_, key, err := f.CreateAPIKey(ctx, by, administration.NewAPIKey{Name: "n", Scopes: []string{"users:read"}})
	if err != nil {
		t.Fatal(err)
	}
	session := f.signIn(u)
	if err := f.Unlink(ctx, by, u.ID, "wx0123456789abcdef", "oOpenID-of-user-2"); !errors.Is(err, gateway.ErrConflict) {
		t.Errorf("unlink the last identity: %v", err)
	}
	var all bytes.Buffer
	for _, format := range []administration.Format{administration.CSV, administration.JSONLines} {
		if _, err := f.ExportEvents(ctx, by, &all, format, gateway.EventQuery{}, 0); err != nil {
			t.Fatal(err)
		}
		if _, err := f.ExportUsers(ctx, by, &all, format, gateway.UserSearch{}, 0); err != nil {
			t.Fatal(err)
		}
	}
	for _, secret := range []string{link[len(link)-26:], key, "oOpenID-of-user", string(session.Hash[:26])} {
		if strings.Contains(all.String(), secret) {
			t.Errorf("the exports contain %q", secret[:8])
		}
	}
}
