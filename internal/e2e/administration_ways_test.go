package e2e_test

import (
	"testing"
	"time"

	"github.com/chromedp/cdproto/browser"
	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"

	"github.com/weigate/weigate/internal/administration"
	"github.com/weigate/weigate/internal/gateway"
)

// hands are a way to use a page: with a pointer, or with the keyboard alone.
type hands struct {
	press func(selector string) chromedp.Action[chromedp.Void]
	enter func(selector string) // moves the focus to a field
}

// TestAdministrationWithoutJavaScript does the work of administrators in a browser that runs no
// scripts.
func TestAdministrationWithoutJavaScript(t *testing.T) {
	t.Parallel()
	g := startAdministered(t)
	w := open(t, &g.addresses, desktop)
	command(w, emulation.SetScriptExecutionDisabled, emulation.SetScriptExecutionDisabledParams{Value: true})
	click := func(selector string) chromedp.Action[chromedp.Void] {
		return chromedp.Click(chromedp.CSS(selector), chromedp.NodeVisible)
	}
	w.administers(g, hands{press: click, enter: func(selector string) { w.do("entering "+selector, click(selector)) }})
}

// TestAdministrationWithTheKeyboard does the work of administrators without a mouse.
func TestAdministrationWithTheKeyboard(t *testing.T) {
	t.Parallel()
	g := startAdministered(t)
	w := open(t, &g.addresses, desktop)
	w.administers(g, hands{enter: w.tabTo, press: func(selector string) chromedp.Action[chromedp.Void] {
		w.tabTo(selector)
		return chromedp.KeyEvent(kb.Enter)
	}})
}

// administers approves, edits and blocks a user, makes an invitation, and exports the events.
func (w *window) administers(g *administered, h hands) {
	w.t.Helper()
	w.is(g, g.root, gateway.MethodWeChat)
	u := g.user("Bob")
	g.waits(u, "notes")
	press := func(selector string) {
		w.t.Helper()
		w.arrive("pressing "+selector, h.press(selector))
	}
	types := func(selector, text string) {
		w.t.Helper()
		h.enter(selector)
		w.do("typing", chromedp.KeyEvent(text))
	}
	stored := func(done func(gateway.User) bool, what string) {
		w.t.Helper()
		if now := g.change(u.ID, func(*gateway.User) {}); !done(now) {
			w.t.Errorf("%s, the user is %+v", what, now)
		}
	}
	w.visit(g.gateway + "/admin/waiting")
	press(`button[name=one][value^="approve_all "]`)
	stored(func(u gateway.User) bool { return u.Status == gateway.Active }, "approved")

	w.visit(g.gateway + "/admin/users/" + u.ID)
	w.do("opening the form", h.press("#edit>summary"))
	types("#real_name", "Li Na")
	types("#groups", "staff")
	press(`form[action$="/edit"] button.button`)
	stored(func(u gateway.User) bool { return u.RealName == "Li Na" && len(u.Groups) == 1 }, "edited")
	w.do("opening the form", h.press("#reason>summary"))
	types("#block-reason", "left")
	press(`form[action$="/block"] button`)
	stored(func(u gateway.User) bool { return u.Status == gateway.Blocked }, "blocked")

	w.visit(g.gateway + "/admin/invitations/new")
	press("main form button.button")
	w.waits("#link")
	made, err := g.store.Invitations(w.t.Context(), gateway.InvitationQuery{})
	if err != nil || len(made) != 1 {
		w.t.Errorf("invitations: %v, %v", made, err)
	}

	w.visit(g.gateway + "/admin/events/export")
	command(w, browser.SetDownloadBehavior,
		browser.SetDownloadBehaviorParams{Behavior: browser.SetDownloadBehaviorBehaviorDeny})
	w.do("downloading", h.press("main form button.button")) // the page stays
	for late := time.Now().Add(patience); ; time.Sleep(20 * time.Millisecond) {
		exported, err := g.store.Events(w.t.Context(), gateway.EventQuery{Kind: administration.EventExported})
		if err != nil || time.Now().After(late) {
			w.t.Fatalf("nothing was exported: %v", err)
		}
		if len(exported) == 1 {
			break
		}
	}
}
