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

// A secret appears only where it must: a cookie in its Set-Cookie, a code in the redirect to the
// app, tokens in the response to the app. No log record, error, page, other header, metric, output
// of a command or byte of the database contains one, whether requests succeed or fail.
func TestNothingSecretComesOut(t *testing.T) {
	t.Parallel()
	for name, format := range map[string]string{"text": "text", "json": "json", "postgres": "text"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := &secretSearch{fixture: newFixture(t)}
			database := s.fileBytes
			if name == "postgres" {
				server := cluster(t)
				s.settings, database = "store: "+server.URL()+"\n", func() string { return clusterBytes(t, server) }
			}
			s.settings += "log: {format: " + format + ", level: debug}\n"
			s.configure(s.settings)
			s.serve()
			s.add("client secret", clientSecret)
			alice := s.sim.Phone("alice")
			access, refresh := s.signIn(alice)
			s.failRequests(alice, access, refresh)
			invalid := s.failConfiguration()

			s.searchAnswers()
			s.search("the errors of the invalid configuration", invalid)
			metrics := s.get(s.watch+"/metrics", "")
			s.search("the metrics", metrics)
			s.searchCommands()
			raw := database()
			if !strings.Contains(raw, s.sim.OpenID(s.appid, "alice")) {
				t.Error("the bytes of the database do not contain the openid of a user: the search is void")
			}
			s.search("the database", raw)
			s.term()
			s.search("the database after the end", database())
			s.searchLog(metrics)
		})
	}
}

// secretSearch is a gateway and the secrets that it made.
type secretSearch struct {
	*fixture
	settings string
	values   leaktest.Values
}

// add adds a secret to the search and returns it.
func (s *secretSearch) add(what, value string) string {
	s.t.Helper()
	if !s.values.Add(what, value) {
		s.t.Fatalf("%s is %q, which is too short to be searched for", what, value)
	}
	return value
}

// search fails the test when text contains a secret.
func (s *secretSearch) search(where, text string) {
	s.t.Helper()
	if found := s.values.Find([]byte(text)); found != "" {
		s.t.Errorf("%s has the %s", where, found)
	}
}

// signIn signs a user in, refreshes the tokens and uses them. It returns the second tokens.
func (s *secretSearch) signIn(user *wechattest.Phone) (access, refresh string) {
	s.t.Helper()
	if _, err := user.Open(s.t.Context(), s.authorize("openid profile offline_access")); err != nil {
		s.t.Fatal(err)
	}
	if _, err := user.Allow(s.t.Context()); err != nil {
		s.t.Fatal(err)
	}
	code := s.add("code", s.code())
	var first, second struct {
		Access  string `json:"access_token"`
		Refresh string `json:"refresh_token"`
		ID      string `json:"id_token"`
	}
	if err := json.Unmarshal([]byte(s.redeem(code)), &first); err != nil {
		s.t.Fatal(err)
	}
	s.add("access token", first.Access)
	s.add("refresh token", first.Refresh)
	s.add("id token", first.ID)
	refreshed := s.post("/oauth2/token", clientSecret, "grant_type", "refresh_token", "refresh_token", first.Refresh)
	if err := json.Unmarshal([]byte(refreshed), &second); err != nil {
		s.t.Fatal(err)
	}
	s.add("second access token", second.Access)
	s.add("second refresh token", second.Refresh)
	s.unusedCode(user)
	s.get(s.front.URL+"/oauth2/userinfo", second.Access)
	s.post("/oauth2/introspect", clientSecret, "token", second.Access)
	s.redeem(code) // a replay
	return second.Access, second.Refresh
}

// unusedCode returns a code that is not redeemed.
func (s *secretSearch) unusedCode(user *wechattest.Phone) string {
	s.t.Helper()
	if _, err := user.Open(s.t.Context(), s.authorize("openid")); err != nil {
		s.t.Fatal(err)
	}
	return s.add("code that nobody redeemed", s.code())
}

// failRequests sends requests that are rejected, and signs in while WeChat fails.
func (s *secretSearch) failRequests(user *wechattest.Phone, access, refresh string) {
	s.t.Helper()
	wrong := s.add("wrong client secret", leaktest.Secret+"-that-is-wrong")
	s.post("/oauth2/token", wrong, "grant_type", "authorization_code", "code", s.unusedCode(user))
	s.get(s.front.URL+"/oauth2/userinfo", access+"x")
	s.get(s.front.URL+"/oauth2/userinfo?access_token="+access, "")
	s.post("/oauth2/revoke", clientSecret, "token", refresh)
	for _, fault := range []wechattest.Fault{
		{Errcode: 40029},
		{Errcode: 40125, Errmsg: "invalid appsecret " + leaktest.Secret},
		{Status: 502, Body: "secret=" + leaktest.Secret},
		{Cut: true},
		{Errcode: -1, Times: 9},
	} {
		fault.Endpoint = "/sns/oauth2/access_token"
		s.sim.Fail(fault)
		if _, err := s.sim.Phone("bob").Open(s.t.Context(), s.authorize("openid")); err != nil {
			s.t.Fatal(err)
		}
		s.sim.ClearFaults()
	}
}

// failConfiguration lets the gateway reload an invalid configuration, and returns what commands
// print about it.
func (s *secretSearch) failConfiguration() string {
	s.t.Helper()
	s.configure(s.settings + "master_kye: " + leaktest.Secret + "\nevents: {keep: " + leaktest.Secret + "}\n")
	s.hangup()
	s.await("not reloaded", 1)
	output := s.run("serve") + s.run("check", "--offline")
	s.configure(s.settings)
	return output
}

// searchAnswers searches all responses of the gateway. It adds their cookies to the search first.
func (s *secretSearch) searchAnswers() {
	s.t.Helper()
	s.mu.Lock()
	answers := append([]answer(nil), s.answers...)
	s.mu.Unlock()
	cookies := 0
	for _, a := range answers {
		for _, c := range (&http.Response{Header: a.header}).Cookies() {
			if s.values.Add("cookie "+c.Name, c.Value) {
				cookies++
			}
		}
	}
	if cookies < 3 {
		s.t.Fatalf("%d cookies to search for, want 3 or more", cookies)
	}
	for _, a := range answers {
		for name, values := range a.header {
			if !s.allowed(name, values) {
				s.search("the header "+name+" of "+a.path, strings.Join(values, "\n"))
			}
		}
		if a.path != "/oauth2/token" || strings.Contains(a.body, `"error"`) {
			s.search("the body of "+a.path, a.body)
		}
	}
}

// allowed reports whether a header may contain secrets: cookies, and redirects to the app and to
// WeChat.
func (s *secretSearch) allowed(name string, values []string) bool {
	return name == "Set-Cookie" || name == "Location" &&
		(strings.HasPrefix(values[0], s.app.URL+"/cb?") || strings.HasPrefix(values[0], s.simURL))
}

// searchCommands searches the output of the commands.
func (s *secretSearch) searchCommands() {
	s.t.Helper()
	list := s.run("user", "list")
	lines := strings.Split(strings.TrimSpace(list), "\n")
	if len(lines) < 2 {
		s.t.Fatalf("weigate user list: %s", list)
	}
	id, _, _ := strings.Cut(lines[len(lines)-1], " ")
	for _, args := range [][]string{
		{"user", "list"}, {"user", "show", id}, {"user", "groups", id, "staff"},
		{"key", "list"}, {"key", "rotate"}, {"key", "reseal"},
		{"check"}, {"check", "--offline"},
	} {
		output := s.run(args...)
		if output == "" {
			s.t.Errorf("weigate %v prints nothing", args)
		}
		s.search("weigate "+strings.Join(args, " "), output)
	}
}

// searchLog searches what serve has written. Neither the log nor the metrics may contain an openid.
func (s *secretSearch) searchLog(metrics string) {
	s.t.Helper()
	log := s.errs.String()
	if n := strings.Count(log, "\n"); n < 6 {
		s.t.Errorf("%d log lines at level debug: %s", n, log)
	}
	s.search("the log", log)
	if strings.ContainsRune(log, '\uFFFD') || strings.Contains(log, `\x`) {
		s.t.Error("the log has half a character: a text was cut inside it")
	}
	s.search("the output of serve", s.printed())
	if openid := s.sim.OpenID(s.appid, "alice"); strings.Contains(log+metrics, openid) {
		s.t.Error("the log or a metric has a full openid")
	}
}

// fileBytes returns the contents of the files of the SQLite database.
func (g *fixture) fileBytes() (text string) {
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
