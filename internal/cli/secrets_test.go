package cli_test

import (
	"encoding/json"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/weigate/weigate/internal/leaktest"
	"github.com/weigate/weigate/wechat/wechattest"
)

// Whatever opens something stays where it belongs: a cookie in its Set-Cookie, a code in the redirect to the app, tokens in the answer to the app. No
// log line, error, page, other header, metric, command's output or byte of the database holds one, on the good way and on the bad ones.
func TestNothingSecretComesOut(t *testing.T) {
	t.Parallel()
	for name, format := range map[string]string{"text": "text", "json": "json", "postgres": "text"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			g := newGate(t)
			settings, database := "", g.fileBytes
			if name == "postgres" {
				server := cluster(t)
				settings, database = "store: "+server.URL()+"\n", func() string { return clusterBytes(t, server) }
			}
			settings += "log: {format: " + format + ", level: debug}\n"
			g.configure(settings)
			g.serve()
			var v leaktest.Values
			add := func(what, value string) string {
				t.Helper()
				if !v.Add(what, value) {
					t.Fatalf("%s is %q: nothing to look for", what, value)
				}
				return value
			}
			add("client secret", gateSecret)

			alice := g.sim.Phone("alice")
			if _, err := alice.Open(t.Context(), g.authorize("openid profile offline_access")); err != nil {
				t.Fatal(err)
			}
			if _, err := alice.Allow(t.Context()); err != nil {
				t.Fatal(err)
			}
			code := add("code", g.code())
			var got, next struct {
				Access  string `json:"access_token"`
				Refresh string `json:"refresh_token"`
				ID      string `json:"id_token"`
			}
			if err := json.Unmarshal([]byte(g.redeem(code)), &got); err != nil {
				t.Fatal(err)
			}
			add("access token", got.Access)
			add("refresh token", got.Refresh)
			add("id token", got.ID)
			if err := json.Unmarshal([]byte(g.post("/oauth2/token", gateSecret, "grant_type", "refresh_token", "refresh_token", got.Refresh)), &next); err != nil {
				t.Fatal(err)
			}
			add("second access token", next.Access)
			add("second refresh token", next.Refresh)
			unused := func() string {
				if _, err := alice.Open(t.Context(), g.authorize("openid")); err != nil {
					t.Fatal(err)
				}
				return add("code that nobody redeemed", g.code())
			}
			unused()
			g.get(g.front.URL+"/oauth2/userinfo", next.Access)
			g.post("/oauth2/introspect", gateSecret, "token", next.Access)

			// The bad ways.
			g.redeem(code) // twice
			wrong := add("wrong client secret", leaktest.Secret+"-that-is-wrong")
			g.post("/oauth2/token", wrong, "grant_type", "authorization_code", "code", unused())
			g.get(g.front.URL+"/oauth2/userinfo", next.Access+"x")
			g.get(g.front.URL+"/oauth2/userinfo?access_token="+next.Access, "")
			g.post("/oauth2/revoke", gateSecret, "token", next.Refresh)
			for _, fault := range []wechattest.Fault{
				{Errcode: 40029}, {Errcode: 40125, Errmsg: "invalid appsecret " + leaktest.Secret}, {Status: 502, Body: "secret=" + leaktest.Secret}, {Cut: true}, {Errcode: -1, Times: 9},
			} {
				fault.Endpoint = "/sns/oauth2/access_token"
				g.sim.Fail(fault)
				if _, err := g.sim.Phone("bob").Open(t.Context(), g.authorize("openid")); err != nil {
					t.Fatal(err)
				}
				g.sim.ClearFaults()
			}
			g.configure(settings + "master_kye: " + leaktest.Secret + "\nevents: {keep: " + leaktest.Secret + "}\n")
			g.hangup()
			g.await("not reloaded", 1)
			faulty := g.run("serve") + g.run("check", "--offline")
			g.configure(settings)

			g.mu.Lock()
			answers := append([]answer(nil), g.answers...)
			g.mu.Unlock()
			cookies := 0
			for _, a := range answers {
				for _, c := range (&http.Response{Header: a.header}).Cookies() {
					if v.Add("cookie "+c.Name, c.Value) {
						cookies++
					}
				}
			}
			if cookies < 3 {
				t.Fatalf("%d cookies to look for", cookies)
			}
			look := func(where, text string) {
				t.Helper()
				if found := v.Find([]byte(text)); found != "" {
					t.Errorf("%s holds the %s", where, found)
				}
			}
			for _, a := range answers {
				for name, values := range a.header {
					home := name == "Set-Cookie" || name == "Location" && (strings.HasPrefix(values[0], g.app.URL+"/cb?") || strings.HasPrefix(values[0], g.simURL))
					if !home {
						look("the header "+name+" of "+a.path, strings.Join(values, "\n"))
					}
				}
				if a.path != "/oauth2/token" || strings.Contains(a.body, `"error"`) {
					look("the body of "+a.path, a.body)
				}
			}
			metrics := g.get(g.watch+"/metrics", "")
			look("the metrics", metrics)
			list := g.run("user", "list")
			lines := strings.Split(strings.TrimSpace(list), "\n")
			if len(lines) < 2 {
				t.Fatalf("weigate user list: %s", list)
			}
			id, _, _ := strings.Cut(lines[len(lines)-1], " ")
			look("the faulty configuration's errors", faulty)
			for _, args := range [][]string{{"user", "list"}, {"user", "show", id}, {"user", "groups", id, "staff"}, {"key", "list"}, {"key", "rotate"}, {"key", "reseal"}, {"check"}, {"check", "--offline"}} {
				said := g.run(args...)
				if said == "" {
					t.Errorf("weigate %v says nothing", args)
				}
				look("weigate "+strings.Join(args, " "), said)
			}
			raw := database()
			if !strings.Contains(raw, g.sim.OpenID(g.appid, "alice")) {
				t.Error("the database's bytes do not hold what is known to be there: the search sees nothing")
			}
			look("the database", raw)
			g.term()
			look("the database after the end", database())
			if n := strings.Count(g.errs.String(), "\n"); n < 6 {
				t.Errorf("%d log lines at level debug: %s", n, g.errs)
			}
			look("the log", g.errs.String())
			if strings.ContainsRune(g.errs.String(), '\uFFFD') || strings.Contains(g.errs.String(), `\x`) {
				t.Error("the log holds half a character: something was cut twice")
			}
			look("what serve prints", g.printed())
			if openid := g.sim.OpenID(g.appid, "alice"); strings.Contains(g.errs.String()+metrics, openid) {
				t.Error("the log or a metric holds a full openid")
			}
		})
	}
}

// fileBytes is all that stands in the files of the SQLite database.
func (g *gate) fileBytes() (text string) {
	g.t.Helper()
	files, err := filepath.Glob(filepath.Join(g.dir, "weigate.db*"))
	if err != nil {
		g.t.Fatal(err)
	}
	for _, f := range files {
		raw, err := os.ReadFile(f)
		if err != nil {
			g.t.Fatal(err)
		}
		text += string(raw)
	}
	return text
}
