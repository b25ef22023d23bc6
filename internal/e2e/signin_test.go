package e2e_test

import (
	"regexp"
	"testing"
)

// An openid is 28 characters and begins with o (as seen in captured answers).
var openidForm = regexp.MustCompile(`^o[A-Za-z0-9_-]{27}$`)

// TestDemo goes the way of the first minute: from the first screen to the openid, on to nickname and
// avatar, out again, and in by the other button.
func TestDemo(t *testing.T) {
	t.Parallel()
	for _, l := range flows {
		t.Run(l.String(), func(t *testing.T) {
			t.Parallel()
			demo := startDemo(t) // each its own: WeChat remembers who agreed
			w := openBoth(t, &demo.addresses, l)
			if status := w.visit(demo.app + "/"); status != 200 {
				t.Errorf("the first screen has status %d", status)
			}
			w.says("sign in with WeChat", "微信登录")
			w.says("simulated", "模拟")
			w.see("home")
			w.press("#sample")
			w.see("sample")

			w.press("#sign-in-base")
			w.says("Whose phone is this?", "这是谁的手机？")
			w.see("whose-phone")
			w.press("button[value=alice]")
			openid := w.signedIn("snsapi_base", "")
			w.says("You are signed in", "你已登录")
			w.see("signed-in-base")

			w.press("#add-profile")
			w.says("requests the following permission", "申请获取以下权限")
			w.see("consent")
			w.press("button.allow")
			if again := w.signedIn("snsapi_userinfo", "Alice"); again != openid {
				t.Errorf("the openid was %s and is %s", openid, again)
			}
			w.see("signed-in-profile")

			w.press("#sign-out")
			if !w.has("#sign-in-base") {
				t.Errorf("after sign-out: %s", w.at())
			}
			// She agreed before, so WeChat does not ask again.
			w.press("#sign-in-profile")
			w.signedIn("snsapi_userinfo", "Alice")
			w.press("#sign-out")

			w = open(t, &demo.addresses, l)
			w.visit(demo.sample())
			w.press("#sign-in-profile")
			w.press("button[value=xiaoming]")
			w.press("button.allow")
			if other := w.signedIn("snsapi_userinfo", "小明"); other == openid {
				t.Error("two people have one openid")
			}
		})
	}
}

// signedIn checks the page after sign-in and returns the openid on it. The address must be clean:
// a code in it would be shared with the page.
func (w *window) signedIn(scope, nickname string) string {
	w.t.Helper()
	openid := w.text("#openid")
	if !openidForm.MatchString(openid) {
		w.t.Errorf("openid %q", openid)
	}
	if at := w.at(); at != w.site.sample() {
		w.t.Errorf("after sign-in the address is %s", at)
	}
	if got := w.text("#scope"); got != scope {
		w.t.Errorf("scope %q, want %q", got, scope)
	}
	if nickname == "" {
		if w.has("#avatar") {
			w.t.Error("a picture without consent")
		}
		return openid
	}
	if got := w.text("#nickname"); got != nickname {
		w.t.Errorf("nickname %q, want %q", got, nickname)
	}
	if union := w.text("#unionid"); !regexp.MustCompile(`^o[A-Za-z0-9_-]{27}$`).MatchString(union) || union == openid {
		w.t.Errorf("unionid %q", union)
	}
	if width := eval[int](w, `document.querySelector("#avatar").naturalWidth`); width == 0 {
		w.t.Error("the picture did not load")
	}
	return openid
}
