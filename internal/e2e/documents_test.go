package e2e_test

import (
	"testing"

	"github.com/weigate/weigate/internal/config"
)

// TestPicturesForDocuments keeps the pictures of docs/*/message.md: the pages of a desktop in both
// languages. The other pictures of the documents are pictures of other tests (docs/images/pictures.txt).
func TestPicturesForDocuments(t *testing.T) {
	t.Parallel()
	for _, l := range []look{{"en", 720}, {"zh-CN", 720}} {
		t.Run(l.String(), func(t *testing.T) {
			t.Parallel()
			g := startChat(t, l.lang, config.OfficialAccount)
			w := open(t, &g.addresses, l)
			w.visit(g.gateway + "/sign-in?return=/")
			w.waits("main#choose")
			w.press("#way-follow")
			w.waits("main#chat_follow")
			w.glance("document-follow")

			w = open(t, &g.addresses, l) // the first browser remembers the method
			w.visit(g.gateway + "/sign-in?return=/")
			w.waits("main#choose")
			w.press("#way-message")
			w.waits("main#chat_number")
			w.glance("document-message")
			d, err := g.wx.SendText(t.Context(), "alice", chatAppID, w.text("#chat-number"))
			codeIn(t, d, err)
			w.waits("main#chat_answered")
			w.glance("document-message-answered")
		})
	}
}
