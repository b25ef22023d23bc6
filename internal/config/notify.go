package config

import (
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"net/netip"
	"os"
	"regexp"
	"slices"
	"strings"

	"github.com/weigate/weigate/internal/gateway"
	"github.com/weigate/weigate/internal/lang"
	"github.com/weigate/weigate/wechat"
)

// This file reads outgoing, the settings of requests to other servers, and the notify list.

// Outgoing configures the requests that the gateway sends to webhooks and apps.
type Outgoing struct {
	Proxy       bool   // use HTTPS_PROXY and NO_PROXY of the environment
	CAs         []byte // further certificate authorities in PEM form; nil = none
	PrivateApps bool   // addresses of apps may be private, with plain http
}

// The kinds of receivers of notices.
const (
	NotifyWeCom    = "wecom"    // a group robot of WeCom (企业微信群机器人)
	NotifyFeishu   = "feishu"   // a group robot of Feishu (飞书) or Lark
	NotifyDingTalk = "dingtalk" // a group robot of DingTalk (钉钉)
	NotifySlack    = "slack"    // an incoming webhook of Slack
	NotifyJSON     = "json"     // signed JSON, in the form of Standard Webhooks
)

// Notify is a receiver of notices, such as a group robot.
type Notify struct {
	Name     string
	Kind     string          // NotifyWeCom …
	URL      wechat.Secret   // anybody who has it can send messages to the group
	Secrets  []wechat.Secret // Feishu, DingTalk: one or none; JSON: one, or two during a change
	Events   []gateway.NoticeKind
	Keyword  string   // text that each message begins with; "" = none
	Mention  []string // users whom a message notifies, by their ids at the receiver; "all" = everybody
	Language string   // "en" or "zh-CN"

	// PrivateAddresses are allowed for the server in addition to public ones, also with plain http.
	PrivateAddresses []netip.Prefix
}

func outgoingKeys() []key[Outgoing] {
	return []key[Outgoing]{
		{name: "proxy", read: func(_ *section, v value, o *Outgoing) { o.Proxy = v.boolean() }},
		{name: "ca_file", read: readCAFile},
		{name: "private_apps", read: func(_ *section, v value, o *Outgoing) { o.PrivateApps = v.boolean() }},
	}
}

// maxCAFile is the largest size of the file with certificate authorities. The file of Debian has
// 220 kB.
const maxCAFile = 1 << 20

// readCAFile reads a file with certificates. The file is not a secret.
func readCAFile(_ *section, v value, o *Outgoing) {
	name, ok := v.text()
	if !ok || name == "" {
		return
	}
	info, err := os.Stat(v.reader.path(name))
	if err != nil || !info.Mode().IsRegular() || info.Size() > maxCAFile {
		v.reject("must be a readable file with certificates in PEM form, of 1 MiB at most")
		return
	}
	text, err := os.ReadFile(v.reader.path(name))
	if err != nil {
		v.reject("cannot read the file: its group must be the gateway's (Debian package: chgrp weigate, then chmod 640)")
		return
	}
	if !hasCertificate(text) {
		v.reject("has no certificate: want PEM blocks that begin with -----BEGIN CERTIFICATE-----")
		return
	}
	o.CAs = text
}

func hasCertificate(text []byte) bool {
	for {
		block, rest := pem.Decode(text)
		if block == nil {
			return false
		}
		if _, err := x509.ParseCertificate(block.Bytes); err == nil && block.Type == "CERTIFICATE" {
			return true
		}
		text = rest
	}
}

func notifyKinds() []string {
	return []string{NotifyWeCom, NotifyFeishu, NotifyDingTalk, NotifySlack, NotifyJSON}
}

// notifyKeys declares the keys of a receiver. Two fields of a key: required is what is missing
// without the key, for the message; noEnv means that no environment variable sets the key.
func notifyKeys() []key[Notify] {
	return []key[Notify]{
		{name: "name", noEnv: true, required: "a name of your choice, such as ops", read: readNotifyName},
		{name: "kind", required: "wecom, feishu, dingtalk, slack or json",
			read: func(_ *section, v value, n *Notify) { n.Kind = v.choice("", notifyKinds()...) }},
		// The key comes before url, whose check uses it.
		{name: "private_addresses", noEnv: true, read: readPrivateAddresses},
		{name: "url", read: readNotifyURL},
		{name: "url_file"}, // readNotifyURL reads it
		{name: "secret", read: readNotifySecret},
		{name: "secret_file"}, // readNotifySecret reads it
		{name: "events", noEnv: true, read: readNotifyEvents},
		{name: "keyword", read: readKeyword},
		{name: "mention", noEnv: true, read: readMention},
		{name: "language", read: readNotifyLanguage},
	}
}

// receivers reads the notify list.
func (v value) receivers() (out []Notify) {
	for _, item := range v.items() {
		s := item.section(keyNames(notifyKeys()))
		if !s.requireMapping() {
			continue
		}
		var n Notify
		for _, k := range notifyKeys() {
			readKey(s, k, &n)
		}
		out = append(out, n)
	}
	return out
}

func readNotifyName(s *section, v value, n *Notify) {
	rule := lang.Text("must be a lower-case letter, then lower-case letters, digits, _ or -, at most 32 characters")
	n.Name = v.uniqueName("notify", validConnectorName, rule, s.reader.notifyNames)
	s.useNameInPath("notify", n.Name)
}

func readPrivateAddresses(_ *section, v value, n *Notify) {
	texts, at := v.texts()
	for i, text := range texts {
		prefix, err := parsePrefix(text)
		if err != nil || prefix.Bits() == 0 { // 0.0.0.0/0 would allow every address
			at[i].reject("must be an IP address, or a network such as 10.1.0.0/16")
			continue
		}
		n.PrivateAddresses = append(n.PrivateAddresses, prefix)
	}
}

// robotHosts are the kinds of robots by the hosts of their webhooks, to reject the address of a
// robot of another kind.
var robotHosts = map[string]string{
	"qyapi.weixin.qq.com": NotifyWeCom, "open.feishu.cn": NotifyFeishu, "open.larksuite.com": NotifyFeishu,
	"oapi.dingtalk.com": NotifyDingTalk, "hooks.slack.com": NotifySlack,
}

func readNotifyURL(s *section, v value, n *Notify) {
	if !v.present() && !s.fromEnvOrFile("url_file").present() {
		v.reject("missing: the address of the webhook, or url_file with the path of a file that contains it")
		return
	}
	all := s.secrets(v, 1)
	if len(all) == 0 {
		return
	}
	u, err := parseAddress(string(all[0].value))
	switch {
	case err != nil || u.Host == "" || u.User != nil || u.Scheme != "https" && u.Scheme != "http":
		all[0].at.reject("must be an https URL")
	case u.Scheme == "http" && len(n.PrivateAddresses) == 0:
		all[0].at.reject("must start with https:// (http only to addresses that private_addresses lists)")
	case robotHosts[u.Hostname()] != "" && n.Kind != "" && n.Kind != robotHosts[u.Hostname()]:
		all[0].at.reject("is an address of kind %s", robotHosts[u.Hostname()])
	}
	n.URL = all[0].value
}

func readNotifySecret(s *section, v value, n *Notify) {
	switch {
	case n.Kind == NotifyJSON && !s.hasSecret():
		v.reject("missing: one or two secrets for signatures, or secret_file (openssl rand -base64 32 generates one)")
		return
	case (n.Kind == NotifyWeCom || n.Kind == NotifySlack) && s.hasSecret():
		v.reject("only valid for kind %s", joinWithOr([]string{NotifyFeishu, NotifyDingTalk, NotifyJSON}))
		return
	}
	most := 1
	if n.Kind == NotifyJSON {
		most = 2
	}
	for _, each := range s.secrets(v, most) {
		text, isStandard := strings.CutPrefix(string(each.value), "whsec_")
		if _, err := base64.StdEncoding.DecodeString(text); n.Kind == NotifyJSON && isStandard && err != nil {
			each.at.reject("must have base64 after whsec_")
		}
		if n.Kind == NotifyJSON && len(text) < minClientSecret {
			each.at.reject("must have at least %d characters (openssl rand -base64 32 generates one)", minClientSecret)
		}
		n.Secrets = append(n.Secrets, each.value)
	}
}

func readNotifyEvents(_ *section, v value, n *Notify) {
	known := gateway.NoticeKinds()
	if !v.present() {
		n.Events = known
		return
	}
	if v.isEmptyList() {
		v.reject("must not be empty")
	}
	texts, at := v.texts()
	for i, text := range texts {
		if kind := gateway.NoticeKind(text); slices.Contains(known, kind) {
			n.Events = append(n.Events, kind)
			continue
		}
		var words []string
		for _, kind := range known {
			words = append(words, string(kind))
		}
		at[i].reject("must be %s%s", joinWithOr(words), didYouMean(text, words))
	}
}

func readKeyword(_ *section, v value, n *Notify) {
	if n.Keyword, _ = v.text(); len([]rune(n.Keyword)) > 50 {
		v.reject("must not be longer than 50 characters")
	}
}

// validMention matches ids of users at the receivers: user ids, mobile numbers, ou_…, U0123.
var validMention = regexp.MustCompile(`^[A-Za-z0-9_.@+-]{1,64}$`)

func readMention(_ *section, v value, n *Notify) {
	texts, at := v.texts()
	if len(texts) > 20 {
		v.reject("at most 20 values")
	}
	for i, text := range texts {
		if !validMention.MatchString(text) {
			at[i].reject("must be all, or the id of a user at the receiver")
		}
	}
	if len(texts) > 0 && n.Kind == NotifyJSON {
		v.reject("not valid for kind json")
	}
	n.Mention = texts
}

func readNotifyLanguage(_ *section, v value, n *Notify) {
	byDefault := "zh-CN"
	if n.Kind == NotifySlack || n.Kind == NotifyJSON {
		byDefault = "en"
	}
	n.Language = v.choice(byDefault, "en", "zh-CN")
}
