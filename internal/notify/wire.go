package notify

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
)

// This file encodes and signs the requests to each kind of receiver.

// wireMessage is a request to a receiver.
type wireMessage struct {
	url    string // a credential
	body   []byte
	header http.Header // nil = none
}

// weComMessage returns a message of type text. Members can read messages of WeCom in WeChat, which
// cannot show the type markdown.
// (developer.work.weixin.qq.com/document/path/91770)
func weComMessage(r Receiver, text string) (wireMessage, error) {
	type content struct {
		Content string   `json:"content"`
		Users   []string `json:"mentioned_list,omitempty"`
		Mobiles []string `json:"mentioned_mobile_list,omitempty"`
	}
	c := content{Content: text}
	for _, id := range r.Mention {
		switch {
		case id == "all":
			c.Users = append(c.Users, "@all")
		case isMobile(id):
			c.Mobiles = append(c.Mobiles, id)
		default:
			c.Users = append(c.Users, id)
		}
	}
	return encode(r.URL, struct {
		Type string  `json:"msgtype"`
		Text content `json:"text"`
	}{Type: "text", Text: c})
}

// feishuMessage returns a message of type text, with the time and the signature in the body.
// (open.feishu.cn/document/client-docs/bot-v3/add-custom-bot)
func feishuMessage(r Receiver, text string, now time.Time) (wireMessage, error) {
	type content struct {
		Text string `json:"text"`
	}
	m := struct {
		Timestamp string  `json:"timestamp,omitempty"`
		Sign      string  `json:"sign,omitempty"`
		Type      string  `json:"msg_type"`
		Content   content `json:"content"`
	}{Type: "text", Content: content{Text: text}}
	if len(r.Secrets) > 0 {
		m.Timestamp = strconv.FormatInt(now.Unix(), 10)
		m.Sign = feishuSignature(m.Timestamp, r.Secrets[0])
	}
	return encode(r.URL, m)
}

// dingTalkMessage returns a message of type text, with the time and the signature in the address.
// (open.dingtalk.com/document/robots/custom-robot-access)
func dingTalkMessage(r Receiver, text string, now time.Time) (wireMessage, error) {
	type content struct {
		Content string `json:"content"`
	}
	type at struct {
		Mobiles []string `json:"atMobiles,omitempty"`
		Users   []string `json:"atUserIds,omitempty"`
		All     bool     `json:"isAtAll"`
	}
	m := struct {
		Type string  `json:"msgtype"`
		Text content `json:"text"`
		At   at      `json:"at"`
	}{Type: "text", Text: content{Content: text}}
	for _, id := range r.Mention {
		switch {
		case id == "all":
			m.At.All = true
		case isMobile(id):
			m.At.Mobiles = append(m.At.Mobiles, id)
		default:
			m.At.Users = append(m.At.Users, id)
		}
	}
	address := r.URL
	if len(r.Secrets) > 0 {
		timestamp := strconv.FormatInt(now.UnixMilli(), 10)
		separator := "&"
		if !strings.Contains(address, "?") {
			separator = "?"
		}
		address += separator + "timestamp=" + timestamp +
			"&sign=" + url.QueryEscape(dingTalkSignature(timestamp, r.Secrets[0]))
	}
	return encode(address, m)
}

// slackMessage returns a message without formatting. Slack requires that &, < and > are escaped.
// (api.slack.com/messaging/webhooks)
func slackMessage(r Receiver, text string) (wireMessage, error) {
	text = strings.NewReplacer("&", "&amp;", "<", "&lt;", ">", "&gt;").Replace(text)
	return encode(r.URL, struct {
		Text     string `json:"text"`
		Markdown bool   `json:"mrkdwn"`
		Unfurl   bool   `json:"unfurl_links"`
	}{Text: mentionsBefore(slackMentions(r.Mention), text)})
}

func slackMentions(ids []string) (out []string) {
	for _, id := range ids {
		switch id {
		case "all":
			out = append(out, "<!channel>")
		case "here", "channel":
			out = append(out, "<!"+id+">")
		default:
			out = append(out, "<@"+id+">")
		}
	}
	return out
}

// mentionsBefore puts mentions on a line before a text.
func mentionsBefore(mentions []string, text string) string {
	if len(mentions) == 0 {
		return text
	}
	return strings.Join(mentions, " ") + "\n" + text
}

// jsonMessage returns a request in the form of Standard Webhooks, with one signature for each secret.
// (github.com/standard-webhooks/standard-webhooks, spec/standard-webhooks.md)
func jsonMessage(r Receiver, id string, event any, now time.Time) (wireMessage, error) {
	m, err := encode(r.URL, event)
	if err != nil {
		return wireMessage{}, err
	}
	timestamp := strconv.FormatInt(now.Unix(), 10)
	var signatures []string
	for _, secret := range r.Secrets {
		signatures = append(signatures, standardSignature(id, timestamp, m.body, secret))
	}
	m.header = http.Header{}
	m.header.Set("Webhook-Id", id)
	m.header.Set("Webhook-Timestamp", timestamp)
	m.header.Set("Webhook-Signature", strings.Join(signatures, " "))
	return m, nil
}

// feishuSignature signs an empty message with the time and the secret as key, as Feishu requires.
func feishuSignature(timestamp, secret string) string {
	return signature([]byte(timestamp+"\n"+secret), nil)
}

// dingTalkSignature signs the time and the secret with the secret as key, as DingTalk requires.
func dingTalkSignature(timestamp, secret string) string {
	return signature([]byte(secret), []byte(timestamp+"\n"+secret))
}

// standardSignature signs id, time and body. After the prefix whsec_, a secret is base64.
func standardSignature(id, timestamp string, body []byte, secret string) string {
	key := []byte(secret)
	if text, isStandard := strings.CutPrefix(secret, "whsec_"); isStandard {
		if decoded, err := base64.StdEncoding.DecodeString(text); err == nil {
			key = decoded
		}
	}
	return "v1," + signature(key, slices.Concat([]byte(id+"."+timestamp+"."), body))
}

// signature returns the HMAC-SHA256 of a message in base64.
func signature(key, message []byte) string {
	mac := hmac.New(sha256.New, key)
	mac.Write(message)
	return base64.StdEncoding.EncodeToString(mac.Sum(nil))
}

// isMobile reports whether an id is a mobile number of China.
func isMobile(id string) bool {
	id = strings.TrimPrefix(id, "+86-")
	return len(id) == 11 && id[0] == '1' && strings.Trim(id, "0123456789") == ""
}

// encode returns a request with a JSON body. Characters such as < stay readable: the body is not
// part of a page.
func encode(address string, v any) (wireMessage, error) {
	var b strings.Builder
	encoder := json.NewEncoder(&b)
	encoder.SetEscapeHTML(false)
	if err := encoder.Encode(v); err != nil {
		return wireMessage{}, err
	}
	return wireMessage{url: address, body: []byte(strings.TrimSuffix(b.String(), "\n"))}, nil
}
