package wechattest_test

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/weigate/weigate/wechat/wechattest"
)

func personIDs(s *sim) (ids []string) {
	for _, p := range s.People() {
		ids = append(ids, p.ID)
	}
	return ids
}

func TestPeopleAndAppsAreAddedAndRemoved(t *testing.T) {
	t.Parallel()
	s := simulate(t, wechattest.Config{})
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	must(s.AddPerson(wechattest.Person{ID: "zoe", Nickname: "Zoe", Follows: []string{"*"}}))
	app, err := s.AddApp(wechattest.App{Domains: []string{"127.0.0.1"}})
	must(err)
	if len(app.AppID) != 18 || len(app.Secret) != 32 {
		t.Errorf("generated: %+v", app)
	}
	tokens := s.signIn(app, "zoe", "snsapi_userinfo")
	if got := s.userInfo(tokens); got.Nickname != "Zoe" {
		t.Errorf("user info of a new person at a new app: %+v", got)
	}
	for what, err := range map[string]error{
		"the person again": s.AddPerson(wechattest.Person{ID: "zoe"}),
		"the app again":    func() error { _, err := s.AddApp(app); return err }(),
	} {
		if !errors.Is(err, wechattest.ErrExists) {
			t.Errorf("%s: %v", what, err)
		}
	}
	if s.AddPerson(wechattest.Person{ID: "No Id"}) == nil {
		t.Error("an invalid id was added")
	}
	if _, err := s.AddApp(wechattest.App{AppID: "wx1", Secret: "x"}); err == nil {
		t.Error("an invalid appid was added")
	}

	code := s.code(app, "zoe", "snsapi_userinfo")
	must(s.RemoveApp(app.AppID))
	if got, _ := s.exchange(app, code); got.Errcode != 40013 {
		t.Errorf("the code of a removed app: %+v", got)
	}
	s.UpdateQuirks(func(q *wechattest.Quirks) { q.ConsentAs = "zoe" })
	must(s.RemovePerson("zoe"))
	if slices.Contains(personIDs(s), "zoe") || s.Quirks().ConsentAs != "" {
		t.Errorf("after the removal: %v, consent as %q", personIDs(s), s.Quirks().ConsentAs)
	}
	if _, err := s.Phone("zoe").Open(t.Context(), s.base); err == nil {
		t.Error("the phone of a removed person opens a page")
	}
	err = s.RemovePerson("zoe")
	if !errors.Is(err, wechattest.ErrUnknownPerson) || !strings.Contains(err.Error(), "alice") {
		t.Errorf("removed twice: %v", err)
	}
	if err := s.RemoveApp("wx1"); !errors.Is(err, wechattest.ErrUnknownApp) {
		t.Errorf("an unknown app was removed: %v", err)
	}
}

// A reset makes the next test independent of the one before. The codes do not repeat: an app that
// remembers used codes would reject them.
func TestResetReturnsToTheStart(t *testing.T) {
	t.Parallel()
	s := simulate(t, wechattest.Config{Quirks: wechattest.Quirks{BaseUnionID: true}})
	before := s.code(s.oa, "alice", "snsapi_userinfo")
	tokens := s.signIn(s.oa, "alice", "snsapi_userinfo")
	visited := site(t, func(w http.ResponseWriter, _ *http.Request) {
		http.SetCookie(w, &http.Cookie{Name: "c", Value: "1"})
	})
	phone := s.Phone("alice")
	if _, err := phone.Open(t.Context(), visited); err != nil {
		t.Fatal(err)
	}
	phone.SetBrowser(wechattest.BrowserSafari)
	phone.SetLanguage("en")
	s.newQR()
	if err := errors.Join(s.AddPerson(wechattest.Person{ID: "zoe"}), s.RemovePerson("bob"),
		s.Consent(s.oa.AppID, "alice"), s.UpdatePerson("alice", func(p *wechattest.Person) { p.Frozen = true })); err != nil {
		t.Fatal(err)
	}
	s.UpdateQuirks(func(q *wechattest.Quirks) { q.BaseUnionID, q.Snapshot = false, true })
	s.Fail(wechattest.Fault{Errcode: -1})
	s.Advance(time.Hour)
	openID := s.OpenID(s.oa.AppID, "alice")
	lastID := s.Calls()[len(s.Calls())-1].ID

	s.Reset()
	if ids := personIDs(s); slices.Contains(ids, "zoe") || !slices.Contains(ids, "bob") || s.People()[0].Frozen {
		t.Errorf("people %v, alice %+v", ids, s.People()[0])
	}
	if q := s.Quirks(); !q.BaseUnionID || q.Snapshot || len(s.Faults()) != 0 || len(s.QRCodes()) != 0 ||
		!s.Now().Equal(start) {
		t.Errorf("quirks %+v, faults %v, QR codes %v, time %v", q, s.Faults(), s.QRCodes(), s.Now())
	}
	if got, _ := s.exchange(s.oa, before); got.Errcode != 40029 {
		t.Errorf("a code of before: %+v", got)
	}
	if got := s.userInfo(tokens); got.Errcode != 40001 {
		t.Errorf("a token of before: %+v", got)
	}
	if phone.Page() != nil || len(phone.Cookies(visited)) != 0 || phone.Browser() != wechattest.BrowserWeChat ||
		phone.Language() != "zh-CN" || s.Phone("alice") != phone {
		t.Errorf("the phone: %v %v %v %v", phone.Page(), phone.Cookies(visited), phone.Browser(), phone.Language())
	}
	if state, err := s.UserState(s.oa.AppID, "alice"); err != nil || !state.ConsentUntil.IsZero() ||
		state.OpenID != openID {
		t.Errorf("alice at the app: %+v %v", state, err)
	}
	if calls := s.Calls(); len(calls) != 2 || calls[0].ID <= lastID {
		t.Errorf("the log: %+v, last before %d", calls, lastID)
	}
	if again := s.code(s.oa, "alice", "snsapi_userinfo"); again == before {
		t.Error("a code repeats after a reset")
	}
}

// The page with the QR code polls for a minute. A reset must not leave it waiting.
func TestResetEndsLongPolls(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s, err := wechattest.New(wechattest.Config{Quirks: wechattest.Quirks{PollWait: time.Minute}})
		if err != nil {
			t.Fatal(err)
		}
		get := func(path string) string {
			w := httptest.NewRecorder()
			s.ServeHTTP(w, httptest.NewRequest(http.MethodGet, "http://127.0.0.1"+path, nil))
			return w.Body.String()
		}
		get("/connect/qrconnect?appid=" + s.Apps()[2].AppID +
			"&redirect_uri=http%3A%2F%2F127.0.0.1%2F&response_type=code&scope=snsapi_login&state=1")
		began, polled := time.Now(), make(chan string, 1)
		go func() { polled <- get("/connect/l/qrconnect?uuid=" + s.QRCodes()[0].UUID) }()
		synctest.Wait()
		s.Reset()
		if answer := <-polled; !strings.Contains(answer, "wx_errcode=402") || time.Since(began) != 0 {
			t.Errorf("after %v: %s", time.Since(began), answer)
		}
	})
}

// An app whose quota is used up must work again after its reset.
func TestResetOfAnAppBeginsItsQuotasAgain(t *testing.T) {
	t.Parallel()
	s := simulate(t, wechattest.Config{Quirks: wechattest.Quirks{Quota: 1}})
	exchange := func() int {
		got, _ := s.exchange(s.oa, s.code(s.oa, "alice", "snsapi_base"))
		return got.Errcode
	}
	if first, second := exchange(), exchange(); first != 0 || second != 45011 {
		t.Fatalf("errcodes %d and %d", first, second)
	}
	if err := s.ResetApp(s.oa.AppID); err != nil {
		t.Fatal(err)
	}
	if code := exchange(); code != 0 {
		t.Errorf("errcode %d after the reset", code)
	}
}

func TestResetOfOnePersonAndOneApp(t *testing.T) {
	t.Parallel()
	s := simulate(t, wechattest.Config{})
	if err := errors.Join(
		s.AddPerson(wechattest.Person{ID: "zoe", Nickname: "Zoe"}),
		s.UpdatePerson("zoe", func(p *wechattest.Person) { p.Nickname, p.Frozen = "Other", true }),
		s.UpdateApp(s.web.AppID, func(a *wechattest.App) { a.Banned = true }),
	); err != nil {
		t.Fatal(err)
	}
	zoe, alice := s.code(s.oa, "zoe", "snsapi_userinfo"), s.code(s.oa, "alice", "snsapi_userinfo")
	if err := errors.Join(s.ResetPerson("zoe"), s.ResetApp(s.web.AppID)); err != nil {
		t.Fatal(err)
	}
	if p := s.People()[len(s.People())-1]; p.Nickname != "Zoe" || p.Frozen {
		t.Errorf("zoe %+v", p)
	}
	if s.Apps()[2].Banned {
		t.Error("the app is still banned")
	}
	if got, _ := s.exchange(s.oa, zoe); got.Errcode != 40029 {
		t.Errorf("the code of the person: %+v", got)
	}
	if got, _ := s.exchange(s.oa, alice); got.Errcode != 0 {
		t.Errorf("the code of another person: %+v", got)
	}
	if !errors.Is(s.ResetPerson("nobody"), wechattest.ErrUnknownPerson) ||
		!errors.Is(s.ResetApp("wx1"), wechattest.ErrUnknownApp) {
		t.Error("an unknown person or app was reset")
	}
}

func TestStateOfAPersonAtAnApp(t *testing.T) {
	t.Parallel()
	s := simulate(t, wechattest.Config{})
	state := func() wechattest.UserState {
		t.Helper()
		u, err := s.UserState(s.test.AppID, "alice")
		if err != nil {
			t.Fatal(err)
		}
		return u
	}
	if u := state(); !u.Follows || !u.ConsentUntil.IsZero() || !u.AccessTokenUntil.IsZero() || u.UnionID != "" {
		t.Errorf("at first: %+v", u)
	}
	if err := errors.Join(s.SetFollows(s.test.AppID, "alice", false), s.Consent(s.test.AppID, "alice")); err != nil {
		t.Fatal(err)
	}
	s.UseFullService(s.test.AppID, "alice")
	if u := state(); u.Follows || !u.ConsentUntil.Equal(start.Add(720*time.Hour)) || !u.FullService {
		t.Errorf("unfollowed, consented: %+v", u)
	}
	if u, _ := s.UserState(s.oa.AppID, "alice"); !u.Follows {
		t.Error("alice has unfollowed another account too")
	}
	tokens := s.signIn(s.test, "alice", "snsapi_userinfo")
	if u := state(); !u.AccessTokenUntil.Equal(start.Add(2*time.Hour)) ||
		!u.RefreshTokenUntil.Equal(start.Add(720*time.Hour)) {
		t.Errorf("signed in: %+v", u)
	}
	other := s.signIn(s.oa, "alice", "snsapi_userinfo")
	s.ExpireAccessTokens(s.test.AppID, "alice")
	if s.userInfo(tokens).Errcode != 42001 || s.userInfo(other).Errcode != 0 {
		t.Errorf("expired: %+v, at another app: %+v", s.userInfo(tokens), s.userInfo(other))
	}
	if fresh := s.refresh(s.test, tokens.RefreshToken); fresh.AccessToken == tokens.AccessToken ||
		s.userInfo(fresh).Errcode != 0 {
		t.Errorf("refreshed: %+v", fresh)
	}
	s.ExpireRefreshTokens("", "alice")
	if f := s.refresh(s.test, tokens.RefreshToken); f.Errcode != 40030 {
		t.Errorf("an expired refresh token: %+v", f)
	}
	code := s.code(s.oa, "alice", "snsapi_base")
	s.ExpireCodes("", "alice")
	if f, _ := s.exchange(s.oa, code); f.Errcode != 40029 {
		t.Errorf("an expired code: %+v", f)
	}
	s.ChangePassword("alice")
	if u := state(); u.Revoked != 42007 {
		t.Errorf("after the password was changed: %+v", u)
	}
}
