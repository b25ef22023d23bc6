package login_test

import (
	"net/http"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/weigate/weigate/login"
	"github.com/weigate/weigate/wechat"
)

// A program that must ask something first keeps browsers from WeChat until it was answered.
func TestBeforeAnswersInsteadOfWeChat(t *testing.T) {
	t.Parallel()
	var agreed atomic.Bool
	var asked login.StartOptions
	s := newFixture(t, func(c *login.Config) {
		c.OnStart = func(w http.ResponseWriter, _ *http.Request, o login.StartOptions) bool {
			asked = o
			if !agreed.Load() {
				w.WriteHeader(http.StatusTeapot)
			}
			return agreed.Load()
		}
	})
	b := s.browser()
	b.agent = uaWeChat
	if res := b.get("/sign-in?return=/private/x"); res.StatusCode != http.StatusTeapot || len(res.Cookies()) > 0 {
		t.Errorf("before: %d, cookies %v", res.StatusCode, res.Cookies())
	}
	if asked.Return != "/private/x" || asked.Scope != wechat.ScopeBase || asked.Method != login.MethodWeChat {
		t.Errorf("asked with %+v", asked)
	}
	agreed.Store(true)
	if to := b.get("/sign-in?return=/private/x").Header.Get("Location"); !strings.Contains(to,
		"/connect/oauth2/authorize") {
		t.Errorf("afterwards: to %q", to)
	}
}
