package simulator_test

import (
	"cmp"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"regexp"
	"sort"
	"strings"
	"testing"
	"time"

	"github.com/weigate/weigate/wechat/wechattest"
)

// documented is a request in docs/en/simulator.md, with its answer.
type documented struct {
	method, path, body string
	answer             map[string]any
}

// documentedRequests returns the requests of the document in order.
func documentedRequests(t *testing.T) (all []documented) {
	t.Helper()
	text, err := os.ReadFile("../../docs/en/simulator.md")
	if err != nil {
		t.Fatal(err)
	}
	blocks := regexp.MustCompile("(?s)```http\n(\\w+) (\\S+)\n(.*?)```\n\n```json\n(.*?)```").FindAllSubmatch(text, -1)
	for _, m := range blocks {
		d := documented{method: string(m[1]), path: string(m[2]), body: string(m[3])}
		if err := json.Unmarshal(m[4], &d.answer); err != nil {
			t.Fatalf("the answer of %s %s is not JSON: %v", d.method, d.path, err)
		}
		all = append(all, d)
	}
	if n := strings.Count(string(text), "```http\n"); n == 0 || n != len(all) {
		t.Fatalf("%d requests, %d of them with an answer", n, len(all))
	}
	return all
}

// TestDocumentedRequests sends each request of the document. The answer must have the fields of the
// document, with values of the same type. Paths below /sns/ are WeChat's: the test replaces CODE,
// ACCESS_TOKEN and OPENID in them.
func TestDocumentedRequests(t *testing.T) {
	t.Parallel()
	d := newFixture(t, wechattest.Config{Seed: 42})
	d.openQRPage("http://127.0.0.1:9/cb", "x")
	receiver := serve(t, func(w http.ResponseWriter, r *http.Request) { // accepts every push
		echo := r.FormValue("echostr")
		_, _ = io.WriteString(w, cmp.Or(echo, "success"))
	})
	sent, token := map[string]bool{}, map[string]any{}
	for _, r := range documentedRequests(t) {
		body, path := strings.NewReplacer("http://127.0.0.1:8090", d.base,
			"http://127.0.0.1:8080/wechat/push", receiver).Replace(r.body), r.path
		if strings.HasPrefix(path, "/sns/") {
			path = d.base + strings.NewReplacer("=CODE", "="+d.code(), "=ACCESS_TOKEN", fmt.Sprint("=",
				token["access_token"]),
				"=OPENID", fmt.Sprint("=", token["openid"])).Replace(path)
		}
		_, text := d.send(r.method, path, body, "Content-Type", "application/json")
		var got map[string]any
		if err := json.Unmarshal([]byte(text), &got); err != nil {
			t.Fatalf("%s %s: %s", r.method, r.path, text)
		}
		for _, problem := range differences(r.answer, got, "") {
			t.Errorf("%s %s %s: %s\n%s", r.method, r.path, r.body, problem, text)
		}
		sent[r.method+" "+r.path] = true
		if got["access_token"] != nil {
			token = got
		}
	}

	_, text := d.send("GET", "/api", "")
	var index struct {
		Endpoints []struct{ Method, Path, Does string }
	}
	if err := json.Unmarshal([]byte(text), &index); err != nil || len(index.Endpoints) == 0 {
		t.Fatalf("GET /api: %v %s", err, text)
	}
	for _, e := range index.Endpoints {
		pattern := regexp.MustCompile("^" + e.Method + " " +
			regexp.MustCompile(`\{\w+\}`).ReplaceAllString(e.Path, `[^/]+`) +
			`(\?.*)?$`)
		found := false
		for request := range sent {
			found = found || pattern.MatchString(request)
		}
		if !found || e.Does == "" {
			t.Errorf("the document has no request for %s %s (%s)", e.Method, e.Path, e.Does)
		}
	}
}

// differences compares the fields and types of two JSON values. An empty object or array of the
// document stands for any.
func differences(want, got any, at string) (out []string) {
	switch want := want.(type) {
	case map[string]any:
		object, ok := got.(map[string]any)
		if !ok {
			return []string{at + " is not an object"}
		}
		for name, value := range want {
			if _, has := object[name]; !has {
				out = append(out, at+"."+name+" is missing")
				continue
			}
			out = append(out, differences(value, object[name], at+"."+name)...)
		}
		for name := range object {
			if _, has := want[name]; !has && len(want) > 0 {
				out = append(out, at+"."+name+" is not in the document")
			}
		}
	case []any:
		array, ok := got.([]any)
		if !ok {
			return []string{at + " is not an array"}
		}
		if len(want) > 0 && len(array) == 0 {
			return []string{at + " is empty"}
		}
		if len(want) > 0 {
			return differences(want[0], array[0], at+"[0]")
		}
	case string:
		text, ok := got.(string)
		_, wantTime := time.Parse(time.RFC3339, want)
		_, gotTime := time.Parse(time.RFC3339, text)
		if !ok || (want == "") != (text == "") || (wantTime == nil) != (gotTime == nil) {
			return []string{at + " is another text"}
		}
	case nil:
		if got != nil {
			return []string{at + " is not null"}
		}
	case bool:
		if got != want {
			return []string{at + " differs"}
		}
	case float64:
		if _, ok := got.(float64); !ok {
			return []string{at + " is not a number"}
		}
	}
	sort.Strings(out)
	return out
}

// TestQuirksAndEndpointsAreInTheDocument compares the table of quirks, and the endpoints of faults,
// with the code.
func TestQuirksAndEndpointsAreInTheDocument(t *testing.T) {
	t.Parallel()
	d := newFixture(t, wechattest.Config{})
	_, text := d.send("GET", "/api/quirks", "")
	var quirks map[string]any
	if err := json.Unmarshal([]byte(text), &quirks); err != nil || len(quirks) == 0 {
		t.Fatal(err, text)
	}
	for _, page := range []string{"../../docs/en/simulator.md", "../../docs/zh-CN/simulator.md"} {
		doc, err := os.ReadFile(page)
		if err != nil {
			t.Fatal(err)
		}
		for name := range quirks {
			if !strings.Contains(string(doc), "\n| `"+name+"` | ") {
				t.Errorf("%s: no row for the quirk %s", page, name)
			}
		}
		_, list, _ := strings.Cut(string(doc), "\n\n`endpoint` ")
		list, _, _ = strings.Cut(list, "\n")
		for _, endpoint := range wechattest.FaultEndpoints() {
			if !strings.Contains(list, "`"+endpoint+"`") {
				t.Errorf("%s: the endpoint %s of faults is missing", page, endpoint)
			}
		}
		for _, m := range regexp.MustCompile("`(/[^`]+)`").FindAllStringSubmatch(list, -1) {
			if f := (wechattest.Fault{Endpoint: m[1]}); m[1] != "/api/codes" && f.Check() != nil {
				t.Errorf("%s: %v", page, f.Check())
			}
		}
	}
}
