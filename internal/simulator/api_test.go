package simulator_test

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/weigate/weigate/wechat/wechattest"
)

func TestJSONAPI(t *testing.T) {
	t.Parallel()
	d := newFixture(t, wechattest.Config{Seed: 5})
	call := func(method, path, body string, status int) map[string]any {
		t.Helper()
		res, text := d.send(method, path, body, "Content-Type", "application/json")
		var out map[string]any
		if err := json.Unmarshal([]byte(text), &out); err != nil || res.StatusCode != status {
			t.Fatalf("%s %s %s: %d %s", method, path, body, res.StatusCode, text)
		}
		return out
	}
	if got := call("POST", "/api/quirks", `{"doubleCallback":"first","quota":9,"laxOrder":true}`,
		200); got["doubleCallback"] != "first" || got["quota"] != 9.0 || got["laxOrder"] != true {
		t.Errorf("quirks %v", got)
	}
	call("POST", "/api/quirks", `{"noQuirk":true}`, 400)
	call("POST", "/api/quirks", `{"laxOrder":[]}`, 400)
	call("POST", "/api/faults", `{"endpoint":"/sns/userinfo","errcode":-1,"times":2,"latency":"15s"}`, 200)
	call("POST", "/api/faults", `{"surprise":1}`, 400)
	state := call("GET", "/api/state", "", 200)
	if state["seed"] != "5" || len(state["faults"].([]any)) != 1 ||
		len(state["people"].([]any)) != len(d.sim.People()) {
		t.Errorf("state %v", state)
	}
	for _, a := range d.sim.Apps() {
		if strings.Contains(fmt.Sprint(state), a.Secret) {
			t.Error("a secret is in the state")
		}
	}
	call("DELETE", "/api/faults", "", 200)
	call("POST", "/api/clock", `{"advance":"soon"}`, 400)
	call("POST", "/api/clock", `{"advance":"5m"}`, 200)
	page := call("POST", "/api/phones/alice", `{"do":"open","at":"`+d.base+`/"}`, 200)
	if page["status"] != 200.0 || page["url"] != d.base+"/" {
		t.Errorf("page %v", page)
	}
	call("POST", "/api/phones/alice", `{"do":"allow"}`, 404)
	call("POST", "/api/phones/alice", `{"do":"dance"}`, 400)
	call("POST", "/api/phones/alice", `{"do":"open","at":"http://127.0.0.1:1/"}`, 502)
	call("POST", "/api/phones/nobody", `{"do":"back"}`, 404)
	call("GET", "/api/nothing", "", 404)
	d.send("GET", d.base+"/sns/auth?access_token=x&openid=y", "")
	log := call("GET", "/api/log", "", 200)
	last := log["last"].(float64)
	if last == 0 || len(log["calls"].([]any)) == 0 {
		t.Errorf("log %v", log)
	}
	if again := call("GET", fmt.Sprintf("/api/log?after=%v", last), "", 200); len(again["calls"].([]any)) != 0 {
		t.Errorf("after=%v, the last id, returned %v", last, again)
	}
}

func TestEventsReportChanges(t *testing.T) {
	t.Parallel()
	d := newFixture(t, wechattest.Config{})
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, d.control+"/events", nil)
	if err != nil {
		t.Fatal(err)
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = res.Body.Close() }()
	lines := bufio.NewScanner(res.Body)
	next := func(want string) {
		t.Helper()
		for lines.Scan() {
			if lines.Text() == want {
				return
			}
		}
		t.Fatalf("the stream ended before %q: %v", want, lines.Err())
	}
	next(": hello")
	open(t, d.sim.Phone("alice"), d.base+"/")
	next("event: changed")
	d.send("GET", d.base+"/sns/auth?access_token=x&openid=y", "")
	next("event: changed")
}
