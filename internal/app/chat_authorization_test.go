package app_test

import (
	"net/http"
	"testing"
	"time"

	"github.com/weigate/weigate/internal/gateway"
	"github.com/weigate/weigate/wechat/wechattest"
)

// A person withdraws the consent to the account's web pages, changes the profile, or closes the WeChat
// account (授权变更). WeChat names the person in the element OpenID; FromUserName is a user of its
// platform (JeffreySu/WeiXinMPSDK#2939). Nickname and avatar from WeChat are deleted. A closed WeChat
// account also ends all sessions. Other users keep what they have.
func TestAuthorizationChanges(t *testing.T) {
	t.Parallel()
	w := newFixture(t, withPush(wechattest.OfficialAccount, true))
	desks, ids := map[string]*plainBrowser{}, map[string]string{}
	for _, person := range []string{"alice", "xiaoming"} {
		desk := w.plainBrowser(uaDesktop).open(w.authorize("sample")).want("choose", http.StatusOK)
		desks[person] = desk.signsInByMessage(person, desk.link("way-message"))
		users, err := w.store.Users(t.Context(), gateway.UserQuery{ID: w.wechat.OpenID(personalID, person), Limit: 1})
		if err != nil || len(users) != 1 {
			t.Fatalf("%s: %+v, %v", person, users, err)
		}
		ids[person] = users[0].ID
	}
	profile := func(person string) (u gateway.User) {
		t.Helper()
		u, err := w.store.User(t.Context(), ids[person])
		if err != nil {
			t.Fatal(err)
		}
		return u
	}
	for _, tt := range []struct {
		change wechattest.AuthorizationChange
		kind   string
	}{
		{wechattest.AuthorizationRevoked, "wechat_authorization_revoked"},
		{wechattest.ProfileModified, "wechat_profile_changed"},
		{wechattest.AuthorizationCancelled, "wechat_account_closed"},
	} {
		for _, id := range ids {
			if _, err := w.store.UpdateUser(t.Context(), id, w.clock.Now(), func(u *gateway.User) error {
				u.Nickname, u.AvatarURL, u.ProfileAt = "Name", "https://thirdwx.qlogo.cn/a", w.clock.Now()
				return nil
			}); err != nil {
				t.Fatal(err)
			}
		}
		d, err := w.wechat.ChangeAuthorization(t.Context(), tt.change, "alice", personalID)
		if err != nil || d.Failure != "" || d.Reply != "" {
			t.Fatalf("%s: %+v, %v", tt.kind, d, err)
		}
		if u := profile("alice"); u.Nickname != "" || u.AvatarURL != "" || !u.ProfileAt.IsZero() {
			t.Errorf("%s: the profile is still there: %+v", tt.kind, u)
		}
		if u := profile("xiaoming"); u.Nickname != "Name" {
			t.Errorf("%s: another user has lost the profile: %+v", tt.kind, u)
		}
		events, err := w.store.Events(t.Context(), gateway.EventQuery{Kind: tt.kind, Limit: 10})
		if err != nil || len(events) != 1 || events[0].UserID != ids["alice"] || events[0].Connector != "personal" {
			t.Errorf("%s: events %+v, %v", tt.kind, events, err)
		}
		wantAlice := "own"
		if tt.change == wechattest.AuthorizationCancelled {
			wantAlice = "welcome"
		}
		desks["alice"].open(w.url+"/").want(wantAlice, http.StatusOK)
		desks["xiaoming"].open(w.url+"/").want("own", http.StatusOK)
		w.clock.Advance(time.Second)
	}
	// A person who is unknown here: nothing happens, and WeChat gets a good answer.
	d, err := w.wechat.ChangeAuthorization(t.Context(), wechattest.AuthorizationCancelled, "bob", personalID)
	if err != nil || d.Failure != "" {
		t.Errorf("an unknown person: %+v, %v", d, err)
	}
}

// What belongs to no sign-in is answered with success, also what a person cannot type: WeChat would show
// a failure line to the person otherwise. A voice message gets the advice to type.
func TestMessagesThatAreNotTexts(t *testing.T) {
	t.Parallel()
	w := newFixture(t, withPush(wechattest.OfficialAccount, true))
	ctx := t.Context()
	for name, send := range map[string]func() (wechattest.Delivery, error){
		"image":      func() (wechattest.Delivery, error) { return w.wechat.SendImage(ctx, "alice", personalID) },
		"video":      func() (wechattest.Delivery, error) { return w.wechat.SendVideo(ctx, "alice", personalID) },
		"shortvideo": func() (wechattest.Delivery, error) { return w.wechat.SendShortVideo(ctx, "alice", personalID) },
		"location": func() (wechattest.Delivery, error) {
			return w.wechat.SendLocation(ctx, "alice", personalID, wechattest.Place{Latitude: 31.2, Label: "482 9153"})
		},
		"link": func() (wechattest.Delivery, error) {
			return w.wechat.SendLink(ctx, "alice", personalID, wechattest.Article{Title: "482 9153", URL: w.url})
		},
		"menu":        func() (wechattest.Delivery, error) { return w.wechat.PressMenu(ctx, "alice", personalID, "help") },
		"menu's page": func() (wechattest.Delivery, error) { return w.wechat.PressMenu(ctx, "alice", personalID, w.url) },
	} {
		d, err := send()
		if err != nil || d.Failure != "" || len(d.Posts) != 1 || d.Posts[0].Answer != "success" {
			t.Errorf("%s: %+v, %v", name, d, err)
		}
	}
	if d, err := w.wechat.SendVoice(ctx, "alice", personalID); err != nil || d.Reply == "" {
		t.Errorf("voice: %+v, %v", d, err)
	}
}
