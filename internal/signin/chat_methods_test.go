package signin_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/weigate/weigate/internal/session"
	"github.com/weigate/weigate/internal/signin"
	"github.com/weigate/weigate/wechat"
)

// withChat lets users sign in in the chat of the account: by message and follow.
func withChat(_ *fixture, c *signin.Config) {
	c.Connectors[0].Message, c.Connectors[0].Follow = true, true
	c.Chat = chat
}

// chatAlone has an account without web sign-in.
func chatAlone(_ *fixture, c *signin.Config) {
	c.Connectors = []signin.Connector{{Name: "personal", Client: &wechat.Client{AppID: mainID}, ChatOnly: true,
		Message: true}}
	c.Chat = chat
}

// chat redirects as the page of package chat, with the method and the connector.
func chat(w http.ResponseWriter, r *http.Request, _ session.LoginRequest, connector, method string) error {
	http.Redirect(w, r, "/chat?"+method+"+"+connector, http.StatusSeeOther)
	return nil
}

// The methods message and follow work in every browser outside WeChat. In WeChat, message is for
// accounts without web sign-in, and follow for apps that take nothing else.
func TestWhichMethodWithChat(t *testing.T) {
	t.Parallel()
	type setting = []func(*fixture, *signin.Config)
	const byAccount = "wechat " + mainID
	for name, c := range map[string]struct {
		with                       setting
		methods                    string
		inWeChat, desktop, onPhone string
	}{
		"account, chat": {with: setting{withChat}, inWeChat: byAccount, desktop: "choose", onPhone: "choose"},
		"account, chat, scan": {with: setting{withChat, withScan}, inWeChat: byAccount, desktop: "choose",
			onPhone: "choose"},
		"app takes message": {with: setting{withChat, withBoth}, methods: "message", inWeChat: "message main",
			desktop: "message main", onPhone: "message main"},
		"app takes follow": {with: setting{withChat, withBoth}, methods: "follow", inWeChat: "follow main",
			desktop: "follow main", onPhone: "follow main"},
		"an account without web sign-in": {with: setting{chatAlone}, inWeChat: "message personal",
			desktop: "message personal", onPhone: "message personal"},
		"the same, app takes wechat": {with: setting{chatAlone}, methods: "wechat", inWeChat: "no_method",
			desktop: "no_method", onPhone: "no_method"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := newFixture(t, c.with...)
			r.app.Methods = strings.Fields(c.methods)
			for agent, want := range map[string]string{uaWeChat: c.inWeChat, uaDesktop: c.desktop, uaPhone: c.onPhone} {
				if got := r.method(r.visitor(agent).get("/app?x=1")); got != want {
					t.Errorf("%s goes to %s, want %s", agent, got, want)
				}
			}
		})
	}
}
