package e2e_test

import (
	"strings"
	"testing"
)

// TestGateway goes the way of a person through the gateway: signed in to one app by OpenID Connect, to
// a second one without another screen, out of one app, out of the gateway, and out everywhere from
// another browser.
func TestGateway(t *testing.T) {
	t.Parallel()
	for _, l := range flows {
		t.Run(l.String(), func(t *testing.T) {
			t.Parallel()
			demo := startDemo(t)
			w := openBoth(t, &demo.addresses, l)
			notes := w.intoNotes("alice", "Alice", true)
			if !openidForm.MatchString(w.text("#openid")) || !openidForm.MatchString(w.text("#unionid")) {
				w.t.Errorf("openid %q, unionid %q", w.text("#openid"), w.text("#unionid"))
			}

			// The second app: one press, no page of WeChat or of the gateway.
			before := len(w.documents())
			w.press("#other-app")
			if photos := w.inClient("photos", "Alice"); photos != notes {
				t.Errorf("Photos knows %s, Notes %s", photos, notes)
			}
			w.see("gateway-photos")
			if shown := w.documents()[before:]; len(shown) != 1 || !strings.HasPrefix(shown[0], demo.app+"/photos/") {
				t.Errorf("on the way to the second app the pages %v were shown", shown)
			}

			// Out of one app: the gateway still knows her, and so does the other app.
			w.press("#sign-out")
			w.outOfClient("photos")
			w.visit(demo.app + "/notes/")
			w.inClient("notes", "Alice")
			w.visit(demo.app + "/photos/")
			w.press("#sign-in")
			w.inClient("photos", "Alice")

			// Out of the gateway too, by RP-initiated logout: the next sign-in goes to WeChat.
			w.press("#sign-out-of-weigate")
			w.outOfClient("photos")
			w.visit(demo.gateway + "/")
			w.says("Sign in", "登录")
			if !w.has("main#welcome") {
				t.Errorf("after sign-out the gateway shows %s", w.text("main"))
			}
			w.see("gateway-welcome")

			w.everywhere(demo)
		})
	}
}

// intoNotes signs a person in from the first screen, through all that is shown to somebody new.
func (w *window) intoNotes(person, name string, seen bool) (subject string) {
	w.t.Helper()
	look := func(page string) {
		if seen {
			w.see(page)
		}
	}
	w.visit(w.site.app + "/")
	w.says("OpenID Connect", "OpenID Connect")
	w.press("#notes")
	w.says("Notes", "笔记")
	look("gateway-notes-out")
	w.press("#sign-in")
	w.press("button[value=" + person + "]")
	if !w.has("main#profile") {
		w.t.Errorf("somebody new is shown %s at %s", w.text("main"), w.at())
	}
	w.says("WeChat name and picture", "微信头像昵称")
	look("gateway-profile")
	w.press("#go")
	w.press("button.allow")
	subject = w.inClient("notes", name)
	look("gateway-notes-in")
	return subject
}

// inClient checks the page of an app whose person is signed in, and returns the subject on it.
func (w *window) inClient(app, name string) string {
	w.t.Helper()
	if at := w.at(); at != w.site.app+"/"+app+"/" {
		w.t.Errorf("signed in to %s the address is %s", app, at)
	}
	if got := w.text("#name"); got != name {
		w.t.Errorf("%s knows the name %q, want %q", app, got, name)
	}
	if width := eval[int](w, `document.querySelector("#avatar").naturalWidth`); width == 0 {
		w.t.Error("the picture did not load")
	}
	return w.text("#sub")
}

// outOfClient checks the page of an app where nobody is signed in.
func (w *window) outOfClient(app string) {
	w.t.Helper()
	if at := w.at(); at != w.site.app+"/"+app+"/" || !w.has("#sign-in") {
		w.t.Errorf("signed out of %s the address is %s", app, at)
	}
}

// everywhere signs the same person in with two browsers, and out of both and of their apps with one
// press in one of them.
func (w *window) everywhere(demo *program) {
	w.t.Helper()
	other := open(w.t, &demo.addresses, w.look)
	for _, each := range []*window{w, other} {
		each.visit(demo.app + "/notes/sign-in")
		if each == other {
			each.press("button[value=alice]")
		}
		each.inClient("notes", "Alice")
		each.press("#other-app")
		each.inClient("photos", "Alice")
	}
	w.press("#gateway")
	w.says("My apps", "我的应用")
	if n := eval[int](w, `document.querySelectorAll("b[id^=session-]").length`); n != 2 {
		w.t.Errorf("the own page lists %d sessions, want 2", n)
	}
	w.see("gateway-own")
	w.press(`form[action="/sign-out/everywhere"] button`)
	if !w.has("main#ended_all") {
		w.t.Errorf("after sign-out everywhere: %s", w.text("main"))
	}
	w.see("gateway-ended-all")
	for _, each := range []*window{other, w} {
		for _, app := range []string{"notes", "photos"} {
			each.visit(demo.app + "/" + app + "/")
			each.outOfClient(app)
			each.says("You have been signed out", "你已退出登录")
		}
		if each == w {
			each.see("gateway-ended")
		}
		each.visit(demo.gateway + "/")
		if !each.has("main#welcome") {
			w.t.Errorf("after sign-out everywhere the gateway shows %s", each.text("main"))
		}
	}
}
