package e2e_test

import (
	"bytes"
	"encoding/csv"
	"encoding/json"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/weigate/weigate/internal/administration"
	"github.com/weigate/weigate/internal/config"
	"github.com/weigate/weigate/internal/gateway"
)

// hostile is a text that users and administrators type: a formula, markup, quotes, the address of a
// script, mentions, characters that change the direction of text, control characters, and 10,000
// characters.
var hostile = `=cmd|'/c calc'!A1"><img src=x onerror=alert(1)><script>alert(1)</script><@all> javascript:alert(1) ` +
	"\u202egnp.exe\u2066\x1b[31m\x07\r\n\u2028" + strings.Repeat("长", 10_000)

func hostileText(characters int) string { return string([]rune(hostile)[:characters]) }

// harmful lists what a hostile text has done to a page. The values of fields keep what was typed.
const harmful = `(() => {
	const out = [];
	if (document.querySelector('img[src="x"], [onerror], a[href^="javascript"]')) out.push("markup of a user");
	for (const e of document.scripts) if (e.textContent.includes("alert(1)")) out.push("a script of a user");
	const text = document.body.innerText;
	const bad = text.match(/[\u202a-\u202e\u2066-\u2069\u0000-\u0008\u000b\u000c\u000e-\u001f]/);
	if (bad) out.push("a control character " + bad[0].charCodeAt(0).toString(16));
	if (/长{1100}/.test(text)) out.push("a text of more than 1,100 characters");
	return out.join("; ");
})()`

func (w *window) harmless(path string) {
	w.t.Helper()
	w.check(path)
	if found := eval[string](w, harmful); found != "" {
		w.t.Errorf("%s has %s", path, found)
	}
}

// TestHostileTexts puts a hostile text into every field, and follows all links of the administration
// in a narrow window (gogs CVE-2026-26195, listmonk CVE-2026-21483).
func TestHostileTexts(t *testing.T) {
	t.Parallel()
	g := startAdministered(t, func(c *config.Config) {
		c.Apps = append(c.Apps, config.App{App: gateway.App{ID: "evil", Kind: gateway.AppForwardAuth,
			Name: hostileText(100), Access: gateway.AccessRule{Rule: gateway.AccessApproved}},
			Hosts: []string{"evil.localhost"}})
	})
	evil := g.plantHostileTexts()
	w := open(t, &g.addresses, look{"en", looks[1].width})
	w.isBrowser(wechatAgent)

	// The user's own pages. The first one notifies the administrators.
	w.is(g, evil, gateway.MethodWeChat)
	for _, address := range []string{g.authorizeAt("notes"), g.gateway + "/", g.authorizeAt("mail")} {
		w.visit(address)
		w.harmless(address)
	}
	for _, r := range g.robots {
		g.harmlessMessage(r, r.receives("Notes"))
	}
	w.is(g, g.root, gateway.MethodWeChat)
	w.crawl(g)
	g.harmlessExports(evil)
}

// plantHostileTexts stores hostile texts in every field that has a text, past the checks of input,
// and returns their user.
func (g *administered) plantHostileTexts() gateway.User {
	g.t.Helper()
	ctx, now := g.t.Context(), g.clock.Now()
	long := gateway.CleanText(hostile)
	evil := g.user(hostile, func(u *gateway.User) {
		u.RealName, u.Note, u.Groups, u.OldID = long, long, []string{hostileText(64)}, hostileText(64)
	})
	g.waits(evil, "evil")
	other := g.user("Bob")
	g.waits(other, "notes")
	by := administration.Actor{ID: g.root.ID}
	for _, o := range slices.Concat(
		g.admin.Refuse(ctx, by, []string{other.ID},
			administration.Refusal{Apps: []string{"notes"}, Reason: hostileText(500)}),
		g.admin.Block(ctx, by, []string{g.user("Gone").ID}, hostileText(500)),
	) {
		if o.Err != nil {
			g.t.Fatal(o.Err)
		}
	}
	event := gateway.Event{At: now, Kind: administration.EventInvitationCreated, Outcome: "ok", Actor: g.root.ID,
		Detail: hostileText(400)}
	i := gateway.Invitation{ID: gateway.NewID(), Hash: gateway.InvitationHash("x"), Kind: gateway.InviteUser,
		Groups: []string{hostileText(64)}, Note: long, CreatedBy: g.root.ID, CreatedAt: now, ExpiresAt: now.Add(time.Hour)}
	if err := g.store.CreateInvitation(ctx, i, event); err != nil {
		g.t.Fatal(err)
	}
	key := gateway.APIKey{ID: gateway.NewID(), Hash: gateway.APIKeyHash("x"), Name: long, CreatedBy: g.root.ID,
		CreatedAt: now, Scopes: []string{administration.ScopeUsersRead}}
	event.Kind = administration.EventAPIKeyCreated
	if err := g.store.CreateAPIKey(ctx, key, event); err != nil {
		g.t.Fatal(err)
	}
	problem := gateway.Problem{Source: "app:evil", Code: hostileText(40), Detail: gateway.CleanText(hostileText(300)),
		FirstAt: now, LastAt: now, Count: 1}
	if err := g.store.AddStatistics(ctx, nil, []gateway.Problem{problem}); err != nil {
		g.t.Fatal(err)
	}
	return evil
}

// oneOf is a part of an address that names a row.
var oneOf = regexp.MustCompile(`[a-z2-7]{26}|[?].*`)

// crawl opens the pages of the administration by their links, but no more than three pages of a kind.
func (w *window) crawl(g *administered) {
	w.t.Helper()
	queue, seen, kinds := []string{g.gateway + "/admin"}, map[string]bool{}, map[string]int{}
	for len(queue) > 0 {
		address := queue[0]
		queue = queue[1:]
		kind := oneOf.ReplaceAllString(address, "*")
		if seen[address] || kinds[kind] >= 3 {
			continue
		}
		seen[address] = true
		kinds[kind]++
		if status := w.visit(address); status != http.StatusOK {
			w.t.Errorf("%s has status %d", address, status)
		}
		w.harmless(address)
		queue = append(queue, eval[[]string](w,
			`[...document.querySelectorAll('a[href^="/admin"]')].map((a) => a.href.split("#")[0])`)...)
	}
	if len(kinds) < 20 {
		w.t.Errorf("only %d kinds of pages: %v", len(kinds), kinds)
	}
}

// harmlessMessage checks a message of a robot: JSON escapes what a chat must not have.
func (g *administered) harmlessMessage(r *robot, text string) {
	g.t.Helper()
	bad := []string{"\u202e", "\u2066", "\x1b", "\x07", "\x00", "\r"}
	if r.kind != config.NotifyJSON {
		bad = append(bad, "<img", "<@all>", "javascript:alert")
	}
	for _, each := range bad {
		if strings.Contains(text, each) {
			g.t.Errorf("%s received %q", r.kind, text[:min(len(text), 600)])
		}
	}
	if len(text) > 4000 || strings.Count(text, "\n") > 5 {
		g.t.Errorf("%s received %d bytes in %d lines", r.kind, len(text), strings.Count(text, "\n"))
	}
}

// harmlessExports checks that no cell of a CSV file is a formula, and that JSON lines have the texts
// as stored.
func (g *administered) harmlessExports(evil gateway.User) {
	g.t.Helper()
	by := administration.Actor{ID: g.root.ID}
	var users, events, lines bytes.Buffer
	_, err := g.admin.ExportUsers(g.t.Context(), by, &users, administration.CSV, gateway.UserSearch{}, 100)
	if err == nil {
		_, err = g.admin.ExportEvents(g.t.Context(), by, &events, administration.CSV, gateway.EventQuery{}, 100)
	}
	if err == nil {
		_, err = g.admin.ExportUsers(g.t.Context(), by, &lines, administration.JSONLines, gateway.UserSearch{}, 100)
	}
	if err != nil {
		g.t.Fatal(err)
	}
	for _, file := range []*bytes.Buffer{&users, &events} {
		rows, err := csv.NewReader(bytes.NewReader(bytes.TrimPrefix(file.Bytes(), []byte("\ufeff")))).ReadAll()
		if err != nil || len(rows) < 4 {
			g.t.Errorf("%d rows, %v", len(rows), err)
		}
		for _, cell := range slices.Concat(rows...) {
			if cell != "" && strings.ContainsAny(cell[:1], "=+-@\t\r") {
				g.t.Errorf("a formula: %.60q", cell)
			}
		}
	}
	found := false
	for decoder := json.NewDecoder(&lines); decoder.More(); {
		var u administration.ExportedUser
		if err := decoder.Decode(&u); err != nil {
			g.t.Fatal(err)
		}
		found = found || u.ID == evil.ID && u.RealName == evil.RealName
	}
	if !found {
		g.t.Error("the JSON lines do not have the user as stored")
	}
}
