package main

import (
	"database/sql"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"testing"

	"github.com/weigate/weigate/internal/leaktest"
	"github.com/weigate/weigate/login/sqlstore"
	"github.com/weigate/weigate/wechat/wechattest"
)

// site is the app in this process, with SQLite and the simulator.
type site struct {
	t   *testing.T
	url string
	sim *wechattest.Server
	db  *sql.DB
}

func newSite(t *testing.T) *site {
	t.Helper()
	t.Setenv("WECHAT_SECRET", leaktest.Secret)
	sim, err := wechattest.New(wechattest.Config{
		Apps: []wechattest.App{{AppID: appID, Secret: leaktest.Secret, Domains: []string{"127.0.0.1"}}}, Mark: leaktest.Mark,
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(sim.Close)
	weixin := httptest.NewServer(sim)
	t.Cleanup(weixin.Close)
	db, err := sql.Open("sqlite", filepath.Join(t.TempDir(), "users.db")+"?_pragma=busy_timeout(5000)&_txlock=immediate")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	server := httptest.NewUnstartedServer(nil)
	s := &site{t: t, url: "http://" + server.Listener.Addr().String(), sim: sim, db: db}
	sign, err := newSignIn(t.Context(), settings{url: s.url, sim: weixin.URL, appID: appID,
		key: []byte("32 random bytes, kept in a secret")}, db, sqlstore.SQLite)
	if err != nil {
		t.Fatal(err)
	}
	server.Config.Handler = leaktest.Watch(t, (&app{sign: sign, db: db, name: "one"}).handler())
	server.Start()
	t.Cleanup(server.Close)
	return s
}

// signIn signs a person in with a browser that has no cookies, and returns the browser's cookies.
func (s *site) signIn(person string) []*http.Cookie {
	s.t.Helper()
	phone := s.sim.Phone(person)
	phone.ClearCookies()
	page, err := phone.Open(s.t.Context(), s.url+"/account")
	if err != nil || page.Status != http.StatusOK {
		s.t.Fatalf("the phone of %s shows %+v, %v", person, page, err)
	}
	return phone.Cookies(s.url + "/")
}

// call sends a request as a script of the page does, and returns the status and the body.
func (s *site) call(method, path string, cookies []*http.Cookie, headers ...string) (status int, body string) {
	s.t.Helper()
	req, err := http.NewRequestWithContext(s.t.Context(), method, s.url+path, nil)
	if err != nil {
		s.t.Fatal(err)
	}
	req.Header.Set("Sec-Fetch-Mode", "cors")
	req.Header.Set("Sec-Fetch-Site", "same-origin")
	for i := 0; i < len(headers); i += 2 {
		req.Header.Set(headers[i], headers[i+1])
	}
	for _, c := range cookies {
		req.AddCookie(c)
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		s.t.Fatal(err)
	}
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	if err != nil {
		s.t.Fatal(err)
	}
	return res.StatusCode, string(text)
}

// devices lists the devices of the user with these cookies.
func (s *site) devices(cookies []*http.Cookie) (all []device) {
	s.t.Helper()
	status, body := s.call("GET", "/api/sessions", cookies)
	if err := json.Unmarshal([]byte(body), &all); err != nil || status != http.StatusOK {
		s.t.Fatalf("/api/sessions answers %d: %s", status, body)
	}
	return all
}

// wantMe fails the test unless /sign-in/me answers with the status.
func (s *site) wantMe(cookies []*http.Cookie, want int) {
	s.t.Helper()
	if status, body := s.call("GET", "/sign-in/me", cookies); status != want {
		s.t.Errorf("/sign-in/me answers %d, want %d: %s", status, want, body)
	}
}

func TestUserSeesDevicesAndSignsThemOut(t *testing.T) {
	s := newSite(t)
	first, second, third := s.signIn("alice"), s.signIn("alice"), s.signIn("alice")
	bob := s.signIn("bob")
	all := s.devices(third)
	if len(all) != 3 || !all[0].Current || all[1].Current || !strings.Contains(all[0].UserAgent, "MicroMessenger") {
		t.Fatalf("devices %+v, want three, this one first", all)
	}

	// One device; then all others.
	if status, body := s.call("DELETE", "/api/sessions/"+all[2].ID, third); status != http.StatusNoContent {
		t.Errorf("sign out one device: %d %s", status, body)
	}
	s.wantMe(first, http.StatusUnauthorized)
	s.wantMe(second, http.StatusOK)
	if status, body := s.call("DELETE", "/api/sessions", third); status != http.StatusNoContent {
		t.Errorf("sign out the others: %d %s", status, body)
	}
	s.wantMe(second, http.StatusUnauthorized)
	s.wantMe(third, http.StatusOK)
	s.wantMe(bob, http.StatusOK)

	// The script of the page signs out.
	if status, body := s.call("POST", "/sign-out", third); status != http.StatusOK || !strings.Contains(body, s.url+"/") {
		t.Errorf("sign out: %d %s", status, body)
	}
	s.wantMe(third, http.StatusUnauthorized)
}

// Neither another user nor another site can sign a device out.
func TestDeviceOfAnotherUserStaysSignedIn(t *testing.T) {
	s := newSite(t)
	alice, bob := s.signIn("alice"), s.signIn("bob")
	id := s.devices(alice)[0].ID
	if status, _ := s.call("DELETE", "/api/sessions/"+id, bob); status != http.StatusNotFound {
		t.Errorf("bob signs alice out: %d", status)
	}
	for _, path := range []string{"/api/sessions", "/api/sessions/" + id} {
		if status, _ := s.call("DELETE", path, alice, "Sec-Fetch-Site", "cross-site"); status != http.StatusForbidden {
			t.Errorf("another site sends DELETE %s: %d", path, status)
		}
		if status, body := s.call("DELETE", path, nil); status != http.StatusUnauthorized ||
			!strings.Contains(body, "signed_out") {
			t.Errorf("nobody sends DELETE %s: %d %s", path, status, body)
		}
	}
	s.wantMe(alice, http.StatusOK)
}

// A sign-in that OnSignIn accepted just before Block, or before the user was joined into another,
// creates its session afterwards: Block does not find it.
func TestSessionThatOutlivesABlockOrAJoinIsEnded(t *testing.T) {
	s := newSite(t)
	alice, bob, other := s.signIn("alice"), s.signIn("bob"), s.signIn("xiaoming")
	for _, change := range []struct {
		statement string
		user      []*http.Cookie
	}{{`UPDATE users SET blocked = 1 WHERE id = $1`, alice}, {`DELETE FROM users WHERE id = $1`, bob}} {
		_, me := s.call("GET", "/sign-in/me", change.user)
		var session struct{ Subject string }
		if err := json.Unmarshal([]byte(me), &session); err != nil {
			t.Fatal(err)
		}
		if _, err := s.db.Exec(change.statement, session.Subject); err != nil {
			t.Fatal(err)
		}
		for _, path := range []string{"DELETE /api/sessions", "GET /account", "GET /api/sessions"} {
			method, path, _ := strings.Cut(path, " ")
			if status, body := s.call(method, path, change.user); status != http.StatusUnauthorized {
				t.Errorf("%s: %s %s answers %d %s", change.statement, method, path, status, body)
			}
		}
		s.wantMe(change.user, http.StatusUnauthorized)
	}
	s.wantMe(other, http.StatusOK)
}
