package simulator_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/weigate/weigate/wechat/wechattest"
)

// The JSON API has no password. A web page that the developer opens must not be able to use it: not
// to change anything, and not to read secrets.
func TestPagesOfOtherOriginsCannotUseTheAPI(t *testing.T) {
	t.Parallel()
	d := newFixture(t, wechattest.Config{})
	host := strings.TrimPrefix(d.control, "http://")
	const jsonType, ban = "application/json", `{"banned": true}`
	app := "/api/apps/" + d.sim.Apps()[0].AppID
	for _, attack := range []struct {
		name, method, path, body string
		header                   []string
		status                   int
	}{
		{"DNS rebinding reads the secrets", "GET", "/api/apps", "",
			[]string{"Host", "evil.test", "Sec-Fetch-Site", "same-origin"}, 421},
		{"DNS rebinding changes an app", "PATCH", app, ban,
			[]string{"Host", "evil.test:8091", "Origin", "http://evil.test:8091", "Content-Type", jsonType}, 421},
		{"DNS rebinding with WeChat's name", "PATCH", app, ban,
			[]string{"Host", "open.weixin.qq.com", "Content-Type", jsonType}, 421},
		{"CSRF by a form with the type text/plain", "POST", "/api/people", `{"id":"mallory"}`,
			[]string{"Origin", "http://evil.test", "Sec-Fetch-Site", "cross-site", "Content-Type", "text/plain"}, 403},
		{"CSRF by a form, from a browser without Origin and Sec-Fetch-Site", "POST", "/api/people", `{"id":"mallory"}`,
			[]string{"Content-Type", "text/plain"}, 415},
		{"CSRF by a request without a body", "POST", "/api/reset", "", []string{"Content-Type", ""}, 415},
		{"a script of another site", "PATCH", app, ban,
			[]string{"Origin", "https://evil.test", "Sec-Fetch-Site", "cross-site", "Content-Type", jsonType}, 403},
		{"a script of another program on this machine", "PATCH", app, ban,
			[]string{"Origin", "http://127.0.0.1:3000", "Sec-Fetch-Site", "same-site", "Content-Type", jsonType}, 403},
		{"a script of another program, from an old browser", "PATCH", app, ban,
			[]string{"Origin", "http://127.0.0.1:3000", "Content-Type", jsonType}, 403},
		{"a sandboxed frame, such as the page on a phone", "PATCH", app, ban,
			[]string{"Origin", "null", "Content-Type", jsonType}, 403},
		{"a page of another site includes the API as a script", "GET", "/api/apps", "",
			[]string{"Sec-Fetch-Site", "cross-site", "Sec-Fetch-Dest", "script", "Sec-Fetch-Mode", "no-cors"}, 403},
		{"a page of another site fetches the secrets", "GET", "/api/apps", "", []string{"Origin", "http://evil.test"}, 403},
		{"a CORS preflight", "OPTIONS", app, "", []string{"Origin", "http://evil.test", "Access-Control-Request-Method",
			"PATCH", "Access-Control-Request-Headers", "content-type"}, 403},
		{"removal by a request of another site", "DELETE", app, "", []string{"Sec-Fetch-Site", "cross-site"}, 403},
	} {
		res, body := d.send(attack.method, attack.path, attack.body, attack.header...)
		if res.StatusCode != attack.status || !strings.Contains(body, `"error":`) {
			t.Errorf("%s: %d, want %d: %s", attack.name, res.StatusCode, attack.status, body)
		}
		if strings.Contains(body, d.sim.Apps()[0].Secret) {
			t.Errorf("%s reads a secret", attack.name)
		}
		for name := range res.Header {
			if strings.HasPrefix(name, "Access-Control-") {
				t.Errorf("%s: the answer has %s", attack.name, name)
			}
		}
	}
	if a := d.sim.Apps()[0]; a.Banned || len(d.sim.People()) != len(wechattest.DefaultPeople()) {
		t.Errorf("an attack has changed something: %+v", a)
	}

	for name, header := range map[string][]string{
		"curl":              {"Content-Type", jsonType},
		"the control page":  {"Origin", "http://" + host, "Sec-Fetch-Site", "same-origin", "Content-Type", jsonType},
		"a name of --host":  {"Host", "sim:8091", "Content-Type", jsonType},
		"a typed address":   {"Sec-Fetch-Site", "none", "Content-Type", jsonType},
		"an IPv6 loopback":  {"Host", "[::1]:8091", "Content-Type", jsonType},
		"a charset is sent": {"Content-Type", "application/json; charset=utf-8"},
	} {
		if res, body := d.send("PATCH", "/api/people/alice", `{}`, header...); res.StatusCode != http.StatusOK {
			t.Errorf("%s: %d %s", name, res.StatusCode, body)
		}
	}
}
