package e2e_test

import (
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp"

	"github.com/weigate/weigate/internal/administration"
	"github.com/weigate/weigate/internal/gateway"
)

// company is "weigate serve" with an app, a site behind a proxy, and a receiver of notifications of
// each kind.
type company struct {
	gatewayFixture
	t      *testing.T
	dir    string // of the configuration
	notes  *relyingParty
	wiki   string // the address of the site
	robots []*robot
}

// cacheTime is how long the site may still admit a blocked user (verify_cache).
const cacheTime = time.Second

func startCompany(t *testing.T, lang string) *company {
	t.Helper()
	c := &company{gatewayFixture: newGatewayFixture(t), t: t, robots: newRobots(t)}
	c.notes = newRelyingParty(t, &c.gatewayFixture, "notes")
	proxy := httptest.NewServer(c.proxy())
	t.Cleanup(proxy.Close)
	_, port, err := net.SplitHostPort(proxy.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	c.wiki = "http://wiki.localhost:" + port
	var config strings.Builder
	fmt.Fprintf(&config, "trusted_proxies: [127.0.0.1]\nverify_cache: %s\n", cacheTime)
	config.WriteString("outgoing: {private_apps: true}\nnotify:\n")
	for _, r := range c.robots {
		n := r.config()
		fmt.Fprintf(&config, "  - {name: %s, kind: %s, url: %q, private_addresses: [127.0.0.0/8], language: %s",
			n.Name, n.Kind, string(n.URL), lang)
		if len(n.Secrets) > 0 {
			fmt.Fprintf(&config, ", secret: %q", string(n.Secrets[0]))
		}
		config.WriteString("}\n")
	}
	fmt.Fprintf(&config, "apps:\n  - %s\n", c.notes.yaml())
	fmt.Fprintf(&config, "  - {id: wiki, kind: forward_auth, name: Wiki, access: approved, hosts: [%q]}\n",
		"wiki.localhost:"+port)
	c.dir = c.serve(t, config.String())
	return c
}

// run runs a command of weigate beside the running server, and decodes its output: a JSON value, or
// one on each line.
func (c *company) run(into func(*json.Decoder) error, args ...string) {
	c.t.Helper()
	cmd := exec.Command(suite.weigate, args...)
	cmd.Dir = c.dir
	out, err := cmd.Output()
	if err != nil {
		c.t.Fatalf("weigate %s: %v", strings.Join(args, " "), err)
	}
	for decoder := json.NewDecoder(strings.NewReader(string(out))); decoder.More(); {
		if err := into(decoder); err != nil {
			c.t.Fatalf("weigate %s: %v: %s", strings.Join(args, " "), err, out)
		}
	}
}

// TestAdministration goes from a gateway without users to a colleague who was let in and out again:
// the first administrator by the link of "weigate admin invite", a request for an app, notifications,
// approval on a phone, the block, and the events of all that.
func TestAdministration(t *testing.T) {
	t.Parallel()
	for _, l := range flows {
		t.Run(l.String(), func(t *testing.T) {
			t.Parallel()
			c := startCompany(t, l.lang)
			admin := c.firstAdministrator(l)
			person := c.asks(l)
			for _, r := range c.robots {
				r.receives("Notes", c.gateway+"/admin/waiting")
			}
			admin.approves("Li Na")
			person.waits("#subject") // automatically: nobody has pressed a button
			person.usesApps(c)
			admin.blocks(c, person, "Li Na", "left the company")
			c.wantEvents()
			admin.visit(c.gateway + "/admin/events")
			for _, shown := range []string{"Li Na", "left the company", "Notes"} {
				admin.says(shown, shown)
			}
		})
	}
}

// firstAdministrator opens the link of "weigate admin invite" in WeChat, and returns the window at
// the pages of administrators.
func (c *company) firstAdministrator(l look) *window {
	c.t.Helper()
	var made struct{ Link string }
	c.run(func(d *json.Decoder) error { return d.Decode(&made) }, "admin", "invite", "--json")
	w := open(c.t, &c.addresses, l)
	w.isBrowser(wechatAgent)
	w.visit(made.Link)
	w.waits("main#invite_admin")
	w.press("#go")
	w.signsIn("alice")
	w.waits("main#invite_admin")
	w.press("form .button") // accept
	w.waits("main#invite_admin_done")
	w.press("#go")
	if at := w.at(); at != c.gateway+"/admin" {
		c.t.Errorf("the first administrator is at %s", at)
	}
	w.says("Nobody waits", "没有待批准的用户")
	return w
}

// asks signs a colleague in to an app that requires approval, who gives a name.
func (c *company) asks(l look) *window {
	c.t.Helper()
	w := open(c.t, &c.addresses, l)
	w.isBrowser(wechatAgent)
	w.visit(c.notes.URL + "/")
	w.press("#sign-in")
	w.signsIn("bob")
	w.waits("main#waiting #name")
	w.do("giving a name", chromedp.SendKeys(chromedp.CSS("#name"), "Li Na"))
	w.press("form.give button")
	w.waits("main#waiting b bdi")
	return w
}

// approves lets a user in, on a phone, by one press.
func (w *window) approves(name string) {
	w.t.Helper()
	if w.look.width != looks[1].width {
		w.resize(looks[1].width)
	}
	w.visit(w.site.gateway + "/admin/waiting")
	w.says(name, name)
	w.press(`button[name=one][value^="approve_all "]`)
	w.says("Nobody waits", "没有待批准的用户")
}

// usesApps opens the user's own page, and from there the app and the site.
func (w *window) usesApps(c *company) {
	w.t.Helper()
	w.visit(c.gateway + "/")
	w.press("a.tile")
	w.waits("#subject")
	if status := w.visit(c.wiki + "/page"); status != http.StatusOK {
		w.t.Errorf("the site answers %d to an approved user", status)
	}
}

// blocks finds a user by name and blocks the user. The user's window is out of the site within the
// cache time, and out of the app that receives a logout token.
func (w *window) blocks(c *company, person *window, name, reason string) {
	w.t.Helper()
	subject := person.subject(c)
	w.visit(c.gateway + "/admin/users?q=" + strings.ReplaceAll(name, " ", "+"))
	w.press(`th a[href*="/admin/users/"]`)
	w.do("opening the form", chromedp.Click(chromedp.CSS("#reason>summary")))
	w.do("typing the reason", chromedp.SendKeys(chromedp.CSS("#block-reason"), reason))
	w.press(`form[action$="/block"] button`)
	blocked := time.Now()
	for {
		started := time.Now()
		if person.visit(c.wiki+"/page") != http.StatusOK {
			break
		}
		if started.Sub(blocked) > cacheTime {
			w.t.Fatalf("the site admits a user who was blocked %s ago", started.Sub(blocked))
		}
	}
	if !person.has("main#blocked") {
		w.t.Errorf("a blocked user is shown %s", person.text("main"))
	}
	select {
	case ended := <-c.notes.ended:
		if ended != subject {
			w.t.Errorf("the app signed %q out, want %q", ended, subject)
		}
	case <-time.After(patience):
		w.t.Fatal("the app received no logout token")
	}
	person.visit(c.notes.URL + "/")
	person.waits("#sign-in")
}

// subject is the user's id in the app.
func (w *window) subject(c *company) string {
	w.t.Helper()
	w.visit(c.notes.URL + "/")
	return w.text("#subject")
}

// wantEvents fails the test unless "weigate events" has each step, with who did it.
func (c *company) wantEvents() {
	c.t.Helper()
	type event struct {
		Kind   string
		User   string `json:"user_id"`
		App    string
		Actor  string
		Detail string
	}
	events := map[string]event{}
	c.run(func(d *json.Decoder) error {
		var e event
		err := d.Decode(&e)
		if _, later := events[e.Kind]; !later { // the newest come first
			events[e.Kind] = e
		}
		return err
	}, "events", "--json")
	admin, user := events[administration.EventUserBlocked].Actor, events[administration.EventUserBlocked].User
	if admin == "" || user == "" || admin == user {
		c.t.Fatalf("administrator %q, user %q in %+v", admin, user, events)
	}
	for _, want := range []struct{ kind, user, app, actor, detail string }{
		{administration.EventInvitationCreated, "", "", gateway.ActorCommand, "admin"},
		{"invitation_used", admin, "", "", ""},
		{"access_requested", user, "notes", "", ""},
		{"name_given", user, "notes", "", ""},
		{administration.EventUserApproved, user, "", admin, ""},
		{administration.EventUserBlocked, user, "", admin, "left the company"},
	} {
		e := events[want.kind]
		if e.User != want.user || e.App != want.app || e.Actor != want.actor || !strings.Contains(e.Detail, want.detail) {
			c.t.Errorf("event %s is %+v, want %+v", want.kind, e, want)
		}
	}
}
