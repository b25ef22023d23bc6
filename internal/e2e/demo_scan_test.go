package e2e_test

import (
	"fmt"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/chromedp/chromedp"
)

// TestDemoScan is the card of the desktop with a phone beside it, from the first screen to signed
// in, in two windows: the desktop's, and one with the simulator's phone.
func TestDemoScan(t *testing.T) {
	t.Parallel()
	for _, l := range flows {
		t.Run(l.String(), func(t *testing.T) {
			t.Parallel()
			demo := startDemo(t)
			w, desk := open(t, &demo.addresses, wide(l)), openBoth(t, &demo.addresses, l)
			w.also = wide(looks[0]).width + wide(looks[1]).width - w.look.width
			link := w.showCode(demo)
			w.see("scan-code")
			if l.width == 1280 {
				if got := w.decode(t); got != link {
					t.Errorf("the picture of the code says %q, its button hands over %q", got, link)
				}
			}
			desk.takeLink(link)
			desk.see("scan-handed")
			desk.press("button[value=open]")
			desk.onPhone("main#scan_ask", "Sign in to Board", "看板")
			desk.see("scan-ask")
			desk.toNumber()
			desk.see("scan-number")
			w.do("seeing whose phone it is", chromedp.WaitVisible(chromedp.CSS("#scan_scanned")))
			w.see("scan-held")
			number := w.number()
			desk.enterOnScreen(number, "main#scan_done")
			desk.see("scan-done")
			w.do("being signed in", chromedp.WaitVisible(chromedp.CSS("#sub")))
			w.inClient("board", "Alice")
			w.see("board-in")

			// The session is one of the gateway's: another app lets her in without a screen.
			w.press("#other-app")
			w.inClient("notes", "Alice")
		})
	}
}

// wide is the same look on a desktop: a phone gets a link to copy in place of a code.
func wide(l look) look {
	l.width = max(l.width, phoneWidth)
	return l
}

// showCode goes from the first screen to the code, and returns the link that the button beside it
// hands to the simulated phone.
func (w *window) showCode(demo *program) string {
	w.t.Helper()
	w.visit(demo.app + "/")
	w.press("#board")
	w.press("#sign-in")
	return w.codeLink()
}

// codeLink is the link of the code that is shown.
func (w *window) codeLink() string {
	w.t.Helper()
	w.do("seeing the code", chromedp.WaitVisible(chromedp.CSS("#scan_code svg.code")))
	u, err := url.Parse(eval[string](w, `document.querySelector("#phone").href`))
	if err != nil || !strings.HasPrefix(u.String(), w.site.control+"/phone?") {
		w.t.Fatalf("the button beside the code leads to %v (%v)", u, err)
	}
	link := u.Query().Get("open")
	if shown := eval[string](w, `document.querySelector("p.skip a").href`); shown != link ||
		!strings.HasPrefix(link, w.site.gateway+"/scan/") {
		w.t.Errorf("the code says %s, its button hands over %s", shown, link)
	}
	return link
}

// decode reads the QR code from a screenshot of the window with an independent program.
func (w *window) decode(t *testing.T) string {
	t.Helper()
	name := filepath.Join(t.TempDir(), "code.png")
	if err := os.WriteFile(name, ask(w, "taking a picture", chromedp.FullScreenshot(100)), 0o600); err != nil {
		t.Fatal(err)
	}
	out, err := exec.CommandContext(t.Context(), "zbarimg", "-q", "--raw", "--nodbus", name).Output()
	if err != nil {
		t.Fatalf("zbarimg (Debian: zbar-tools): %v", err)
	}
	return strings.TrimSpace(string(out))
}

// takeLink presses the button beside the code: the link is then in the address bar of the phone
// that is selected in the window.
func (w *window) takeLink(link string) {
	w.t.Helper()
	w.visit(w.site.control + "/phone?open=" + url.QueryEscape(link))
	if got := eval[string](w, `document.querySelector("#address").value`); got != link {
		w.t.Errorf("the address line holds %q", got)
	}
}

// toNumber continues on the phone until it asks for the number. A new user consents at WeChat to
// share the name and picture before that.
func (w *window) toNumber() {
	w.t.Helper()
	for range 8 {
		switch at := w.phonePage(); at {
		case "scan_number":
			return
		case "scan_ask":
			w.leaveOnScreen(".actions form button")
		case "profile":
			w.leaveOnScreen("#go")
		case "consent":
			w.leaveOnScreen("button.allow")
		default:
			w.t.Fatalf("on the way to the number the phone shows %s", at)
		}
	}
	w.t.Fatal("the phone does not come to the number")
}

// phonePage is the page of the gateway that the phone shows, or "consent" for WeChat's question.
func (w *window) phonePage() string {
	w.t.Helper()
	return w.onScreen("seeing a page",
		`document.querySelector("button.allow") ? "consent" : (document.querySelector("main") || {id: ""}).id`)
}

// leaveOnScreen presses what the selector finds on the phone, and waits for the page that comes.
func (w *window) leaveOnScreen(selector string) {
	w.t.Helper()
	w.onScreen("pressing "+selector,
		fmt.Sprintf(`(() => {
			const e = document.querySelector(%q);
			if (!e) return "";
			document.documentElement.dataset.left = "1";
			e.click();
			return "pressed";
		})()`, selector))
	w.onScreen("waiting after "+selector,
		`document.readyState === "complete" && !document.documentElement.dataset.left ? "new" : ""`)
}

// onPhone waits for a page on the phone, and fails the test when it does not say a word.
func (w *window) onPhone(page, en, zh string) {
	w.t.Helper()
	want := en
	if w.look.lang == "zh-CN" {
		want = zh
	}
	text := w.onScreen("waiting for "+page,
		fmt.Sprintf(`document.querySelector(%q) ? document.body.innerText.replace(/\s+/g, " ") : ""`, page))
	if !strings.Contains(text, want) {
		w.t.Errorf("the phone does not say %q: %s", want, text)
	}
}

// otherNumber is a number that is not the desktop's.
func otherNumber(number string) string {
	if number == "42" {
		return "43"
	}
	return "42"
}

// enterOnScreen types a number on the phone, sends it, and waits for the page that comes.
func (w *window) enterOnScreen(number, next string) {
	w.t.Helper()
	w.onScreen("typing a number", fmt.Sprintf(`(() => {
		const e = document.querySelector("#number");
		if (!e) return "";
		e.value = %q;
		return "typed";
	})()`, number))
	w.pressOnScreen("form.answer button", next)
}

// TestDemoScanEnds: refusing, a wrong number, a second phone, the same phone twice and a desktop
// that gives up each end as designed, and nobody is signed in by any of them.
func TestDemoScanEnds(t *testing.T) {
	t.Parallel()
	for _, l := range []look{{"en", 1280}, {"zh-CN", 1280}} {
		t.Run(l.String(), func(t *testing.T) {
			t.Parallel()
			demo := startDemo(t)
			w, alice, bob := open(t, &demo.addresses, l), open(t, &demo.addresses, l), open(t, &demo.addresses, l)
			scan := func(phone *window, person, link string) {
				t.Helper()
				phone.visit(demo.control + "/phone?person=" + person + "&open=" + url.QueryEscape(link))
				phone.press("button[value=open]")
			}
			ends := func(page, en, zh string) {
				t.Helper()
				w.do("waiting for "+page, chromedp.WaitVisible(chromedp.CSS("main#"+page)))
				w.says(en, zh)
				w.see(strings.ReplaceAll(page, "_", "-"))
			}

			scan(alice, "alice", w.showCode(demo))
			alice.toNumber()
			alice.leaveOnScreen(".actions form button")
			alice.onPhone("main#scan_declined", "You declined", "已拒绝")
			ends("scan_refused", "Sign-in was declined on the phone", "拒绝")

			w.press(".actions form button") // another code
			scan(alice, "alice", w.codeLink())
			alice.toNumber()
			w.do("seeing the number", chromedp.WaitVisible(chromedp.CSS("#scan_scanned")))
			alice.enterOnScreen(otherNumber(w.number()), "main#scan_mismatch")
			alice.onPhone("main#scan_mismatch", "That is not the number on the screen", "数字")
			ends("scan_wrong", "A different number was entered", "数字")

			w.press(".actions form button")
			link := w.codeLink()
			scan(alice, "alice", link)
			alice.toNumber()
			scan(alice, "alice", link) // once more: it is hers
			alice.toNumber()
			scan(bob, "bob", link)
			for range 6 {
				switch bob.phonePage() {
				case "scan_ask":
					bob.leaveOnScreen(".actions form button")
				case "profile":
					bob.leaveOnScreen("#go")
				case "consent":
					bob.leaveOnScreen("button.allow")
				}
			}
			bob.onPhone("main#scan_taken", "Another phone is using this code", "另一部手机")
			bob.see("scan-taken")

			if status := w.press(`form[action*="/scan/cancel"] button`); status != 200 {
				t.Errorf("giving up ends with status %d", status)
			}
			w.do("waiting for the app, which hears of it",
				chromedp.WaitVisible(chromedp.CSS(`main a.button[href="`+demo.app+`/"]`)))
			w.says("You were not signed in", "你没有登录")
			alice.enterOnScreen("42", "main#scan_over")
			w.visit(demo.app + "/board/")
			w.outOfClient("board")
		})
	}
}
