package wechattest_test

import (
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/weigate/weigate/internal/leaktest"
	"github.com/weigate/weigate/wechat/wechattest"
)

func TestLogHasNoSecretCodeOrToken(t *testing.T) {
	t.Parallel()
	apps := wechattest.DefaultApps()
	apps[0].Secret, apps[2].Secret = leaktest.Secret, leaktest.Secret+"2"
	s := simulate(t, wechattest.Config{Apps: apps, Mark: leaktest.Mark, Quirks: quick()})
	cookie := s.as("alice")

	page := s.get(s.authorize(s.oa, "snsapi_userinfo", "redirect_uri", "http://127.0.0.1:9/?code=old#/r"),
		"User-Agent", inWeChat, "Cookie", cookie)
	back := s.send(http.MethodPost, "/connect/oauth2/authorize_reply", with(page.form(), "allow", "1"))
	_, code, _ := strings.Cut(back.header.Get("Location"), "&code=")
	code = code[:32]
	if !strings.Contains(code, leaktest.Mark) {
		t.Fatalf("the code %q has no mark", code)
	}
	f, _ := s.exchange(s.oa, code)
	if !strings.Contains(f.AccessToken, leaktest.Mark) || !strings.Contains(f.RefreshToken, leaktest.Mark) {
		t.Fatal("the tokens have no mark")
	}
	s.exchange(s.oa, code)
	s.userInfo(f)
	s.refresh(s.oa, f.RefreshToken)
	s.sns("auth", "access_token", f.AccessToken, "openid", f.OpenID)
	s.sns("oauth2/access_token", "appid", s.oa.AppID, "appsecret", leaktest.Secret, "js", code, "other",
		"x"+leaktest.Secret+"y") // with other names
	s.send(http.MethodPost, "/sns/oauth2/access_token", url.Values{"secret": {leaktest.Secret}, "code": {code}})
	uuid, _ := s.newQR()
	form := s.get("/connect/confirm?uuid="+uuid, "User-Agent", inWeChat, "Cookie", cookie).form()
	s.send(http.MethodPost, "/connect/confirm_reply", with(form, "allow", "allow"))
	if !strings.Contains(s.poll(uuid, ""), leaktest.Mark) {
		t.Fatal("the poll has no code")
	}
	s.get("/connect/simulator/qr?uuid=" + uuid)

	calls := s.Calls()
	leaktest.Check(t, "the log", calls)
	for i, c := range calls {
		if c.ID != i+1 || !c.Time.Equal(start) || c.Remote != "127.0.0.1" || c.Status == 0 {
			t.Errorf("call %d: %+v", i+1, c)
		}
		for _, p := range c.Params {
			if key := form.Get("key"); p.Value == key {
				t.Errorf("call %d shows a phone's key", i+1)
			}
		}
	}
	if got := fmt.Sprint(calls[1].Endpoint, " ", calls[1].Person, " ", calls[1].AppID, " ", calls[1].Answer); got !=
		"/connect/oauth2/authorize_reply alice "+s.oa.AppID+
			" to http://127.0.0.1:9/?code=o…&code="+code[:6]+"…&state=State123#/r" {
		t.Errorf("%s", got)
	}
	if c := calls[3]; c.Errcode != 40163 || !strings.HasPrefix(c.Answer, `{"errcode":40163`) || c.Person != "alice" {
		t.Errorf("%+v", c)
	}
}

func TestSubscribe(t *testing.T) {
	t.Parallel()
	s := simulate(t, wechattest.Config{})
	ch, cancel := s.Subscribe()
	s.get("/sns/auth")
	s.get("/connect/simulator/wechat-page.css") // not in the log
	s.get("/sns/userinfo")
	if a, b := <-ch, <-ch; a.Endpoint != "/sns/auth" || b.Endpoint != "/sns/userinfo" || b.ID != 2 {
		t.Errorf("%+v, %+v", a, b)
	}
	for range 100 { // the server does not wait for a slow subscriber
		s.get("/sns/auth")
	}
	cancel()
	cancel() // harmless
	n := 0
	for range ch {
		n++
	}
	if n == 0 || n > 100 {
		t.Errorf("%d calls waited", n)
	}
	other, _ := s.Subscribe()
	s.Close()
	if _, open := <-other; open {
		t.Error("Close left a subscription open")
	}
}

func TestLogKeepsTheLastThousand(t *testing.T) {
	t.Parallel()
	s, err := wechattest.New(wechattest.Config{Seed: 1})
	if err != nil {
		t.Fatal(err)
	}
	for range 1010 {
		r, err := http.NewRequest(http.MethodGet, "http://127.0.0.1/sns/auth", nil)
		if err != nil {
			t.Fatal(err)
		}
		s.ServeHTTP(discard{}, r)
	}
	if c := s.Calls(); len(c) != 1000 || c[0].ID != 11 || c[999].ID != 1010 {
		t.Errorf("%d calls, %d to %d", len(c), c[0].ID, c[len(c)-1].ID)
	}
}
