package app_test

import (
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/weigate/weigate/internal/fixture"
	"github.com/weigate/weigate/internal/gateway"
	"github.com/weigate/weigate/internal/leaktest"
	"github.com/weigate/weigate/internal/metrics"
	"github.com/weigate/weigate/internal/session"
)

// TestInvitationSecretIsInItsAddressOnly: the secret is not in an address at WeChat or of a callback,
// not in a log line, an error, an event, a notice, a metric, a cookie or the database
// (QuantumNous/new-api#6305, Flatts3000/relay#51), also when the link is wrong or the store fails.
func TestInvitationSecretIsInItsAddressOnly(t *testing.T) {
	t.Parallel()
	var log fixture.Buffer
	var notices []gateway.Notice
	m, file := metrics.New(), filepath.Join(t.TempDir(), "weigate.db")
	w := newFixture(t, inFile(file), withWebsite, func(w *gatewayFixture) {
		w.options.Logger = slog.New(slog.NewJSONHandler(&log, &slog.HandlerOptions{Level: slog.LevelDebug - 4}))
		w.options.Metrics = m
		w.notify = func(n gateway.Notice) { notices = append(notices, n) }
	})
	link := w.invite(gateway.Invitation{Kind: gateway.InviteUser, MaxUses: 2})
	admin := w.invite(gateway.Invitation{Kind: gateway.InviteAdmin, MaxUses: 1})
	secret := func(l string) string { return l[strings.LastIndexByte(l, '/')+1:] }
	var secrets leaktest.Values
	secrets.Add("secret of a link", secret(link))
	secrets.Add("secret of an administrator's link", secret(admin))
	elsewhere := func(addresses ...string) { // addresses to which a browser was redirected
		t.Helper()
		for _, a := range addresses {
			own := strings.HasPrefix(a, link) || strings.HasPrefix(a, admin)
			if !own && (strings.Contains(a, secret(link)) || strings.Contains(a, secret(admin))) {
				t.Errorf("the address %s has the secret", a)
			}
		}
	}
	alice, desk := w.phone("alice"), w.plainBrowser(uaDesktop)
	page := alice.Must(alice.Scan(t.Context(), link))
	if policy := page.Header.Get("Referrer-Policy"); policy != "no-referrer" && policy != "strict-origin" {
		t.Errorf("Referrer-Policy %q", policy)
	}
	for _, hop := range alice.Must(alice.Follow(t.Context(), "go")).Hops {
		elsewhere(hop.To)
	}
	alice.WantPage(alice.Must(alice.Submit(t.Context(), "接受", nil)), "invite_done", 200)
	desk.open(link + "?continue=1").press("way-website").confirmed("bob")
	elsewhere(desk.hops...)
	elsewhere(desk.open(admin + "?continue=again").hops...)
	for _, c := range alice.Cookies(w.url) {
		elsewhere(c.Value)
	}
	use := func(method, address, form string) {
		r := httptest.NewRequest(method, address, strings.NewReader(form))
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		r.Header.Set("Origin", w.url)
		rec := httptest.NewRecorder()
		w.replicas[0].Handler().ServeHTTP(rec, r)
		elsewhere(rec.Header().Get("Location"))
	}
	for _, l := range []string{link, admin} {
		use(http.MethodPost, l, "do=accept")
		use(http.MethodPut, l, "")
		use(http.MethodGet, l+"/", "")
		use(http.MethodPost, l, "do=without_wechat")
		use(http.MethodPost, l, "do=%zz")
	}
	events, err := w.store.Events(t.Context(), gateway.EventQuery{Limit: 500})
	used := slices.ContainsFunc(events, func(e gateway.Event) bool {
		return e.Kind == "invitation_used" && e.UserID != "" && e.RequestID != ""
	})
	if err != nil || !used || len(notices) != 1 {
		t.Errorf("events %+v, notices %+v, %v", events, notices, err)
	}
	if err := w.store.Close(); err != nil {
		t.Fatal(err)
	}
	use(http.MethodGet, link, "")
	use(http.MethodPost, link, "do=accept")
	stored, err := os.ReadFile(file)
	if err != nil || strings.Count(log.String(), "\n") < 3 {
		t.Fatalf("%v, log:\n%s", err, log.String())
	}
	for where, text := range map[string]string{"log": log.String(), "events": fmt.Sprintf("%+v", events),
		"notices": fmt.Sprintf("%+v", notices), "metrics": w.scrape(m), "database": string(stored)} {
		if found := secrets.Find([]byte(text)); found != "" {
			t.Errorf("the %s: %s", where, found)
		}
	}
}

// TestUserMovesToAnotherWeChat: the account at WeChat is lost, and an administrator makes a link. Who
// opens it in the new WeChat is the same user at every app. The old WeChat is signed out, and is a
// stranger afterwards. Nobody else can use the link.
func TestUserMovesToAnotherWeChat(t *testing.T) {
	t.Parallel()
	app := newTold(t)
	w := newFixture(t, withBackchannelLogout(app.url))
	lost, fresh, other := w.phone("alice"), w.phone("bob"), w.phone("xiaoming")
	have, claims := w.appSignIn(lost)
	id, _ := claims["sub"].(string)
	if _, err := w.store.UpdateUser(t.Context(), id, w.clock.Now(), func(u *gateway.User) error {
		u.Status, u.Groups = gateway.Active, []string{"staff"}
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	link := w.invite(gateway.Invitation{Kind: gateway.InviteMove, UserID: id, MaxUses: 1})
	// A scan can be a trick: its session must not take the user over.
	desk := w.plainBrowser(uaDesktop).open(w.authorize("sample")).want("scan_code", 200)
	other.scans(desk)
	other.enters(desk.reloaded().number())
	desk.reloaded().goesOn()
	desk.open(link).want("invite_method", 200)
	scanned, err := w.store.UserSessions(t.Context(), w.scanner(id), w.clock.Now())
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range scanned {
		r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, link,
			strings.NewReader("do=accept&session="+session.FormID(s.Hash)))
		if err != nil {
			t.Fatal(err)
		}
		desk.send(r)
		desk.want("invite_method", 200)
	}

	fresh.WantPage(fresh.accept(link), "invite_move_done", 200)
	if told := app.next(t); told["sub"] != id || told["sid"] != claims["sid"] {
		t.Errorf("the app was told %v", told)
	}
	if who := w.userinfo(have.AccessToken); who["sub"] != nil {
		t.Errorf("the token of the lost phone returns %v", who)
	}
	lost.WantPage(lost.Must(lost.Open(t.Context(), w.url+"/")), "welcome", 200)
	if _, claims := w.appSignIn(lost); claims["sub"] == id {
		t.Error("the lost phone signs in as the user")
	}
	if _, claims := w.appSignIn(fresh); claims["sub"] != id {
		t.Errorf("the new phone is %v, want %s", claims["sub"], id)
	}
	user, err := w.store.User(t.Context(), id)
	if err != nil || len(scanned) == 0 || user.Status != gateway.Active || !slices.Equal(user.Groups, []string{"staff"}) {
		t.Errorf("user %+v, %v", user, err)
	}
	identities, err := w.store.Identities(t.Context(), id)
	if err != nil || len(identities) != 1 || identities[0].OpenID != w.wechat.OpenID(w.config.WeChat[0].AppID, "bob") {
		t.Errorf("identities %+v, %v", identities, err)
	}
	events, err := w.store.Events(t.Context(), gateway.EventQuery{Kind: "invitation_used"})
	if err != nil || len(events) != 1 || events[0].UserID != id || !strings.Contains(events[0].Detail, "moved") ||
		events[0].RequestID == "" {
		t.Errorf("events %+v, %v", events, err)
	}
	for _, p := range []phone{other, lost} {
		p.WantPage(p.Must(p.Open(t.Context(), link)), "invite_used", http.StatusGone)
		p.Must(p.SubmitURL(t.Context(), link, http.MethodPost, "do=accept"))
	}
	if again, err := w.store.Identities(t.Context(), id); err != nil || len(again) != 1 || again[0] != identities[0] {
		t.Errorf("another user changed the identities: %+v, %v", again, err)
	}
}

// scanner returns the id of the newest user, which must differ from this id.
func (w *gatewayFixture) scanner(id string) string {
	w.t.Helper()
	users, _ := w.users()
	newest := users[len(users)-1].ID
	if newest == id {
		w.t.Fatal("no other user")
	}
	return newest
}

// TestBlockedUserDoesNotMove: neither side of a move may be blocked. Signing in again must not unblock
// anybody (go-gitea/gitea CVE-2026-58422).
func TestBlockedUserDoesNotMove(t *testing.T) {
	t.Parallel()
	w := newFixture(t)
	alice, bob := w.phone("alice"), w.phone("bob")
	_, claims := w.appSignIn(alice)
	id, _ := claims["sub"].(string)
	link := w.invite(gateway.Invitation{Kind: gateway.InviteMove, UserID: id, MaxUses: 1})
	w.setStatus(id, gateway.Blocked)
	bob.WantPage(bob.accept(link), "blocked", http.StatusForbidden)
	u, err := w.store.User(t.Context(), id)
	if errors.Is(err, gateway.ErrNotFound) || u.Status != gateway.Blocked || w.uses(link) != 0 {
		t.Errorf("user %+v, %v, %d uses", u, err, w.uses(link))
	}
}
