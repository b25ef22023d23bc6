package resilience_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"

	"github.com/weigate/weigate/internal/leaktest"
	"github.com/weigate/weigate/wechat/wechattest"
)

// wechat is the simulator, and a list of every code that was sent to it: the simulator's own log keeps the last thousand calls only.
type wechat struct {
	*wechattest.Server
	url   string
	appID string

	mu   sync.Mutex
	sent map[string]int // WeChat's codes, and how often each came to be exchanged
	trap func()         // called once, when a code has come and is not answered yet
}

func newWeChat(t *testing.T, people int) *wechat {
	t.Helper()
	apps := wechattest.DefaultApps()[:1]
	apps[0].Secret = leaktest.Secret
	all := make([]wechattest.Person, people)
	for i := range all {
		all[i] = wechattest.Person{ID: personID(i), Nickname: fmt.Sprint("Person ", i)}
	}
	sim, err := wechattest.New(wechattest.Config{Seed: 11, Mark: leaktest.Mark, Apps: apps, People: all})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(sim.Close)
	wx := &wechat{Server: sim, appID: apps[0].AppID, sent: map[string]int{}}
	front := httptest.NewServer(wx)
	t.Cleanup(front.Close)
	wx.url = front.URL
	return wx
}

func personID(i int) string { return fmt.Sprintf("person-%d", i) }

// ServeHTTP is WeChat, with its list.
func (wx *wechat) ServeHTTP(w http.ResponseWriter, r *http.Request) {
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
	wx.Server.ServeHTTP(w, r)
}

// set makes something happen while the next code is on its way.
func (wx *wechat) set(trap func()) {
	wx.mu.Lock()
	defer wx.mu.Unlock()
	wx.trap = trap
}

// exchanges says how many codes came, and how many of them more than once.
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
