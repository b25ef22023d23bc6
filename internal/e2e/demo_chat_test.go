package e2e_test

import (
	"testing"

	"github.com/chromedp/chromedp"
)

// TestDemoChat is the card of the chat with an official account, from the first screen to signed in,
// in two windows: the desktop's, and one with the chat on the simulator's phone. Nothing is typed but
// the confirmation code, and the name that the chat does not tell.
func TestDemoChat(t *testing.T) {
	t.Parallel()
	for _, l := range flows {
		t.Run(l.String(), func(t *testing.T) {
			t.Parallel()
			demo := startDemo(t)
			for _, step := range []struct{ way, page, press, next string }{
				{"#way-message", "#chat_number", "button[value=text]", "#name_in_apps"},
				{"#way-follow", "#chat_follow", "#paste + button[value=scan]", "#sub"}, // the name is known
			} {
				w, phone := open(t, &demo.addresses, wide(l)), openBoth(t, &demo.addresses, l)
				w.visit(demo.app + "/")
				w.press("#forum")
				w.press("#sign-in")
				w.press(step.way)
				w.do("seeing the page", chromedp.WaitVisible(chromedp.CSS(step.page)))
				w.see("demo-" + step.page[1:])
				phone.visit(eval[string](w, `document.querySelector("#phone").href`))
				phone.see("demo-handed-" + step.page[1:])
				phone.press(step.press)
				phone.do("the account answers", chromedp.WaitVisible(chromedp.CSS(".line.of-account")))
				phone.see("demo-answer-" + step.page[1:])
				code := fourDigits.FindStringSubmatch(phone.text(".line.of-account:last-child .bubble"))
				if code == nil {
					t.Fatalf("no code in the chat: %q", phone.text("#talk"))
				}
				w.do("seeing that the account has answered", chromedp.WaitVisible(chromedp.CSS("#chat_answered")))
				// The page after the form continues automatically.
				w.do("typing the code", chromedp.SendKeys(chromedp.CSS("#code"), code[1]),
					chromedp.Click(chromedp.CSS("form.answer button")), chromedp.WaitVisible(chromedp.CSS(step.next)))
				if step.next == "#name_in_apps" {
					w.do("giving a name", chromedp.SendKeys(chromedp.CSS("#name"), "Alice\r"),
						chromedp.WaitVisible(chromedp.CSS("#sub")))
				}
			}
		})
	}
}
