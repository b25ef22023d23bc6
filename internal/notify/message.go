package notify

import (
	"context"
	"embed"
	"fmt"
	"slices"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/weigate/weigate/internal/errcode"
	"github.com/weigate/weigate/internal/gateway"
	"github.com/weigate/weigate/internal/lang"
)

//go:embed files
var files embed.FS

// texts has the texts of messages.
var texts = lang.MustLoad(files, "files")

// maxBytes are the greatest lengths of messages. WeCom accepts 2,048 bytes. The other platforms
// accept more than 4,000, but nobody would read a longer message.
var maxBytes = map[string]int{WeCom: 2048, Feishu: 4000, DingTalk: 4000, Slack: 4000}

const (
	maxLines = 12 // of notices in one message
	maxName  = 32 // characters of the name of a user
)

// message returns the request that sends notices to a receiver. A receiver of kind JSON gets a
// request for each notice (see Notifier.Sender), so notices then has one element.
func (n *Notifier) message(ctx context.Context, r Receiver, notices []payload) (wireMessage, error) {
	now := n.cfg.Now()
	if r.Kind == JSON {
		return jsonMessage(r, notices[0].ID, n.event(r, notices[0]), now)
	}
	waiting := 0
	if n.cfg.Waiting != nil && slices.ContainsFunc(notices, isWaiting) {
		waiting, _ = n.cfg.Waiting(ctx) // without the number, the message is still useful
	}
	reserved := 0 // bytes of the mentions in the text; WeCom has them in a field of their own
	switch r.Kind {
	case Feishu:
		reserved = len(mentionsBefore(feishuMentions(r.Mention), ""))
	case Slack:
		reserved = len(mentionsBefore(slackMentions(r.Mention), ""))
	case DingTalk:
		reserved = len(mentionsBefore(dingTalkMentions(r.Mention), ""))
	}
	text := digest(*n.settings.Load(), r, notices, waiting, maxBytes[r.Kind]-reserved)
	switch r.Kind {
	case WeCom:
		return weComMessage(r, text)
	case Feishu:
		return feishuMessage(r, mentionsBefore(feishuMentions(r.Mention), text), now)
	case DingTalk:
		return dingTalkMessage(r, mentionsBefore(dingTalkMentions(r.Mention), text), now)
	case Slack:
		return slackMessage(r, text) // adds the mentions before the text itself
	}
	return wireMessage{}, fmt.Errorf("notify: receiver of unknown kind %q", r.Kind)
}

func feishuMentions(ids []string) (out []string) {
	for _, id := range ids {
		out = append(out, `<at user_id="`+id+`"></at>`)
	}
	return out
}

// dingTalkMentions returns the ids that the text must contain: DingTalk notifies only users whose
// ids are both in the field "at" and in the text.
func dingTalkMentions(ids []string) (out []string) {
	for _, id := range ids {
		if id != "all" {
			out = append(out, "@"+id)
		}
	}
	return out
}

func isWaiting(p payload) bool { return p.Kind == gateway.NoticeWaiting }

// digest returns one text for notices, of at most limit bytes. It has a line for each of the first
// notices, the number of the remaining notices, and links to the pages where an administrator
// continues.
func digest(s Settings, r Receiver, notices []payload, waiting, limit int) string {
	t := texts.In(r.Language)
	head := cut(plain(gateway.CleanLine(s.Title)), 100)
	if r.Keyword != "" { // the platform rejects messages without it
		head = r.Keyword + " " + head
	}
	tail := tailOf(t, s, notices, waiting)
	var lines []string
	seen := map[payload]bool{} // a notice may occur twice, such as a fault that two processes found
	for _, p := range notices {
		same := p
		same.ID, same.At = "", time.Time{}
		if !seen[same] {
			lines = append(lines, lineOf(t, s, p))
		}
		seen[same] = true
	}
	shown := min(len(lines), maxLines)
	for ; shown > 0; shown-- { // shows fewer lines until the text fits
		if text := assemble(t, head, lines[:shown], len(lines)-shown, tail); len(text) <= limit {
			return text
		}
	}
	return cut(assemble(t, head, nil, len(lines), tail), limit)
}

// assemble joins the parts of a message. left is the number of notices that are not in lines.
func assemble(t lang.Texts, head string, lines []string, left int, tail []string) string {
	parts := append([]string{head}, lines...)
	if left > 0 {
		parts = append(parts, t.MustText("more", "n", left))
	}
	return strings.Join(append(parts, tail...), "\n")
}

// tailOf returns the last lines of a message: how many users wait, and links.
func tailOf(t lang.Texts, s Settings, notices []payload, waiting int) (tail []string) {
	if waiting > 1 {
		tail = append(tail, t.MustText("waiting.total", "n", waiting))
	}
	pages := []string{}
	for _, p := range notices {
		if page := pageOf(p.Kind); page != "" && !slices.Contains(pages, page) {
			pages = append(pages, page)
		}
	}
	for _, page := range pages {
		tail = append(tail, s.URL+page)
	}
	return tail
}

// pageOf returns the page of the administration for a kind of notice. The page requires a sign-in,
// so that no link in a chat group approves anybody.
func pageOf(kind gateway.NoticeKind) string {
	switch kind {
	case gateway.NoticeWaiting:
		return "/admin/waiting"
	case gateway.NoticeFault, gateway.NoticeKeyRotated:
		return "/admin/health"
	case gateway.NoticeAdminLink:
		return "/admin/events"
	}
	return ""
}

// lineOf returns the line of a notice.
func lineOf(t lang.Texts, s Settings, p payload) string {
	at := p.At.In(s.Zone).Format("2006-01-02 15:04 -07:00")
	user := plain(shortName(p.User))
	if user == "" {
		user = t.MustText("unnamed")
	}
	app := plain(cut(gateway.CleanLine(p.App), 150))
	switch p.Kind {
	case gateway.NoticeWaiting:
		return t.MustText("waiting", "user", user, "app", app, "at", at)
	case gateway.NoticeAdminLink:
		return t.MustText("admin_link", "user", user, "at", at)
	case gateway.NoticeKeyRotated:
		return t.MustText("key_rotated", "at", at)
	case gateway.NoticeFault:
		return t.MustText("fault", "what", fault(t, p), "at", at)
	}
	return t.MustText("test", "at", at)
}

// fault returns the description of a fault, with what to do if the code is known.
func fault(t lang.Texts, p payload) string {
	kind, name, _ := strings.Cut(p.Source, ":")
	code := plain(cut(gateway.CleanLine(p.Code), 40))
	source := "fault." + kind
	if !t.Has(source) {
		source = "fault.other"
	}
	what := t.MustText(source, "name", plain(cut(gateway.CleanLine(name), 64)), "code", code)
	if text := advice(t, p); text != "" {
		what += t.MustText("advice", "text", text)
	}
	return what
}

// advice returns what happened and what to do, or "" for an unknown code. Package errcode has the
// texts about WeChat's errcodes.
func advice(t lang.Texts, p payload) string {
	kind, _, _ := strings.Cut(p.Source, ":")
	key := "fault." + kind + "." + p.Code
	code, found := errcode.Parse(p.Code)
	switch {
	case kind == "wechat" && found:
		return errcode.Explain(t.Lang, code).Text
	case t.Has(key):
		return t.MustText(key)
	}
	return ""
}

// event is the body of a request to a receiver of kind JSON.
type event struct {
	Type string    `json:"type"`
	At   time.Time `json:"timestamp"`
	Data eventData `json:"data"`
}

type eventData struct {
	Gateway string `json:"gateway"`
	UserID  string `json:"user_id,omitempty"`
	User    string `json:"user,omitempty"`
	App     string `json:"app,omitempty"`
	Source  string `json:"source,omitempty"`
	Code    string `json:"code,omitempty"`
	Advice  string `json:"advice,omitempty"`
	Link    string `json:"link,omitempty"`
}

// eventTypes has the field type of an event for each kind of notice. Programs read it.
var eventTypes = map[gateway.NoticeKind]string{
	gateway.NoticeWaiting: "user.waiting", gateway.NoticeFault: "gateway.fault",
	gateway.NoticeKeyRotated: "signing_key.rotated", gateway.NoticeAdminLink: "admin.link_used", noticeTest: "test",
}

func (n *Notifier) event(r Receiver, p payload) event {
	s, t := n.settings.Load(), texts.In(r.Language)
	e := event{Type: eventTypes[p.Kind], At: p.At.UTC(), Data: eventData{
		Gateway: s.URL, UserID: p.UserID, User: p.User, App: p.App, Source: p.Source, Code: p.Code,
		Advice: advice(t, p),
	}}
	if page := pageOf(p.Kind); page != "" {
		e.Data.Link = s.URL + page
	}
	return e
}

// shortName returns a name of a user on one line, at most maxName characters.
func shortName(name string) string {
	runes := []rune(gateway.CleanLine(name))
	if len(runes) > maxName {
		return string(runes[:maxName]) + "…"
	}
	return string(runes)
}

// plain replaces characters with wide characters that look alike. A platform could take the
// originals for a mention, a link or formatting: a user whose nickname is <@all> would notify
// everybody.
func plain(text string) string {
	text = wide.Replace(text)
	// A dot between letters would make a link of a host name.
	runes := []rune(text)
	for i, r := range runes {
		if r == '.' && i > 0 && i+1 < len(runes) && !unicode.IsSpace(runes[i-1]) && !unicode.IsSpace(runes[i+1]) {
			runes[i] = '．'
		}
	}
	return string(runes)
}

var wide = strings.NewReplacer(
	"<", "＜", ">", "＞", "@", "＠", "#", "＃", "&", "＆", "[", "［", "]", "］", "(", "（", ")", "）", "*", "＊", "_", "＿",
	"~", "～", "`", "｀", "|", "｜", "!", "！", ":", "：", "/", "／", "\\", "＼",
)

// cut returns the beginning of a text, at most n bytes, with "…" if it was longer. It does not
// split a character.
func cut(text string, n int) string {
	const mark = "…"
	if len(text) <= n {
		return text
	}
	end := max(n-len(mark), 0)
	for end > 0 && !utf8.RuneStart(text[end]) {
		end--
	}
	return text[:end] + mark
}
