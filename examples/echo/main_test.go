package main

import (
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/weigate/weigate/internal/leaktest"
	"github.com/weigate/weigate/wechat"
	"github.com/weigate/weigate/wechat/wechattest"
)

// start runs the app with the simulator, and returns the app's address and
// Alice's phone. It fails the test if a response of the app contains the secret,
// a code or a token.
func start(t *testing.T) (app string, phone *wechattest.Phone) {
	t.Helper()
	const appID = "wx0123456789abcdef"
	sim, err := wechattest.New(wechattest.Config{
		Apps: []wechattest.App{{AppID: appID, Secret: leaktest.Secret, Domains: []string{"127.0.0.1"}}},
		Mark: leaktest.Mark,
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(sim.Close)
	weixin := httptest.NewServer(sim)
	t.Cleanup(weixin.Close)

	server := httptest.NewUnstartedServer(nil)
	app = "http://" + server.Listener.Addr().String()
	account := &wechat.Client{AppID: appID, Secret: leaktest.Secret, OpenURL: weixin.URL, APIURL: weixin.URL}
	sign, err := newSignIn(app, account, true)
	if err != nil {
		t.Fatal(err)
	}
	server.Config.Handler = leaktest.Watch(t, newApp(sign))
	server.Start()
	t.Cleanup(server.Close)
	return app, sim.Phone("alice")
}

// shown decodes the JSON that the phone shows. Its address must be want.
func shown(t *testing.T, want string, page *wechattest.Page,
	err error) (answer struct{ OpenID, Nickname, Avatar string }) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
	if page.URL != want || page.Status != http.StatusOK {
		t.Fatalf("the phone shows %s (%d), want %s: %s", page.URL, page.Status, want, page.Text())
	}
	if err := json.Unmarshal([]byte(page.Body), &answer); err != nil {
		t.Fatalf("%s: %v: %s", want, err, page.Body)
	}
	return answer
}

func TestSignInThenProfileThenSignOut(t *testing.T) {
	app, phone := start(t)
	ctx := t.Context()

	// A protected page redirects through WeChat, without a consent page, and back.
	page, err := phone.Open(ctx, app+"/account")
	openID := shown(t, app+"/account", page, err).OpenID
	if len(openID) != 28 {
		t.Errorf("openid %q, want 28 characters", openID)
	}

	// A page that needs a profile asks first; its first link leads to WeChat's consent page.
	if page, err = phone.Open(ctx, app+"/profile"); err != nil {
		t.Fatal(err)
	}
	if len(page.Links) == 0 {
		t.Fatalf("%s asks nothing: %s", page.URL, page.Text())
	}
	if _, err = phone.Follow(ctx, page.Links[0].URL); err != nil {
		t.Fatal(err)
	}
	page, err = phone.Allow(ctx)
	profile := shown(t, app+"/profile", page, err)
	if profile.OpenID != openID || profile.Nickname != "Alice" || profile.Avatar == "" {
		t.Errorf("profile %+v, want Alice with openid %s and a picture", profile, openID)
	}

	// After sign-out, the same phone has no session.
	if _, err = phone.Open(ctx, app+"/"); err != nil {
		t.Fatal(err)
	}
	if _, err = phone.Submit(ctx, "sign-out", nil); err != nil {
		t.Fatal(err)
	}
	if page, err = phone.Open(ctx, app+"/sign-in/me"); err != nil {
		t.Fatal(err)
	}
	if page.Status != http.StatusUnauthorized {
		t.Errorf("after signing out /sign-in/me answers %d, want 401", page.Status)
	}
}

// An API request without a session gets 401, and the handler does not run.
func TestSignedOutProgramIsStopped(t *testing.T) {
	app, _ := start(t)
	for _, path := range []string{"/account", "/profile"} {
		req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, app+path, nil)
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Accept", "application/json")
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		body, err := io.ReadAll(resp.Body)
		resp.Body.Close()
		if err != nil {
			t.Fatal(err)
		}
		if resp.StatusCode != http.StatusUnauthorized || strings.Contains(string(body), "openid") {
			t.Errorf("%s answers %d: %s", path, resp.StatusCode, body)
		}
	}
}
