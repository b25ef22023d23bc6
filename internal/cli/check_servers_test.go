package cli

import (
	"bytes"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/weigate/weigate/internal/config"
	"github.com/weigate/weigate/internal/gateway"
)

// A firewall is opened for what the check lists. A server that is missing there, or a proxy that is
// not used for it, is found only when its first message fails.
func TestServersOfOfflineCheck(t *testing.T) {
	t.Parallel()
	conf := &config.Config{
		WeChat: []config.Connector{
			{Name: "main", Kind: config.OfficialAccount, API: "https://api.weixin.qq.com", Open: "https://open.weixin.qq.com",
				Push: config.Push{Forward: "https://bot.example.com/push"}},
			{Name: "desk", Kind: config.Website, API: "https://api.weixin.qq.com", Open: "https://open.weixin.qq.com"},
			{Name: "own", Kind: config.SubscriptionAccount, API: "https://unused.example.com"},
		},
		Notify: []config.Notify{{Name: "ops", URL: "https://qyapi.weixin.qq.com/send?key=hushhush"}},
		Apps:   []config.App{{App: gateway.App{ID: "wiki"}, BackchannelLogoutURI: "https://wiki.example.com/logout"}},
	}
	conf.TLS.ACME.Enabled, conf.TLS.ACME.Directory = true, "https://acme.example.com/directory"
	proxy := func(r *http.Request) (*url.URL, error) {
		if r.URL.Host == "wiki.example.com" { // NO_PROXY
			return nil, nil
		}
		return url.Parse("http://user:hushhush@proxy.example.com:3128")
	}
	list := func() string {
		var out bytes.Buffer
		printServers(printer{out: &out, err: &out}, conf, proxy)
		return out.String()
	}
	const want = `
connects to    api.weixin.qq.com, bot.example.com, qyapi.weixin.qq.com, wiki.example.com, acme.example.com
browsers need  open.weixin.qq.com
proxy          proxy.example.com:3128 for api.weixin.qq.com, from the environment (HTTPS_PROXY, NO_PROXY)
proxy          proxy.example.com:3128 for acme.example.com, from the environment (HTTPS_PROXY, NO_PROXY)
`
	if got := "\n" + list(); got != want {
		t.Errorf("got\n%swant\n%s", got, want)
	}
	conf.Outgoing.Proxy = true
	got := list()
	if !strings.Contains(got, "for qyapi.weixin.qq.com,") || strings.Contains(got, "for wiki.example.com,") {
		t.Errorf("with outgoing.proxy:\n%s", got)
	}
}
