package resilience_test

import (
	"fmt"
	"net/http"
	"sync"
	"testing"

	"github.com/weigate/weigate/internal/fixture"
	"github.com/weigate/weigate/wechat/wechattest"
)

// wechat is the simulator, and a list of every code that was sent to it: the simulator's own log
// keeps the last thousand calls only.
type wechat struct {
	*fixture.WeChat
	appID string

	mu   sync.Mutex
	sent map[string]int // by code of WeChat: how often it was exchanged
	trap func()         // called once, when a code has arrived and is not answered yet
}

func newWeChat(t *testing.T, users int) *wechat {
	t.Helper()
	account := fixture.OfficialAccount()
	all := make([]wechattest.Person, users)
	for i := range all {
		all[i] = wechattest.Person{ID: userID(i), Nickname: fmt.Sprint("User ", i)}
	}
	wx := &wechat{appID: account.AppID, sent: map[string]int{}}
	config := wechattest.Config{Seed: 11, Apps: []wechattest.App{account}, People: all,
		HTTPClient: &http.Client{Transport: &http.Transport{DialContext: dialDevice, DisableKeepAlives: true}}}
	wx.WeChat = fixture.NewWeChatBehind(t, config, wx.record)
	return wx
}

func userID(i int) string { return fmt.Sprintf("user-%d", i) }

// record adds the codes of the requests to the list.
func (wx *wechat) record(simulator http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/sns/oauth2/access_token" {
			wx.mu.Lock()
			wx.sent[r.URL.Query().Get("code")]++
			trap := wx.trap
			wx.trap = nil
			wx.mu.Unlock()
			if trap != nil {
				trap()
			}
		}
		simulator.ServeHTTP(w, r)
	})
}

// set makes the simulator call trap while the next code is being exchanged.
func (wx *wechat) set(trap func()) {
	wx.mu.Lock()
	defer wx.mu.Unlock()
	wx.trap = trap
}

// exchanges returns the number of codes that were exchanged, and of those that were sent more than
// once.
func (wx *wechat) exchanges() (codes, twice int) {
	wx.mu.Lock()
	defer wx.mu.Unlock()
	for _, n := range wx.sent {
		if n > 1 {
			twice++
		}
	}
	return len(wx.sent), twice
}
