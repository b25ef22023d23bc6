package cli_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

// TestNotifyTest: the command reports the result of the message, also by its exit status, in the
// language of the terminal. A receiver that the running gateway has not read yet is named as that.
func TestNotifyTest(t *testing.T) {
	t.Parallel()
	received := make(chan string, 10)
	robot := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		received <- r.URL.Path
		if r.URL.Path == "/broken" {
			w.WriteHeader(http.StatusBadGateway)
		}
	}))
	t.Cleanup(robot.Close)
	entry := func(name, address, more string) string {
		return fmt.Sprintf("  - {name: %s, kind: json, url: %q, secret: 0123456789abcdef0123456789abcdef%s}\n", name,
			address, more)
	}
	local := func(name string) string {
		return entry(name, robot.URL+"/"+name, ", private_addresses: [127.0.0.0/8]")
	}
	g := newFixture(t)
	settings := "notify:\n" + local("ops") + local("broken") + entry("private", "https://localhost/", "")
	g.configure(settings)
	g.serve()
	g.configure(settings + local("later")) // without a reload
	for name, want := range map[string]string{
		"ops":     "Sent to ops.\n",
		"broken":  "weigate: error: not sent to broken, will be repeated: json: HTTP status 502\n",
		"private": " is not a public address\n",
		"later":   "weigate: error: not sent to later: the running gateway has no receiver of this name: reload it",
	} {
		cmd := g.command("notify", "test", name)
		out, err := cmd.CombinedOutput()
		if !strings.Contains(string(out), want) || (err == nil) != (name == "ops") {
			t.Errorf("%s: %v, %s", name, err, out)
		}
	}
	if path := <-received; path != "/ops" && path != "/broken" {
		t.Errorf("the robot received %s", path)
	}
	g.env = append(g.env, "LC_ALL=zh_CN.UTF-8")
	if out := g.run("notify", "test", "later"); !strings.Contains(out, "请重新加载（systemctl reload weigate，或 SIGHUP）") {
		t.Errorf("in Chinese: %s", out)
	}
	list := g.run("notify", "list")
	for _, want := range []string{"HTTP 状态 502", "正在运行的网关里没有这个名称的接收方"} {
		if !strings.Contains(list, want) {
			t.Errorf("no %s in the list: %s", want, list)
		}
	}
	g.env = nil
	if out := g.run("notify", "test", "broken", "--json"); !strings.Contains(out, `"outcome":"failed"`) {
		t.Errorf("JSON: %s", out)
	}
}
