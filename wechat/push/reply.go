package push

import (
	"crypto/rand"
	"encoding/binary"
	"fmt"
	"strconv"
	"strings"
	"unicode/utf8"
)

// Reply is the answer to a message. With the zero value the person sees nothing.
type Reply struct {
	// Text is shown in the chat. It has at most 1,800 bytes; a longer text is cut. Line breaks are
	// shown, and <a href="https://…">text</a> is a link. Escape the text of other people with
	// [EscapeText].
	Text string

	// Raw is an answer in WeChat's own form that another server gave to Message.Request. It is sent
	// unchanged. Text is then ignored.
	Raw []byte
}

// success is the answer for "nothing to say", recommended by WeChat. It is never encrypted.
const success = "success"

// MaxReplyText is the longest text of a reply, in bytes. 2,048 bytes are reported to work, and so
// is a limit of 628 Chinese characters, which are 1,884 bytes. Longer texts show the person an
// error.
const MaxReplyText = 1800

// EscapeText returns text without the markup of links: in a reply, it is shown as it is.
func EscapeText(text string) string {
	return strings.NewReplacer("<", "＜", ">", "＞").Replace(text)
}

// cut cuts a text to MaxReplyText bytes, the last of which are "…".
func cut(text string) string {
	if len(text) <= MaxReplyText {
		return text
	}
	const more = "…"
	end := MaxReplyText - len(more)
	for end > 0 && !utf8.RuneStart(text[end]) {
		end--
	}
	return text[:end] + more
}

// cdata returns text as CDATA sections. "]]>" is divided between two of them. Characters that XML
// does not allow are removed.
func cdata(text string) string {
	return "<![CDATA[" + strings.ReplaceAll(string(clean([]byte(text))), "]]>", "]]]]><![CDATA[>") + "]]>"
}

// document returns the reply as the XML that WeChat expects, or "" when there is nothing to say.
// The account and the person change places: the reply is from the account to the person.
func (r *Reply) document(m *Message, now int64) string {
	text := cut(r.Text)
	if strings.TrimSpace(text) == "" {
		return "" // with an empty text, WeChat shows the person an error
	}
	return "<xml><ToUserName>" + cdata(m.OpenID) + "</ToUserName><FromUserName>" + cdata(m.To) + "</FromUserName>" +
		"<CreateTime>" + strconv.FormatInt(now, 10) + "</CreateTime><MsgType>" + cdata(TypeText) + "</MsgType>" +
		"<Content>" + cdata(text) + "</Content></xml>"
}

// seal returns the document of a reply, encrypted and signed with the present key and token.
func (h *Handler) seal(document string, now int64) (string, error) {
	text, err := encrypt(h.keys[0], newRandom(), []byte(document), h.cfg.AppID)
	if err != nil {
		return "", err
	}
	var random [4]byte
	rand.Read(random[:])
	timestamp, nonce := strconv.FormatInt(now, 10), strconv.FormatUint(uint64(binary.BigEndian.Uint32(random[:])), 10)
	return fmt.Sprintf("<xml><Encrypt><![CDATA[%s]]></Encrypt><MsgSignature><![CDATA[%s]]></MsgSignature>"+
		"<TimeStamp>%s</TimeStamp><Nonce><![CDATA[%s]]></Nonce></xml>",
		text, sign(h.tokens[0], timestamp, nonce, text), timestamp, nonce), nil
}
