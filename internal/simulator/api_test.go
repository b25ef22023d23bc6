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

// call sends a request to the JSON API, checks the status and returns the answer.
func (d *fixture) call(method, path, body string, status int) map[string]any {
	d.t.Helper()
	res, text := d.send(method, path, body, "Content-Type", "application/json")
	var out map[string]any
	if err := json.Unmarshal([]byte(text), &out); err != nil || res.StatusCode != status {
		d.t.Fatalf("%s %s %s: %d %s", method, path, body, res.StatusCode, text)
	}
	return out
}

func TestErrorsOfTheAPIExplainWhatIsWrong(t *testing.T) {
	t.Parallel()
	d := newFixture(t, wechattest.Config{})
	app := d.sim.Apps()[0].AppID
	for _, tt := range []struct {
		method, path, body string
		status             int
		name, field        string
		message            string // part of it
	}{
		{"POST", "/api/people", `{`, 400, "invalid_json", "", "not JSON"},
		{"POST", "/api/people", `[]`, 400, "invalid_json", "", "JSON object"},
		{"POST", "/api/people", `{} {}`, 400, "invalid_json", "", "after the JSON object"},
		{"POST", "/api/people", `{"nick": "Z"}`, 400, "unknown_field", "nick", "there are id, nickname"},
		{"POST", "/api/people", `{"id": 7}`, 400, "invalid_value", "id", "a string"},
		{"POST", "/api/people", `{"nickname": "Z"}`, 400, "invalid_value", "id", "missing"},
		{"POST", "/api/people", `{"id": "zoe", "follows": ["wx1"]}`, 400, "invalid_value", "follows", app},
		{"POST", "/api/people", `{"id": "alice"}`, 409, "exists", "id", "alice"},
		{"PATCH", "/api/people/alice", `{"id": "zoe"}`, 400, "invalid_value", "id", "cannot be changed"},
		{"PATCH", "/api/people/nobody", `{}`, 404, "not_found", "person", "alice"},
		{"GET", "/api/people/nobody", ``, 404, "not_found", "person", "alice"},
		{"DELETE", "/api/people/nobody", ``, 404, "not_found", "person", "alice"},
		{"PATCH", "/api/people/alice/apps/wx1", `{}`, 404, "not_found", "appid", app},
		{"POST", "/api/people/alice/expire", `{}`, 400, "invalid_value", "what", "codes"},
		{"POST", "/api/people/alice/expire", `{"what": ["all"]}`, 400, "invalid_value", "what", "accessTokens"},
		{"POST", "/api/people/alice/reset", `{"all": true}`, 400, "unknown_field", "all", "none"},
		{"POST", "/api/apps", `{"kind": "shop"}`, 400, "invalid_value", "kind", "website"},
		{"POST", "/api/apps", `{"appid": "wx1"}`, 400, "invalid_value", "", "16 lower-case hex digits"},
		{"PATCH", "/api/apps/" + app, `{"domains": ["http://x/"]}`, 400, "invalid_value", "", "bare host name"},
		{"PATCH", "/api/apps/" + app, `{"appid": "wx1"}`, 400, "invalid_value", "appid", "cannot be changed"},
		{"GET", "/api/apps/wx1", ``, 404, "not_found", "appid", app},
		{"POST", "/api/codes", `{"appid": "` + app + `"}`, 400, "invalid_value", "person", "missing"},
		{"POST", "/api/codes", `{"person": "alice"}`, 400, "invalid_value", "appid", "missing"},
		{"POST", "/api/codes", `{"person": "alice", "appid": "` + app + `"}`, 400, "invalid_value", "redirectURI", "missing"},
		{"POST", "/api/codes", `{"person": "alice", "url": "http://x/", "state": "1"}`,
			400, "invalid_value", "url", "already"},
		{"POST", "/api/codes", `{"person": "alice", "appid": "wx1", "redirectURI": "http://127.0.0.1/"}`, 404, "not_found",
			"appid", app},
		{"POST", "/api/phones/alice", `{"do": "dance"}`, 400, "invalid_value", "do", "allow"},
		{"POST", "/api/phones/alice", `{"do": "open"}`, 400, "invalid_value", "at", "missing"},
		{"POST", "/api/phones/alice", `{"do": "browser", "at": "ie6"}`, 400, "invalid_value", "at", "ie6"},
		{"POST", "/api/phones/alice", `{"do": "allow"}`, 409, "not_on_page", "", "no page"},
		{"POST", "/api/phones/alice", `{"do": "open", "at": "http://127.0.0.1:1/"}`,
			502, "not_opened", "", "is the app running"},
		{"PATCH", "/api/quirks", `{"noQuirk": true}`, 400, "unknown_field", "noQuirk", "doubleCallback"},
		{"PATCH", "/api/quirks", `{"laxOrder": []}`, 400, "invalid_value", "laxOrder", "boolean"},
		{"PATCH", "/api/quirks", `{"consentAs": "nobody"}`, 400, "invalid_value", "consentAs", "alice"},
		{"POST", "/api/faults", `{"surprise": 1}`, 400, "unknown_field", "surprise", "endpoint"},
		{"POST", "/api/faults", `{}`, 400, "invalid_value", "errcode", "set errcode"},
		{"POST", "/api/faults", `{"status": 99}`, 400, "invalid_value", "status", "200"},
		{"POST", "/api/faults", `{"errcode": 1, "latency": "soon"}`, 400, "invalid_value", "latency", "15s"},
		{"POST", "/api/faults", `{"errcode": 1, "endpoint": "userinfo"}`, 400, "invalid_value", "endpoint", "/sns/userinfo"},
		{"POST", "/api/faults", `{"errcode": 1, "endpoint": "/sns/userinfos"}`,
			400, "invalid_value", "endpoint", "/sns/auth, "},
		{"POST", "/api/faults", `{"errcode": 1, "times": 0}`, 400, "invalid_value", "times", "must not be 0"},
		{"POST", "/api/faults", `{"errcode": 1, "body": "x"}`, 400, "invalid_value", "errcode", "combined with body"},
		{"POST", "/api/faults", `{"status": 502, "errmsg": "x"}`, 400, "invalid_value", "errmsg", "needs errcode"},
		{"POST", "/api/faults", `{"status": 502, "contentType": "text/x"}`,
			400, "invalid_value", "contentType", "needs body"},
		{"POST", "/api/faults", `{"errcode": 1, "appid": "wx1"}`, 404, "not_found", "appid", app},
		{"POST", "/api/clock", `{"advance": "soon"}`, 400, "invalid_value", "advance", "5m"},
		{"POST", "/api/clock", `{"advance": "1d"}`, 400, "invalid_value", "advance", "h, m and s"},
		{"GET", "/api/log?after=x", ``, 400, "invalid_value", "after", "not the id"},
		{"GET", "/api/nothing", ``, 404, "not_found", "", "GET /api"},
		{"POST", "/api/state", `{}`, 405, "method_not_allowed", "", "GET"},
		{"PUT", "/api/people/alice", `{}`, 405, "method_not_allowed", "", "GET, PATCH, DELETE"},
		{"POST", "/api/people", `{"id": "` + strings.Repeat("a", 1<<20) + `"}`, 413, "too_large", "", "too large"},
	} {
		got := d.call(tt.method, tt.path, tt.body, tt.status)
		field, _ := got["field"].(string)
		if got["error"] != tt.name || field != tt.field || !strings.Contains(fmt.Sprint(got["message"]), tt.message) {
			t.Errorf("%s %s %.80s: %v", tt.method, tt.path, tt.body, got)
		}
	}
	if len(d.sim.Faults()) != 0 || len(d.sim.People()) != len(wechattest.DefaultPeople()) {
		t.Error("an invalid request has changed something")
	}
}

// The secrets of apps are in /api/apps, which a script needs. A state is copied into reports of
// bugs.
func TestStateHasNoSecret(t *testing.T) {
	t.Parallel()
	d := newFixture(t, wechattest.Config{Seed: 5})
	state := d.call("GET", "/api/state", "", 200)
	if state["seed"] != "5" {
		t.Errorf("seed %v", state["seed"])
	}
	for _, a := range d.sim.Apps() {
		if strings.Contains(fmt.Sprint(state), a.Secret) {
			t.Error("a secret is in the state")
		}
		if got := d.call("GET", "/api/apps/"+a.AppID, "", 200); got["secret"] != a.Secret {
			t.Errorf("app %v", got)
		}
	}
}

// A program in another language finds arrays where the document has arrays, also when they are
// empty: null breaks loops.
func TestArraysOfTheAPIAreNeverNull(t *testing.T) {
	t.Parallel()
	d := newFixture(t, wechattest.Config{Apps: []wechattest.App{}, People: []wechattest.Person{{ID: "alice"}}})
	for path, names := range map[string][]string{
		"/api/state": {"apps", "people", "phones", "qrCodes", "faults"}, "/api/people": {"people"}, "/api/apps": {"apps"},
		"/api/qrcodes": {"qrCodes"}, "/api/faults": {"faults"}, "/api/log": {"calls"},
		"/api/people/alice": {"follows", "privileges", "apps"},
	} {
		got := d.call("GET", path, "", 200)
		for _, name := range names {
			if _, ok := got[name].([]any); !ok {
				t.Errorf("%s: %s is %v", path, name, got[name])
			}
		}
	}
	page := d.call("POST", "/api/phones/alice", `{"do": "open", "at": "`+d.base+`/mmopen/vi_32/alice/46"}`, 200)["page"]
	for _, name := range []string{"links", "buttons", "redirects"} {
		if _, ok := page.(map[string]any)[name].([]any); !ok {
			t.Errorf("page: %s is %v", name, page.(map[string]any)[name])
		}
	}
}

func TestLogOfTheAPIContinuesAfterTheLastID(t *testing.T) {
	t.Parallel()
	d := newFixture(t, wechattest.Config{})
	d.send("GET", d.base+"/sns/auth?access_token=x&openid=y", "")
	log := d.call("GET", "/api/log", "", 200)
	last := log["last"].(float64)
	if last == 0 || len(log["calls"].([]any)) == 0 {
		t.Errorf("log %v", log)
	}
	if again := d.call("GET", fmt.Sprintf("/api/log?after=%v", last), "", 200); len(again["calls"].([]any)) != 0 {
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
	d.call("PATCH", "/api/people/alice", `{"frozen": true}`, 200)
	next("event: changed")
}
