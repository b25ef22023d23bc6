package simulator_test

import (
	"encoding/json"
	"net/http"
	"net/url"
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/weigate/weigate/internal/simulator"
	"github.com/weigate/weigate/wechat/wechattest"
)

// A request with an empty body needs the content type too: without it, a form of another website
// could send the request.
func TestPOSTAndPATCHNeedTheContentTypeAlsoWithoutABody(t *testing.T) {
	t.Parallel()
	d := newFixture(t, wechattest.Config{})
	for _, tt := range []struct {
		method, path, kind string
		status             int
	}{
		{"POST", "/api/reset", "", http.StatusUnsupportedMediaType},
		{"PATCH", "/api/quirks", "", http.StatusUnsupportedMediaType},
		{"POST", "/api/reset", "application/json; charset=utf-8", http.StatusOK},
		{"PATCH", "/api/quirks", "application/json", http.StatusOK},
		{"GET", "/api/quirks", "", http.StatusOK},
		{"DELETE", "/api/faults", "", http.StatusOK},
	} {
		if res, text := d.send(tt.method, tt.path, "", "Content-Type", tt.kind); res.StatusCode != tt.status {
			t.Errorf("%s %s %q: %d %s", tt.method, tt.path, tt.kind, res.StatusCode, text)
		}
	}
}

// WeChat's nicknames can be empty. The default is only for a missing nickname.
func TestNicknameIsTheIDByDefault(t *testing.T) {
	t.Parallel()
	d := newFixture(t, wechattest.Config{})
	long := strings.Repeat("名", 5000)
	for _, tt := range []struct{ body, want string }{
		{`{"id": "a"}`, "a"}, {`{"id": "b", "nickname": null}`, "b"}, {`{"id": "c", "nickname": ""}`, ""},
		{`{"id": "d", "nickname": "` + long + `"}`, long},
	} {
		if got := d.call("POST", "/api/people", tt.body, 201); got["nickname"] != tt.want {
			t.Errorf("%.60s: %.60s", tt.body, got["nickname"])
		}
	}
	if got := d.call("PATCH", "/api/people/d", `{"nickname": null}`, 200); got["nickname"] != long {
		t.Errorf("null has changed the nickname to %.60s", got["nickname"])
	}
}

// sns calls an endpoint of WeChat and returns the answer.
func (d *fixture) sns(path string, params url.Values) map[string]any {
	d.t.Helper()
	_, text := d.send("GET", d.base+path+"?"+params.Encode(), "")
	var out map[string]any
	if err := json.Unmarshal([]byte(text), &out); err != nil {
		d.t.Fatalf("%s: %v: %s", path, err, text)
	}
	return out
}

// exchange redeems a code of the official account (the first default app).
func (d *fixture) exchange(code string) map[string]any {
	account := d.sim.Apps()[0]
	return d.sns("/sns/oauth2/access_token", url.Values{"appid": {account.AppID}, "secret": {account.Secret},
		"code": {code}, "grant_type": {"authorization_code"}})
}

// code returns a code of the official account for alice.
func (d *fixture) code() string {
	d.t.Helper()
	code, err := d.sim.Code(d.sim.Apps()[0].AppID, "alice", "snsapi_userinfo")
	if err != nil {
		d.t.Fatal(err)
	}
	return code
}

func TestResetReturnsEverythingToTheStart(t *testing.T) {
	t.Parallel()
	d := newFixture(t, wechattest.Config{Quirks: wechattest.Quirks{LaxOrder: true}})
	before := d.call("GET", "/api/state", "", 200)
	token, code := d.exchange(d.code()), d.code()
	d.call("POST", "/api/people", `{"id": "zoe"}`, 201)
	d.call("PATCH", "/api/people/alice", `{"nickname": "A", "frozen": true}`, 200)
	d.call("POST", "/api/apps", `{"kind": "website"}`, 201)
	d.call("PATCH", "/api/apps/"+d.sim.Apps()[0].AppID, `{"banned": true}`, 200)
	d.call("PATCH", "/api/quirks", `{"laxOrder": false, "legacyDenial": true}`, 200)
	d.call("POST", "/api/faults", `{"errcode": -1}`, 201)
	d.call("POST", "/api/clock", `{"advance": "2h"}`, 200)
	after := d.call("POST", "/api/reset", "", 200)
	for _, part := range []string{"quirks", "apps", "people", "phones", "faults", "qrCodes", "seed"} {
		a, errA := json.Marshal(before[part])
		b, errB := json.Marshal(after[part])
		if errA != nil || errB != nil || string(a) != string(b) {
			t.Errorf("%s was\n%s, is\n%s", part, a, b)
		}
	}
	if got := d.exchange(code); got["errcode"] != 40029.0 {
		t.Errorf("a code from before: %v", got)
	}
	access, openID := token["access_token"].(string), token["openid"].(string)
	if got := d.sns("/sns/userinfo", url.Values{"access_token": {access}, "openid": {openID}}); got["errcode"] != 40001.0 {
		t.Errorf("a token from before: %v", got)
	}
	if again := d.exchange(d.code()); again["openid"] != openID {
		t.Errorf("openid %v, was %s", again["openid"], openID)
	}
}

// A code of /api/codes is for the preparation of a test, so faults do not apply. The state may be
// missing in the fields, but not in an address: WeChat's page requires it there.
func TestCodesAreIssuedDespiteFaultsAndWithoutAState(t *testing.T) {
	t.Parallel()
	d := newFixture(t, wechattest.Config{})
	appid := d.sim.Apps()[0].AppID
	d.call("POST", "/api/faults", `{"errcode": -1, "times": -1}`, 201)
	got := d.call("POST", "/api/codes",
		`{"person": "alice", "appid": "`+appid+`", "redirectURI": "http://127.0.0.1/cb"}`, 201)
	if got["callback"] != "http://127.0.0.1/cb?code="+got["code"].(string)+"&state=" {
		t.Errorf("%v", got)
	}
	whole := authorizeURL(d.base, appid, "snsapi_userinfo", "http://127.0.0.1/cb")
	for address, status := range map[string]int{
		whole: 201, strings.TrimSuffix(whole, "#wechat_redirect"): 201,
		strings.Replace(whole, "&state=abc", "", 1): 422, strings.Replace(whole, "=abc", "=", 1): 422,
	} {
		got := d.call("POST", "/api/codes", `{"person": "alice", "url": "`+address+`"}`, status)
		if status == 422 && got["errcode"] != 10013.0 {
			t.Errorf("%s: %v", address, got)
		}
	}
	if n := len(d.sim.Faults()); n != 1 {
		t.Errorf("%d faults", n)
	}
}

// Users of the JSON API know a quirk by its JSON name, so the pages and messages have this name too.
func TestPagesAndMessagesNameQuirksAsTheAPIDoes(t *testing.T) {
	t.Parallel()
	d := newFixture(t, wechattest.Config{})
	_, page := d.send("GET", "/quirks", "")
	var texts []string
	for _, file := range []string{"files/en.json", "files/zh-CN.json", "../../wechat/wechattest/pages/en.json",
		"../../wechat/wechattest/pages/zh-CN.json"} {
		b, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		byKey := map[string]string{}
		if err := json.Unmarshal(b, &byKey); err != nil {
			t.Fatal(err)
		}
		for key, text := range byKey {
			texts = append(texts, file+" "+key[:min(len(key), 5)]+": "+text)
		}
	}
	for _, name := range simulator.QuirkNames() {
		inGo := regexp.MustCompile(`\b` + name + `\b`)
		if name != "Snapshot" && name != "Suffix" && name != "Quota" && name != "Dirty" { // also ordinary words
			for _, text := range texts {
				if inGo.MatchString(text) {
					t.Errorf("%s has the name of Go", text)
				}
			}
		}
		if inJSON := strings.ToLower(name[:1]) + name[1:]; !strings.Contains(page, ">"+inJSON+"</label>") {
			t.Errorf("the page of the quirks has no label %s", inJSON)
		}
	}
}
