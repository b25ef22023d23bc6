package config

import (
	"net/url"
	"regexp"
	"strings"
	"unicode/utf8"

	"github.com/weigate/weigate/internal/lang"
	"github.com/weigate/weigate/internal/origin"
	"github.com/weigate/weigate/wechat"
)

// Push configures message push (消息推送) of an account: WeChat sends to the gateway what people write
// to the account. The zero value means that the account has no message push.
type Push struct {
	Enabled bool

	Token, PreviousToken   wechat.Secret // as in WeChat's console; the previous one is accepted during a change
	AESKey, PreviousAESKey wechat.Secret // EncodingAESKey
	Compatible             bool          // compatible mode (兼容模式) instead of secure mode (安全模式)
	// PlaintextWithoutProtection means plaintext mode (明文模式), for a test account: anybody can forge
	// its messages.
	PlaintextWithoutProtection bool
	OriginalID                 string // 原始ID, gh_…; "" = not compared

	AccountName string // name of the account in WeChat, shown to users
	AccountID   string // 微信号, by which users can search for the account; "" = not shown
	QRCode      string // content of the account's QR code; "" = not shown
	Language    string // of the answers in the chat: lang.Chinese or lang.English

	Replies Replies
	Forward string // URL of another server that receives what the gateway does not answer; "" = none
}

// Replies are automatic replies (自动回复) of the account.
type Replies struct {
	Welcome  string // to a new follower; "" = the gateway's own text
	Fallback string // to a message that is neither a sign-in number nor a keyword; "" = nothing
	Keywords []Keyword
}

// Keyword is a reply to messages with one of several words.
type Keyword struct {
	Words []string // a message that contains one of these, in any case
	Text  string
}

// maxReply is the longest reply, in bytes: WeChat shows users an error for longer ones.
const maxReply = 1800

var (
	validPushToken  = regexp.MustCompile(`^[A-Za-z0-9]{3,32}$`)
	validAESKey     = regexp.MustCompile(`^[A-Za-z0-9]{43}$`)
	validOriginalID = regexp.MustCompile(`^gh_[0-9a-f]{12}$`)
)

func pushKeys() []key[Push] {
	return []key[Push]{
		{name: "token", read: func(s *section, v value, p *Push) {
			p.Token = s.pushSecret(v, validPushToken, tokenRule())
		}},
		{name: "token_file"}, // read with token, like the other keys that end in _file
		{name: "aes_key", read: func(s *section, v value, p *Push) {
			p.AESKey = s.pushSecret(v, validAESKey, aesKeyRule())
		}},
		{name: "aes_key_file"},
		{name: "previous_token",
			read: func(s *section, v value, p *Push) {
				p.PreviousToken = s.pushSecret(v, validPushToken, tokenRule())
			}},
		{name: "previous_token_file"},
		{name: "previous_aes_key",
			read: func(s *section, v value, p *Push) { p.PreviousAESKey = s.pushSecret(v, validAESKey, aesKeyRule()) }},
		{name: "previous_aes_key_file"},
		{name: "mode", read: func(_ *section, v value, p *Push) {
			p.Compatible = v.choice("secure", "secure", "compatible") == "compatible"
		}},
		{name: "plaintext_without_protection",
			read: func(_ *section, v value, p *Push) { p.PlaintextWithoutProtection = v.boolean() }},
		{name: "original_id", read: readOriginalID},
		{name: "account_name", required: "the name of the account in WeChat",
			read: func(_ *section, v value, p *Push) { p.AccountName = v.shortText() }},
		{name: "account_id", read: func(_ *section, v value, p *Push) { p.AccountID = v.shortText() }},
		{name: "qr_code", read: readAccountQRCode},
		{name: "language", read: func(_ *section, v value, p *Push) {
			p.Language = v.choice(lang.Chinese, lang.Chinese, lang.English)
		}},
		{name: "replies", noEnv: true, below: prefixed(".", paths(replyKeys())),
			read: func(_ *section, v value, p *Push) { readMapping(v, replyKeys(), &p.Replies) }},
		{name: "forward", read: readForward},
	}
}

func replyKeys() []key[Replies] {
	return []key[Replies]{
		{name: "welcome", read: func(_ *section, v value, r *Replies) { r.Welcome = v.replyText() }},
		{name: "fallback", read: func(_ *section, v value, r *Replies) { r.Fallback = v.replyText() }},
		{name: "keywords", noEnv: true, below: prefixed("[].", paths(keywordKeys())), read: readKeywords},
	}
}

func keywordKeys() []key[Keyword] {
	return []key[Keyword]{
		{name: "words", noEnv: true, required: "one or more words", read: readWords},
		{name: "text", noEnv: true, required: "the reply",
			read: func(_ *section, v value, k *Keyword) { k.Text = v.replyText() }},
	}
}

func tokenRule() lang.Message {
	return lang.Text("must have 3 to 32 letters and digits: it is the Token of 消息推送 in WeChat's console")
}

func aesKeyRule() lang.Message {
	return lang.Text("must have 43 letters and digits: it is the EncodingAESKey of 消息推送 in WeChat's console")
}

// pushSecret reads a secret of WeChat's console from v, or from the file of the second key (_file).
// It returns "" if the secret is missing or does not match valid. rule describes valid in the
// message.
func (s *section) pushSecret(v value, valid *regexp.Regexp, rule lang.Message) wechat.Secret {
	all := s.secrets(v, 1)
	if len(all) == 0 {
		return ""
	}
	if !valid.MatchString(string(all[0].value)) {
		v.reject("%s", rule)
		return ""
	}
	return all[0].value
}

func readPush(s *section, v value, c *Connector) {
	if !v.present() {
		if c.Kind == SubscriptionAccount {
			v.reject("missing: a subscription account signs users in by messages only")
		}
		return
	}
	if c.Kind == Website {
		v.reject("only valid for an account: a website app has no chat")
		return
	}
	problemsBefore := len(v.reader.problems)
	c.Push.Enabled = true
	keys := readMapping(v, pushKeys(), &c.Push)
	if len(v.reader.problems) > problemsBefore {
		return
	}
	if c.Push.Token == "" {
		keys.fromFile("token").reject("missing: the Token of 消息推送 in WeChat's console, or token_file")
	}
	switch plain := c.Push.PlaintextWithoutProtection; {
	case plain && c.Push.AESKey != "":
		keys.fromFile("plaintext_without_protection").reject("has no use for aes_key: remove one of the two")
	case !plain && c.Push.AESKey == "":
		keys.fromFile("aes_key").reject("missing: the EncodingAESKey of 消息推送 in WeChat's console, or aes_key_file")
	case plain:
		keys.fromFile("plaintext_without_protection").warn(
			"who has seen the address of one message can sign in as everybody: only for a test account")
	}
}

func readOriginalID(_ *section, v value, p *Push) {
	p.OriginalID, _ = v.text()
	if p.OriginalID != "" && !validOriginalID.MatchString(p.OriginalID) {
		v.reject("must be gh_ and 12 hexadecimal digits: it is 原始ID in WeChat's console")
	}
}

func readAccountQRCode(_ *section, v value, p *Push) {
	text, ok := v.text()
	if !ok || text == "" {
		return
	}
	u, err := url.Parse(text)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" || len(text) > 200 {
		v.reject("must be the address that the account's QR code contains, such as http://weixin.qq.com/r/…")
		return
	}
	p.QRCode = text
}

// readForward reads the URL of another message server. Plain http is rejected except on this
// machine or with insecure, because the messages contain what users write.
func readForward(s *section, v value, p *Push) {
	text, ok := v.text()
	if !ok || text == "" {
		return
	}
	u, err := url.Parse(text)
	switch {
	case err != nil || u.Host == "" || u.Scheme != "https" && u.Scheme != "http":
		v.reject("must be an http or https URL")
	case u.User != nil || u.Fragment != "":
		v.reject("must not have a user name or fragment")
	case u.Scheme == "http" && !s.reader.conf.Insecure && !origin.IsLoopback(u.Hostname()):
		v.reject("must be https: messages contain what users write")
	default:
		p.Forward = text
	}
}

// replyText reads the text of a reply.
func (v value) replyText() string {
	text, ok := v.text()
	switch {
	case !ok:
		return ""
	case len(text) > maxReply:
		v.reject("must have at most %d bytes: WeChat shows users an error for longer replies", maxReply)
		return ""
	}
	return text
}

func readKeywords(_ *section, v value, r *Replies) {
	for _, item := range v.items() {
		var k Keyword
		if s := item.section(keyNames(keywordKeys())); s.requireMapping() {
			for _, each := range keywordKeys() {
				readKey(s, each, &k)
			}
		}
		r.Keywords = append(r.Keywords, k)
	}
}

func readWords(_ *section, v value, k *Keyword) {
	words, at := v.texts()
	for i, word := range words {
		word = strings.TrimSpace(word)
		if word == "" || utf8.RuneCountInString(word) > 50 {
			at[i].reject("must have 1 to 50 characters")
			continue
		}
		k.Words = append(k.Words, word)
	}
}
